"""Polling settles what Gameball lists, and says of the rest that it is not known."""

from datetime import timedelta
from typing import NoReturn

import pytest

from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus
from adjustments.core.errors import GameballUnauthorized, OutcomeUnknown
from adjustments.gameball.port import Dialect
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

THREE = "customerId,amount\na,1\nb,2\nc,3\n"


def test_unlisted_row_of_a_finished_job_is_in_doubt():
    gameball = MemoryGameball()
    gameball.unlisted = {"b"}
    world = World(gameball)
    ended = world.run(world.drop(THREE))
    assert ended.status is BatchStatus.NEEDS_ATTENTION
    assert (ended.counts.applied, ended.counts.in_doubt) == (2, 1)


def test_completed_job_without_lists_proves_nothing():
    gameball = MemoryGameball()
    gameball.unlisted = {"a", "b", "c"}
    world = World(gameball)
    assert world.run(world.drop(THREE)).counts.in_doubt == 3


def test_dialect_is_detected_and_recorded():
    gameball = MemoryGameball()
    gameball.dialect = Dialect.OPENAPI
    world = World(gameball)
    ended = world.run(world.drop(THREE))
    assert (ended.status, ended.dialect) == (BatchStatus.COMPLETED, "openapi")


def test_dialect_is_not_detected_by_an_answer_without_a_state():
    gameball = MemoryGameball()
    gameball.dialect = Dialect.OPENAPI
    world = World(gameball)
    batch = world.drop(THREE)
    status = gameball.job_status
    gameball.job_status = lambda *_: {"status": None, "response": []}  # type: ignore[method-assign]
    world.poller.poll(batch.batch_id, world.clock.now() + timedelta(minutes=1))
    gameball.job_status = status  # type: ignore[method-assign]
    ended = world.run(batch)
    assert (ended.status, ended.dialect) == (BatchStatus.COMPLETED, "openapi")


def test_dialect_of_the_settings_is_the_only_one_tried():
    gameball = MemoryGameball()
    gameball.dialect = Dialect.OPENAPI
    world = World(gameball, dialect=Dialect.OPENAPI)
    assert world.run(world.drop(THREE)).status is BatchStatus.COMPLETED


def test_job_in_an_undocumented_state_ends_at_the_deadline():
    gameball = MemoryGameball()
    gameball.job_state = "archived"
    world = World(gameball)
    batch = world.drop(THREE)
    ended = world.run(batch)
    assert ended.finished_at is not None
    assert ended.finished_at >= batch.deadline_at
    assert (ended.status, ended.counts.in_doubt) == (BatchStatus.NEEDS_ATTENTION, 3)


def test_batch_ends_at_its_deadline_even_where_polling_kills_the_function():
    gameball = MemoryGameball()
    world = World(gameball)
    batch = world.drop(THREE)
    world.clock.sleep((batch.deadline_at - world.clock.now()).total_seconds())

    def time_out(dialect: Dialect, job_id: int) -> NoReturn:
        raise SystemExit("Lambda ends the function")

    gameball.job_status = time_out  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        world.poller.poll(batch.batch_id, world.clock.now() + timedelta(minutes=1))
    late, step = world.poller.poll(batch.batch_id, world.clock.now() + timedelta(minutes=1))
    assert (late.past_deadline, step.is_over) == (True, True)
    ended = world.run(batch)
    assert (ended.status, ended.counts.in_doubt) == (BatchStatus.NEEDS_ATTENTION, 3)


def test_job_that_has_ended_by_the_deadline_is_settled_by_the_poll_that_comes_then():
    gameball = MemoryGameball()
    gameball.job_state = "running"
    world = World(gameball)
    batch = world.drop(THREE)
    world.poller.poll(batch.batch_id, world.clock.now() + timedelta(minutes=1))
    world.clock.sleep((batch.deadline_at - world.clock.now()).total_seconds())
    gameball.job_state = "completed"
    ended = world.run(batch)
    assert ended.counts.applied == 3


def test_poll_without_an_answer_is_repeated():
    gameball = MemoryGameball()
    gameball.poll_error = OutcomeUnknown("Gameball answered 503")
    world = World(gameball)
    batch = world.drop(THREE)
    _, step = world.poller.poll(batch.batch_id, world.clock.now())
    assert not step.is_over
    gameball.poll_error = None
    assert world.run(batch).status is BatchStatus.COMPLETED


def test_batch_is_paused_by_refused_keys_and_resumed_by_accepted_ones():
    gameball = MemoryGameball()
    gameball.poll_error = GameballUnauthorized("Gameball answered 401")
    world = World(gameball)
    batch = world.drop(THREE)
    paused, _ = world.poller.poll(batch.batch_id, world.clock.now())
    assert paused.pause_reason == "Gameball answered 401"
    gameball.poll_error = None
    ended = world.run(batch)
    assert (ended.status, ended.pause_reason) == (BatchStatus.COMPLETED, "")


def test_waits_grow_from_seconds_to_a_minute():
    gameball = MemoryGameball()
    gameball.job_state = "running"
    world = World(gameball)
    batch = world.drop(THREE)
    waits = []
    for _ in range(60):
        _, step = world.poller.poll(batch.batch_id, world.clock.now())
        waits.append(step.wait_s)
        world.clock.sleep(step.wait_s)
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (2, 60)


def test_polling_an_ended_batch_changes_nothing():
    world = World(MemoryGameball())
    ended = world.run(world.drop(THREE))
    again, step = world.poller.poll(ended.batch_id, world.clock.now())
    assert (again, step.is_over) == (ended, True)


def test_poll_that_began_before_the_end_changes_nothing_of_an_ended_batch():
    gameball = MemoryGameball([OutcomeUnknown("lost")])
    world = World(gameball, canary_rows=1, failure_percent_max=20, dialect=Dialect.GUIDE)
    batch = world.drop(THREE)
    read = world.store.chunks_after
    ended: list[Batch] = []

    def end_meanwhile(batch_id: str, plan_id: str, after: str, untouched_max: int) -> list[Chunk]:
        stored = world.store.batch(batch.batch_id)
        if not stored.status.is_final:
            ended.append(stored.changed(status=BatchStatus.NEEDS_ATTENTION))
            world.store.save_batch(ended[0])
        return read(batch_id, plan_id, after, untouched_max)

    world.store.chunks_after = end_meanwhile  # type: ignore[method-assign]
    world.poller.poll(batch.batch_id, world.clock.now())
    assert [world.store.batch(batch.batch_id)] == ended
