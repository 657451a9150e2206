"""Each row of a file that is sent as transactions is applied once, whatever happens to its request."""

import gc
import json
from datetime import timedelta
from typing import Any

import pytest

from adjustments.administration.service import ApprovalRequest
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus, ChunkState
from adjustments.core.errors import (
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    GameballUnavailable,
    OutcomeUnknown,
)
from adjustments.core.runtime import run_in_threads
from adjustments.gameball.rate_limiter import Priority, Resource
from adjustments.submission.work_queue import OpenChunk
from tests.fakes.manual_transactions import Killed, MemoryTransactions
from tests.fakes.world import World

UNKNOWN = OutcomeUnknown("read time-out")
BUSY = GameballThrottled("Gameball answered 422: busy", status=422, code=2001)
POOR = GameballRefused(
    "Gameball answered 422: Insufficient points",
    status=422,
    code=9008,
    gameball_message="Insufficient points",
)
HEADER = "customerId,points,expiry\n"
THREE = HEADER + "a,5,30\nb,6,30\nc,7,30\n"


def world_of(gameball: MemoryTransactions | None = None, **settings: Any) -> World:
    people = {"default_reason": "goodwill", "default_username": "ops"}
    return World(gameball or MemoryTransactions(), **{"send_as": "auto", **people, **settings})


def many(rows: int, first: int = 0) -> str:
    return HEADER + "".join(f"c{number:05d},{number + 1},30\n" for number in range(first, first + rows))


def gameball_of(world: World) -> MemoryTransactions:
    gameball = world.ports.gameball
    assert isinstance(gameball, MemoryTransactions)
    return gameball


def chunks_of(world: World, batch: Batch) -> list[Chunk]:
    return world.store.chunks(batch.batch_id, batch.plan_id)


def applied(world: World) -> dict[str, int]:
    """What was applied at Gameball, by customer; none twice."""
    stored = gameball_of(world).stored
    assert len({entry["transactionId"] for entry in stored}) == len(stored)
    return {entry["customerId"]: int(entry["points"]) for entry in stored}


def outcomes(world: World, batch: Batch) -> dict[str, str]:
    """The status of each row, by customer."""
    lines = world.result(batch, "results.csv").splitlines()[1:]
    return {line.split(",")[1]: line.split(",")[4] for line in lines}


def submit(world: World, batch: Batch, minutes: float = 5) -> Batch:
    return world.sender.submit(batch.batch_id, world.clock.now() + timedelta(minutes=minutes))


# --- the way of a good file -------------------------------------------------------------------------------


def test_rows_are_sent_with_their_expiry_and_named_after_batch_and_line():
    world = world_of()
    ended = world.run(world.drop(THREE))
    assert ended.status is BatchStatus.COMPLETED
    assert applied(world) == {"a": 5, "b": 6, "c": 7}
    assert [sent["expiryAfter"] for sent in gameball_of(world).sent] == [30, 30, 30]
    assert gameball_of(world).sent[0]["transactionId"] == f"{ended.batch_id}-000002"
    assert (ended.counts.applied, ended.applied_total) == (3, "18")


def test_small_file_is_sent_at_once():
    world = world_of()
    world.drop(THREE)
    assert applied(world) == {"a": 5, "b": 6, "c": 7}


def test_rows_of_a_customer_go_in_file_order():
    world = world_of()
    rows = "".join(f"c{number % 7},{number + 1},1\n" for number in range(40))
    ended = world.run(world.drop(HEADER + rows))
    assert ended.counts.applied == 40
    by_customer: dict[str, list[int]] = {}
    for entry in gameball_of(world).stored:
        by_customer.setdefault(entry["customerId"], []).append(int(entry["points"]))
    assert all(points == sorted(points) for points in by_customer.values())


def test_hundred_rows_take_three_writes_at_most():
    world = world_of(requests_per_30_s=350)
    batch = world.drop(many(4000))
    writes: list[str] = []
    for name in ("save_chunk", "save_batch", "record_sending", "save_and_record_sending"):
        _count(world.store, name, writes)
    _count(world.rate_limiter, "take_block", writes)
    before = len(gameball_of(world).sent)
    submit(world, batch, minutes=5)
    sent = len(gameball_of(world).sent) - before
    assert sent > 3000
    assert len(writes) <= 3 * sent / 100


def _count(port: Any, name: str, calls: list[str]) -> None:
    effect = getattr(port, name)

    def counted(*args: Any) -> Any:
        calls.append(name)
        return effect(*args)

    setattr(port, name, counted)


