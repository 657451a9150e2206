"""Each row of the design page's table of outcomes, from the request to the results."""

import json
from datetime import timedelta

import pytest

from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus, ChunkState
from adjustments.batches.store import ChunkCursor
from adjustments.core import exact_json
from adjustments.core.errors import (
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    GameballUnavailable,
    OutcomeUnknown,
    WrongState,
)
from adjustments.core.limits import ERROR_CHARS_MAX
from adjustments.gameball.rate_limiter import Priority, Resource
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

THREE = "customerId,amount\na,1\nb,2\nc,3\n"


def states(world: World, batch_id: str) -> list[tuple[str, str]]:
    batch = world.store.batch(batch_id)
    return [(chunk.chunk_id, chunk.state.value) for chunk in world.store.chunks(batch_id, batch.plan_id)]


def test_sender_marks_a_chunk_submitted_when_gameball_answers_with_a_job_id():
    world = World(MemoryGameball())
    batch = world.drop(THREE)
    assert states(world, batch.batch_id) == [("001-00001", "submitted")]


@pytest.mark.parametrize(
    "error", [GameballUnavailable("no route"), GameballThrottled("429"), GameballThrottled("busy", code=2001)]
)
def test_sender_sends_a_chunk_again_after_a_pause_if_it_was_surely_not_applied(error: GameballError):
    gameball = MemoryGameball([error, error])
    world = World(gameball)
    batch = world.drop(THREE)
    assert states(world, batch.batch_id) == [("001-00001", "planned")]
    ended = world.run(batch)
    assert ended.status is BatchStatus.COMPLETED
    assert len(gameball.requests) == 3
    assert len(gameball.applied) == 3


@pytest.mark.parametrize("was_applied", [True, False])
def test_sender_never_sends_a_chunk_again_whose_outcome_is_unknown(was_applied: bool):
    error = OutcomeUnknown("read time-out")
    gameball = MemoryGameball([(error,) if was_applied else error])
    world = World(gameball)
    ended = world.run(world.drop(THREE))
    assert ended.status is BatchStatus.NEEDS_ATTENTION
    assert (ended.counts.in_doubt, ended.counts.applied) == (3, 0)
    assert len(gameball.requests) == 1
    assert "in_doubt" in world.result(ended, "results.csv")
    assert world.result(ended, "fix-me.csv").splitlines() == ["customerId,amount,error"]


def test_sender_splits_a_refused_chunk_down_to_the_refused_row():
    gameball = MemoryGameball()
    gameball.refuses = lambda customers: "c7" in customers
    world = World(gameball)
    rows = "".join(f"c{number},{number + 1}\n" for number in range(16))
    ended = world.run(world.drop(f"customerId,amount\n{rows}"))
    assert (ended.counts.applied, ended.counts.failed) == (15, 1)
    assert {customer for _, customer, _ in gameball.applied} == {f"c{n}" for n in range(16) if n != 7}
    assert world.result(ended, "fix-me.csv").splitlines()[1].startswith("c7,8,")


def test_refused_keys_pause_the_batch_and_fail_no_row():
    gameball = MemoryGameball([GameballUnauthorized("Gameball answered 401", status=401)] * 2)
    world = World(gameball)
    batch = world.drop(THREE)
    assert batch.pause_reason == "Gameball answered 401"
    assert states(world, batch.batch_id) == [("001-00001", "planned")]
    ended = world.run(batch)
    assert ended.status is BatchStatus.COMPLETED
    assert not ended.pause_reason


def test_sender_sends_a_chunk_once_with_two_workers():
    gameball = MemoryGameball()
    world = World(gameball)
    stale = world.store.chunks
    world.files.drop("inbox/f.csv", THREE.encode())
    batch = world.drop(THREE)
    before = [chunk.replaced(state=ChunkState.PLANNED, version=1)
              for chunk in stale(batch.batch_id, batch.plan_id)]  # fmt: skip
    world.store.chunks_after = lambda *_: before  # type: ignore[method-assign]
    look = ChunkCursor(world.store, batch.batch_id)
    world._chunk_sender(None)._send_round(look, batch, before, world.clock.now() + timedelta(minutes=1), {})
    assert len(gameball.requests) == 1


