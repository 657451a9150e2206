"""From the drop to the batch: the same drop is the same batch, a bad file is a batch too, and guards hold."""

import json
from collections.abc import Iterator

import pytest

from adjustments.administration.service import ApprovalRequest
from adjustments.batches.files import StoredObject
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.core.errors import NotFound
from adjustments.submission import chunk_builder
from tests.fakes.gameball import MemoryGameball
from tests.fakes.memory import START
from tests.fakes.world import World

THREE = "customerId,amount\na,1\nb,2\nc,3\n"


def test_submit_object_twice_makes_one_batch_and_one_request():
    gameball = MemoryGameball()
    world = World(gameball)
    world.files.drop("inbox/f.csv", THREE.encode())
    first = world.triggers.submit_object("inbox/f.csv", None)
    second = world.triggers.submit_object("inbox/f.csv", None)
    assert first is not None and second is not None
    assert first.batch_id == second.batch_id
    assert (len(gameball.requests), len(world.executions.started)) == (1, 1)


def test_submit_object_after_the_end_of_its_batch_changes_nothing():
    gameball = MemoryGameball()
    world = World(gameball)
    batch = world.run(world.drop(THREE))
    assert world.triggers.submit_object("inbox/file.csv", None) == batch
    assert len(gameball.requests) == 1


def test_new_version_of_an_object_is_a_new_batch():
    world = World(MemoryGameball())
    assert world.drop(THREE).batch_id != world.drop(THREE).batch_id


@pytest.mark.parametrize(
    "key", ["inbox/", "results/x/results.csv", "work/a.csv", "logs/2026/a.log", "backup.parquet"]
)
def test_what_is_nobodys_file_is_left_alone(key: str):
    world = World(MemoryGameball())
    world.files.drop(key, THREE.encode())
    assert world.triggers.submit_object(key, None, world.clock.now()) is None


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("inbox/spring.xlsx", 'choose "Save as" and "CSV UTF-8", and drop that file under inbox/'),
        ("dry-run/Spring.XLS", "and drop that file under dry-run/"),
        ("inbox/readme.txt", "does not end in .csv or .csv.gz"),
        ("recurring/rows.zip", "does not end in .csv or .csv.gz"),
        ("Inbox/spring.csv", "lies under Inbox/, where no files are taken from"),
        ("in/box/spring.csv.gz", "lies under in/box/, where"),
        ("spring.csv", "lies at the top of the bucket, where"),
        ("spring.xlsx", "lies at the top of the bucket, where"),
    ],
)
def test_a_file_that_can_not_be_taken_is_answered_and_not_read(key: str, says: str):
    gameball = MemoryGameball()
    world = World(gameball)
    batches = [world.triggers.submit_object(key, "v1", world.clock.now()) for _ in range(2)]
    assert batches[0] is not None and batches[0] == batches[1]  # the same event twice
    ended = world.run(batches[0])
    assert ended.status is BatchStatus.REJECTED
    assert says in ended.refusal and "nothing of it was read or sent" in ended.refusal
    [(subject, text)] = world.notifications.mails
    assert subject.startswith("rejected") and says in text
    assert gameball.requests == []


def submitted(world: World, key: str, text: str) -> Batch:
    world.files.drop(key, text.encode())
    batch = world.triggers.submit_object(key, None, world.clock.now())
    assert batch is not None
    return world.run(batch)


def test_a_drop_under_dry_run_is_a_dry_run():
    gameball = MemoryGameball()
    world = World(gameball)
    ended = submitted(world, "dry-run/file.csv", THREE)
    assert (ended.status, ended.dry_run) == (BatchStatus.VALIDATED, True)
    assert gameball.requests == []
    [(_, text)] = world.notifications.mails
    assert "drop file.csv under inbox/" in text
    assert "drop <bdi>file.csv</bdi> under inbox/" in world.result(ended, "report.html")
    assert world.run(world.drop(THREE)).status is BatchStatus.COMPLETED


