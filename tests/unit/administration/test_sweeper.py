"""The sweep resumes what stalled and finds what was missed; while all is well it changes nothing."""

import pytest

from adjustments.batches.files import OpenedObject
from adjustments.batches.states import BatchStatus
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

THREE = "customerId,amount\na,1\nb,2\nc,3\n"


def test_while_all_is_well_nothing_changes():
    world = World(MemoryGameball())
    batch = world.drop(THREE)
    world.clock.sleep(7200)
    assert world.sweep() == {"resumed": [], "submitted": [], "reconciled": []}
    assert world.store.batch(batch.batch_id) == batch


def test_batch_without_a_running_execution_is_resumed_once():
    world = World(MemoryGameball())
    batch = world.drop(THREE)
    world.executions.running.clear()
    assert world.sweep()["resumed"] == [batch.batch_id]
    assert world.sweep()["resumed"] == []
    assert [name for name, _ in world.executions.started] == [batch.batch_id, f"{batch.batch_id}-2"]


def test_object_whose_event_was_lost_is_found():
    gameball = MemoryGameball()
    world = World(gameball)
    world.files.drop("inbox/lost.csv", THREE.encode())
    assert world.sweep()["submitted"] == []
    world.clock.sleep(3600)
    [found] = world.sweep()["submitted"]
    assert world.run(world.store.batch(found)).status is BatchStatus.COMPLETED
    assert world.sweep() == {"resumed": [], "submitted": [], "reconciled": []}


def test_batch_that_waits_for_approval_is_left_alone():
    world = World(MemoryGameball(), approval_above_rows=1)
    world.drop(THREE)
    world.clock.sleep(7200)
    assert world.sweep() == {"resumed": [], "submitted": [], "reconciled": []}


def test_one_that_fails_does_not_keep_the_sweep_from_the_others():
    world = World(MemoryGameball())
    world.files.drop("inbox/broken.csv", THREE.encode())
    world.files.drop("inbox/lost.csv", b"customerId,amount\nd,4\n")
    world.clock.sleep(3600)
    open_ = world.files.open

    def fail_once(key: str, version_id: str | None) -> OpenedObject:
        if key == "inbox/broken.csv":
            raise RuntimeError("no access")
        return open_(key, version_id)

    world.files.open = fail_once  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup):
        world.sweep()
    assert [batch.source.key for batch in world.store.open_batches()] == ["inbox/lost.csv"]
