"""Gameball's documented refusals word by word, and every other bad input with the field's name."""

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from adjustments.aws.http_api import read_body
from adjustments.core import exact_json
from adjustments.core.errors import InputError, RequestRefused
from adjustments.core.validation import read_json
from adjustments.manual_transactions.model import ManualTransaction, read_manual_transaction
from tests.unit.submission.csv.reading import read

FUTURE = "transactionTime: must not lie in the future"
INSTANT = "transactionTime: must be a UTC instant such as 2026-06-01T12:00:00Z"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
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
def test_gameballs_four_messages(fields: dict[str, Any], message: str):
    with pytest.raises(RequestRefused) as refused:
        read_manual_transaction({**GOOD, **fields}, NOW)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("change", "is_refused"),
    [
        ({"points": 1_000}, False),
        ({"points": -1_000}, False),
        ({"points": 1_001}, True),
        ({"points": -1_001}, True),
        ({"amount": Decimal("1000.00")}, False),
        ({"amount": Decimal("1000.01")}, True),
        ({"amount": Decimal("-1000.000001")}, True),
    ],
)
def test_largest_amount_bounds_points_and_amount_with_either_sign(change: dict[str, Any], is_refused: bool):
    assert read_manual_transaction({**GOOD, **change}, NOW).change, "0 is no limit"
    if not is_refused:
        assert read_manual_transaction({**GOOD, **change}, NOW, Decimal(1_000)).change
        return
    with pytest.raises(RequestRefused) as refused:
        read_manual_transaction({**GOOD, **change}, NOW, Decimal(1_000))
    [name] = change
    assert refused.value.message.startswith(f"{name}: is larger than MaxManualAmount (1000)")


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
        read_manual_transaction({**GOOD, **fields}, NOW)
    assert refused.value.message.startswith(named)


@pytest.mark.parametrize("expiry", [None, 0])
def test_default_expiry_is_left_out_of_the_request(expiry: int | None):
    transaction = read_manual_transaction({**GOOD, "points": 5, "expiryAfter": expiry}, NOW)
    assert exact_json.read(transaction.body()) == {**GOOD, "points": 5}


def test_amount_keeps_its_digits():
    transaction = read_manual_transaction({**GOOD, "amount": Decimal("0.10")}, NOW)
    assert b'"amount": 0.1' in transaction.body()


