"""Approval is bound to what was planned; anything that has changed since is refused."""

from decimal import Decimal

import pytest

from adjustments.approval import Approval
from adjustments.errors import WrongState
from adjustments.model import Batch
from adjustments.services.steering import Steering
from adjustments.states import BatchStatus
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

THREE = "customerId,amount\na,1\nb,2\nc,3\n"


@pytest.fixture
def gameball() -> MemoryGameball:
    return MemoryGameball()


@pytest.fixture
def world(gameball: MemoryGameball) -> World:
    return World(gameball, approval_above_rows=1)


@pytest.fixture
def batch(world: World) -> Batch:
    return world.drop(THREE)


@pytest.fixture
def steering(world: World) -> Steering:
    return Steering(world.store, world.files, world.intake, world.clock)


def test_approved_batch_goes_its_way(world: World, batch: Batch, steering: Steering):
    world.clock.sleep(86_400)
    approved = steering.approve(batch.batch_id, Approval("ann", batch.source.sha256, 3, Decimal("6.0")))
    ended = world.run(approved)
    assert (ended.status, ended.approved_by) == (BatchStatus.COMPLETED, "ann")


@pytest.mark.parametrize(
    "believed",
    [{"sha256": "0" * 64}, {"rows": 2}, {"requested": Decimal("6.01")}],
    ids=lambda value: next(iter(value)),
)
def test_what_is_not_as_the_approver_believes_is_refused(
    gameball: MemoryGameball, batch: Batch, steering: Steering, believed: dict[str, object]
):
    with pytest.raises(WrongState, match="not approved"):
        steering.approve(batch.batch_id, Approval("ann", **believed))  # type: ignore[arg-type]
    assert gameball.requests == []


def test_file_that_was_changed_since_is_refused(
    world: World, gameball: MemoryGameball, batch: Batch, steering: Steering
):
    world.files.drop("inbox/file.csv", b"customerId,amount\na,1000\n")
    with pytest.raises(WrongState, match="changed since"):
        steering.approve(batch.batch_id, Approval("ann"))
    assert gameball.requests == []


def test_batch_is_approved_once(batch: Batch, steering: Steering):
    steering.approve(batch.batch_id, Approval("ann"))
    with pytest.raises(WrongState, match="only one that is awaiting_approval"):
        steering.approve(batch.batch_id, Approval("bob"))
