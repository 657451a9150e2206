"""The rate limiter under many callers, in simulated time: exact, fully used, fair, and calm."""

from datetime import timedelta
from itertools import pairwise
from statistics import mean

import boto3
import pytest
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from adjustments.core.runtime import WORKERS
from adjustments.gameball.block_slots import BlockSlots
from adjustments.gameball.rate_limiter import (
    AHEAD_S,
    BLOCK_AHEAD_S,
    BLOCK_S_MAX,
    BLOCK_SLOTS_MAX,
    Priority,
    RateLimiterUnavailable,
    Resource,
    TableRateLimiter,
)
from tests.fakes.memory import START, CountingIds, FailingRateLimiter, ManualClock, MemoryRateLimiter
from tests.unit.gameball.crowd import Caller, Crowd, most_within, share_used

LIMIT = 350
GAMEBALLS_LIMIT = 360
A_SECOND = 30
"""Gameball's limits (docs/gameball-api.md, "Rate limits")."""

GAP_S = 30 / LIMIT
NEAR_S = 1e-5
"""Places are whole microseconds, and a caller's clock is read to the microsecond as well."""


def batches(crowd: Crowd, number: int, workers: int, **how: float) -> list[list[Caller]]:
    """Some batches, with so many workers each."""
    return [
        [crowd.join(f"batch {batch}", Priority.BULK, **how) for _ in range(workers)]
        for batch in range(number)
    ]


def slots_from_start(crowd: Crowd) -> list[float]:
    return [slot_s - START.timestamp() for slot_s in crowd.slots_s()]


# --- exact ------------------------------------------------------------------------------------------------

