"""Rows that were applied before are noticed, whatever file they come in: files as people make them."""

import json
from typing import Any

import pytest

from adjustments.administration.service import ApprovalRequest
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import IndexEntry
from adjustments.core.errors import OutcomeUnknown
from adjustments.reconciliation.resolution import ResolveRequest
from tests.fakes.gameball import MemoryGameball
from tests.fakes.memory import START
from tests.fakes.world import World

HEADER = "customerId,amount\n"
THREE = HEADER + "c1,5\nc2,6\nc3,7\n"


@pytest.fixture
def gameball() -> MemoryGameball:
    return MemoryGameball()


@pytest.fixture
def world(gameball: MemoryGameball) -> World:
    return World(gameball, hold_overlap_percent=5)


def rows_of(count: int, start: int = 0) -> str:
    return "".join(f"player-{number},{number + 1}\n" for number in range(start, start + count))


def new_rows(world: World, batch: Batch) -> str:
    return world.result(batch, "new-rows.csv")


def test_corrected_file_that_is_dropped_whole_waits_for_approval(world: World, gameball: MemoryGameball):
    first = world.run(world.drop('customerId,amount\nc1,5\nc2,6\nc3,"1,000"\n', name="april.csv"))
    assert (first.counts.applied, first.counts.rejected) == (2, 1)
    held = world.drop("customerId,amount\nc1,5\nc2,6\nc3,1000\n", name="april.csv")
    assert held.status is BatchStatus.AWAITING_APPROVAL
    assert held.held_by == (
        (
            f"2 of 3 rows (67 %) were applied in batch {first.batch_id} on 2026-11-21; approve to apply them "
            "again, or drop new-rows.csv, which holds the 1 row that was not"
        ),
    )
    assert new_rows(world, held).splitlines() == ["customerId,amount", "c3,1000"]
    assert len(gameball.requests) == 1


def test_approval_applies_held_rows_again(world: World, gameball: MemoryGameball):
    world.run(world.drop(THREE))
    held = world.drop(HEADER + "c1,5\nc2,6\nc3,8\n")
    world.administration.approve(held.batch_id, "a person", ApprovalRequest())
    assert world.run(held).counts.applied == 3
    assert len(gameball.requests) == 2


def test_grown_file_waits_and_its_new_rows_go_when_they_are_dropped(world: World, gameball: MemoryGameball):
    world.run(world.drop(THREE))
    held = world.drop(THREE + "c4,8\n")
    assert held.status is BatchStatus.AWAITING_APPROVAL
    rest = world.run(world.drop(new_rows(world, held), name="new-rows.csv"))
    assert (rest.status, rest.counts.applied) == (BatchStatus.COMPLETED, 1)
    instead = world.run(world.store.batch(held.batch_id))
    assert instead.status is BatchStatus.STOPPED
    assert f"new-rows.csv was dropped instead, as batch {rest.batch_id}" in instead.stop_reason
    assert len(gameball.requests) == 2


def test_same_rows_in_another_order_wait(world: World, gameball: MemoryGameball):
    world.run(world.drop(THREE))
    held = world.drop(HEADER + "c3,7\nc1,5\nc2,6\n")
    assert held.status is BatchStatus.AWAITING_APPROVAL
    assert "3 of 3 rows (100 %)" in held.held_by[0]
    assert held.held_by[0].endswith("approve to apply them again, or stop it: no row is new")
    assert len(gameball.requests) == 1


def test_two_exports_in_one_file_wait(world: World):
    """``cat a.csv a.csv`` without its second header; with it, the header's row is rejected or refused."""
    world.run(world.drop(THREE))
    held = world.drop(THREE + "c1,5\nc2,6\nc3,7\n")
    assert held.status is BatchStatus.AWAITING_APPROVAL
    assert "3 of 6 rows (50 %)" in held.held_by[0]
    assert "3 rows have the same customer, amount and reason as an earlier row of the file" in held.notes
    assert new_rows(world, held).splitlines() == ["customerId,amount", "c1,5", "c2,6", "c3,7"]


def test_copy_of_an_object_that_allows_its_duplicate_is_no_new_permission(
    world: World, gameball: MemoryGameball
):
    world.drop(THREE, name="a.csv")
    again = world.run(world.drop(THREE, name="b.csv", allow_duplicate="true"))
    assert again.status is BatchStatus.COMPLETED
    world.files.drop("inbox/copy.csv", THREE.encode(), {"allow-duplicate": "true"})
    copy = world.triggers.submit_object("inbox/copy.csv", None, is_copy=True)
    assert copy is not None
    assert "a copy takes no permission over" in copy.refusal
    longer = HEADER + "c1,5\nc2,6\nc3,7\nc4,8\n"
    world.files.drop("inbox/longer.csv", longer.encode(), {"allow-duplicate": "true"})
    held = world.triggers.submit_object("inbox/longer.csv", None, is_copy=True)
    assert held is not None
    assert held.status is BatchStatus.AWAITING_APPROVAL
    assert len(gameball.requests) == 2