def test_day_of_sending_is_recorded_once():
    world = world_of(requests_per_30_s=350)
    world.clock.sleep(11 * 3600 + 57 * 60)  # a few minutes before midnight
    batch = world.drop(many(4000))
    records: list[str] = []
    _count(world.store, "record_sending", records)
    submit(world, batch, minutes=1)
    assert not records
    world.clock.sleep(120)
    submit(world, batch, minutes=1)
    assert records
    now = world.clock.now()
    assert [sent.batch_id for sent in world.store.batches_sent_between(now, now)] == [batch.batch_id]


def test_day_of_sending_is_recorded_by_a_batch_that_was_approved():
    world = world_of(approval_above_rows=2)
    batch = world.drop(THREE)
    world.administration.approve(batch.batch_id, "me", ApprovalRequest())
    now = world.clock.now()
    assert [sent.batch_id for sent in world.store.batches_sent_between(now, now)] == [batch.batch_id]


def test_no_chunk_is_opened_for_a_few_seconds():
    world = world_of(requests_per_30_s=350, canary_rows=100)
    batch = world.drop(many(1000))  # the canary takes more than eight of the ten seconds
    canary, rest = chunks_of(world, batch)
    assert (canary.state, rest.state, rest.attempts) == (ChunkState.SETTLED, ChunkState.PLANNED, 0)


def test_last_block_holds_no_more_slots_than_rows_are_left():
    world = world_of(requests_per_30_s=350)
    world.drop(THREE)
    granted, wait_s = world.rate_limiter.take_slot(Resource.TRANSACTIONS, Priority.PROMPT, 10.0)
    assert granted
    assert wait_s < 0.5


def open_chunks() -> list[OpenChunk]:
    return [found for found in gc.get_objects() if isinstance(found, OpenChunk)]


def test_closed_chunks_are_let_go_of_without_the_garbage_collector():
    world = world_of(requests_per_30_s=350)
    for customer in ("c01000", "c01950"):  # errors that nobody else holds
        gameball_of(world).by_customer[customer] = [GameballRefused("422", status=422, code=9008)]
    batch = world.drop(many(2500))
    gc.collect()
    gc.disable()
    try:
        of_other_tests = open_chunks()
        submit(world, batch, minutes=4)
        assert not [chunk for chunk in open_chunks() if not any(chunk is other for other in of_other_tests)]
    finally:
        gc.enable()
    assert sum(chunk.state is ChunkState.SETTLED for chunk in chunks_of(world, batch)) == 3


def test_batch_whose_rows_are_known_is_reported_without_a_status_between():
    world = world_of()
    batch = world.drop(THREE)
    polled, step = world.poller.poll(batch.batch_id, world.clock.now() + timedelta(minutes=5))
    assert (polled.status, step.is_over) == (BatchStatus.SUBMITTING, True)


def test_file_uses_the_limit():
    world = world_of(requests_per_30_s=350)
    batch = world.drop(many(3000))
    before, start = len(gameball_of(world).sent), world.clock.now()
    submit(world, batch, minutes=3)
    seconds = (world.clock.now() - start).total_seconds()
    assert len(gameball_of(world).sent) - before >= 0.95 * seconds * 350 / 30


def test_threads_send_each_row_once():
    world = world_of(parallel=run_in_threads)
    ended = world.run(world.drop(many(700)))
    assert ended.counts.applied == 700
    assert len(applied(world)) == 700
    assert len(gameball_of(world).sent) == 700


# --- unknown outcomes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [UNKNOWN, (UNKNOWN,)], ids=["not applied", "applied"])
def test_row_whose_answer_is_lost_is_asked_again_with_the_same_request(lost: Any):
    world = world_of()
    gameball_of(world).by_customer["b"] = [lost]
    ended = world.run(world.drop(THREE))
    assert ended.status is BatchStatus.COMPLETED
    assert applied(world) == {"a": 5, "b": 6, "c": 7}
    first, second = (sent for sent in gameball_of(world).sent if sent["customerId"] == "b")
    assert first == second


@pytest.mark.parametrize(
    "error", [BUSY, GameballUnavailable("no route"), GameballThrottled("429", status=429)]
)
def test_row_that_was_surely_not_applied_is_sent_again(error: GameballError):
    world = world_of()
    gameball_of(world).by_customer["b"] = [error, error]
    ended = world.run(world.drop(THREE))
    assert ended.status is BatchStatus.COMPLETED
    assert applied(world) == {"a": 5, "b": 6, "c": 7}