_callers = st.lists(
    st.tuples(
        st.sampled_from(Priority),
        st.floats(0.0, 3.0),  # how long a call takes
        st.floats(0.0, 5.0),  # how long it rests
        st.floats(0.0, 20.0),  # when it comes
        st.floats(20.0, 80.0),  # when it goes
    ),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize("in_memory", [False, True])
@settings(max_examples=25)
@given(callers=_callers, limit=st.sampled_from([3, 60, LIMIT, 900]), seed=st.integers(0, 1000))
def test_rate_limiter_keeps_every_window_within_the_limit(
    in_memory: bool, callers: list[tuple[Priority, float, float, float, float]], limit: int, seed: int
):
    crowd = Crowd(seed, limit, in_memory=in_memory)
    for priority, call_s, rest_s, starts_s, ends_s in callers:
        crowd.join("any", priority, call_s=call_s, rest_s=rest_s, starts_s=starts_s, ends_s=ends_s)
    crowd.run(75)
    slots_s = crowd.slots_s()
    assert most_within(slots_s, 30 - NEAR_S) <= limit
    assert most_within(slots_s, 1 - NEAR_S) <= A_SECOND
    assert all(later - earlier >= 30 / limit - NEAR_S for earlier, later in pairwise(slots_s))
    assert len(crowd.sent_s()) <= len(slots_s)


@pytest.mark.parametrize("seed", range(10))
def test_rate_limiter_gives_simultaneous_callers_one_slot_each(seed: int):
    crowd = Crowd(seed, LIMIT)
    for starts_s in (0.0, 20.0, 40.0):
        for _ in range(12):
            moment_s, skew_s = starts_s + crowd.rng.uniform(0, 0.02), crowd.rng.uniform(-0.05, 0.05)
            crowd.join("any", Priority.BULK, skew_s=skew_s, starts_s=moment_s, ends_s=starts_s + 0.1)
    crowd.run(60)
    slots_s = crowd.slots_s()
    assert len(slots_s) == 36
    assert all(later - earlier >= GAP_S - NEAR_S for earlier, later in pairwise(slots_s))


@pytest.mark.parametrize("seed", range(5))
def test_calls_are_made_at_their_slots_or_when_the_table_has_answered(seed: int):
    crowd = Crowd(seed, LIMIT)
    batches(crowd, 4, WORKERS)
    crowd.run(60)
    late_s = [sent - slot for sent, slot in zip(crowd.sent_s(), slots_from_start(crowd), strict=False)]
    assert min(late_s) >= -NEAR_S
    assert max(late_s) < 0.1
    assert most_within(crowd.sent_s(), 30) <= LIMIT + 1


@pytest.mark.parametrize("skew_s", [0.05, 0.3, 0.4])
@pytest.mark.parametrize("seed", range(5))
def test_rate_limiter_stays_within_the_limits_with_clock_skew(skew_s: float, seed: int):
    crowd = Crowd(seed, LIMIT)
    for number in range(40):
        crowd.join(f"{number}", Priority.BULK, skew_s=crowd.rng.uniform(-skew_s, skew_s))
    crowd.run(100)
    sent_s = crowd.sent_s()
    assert most_within(sent_s, 30) <= LIMIT + 2 * skew_s / GAP_S + 1
    assert most_within(sent_s, 30) <= GAMEBALLS_LIMIT
    assert most_within(sent_s, 1) <= A_SECOND


def test_rate_limiter_gives_a_caller_with_a_late_clock_its_share():
    crowd = Crowd(1, LIMIT)
    late = [crowd.join("late", Priority.BULK, skew_s=-0.5) for _ in range(20)]
    right = [crowd.join("right", Priority.BULK) for _ in range(20)]
    crowd.run(120)
    assert 0.5 < len(crowd.sent_s(late)) / len(crowd.sent_s(right)) < 2


# --- used -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "call_s"), [(1, 0.6), (4, 0.1), (4, 1.5), (20, 0.3)])
def test_rate_limiter_leaves_no_slot_unused_under_load(number: int, call_s: float):
    crowd = Crowd(7, LIMIT)
    batches(crowd, number, WORKERS, call_s=call_s)
    crowd.run(120)
    assert share_used(crowd.sent_s(), LIMIT, 5, 120) >= 0.98


def test_rate_limiter_leaves_no_slot_unused_after_a_pause():
    crowd = Crowd(7, LIMIT)
    batches(crowd, 2, WORKERS, starts_s=100)
    crowd.run(110)
    assert share_used(crowd.sent_s(), LIMIT, 100, 110) >= 0.98


# --- fair -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [2, 4, 12])
def test_rate_limiter_shares_slots_equally_among_batches(number: int):
    crowd = Crowd(3, LIMIT)
    teams = batches(crowd, number, WORKERS)
    crowd.run(240)
    counts = [len(crowd.sent_s(team)) for team in teams]
    assert min(counts) > 0.75 * mean(counts)


def test_rate_limiter_gives_a_late_batch_its_share_at_once():
    crowd = Crowd(3, LIMIT)
    batches(crowd, 3, WORKERS)
    [late] = batches(crowd, 1, WORKERS, starts_s=60)
    crowd.run(120)
    assert len(crowd.sent_s(late)) > 0.75 * 60 / GAP_S / 4


def test_rate_limiter_lets_a_poll_of_a_small_batch_through():
    crowd = Crowd(3, LIMIT)
    batches(crowd, 4, WORKERS)
    poll = crowd.join("poll", Priority.BULK, rest_s=10)
    crowd.run(600)
    assert len(poll.sent_s) > 30
    assert mean(poll.waited_s) < 6
    assert max(poll.waited_s) < 30


@pytest.mark.parametrize("number", [4, 20])
def test_prompt_call_waits_no_longer_than_bulk_calls_may_be_ahead(number: int):
    crowd = Crowd(3, LIMIT)
    batches(crowd, number, WORKERS)
    prompt = crowd.join("person", Priority.PROMPT, rest_s=3.1, starts_s=5)
    crowd.run(300)
    assert len(prompt.sent_s) > 40
    assert max(prompt.waited_s) <= AHEAD_S[Priority.BULK] + GAP_S + 0.05


def test_prompt_calls_do_not_starve_bulk_calls():
    crowd = Crowd(3, LIMIT)
    [team] = batches(crowd, 1, WORKERS)
    for _ in range(WORKERS):
        crowd.join("person", Priority.PROMPT)
    crowd.run(120)
    assert len(crowd.sent_s(team)) > 0.4 * 120 / GAP_S


# --- calm -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "most"), [(1, 1.05), (2, 1.05), (4, 2.5), (10, 6.0), (20, 13.0)])
def test_rate_limiter_needs_a_bounded_number_of_writes_a_call(number: int, most: float):
    crowd = Crowd(5, LIMIT)
    batches(crowd, number, WORKERS)
    crowd.run(120)
    assert crowd.asks_per_grant() <= most


def test_rate_limiter_callers_wait_before_they_try_again():
    crowd = Crowd(5, LIMIT)
    batches(crowd, 20, WORKERS)
    crowd.run(60)
    for caller in crowd.callers:
        assert caller.requests <= len(caller.sent_s) + 60 / 1.5 + 2


@pytest.mark.parametrize("rest_s", [0.2, 5.0, 60.0])
def test_prompt_call_after_a_pause_costs_one_write(rest_s: float):
    crowd = Crowd(5, LIMIT)
    person = crowd.join("person", Priority.PROMPT, rest_s=rest_s)
    crowd.run(600)
    assert crowd.table.writes == len(person.sent_s)


def test_simultaneous_prompt_calls_cost_two_writes_at_most():
    crowd = Crowd(5, LIMIT)
    people = [crowd.join("person", Priority.PROMPT, rest_s=2.0) for _ in range(20)]
    crowd.run(120)
    assert crowd.table.writes <= 2 * len(crowd.sent_s(people))


def test_crowd_fails_where_callers_are_sent_away_without_a_wait():
    crowd = Crowd(5, LIMIT)
    caller = crowd.join("hot", Priority.BULK)
    caller.rate_limiter.take_slot = lambda *_: (False, 0.0)  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="callers run hot"):
        crowd.run(60)


# --- blocks: a file that is sent as transactions ----------------------------------------------------------


