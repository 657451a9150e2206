"""What a transaction list proves about a row in doubt: only what is certain."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from adjustments.batches.lookup_rounds import DoubtfulRow
from adjustments.batches.payloads import has_reason_token, with_reason_token
from adjustments.reconciliation.evidence import Assessment, Transaction, assess_row, read_transactions
from tests.fakes.memory import START as INTENT

QUIET = timedelta(hours=1)
TOKENED = with_reason_token("gift", "batch", 2)
AFTER = INTENT + timedelta(seconds=5)
A, N, U = Assessment.APPLIED, Assessment.NOT_APPLIED, Assessment.UNCERTAIN


def listed(amount: str = "5", reason: str = "gift", at: Any = AFTER) -> Transaction:
    return Transaction(Decimal(amount), reason, at)


def in_doubt(has_token: bool = False, amount: str = "5") -> DoubtfulRow:
    reason = TOKENED if has_token else "gift"
    return DoubtfulRow("001-00001", 0, "ann", Decimal(amount), reason, INTENT, job_was_stopped=False)


@pytest.mark.parametrize(
    ("row", "lookalikes", "transactions", "waited", "finding"),
    [
        (in_doubt(), 0, [listed()], 0, A),
        (in_doubt(), 0, [listed("5.00")], 0, A),
        (in_doubt(), 0, [listed(), listed("7")], 0, A),
        (in_doubt(amount="-5"), 0, [listed("-5")], 0, A),
        (in_doubt(), 0, [], 0, U),
        (in_doubt(), 0, [], 48, U),
        (in_doubt(), 0, [listed("-5")], 48, U),
        (in_doubt(), 0, [listed(reason="gifts")], 48, U),
        (in_doubt(), 0, [listed(at=INTENT - timedelta(seconds=4))], 48, A),  # clocks differ
        (in_doubt(), 0, [listed(at=INTENT - timedelta(seconds=6))], 48, U),
        (in_doubt(), 1, [listed(at=INTENT - timedelta(seconds=4))], 48, U),
        (in_doubt(), 0, [listed(), listed()], 48, U),
        (in_doubt(), 1, [listed()], 48, U),
        (in_doubt(), 1, [listed(), listed()], 48, U),
        (in_doubt(has_token=True), 0, [listed(reason=TOKENED)], 0, A),
        (in_doubt(has_token=True), 1, [listed(reason=TOKENED)], 0, A),
        (in_doubt(has_token=True), 0, [listed(reason=TOKENED, at=INTENT - timedelta(hours=1))], 0, A),
        (in_doubt(has_token=True), 0, [], 0.99, U),
        (in_doubt(has_token=True), 0, [], 1, N),
        (in_doubt(has_token=True), 0, [listed(reason="other")], 1, N),
        (in_doubt(has_token=True), 0, [listed(reason=TOKENED), listed(reason=TOKENED)], 1, U),
    ],
)
def test_assess_row(
    row: DoubtfulRow, lookalikes: int, transactions: list[Transaction], waited: float, finding: Assessment
):
    now = INTENT + timedelta(hours=waited)
    assert assess_row(row, lookalikes, transactions, now, QUIET) is finding


@pytest.mark.parametrize(
    ("entry", "amount"),
    [
        ({"amount": Decimal("5.5"), "direction": "+"}, "5.5"),
        ({"amount": 5, "direction": "-"}, "-5"),
        ({"amount": -5, "direction": "-"}, "-5"),
        ({"amount": None, "points": 5}, "5"),
        ({"amount": "5"}, None),
        ({"amount": True}, None),
        ({}, None),
        ({"amount": 5, "transactionTime": "yesterday"}, None),
        ({"amount": 5, "transactionId": "manual-1"}, None),
    ],
)
def test_listed_entry_is_read_with_its_sign(entry: dict[str, Any], amount: str | None):
    page = {"transactions": [{"transactionTime": "2026-11-21T12:00:05", "reason": None, **entry}]}
    found = read_transactions([page])
    assert [transaction.amount for transaction in found] == ([] if amount is None else [Decimal(amount)])


@pytest.mark.parametrize("page", [{}, {"transactions": None}, {"transactions": ["x", 5]}])
def test_misshapen_page_holds_nothing(page: dict[str, Any]):
    assert read_transactions([page]) == []


@pytest.mark.parametrize("reason", ["", "gift", "Grüße [1]"])
def test_token_is_the_same_for_the_same_row_and_found_again(reason: str):
    first, second = with_reason_token(reason, "batch", 2), with_reason_token(reason, "batch", 3)
    assert first == with_reason_token(reason, "batch", 2)
    assert first != second
    assert first.startswith(reason)
    assert has_reason_token(first)
    assert not has_reason_token(reason)