def test_refused_row_fails_with_gameballs_words_and_the_others_go_on():
    world = world_of()
    gameball_of(world).by_customer["b"] = [POOR]
    ended = world.run(world.drop(THREE))
    assert ended.status is BatchStatus.COMPLETED_WITH_ERRORS
    assert (ended.counts.applied, ended.counts.failed) == (2, 1)
    assert "Insufficient points" in world.result(ended, "fix-me.csv")


def test_deduction_that_was_applied_is_not_failed_though_it_is_refused_the_second_time():
    world = world_of()
    gameball_of(world).by_customer["b"] = [(UNKNOWN,), POOR]
    ended = world.run(world.drop("customerId,points,transactionId\nb,-6,\na,5,x\n"))
    assert outcomes(world, ended) == {"b": "applied", "a": "applied"}


def test_refusal_after_a_lost_answer_counts_only_when_no_list_can_be_late_any_more():
    world = world_of()
    gameball_of(world).by_customer["b"] = [UNKNOWN, POOR, POOR]
    batch = world.drop(THREE)
    assert [chunk.state for chunk in chunks_of(world, batch)] == [ChunkState.PLANNED]
    start = world.clock.now()
    ended = world.run(batch)
    assert outcomes(world, ended) == {"a": "applied", "b": "failed", "c": "applied"}
    assert world.clock.now() - start >= timedelta(minutes=3)


def test_row_in_doubt_waits_as_long_as_gameball_asks_for():
    world = world_of()
    throttled = GameballThrottled("Gameball answered 429", status=429, retry_after_s=30.0)
    gameball_of(world).by_customer["b"] = [UNKNOWN, throttled]
    batch = world.drop(THREE)
    [chunk] = chunks_of(world, batch)
    assert chunk.not_before
    assert chunk.not_before - world.clock.now() >= timedelta(seconds=29)
    assert world.run(batch).status is BatchStatus.COMPLETED


def test_late_list_never_makes_an_applied_row_fail():
    world = world_of()
    gameball_of(world).by_customer["b"] = [(UNKNOWN,), POOR, POOR]
    gameball_of(world).lag_lookups = 2
    ended = world.run(world.drop(THREE))
    assert outcomes(world, ended)["b"] == "applied"


def test_id_that_gameball_has_for_something_else_fails_and_says_so():
    world = world_of()
    gameball_of(world).apply({"customerId": "z", "transactionId": "t1", "points": 1})
    ended = world.run(world.drop("customerId,points,transactionId\na,5,t1\nb,6,t2\n"))
    assert outcomes(world, ended) == {"a": "failed", "b": "applied"}
    assert "belongs to another transaction" in world.result(ended, "results.csv")


def test_id_that_gameball_has_for_the_same_transaction_is_applied_and_says_so():
    world = world_of()
    gameball_of(world).apply({"customerId": "a", "transactionId": "t1", "points": 5})
    ended = world.run(world.drop("customerId,points,transactionId\na,5,t1\nb,6,t2\n"))
    assert outcomes(world, ended) == {"a": "applied", "b": "applied"}
    assert "had applied this transactionId before" in world.result(ended, "results.csv")
    assert len(gameball_of(world).stored) == 2


def test_id_that_gameball_has_and_lists_late_is_not_taken_for_another_transaction():
    world = world_of()
    gameball_of(world).apply({"customerId": "a", "transactionId": "t1", "points": 5})
    gameball_of(world).lag_lookups = 2
    ended = world.run(world.drop("customerId,points,transactionId\na,5,t1\nb,6,t2\n"))
    assert outcomes(world, ended) == {"a": "applied", "b": "applied"}
    assert len(gameball_of(world).stored) == 2


# --- crashes and takeovers --------------------------------------------------------------------------------


@pytest.mark.parametrize("death", [Killed(), (Killed(),)], ids=["before", "after"])
def test_rows_of_a_sender_that_disappeared_are_asked_again(death: Any):
    world = world_of()
    gameball_of(world).by_customer["b"] = [death]
    with pytest.raises(Killed):
        world.drop(THREE)
    [batch] = world.store.open_batches()
    ended = world.run(batch)
    assert ended.status is BatchStatus.COMPLETED
    assert applied(world) == {"a": 5, "b": 6, "c": 7}


def test_nothing_is_sent_while_another_sender_holds_the_chunk():
    world = world_of()
    gameball_of(world).by_customer["b"] = [Killed()]
    with pytest.raises(Killed):
        world.drop(THREE)
    [batch] = world.store.open_batches()
    sent = len(gameball_of(world).sent)
    submit(world, batch)
    assert len(gameball_of(world).sent) == sent


