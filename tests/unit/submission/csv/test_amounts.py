"""An amount keeps exactly the digits of the file, or is refused with what to write instead."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjustments.submission.csv.amounts import BadAmount, canonical, clean_amount_pattern
from adjustments.submission.csv.problems import Problem


def amount_of(text: str, *, amount_max: str = "0", semicolon_file: bool = False) -> str:
    return canonical(text, amount_max=Decimal(amount_max), semicolon_file=semicolon_file)


def bad(text: str, *, amount_max: str = "0", semicolon_file: bool = False) -> BadAmount:
    with pytest.raises(BadAmount) as caught:
        amount_of(text, amount_max=amount_max, semicolon_file=semicolon_file)
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
        ("", Problem.AMOUNT_MISSING, "write how much"),
        ("0", Problem.AMOUNT_ZERO, "is zero"),
        ("-0", Problem.AMOUNT_ZERO, "is zero"),
        ("+0.000", Problem.AMOUNT_ZERO, "is zero"),
        ("five", Problem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("+", Problem.AMOUNT_NOT_A_NUMBER, "digits only"),
        (".", Problem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("5.", Problem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("--5", Problem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("5 5", Problem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("1_0", Problem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("0x1F", Problem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("#N/A", Problem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("1,2,3", Problem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("(12.5)", Problem.AMOUNT_NOT_A_NUMBER, "write -12.5 with the minus"),
        ("5-", Problem.AMOUNT_NOT_A_NUMBER, "write -5 with the minus"),
        ("- 5", Problem.AMOUNT_NOT_A_NUMBER, "write -5 with the minus"),
        ("١٢٫٥", Problem.AMOUNT_NOT_A_NUMBER, "digits 0 to 9"),
        ("١٢", Problem.AMOUNT_NOT_A_NUMBER, "write 12"),
        ("５", Problem.AMOUNT_NOT_A_NUMBER, "write 5"),
        ("²", Problem.AMOUNT_NOT_A_NUMBER, "digits only"),
        ("nan", Problem.AMOUNT_NOT_FINITE, "no finite number"),
        ("-INF", Problem.AMOUNT_NOT_FINITE, "no finite number"),
        ("Infinity", Problem.AMOUNT_NOT_FINITE, "no finite number"),
        ("1e3", Problem.AMOUNT_SCIENTIFIC, "all digits"),
        ("1.23E+05", Problem.AMOUNT_SCIENTIFIC, "all digits"),
        ("1,23E+05", Problem.AMOUNT_SCIENTIFIC, "all digits"),
        ("1,000", Problem.AMOUNT_THOUSANDS_SEPARATOR, "has a thousands separator; write 1000"),
        ("-12,345", Problem.AMOUNT_THOUSANDS_SEPARATOR, "write -12345"),
        ("1,000.50", Problem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000.5"),
        ("1.000,50", Problem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000.5"),
        ("1.000.000", Problem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000000"),
        ("1,00,000", Problem.AMOUNT_THOUSANDS_SEPARATOR, "write 100000"),
        ("1 000", Problem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000"),
        ("1\u202f000,5", Problem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000.5"),
        ("1’000", Problem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000"),
        ("12,5", Problem.AMOUNT_DECIMAL_COMMA, "accepted only in semicolon files; write 12.5"),
        ("0,125", Problem.AMOUNT_DECIMAL_COMMA, "write 0.125"),
        ("12,", Problem.AMOUNT_DECIMAL_COMMA, "with a decimal point"),
        ("$5", Problem.AMOUNT_CURRENCY_SIGN, "write 5"),
        ("-€12.50", Problem.AMOUNT_CURRENCY_SIGN, "write -12.5"),
        ("12 £", Problem.AMOUNT_CURRENCY_SIGN, "write 12"),
        ("SAR 12", Problem.AMOUNT_CURRENCY_SIGN, "the number alone"),
        ("12EGP", Problem.AMOUNT_CURRENCY_SIGN, "the number alone"),
        ("−5", Problem.AMOUNT_TYPOGRAPHIC_MINUS, "write -5"),
        ("–12.50", Problem.AMOUNT_TYPOGRAPHIC_MINUS, "write -12.5"),
        ("—", Problem.AMOUNT_TYPOGRAPHIC_MINUS, "plain minus"),
        ("1234567890123456", Problem.AMOUNT_TOO_MANY_DIGITS, "16 significant digits"),
        ("1000000000000000", Problem.AMOUNT_TOO_MANY_DIGITS, "16 significant digits"),
        ("1234567890.123456", Problem.AMOUNT_TOO_MANY_DIGITS, "16 significant digits"),
        ("0.1234567", Problem.AMOUNT_TOO_MANY_DECIMALS, "7 decimals"),
    ],
)
def test_anything_else_is_refused_with_advice(text: str, problem: Problem, advice: str):
    refused = bad(text)
    assert refused.problem is problem
    assert advice in refused.complaint


@pytest.mark.parametrize(
    ("text", "problem", "advice"),
    [
        ("1.250", Problem.AMOUNT_THOUSANDS_SEPARATOR, "write 1250, or 1.2500 if decimals are meant"),
        ("-1,250", Problem.AMOUNT_THOUSANDS_SEPARATOR, "write -1250, or -1.2500 if decimals are meant"),
        ("0,125", Problem.AMOUNT_DECIMAL_COMMA, "accepted only with one or two decimals; write 0.125"),
        (",5", Problem.AMOUNT_DECIMAL_COMMA, "write 0.5"),
        ("1.000,50", Problem.AMOUNT_THOUSANDS_SEPARATOR, "write 1000.5"),
    ],
)
def test_semicolon_file_is_never_guessed_at(text: str, problem: Problem, advice: str):
    refused = bad(text, semicolon_file=True)
    assert refused.problem is problem
    assert advice in refused.complaint


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
        assert bad(text, amount_max=amount_max).problem is Problem.AMOUNT_BEYOND_LIMIT


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
    text: str, semicolon_file: bool, amount_max: str
):
    pattern = clean_amount_pattern(amount_max=Decimal(amount_max), semicolon_file=semicolon_file)
    if re.fullmatch(pattern, text):
        assert amount_of(text, amount_max=amount_max, semicolon_file=semicolon_file) == text


@given(st.text(alphabet="0123456789.,-+eE '$\u2212()%\u0665abc", max_size=20), st.booleans())
def test_every_text_is_an_amount_or_bad(text: str, semicolon_file: bool):
    try:
        amount = amount_of(text.strip(), semicolon_file=semicolon_file)
    except BadAmount as refused:
        assert refused.complaint
    else:
        assert Decimal(amount) != 0
        assert Decimal(amount) == Decimal(text.strip().replace(",", "."))
