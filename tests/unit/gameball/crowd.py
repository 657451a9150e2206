"""A crowd of callers of one rate limiter, on one table, in simulated time.

Every caller has a clock of its own, which differs from the true time by a fixed amount. Time passes within
the calls of the table as well, and other callers' writes come in between two writes of one of them.
"""

import heapq
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from adjustments.gameball.rate_limiter import (
    BLOCK_AHEAD_S,
    BLOCK_SLOTS_MAX,
    Priority,
    RateLimiter,
    Resource,
    TableRateLimiter,
)
from tests.fakes.memory import START, MemoryRateLimiter

FOREVER = 1e9
CALLS_MAX = 500_000
"""Calls of the rate limiter and of its table in one run, many times what the largest one here needs: one that
sends its callers away for no time at all makes the run fail, and not go on for ever.
"""

LATENCY_S = 0.001
"""Of one write; the simulation does them one after another, so that a longer one would be a bottleneck."""


class ConditionFailed(Exception):
    """The table refused a conditional write."""

    def __init__(self, item: Mapping[str, Any] | None) -> None:
        super().__init__("ConditionalCheckFailedException")
        self.response = {"Item": item} if item else {}


class AtomicTable:
    """What UpdateItem and GetItem do with one number, for what the rate limiter asks, and nothing else."""

    class exceptions:  # noqa: N801 - boto3's own name
        ConditionalCheckFailedException = ConditionFailed

    def __init__(self, between: Callable[[], None]) -> None:
        self.slots_us: list[int] = []
        self.writes = self.reads = 0
        self._items: dict[str, int] = {}
        self._between = between

    def update_item(self, **request: Any) -> Mapping[str, Any]:
        self._between()
        self.writes += 1
        key = request["Key"]["pk"]["S"]
        values = {name: int(value["N"]) for name, value in request["ExpressionAttributeValues"].items()}
        before = self._items.get(key)
        item = None if before is None else {"nextUs": {"N": str(before)}}
        if not _holds(request["ConditionExpression"], before, values):
            raise ConditionFailed(item)
        after, slot = _changed(request["UpdateExpression"], before, values)
        self._items[key] = after
        self.slots_us.append(slot)
        return {"Attributes": item or {}}

    def get_item(self, **request: Any) -> Mapping[str, Any]:
        self._between()
        self.reads += 1
        assert request["ConsistentRead"]
        stored = self._items.get(request["Key"]["pk"]["S"])
        return {} if stored is None else {"Item": {"nextUs": {"N": str(stored)}}}


def _holds(condition: str, stored: int | None, values: Mapping[str, int]) -> bool:
    match re.findall(r"\S+", condition):
        case ["nextUs", "BETWEEN", low, "AND", high]:
            assert values[low] <= values[high], "DynamoDB refuses a BETWEEN whose bounds are crossed"
            return stored is not None and values[low] <= stored <= values[high]
        case ["attribute_not_exists(nextUs)", "OR", "nextUs", "<", bound]:
            return stored is None or stored < values[bound]
    raise AssertionError(f"unknown condition {condition}")


def _changed(change: str, stored: int | None, values: Mapping[str, int]) -> tuple[int, int]:
    """The new value, and the slot that was taken by it."""
    match re.findall(r"\S+", change):
        case ["SET", "nextUs", "=", value]:
            return values[value], values[":now"]
        case ["SET", "nextUs", "=", "nextUs", "+", value]:
            assert stored is not None
            return stored + values[value], stored
    raise AssertionError(f"unknown change {change}")


class SkewedClock:
    """The true time, wrongly read."""

    def __init__(self, crowd: "Crowd", skew_s: float) -> None:
        self._crowd = crowd
        self._skew_s = skew_s

    def now(self) -> datetime:
        return START + timedelta(seconds=self._crowd.now_s + self._skew_s)

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a rate limiter does not wait; its callers do")