def test_sender_that_lost_its_chunk_changes_nothing():
    world = world_of()
    gameball = gameball_of(world)
    gameball.by_customer["b"] = [Killed()]
    with pytest.raises(Killed):
        world.drop(THREE)
    [batch] = world.store.open_batches()
    [lost] = chunks_of(world, batch)
    world.clock.sleep(200)
    submit(world, batch)
    [settled] = chunks_of(world, batch)
    assert (settled.state, settled.attempts) == (ChunkState.SETTLED, 2)
    world.store.save_chunk = _refuse(world.store.save_chunk)  # type: ignore[method-assign]
    assert lost.version < settled.version


def _refuse(effect: Any) -> Any:
    return effect


def test_rows_that_are_known_are_not_asked_again_after_an_orderly_end():
    world = world_of(requests_per_30_s=350)
    batch = world.drop(many(300))  # ten seconds of the first sender are not enough
    [chunk] = chunks_of(world, batch)
    assert (chunk.state, chunk.not_before) == (ChunkState.PLANNED, None)
    sent = len(gameball_of(world).sent)
    assert 100 < sent < 150
    assert chunk.counts.applied == sent
    ended = world.run(batch)
    assert ended.counts.applied == 300
    assert len(gameball_of(world).sent) == 300


def test_file_whose_payload_was_changed_is_not_sent():
    world = world_of(approval_above_rows=1)
    batch = world.drop(THREE)
    [chunk] = chunks_of(world, batch)
    content = world.files.get(chunk.payload_key)
    world.files.put(chunk.payload_key, content.replace(b'"points": 5', b'"points": 50'), "application/json")
    with pytest.raises(Exception, match="payload has changed"):
        world.administration.approve(batch.batch_id, "me", ApprovalRequest())
    assert not gameball_of(world).sent


# --- Gameball is away -------------------------------------------------------------------------------------


def outage(world: World, *customers: str, times: int, error: Any = UNKNOWN) -> None:
    for customer in customers:
        gameball_of(world).by_customer[customer] = [error] * times


def test_unreachable_gameball_ends_the_sending_and_the_next_step_goes_on():
    world = world_of()
    text = many(100)
    outage(world, *(f"c{number:05d}" for number in range(100)), times=8)
    batch = world.drop(text)
    assert len({sent["customerId"] for sent in gameball_of(world).sent}) <= 5
    ended = world.run(batch)
    assert ended.status is BatchStatus.COMPLETED
    assert len(applied(world)) == 100


def test_one_row_without_an_answer_holds_nothing_else_up():
    world = world_of()
    outage(world, "c00003", times=100_000)
    ended = world.run(world.drop(many(300)))
    assert ended.status is BatchStatus.NEEDS_ATTENTION
    assert (ended.counts.applied, ended.counts.in_doubt) == (299, 1)
    assert ended.past_deadline


def test_row_in_doubt_at_the_deadline_is_settled_by_the_sweep_when_gameball_is_back():
    world = world_of()
    outage(world, "b", times=100_000)
    ended = world.run(world.drop(THREE))
    assert outcomes(world, ended)["b"] == "in_doubt"
    gameball_of(world).apply(dict(gameball_of(world).sent[1]))  # it was applied after all
    gameball_of(world).by_customer.clear()
    world.sweep()
    after = world.store.batch(ended.batch_id)
    assert after.status is BatchStatus.COMPLETED_WITH_ERRORS or after.counts.in_doubt == 0
    assert outcomes(world, after)["b"] == "applied"


def test_row_in_doubt_that_was_not_applied_fails_after_the_quiet_time():
    world = world_of()
    outage(world, "b", times=100_000)
    ended = world.run(world.drop(THREE))
    gameball_of(world).by_customer.clear()
    sent = len(gameball_of(world).sent)
    world.sweep()
    assert world.store.batch(ended.batch_id).counts.in_doubt == 1
    world.clock.sleep(3600 * 2)
    world.sweep()
    assert outcomes(world, world.store.batch(ended.batch_id))["b"] == "failed"
    assert len(gameball_of(world).sent) == sent, "the sweep looks up, and never sends"


def test_refused_keys_pause_the_batch_and_fail_no_row():
    world = world_of()
    denied = GameballUnauthorized("Gameball answered 401", status=401)
    outage(world, "c00000", "c00001", times=1, error=denied)
    batch = world.drop(many(40))
    assert world.store.batch(batch.batch_id).pause_reason
    assert len(gameball_of(world).sent) <= 1
    ended = world.run(batch)
    assert ended.status is BatchStatus.COMPLETED
    assert not ended.pause_reason
    assert len(applied(world)) == 40


