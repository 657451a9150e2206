"""The seed's refusals word by word, and every other bad input with the field's name."""

from decimal import Decimal
from typing import Any

import pytest

from adjustments import exact_json
from adjustments.errors import RequestRefused
from adjustments.manual import read_manual_transaction

GOOD = {"customerId": "c", "transactionId": "t", "username": "u", "reason": "r"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"points": 1, "expiryAfter": -1}, "Expiry cannot be negative"),
        ({"points": -1, "expiryAfter": 30}, "Deduction cannot have expiry"),
        ({"amount": Decimal("-0.5"), "expiryAfter": 30}, "Deduction cannot have expiry"),
        ({"points": 1, "amount": 1}, "Only one rewarding method may be specified"),
        ({}, "A rewarding criteria is required"),
        ({"points": None, "amount": None}, "A rewarding criteria is required"),
        ({"points": -1, "expiryAfter": -1}, "Expiry cannot be negative"),
    ],
)
def test_the_seeds_four_messages(fields: dict[str, Any], message: str):
    with pytest.raises(RequestRefused) as refused:
        read_manual_transaction({**GOOD, **fields})
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"points": True}, "points"),
        ({"points": Decimal("1.5")}, "points"),
        ({"points": "1"}, "points"),
        ({"amount": True}, "amount"),
        ({"amount": "1"}, "amount"),
        ({"points": 1, "customerId": ""}, "customerId"),
        ({"points": 1, "customerId": 5}, "customerId"),
        ({"points": 1, "username": None}, "username"),
        ({"points": 1, "surprise": 1}, "surprise"),
        ({"points": 1, "expiryAfter": "30"}, "expiryAfter"),
    ],
)
def test_other_bad_input_is_told_by_field(fields: dict[str, Any], named: str):
    with pytest.raises(RequestRefused) as refused:
        read_manual_transaction({**GOOD, **fields})
    assert refused.value.message.startswith(named)


@pytest.mark.parametrize("expiry", [None, 0])
def test_default_expiry_is_left_out_of_the_request(expiry: int | None):
    transaction = read_manual_transaction({**GOOD, "points": 5, "expiryAfter": expiry})
    assert exact_json.read(transaction.body()) == {**GOOD, "points": 5}


def test_amount_keeps_its_digits():
    transaction = read_manual_transaction({**GOOD, "amount": Decimal("0.10")})
    assert b'"amount": 0.1' in transaction.body()
