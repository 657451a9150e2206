"""Approval: many small files are as much as a large one, and allow-duplicate is no approval."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from adjustments.administration.service import ApprovalRequest
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.unapproved import Unapproved
from adjustments.core.errors import WrongState
from adjustments.submission.guards import sum_reasons
from adjustments.submission.plan import PlanRules
from adjustments.submission.planner import CREATE_TRIES_MAX
from tests.fakes.gameball import MemoryGameball
from tests.fakes.memory import START, MemoryStore
from tests.fakes.world import World

DAY = timedelta(days=1)


def limited(rows: int = 0, total: int = 0, **settings: Any) -> World:
    return World(MemoryGameball(), approval_above_rows=rows, approval_above_total=total, **settings)


def dropped(world: World, name: str, rows: int = 2, amount: int = 10, **metadata: str) -> Batch:
    """Drop a file with rows of its own."""
    lines = [f"{name}-{number},{amount}" for number in range(rows)]
    return world.drop("\n".join(["customerId,amount", *lines, ""]), f"{name}.csv", **metadata)


TOGETHER = "together with the batches of the last 24 hours that nobody approved"


@pytest.mark.parametrize(
    ("rows", "total", "said"),
    [
        (10, 1_000, []),
        (11, 1_000, [f"11 rows, {TOGETHER}, are more than ApprovalAboveRows (10)"]),
        (10, 1_001, [f"amounts of 1001 in all, {TOGETHER}, are more than ApprovalAboveTotal (1000)"]),
    ],
)
def test_sum_is_judged_as_one_file_is(rows: int, total: int, said: list[str]):
    rules = PlanRules(amount_max=Decimal(0), approval_above_rows=10, approval_above_total=Decimal(1_000))
    assert list(sum_reasons(rows, Decimal(total), rules)) == said


def test_five_files_of_a_thousand_are_five_thousand():
    world = limited(rows=4_000)
    statuses = [dropped(world, f"f{number}", rows=1_000).status for number in range(5)]
    assert [status == "awaiting_approval" for status in statuses] == [False] * 4 + [True]
    [held] = [batch for batch in world.store._batches.values() if batch.held_by]
    assert held.held_by[0].startswith("5000 rows, together with the batches of the last 24 hours")


def test_amounts_count_without_their_signs():
    world = limited(total=100)
    assert dropped(world, "plus", amount=30).status != "awaiting_approval"
    assert dropped(world, "minus", amount=-30).status == "awaiting_approval"


def test_bodies_of_the_api_count_like_files():
    world = limited(rows=3)
    dropped(world, "file")
    body = {"body": [{"customerId": name, "amount": 1} for name in ("x", "y")]}
    assert world.api_submission.accept(body, "key", "arn:ada").status == "awaiting_approval"


@pytest.mark.parametrize(("passed", "is_held"), [(DAY - timedelta(seconds=1), True), (DAY, False)])
def test_batch_is_forgotten_after_24_hours(passed: timedelta, is_held: bool):
    world = limited(rows=3)
    dropped(world, "yesterday")
    world.clock.sleep(passed.total_seconds())
    assert (dropped(world, "today").status == "awaiting_approval") == is_held


def test_what_was_approved_does_not_count():
    world = limited(rows=3)
    large = dropped(world, "large", rows=4)
    assert large.status == "awaiting_approval"
    world.administration.approve(large.batch_id, "ben", ApprovalRequest())
    assert dropped(world, "small").status != "awaiting_approval"


def test_dry_runs_and_refused_files_do_not_count():
    world = limited(rows=3)
    dropped(world, "dry", rows=3, dry_run="true")
    assert world.drop("no header\n", "bad.csv").refusal
    first = dropped(world, "first", rows=3)
    assert first.status != "awaiting_approval"
    again = world.drop(world.files.get("inbox/first.csv"), "again.csv")
    assert again.refusal, "the same content"
    assert world.store.unapproved().sums(START)[0] == 3


def test_same_file_every_day_at_the_same_hour_is_let_through_each_time():
    """A tick may be taken some seconds sooner after its due time than that of the day before."""
    world = limited(rows=3)
    world.files.drop("recurring/daily.csv", b"customerId,amount\na,1\nb,2\n", {})
    for day, late_s in enumerate((30, 20, 10)):
        due = START + day * DAY
        world.clock.sleep((due + timedelta(seconds=late_s) - world.clock.now()).total_seconds())
        [batch] = world.tick(due)
        assert batch.status != "awaiting_approval"


def test_batch_that_is_planned_again_counts_once():
    world = limited(rows=3)
    first = dropped(world, "file")
    for _ in range(3):
        again = world.triggers.submit_object("inbox/file.csv", None)
        assert again is not None
        assert again.batch_id == first.batch_id
    assert world.store.unapproved().sums(START) == (2, Decimal(20))


class MeddlingStore(MemoryStore):
    """Another planner creates its batch between a planner's look at the sums and its write."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def create_batch(self, batch: Batch, chunks: Any = (), unapproved: Unapproved | None = None) -> bool:
        if self.times and unapproved:
            self.times -= 1
            self._unapproved = self._unapproved.with_batch(batch.created_at, 2, Decimal(20))
        return super().create_batch(batch, chunks, unapproved)


