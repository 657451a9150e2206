"""What approvers see of a batch that waits: sums, customers, first and largest rows, reasons, predictions."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from adjustments.administration.service import ApprovalRequest
from adjustments.batches.rows import Row
from adjustments.batches.states import BatchStatus
from adjustments.batches.work_files import ValidatedRows
from adjustments.submission import description
from adjustments.submission.description import PreviewCollector
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

HEADER = "customerId,amount,reason\n"


def part(first_line: int, rows: Sequence[tuple[str, str]]) -> ValidatedRows:
    return ValidatedRows.of(
        Row(line, f"c{line}", amount, reason, [], "", "")
        for line, (amount, reason) in enumerate(rows, first_line)
    )


def test_the_largest_rows_of_all_parts_are_shown_whatever_their_sign_and_of_equal_ones_the_first():
    collector = PreviewCollector()
    amounts = ["5", "-900", "5", "7", "7", "900", "1", "7.5", "900", "7", "-7"] * 40
    for start in range(0, len(amounts), 3):
        collector.add(part(start + 2, [(amount, "") for amount in amounts[start : start + 3]]))
    ranked = sorted(enumerate(amounts, 2), key=lambda pair: (-abs(Decimal(pair[1])), pair[0]))
    assert [(row.line, row.amount) for row in collector.largest] == ranked[:5]
    assert [row.line for row in collector.first] == [2, 3, 4, 5, 6]


def test_the_most_frequent_reasons_are_counted_in_bounded_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(description, "REASONS_COUNTED_MAX", 10)
    collector = PreviewCollector()
    for start in range(0, 100, 5):
        collector.add(part(start, [("1", "gift"), *(("1", f"r{start + n}") for n in range(4))]))
    assert (collector.reasons[0].reason, collector.reasons[0].rows) == ("gift", 20)
    assert collector.has_more_reasons
    assert len(collector._reasons) <= 15


def shown(world: World, batch_id: str) -> dict[str, Any]:
    told = world.administration.show(batch_id)["preview"]
    assert told is not None
    return dict(told)


def test_a_batch_that_waits_shows_its_rows_sums_and_new_customers():
    world = World(MemoryGameball(), approval_above_rows=3)
    world.run(world.drop(f"{HEADER}a,1,\nb,1,\n", "earlier.csv"))
    batch = world.drop(f"{HEADER}a,5,gift\nb,-2.5,fix\nc,x,\nnew,7,gift\na,1,\n")
    assert batch.status is BatchStatus.AWAITING_APPROVAL
    told = shown(world, batch.batch_id)
    assert (told["added"], told["deducted"]) == (Decimal(13), Decimal("-2.5"))
    assert (told["customers"], told["newCustomers"]) == (3, 1)
    assert [row["customerId"] for row in told["firstRows"]] == ["a", "b", "new", "a"]
    assert [row["amount"] for row in told["largestRows"]] == [7, 5, Decimal("-2.5"), 1]
    assert told["reasons"][0] == {"reason": "gift", "rows": 2}
    assert (told["hasMoreReasons"], told["dryRun"]) == (False, None)


def test_a_dry_run_of_the_same_rows_says_what_would_overdraw():
    gameball = MemoryGameball()
    gameball.balance = 3
    world = World(gameball, approval_above_rows=1)
    text = f"{HEADER}a,-5,\nb,2,\n"
    dry_run = world.run(world.drop(text, "try.csv", dry_run="true"))
    batch = world.drop(text)
    known = shown(world, batch.batch_id)["dryRun"]
    assert (known["batchId"], known["prediction"]["wouldOverdraw"]) == (dry_run.batch_id, 1)
    [*_, (_, mail)] = world.notifications.mails
    assert f"Prediction of the dry run {dry_run.batch_id}: 1 would be applied, 1 would overdraw" in mail


def test_the_mail_on_a_batch_that_waits_says_what_to_approve_and_names_no_customer():
    world = World(MemoryGameball(), approval_above_rows=1)
    batch = world.drop(f"{HEADER}customer-one,500,gift\ncustomer-two,-7,\n")
    [(_, mail)] = world.notifications.mails
    assert "2 rows are more than ApprovalAboveRows (1)" in mail
    assert "Added: +500, deducted: -7" in mail
    assert "Customers: 2; 2 of them are in no batch of the last 30 days" in mail
    assert "Overdrafts: not known" in mail
    assert '  line 2: +500, "gift"' in mail
    assert "customer-one" not in mail
    body = f'{{"sha256": "{batch.source.sha256}", "rows": 2, "requested": 493}}'
    assert f"POST /batches/{batch.batch_id}/approve with the body {body}" in mail
    assert f"adjust approve {batch.batch_id}" in mail


def test_decisions_have_their_times():
    world = World(MemoryGameball(), approval_above_rows=1)
    batch = world.drop(f"{HEADER}a,5,\nb,7,\n")
    world.clock.sleep(60)
    world.administration.approve(batch.batch_id, "ann", ApprovalRequest())
    world.clock.sleep(60)
    world.administration.stop(batch.batch_id, "bob", "")
    world.clock.sleep(60)
    world.administration.stop(batch.batch_id, "carl", "")  # the first one counts
    told = world.administration.show(batch.batch_id)
    assert (told["approvedBy"], told["approvedAt"]) == ("ann", "2026-11-21T12:01:00.000Z")
    assert (told["stoppedBy"], told["stoppedAt"]) == ("bob", "2026-11-21T12:02:00.000Z")
    ended = world.run(batch)
    assert "Approved by <bdi>ann</bdi> on <time" in world.result(ended, "report.html")


def test_a_batch_that_never_waited_keeps_no_rows():
    world = World(MemoryGameball())
    batch = world.drop(f"{HEADER}a,5,\n")
    assert world.administration.show(batch.batch_id)["preview"] is None