def test_sender_frozen_past_its_lease_sends_nothing():
    gameball = MemoryGameball()
    world = World(gameball)
    save = world.store.save_chunk

    def freeze(batch, chunk):
        save(batch, chunk)
        if chunk.state is ChunkState.SUBMITTING:
            world.clock.sleep(3600)

    world.store.save_chunk = freeze  # type: ignore[method-assign]
    batch = world.drop(THREE)
    assert gameball.requests == []
    ended = world.run(batch)
    assert ended.counts.in_doubt == 3


@pytest.mark.parametrize("frozen_s", [117, 119.9])
def test_sender_whose_clock_is_behind_sends_nothing_once_its_lease_may_be_over_for_others(frozen_s: float):
    gameball = MemoryGameball()
    world = World(gameball)
    save = world.store.save_chunk

    def freeze(batch, chunk):
        save(batch, chunk)
        if chunk.state is ChunkState.SUBMITTING:
            world.clock.sleep(frozen_s)
            world.clock.sleep(4)  # the clock of whoever polls is ahead of the sender's by so much
            world.poller.poll(batch.batch_id, world.clock.now())
            world.clock.sleep(-4)

    world.store.save_chunk = freeze  # type: ignore[method-assign]
    batch = world.drop(THREE)
    assert states(world, batch.batch_id) == [("001-00001", "in_doubt")]
    assert gameball.requests == []


def test_job_id_that_comes_after_the_lease_clears_the_doubt():
    gameball = MemoryGameball()
    world = World(gameball)
    adjust = gameball.adjust_balances

    def slow(body: bytes) -> int:
        job_id = adjust(body)
        [batch] = world.store.open_batches()
        world.clock.sleep(300)
        world.poller.poll(batch.batch_id, world.clock.now())
        assert states(world, batch.batch_id) == [("001-00001", "in_doubt")]
        return job_id

    gameball.adjust_balances = slow  # type: ignore[method-assign]
    ended = world.run(world.drop(THREE))
    assert ended.status is BatchStatus.COMPLETED


def test_job_id_that_is_recorded_already_is_no_error():
    gameball = MemoryGameball()
    world = World(gameball)
    save = world.store.save_chunk

    def echo(batch: Batch, chunk: Chunk) -> None:
        save(batch, chunk)
        if chunk.state is ChunkState.SUBMITTED:
            raise WrongState("it was changed meanwhile")

    world.store.save_chunk = echo  # type: ignore[method-assign]
    batch = world.drop(THREE)
    assert states(world, batch.batch_id) == [("001-00001", "submitted")]
    assert world.run(batch).status is BatchStatus.COMPLETED


def test_chunk_whose_payload_was_changed_is_not_sent():
    gameball = MemoryGameball()
    world = World(gameball, approval_above_rows=1)
    batch = world.drop(THREE)
    [chunk] = world.store.chunks(batch.batch_id, batch.plan_id)
    world.files.put(chunk.payload_key, world.files.get(chunk.payload_key).replace(b"3", b"9"), "")
    approved = batch.changed(notifications_sent=(), status=BatchStatus.SUBMITTING)
    world.store.save_batch(approved)
    with pytest.raises(WrongState):
        world.sender.submit(batch.batch_id, world.clock.now() + timedelta(minutes=1))
    assert gameball.requests == []


def test_waves_go_one_after_another_in_file_order():
    gameball = MemoryGameball()
    world = World(gameball)
    ended = world.run(world.drop("customerId,amount\na,1\na,-2\nb,5\na,3\n"))
    assert ended.counts.applied == 4
    assert [float(amount) for _, customer, amount in gameball.applied if customer == "a"] == [1, -2, 3]
    assert len(gameball.requests) == 3


def test_second_wave_waits_for_the_first_to_settle():
    gameball = MemoryGameball()
    gameball.job_state = "running"
    world = World(gameball)
    batch = world.drop("customerId,amount\na,1\na,2\n")
    assert states(world, batch.batch_id) == [("001-00001", "submitted"), ("002-00001", "planned")]


