"""What is sent has exactly the digits of the file, and can be cut without touching a number."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjustments.batches.payloads import body_of, customers_and_amounts, rows_json, rows_of
from adjustments.core import exact_json

ROWS = st.lists(
    st.tuples(st.text(min_size=1), st.decimals(allow_nan=False, allow_infinity=False, places=6), st.text()),
    min_size=1,
    max_size=20,
)


@given(ROWS)
def test_body_is_json_and_is_split_into_its_rows_again(rows):
    customers, amounts, reasons = zip(*rows, strict=True)
    parts = rows_json(customers, [f"{amount:f}" for amount in amounts], reasons)
    body = body_of(parts)
    sent = exact_json.read(body)["body"]
    assert [(row["customerId"], row["amount"], row.get("reason", "")) for row in sent] == rows
    assert rows_of(body) == parts
    assert customers_and_amounts(parts) == [(customer, amount) for customer, amount, _ in rows]


def test_empty_reason_is_left_out():
    assert json.loads(rows_json(["c"], ["1"], [""])[0]) == {"customerId": "c", "amount": 1}


@pytest.mark.parametrize("digits", ["0.1", "123456789012345", "-0.000001", "999999999.999999", "12.5"])
def test_amount_is_sent_digit_by_digit(digits: str):
    assert f'"amount":{digits}}}' in rows_json(["c"], [digits], [""])[0]