def test_named_repetition_is_told_and_not_held(world: World, gameball: MemoryGameball):
    world.files.drop("recurring/a.csv", THREE.encode())
    [first] = world.tick(START)
    world.run(first)
    world.clock.sleep(3600)
    [second] = world.tick()
    assert second.status is BatchStatus.SUBMITTING
    assert any("3 of 3 rows (100 %) were applied in batch" in note for note in second.notes)
    allowed = world.drop(THREE + "c4,1\n", allow_duplicate="true")
    assert allowed.status is BatchStatus.SUBMITTING
    assert any("3 of 4 rows (75 %)" in note for note in allowed.notes)
    assert len(gameball.requests) == 3


def test_few_repeated_rows_in_a_large_file_are_told(world: World):
    world.run(world.drop(HEADER + rows_of(100)))
    second = world.run(world.drop(HEADER + rows_of(100, start=96)))
    assert second.status is BatchStatus.COMPLETED
    summary = json.loads(world.result(second, "summary.json"))
    assert any(note.startswith("4 of 100 rows (4 %) were applied in batch") for note in summary["notes"])
    assert summary["overlap"]["rows"] == 4


@pytest.mark.parametrize(
    ("percent", "repeated", "rows", "is_held"),
    [
        (5, 4, 100, False),
        (5, 5, 100, True),
        (5, 49, 2000, False),
        (5, 50, 2000, True),
        (100, 49, 100, False),
        (100, 50, 100, True),
        (0, 100, 200, False),
    ],
)
def test_share_or_number_of_repeated_rows_decides(percent: int, repeated: int, rows: int, is_held: bool):
    world = World(MemoryGameball(), hold_overlap_percent=percent)
    world.run(world.drop(HEADER + rows_of(repeated)))
    second = world.drop(HEADER + rows_of(rows))
    assert (second.status is BatchStatus.AWAITING_APPROVAL) is is_held


def test_rows_that_failed_were_rejected_or_not_sent_do_not_count(world: World, gameball: MemoryGameball):
    gameball.unknown_customers = {"c2"}
    first = world.run(world.drop("customerId,amount\nc1,5\nc2,6\nc3,x\n"))
    assert (first.counts.applied, first.counts.failed, first.counts.rejected) == (1, 1, 1)
    gameball.unknown_customers = set()
    fixed = world.run(world.drop(world.result(first, "fix-me.csv").replace("x,", "7,", 1)))
    assert fixed.status is BatchStatus.COMPLETED, fixed.held_by
    assert fixed.overlap is None
    held = world.drop("customerId,amount\nc1,5\nc2,6\nc3,7\nc4,8\n")
    assert new_rows(world, held).splitlines() == ["customerId,amount", "c4,8"]


def test_batch_that_was_stopped_before_anything_was_sent_does_not_count(gameball: MemoryGameball):
    world = World(gameball, hold_overlap_percent=5, approval_above_rows=2)
    first = world.drop(THREE)
    waiting = world.drop(THREE + "c4,8\n")
    assert any("wait for approval in batch" in why for why in waiting.held_by)
    world.administration.stop(first.batch_id, "a person", "")
    after = world.drop(HEADER + "c3,7\nc2,6\n")
    assert first.batch_id not in " ".join(after.held_by)


def test_refused_file_and_dry_run_do_not_count(world: World):
    world.run(world.drop(HEADER + "c1,5\n" + "c2,x\n" * 30))
    world.run(world.drop(HEADER + "c1,5\nc9,9\n", dry_run="true"))
    assert world.drop(THREE).status is BatchStatus.SUBMITTING


def test_dry_run_says_that_its_rows_were_applied_before(world: World):
    first = world.run(world.drop(THREE))
    dry = world.run(world.drop(THREE + "c4,8\n", dry_run="true"))
    assert dry.status is BatchStatus.VALIDATED
    told = f"3 of 4 rows (75 %) were applied in batch {first.batch_id} on 2026-11-21"
    assert f"{told}: a real run waits for approval" in dry.notes


def test_rows_are_compared_for_30_days(world: World):
    world.run(world.drop(THREE))
    world.clock.sleep(29.5 * 86_400)
    assert world.drop(THREE + "c4,8\n").status is BatchStatus.AWAITING_APPROVAL
    world.clock.sleep(86_400)
    assert world.drop(THREE + "c5,8\n").status is BatchStatus.AWAITING_APPROVAL  # the one that waits counts