class Chances:
    """Chance from the crowd's own seed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def fresh(self) -> str:
        return f"{self._rng.random()}"

    def jitter(self) -> float:
        return self._rng.random()


@dataclass(slots=True)
class Caller:
    """One worker: takes a slot, waits for it, calls, and begins anew."""

    name: str
    priority: Priority
    rate_limiter: RateLimiter
    call_s: float = 0.3
    rest_s: float = 0.0
    starts_s: float = 0.0
    ends_s: float = FOREVER
    requests: int = 0
    sent_s: list[float] = field(default_factory=list)
    waited_s: list[float] = field(default_factory=list)
    wants_since_s: float = 0.0
    takes_blocks: bool = False


class Crowd:
    """All callers of one rate limiter; the same seed gives the same run."""

    def __init__(self, seed: int, limit: int, *, in_memory: bool = False) -> None:
        self.rng = random.Random(seed)
        self.now_s = 0.0
        self.callers: list[Caller] = []
        self._limit = limit
        self._in_memory = in_memory
        self.table = AtomicTable(self._let_others_in)
        self._taken: dict[Resource, int] = {}
        self._calendar: list[tuple[float, int, Caller]] = []
        self._number = 0
        self._depth = 0
        self._calls = 0
        self._ends_s = 0.0

    def join(self, name: str, priority: Priority, *, skew_s: float = 0.0, **how: float) -> Caller:
        """Add a caller; ``how`` are its times."""
        clock, ids = SkewedClock(self, skew_s), Chances(self.rng)
        rate_limiter: RateLimiter
        if self._in_memory:
            rate_limiter = MemoryRateLimiter(self._taken, clock, ids, self._limit)
        else:
            rate_limiter = TableRateLimiter(cast(Any, self.table), "table", clock, ids, self._limit)
        caller = Caller(name, priority, rate_limiter)
        for field_name, value in how.items():
            setattr(caller, field_name, value)
        self.callers.append(caller)
        return caller

    def join_file(self, name: str) -> Caller:
        """Add the sender of a file that is sent as transactions: it uses each slot of its blocks."""
        caller = self.join(name, Priority.BULK)
        caller.takes_blocks = True
        return caller

    def run(self, seconds: float) -> None:
        """Let time pass; everybody who calls does so as often as may be."""
        self._ends_s = seconds
        for caller in self.callers:
            caller.wants_since_s = caller.starts_s
            self._plan(caller.starts_s, caller)
        while self._calendar and self._calendar[0][0] <= seconds:
            self._next()

    def _next(self) -> None:
        at_s, _, caller = heapq.heappop(self._calendar)
        self.now_s = max(self.now_s, at_s)
        self._ask(caller)

    def _ask(self, caller: Caller) -> None:
        caller.requests += 1
        self._count_call()
        if caller.takes_blocks:
            self._ask_for_block(caller)
            return
        granted, wait_s = caller.rate_limiter.take_slot(Resource.OTHERS, caller.priority, FOREVER)
        at_s = self.now_s + wait_s
        if not granted:
            self._plan(at_s, caller)
            return
        caller.sent_s.append(at_s)
        caller.waited_s.append(at_s - caller.wants_since_s)
        again_s = at_s + caller.call_s * self.rng.uniform(0.5, 1.5) + caller.rest_s
        caller.wants_since_s = again_s
        self._plan(again_s, caller)

    def _ask_for_block(self, caller: Caller) -> None:
        block = caller.rate_limiter.take_block(Resource.OTHERS, BLOCK_SLOTS_MAX)
        begins_s = self.now_s + block.wait_s
        caller.sent_s += [begins_s + slot * block.gap_s for slot in range(block.slots)]
        ends_s = begins_s + block.slots * block.gap_s
        self._plan(max(self.now_s, ends_s - BLOCK_AHEAD_S) if block.slots else begins_s, caller)

    def _count_call(self) -> None:
        self._calls += 1
        assert self._calls <= CALLS_MAX, f"{self._calls} calls in {self.now_s:.1f} s: callers run hot"

    def _plan(self, at_s: float, caller: Caller) -> None:
        if at_s < caller.ends_s:
            self._number += 1
            heapq.heappush(self._calendar, (at_s, self._number, caller))

    def _let_others_in(self) -> None:
        """The way to the table takes time, in which others may be quicker."""
        self._count_call()
        self.now_s += LATENCY_S * self.rng.uniform(0.2, 1.8)
        self._depth += 1
        while self._depth < 20 and self._calendar and self._calendar[0][0] <= self.now_s:
            self._next()
        self._depth -= 1

    # --- what came of it --------------------------------------------------------------------------------

    def slots_s(self) -> list[float]:
        """The slots that were given out, in the time of those who took them; in order."""
        if self._in_memory:
            return self.sent_s()
        return [slot / 1e6 for slot in sorted(self.table.slots_us)]

    def sent_s(self, of: Sequence[Caller] | None = None) -> list[float]:
        """When calls were made, in order."""
        return sorted(at_s for caller in of or self.callers for at_s in caller.sent_s if at_s < self._ends_s)

    def asks_per_grant(self) -> float:
        """How often the table is asked for each call."""
        return sum(c.requests for c in self.callers) / sum(len(c.sent_s) for c in self.callers)


def most_within(sent_s: Sequence[float], window_s: float) -> int:
    """The most calls of any window of this length, wherever it starts; half open, as Gameball's."""
    most = first = 0
    for last, at_s in enumerate(sent_s):
        while at_s - sent_s[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def share_used(sent_s: Sequence[float], limit: int, start_s: float, end_s: float) -> float:
    """The share of the rate limit that was used between two times."""
    used = sum(start_s <= at_s < end_s for at_s in sent_s)
    return used / ((end_s - start_s) * limit / 30)