def test_a_recurring_file_is_checked_as_it_is_dropped_and_is_told_of_only_with_problems():
    gameball = MemoryGameball()
    world = World(gameball)
    well = submitted(world, "recurring/well.csv", THREE)
    assert (well.status, well.dry_run) == (BatchStatus.VALIDATED, True)
    assert world.notifications.mails == []
    [applied] = world.tick()
    assert world.run(applied).status is BatchStatus.COMPLETED
    world.notifications.mails.clear()

    submitted(world, "recurring/bad.csv", f"{THREE}d,x\n")
    [(_, text)] = world.notifications.mails
    assert "drop it under recurring/ again before the next tick" in text
    submitted(world, "recurring/none.csv", "hello\n")
    assert len(world.notifications.mails) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("hello\n", "customerId"),
        ("customerId,note\na,b\n", "amount"),
        ("customerId,amount\n" + "a,x\n" * 30, "30 of 30 rows are bad"),
    ],
)
def test_file_that_is_refused_is_a_batch_that_says_why(text: str, message: str):
    gameball = MemoryGameball()
    world = World(gameball)
    ended = world.run(world.drop(text))
    summary = json.loads(world.result(ended, "summary.json"))
    assert ended.status is BatchStatus.REJECTED
    assert message in summary["message"]
    assert gameball.requests == []
    assert world.result(ended, "results.csv").splitlines()[:1] == [
        "line,customerId,amount,reason,status,message,jobId"
    ]


def test_file_that_nobody_can_read_is_a_batch_that_says_why():
    world = World(MemoryGameball())
    world.files.unreadable["inbox/file.csv"] = "the file is archived. Upload it again"
    ended = world.run(world.drop(THREE))
    assert (ended.status, ended.refusal) == (BatchStatus.REJECTED, "the file is archived. Upload it again")
    assert json.loads(world.result(ended, "summary.json"))["message"] == ended.refusal


def test_file_that_was_deleted_before_it_was_read_is_a_batch_that_says_so():
    world = World(MemoryGameball())
    first = world.triggers.submit_object("inbox/file.csv", "gone", START)
    again = world.triggers.submit_object("inbox/file.csv", "gone", START)
    assert first is not None and again is not None
    assert first.batch_id == again.batch_id
    assert "deleted before it could be read" in world.run(first).refusal


def test_file_that_is_deleted_while_it_is_read_is_a_batch_that_says_so():
    world = World(MemoryGameball())
    text = 'customerId,amount,reason\na,1.000,x\nb,"12,5",x\n'  # read a second time, for its decimal comma
    world.files.drop("inbox/file.csv", text.encode())
    blocks = world.files.blocks

    def gone(source: StoredObject) -> Iterator[bytes]:
        world.files.blocks = absent  # type: ignore[method-assign]
        return blocks(source)

    def absent(source: StoredObject) -> Iterator[bytes]:
        raise NotFound("there is no such object")

    world.files.blocks = gone  # type: ignore[method-assign]
    batch = world.triggers.submit_object("inbox/file.csv", None)
    assert batch is not None
    assert "deleted before it could be read" in batch.refusal


def slow(world: World, minutes: int) -> None:
    """Let each block of each file take so long."""
    blocks = world.files.blocks

    def slowly(source: StoredObject) -> Iterator[bytes]:
        for block in blocks(source):
            world.clock.sleep(minutes * 60)
            yield block

    world.files.blocks = slowly  # type: ignore[method-assign]


@pytest.mark.parametrize(("minutes", "is_refused"), [(11, False), (12, True)])
def test_file_that_takes_too_long_is_refused_before_the_function_is_killed(minutes: int, is_refused: bool):
    world = World(MemoryGameball())
    slow(world, minutes)
    batch = world.drop(THREE)
    assert ("more than 12 minutes" in batch.refusal) == is_refused


def test_dry_run_sends_nothing_and_ends_validated():
    gameball = MemoryGameball()
    world = World(gameball)
    ended = world.run(world.drop(THREE + ",4\n", dry_run="true"))
    assert ended.status is BatchStatus.VALIDATED
    assert gameball.requests == []
    assert (ended.counts.not_submitted, ended.counts.rejected) == (3, 1)


@pytest.mark.parametrize(
    ("rows", "total", "status"),
    [
        (0, 0, BatchStatus.SUBMITTING),
        (3, 0, BatchStatus.SUBMITTING),
        (2, 0, BatchStatus.AWAITING_APPROVAL),
        (0, 6, BatchStatus.SUBMITTING),
        (0, 5, BatchStatus.AWAITING_APPROVAL),
    ],
)
def test_guards_hold_what_is_above_them(rows: int, total: int, status: BatchStatus):
    gameball = MemoryGameball()
    world = World(gameball, approval_above_rows=rows, approval_above_total=total)
    batch = world.drop("customerId,amount\na,1\nb,-2\nc,3\n")
    assert batch.status is status
    held = status is BatchStatus.AWAITING_APPROVAL
    assert (len(gameball.requests), len(world.notifications.mails)) == ((0, 1) if held else (1, 0))


def test_what_was_just_written_is_sent_without_being_read_again(monkeypatch: pytest.MonkeyPatch):
    gameball = MemoryGameball()
    world = World(gameball)
    for port, name in ((world.store, "batch"), (world.store, "chunks_after"), (world.files, "get")):
        original = getattr(port, name)

        def read_later(*args: str, original=original) -> object:
            assert gameball.requests
            return original(*args)

        monkeypatch.setattr(port, name, read_later)
    ended = world.run(world.drop(THREE))
    assert (ended.counts.applied, len(gameball.requests)) == (3, 1)


