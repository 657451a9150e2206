"""The main job on the deployed stack: a file, the API, the schedule."""

from decimal import Decimal

from local import ledger_check
from local.batch_client import BatchClient
from local.stack import LocalStack
from local.standin_client import StandInClient


def test_a_dropped_file_ends_with_one_outcome_per_row_and_the_ledger_agrees(
    batches: BatchClient, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    content = (
        b"customerId,amount,reason\nplayer-01,50,spring\nplayer-02,-30,return\nnobody,10,spring\n"
        b"player-03,-500,overdraft\nplayer-04,abc,bad\nplayer-01,25,twice in the file\n"
    )
    # Enough that go well for the two that fail not to stop the batch.
    content += b"".join(b"player-%02d,1,filler\n" % number for number in range(6, 16))
    batches.drop("inbox/mixed.csv", content)
    batch = batches.wait_until_ended(batches.wait_for_first("inbox/mixed.csv"))
    rows = ledger_check.read_results(batches.result_files(batch["batchId"])["results.csv"])

    assert batch["status"] == "completed_with_errors"
    expected = ["applied", "applied", "failed", "failed", "rejected", "applied", *["applied"] * 10]
    assert [row.status for row in rows] == expected
    findings = ledger_check.compare({"mixed": rows}, {"mixed": 16}, [], standin.audit())
    assert findings.differences == []


def test_a_file_that_is_no_csv_is_rejected_as_a_whole_and_nothing_is_sent(
    batches: BatchClient, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    batches.drop("inbox/no-amounts.csv", b"customerId,reason\nplayer-01,spring\n")
    batch = batches.wait_until_ended(batches.wait_for_first("inbox/no-amounts.csv"))

    assert batch["status"] == "rejected"
    assert "amount" in batch["message"]
    assert standin.audit()["applied"] == []


def test_the_recurring_schedule_submits_what_lies_under_recurring(
    stack: LocalStack, batches: BatchClient, customers: dict[str, Decimal]
) -> None:
    batches.drop("recurring/bonus.csv", b"customerId,amount,reason\nplayer-05,10,bonus\n")
    stack.fire_schedule("RecurringTick")
    batch = batches.wait_until_ended(batches.wait_for_first("recurring/bonus.csv"))

    assert batch["status"] == "completed"


def test_a_manual_transaction_is_answered_as_gameball_documents(
    stack: LocalStack, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    body = {"customerId": "player-01", "transactionId": "m-1", "username": "ops", "reason": "x", "points": 5}
    answer = stack.call_api("POST", "/transactions/manual", body)

    assert answer.status == 200
    assert answer.json()["transactionId"] == "m-1"
    assert [entry["transactionId"] for entry in standin.audit()["applied"]] == ["m-1"]


def test_a_manual_transaction_that_breaks_a_rule_is_refused_in_gameballs_words(
    stack: LocalStack, customers: dict[str, Decimal]
) -> None:
    body = {"customerId": "player-01", "transactionId": "m-2", "username": "ops", "reason": "x", "points": -5}
    answer = stack.call_api("POST", "/transactions/manual", {**body, "expiryAfter": 3})

    assert answer.status == 400
    assert answer.json() == {"error": 400, "message": "Deduction cannot have expiry"}


def test_a_call_without_a_signature_is_refused(stack: LocalStack) -> None:
    assert stack.call_api("GET", "/batches", is_signed=False).status == 403