@pytest.mark.parametrize("error", [GameballRefused, OutcomeUnknown, GameballUnauthorized, GameballThrottled])
def test_long_error_message_is_stored_cut(error: type[GameballError]):
    world = World(MemoryGameball([error("Gameball answered: \ud800 " + "x" * 500_000)]))
    batch = world.drop("customerId,amount\na,1\n")
    [chunk] = world.store.chunks(batch.batch_id, batch.plan_id)
    assert chunk.error.startswith("Gameball answered: ? xxx")
    assert len(chunk.error) == ERROR_CHARS_MAX
    assert len(world.store.batch(batch.batch_id).pause_reason) in (0, ERROR_CHARS_MAX)


def test_sender_without_a_free_slot_before_its_end_does_not_read_the_batch_again_and_again():
    world = World(MemoryGameball())
    batch = world.drop(THREE, dry_run="true")  # planned, and nothing of it was sent
    world.store.save_batch(batch.changed(dry_run=False))
    asked = []

    def far_away(resource: Resource, priority: Priority, within_s: float) -> tuple[bool, float]:
        asked.append(within_s)
        assert len(asked) < 10
        return False, within_s + 1.0

    world.rate_limiter.take_slot = far_away  # type: ignore[method-assign]
    world.sender.submit(batch.batch_id, world.clock.now() + timedelta(seconds=2))
    assert asked == [2.0]


def test_canary_goes_alone_and_a_bad_one_stops_the_batch():
    gameball = MemoryGameball()
    gameball.unknown_customers = {f"c{number}" for number in range(5)}
    world = World(gameball, canary_rows=10, failure_percent_max=20)
    rows = "".join(f"c{number},1\n" for number in range(1500))
    ended = world.run(world.drop(f"customerId,amount\n{rows}"))
    assert ended.status is BatchStatus.STOPPED
    assert len(gameball.requests) == 1
    assert (ended.counts.applied, ended.counts.failed, ended.counts.not_submitted) == (5, 5, 1490)
    assert "MaxFailurePercent" in ended.stop_reason
    assert len(world.result(ended, "fix-me.csv").splitlines()) == 1 + 1495


def test_canary_within_the_limit_lets_the_rest_go():
    gameball = MemoryGameball()
    gameball.unknown_customers = {"c0", "c1"}
    world = World(gameball, canary_rows=10, failure_percent_max=20)
    rows = "".join(f"c{number},1\n" for number in range(1500))
    ended = world.run(world.drop(f"customerId,amount\n{rows}"))
    assert (ended.status, ended.counts.applied) == (BatchStatus.COMPLETED_WITH_ERRORS, 1498)


LOST = OutcomeUnknown("read time-out")


def five_thousand(script: list[GameballError | tuple[GameballError] | None]) -> tuple[World, MemoryGameball]:
    gameball = MemoryGameball(script)
    return World(gameball, canary_rows=100, failure_percent_max=20), gameball


def drop_rows(world: World, rows: int = 5000) -> Batch:
    return world.drop("customerId,amount\n" + "".join(f"c{number},1\n" for number in range(rows)))


def sizes(gameball: MemoryGameball) -> list[int]:
    return [len(exact_json.read(body)["body"]) for body in gameball.requests]


@pytest.mark.parametrize("was_applied", [True, False])
def test_one_lost_answer_to_the_canary_does_not_stop_the_rest(was_applied: bool):
    world, gameball = five_thousand([(LOST,) if was_applied else LOST])
    batch = drop_rows(world)
    world.poller.poll(batch.batch_id, world.clock.now())
    shown = world.administration.show(batch.batch_id)
    assert shown["notes"][-1].startswith(
        "No outcome is known of 100 of the first 100 rows. The next 100 rows go"
    )
    assert (shown["message"], sizes(gameball)) == ("", [100])
    ended = world.run(batch)
    assert (ended.status, ended.counts.applied, ended.counts.in_doubt) == ("needs_attention", 4900, 100)
    assert sizes(gameball) == [100, 100, 1000, 1000, 1000, 1000, 800]
    assert len(set(gameball.applied)) == 4900 + 100 * was_applied
    note = "No outcome was known of 100 of the first 100 rows, so the next 100 rows went alone"
    assert note in world.result(ended, "report.html")
    assert json.loads(world.result(ended, "summary.json"))["notes"][-1] == f"{note}, as a second canary."
    assert f"Note: {note}" in world.notifications.mails[-1][1]


