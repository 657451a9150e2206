"""Each tick submits each recurring file once, and no file stops another one's turn."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from adjustments.batches.files import OpenedObject, StoredObject
from adjustments.batches.states import BatchStatus
from tests.fakes.gameball import MemoryGameball
from tests.fakes.memory import START
from tests.fakes.world import World

THREE = "customerId,amount\na,1\nb,2\nc,3\n"
OTHER = "customerId,amount\nd,7\n"
RECEIVES_MAX = 5
"""As the intake queue has it: after so many attempts a message goes to the failure queue."""


def world_with(*names: str) -> tuple[World, MemoryGameball]:
    gameball = MemoryGameball()
    world = World(gameball)
    for name in names:
        world.files.drop(f"recurring/{name}.csv", THREE.encode())
    return world, gameball


def deliver(world: World) -> dict[str, int]:
    """Deliver all messages, each until it succeeds or has been received too often; receives by file."""
    receives: dict[str, int] = {}
    queued, world.intake.recurring = world.intake.recurring, []
    for key, due_at in queued:
        for _ in range(RECEIVES_MAX):
            receives[key] = receives.get(key, 0) + 1
            try:
                world.recurring_files.submit(key, due_at)
            except RuntimeError:
                continue
            break
    return receives


def test_tick_queues_each_file_and_reads_none():
    world, gameball = world_with("a", "b")
    world.files.drop("recurring/readme.txt", b"")
    world.files.drop("inbox/c.csv", THREE.encode())
    before = set(world.files.names(""))
    assert world.recurring_files.queue(START) == 2
    assert world.intake.recurring == [("recurring/a.csv", START), ("recurring/b.csv", START)]
    assert (set(world.files.names("")), gameball.requests) == (before, [])


def test_each_tick_makes_a_new_batch_of_each_file_and_the_same_tick_does_not():
    world, gameball = world_with("a", "b")
    first = [batch.batch_id for batch in world.tick(START)]
    again = [batch.batch_id for batch in world.tick(START)]
    world.clock.sleep(60)
    later = [batch.batch_id for batch in world.tick()]
    assert first == again
    assert len({*first, *later}) == 4
    assert len(gameball.requests) == 4


def test_files_that_kill_the_function_each_time_take_the_turn_of_no_other():
    """Five of them would use up the five receives of one message for all files."""
    world, gameball = world_with("a", "b", "c", "d", "e", "good")
    open_ = world.files.open

    def kill(key: str, version_id: str | None) -> OpenedObject:
        if key != "recurring/good.csv":
            raise RuntimeError("the function was killed after 15 minutes")
        return open_(key, version_id)

    world.files.open = kill  # type: ignore[method-assign]
    world.recurring_files.queue(START)
    receives = deliver(world)
    assert receives == {
        **{f"recurring/{name}.csv": RECEIVES_MAX for name in "abcde"},
        "recurring/good.csv": 1,
    }
    assert len(gameball.requests) == 1


def test_slow_files_are_refused_one_by_one_and_each_is_read_once():
    world, _ = world_with("a", "b")
    blocks = world.files.blocks

    def slowly(source: StoredObject) -> Iterator[bytes]:
        for block in blocks(source):
            world.clock.sleep(12 * 60)
            yield block

    world.files.blocks = slowly  # type: ignore[method-assign]
    batches = world.tick(START)
    assert ["more than 12 minutes" in batch.refusal for batch in batches] == [True, True]
    before = world.clock.now()
    assert [batch.batch_id for batch in world.tick(START)] == [batch.batch_id for batch in batches]
    assert world.clock.now() == before


def test_file_that_is_overwritten_between_two_deliveries_of_a_tick_is_applied_once():
    world, gameball = world_with("a")
    [first] = world.tick(START)
    world.files.drop("recurring/a.csv", OTHER.encode())
    [again] = world.tick(START)
    assert (again.batch_id, again.source) == (first.batch_id, first.source)
    assert len(gameball.requests) == 1


def test_file_that_is_overwritten_after_a_killed_attempt_is_read_as_it_was():
    world, _ = world_with("a")
    create = world.store.create_batch
    world.store.create_batch = lambda *_: (_ for _ in ()).throw(RuntimeError("killed"))  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        world.tick(START)
    world.store.create_batch = create  # type: ignore[method-assign]
    world.files.drop("recurring/a.csv", OTHER.encode())
    [batch] = world.tick(START)
    assert batch.counts.rows == 3


def test_version_that_was_read_first_and_is_gone_becomes_a_batch_that_says_so():
    world, gameball = world_with("a")
    [first] = world.tick(START)
    due_at = START + timedelta(minutes=1)
    marker = next(key for key in world.files.names("work/ticks/"))
    later = marker.replace(f"{START:%Y%m%d-%H%M%S}", f"{due_at:%Y%m%d-%H%M%S}")
    world.files.put(later, b"v-gone", "text/plain")
    world.clock.sleep(60)
    [batch] = world.tick(due_at)
    assert "deleted before it could be read" in batch.refusal
    assert (batch.source.version_id, len(gameball.requests)) == ("v-gone", 1)
    assert batch.batch_id != first.batch_id


def test_file_that_is_deleted_before_its_turn_is_no_batch():
    world, gameball = world_with("a")
    assert world.recurring_files.submit("recurring/gone.csv", START) is None
    assert gameball.requests == []


@pytest.mark.parametrize(
    "key", ["inbox/a.csv", "recurring/a.txt", "work/api/a.csv", "a.csv", "recurring/", ""]
)
def test_only_csvs_under_recurring_are_taken(key: str):
    world, gameball = world_with()
    world.files.drop(key, THREE.encode())
    assert world.recurring_files.submit(key, START) is None
    assert gameball.requests == []


def late(world: World) -> None:
    world.clock.sleep(6 * 3600 + 1)


def test_tick_that_comes_hours_late_is_told_once_and_queues_nothing():
    world, gameball = world_with("a")
    late(world)
    assert [*world.tick(START), *world.tick(START)] == []
    assert [subject for subject, _ in world.notifications.mails] == ["recurring schedule missed"]
    assert (world.intake.recurring, gameball.requests) == ([], [])


def test_file_whose_turn_comes_hours_late_is_told_once_and_not_submitted():
    world, gameball = world_with("a", "b")
    world.recurring_files.queue(START)
    world.recurring_files.submit("recurring/a.csv", START)
    late(world)
    for _ in range(2):
        assert world.recurring_files.submit("recurring/b.csv", START) is None
    [(subject, text)] = world.notifications.mails
    assert subject == "recurring file missed"
    assert "File: recurring/b.csv\n" in text
    assert len(gameball.requests) == 1


def test_late_message_of_a_file_that_has_its_batch_finds_it_and_tells_nobody():
    world, _ = world_with("a")
    [first] = world.tick(START)
    late(world)
    again = world.recurring_files.submit("recurring/a.csv", START)
    assert again is not None
    assert again.batch_id == first.batch_id
    assert world.notifications.mails == []


def test_held_recurring_file_is_told_of_and_waits():
    gameball = MemoryGameball()
    world = World(gameball, approval_above_rows=1)
    world.files.drop("recurring/a.csv", THREE.encode())
    [batch] = world.tick(datetime.fromisoformat("2026-11-21T12:00:00+00:00"))
    assert batch.status is BatchStatus.AWAITING_APPROVAL
    assert gameball.requests == []
