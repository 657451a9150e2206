"""What every RateLimiter does: the exact fake in memory, and the table; and the table under fire."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adjustments.gameball.rate_limiter import (
    AHEAD_S,
    BLOCK_AHEAD_S,
    BLOCK_S_MAX,
    BLOCK_SLOTS_MAX,
    RETRY_S,
    Priority,
    RateLimiter,
    Resource,
    TableRateLimiter,
)
from local.aws import Aws
from tests.contract.hammer import LIMIT, hammer
from tests.fakes.memory import START, CountingIds, ManualClock, MemoryRateLimiter

ROOT = Path(__file__).parents[2]
GAP_S = 0.085715
"""30 s / 350, rounded up to whole microseconds."""

ANY_S = 1000.0


class Joining(Protocol):
    """Makes a caller of one shared rate limiter."""

    def __call__(self, clock: ManualClock, limit: int = LIMIT) -> RateLimiter: ...


@pytest.fixture
def join(kind: str, request: pytest.FixtureRequest) -> Joining:
    """Makes callers of one rate limiter of which nothing was used."""
    if kind == "memory":
        taken: dict[Resource, int] = {}
        return lambda clock, limit=LIMIT: MemoryRateLimiter(taken, clock, CountingIds(), limit)
    make_table: Callable[[], str] = request.getfixturevalue("make_table")
    aws: Aws = request.getfixturevalue("aws")
    table = make_table()
    return lambda clock, limit=LIMIT: TableRateLimiter(aws.dynamodb, table, clock, CountingIds(), limit)


def waits(rate_limiter: RateLimiter, priority: Priority, count: int) -> list[float]:
    asked = [rate_limiter.take_slot(Resource.OTHERS, priority, ANY_S) for _ in range(count)]
    assert all(granted for granted, _ in asked)
    return [wait_s for _, wait_s in asked]


def test_first_slot_is_now_and_each_further_one_a_gap_later(join: Joining):
    assert waits(join(ManualClock()), Priority.BULK, 4) == pytest.approx([0, GAP_S, 2 * GAP_S, 3 * GAP_S])


def test_slots_go_to_callers_in_the_order_of_their_calls(join: Joining):
    clock = ManualClock()
    one, two = join(clock), join(clock)
    taken = [waits(rate_limiter, Priority.BULK, 1)[0] for rate_limiter in (one, two, two, one)]
    assert taken == pytest.approx([0, GAP_S, 2 * GAP_S, 3 * GAP_S])


def test_slots_of_each_resource_are_separate(join: Joining):
    rate_limiter = join(ManualClock())
    waits(rate_limiter, Priority.BULK, 5)
    assert rate_limiter.take_slot(Resource.TRANSACTIONS, Priority.BULK, ANY_S) == (True, 0.0)


def test_slots_that_have_passed_are_not_saved_up(join: Joining):
    clock = ManualClock()
    rate_limiter = join(clock)
    waits(rate_limiter, Priority.BULK, 3)
    clock.sleep(GAP_S)
    assert waits(rate_limiter, Priority.BULK, 1) == pytest.approx([2 * GAP_S])
    clock.sleep(1000)
    assert waits(rate_limiter, Priority.BULK, 2) == pytest.approx([0, GAP_S])


def test_bulk_call_takes_a_slot_only_a_few_seconds_ahead(join: Joining):
    rate_limiter = join(ManualClock())
    within = int(AHEAD_S[Priority.BULK] / GAP_S) + 1
    assert waits(rate_limiter, Priority.BULK, within)[-1] <= AHEAD_S[Priority.BULK]
    granted, wait_s = rate_limiter.take_slot(Resource.OTHERS, Priority.BULK, ANY_S)
    assert not granted
    assert RETRY_S <= wait_s <= 2 * RETRY_S + GAP_S


def test_prompt_call_takes_the_slot_behind_the_bulk_calls(join: Joining):
    rate_limiter = join(ManualClock())
    while rate_limiter.take_slot(Resource.OTHERS, Priority.BULK, ANY_S)[0]:
        pass
    granted, wait_s = rate_limiter.take_slot(Resource.OTHERS, Priority.PROMPT, ANY_S)
    assert granted
    assert wait_s <= AHEAD_S[Priority.BULK] + GAP_S


def test_bulk_call_that_was_sent_away_gets_a_slot_later(join: Joining):
    clock = ManualClock()
    rate_limiter = join(clock)
    while (asked := rate_limiter.take_slot(Resource.OTHERS, Priority.BULK, ANY_S))[0]:
        pass
    clock.sleep(asked[1])
    assert waits(rate_limiter, Priority.BULK, 1)[0] > 0  # and none went by unused meanwhile


def test_slot_that_is_too_late_for_the_caller_is_left_to_others(join: Joining):
    rate_limiter = join(ManualClock())
    waits(rate_limiter, Priority.BULK, 3)
    for priority in Priority:
        for within_s in (0.0, 0.1, 2.9 * GAP_S):
            granted, wait_s = rate_limiter.take_slot(Resource.OTHERS, priority, within_s)
            assert not granted
            assert wait_s > 0
    assert waits(rate_limiter, Priority.BULK, 1) == pytest.approx([3 * GAP_S])


def test_slot_of_this_moment_is_taken_without_any_time_to_wait(join: Joining):
    rate_limiter = join(ManualClock())
    assert rate_limiter.take_slot(Resource.OTHERS, Priority.BULK, 0.0) == (True, 0.0)
    assert not rate_limiter.take_slot(Resource.OTHERS, Priority.BULK, 0.0)[0]


@pytest.mark.parametrize(("limit", "gap_s"), [(1, 30.0), (7, 4.285715), (360, 0.083334), (900, 0.033334)])
def test_gap_between_slots_is_never_rounded_down(join: Joining, limit: int, gap_s: float):
    rate_limiter = join(ManualClock(), limit)
    waits(rate_limiter, Priority.PROMPT, 1)
    granted, wait_s = rate_limiter.take_slot(Resource.OTHERS, Priority.PROMPT, ANY_S)
    if gap_s <= AHEAD_S[Priority.PROMPT]:
        assert granted
        assert wait_s == pytest.approx(gap_s)
    else:
        assert not granted


def test_callers_with_clock_skew_share_the_slots(join: Joining):
    ahead = join(ManualClock(START + timedelta(seconds=0.3)))
    behind = join(ManualClock(START))
    assert waits(ahead, Priority.BULK, 1) == [0]
    assert waits(behind, Priority.BULK, 1) == pytest.approx([0.3 + GAP_S])
    assert waits(ahead, Priority.BULK, 1) == pytest.approx([2 * GAP_S])


# --- blocks -----------------------------------------------------------------------------------------------


def test_block_holds_slots_a_gap_apart_from_now_on(join: Joining):
    rate_limiter = join(ManualClock())
    assert rate_limiter.take_block(Resource.OTHERS, 10) == pytest.approx((10, 0.0, GAP_S))
    assert waits(rate_limiter, Priority.PROMPT, 2) == pytest.approx([10 * GAP_S, 11 * GAP_S])


def test_block_follows_the_slots_that_are_taken_a_little_ahead(join: Joining):
    rate_limiter = join(ManualClock())
    waits(rate_limiter, Priority.BULK, 4)
    assert rate_limiter.take_block(Resource.OTHERS, 3) == pytest.approx((3, 4 * GAP_S, GAP_S))
    assert waits(rate_limiter, Priority.PROMPT, 1) == pytest.approx([7 * GAP_S])


def test_block_is_left_to_others_while_slots_are_taken_far_ahead(join: Joining):
    clock = ManualClock()
    rate_limiter, other = join(clock), join(clock)
    rate_limiter.take_block(Resource.OTHERS, BLOCK_SLOTS_MAX)
    block = other.take_block(Resource.OTHERS, BLOCK_SLOTS_MAX)
    assert block == pytest.approx((0, BLOCK_SLOTS_MAX * GAP_S - BLOCK_AHEAD_S, GAP_S))
    clock.sleep(block.wait_s)
    assert other.take_block(Resource.OTHERS, 2) == pytest.approx((2, BLOCK_AHEAD_S, GAP_S))


@pytest.mark.parametrize(("limit", "slots"), [(350, 50), (900, 50), (60, 8), (1, 1)])
def test_block_never_holds_more_than_a_few_seconds_of_slots(join: Joining, limit: int, slots: int):
    block = join(ManualClock(), limit).take_block(Resource.OTHERS, 1000)
    assert block.slots == slots
    assert slots == 1 or slots * block.gap_s <= BLOCK_S_MAX


def test_prompt_call_waits_less_than_five_seconds_behind_a_block(join: Joining):
    rate_limiter = join(ManualClock())
    while (asked := rate_limiter.take_slot(Resource.OTHERS, Priority.PROMPT, BLOCK_AHEAD_S))[0]:
        pass
    assert asked[1] > 0
    rate_limiter.take_block(Resource.OTHERS, BLOCK_SLOTS_MAX)
    granted, wait_s = rate_limiter.take_slot(Resource.OTHERS, Priority.PROMPT, ANY_S)
    assert granted
    assert wait_s <= BLOCK_AHEAD_S + BLOCK_S_MAX + GAP_S < 5


# --- fake and table answer alike --------------------------------------------------------------------------

Ask = tuple[Resource, Priority, float, float, int]

_asks = st.tuples(
    st.sampled_from(Resource),
    st.sampled_from(Priority),
    st.sampled_from([0.0, 0.2, 1.0, 29.0]),
    st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3, 5.0]),
    st.sampled_from([0, 0, 0, 1, 7, 100]),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asks=st.lists(_asks, max_size=40), limit=st.sampled_from([5, 60, 350]))
def test_fake_and_table_give_the_same_slots(
    aws: Aws,
    make_table: Callable[[], str],
    asks: list[tuple[Resource, Priority, float, float, int]],
    limit: int,
):
    clock, ids = ManualClock(), CountingIds()
    fake = MemoryRateLimiter({}, clock, ids, limit)
    real = TableRateLimiter(aws.dynamodb, make_table(), clock, ids, limit)
    for resource, priority, within_s, passes_s, slots_max in asks:
        clock.sleep(passes_s)
        if slots_max:
            assert fake.take_block(resource, slots_max) == real.take_block(resource, slots_max)
            continue
        assert fake.take_slot(resource, priority, within_s) == real.take_slot(resource, priority, within_s)


# --- under fire -------------------------------------------------------------------------------------------

PROCESSES = 2
CALLERS = 12
SECONDS = 4.0


def test_slots_of_threads_and_processes_are_a_gap_apart(aws: Aws, make_table: Callable[[], str]):
    table = make_table()
    command = [sys.executable, "-m", "tests.contract.hammer", aws.endpoint, table, str(CALLERS), str(SECONDS)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers" / "adjustments")])}
    others = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=env) for _ in range(PROCESSES)]
    slots, requests = hammer(aws, table, CALLERS, SECONDS)
    for other in others:
        printed, _ = other.communicate(timeout=60)
        assert other.returncode == 0
        more, more_requests = json.loads(printed)
        slots += more
        requests += more_requests
    slots.sort()
    gaps = [later - earlier for earlier, later in pairwise(slots)]
    assert len(slots) > CALLERS  # how many fit is the machine's business, and proven with a clock of its own
    assert min(gaps) >= 85_714  # the noted times are rounded to a microsecond
    assert requests <= 3 * len(slots)
