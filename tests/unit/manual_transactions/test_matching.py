"""Whether a stored transaction is the same one, and the answer that it would have had."""

from decimal import Decimal
from typing import Any

import pytest

from adjustments.manual_transactions import matching
from adjustments.manual_transactions.model import ManualTransaction, read_manual_transaction
from tests.unit.manual_transactions.test_model import GOOD, NOW

ENTRY = {
    "transactionId": "t", "gameballTransactionId": "77", "customerId": "c", "direction": "-",
    "points": Decimal("5.00"), "amount": Decimal("0.5"), "type": "ManualDeduction",
}  # fmt: skip


def ours(**fields: Any) -> ManualTransaction:
    return read_manual_transaction({**GOOD, **fields}, NOW)


@pytest.mark.parametrize(
    ("transaction", "entry", "same"),
    [
        (ours(points=-5), {}, True),
        (ours(amount=Decimal("-0.50")), {}, True),
        (ours(points=-5), {"points": -5}, True),
        (ours(points=5), {"direction": "+"}, True),
        (ours(points=5), {"direction": None}, True),
        (ours(points=5), {}, False),
        (ours(points=-6), {}, False),
        (ours(points=-5), {"customerId": "C"}, False),
        (ours(points=-5), {"transactionId": "T"}, False),
        (ours(points=-5), {"points": None}, None),
        (ours(points=-5), {"points": "5"}, None),
        (ours(points=-5), {"points": True}, None),
        (ours(points=-5), {"points": None, "customerId": "C"}, False),
        (ours(amount=Decimal("-0.5")), {"points": None}, True),
        (ours(amount=Decimal("-0.5")), {"amount": None}, None),
    ],
)
def test_the_same_one(transaction: ManualTransaction, entry: dict[str, Any], same: bool | None):
    assert matching.is_same({**ENTRY, **entry}, transaction) is same


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([], None),
        ([{"transactionId": "T"}, {"transactionId": None}], None),
        ([{"points": 1}], {"points": 1}),
        ([{"points": 1}, {"points": 5}, {"points": 2}], {"points": 5}),
        ([{"points": None}, {"points": 2}], {"points": None}),
    ],
)
def test_an_entry_of_the_id_is_found_and_ours_before_others(
    entries: list[dict[str, Any]], found: dict[str, Any] | None
):
    listed = [{"transactionId": "t", "customerId": "c", **entry} for entry in entries]
    page: dict[str, Any] = {"transactions": [*listed, "nonsense", None]}
    entry = matching.find_entry(page, ours(points=5))
    assert entry == (None if found is None else {"transactionId": "t", "customerId": "c", **found})


def test_an_id_of_gameball_that_is_too_long_for_a_number_stays_a_text():
    answer = matching.answer_from_entry({**ENTRY, "gameballTransactionId": "9" * 5_000})
    assert answer["gameballTransactionId"] == "9" * 5_000


def test_the_answer_has_gameballs_form():
    assert matching.answer_from_entry(ENTRY) == {
        "customerId": "c",
        "gameballTransactionId": 77,
        "transactionId": "t",
        "points": -5,
        "amount": Decimal("-0.5"),
    }


@pytest.mark.parametrize(
    ("page", "following"),
    [
        ({"transactions": [ENTRY], "hasMore": True}, "77"),
        ({"transactions": [ENTRY], "hasMore": False}, None),
        ({"transactions": [], "hasMore": True}, None),
        ({"transactions": None}, None),
    ],
)
def test_where_the_next_page_starts(page: dict[str, Any], following: str | None):
    assert matching.next_page(page) == following
