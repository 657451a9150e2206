"""An amount keeps exactly the digits of the file, or is refused with what to write instead."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjustments.core import limits
from adjustments.submission.csv.amounts import (
    InvalidAmount,
    canonicalise,
    clean_amount_pattern,
    shows_decimal_comma,
)
from adjustments.submission.csv.problems import RowProblem


def amount_of(
    text: str, *, amount_max: str = "0", semicolon_file: bool = False, has_decimal_commas: bool = False
) -> str:
    return canonicalise(
        text,
        amount_max=Decimal(amount_max),
        semicolon_file=semicolon_file,
        has_decimal_commas=has_decimal_commas,
    )


def bad(
    text: str, *, amount_max: str = "0", semicolon_file: bool = False, has_decimal_commas: bool = False
) -> InvalidAmount:
    with pytest.raises(InvalidAmount) as caught:
        amount_of(
            text, amount_max=amount_max, semicolon_file=semicolon_file, has_decimal_commas=has_decimal_commas
        )
    return caught.value


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("5", "5"),
        ("+5", "5"),
        ("-5", "-5"),
        ("007", "7"),
        ("-007.50", "-7.5"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("5.0", "5"),
        ("100", "100"),
        ("12.345678", "12.345678"),
        ("1.0000000", "1"),
        ("0.000001", "0.000001"),
        ("999999999999999", "999999999999999"),
        ("000000000000000000001", "1"),
        ("1.250", "1.25"),
    ],
)
def test_number_becomes_canonical(text: str, amount: str):
    assert amount_of(text) == amount


@pytest.mark.parametrize(
    ("text", "amount"),
    [("12,5", "12.5"), ("12,50", "12.5"), ("-0,05", "-0.05"), ("12.5", "12.5"), ("7", "7")],
)
def test_semicolon_file_may_have_a_decimal_comma(text: str, amount: str):
    assert amount_of(text, semicolon_file=True) == amount


@pytest.mark.parametrize(
    ("text", "problem", "advice"),
    [
        ("", RowProblem.AMOUNT_MISSING, "write how much"),
        ("0", RowProblem.AMOUNT_ZERO, "is zero"),
        ("-0", RowProblem.AMOUNT_ZERO, "is zero"),
        ("+0.000", RowProblem.AMOUNT_ZERO, "is zero"),
        ("five", RowProblem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("+", RowProblem.AMOUNT_NOT_A_NUMBER, "digits only"),
        (".", RowProblem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("5.", RowProblem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("--5", RowProblem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("5 5", RowProblem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("1_0", RowProblem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("0x1F", RowProblem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("#N/A", RowProblem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("1,2,3", RowProblem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("(12.5)", RowProblem.AMOUNT_NOT_A_NUMBER, "the minus right before the digits, write -12.5"),
        ("5-", RowProblem.AMOUNT_NOT_A_NUMBER, "the minus right before the digits, write -5"),
        ("- 5", RowProblem.AMOUNT_NOT_A_NUMBER, "the minus right before the digits, write -5"),
        ("١٢٫٥", RowProblem.AMOUNT_NOT_A_NUMBER, "digits 0 to 9"),
        ("١٢", RowProblem.AMOUNT_NOT_A_NUMBER, "write 12"),
        ("５", RowProblem.AMOUNT_NOT_A_NUMBER, "write 5"),
        ("²", RowProblem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("nan", RowProblem.AMOUNT_NOT_FINITE, "not a finite number"),
        ("-INF", RowProblem.AMOUNT_NOT_FINITE, "not a finite number"),
        ("Infinity", RowProblem.AMOUNT_NOT_FINITE, "not a finite number"),
        ("1e3", RowProblem.AMOUNT_SCIENTIFIC, "all digits"),
        ("1.23E+05", RowProblem.AMOUNT_SCIENTIFIC, "all digits"),
        ("1,23E+05", RowProblem.AMOUNT_SCIENTIFIC, "all digits"),
        ("1,000", RowProblem.AMOUNT_THOUSANDS_SEPARATOR, "has a thousands separator; write 1000"),
        ("-12,345", RowProblem.AMOUNT_THOUSANDS_SEPARATOR, "write -12345"),
        ("1,000.50", RowProblem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000.5"),
        ("1.000,50", RowProblem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000.5"),
        ("1.000.000", RowProblem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000000"),
        ("1,00,000", RowProblem.AMOUNT_THOUSANDS_SEPARATOR, "write 100000"),
        ("1 000", RowProblem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000"),
        ("1\u202f000,5", RowProblem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000.5"),
        ("1’000", RowProblem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000"),
        ("12,5", RowProblem.AMOUNT_DECIMAL_COMMA, "accepted only in semicolon files; write 12.5"),
        ("0,125", RowProblem.AMOUNT_DECIMAL_COMMA, "write 0.125"),
        ("12,", RowProblem.AMOUNT_DECIMAL_COMMA, "with a decimal point"),
        ("$5", RowProblem.AMOUNT_CURRENCY_SIGN, "write 5"),
        ("-€12.50", RowProblem.AMOUNT_CURRENCY_SIGN, "write -12.5"),
        ("12 £", RowProblem.AMOUNT_CURRENCY_SIGN, "write 12"),
        ("SAR 12", RowProblem.AMOUNT_CURRENCY_SIGN, "write 12"),
        ("12EGP", RowProblem.AMOUNT_CURRENCY_SIGN, "write 12"),
        ("−5", RowProblem.AMOUNT_TYPOGRAPHIC_MINUS, "write -5"),
        ("–12.50", RowProblem.AMOUNT_TYPOGRAPHIC_MINUS, "write -12.5"),
        ("—", RowProblem.AMOUNT_TYPOGRAPHIC_MINUS, "plain minus"),
        ("1234567890123456", RowProblem.AMOUNT_TOO_MANY_DIGITS, "16 significant digits"),
        ("1000000000000000", RowProblem.AMOUNT_TOO_MANY_DIGITS, "16 significant digits"),
        ("1234567890.123456", RowProblem.AMOUNT_TOO_MANY_DIGITS, "16 significant digits"),
        ("0.1234567", RowProblem.AMOUNT_TOO_MANY_DECIMALS, "7 decimals"),
    ],
)
def test_anything_else_is_refused_with_advice(text: str, problem: RowProblem, advice: str):
    refused = bad(text)
    assert refused.problem is problem
    assert advice in refused.complaint


@pytest.mark.parametrize(
    ("text", "problem", "advice"),
    [
        ("1.250", RowProblem.AMOUNT_THOUSANDS_SEPARATOR, "write 1250, or 1.2500 if decimals are meant"),
        ("-1,250", RowProblem.AMOUNT_THOUSANDS_SEPARATOR, "write -1250, or -1.2500 if decimals are meant"),
        ("0,125", RowProblem.AMOUNT_DECIMAL_COMMA, "accepted only with one or two decimals; write 0.125"),
        (",5", RowProblem.AMOUNT_DECIMAL_COMMA, "write 0.5"),
        ("1.000,50", RowProblem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000.5"),
    ],
)
def test_semicolon_file_is_never_guessed_at(text: str, problem: RowProblem, advice: str):
    refused = bad(text, semicolon_file=True)
    assert refused.problem is problem
    assert advice in refused.complaint


BOTH_READINGS = "write -2000, or -2.0000 if decimals are meant"


@pytest.mark.parametrize("semicolon_file", [True, False])
@pytest.mark.parametrize(
    ("text", "problem", "advice"),
    [
        ("2.000-", RowProblem.AMOUNT_NOT_A_NUMBER, BOTH_READINGS),
        ("(2.000)", RowProblem.AMOUNT_NOT_A_NUMBER, BOTH_READINGS),
        ("(2,000)", RowProblem.AMOUNT_NOT_A_NUMBER, BOTH_READINGS),
        ("- 2.000", RowProblem.AMOUNT_NOT_A_NUMBER, BOTH_READINGS),
        ("\u22122.000", RowProblem.AMOUNT_TYPOGRAPHIC_MINUS, BOTH_READINGS),
        ("-2.000 €", RowProblem.AMOUNT_CURRENCY_SIGN, BOTH_READINGS),
        ("EUR -2.000", RowProblem.AMOUNT_CURRENCY_SIGN, BOTH_READINGS),
        ("-٢.٠٠٠", RowProblem.AMOUNT_NOT_A_NUMBER, BOTH_READINGS),
        ("2.0000-", RowProblem.AMOUNT_NOT_A_NUMBER, "write -2"),
        ("2.00 €", RowProblem.AMOUNT_CURRENCY_SIGN, "write 2"),
        ("2000-", RowProblem.AMOUNT_NOT_A_NUMBER, "write -2000"),
    ],
)
def test_advice_shows_both_readings_of_three_digits_after_a_point(
    text: str, problem: RowProblem, advice: str, semicolon_file: bool
):
    refused = bad(text, semicolon_file=semicolon_file)
    assert refused.problem is problem
    assert refused.complaint.endswith(advice)


@pytest.mark.parametrize(
    ("text", "is_ambiguous"),
    [
        ("1.250", True),
        ("1.000", True),
        ("-999.125", True),
        ("1.25", False),
        ("0.125", False),
        ("1250.125", False),
    ],
)
def test_beside_decimal_commas_three_decimals_may_be_thousands(text: str, is_ambiguous: bool):
    assert amount_of(text)
    if is_ambiguous:
        refused = bad(text, has_decimal_commas=True)
        assert refused.problem is RowProblem.AMOUNT_THOUSANDS_SEPARATOR
        assert "if decimals are meant" in refused.complaint
    else:
        assert amount_of(text, has_decimal_commas=True) == amount_of(text)


@pytest.mark.parametrize(
    ("text", "shows"),
    [("12,50", True), ("-0,5", True), ("1.000,50", True), ("0,125", True),
     ("1,000", False), ("1,000.50", False), ("12.50", False), ("5", False), ("1,00,000", False)],
)  # fmt: skip
def test_decimal_comma_is_told_from_a_thousands_comma(text: str, shows: bool):
    assert shows_decimal_comma(text) is shows


@given(
    st.from_regex(r"[1-9][0-9]{0,2}[.][0-9]{3}", fullmatch=True),
    st.sampled_from(["{}-", "({})", "{} €", "$ {}", "\u2212{}", "- {}", "{} SAR"]),
    st.booleans(),
)
def test_advice_never_settles_what_three_digits_after_a_point_mean(
    number: str, form: str, semicolon_file: bool
):
    complaint = bad(form.format(number), semicolon_file=semicolon_file).complaint
    assert number.replace(".", "") in complaint
    assert f"{number}0 if decimals are meant" in complaint


@pytest.mark.parametrize(
    ("text", "amount_max", "is_within"),
    [
        ("100", "100", True),
        ("-100.00", "100", True),
        ("100.000001", "100", False),
        ("-101", "100", False),
        ("0.5", "0.5", True),
        ("0.6", "0.5", False),
        ("999999999999999", "0", True),
        ("1000000", "1E+6", True),
    ],
)
def test_largest_amount_is_inclusive_and_zero_switches_it_off(text: str, amount_max: str, is_within: bool):
    if is_within:
        assert Decimal(amount_of(text, amount_max=amount_max)) == Decimal(text)
    else:
        assert bad(text, amount_max=amount_max).problem is RowProblem.AMOUNT_BEYOND_LIMIT


numbers = st.from_regex(r"[+-]?[0-9]{1,9}(\.[0-9]{1,6})?", fullmatch=True).filter(Decimal)


@given(numbers)
def test_value_is_kept_exactly_and_equal_numbers_have_equal_text(text: str):
    amount = amount_of(text)
    assert Decimal(amount) == Decimal(text)
    assert amount == amount_of(amount)
    assert amount == format(Decimal(text).normalize(), "f")


@given(
    numbers, st.booleans(), st.sampled_from(["0", "0.5", "9", "10", "99.5", "100", "123456", "1E+9", "1E+12"])
)
def test_quick_pattern_accepts_only_what_is_canonical_as_it_stands(
    text: str, is_comma_for_decimals: bool, amount_max: str
):
    decimals_max = 2 if is_comma_for_decimals else limits.DECIMALS_MAX
    pattern = clean_amount_pattern(amount_max=Decimal(amount_max), decimals_max=decimals_max)
    if re.fullmatch(pattern, text):
        assert amount_of(text, amount_max=amount_max, semicolon_file=is_comma_for_decimals) == text
        assert amount_of(text, amount_max=amount_max, has_decimal_commas=is_comma_for_decimals) == text


@given(st.text(alphabet="0123456789.,-+eE '$\u2212()%\u0665abc", max_size=20), st.booleans())
def test_every_text_is_an_amount_or_bad(text: str, semicolon_file: bool):
    try:
        amount = amount_of(text.strip(), semicolon_file=semicolon_file)
    except InvalidAmount as refused:
        assert refused.complaint
    else:
        assert Decimal(amount) != 0
        assert Decimal(amount) == Decimal(text.strip().replace(",", "."))