@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize("bulk", [0, 12])
def test_prompt_call_waits_less_than_five_seconds_for_files_under_way(files: int, bulk: int):
    crowd = Crowd(3, LIMIT)
    for number in range(files):
        crowd.join_file(f"file {number}")
    batches(crowd, 1, bulk)
    prompt = crowd.join("person", Priority.PROMPT, rest_s=3.1, starts_s=5)
    crowd.run(300)
    assert len(prompt.sent_s) > 40
    assert max(prompt.waited_s) <= BLOCK_AHEAD_S + BLOCK_S_MAX + GAP_S + 0.05 < 5


@pytest.mark.parametrize("files", [1, 3])
def test_files_and_prompt_calls_leave_no_slot_unused_and_keep_the_limit(files: int):
    crowd = Crowd(7, LIMIT)
    for number in range(files):
        crowd.join_file(f"file {number}")
    for _ in range(4):
        crowd.join("person", Priority.PROMPT, rest_s=5)
    crowd.run(240)
    assert share_used(crowd.sent_s(), LIMIT, 5, 240) >= 0.98
    assert most_within(crowd.sent_s(), 30 - NEAR_S) <= LIMIT + 1
    assert most_within(crowd.sent_s(), 1 - NEAR_S) <= A_SECOND


@pytest.mark.parametrize(("files", "writes_a_block"), [(1, 1.0), (2, 1.1), (3, 1.2)])
def test_file_takes_one_write_for_a_block_and_one_read_for_each_other_file(files: int, writes_a_block: float):
    crowd = Crowd(7, LIMIT)
    callers = [crowd.join_file(f"file {number}") for number in range(files)]
    crowd.run(240)
    blocks = len(crowd.sent_s(callers)) / BLOCK_SLOTS_MAX
    assert crowd.table.writes <= writes_a_block * blocks + 1
    assert crowd.table.reads <= files * blocks


def slots_of_one_worker(clock: ManualClock, requests_per_30_s: int) -> tuple[MemoryRateLimiter, BlockSlots]:
    limiter = MemoryRateLimiter({}, clock, CountingIds(), requests_per_30_s)
    return limiter, BlockSlots(limiter, clock, Resource.TRANSACTIONS)


def test_slots_of_blocks_come_a_gap_apart_without_end():
    clock = ManualClock()
    _, slots = slots_of_one_worker(clock, LIMIT)
    until, called_s = clock.now() + timedelta(minutes=10), []
    for _ in range(500):
        assert slots.wait_for_slot(until)
        called_s.append((clock.now() - START).total_seconds())
    assert all(GAP_S - NEAR_S <= b - a <= GAP_S + 2 * NEAR_S for a, b in pairwise(called_s))


def test_slots_that_pass_while_workers_are_busy_are_left_unused():
    clock = ManualClock()
    _, slots = slots_of_one_worker(clock, LIMIT)
    until, called_s = clock.now() + timedelta(minutes=10), []
    for _ in range(200):
        assert slots.wait_for_slot(until)
        called_s.append((clock.now() - START).total_seconds())
        clock.sleep(1.0)
    assert min(b - a for a, b in pairwise(called_s)) >= GAP_S - NEAR_S
    assert most_within(called_s, 30) <= 31


def test_slow_workers_take_small_blocks():
    clock = ManualClock()
    limiter, slots = slots_of_one_worker(clock, LIMIT)
    for _ in range(20):
        slots.wait_for_slot(clock.now() + timedelta(minutes=10))
        clock.sleep(2.0)
    granted, wait_s = limiter.take_slot(Resource.TRANSACTIONS, Priority.PROMPT, 10.0)
    assert granted
    assert wait_s <= 2 * GAP_S


def test_no_slot_is_waited_for_that_comes_too_late():
    clock = ManualClock()
    limiter, slots = slots_of_one_worker(clock, LIMIT)
    limiter.take_block(Resource.TRANSACTIONS, BLOCK_SLOTS_MAX)
    assert not slots.wait_for_slot(clock.now() + timedelta(seconds=2))


def test_worker_that_gets_no_block_leaves_asking_to_the_next():
    clock = ManualClock()
    slots = BlockSlots(FailingRateLimiter(True), clock, Resource.TRANSACTIONS)
    with pytest.raises(RateLimiterUnavailable):
        slots.wait_for_slot(clock.now() + timedelta(seconds=2))
    assert slots.wait_for_slot(clock.now() + timedelta(seconds=2))


# --- unavailable ------------------------------------------------------------------------------------------


def test_table_rate_limiter_whose_write_fails_is_unavailable_and_names_the_error():
    closed = "http://127.0.0.1:1"
    client = boto3.client(
        "dynamodb",
        endpoint_url=closed,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    limiter = TableRateLimiter(client, "table", ManualClock(), CountingIds(), LIMIT)
    with pytest.raises(RateLimiterUnavailable, match="EndpointConnectionError"):
        limiter.take_slot(Resource.TRANSACTIONS, Priority.PROMPT, 10.0)
