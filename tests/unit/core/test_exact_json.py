"""JSON numbers go out as they came in."""

import json
from decimal import Decimal
from typing import Any

import pytest

from adjustments.core import exact_json


@pytest.mark.parametrize(
    "text",
    ["0.1", "12345678901234567890.123456", "-5", "[1, 2.5]", '{"a": {"b": [null, true, "x"]}}', "{}", "[]"],
)
def test_write_and_read_are_inverse(text: str):
    assert exact_json.write(exact_json.read(text)) == text


@pytest.mark.parametrize("indent", [None, 2])
def test_write_with_indent_has_the_same_data(indent: int | None):
    value: dict[str, Any] = {"a": [1, {"b": "é\n"}], "empty": {}, "none": None}
    assert json.loads(exact_json.write(value, indent)) == value


@pytest.mark.parametrize("text", [
    "NaN", "Infinity", "[-Infinity]", "{", "", "nul", "1e99999999999999999999", "[" * 200_000, "9" * 5_000,
])  # fmt: skip
def test_read_refuses_what_is_no_json(text: str):
    with pytest.raises(ValueError):
        exact_json.read(text)


def test_write_refuses_floats():
    with pytest.raises(TypeError):
        exact_json.write({"amount": 0.1})


@pytest.mark.parametrize(("value", "text"), [("1E+3", "1000"), ("1.50", "1.5"), ("-0.0", "-0"), ("0", "0")])
def test_write_has_no_exponents(value: str, text: str):
    assert exact_json.write(Decimal(value)) == text
