"""JSON in and out without a float."""

from decimal import Decimal

import pytest

from local.standin.exact_json import BadJsonError, dumps, exact_number, loads


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "true",
        "0",
        "-0",
        "9007199254740993",
        "0.1",
        "1.50",
        "12345678901.123456",
        '"a\\u00e9\\"\\\\"',
        "[]",
        "{}",
        '{"a":[1,2.0,{"b":null}],"c":false}',
    ],
)
def test_what_is_read_is_written_back(text: str) -> None:
    assert dumps(loads(text.encode())) == text.replace("-0", "0")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"\xff",
        b"[" * 100_000,
        b"1e99999999999999999999",
        b"01",
    ],
)
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(BadJsonError):
        loads(raw)


def test_a_float_is_never_written() -> None:
    with pytest.raises(TypeError):
        dumps({"amount": 0.1})


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, Decimal(5)),
        (Decimal("-0.1"), Decimal("-0.1")),
        (Decimal("1E+3"), Decimal(1000)),
        (10**28 - 1, Decimal(10**28 - 1)),
        (10**28, None),
        (Decimal("1E+28"), None),
        (Decimal("1E-20"), Decimal("1E-20")),
        (Decimal("1E-21"), None),
        (Decimal("NaN"), None),
        (True, None),
        ("5", None),
        (None, None),
        (0.5, None),
    ],
)
def test_only_numbers_within_exact_bounds_count(value: object, number: Decimal | None) -> None:
    assert exact_number(value) == number
