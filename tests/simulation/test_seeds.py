"""Thousands of seeds: every promise holds in each, and each is told again by its number."""

import os

import pytest

from tests.simulation.many import run_many
from tests.simulation.simulator import run_seed

SEEDS = int(os.environ.get("SIMULATED_SEEDS", "10000"))
PROCESSES = 2


def test_promises_hold_in_every_seed(capsys: pytest.CaptureFixture[str]):
    *_, summary = run_many(0, SEEDS, PROCESSES)
    with capsys.disabled():
        faults = ", ".join(f"{name} {times}" for name, times in sorted(summary.faults.items()))
        print(f"\nsimulated {summary.seeds:,} seeds, {summary.steps:,} calls, {summary.rate:,.0f} seeds/s")
        print(f"faults: {faults}")
    told = [f"seed {seed}: {violation} (make simulate SEED={seed})" for seed, violation in summary.violations]
    assert told == []


@pytest.mark.parametrize("first", [0, 1_000, 54_321])
def test_same_seed_gives_the_same_trace(first: int):
    for seed in range(first, first + 30):
        assert run_seed(seed).trace_hash == run_seed(seed).trace_hash


def test_different_seeds_differ():
    assert len({run_seed(seed).trace_hash for seed in range(20)}) == 20