def test_large_drop_that_has_its_batch_already_is_not_read_again(monkeypatch: pytest.MonkeyPatch):
    world = World(MemoryGameball())
    monkeypatch.setattr(chunk_builder, "PART_BYTES", 8)
    batch = world.drop(THREE)
    puts = len(world.files.names("work/"))
    again = world.triggers.submit_object("inbox/file.csv", None)
    assert again is not None
    assert (again.batch_id, len(world.files.names("work/"))) == (batch.batch_id, puts)


def test_planner_that_was_killed_leaves_nothing_that_counts():
    gameball = MemoryGameball()
    world = World(gameball)
    create = world.store.create_batch
    world.store.create_batch = lambda *_: (_ for _ in ()).throw(RuntimeError("killed"))  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        world.drop(THREE)
    world.store.create_batch = create  # type: ignore[method-assign]
    ended = world.run(world.triggers.submit_object("inbox/file.csv", None))  # type: ignore[arg-type]
    assert (ended.counts.applied, len(gameball.requests)) == (3, 1)


def test_same_rows_under_another_name_are_refused_naming_the_earlier_batch():
    gameball = MemoryGameball()
    world = World(gameball)
    first = world.drop(THREE, name="a.csv")
    second = world.run(world.drop("Amount;Customer ID\n1.0;a\n+2;b\n3;c\n", name="b.csv"))
    assert second.status is BatchStatus.REJECTED
    assert first.batch_id in second.refusal
    assert len(gameball.requests) == 1


@pytest.mark.parametrize(
    ("days", "metadata", "requests"),
    [
        (0, {}, 1),
        (29, {}, 1),
        (31, {}, 2),
        (0, {"allow_duplicate": "true"}, 2),
        (0, {"allow_duplicate": "no"}, 1),
    ],
)
def test_same_rows_are_accepted_again_after_30_days_or_where_allowed(
    days: int, metadata: dict[str, str], requests: int
):
    gameball = MemoryGameball()
    world = World(gameball)
    world.drop(THREE, name="a.csv")
    world.clock.sleep(days * 86_400)
    world.drop(THREE, name="b.csv", **metadata)
    assert len(gameball.requests) == requests


@pytest.mark.parametrize("is_first_stopped", [False, True])
def test_same_rows_that_were_allowed_once_are_refused_the_next_time(is_first_stopped: bool):
    gameball = MemoryGameball()
    world = World(gameball, approval_above_rows=2)
    if is_first_stopped:  # nothing of it was applied, so that its claim holds nobody up
        first = world.drop(THREE, name="a.csv")
        world.run(world.administration.stop(first.batch_id, "a person", ""))
    second = world.drop(THREE, name="b.csv", allow_duplicate="true")
    world.run(world.administration.approve(second.batch_id, "a person", ApprovalRequest()))
    third = world.run(world.drop(THREE, name="c.csv"))
    assert third.status is BatchStatus.REJECTED
    assert second.batch_id in third.refusal
    assert len(gameball.requests) == 1


def test_dry_run_and_refused_file_claim_no_content():
    gameball = MemoryGameball()
    world = World(gameball)
    world.run(world.drop(THREE, name="a.csv", dry_run="true"))
    assert world.run(world.drop(THREE, name="b.csv")).status is BatchStatus.COMPLETED


def test_submit_object_plans_again_after_a_kill_behind_the_claim_of_its_content():
    world = World(MemoryGameball())
    create = world.store.create_batch
    world.store.create_batch = lambda *_: (_ for _ in ()).throw(RuntimeError("killed"))  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        world.drop(THREE)
    world.store.create_batch = create  # type: ignore[method-assign]
    again = world.triggers.submit_object("inbox/file.csv", None)
    assert again is not None
    assert not again.refusal


def test_same_rows_are_accepted_again_when_surely_nothing_of_them_was_applied():
    gameball = MemoryGameball()
    gameball.unknown_customers = {"a", "b", "c"}
    world = World(gameball)
    first = world.run(world.drop(THREE, name="a.csv"))
    assert first.counts.failed == 3
    gameball.unknown_customers = set()
    again = world.run(world.drop(world.result(first, "fix-me.csv"), name="fix-me.csv"))
    assert (again.status, again.counts.applied) == (BatchStatus.COMPLETED, 3)
    assert world.run(world.drop(THREE, name="c.csv")).status is BatchStatus.REJECTED