def meddled(times: int, rows: int) -> World:
    world = limited(rows=rows)
    world.store = world.ports.store = MeddlingStore(times)  # type: ignore[misc]
    return world


def test_of_two_planners_at_once_that_together_exceed_the_limit_one_is_held():
    world = meddled(times=1, rows=3)
    batch = dropped(world, "file")
    assert batch.status == "awaiting_approval"
    assert world.store.batch(batch.batch_id).held_by


def test_of_two_planners_at_once_both_go_on_while_there_is_room():
    world = meddled(times=1, rows=4)
    assert dropped(world, "file").status != "awaiting_approval"
    assert world.store.unapproved().sums(world.clock.now())[0] == 4


def test_batch_that_never_gets_its_turn_is_left_to_the_queue():
    world = meddled(times=CREATE_TRIES_MAX, rows=10_000)
    with pytest.raises(WrongState, match="submit this one again"):
        dropped(world, "file")
    assert dropped(world, "file").status != "awaiting_approval"


def test_nothing_is_counted_where_approvals_are_off():
    world = limited()
    dropped(world, "file")
    assert world.store.unapproved() == Unapproved()


def test_large_batch_with_many_chunks_is_counted_and_planned_whole():
    world = limited(rows=200_000)
    batch = dropped(world, "large", rows=97_500)
    chunks: list[Chunk] = world.store.chunks(batch.batch_id, batch.plan_id)
    assert sum(chunk.rows for chunk in chunks) == 97_500
    assert world.store.unapproved().sums(START)[0] == 97_500


# --- allow-duplicate ---------------------------------------------------------------------------------------


def repeated(world: World, **metadata: str) -> Batch:
    dropped(world, "file", rows=3)
    return world.drop(world.files.get("inbox/file.csv"), "again.csv", allow_duplicate="true", **metadata)


def test_allow_duplicate_waits_for_approval_where_there_are_approvals():
    world = limited(rows=1_000)
    batch = repeated(world)
    assert batch.status == "awaiting_approval"
    [why] = batch.held_by
    assert why.startswith("allow-duplicate: 3 of 3 rows")
    assert why.endswith("approve to apply them again")
    approved = world.administration.approve(batch.batch_id, "ben", ApprovalRequest())
    assert world.run(approved).counts.applied == 3


def test_allow_duplicate_is_permission_enough_where_there_are_no_approvals():
    assert repeated(limited()).status != "awaiting_approval"


def test_allow_duplicate_of_the_same_rows_waits_also_where_overlap_is_not_looked_at():
    batch = repeated(limited(rows=1_000, hold_overlap_percent=0))
    assert batch.status == "awaiting_approval"
    assert "the same rows were accepted before, as batch " in batch.held_by[0]


def test_allow_duplicate_without_a_duplicate_waits_for_nobody():
    world = limited(rows=1_000)
    assert dropped(world, "file", allow_duplicate="true").status != "awaiting_approval"


def test_few_repeated_rows_are_told_of_and_do_not_wait():
    world = limited(rows=1_000)
    dropped(world, "file", rows=1)
    text = "\n".join(["customerId,amount", "file-0,10", *(f"new-{n},1" for n in range(40)), ""])
    batch = world.drop(text, "more.csv", allow_duplicate="true")
    assert batch.status != "awaiting_approval"
    assert any("they are applied again" in note for note in batch.notes)


def test_dry_run_with_allow_duplicate_says_that_a_real_run_waits():
    batch = repeated(limited(rows=1_000), dry_run="true")
    assert any("a real run waits for approval" in note for note in batch.notes)


BODY = {"body": [{"customerId": "a", "amount": 5}, {"customerId": "b", "amount": 6}]}


@pytest.mark.parametrize(
    ("key", "allows", "is_held"), [(None, True, True), ("another", True, False), ("another", False, False)]
)
def test_body_that_allows_duplicates_waits_and_one_with_a_name_of_its_own_does_not(
    key: str | None, allows: bool, is_held: bool
):
    world = limited(rows=1_000)
    world.api_submission.accept(BODY, "first")
    again = world.api_submission.accept({**BODY, "allowDuplicate": allows}, key)
    assert (again.status == "awaiting_approval") == is_held


def test_recurring_file_is_not_held_for_its_earlier_ticks_whatever_its_metadata_say():
    world = limited(rows=1_000)
    world.files.drop("recurring/m.csv", b"customerId,amount\na,1\nb,2\n", {"allow-duplicate": "true"})
    for due in (START, START + DAY):
        world.clock.sleep(max(0, (due - world.clock.now()).total_seconds()))
        [batch] = world.tick(due)
        assert batch.status != "awaiting_approval"
