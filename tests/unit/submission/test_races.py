"""Races and crashes that the simulation found; each test is one of its seeds, told by hand."""

import traceback
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from adjustments.batches.next_step import next_step
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus, ChunkState
from adjustments.core.errors import GameballRefused, GameballUnauthorized, OutcomeUnknown, WrongState
from adjustments.polling.batch_pause import pause_batch
from tests.fakes.gameball import MemoryGameball
from tests.fakes.manual_transactions import Killed
from tests.fakes.memory import START
from tests.fakes.world import World
from tests.unit.making import make_batch, make_chunk

THREE = "customerId,amount\na,1\nb,2\nc,3\n"


def test_notifier_sends_only_statuses_that_people_wait_for():
    world = World(MemoryGameball())
    batch = world.drop(THREE)
    assert world.notifier.notify(batch.batch_id) == batch
    assert world.notifications.mails == []


def test_report_writer_raises_when_another_worker_has_saved_the_batch():
    world = World(MemoryGameball())
    batch = world.drop(THREE)
    world.poller.poll(batch.batch_id, world.clock.now() + timedelta(minutes=1))
    save = world.store.save_batch

    def beaten(batch: Batch) -> None:
        world.store.save_batch = save  # type: ignore[method-assign]
        save(world.store.batch(batch.batch_id).changed(pause_reason="meanwhile"))
        save(batch)

    world.store.save_batch = beaten  # type: ignore[method-assign]
    with pytest.raises(WrongState):
        world.report_writer.report(batch.batch_id)
    assert world.report_writer.report(batch.batch_id).status is BatchStatus.COMPLETED


def test_sweeper_resumes_an_ended_batch_without_notification():
    world = World(MemoryGameball())
    batch = world.drop(THREE)
    world.poller.poll(batch.batch_id, world.clock.now() + timedelta(minutes=1))
    world.report_writer.report(batch.batch_id)
    world.executions.running.clear()
    until = world.clock.now() + timedelta(minutes=1)
    assert world.sweeper.sweep(until)["resumed"] == [batch.batch_id]
    world.run(batch)
    world.executions.running.clear()
    assert world.sweeper.sweep(until)["resumed"] == []
    assert len(world.notifications.mails) == 1


def test_wrong_state_error_carries_nothing_of_gameballs_answer():
    gameball = MemoryGameball([GameballRefused("Gameball answered 422: customer a is not valid", status=422)])
    world = World(gameball)
    save = world.store.split_chunk

    def beaten(batch: Batch, whole: Chunk, halves: tuple[Chunk, ...]) -> None:
        save(batch, whole.replaced(version=99), halves)

    world.store.split_chunk = beaten  # type: ignore[assignment]
    with pytest.raises(WrongState) as caught:
        world.drop(THREE)
    assert "customer a" not in "".join(traceback.format_exception(caught.value))


def test_batch_that_ended_well_is_not_paused():
    gameball = MemoryGameball([None, GameballUnauthorized("Gameball answered 401", status=401)])
    gameball.refuses = lambda customers: "a" in customers
    world = World(gameball)
    ended = world.run(world.drop(THREE))
    assert (ended.counts.applied, ended.counts.failed, ended.pause_reason) == (2, 1, "")


def test_stop_that_comes_at_the_first_moment_holds():
    gameball = MemoryGameball()
    world = World(gameball)
    save = world.store.save_batch

    def stopped_first(batch: Batch) -> None:
        world.store.save_batch = save  # type: ignore[method-assign]
        save(world.store.batch(batch.batch_id).changed(stop_reason="stopped by a person"))
        save(batch)

    world.store.save_batch = stopped_first  # type: ignore[method-assign]
    ended = world.run(world.drop(THREE))
    assert (gameball.requests, ended.status) == ([], BatchStatus.STOPPED)


def test_stopped_batch_is_not_over_while_a_chunk_could_still_be_sent():
    batch = make_batch(stop_reason="stopped by a person")
    step = next_step(batch, [make_chunk(state=ChunkState.PLANNED)], START, failure_percent_max=100)
    assert (step.is_over, step.more_to_send, step.to_send) == (False, False, [])


def test_keys_that_are_refused_after_the_end_pause_nothing():
    world = World(MemoryGameball())
    ended = world.run(world.drop(THREE))
    pause_batch(world.store, ended.batch_id, "Gameball answered 401")
    assert world.store.batch(ended.batch_id) == ended


def test_lookalike_that_was_sent_while_a_list_was_read_is_counted():
    gameball = MemoryGameball([OutcomeUnknown("lost")])
    world = World(gameball)
    doubtful = world.run(world.drop("customerId,amount\na,1\n"))
    world.clock.sleep(3600)
    transactions = gameball.transactions

    def meanwhile(
        customer_id: str, start_after: str | None = None, within_s: float | None = None
    ) -> Mapping[str, Any]:
        world.drop("customerId,amount\na,1\n", name="again.csv", allow_duplicate="true")
        return transactions(customer_id, start_after)

    gameball.transactions = meanwhile  # type: ignore[method-assign]
    after = world.reconciler.reconcile(doubtful.batch_id, world.clock.now() + timedelta(minutes=1))
    assert after
    assert (after.counts.in_doubt, after.counts.applied) == (1, 0)


def test_sweeper_notifies_of_a_batch_that_awaits_approval_if_submission_could_not():
    world = World(MemoryGameball(), approval_above_rows=1)
    mail = world.notifications.mail

    def dies(subject: str, text: str) -> None:
        world.notifications.mail = mail  # type: ignore[method-assign]
        raise Killed

    world.notifications.mail = dies  # type: ignore[method-assign]
    with pytest.raises(Killed):
        world.drop(THREE)
    world.clock.sleep(300)
    world.sweeper.sweep(world.clock.now() + timedelta(minutes=1))
    world.sweeper.sweep(world.clock.now() + timedelta(minutes=1))
    assert [subject.split(":")[0] for subject, _ in world.notifications.mails] == ["awaiting approval"]
