"""One notification per fact, also when a function runs twice; and never none."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.core.errors import WrongState
from tests.fakes.gameball import MemoryGameball
from tests.fakes.manual_transactions import Killed
from tests.fakes.memory import START
from tests.fakes.world import World

ONE = "customerId,amount\na,1\n"


@pytest.fixture
def world() -> World:
    return World(MemoryGameball())


@pytest.fixture
def ended(world: World) -> Batch:
    batch = world.drop(ONE)
    world.poller.poll(batch.batch_id, world.clock.now())
    return world.report_writer.report(batch.batch_id)


def told(world: World) -> tuple[int, int]:
    """How many mails and events have gone out."""
    return len(world.notifications.mails), len(world.notifications.events)


def once(world: World, door: str, error: BaseException, *, after: bool = False) -> None:
    """Let the next mail, or the next event, fail: before it is told, or after."""
    tell: Callable[..., None] = getattr(world.notifications, door)

    def fail(*what: str | Mapping[str, Any]) -> None:
        setattr(world.notifications, door, tell)
        if after:
            tell(*what)
        raise error

    setattr(world.notifications, door, fail)


def test_notifier_sends_one_mail_and_one_event_per_status(world: World, ended: Batch):
    for _ in range(3):
        world.notifier.notify(ended.batch_id)
    assert told(world) == (1, 1)


def test_notifier_sends_nothing_while_another_run_is_sending(world: World, ended: Batch):
    mail = world.notifications.mail

    def tell_twice(subject: str, text: str) -> None:
        mail(subject, text)
        with pytest.raises(WrongState):
            world.notifier.notify(ended.batch_id)

    world.notifications.mail = tell_twice  # type: ignore[method-assign]
    world.notifier.notify(ended.batch_id)
    assert told(world) == (1, 1)


@pytest.mark.parametrize(
    ("door", "after", "mails", "events"),
    [("mail", False, 1, 1), ("mail", True, 2, 1), ("announce", False, 2, 1), ("announce", True, 2, 2)],
)
def test_notifier_takes_over_the_claim_of_a_killed_run(
    world: World, ended: Batch, door: str, after: bool, mails: int, events: int
):
    once(world, door, Killed(), after=after)
    with pytest.raises(Killed):
        world.notifier.notify(ended.batch_id)
    with pytest.raises(WrongState):
        world.notifier.notify(ended.batch_id)
    world.clock.sleep(61)
    world.notifier.notify(ended.batch_id)
    world.notifier.notify(ended.batch_id)
    assert told(world) == (mails, events)


@pytest.mark.parametrize(("door", "before"), [("mail", (0, 1)), ("announce", (1, 0))])
def test_notifier_sends_only_what_failed_again(
    world: World, ended: Batch, door: str, before: tuple[int, int]
):
    once(world, door, RuntimeError("no such topic"))
    with pytest.raises(ExceptionGroup):
        world.notifier.notify(ended.batch_id)
    assert told(world) == before
    assert world.store.batch(ended.batch_id).is_open
    world.notifier.notify(ended.batch_id)
    assert told(world) == (1, 1)
    assert not world.store.batch(ended.batch_id).is_open


def test_notifier_marks_what_was_sent_also_when_the_batch_changes_meanwhile(world: World, ended: Batch):
    mail = world.notifications.mail

    def be_slow(subject: str, text: str) -> None:
        mail(subject, text)
        world.store.save_batch(world.store.batch(ended.batch_id).changed(dialect="guide"))

    world.notifications.mail = be_slow  # type: ignore[method-assign]
    world.notifier.notify(ended.batch_id)
    world.clock.sleep(61)
    world.notifier.notify(ended.batch_id)
    assert told(world) == (1, 1)
    assert world.store.batch(ended.batch_id).dialect == "guide"


def test_notifier_sends_nothing_for_a_status_that_nobody_waits_for(world: World):
    batch = world.drop(ONE)
    assert world.notifier.notify(batch.batch_id).status is BatchStatus.SUBMITTING
    assert world.notifications.mails == []


def test_notifier_sends_the_mail_of_a_held_batch_with_the_next_sweep_where_it_failed():
    world = World(MemoryGameball(), approval_above_rows=1)
    once(world, "mail", RuntimeError("no such topic"))
    batch = world.drop("customerId,amount\na,1\nb,2\n")
    assert (batch.status, told(world)) == (BatchStatus.AWAITING_APPROVAL, (0, 0))
    world.clock.sleep(1)
    world.sweep()
    world.sweep()
    assert told(world) == (1, 0)


def test_notifier_sends_one_mail_per_missed_tick(world: World):
    for _ in range(3):
        world.notifier.notify_missed_tick(START)
    world.notifier.notify_missed_tick(START + timedelta(days=30))
    assert [subject for subject, _ in world.notifications.mails] == ["recurring schedule missed"] * 2


@pytest.mark.parametrize(("error", "after", "mails"), [(Killed(), False, 1), (RuntimeError(), True, 2)])
def test_notifier_sends_the_mail_of_a_missed_tick_again_after_a_failure(
    world: World, error: BaseException, after: bool, mails: int
):
    once(world, "mail", error, after=after)
    with pytest.raises(type(error)):
        world.notifier.notify_missed_tick(START)
    with pytest.raises(WrongState):  # the message stays in the queue and comes again
        world.notifier.notify_missed_tick(START)
    world.clock.sleep(61)
    world.notifier.notify_missed_tick(START)
    world.notifier.notify_missed_tick(START)
    assert len(world.notifications.mails) == mails