def refusal(text: str) -> str:
    """What is said of a body that is GOOD with more fields."""
    with pytest.raises(InputError) as refused:
        read_manual_transaction(read_json(json.dumps(GOOD)[:-1] + f", {text}}}"), NOW)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('"points": 1.5', "points: must be an integer"),
        ('"points": 0', "points: must not be 0"),
        ('"points": 1e400', "points: must have at most 15 digits"),
        ('"points": 1e999999999', "points: must have at most 15 digits"),
        ('"points": ' + "9" * 5_000, "points: must have at most 15 digits"),
        ('"points": 1e99999999999999999999', "points: must be an integer"),
        ('"points": -0', "points: must not be 0"),
        ('"points": -0.0', "points: must not be 0"),
        ('"points": 5, "expiryAfter": 1.5', "expiryAfter: must be an integer"),
        ('"points": 5, "expiryAfter": 1e99999999999999999999', "expiryAfter: must be an integer"),
        ('"points": 5, "expiryAfter": -1e400', "Expiry cannot be negative"),
        ('"points": 5, "expiryAfter": 1e400', "expiryAfter: must have at most 15 digits"),
        ('"points": 5, "customerId": {"a": 1}', "customerId: is given twice"),
        ('"points": {"a": 1, "a": 2}', "a: is given twice"),
        ('"points": [5]', "points: must be an integer"),
        ('"amount": "5"', "amount: must be a number"),
        ('"amount": 1e99999999999999999999', "amount: must be a number"),
        ('"points": NaN', "points: must be an integer"),
        ('"amount": NaN', "amount: must be a number"),
        ('"amount": -Infinity', "amount: must be a number"),
        ('"amount": -0.0', "amount: must not be 0"),
        ('"amount": 0e999999999', "amount: must not be 0"),
        ('"amount": 1e-999999999', "amount: must have at most 6 decimals"),
        ('"amount": 0.1234567', "amount: must have at most 6 decimals"),
        ('"amount": 1234567890.123456', "amount: must have at most 15 digits"),
        ('"points": 5, "email": ""', "email: must not be empty"),
        ('"points": 5, "mobile": 49', "mobile: must be a string"),
        ('"points": 5, "email": "a\\u0000b"', "email: has the invisible character <U+0000>"),
        ('"points": 5, "email": "\\ud800"', "email: has characters that can't be sent"),
        ('"points": 5, "customer_id": "x"', "customer_id: unknown field"),
        ('"points": 5, "expiryAfter": 36501', "expiryAfter: must be at most 36500"),
        ('"points": 5, "expiryAfter": true', "expiryAfter: must be an integer"),
        ('"points": 5, "transactionTime": 5', "transactionTime: must be a string"),
        ('"points": 5, "transactionTime": "2026-11-22"', INSTANT),
        ('"points": 5, "transactionTime": "2026-11-22T12:00:00"', INSTANT),
        ('"points": 5, "transactionTime": "2026-11-22T12:00:00+01:00"', INSTANT),
        ('"points": 5, "transactionTime": "2026-13-22T12:00:00Z"', INSTANT),
        ('"points": 5, "transactionTime": "2026-11-22T12:00:06Z"', FUTURE),
        ('"points": 5, "points": 500', "points: is given twice"),
        ('"points": 5, "\\ud800": 1', "?: unknown field"),
        ('"points": 5, "": 1', "the name of a field: unknown field"),
        ('"points": 5, "a": 1, "b": 2', "a: unknown field; b: unknown field"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_and_named(text: str, told: str):
    assert refusal(text).startswith(told)


@pytest.mark.parametrize("name", ["customerId", "transactionId", "username", "reason"])
@pytest.mark.parametrize(("value", "told"), [("", "empty"), (" ", "empty"), (None, "string"), (7, "string")])
def test_a_required_field_without_content_is_named(name: str, value: object, told: str):
    with pytest.raises(RequestRefused, match=f"^{name}: must .*{told}"):
        read_manual_transaction({**GOOD, "points": 5, name: value}, NOW)
    with pytest.raises(RequestRefused, match=f"^{name}: is required: \\w+"):
        read_manual_transaction({key: text for key, text in GOOD.items() if key != name} | {"points": 5}, NOW)


def test_of_many_problems_the_first_are_told_and_the_rest_are_counted():
    told = refusal(", ".join(['"points": 5', *(f'"f{number}": 1' for number in range(5_000))]))
    assert told.startswith("f0: unknown field; f1: unknown field")
    assert "; and 4990 more (known fields: customerId, " in told
    assert len(told) < 1_000


@pytest.mark.parametrize("expiry", ["null", "0", "-0", "0.0", "-0.0", "0e5"])
@pytest.mark.parametrize("points", ["5", "-5"])
def test_an_expiry_of_none_in_any_form_is_the_default(expiry: str, points: str):
    fields = read_json(json.dumps(GOOD)[:-1] + f', "points": {points}, "expiryAfter": {expiry}}}')
    assert exact_json.read(read_manual_transaction(fields, NOW).body()) == {**GOOD, "points": int(points)}


@pytest.mark.parametrize(
    ("text", "sent"),
    [("1e2", b'"amount": 100}'), ("-1.50", b'"amount": -1.5}'), ("0.000001", b'"amount": 0.000001}'),
     ("999999999999999", b'"amount": 999999999999999}'), ("1E+14", b'"amount": 100000000000000}')],
)  # fmt: skip
def test_an_amount_is_sent_with_all_its_digits_and_no_exponent(text: str, sent: bytes):
    fields = read_json(json.dumps(GOOD)[:-1] + f', "amount": {text}}}')
    assert read_manual_transaction(fields, NOW).body().endswith(sent)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"\xef\xbb\xbf{}", "the body is not valid JSON; send a JSON object"),
        (b"\xff\xfe{\x00}\x00", "the body is not valid JSON; send a JSON object"),
        (b"", "the body is not valid JSON; send a JSON object"),
        (b"null", "the body must be a JSON object"),
        (b"[" * 60_000, "the body is not valid JSON; send a JSON object"),
        (b" " * 65_537, "the body has more than 65536 bytes"),
    ],
)
@pytest.mark.parametrize("is_packed", [True, False])
def test_a_body_that_is_no_object_is_refused_however_it_is_packed(body: bytes, told: str, is_packed: bool):
    text = base64.b64encode(body).decode() if is_packed else body.decode("latin-1")
    with pytest.raises(InputError) as refused:
        read_body({"body": text, "isBase64Encoded": is_packed})
    assert refused.value.message == told


