"""The real rate limiter, on a table in memory, where clocks differ: how many calls any 30 seconds hold."""

from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from adjustments.core.runtime import Clock, Ids
from adjustments.gameball.rate_limiter import Block, Priority, Resource, TableRateLimiter
from tests.simulation.checks import fail
from tests.simulation.scheduler import Worker
from tests.unit.gameball.crowd import AtomicTable

WINDOW_S: Final = 30.0
NEAR_S: Final = 1e-5
"""Slots are whole microseconds, and clocks are read to the microsecond as well."""


class SkewedLimiter:
    """One limiter for each invocation, all on one table.

    Args:
        limit: calls that a window may hold by clocks that agree.
        differ_s: how far the clocks of two invocations differ at most.
        now_s: the true time.
    """

    def __init__(
        self, limit: int, differ_s: float, clock: Clock, ids: Ids, now_s: Callable[[], float]
    ) -> None:
        self._limit = limit
        self.gap_s = WINDOW_S / limit
        self._calls_max = limit + differ_s * limit / WINDOW_S + 1
        self._clock = clock
        self._ids = ids
        self._now_s = now_s
        self._table = AtomicTable(lambda: None)
        self._calls_s: dict[Resource, deque[float]] = {}

    def take_slot(
        self, worker: Worker, resource: Resource, priority: Priority, within_s: float
    ) -> tuple[bool, float]:
        """See ``RateLimiter``; each slot that is granted is checked."""
        granted, wait_s = self._of(worker).take_slot(resource, priority, within_s)
        if granted:
            self._check(resource, self._now_s() + wait_s)
        return granted, wait_s

    def take_block(self, worker: Worker, resource: Resource, slots_max: int) -> Block:
        """See ``RateLimiter``; each slot of a block is checked."""
        block = self._of(worker).take_block(resource, slots_max)
        for number in range(block.slots):
            self._check(resource, self._now_s() + block.wait_s + number * block.gap_s)
        return block

    def _of(self, worker: Worker) -> TableRateLimiter:
        if worker.limiter is None:
            client = cast(Any, self._table)
            worker.limiter = TableRateLimiter(client, "table", self._clock, self._ids, self._limit)
        limiter: TableRateLimiter = worker.limiter
        return limiter

    def _check(self, resource: Resource, at_s: float) -> None:
        """Look at the windows that a call lies in: it may come before some that were granted earlier."""
        calls_s = self._calls_s.setdefault(resource, deque())
        calls_s.append(at_s)
        while calls_s[0] < self._now_s() - 2 * WINDOW_S:
            calls_s.popleft()
        near = sorted(call_s for call_s in calls_s if abs(call_s - at_s) < WINDOW_S)
        first = 0
        for last, call_s in enumerate(near):
            while call_s - near[first] >= WINDOW_S - NEAR_S:
                first += 1
            if last - first + 1 > self._calls_max:
                fail("the rate limit holds", f"{last - first + 1} calls in 30 s, {self._limit} allowed")
