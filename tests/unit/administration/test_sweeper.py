"""The sweep resumes what stalled and finds what was missed; while all is well it changes nothing."""

from datetime import timedelta
from typing import NoReturn

import pytest

from adjustments.batches.files import StoredObject
from adjustments.batches.states import BatchStatus
from adjustments.core.errors import SweepUnfinished
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

THREE = "customerId,amount\na,1\nb,2\nc,3\n"


def test_sweep_changes_nothing_while_all_is_well():
    world = World(MemoryGameball())
    batch = world.drop(THREE)
    world.clock.sleep(7200)
    assert world.sweep() == {"resumed": [], "queued": [], "reconciled": []}
    assert world.store.batch(batch.batch_id) == batch


def test_sweep_resumes_a_batch_without_a_running_execution_once():
    world = World(MemoryGameball())
    batch = world.drop(THREE)
    world.executions.running.clear()
    assert world.sweep()["resumed"] == [batch.batch_id]
    assert world.sweep()["resumed"] == []
    assert [name for name, _ in world.executions.started] == [batch.batch_id, f"{batch.batch_id}-2"]


def test_sweep_queues_an_object_whose_event_was_lost_and_does_not_plan_it():
    gameball = MemoryGameball()
    world = World(gameball)
    stored = world.files.drop("inbox/lost.csv", THREE.encode())
    assert world.sweep()["queued"] == []
    world.clock.sleep(3600)
    [found] = world.sweep()["queued"]
    assert world.intake.objects == [stored]
    assert list(world.store.open_batches()) == []
    [batch] = world.deliver()
    assert batch.batch_id == found
    assert world.run(batch).status is BatchStatus.COMPLETED
    assert world.sweep() == {"resumed": [], "queued": [], "reconciled": []}


def test_sweep_queues_an_object_that_fails_each_time_more_rarely_the_older_it_is():
    world = World(MemoryGameball())
    world.files.drop("inbox/broken.csv", THREE.encode())
    queued_at_h = []
    for quarter in range(1, 4 * 80):
        world.clock.sleep(900)
        if world.sweep()["queued"]:
            queued_at_h.append(quarter / 4)
    assert queued_at_h == [0.75, 1, 2, 4, 8, 16, 32, 64]


def test_sweep_queues_an_object_again_whose_message_could_not_be_sent(monkeypatch: pytest.MonkeyPatch):
    world = World(MemoryGameball())
    stored = world.files.drop("inbox/lost.csv", THREE.encode())
    world.clock.sleep(3600)

    def fail(stored: StoredObject) -> NoReturn:
        raise RuntimeError("the queue is away")

    with monkeypatch.context() as outage:
        outage.setattr(world.intake, "put", fail)
        with pytest.raises(ExceptionGroup):
            world.sweep()
    assert len(world.sweep()["queued"]) == 1
    assert world.sweep()["queued"] == []
    assert world.intake.objects == [stored]


def test_sweep_queues_an_object_again_whose_marker_could_not_be_written(monkeypatch: pytest.MonkeyPatch):
    world = World(MemoryGameball())
    stored = world.files.drop("inbox/lost.csv", THREE.encode())
    world.clock.sleep(3600)

    def fail(key: str, body: bytes, content_type: str) -> NoReturn:
        raise RuntimeError("the bucket is away")

    with monkeypatch.context() as outage:
        outage.setattr(world.files, "put_new", fail)
        with pytest.raises(ExceptionGroup):
            world.sweep()
    assert len(world.sweep()["queued"]) == 1
    assert world.intake.objects == [stored, stored]


def test_sweep_does_not_resume_a_batch_that_awaits_approval():
    world = World(MemoryGameball(), approval_above_rows=1)
    world.drop(THREE)
    world.clock.sleep(7200)
    assert world.sweep() == {"resumed": [], "queued": [], "reconciled": []}


def test_sweep_goes_on_with_the_others_when_one_batch_fails():
    world = World(MemoryGameball())
    world.files.drop("inbox/broken.csv", THREE.encode())
    world.files.drop("inbox/lost.csv", b"customerId,amount\nd,4\n")
    world.clock.sleep(3600)
    put = world.intake.put

    def fail_once(stored: StoredObject) -> None:
        if stored.key == "inbox/broken.csv":
            raise RuntimeError("no access")
        put(stored)

    world.intake.put = fail_once  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup):
        world.sweep()
    assert [stored.key for stored in world.intake.objects] == ["inbox/lost.csv"]


@pytest.mark.parametrize("listed", ["open_batches", "doubtful_batches"])
def test_batches_that_can_not_be_listed_do_not_keep_the_sweep_from_the_files(
    listed: str, monkeypatch: pytest.MonkeyPatch
):
    world = World(MemoryGameball())
    world.files.drop("inbox/lost.csv", THREE.encode())
    world.clock.sleep(3600)

    def fail() -> NoReturn:
        raise RuntimeError("no access")

    monkeypatch.setattr(world.store, listed, fail)
    with pytest.raises(ExceptionGroup):
        world.sweep()
    assert [stored.key for stored in world.intake.objects] == ["inbox/lost.csv"]


def test_resuming_that_takes_long_leaves_time_for_the_files_and_is_an_error(monkeypatch: pytest.MonkeyPatch):
    world = World(MemoryGameball())
    for number in range(30):
        world.drop(f"customerId,amount\n{number},{number + 1}\n", name=f"{number}.csv")
    stored = world.files.drop("inbox/lost.csv", THREE.encode())
    world.clock.sleep(3600)
    world.executions.running.clear()

    def start_slowly(name: str, batch_id: str) -> None:
        world.clock.sleep(60)

    monkeypatch.setattr(world.executions, "start", start_slowly)
    began_at = world.clock.now()
    with pytest.raises(ExceptionGroup) as raised:
        world.sweep()
    assert [type(error) for error in raised.value.exceptions] == [SweepUnfinished]
    assert world.intake.objects == [stored]
    assert world.clock.now() - began_at < timedelta(minutes=7)