def test_second_canary_waits_two_minutes():
    world, gameball = five_thousand([LOST])
    batch = drop_rows(world)
    for seconds, requests in ((119, 1), (1, 2)):
        world.clock.sleep(seconds)
        world.sender.submit(batch.batch_id, world.clock.now() + timedelta(milliseconds=1))
        assert len(gameball.requests) == requests


def test_batch_sends_two_canaries_at_most_when_every_answer_is_lost():
    world, gameball = five_thousand([LOST] * 50)
    ended = world.run(drop_rows(world))
    assert sizes(gameball) == [100, 100]
    counts = ended.counts
    assert (ended.status, counts.in_doubt, counts.not_submitted) == ("needs_attention", 200, 4800)
    assert ended.stop_reason.startswith(
        "no outcome is known of 200 of the first 200 rows, also after a second"
    )
    assert "Why: no outcome is known of 200 of the first 200 rows" in world.notifications.mails[-1][1]
    assert len(world.result(ended, "fix-me.csv").splitlines()) == 1 + 4800
    assert "also after a second canary" in world.result(ended, "fix-me.csv")


def test_a_bad_second_canary_stops_the_batch():
    world, gameball = five_thousand([LOST])
    gameball.unknown_customers = {f"c{number}" for number in range(100, 121)}
    ended = world.run(drop_rows(world))
    assert (sizes(gameball), ended.counts.failed, ended.counts.not_submitted) == ([100, 100], 21, 4800)
    assert ended.stop_reason.startswith(
        "21 of 100 rows failed or are in doubt (100 rows of a canary in doubt"
    )


@pytest.mark.parametrize("has_failed", [False, True])
def test_late_answer_judges_the_first_canary(has_failed: bool):
    """The answer comes when its sender's time is over: what was in doubt has a job, and the job is asked."""
    world, gameball = five_thousand([])
    gameball.unknown_customers = {f"c{number}" for number in range(100)} if has_failed else set()
    adjust = gameball.adjust_balances

    def slow(body: bytes) -> int:
        gameball.adjust_balances = adjust  # type: ignore[method-assign]
        job_id = adjust(body)
        [batch] = world.store.open_batches()
        world.clock.sleep(125)
        world.poller.poll(batch.batch_id, world.clock.now())
        assert world.store.batch(batch.batch_id).canary_note.startswith("No outcome is known of 100")
        return job_id

    gameball.adjust_balances = slow  # type: ignore[method-assign]
    ended = world.run(drop_rows(world))
    assert (ended.counts.in_doubt, ended.canary_note) == (0, "")
    assert ended.counts.applied == (0 if has_failed else 5000)
    assert sizes(gameball)[:2] == ([100] if has_failed else [100, 100])
    assert ("100 of the first 100 rows failed" in ended.stop_reason) is has_failed


def test_rows_of_a_customer_keep_their_order_behind_a_lost_canary():
    world, gameball = five_thousand([LOST])
    rows = "".join(f"c{number % 60},{number // 60 + 1}\n" for number in range(180))
    ended = world.run(world.drop(f"customerId,amount\n{rows}"))
    assert sizes(gameball) == [60, 60, 60]
    assert (ended.counts.in_doubt, ended.counts.applied) == (60, 120)
    assert [float(amount) for _, name, amount in gameball.applied if name == "c7"] == [2, 3]


@pytest.mark.parametrize("canary_rows", [0, 100])
def test_one_refused_row_does_not_stop_the_batch(canary_rows: int):
    """The row to blame is known before its neighbours have settled; alone, it would be a share of 100 %."""
    gameball = MemoryGameball()
    gameball.refuses = lambda customers: "c7" in customers
    world = World(gameball, canary_rows=canary_rows, failure_percent_max=20)
    rows = "".join(f"c{number},1\n" for number in range(1500))
    gameball.job_state = "running"
    batch = world.drop(f"customerId,amount\n{rows}")
    for _ in range(12):  # down to the row to blame, while its neighbours' jobs are under way
        world.poller.poll(batch.batch_id, world.clock.now() + timedelta(minutes=1))
        world.sender.submit(batch.batch_id, world.clock.now() + timedelta(minutes=1))
    gameball.job_state = "completed"
    ended = world.run(batch)
    assert (ended.status, ended.counts.applied) == (BatchStatus.COMPLETED_WITH_ERRORS, 1499)
