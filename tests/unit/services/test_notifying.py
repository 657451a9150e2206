"""One notification per fact, also when a function runs twice; and never none."""

import pytest

from adjustments.errors import WrongState
from adjustments.model import Batch
from adjustments.states import BatchStatus
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

ONE = "customerId,amount\na,1\n"


@pytest.fixture
def world() -> World:
    return World(MemoryGameball())


@pytest.fixture
def ended(world: World) -> Batch:
    batch = world.drop(ONE)
    world.poller.poll(batch.batch_id, world.clock.now())
    return world.reporter.report(batch.batch_id)


def test_fact_is_told_once_to_people_and_once_to_machines(world: World, ended: Batch):
    for _ in range(3):
        world.notifier.notify(ended.batch_id)
    assert (len(world.notices.mails), len(world.notices.events)) == (1, 1)


def test_second_run_at_the_same_time_tells_nothing(world: World, ended: Batch):
    mail = world.notices.mail

    def tell_twice(subject: str, text: str) -> None:
        mail(subject, text)
        with pytest.raises(WrongState):
            world.notifier.notify(ended.batch_id)

    world.notices.mail = tell_twice  # type: ignore[method-assign]
    world.notifier.notify(ended.batch_id)
    assert len(world.notices.mails) == 1


def test_run_that_was_killed_before_telling_is_taken_over(world: World, ended: Batch):
    mail = world.notices.mail

    def die(subject: str, text: str) -> None:
        raise RuntimeError("killed")

    world.notices.mail = die  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        world.notifier.notify(ended.batch_id)
    world.notices.mail = mail  # type: ignore[method-assign]
    with pytest.raises(WrongState):
        world.notifier.notify(ended.batch_id)
    world.clock.sleep(61)
    world.notifier.notify(ended.batch_id)
    assert len(world.notices.mails) == 1


def test_status_that_nobody_waits_for_is_not_told(world: World):
    batch = world.drop(ONE)
    assert world.notifier.notify(batch.batch_id).status is BatchStatus.SUBMITTING
    assert world.notices.mails == []