@pytest.mark.parametrize("text", ["e30", "{}", "e30=\n", "é"])
def test_base64_that_is_none_is_refused(text: str):
    with pytest.raises(InputError, match="not valid JSON"):
        read_body({"body": text, "isBase64Encoded": True})


def test_a_packed_body_is_read():
    assert read_body({"body": "e30=", "isBase64Encoded": True}) == {}


@pytest.mark.parametrize("text", ["5", "5.0", "5e0", "0.5e1"])
def test_whole_numbers_are_taken_however_json_writes_them(text: str):
    fields = read_json(json.dumps(GOOD)[:-1] + f', "points": {text}}}')
    assert read_manual_transaction(fields, NOW).body().endswith(b'"points": 5}')


@pytest.mark.parametrize("time", ["2026-11-22T12:00:05Z", "2026-06-01T12:00:00.123456789+00:00"])
def test_a_utc_instant_is_sent_as_it_came(time: str):
    transaction = read_manual_transaction({**GOOD, "points": 5, "transactionTime": time}, NOW)
    assert exact_json.read(transaction.body())["transactionTime"] == time


@given(
    st.dictionaries(
        st.sampled_from([*map(to_camel, ManualTransaction.model_fields), "other"]),
        st.none() | st.booleans() | st.integers() | st.decimals() | st.text() | st.lists(st.integers()),
    )
)
def test_any_fields_are_read_or_refused(fields: dict[str, Any]):
    try:
        transaction = read_manual_transaction(fields, NOW)
    except RequestRefused:
        return
    assert exact_json.read(transaction.body())["customerId"] == fields["customerId"]


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_read_or_refused(text: str):
    with suppress(RequestRefused):
        assert isinstance(read_json(text), dict)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("customerId", "c1\u200b", "has the invisible character <U+200B> as its character 3; delete it"),
        ("customerId", "\ufeffc1", "has the invisible character <U+FEFF> as its character 1; delete it"),
        ("transactionId", "t\u00ad1", "has the invisible character <U+00AD> as its character 2; delete it"),
        ("customerId", "c1 ", "has blanks before or after it; remove them"),
        ("customerId", "\u00a0c1", "has blanks before or after it; remove them"),
        ("transactionId", " t1", "has blanks before or after it; remove them"),
        ("customerId", "1.23457E+11", "is an id that a spreadsheet has turned into scientific notation"),
    ],
)
def test_ids_are_held_to_what_files_are_held_to(name: str, value: str, told: str):
    with pytest.raises(RequestRefused) as refused:
        read_manual_transaction({**GOOD, "points": 5, name: value}, NOW)
    assert refused.value.message.startswith(f"{name}: {told}")


@pytest.mark.parametrize("customer_id", ["c1\u200b", "c\u00ad1", "1.23457E+11", "2e+10"])
def test_files_and_api_refuse_an_id_in_the_same_words(customer_id: str):
    [rejection] = read(f"customerId,amount\n{customer_id},5\n".encode()).rejections
    with pytest.raises(RequestRefused) as refused:
        read_manual_transaction({**GOOD, "points": 5, "customerId": customer_id}, NOW)
    assert rejection.message.endswith(refused.value.message.removeprefix("customerId: "))
