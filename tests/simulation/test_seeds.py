"""Thousands of seeds: every promise holds in each, and each can be run again by its number."""

from collections.abc import Callable

import pytest

from tests.simulation.many import run_many
from tests.simulation.ranges import seeds_of_release
from tests.simulation.simulator import run_seed

PROCESSES = 2


def test_promises_hold_in_every_seed(record_property: Callable[[str, object], None]):
    seeds = seeds_of_release()
    *_, summary = run_many(seeds.start, len(seeds), PROCESSES)
    faults = ", ".join(f"{name} {times}" for name, times in sorted(summary.faults.items()))
    rate = f"{summary.rate:,.0f} seeds/s on {PROCESSES} processes"
    which = f"{summary.seeds:,} seeds from {seeds.start:,}"
    record_property("summary", f"simulated {which}, {summary.steps:,} calls, {rate}: {faults}")
    violations = [
        f"seed {seed}: {violation} (make simulate SEED={seed})" for seed, violation in summary.violations
    ]
    assert violations == []


@pytest.mark.parametrize("first", [0, 1_000, 54_321])
def test_same_seed_gives_the_same_trace(first: int):
    for seed in range(first, first + 30):
        assert run_seed(seed).trace_hash == run_seed(seed).trace_hash


def test_different_seeds_differ():
    assert len({run_seed(seed).trace_hash for seed in range(20)}) == 20
