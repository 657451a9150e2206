"""Thousands of seeds: every promise holds in each, and each is told again by its number."""

import os
from collections.abc import Callable

import pytest

from tests.simulation.many import run_many
from tests.simulation.simulator import run_seed

SEEDS = int(os.environ.get("SIMULATED_SEEDS", "10000"))
PROCESSES = 2


def test_promises_hold_in_every_seed(record_property: Callable[[str, object], None]):
    *_, summary = run_many(0, SEEDS, PROCESSES)
    faults = ", ".join(f"{name} {times}" for name, times in sorted(summary.faults.items()))
    rate = f"{summary.rate:,.0f} seeds/s on {PROCESSES} processes"
    record_property("told", f"simulated {summary.seeds:,} seeds, {summary.steps:,} calls, {rate}: {faults}")
    told = [f"seed {seed}: {violation} (make simulate SEED={seed})" for seed, violation in summary.violations]
    assert told == []


@pytest.mark.parametrize("first", [0, 1_000, 54_321])
def test_same_seed_gives_the_same_trace(first: int):
    for seed in range(first, first + 30):
        assert run_seed(seed).trace_hash == run_seed(seed).trace_hash


def test_different_seeds_differ():
    assert len({run_seed(seed).trace_hash for seed in range(20)}) == 20
