"""Runs many seeds on all processors, and adds up what happened."""

import gc
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.simulation.simulator import run_seed

SEEDS_A_TASK = 50


@dataclass
class Summary:
    """What some seeds came to."""

    seeds: int = 0
    steps: int = 0
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[int, str]] = field(default_factory=list)
    newest: list[tuple[int, str]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Seeds a second."""
        return self.seeds / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor time a seed; other work on the machine changes the rate more."""
        return 1000 * self.cpu_s / self.seeds if self.seeds else 0.0

    def add(self, other: "Summary") -> None:
        """Take in another part."""
        self.seeds += other.seeds
        self.steps += other.steps
        self.cpu_s += other.cpu_s
        self.faults += other.faults
        self.statuses += other.statuses
        self.kinds += other.kinds
        self.violations += other.violations
        self.newest = other.violations


def run_part(seeds: range) -> Summary:
    """Run some seeds one after another."""
    summary = Summary(seeds=len(seeds))
    began_s = time.process_time()
    with rare_collections():
        _run(seeds, summary)
    summary.cpu_s = time.process_time() - began_s
    return summary


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage once at the end: to look for it within each run takes a tenth of all time, and to look
    at the modules each time another one.
    """
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()
        gc.unfreeze()


def _run(seeds: range, summary: Summary) -> None:
    for seed in seeds:
        result = run_seed(seed)
        summary.steps += result.steps
        summary.faults += result.faults
        summary.statuses += result.statuses
        summary.kinds.update(result.kinds or ("ordinary",))
        if result.violation:
            summary.violations.append((seed, str(result.violation)))
        result.trace.clear()  # most of what a run leaves; the collector takes longer to find it


def run_many(first: int, seeds: int, jobs: int | None = None) -> Iterator[Summary]:
    """Run seeds side by side; yields the sum so far, again and again."""
    end = first + seeds
    parts = [range(start, min(start + SEEDS_A_TASK, end)) for start in range(first, end, SEEDS_A_TASK)]
    total, began = Summary(), time.monotonic()
    # processes are made anew, not forked: a fork would copy locks that another thread holds
    with multiprocessing.get_context("spawn").Pool(jobs or os.cpu_count()) as pool:
        for part in pool.imap_unordered(run_part, parts):
            total.add(part)
            total.elapsed_s = time.monotonic() - began
            yield total
    total.violations.sort()
    total.newest = []
    yield total
