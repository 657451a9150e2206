"""Only what is certain is settled by evidence."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from adjustments.batches.payloads import has_reason_token, with_reason_token
from adjustments.reconciliation.evidence import Doubt, Evidence, Transaction, judge, read_transactions
from tests.fakes.memory import START as INTENT

QUIET = timedelta(hours=1)
AFTER = INTENT + timedelta(seconds=5)
A, N, U = Evidence.APPLIED, Evidence.NOT_APPLIED, Evidence.UNCERTAIN


def listed(amount: str = "5", reason: str = "gift", at: Any = AFTER) -> Transaction:
    return Transaction(Decimal(amount), reason, at)


def doubt(has_token: bool = False, rivals: int = 0, amount: str = "5") -> Doubt:
    return Doubt("ann", Decimal(amount), "gift", INTENT, has_token, rivals)


@pytest.mark.parametrize(
    ("row", "transactions", "waited", "finding"),
    [
        (doubt(), [listed()], 0, A),
        (doubt(), [listed("5.00")], 0, A),
        (doubt(), [listed(), listed("7")], 0, A),
        (doubt(amount="-5"), [listed("-5")], 0, A),
        (doubt(), [], 0, U),
        (doubt(), [], 48, U),
        (doubt(), [listed("-5")], 48, U),
        (doubt(), [listed(reason="gifts")], 48, U),
        (doubt(), [listed(at=INTENT - timedelta(seconds=4))], 48, A),  # clocks differ
        (doubt(), [listed(at=INTENT - timedelta(seconds=6))], 48, U),
        (doubt(rivals=1), [listed(at=INTENT - timedelta(seconds=4))], 48, U),
        (doubt(), [listed(), listed()], 48, U),
        (doubt(rivals=1), [listed()], 48, U),
        (doubt(rivals=1), [listed(), listed()], 48, U),
        (doubt(has_token=True), [listed()], 0, A),
        (doubt(has_token=True, rivals=1), [listed()], 0, A),
        (doubt(has_token=True), [listed(at=INTENT - timedelta(hours=1))], 0, A),
        (doubt(has_token=True), [], 0.99, U),
        (doubt(has_token=True), [], 1, N),
        (doubt(has_token=True), [listed(reason="other")], 1, N),
        (doubt(has_token=True), [listed(), listed()], 1, U),
    ],
)
def test_judge(row: Doubt, transactions: list[Transaction], waited: float, finding: Evidence):
    assert judge(row, transactions, INTENT + timedelta(hours=waited), QUIET) is finding


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