def test_amounts_are_compared_as_numbers_and_reasons_count(world: World):
    world.run(world.drop("customerId,amount,reason\nc1,5,gift\nc2,6,gift\n"))
    held = world.drop("customerId;amount;reason\nc1;+5,0;gift\nc2;6;other\n")
    assert "1 of 2 rows (50 %)" in held.held_by[0]


def test_several_earlier_batches_are_named(world: World):
    first = world.run(world.drop(HEADER + "c1,5\n"))
    world.clock.sleep(60)
    second = world.run(world.drop(HEADER + "c2,6\n"))
    held = world.drop(THREE)
    told = [f"batch {batch.batch_id} on 2026-11-21 (1)" for batch in (first, second)]
    assert f"2 of 3 rows (67 %) were applied in {', '.join(told)};" in held.held_by[0]


def test_same_row_twice_that_was_applied_once_is_new_once(world: World):
    world.run(world.drop(HEADER + "c1,5\n"))
    held = world.drop(HEADER + "c1,5\nc1,5\n")
    assert "1 of 2 rows (50 %)" in held.held_by[0]
    assert new_rows(world, held).splitlines() == ["customerId,amount", "c1,5"]


def test_large_files_are_compared_through_their_index(world: World):
    text = HEADER + rows_of(3000)
    first = world.run(world.drop(text))
    held = world.drop(HEADER + rows_of(3000, start=1500))
    assert "1500 of 3000 rows (50 %)" in held.held_by[0]
    assert first.batch_id in held.held_by[0]
    assert new_rows(world, held) == HEADER + rows_of(1500, start=3000)


def test_reversal_of_a_batch_is_not_held(world: World):
    first = world.run(world.drop(THREE))
    world.administration.reverse(first.batch_id)
    reversal = world.drop(world.result(first, "reversal.csv"), name="reversal.csv")
    assert reversal.status is BatchStatus.SUBMITTING


@pytest.mark.parametrize("second", [THREE + "c4,8\n", HEADER + "c1,5\nc2,6\n"])
def test_of_two_drops_at_the_same_moment_one_waits_at_least(second: str, world: World):
    """The second is planned whole while the first has registered its rows and is about to be created."""
    create = world.store.create_batch
    others: list[Batch] = []

    def create_after_the_other(*args: Any) -> bool:
        world.store.create_batch = create  # type: ignore[method-assign]
        others.append(world.drop(second, name="second.csv"))
        return create(*args)

    world.store.create_batch = create_after_the_other  # type: ignore[method-assign, assignment]
    first = world.drop(THREE, name="first.csv")
    assert first.status is BatchStatus.SUBMITTING
    assert others[0].status is BatchStatus.AWAITING_APPROVAL
    assert f"are being planned in batch {first.batch_id}" in others[0].held_by[0]


def test_batch_that_comes_between_registering_and_comparing_is_seen(world: World):
    register = world.store.register_rows

    def register_before_the_other(entry: IndexEntry) -> None:
        world.store.register_rows = register  # type: ignore[method-assign]
        register(entry)
        world.drop(HEADER + "c1,5\nc2,6\n", name="second.csv")

    world.store.register_rows = register_before_the_other  # type: ignore[method-assign]
    assert world.drop(THREE, name="first.csv").status is BatchStatus.AWAITING_APPROVAL


def test_rows_of_a_planner_that_was_killed_count_for_an_hour(world: World):
    create = world.store.create_batch
    world.store.create_batch = lambda *_: (_ for _ in ()).throw(RuntimeError("killed"))  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        world.drop(THREE, name="killed.csv")
    world.store.create_batch = create  # type: ignore[method-assign]
    held = world.drop(THREE + "c4,8\n")
    assert "are being planned in batch" in held.held_by[0]
    world.administration.stop(held.batch_id, "a person", "")
    world.clock.sleep(3601)
    assert world.drop(THREE + "c5,8\n").status is BatchStatus.SUBMITTING


def test_planner_that_was_killed_after_it_held_a_batch_holds_it_again(world: World):
    world.run(world.drop(THREE))
    create = world.store.create_batch
    world.store.create_batch = lambda *_: (_ for _ in ()).throw(RuntimeError("killed"))  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        world.drop(THREE + "c4,8\n", name="again.csv")
    world.store.create_batch = create  # type: ignore[method-assign]
    again = world.triggers.submit_object("inbox/again.csv", None)
    assert again is not None
    assert again.status is BatchStatus.AWAITING_APPROVAL


def test_new_rows_count_as_applied_again_once_their_batch_was_approved(world: World):
    world.run(world.drop(THREE))
    held = world.drop(THREE + "c4,8\n")
    text = new_rows(world, held)
    world.administration.approve(held.batch_id, "a person", ApprovalRequest())
    late = world.drop(text, name="new-rows.csv")
    assert late.status is BatchStatus.AWAITING_APPROVAL
    assert held.batch_id in late.held_by[0]