# --- stop, canary, failure share --------------------------------------------------------------------------


def stop_at(world: World, batch: Batch, customer: str) -> None:
    """Let a person stop the batch when the request of a customer is under way."""
    gameball = gameball_of(world)
    effect = gameball.add_manual_transaction

    def add(body: bytes, within_s: float | None = None) -> Any:
        answer = effect(body, within_s)
        if json.loads(body)["customerId"] == customer:
            world.administration.stop(batch.batch_id, "me", "")
        return answer

    gameball.add_manual_transaction = add  # type: ignore[method-assign]


def test_stop_takes_effect_within_a_second_of_rows():
    world = world_of(requests_per_30_s=350)
    batch = world.drop(many(600))
    at = len(gameball_of(world).sent)
    stop_at(world, batch, "c00300")
    ended = world.run(batch)
    assert at < 300 < len(gameball_of(world).sent) <= 301 + 13
    assert ended.status is BatchStatus.STOPPED
    assert ended.counts.applied == len(applied(world)) == len(gameball_of(world).sent)
    assert ended.counts.not_submitted == 600 - ended.counts.applied
    assert ended.counts.in_doubt == 0


def test_stop_before_anything_was_sent_submits_nothing():
    world = world_of(approval_above_rows=1)
    batch = world.drop(THREE)
    world.administration.stop(batch.batch_id, "me", "")
    ended = world.run(batch)
    assert (ended.status, ended.counts.not_submitted) == (BatchStatus.STOPPED, 3)
    assert not gameball_of(world).sent


def test_nothing_is_sent_after_a_stop_for_a_sender_that_disappeared():
    world = world_of()
    gameball_of(world).by_customer["b"] = [(Killed(),)]
    with pytest.raises(Killed):
        world.drop(THREE)
    [batch] = world.store.open_batches()
    world.administration.stop(batch.batch_id, "me", "")
    sent = len(gameball_of(world).sent)
    ended = world.run(batch)
    assert len(gameball_of(world).sent) == sent
    assert ended.status is BatchStatus.NEEDS_ATTENTION
    assert set(outcomes(world, ended).values()) == {"in_doubt"}
    world.sweep()
    assert outcomes(world, world.store.batch(ended.batch_id))["b"] == "applied"
    world.clock.sleep(3600 * 2)
    world.sweep()
    assert outcomes(world, world.store.batch(ended.batch_id)) == {
        "a": "applied",
        "b": "applied",
        "c": "failed",
    }


def test_canary_goes_alone_and_too_many_failures_stop_the_rest():
    world = world_of(canary_rows=20, failure_percent_max=10)
    outage(world, *(f"c{number:05d}" for number in range(20)), times=1, error=POOR)
    ended = world.run(world.drop(many(600)))
    assert ended.status is BatchStatus.STOPPED
    assert (ended.counts.failed, ended.counts.not_submitted) == (20, 580)
    assert "MaxFailurePercent" in ended.stop_reason


def test_batch_that_needs_approval_is_sent_after_it():
    world = world_of(approval_above_rows=2)
    batch = world.drop(THREE)
    assert batch.status is BatchStatus.AWAITING_APPROVAL
    assert not gameball_of(world).sent
    world.administration.approve(batch.batch_id, "me", ApprovalRequest())
    ended = world.run(batch)
    assert ended.counts.applied == 3


def test_rows_of_a_vanished_sender_are_in_doubt_only_once_the_stop_is_on_record():
    world = world_of(failure_percent_max=10)
    outage(world, *(f"c{number:05d}" for number in range(120)), times=1, error=POOR)
    gameball_of(world).by_customer["c00950"] = [Killed()]
    with pytest.raises(Killed):
        world.drop(many(1000))
    [batch] = world.store.open_batches()
    world.clock.sleep(200)
    save, reasons = world.store.save_chunk, []

    def save_chunk(batch: Batch, chunk: Chunk) -> None:
        reasons.append(world.store.batch(batch.batch_id).stop_reason)
        save(batch, chunk)

    world.store.save_chunk = save_chunk  # type: ignore[method-assign]
    world.poller.poll(batch.batch_id, world.clock.now() + timedelta(minutes=5))
    assert [chunk.state for chunk in chunks_of(world, batch)] == [ChunkState.SETTLED] * 2
    assert reasons
    assert all("MaxFailurePercent" in reason for reason in reasons)
