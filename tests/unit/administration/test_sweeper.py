"""The sweep resumes what stalled and finds what was missed; while all is well it changes nothing."""

from typing import NoReturn

import pytest

from adjustments.batches.files import StoredObject
from adjustments.batches.states import BatchStatus
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

THREE = "customerId,amount\na,1\nb,2\nc,3\n"


def test_while_all_is_well_nothing_changes():
    world = World(MemoryGameball())
    batch = world.drop(THREE)
    world.clock.sleep(7200)
    assert world.sweep() == {"resumed": [], "queued": [], "reconciled": []}
    assert world.store.batch(batch.batch_id) == batch


def test_batch_without_a_running_execution_is_resumed_once():
    world = World(MemoryGameball())
    batch = world.drop(THREE)
    world.executions.running.clear()
    assert world.sweep()["resumed"] == [batch.batch_id]
    assert world.sweep()["resumed"] == []
    assert [name for name, _ in world.executions.started] == [batch.batch_id, f"{batch.batch_id}-2"]


def test_object_whose_event_was_lost_is_queued_and_not_planned_by_the_sweep():
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


def test_object_that_fails_each_time_is_queued_the_more_rarely_the_older_it_is():
    world = World(MemoryGameball())
    world.files.drop("inbox/broken.csv", THREE.encode())
    queued_at_h = []
    for quarter in range(1, 4 * 80):
        world.clock.sleep(900)
        if world.sweep()["queued"]:
            queued_at_h.append(quarter / 4)
    assert queued_at_h == [0.75, 1, 2, 4, 8, 16, 32, 64]


def test_batch_that_waits_for_approval_is_left_alone():
    world = World(MemoryGameball(), approval_above_rows=1)
    world.drop(THREE)
    world.clock.sleep(7200)
    assert world.sweep() == {"resumed": [], "queued": [], "reconciled": []}


def test_one_that_fails_does_not_keep_the_sweep_from_the_others():
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