def test_dry_run_of_new_rows_stops_nothing(world: World):
    world.run(world.drop(THREE))
    held = world.drop(THREE + "c4,8\n")
    dry = world.run(world.drop(new_rows(world, held), dry_run="true"))
    assert dry.overlap is None
    assert world.store.batch(held.batch_id).status is BatchStatus.AWAITING_APPROVAL


def test_rows_in_doubt_count_until_they_are_known_not_to_be_applied(gameball: MemoryGameball):
    world = World(MemoryGameball([OutcomeUnknown("lost")]), hold_overlap_percent=5)
    first = world.run(world.drop(THREE))
    held = world.drop(THREE + "c4,8\n")
    assert f"3 of 4 rows (75 %) were applied or are in doubt in batch {first.batch_id}" in held.held_by[0]
    world.administration.stop(held.batch_id, "a person", "")
    world.administration.resolve(
        first.batch_id, "a person", ResolveRequest(outcome="not_applied", lines=(2, 3))
    )
    later = world.drop(THREE + "c5,8\n")
    assert "1 of 4 rows (25 %)" in later.held_by[0]


def body(*rows: tuple[str, int], **others: bool) -> dict[str, Any]:
    return {"body": [{"customerId": name, "amount": amount} for name, amount in rows], **others}


def test_body_without_a_key_and_one_row_more_is_refused(world: World, gameball: MemoryGameball):
    first = world.api_submission.accept(body(("c1", 5), ("c2", 6)), None)
    second = world.api_submission.accept(body(("c1", 5), ("c2", 6), ("c3", 7)), None)
    assert second.duplicate_of == first.batch_id
    assert second.refusal.startswith(f"2 of 3 rows (67 %) are under way in batch {first.batch_id} on ")
    assert 'a new Idempotency-Key, or with "allowDuplicate": true' in second.refusal
    assert world.run(second).status is BatchStatus.REJECTED
    assert len(gameball.requests) == 1


@pytest.mark.parametrize("rows", [[("c1", 5), ("c2", 6)], [("c1", 5), ("c2", 6), ("c3", 7)]])
@pytest.mark.parametrize("is_keyed", [False, True])
def test_body_with_a_new_key_or_that_allows_it_is_taken_again(
    rows: list[tuple[str, int]], is_keyed: bool, world: World, gameball: MemoryGameball
):
    world.api_submission.accept(body(("c1", 5), ("c2", 6)), None)
    again = body(*rows) if is_keyed else body(*rows, allowDuplicate=True)
    second = world.api_submission.accept(again, "key" if is_keyed else None)
    assert not second.refusal
    assert len(gameball.requests) == 2


def test_body_refused_for_its_rows_does_not_count_as_accepted_before_its_report_is_written(world: World):
    world.run(world.drop(HEADER + "c1,5\n", name="a.csv"))
    refused = body(("c1", 5), ("c2", 6))
    refusals = [world.api_submission.accept(refused, None).refusal for _ in range(2)]
    assert all("1 of 2 rows (50 %) were applied in batch" in refusal for refusal in refusals), refusals


def test_refused_duplicate_does_not_advise_to_drop_it_again(world: World):
    world.drop(THREE, name="a.csv")
    refused = world.run(world.drop(THREE, name="b.csv"))
    mail = world.notifications.mails[-1][1]
    assert refused.duplicate_of
    assert "drop the file again" not in mail.lower()
    assert "nothing is left to do" in mail


@pytest.mark.parametrize("adds_token", [False, True])
def test_rows_of_a_customer_that_is_in_the_file_too_often_do_not_count(adds_token: bool):
    world = World(MemoryGameball(), hold_overlap_percent=5, adds_token=adds_token)
    often = "".join(f"ann,{number},gift\n" for number in range(1, 52))
    many = "".join(f"c{number},1,\n" for number in range(300))
    header = "customerId,amount,reason\n"
    first = world.drop(header + often + many)
    held = world.drop(header + often + many + "c300,1,\n")
    assert f"300 of 301 rows (99 %) are under way in batch {first.batch_id}" in held.held_by[0]
    assert new_rows(world, held).splitlines() == ["customerId,amount,reason", "c300,1,"]


@pytest.mark.parametrize("metadata", [{}, {"allow_duplicate": "true"}])
def test_file_without_an_accepted_row_repeats_nothing(gameball: MemoryGameball, metadata: dict[str, str]):
    """Its batch is still planned while the second file comes; few rows are not refused as a whole."""
    world = World(gameball, approval_above_rows=100)
    none_accepted = HEADER + "c1,0\nc2,nope\n"
    first = world.drop(none_accepted)
    again = world.drop(none_accepted, name="copy.csv", **metadata)
    assert (first.refusal, again.refusal, again.held_by) == ("", "", ())
    assert (world.run(again).counts.rejected, gameball.requests) == (2, [])
