"""The amount: from what is in the file to canonical JSON-number text with exactly the digits' value.

Read: digits 0 to 9 with an optional sign and an optional decimal point (``5``, ``+5``, ``007``, ``.5``,
``12.50``), and in a semicolon file also a decimal comma with one or two decimals (``12,5``, ``12,50``).

Written: no plus, no leading zeros, a digit before the point, no trailing zeros after it, no ``-0``. So
equal numbers have equal text, and a hash of the rows does not depend on formatting. Limits are counted on the
canonical text. No float is involved anywhere.

Dangerous: ``1.250`` is one thousand two hundred and fifty where decimals have a comma, and one and a quarter
elsewhere. It is rejected rather than guessed in a semicolon file, and in any other file of which a row has a
decimal comma. Advice never settles it either: ``(1.250)`` or ``1.250 €`` is refused with both readings.
"""

import re
from decimal import Decimal
from typing import Final, NoReturn

from adjustments.core import limits
from adjustments.submission.csv.problems import RowProblem

# Compiled when they are met first, which is seldom: most amounts are found clean a column at a time.
_PLAIN: Final = r"([+-]?)([0-9]*)(?:\.([0-9]+))?"
_COMMA_OF_SEMICOLON_FILE: Final = r"[+-]?[0-9]+,[0-9]{1,2}"
_THOUSAND_OR_FRACTION: Final = r"([+-]?[1-9][0-9]{0,2})[.,]([0-9]{3})"

_GROUPED: Final = (
    r"([+-]?)([1-9][0-9]{0,2}(?:([,.'’_٬\s])[0-9]{2,3})?(?:\3[0-9]{2,3})*(?<=[0-9]{3}))"  # noqa: RUF001
    r"(?:(?!\3)[.,٫]([0-9]+))?"  # noqa: RUF001
)
_SCIENTIFIC: Final = r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)[eE][+-]?[0-9]+"
_NOT_FINITE: Final = r"(?i)[+-]?(?:s?nan|inf(?:inity)?|∞|1\.#(?:inf|ind|qnan)0*)"
_CURRENCY_CODE: Final = r"[A-Z]{3}\s*[+-]?[0-9][0-9.,]*|[+-]?[0-9][0-9.,]*\s*[A-Z]{3}"
_DECIMAL_COMMA: Final = r"[+-]?(?:[0-9]+,[0-9]*|,[0-9]+)"
_MINUS_MISPLACED: Final = r"\(([0-9.,]+)\)|([0-9.,]+)-|-\s+([0-9.,]+)"
_HAS_DECIMAL_COMMA: Final = rf"{_DECIMAL_COMMA}|[+-]?[0-9]{{1,3}}(?:\.[0-9]{{3}})+,[0-9]+"

_MINUS_LOOKALIKES: Final = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－"), "-")  # noqa: RUF001
_CURRENCY_SIGNS: Final = dict.fromkeys(
    [*map(ord, "$¢£¤¥֏؋৳฿៛﷼﹩＄￠￡￥￦"), *range(0x20A0, 0x20D0)]  # noqa: RUF001
)


class InvalidAmount(Exception):
    """The text is not an amount that can be sent.

    Args:
        problem: its code.
        complaint: what is wrong and what to do, to stand after the offending text.
    """

    def __init__(self, problem: RowProblem, complaint: str) -> None:
        super().__init__(complaint)
        self.problem = problem
        self.complaint = complaint


def canonicalise(
    text: str, *, amount_max: Decimal, semicolon_file: bool, has_decimal_commas: bool = False
) -> str:
    """The amount as canonical JSON-number text.

    Args:
        text: the cell, white space stripped.
        amount_max: the largest absolute amount, inclusive; 0 switches the check off.
        semicolon_file: whether the delimiter is a semicolon, which allows a decimal comma.
        has_decimal_commas: whether a row of the file has a decimal comma, which makes ``1.250`` ambiguous.
    Raises:
        InvalidAmount: the text is not exactly one finite, non-zero number within the limits.
    """
    if has_decimal_commas and not semicolon_file and re.fullmatch(_THOUSAND_OR_FRACTION, text):
        raise InvalidAmount(
            RowProblem.AMOUNT_THOUSANDS_SEPARATOR,
            "has a thousands separator or three decimals, and other rows of this file have decimal commas; "
            f"write {_readings(text, 'digits')}",
        )
    amount = _normal_form(text, semicolon_file=semicolon_file)
    if amount is None:
        _diagnose(text, semicolon_file=semicolon_file)
    if amount == "0":
        raise InvalidAmount(
            RowProblem.AMOUNT_ZERO, "is zero and would change nothing; write another amount or remove the row"
        )
    whole, _, fraction = amount.removeprefix("-").partition(".")
    if len(fraction) > limits.DECIMALS_MAX:
        raise InvalidAmount(
            RowProblem.AMOUNT_TOO_MANY_DECIMALS,
            f"has {len(fraction)} decimals; write at most {limits.DECIMALS_MAX}",
        )
    digits = len((whole + fraction).lstrip("0"))
    if digits > limits.SIGNIFICANT_DIGITS_MAX:
        raise InvalidAmount(
            RowProblem.AMOUNT_TOO_MANY_DIGITS,
            f"has {digits} significant digits; write at most {limits.SIGNIFICANT_DIGITS_MAX}",
        )
    if amount_max and Decimal(amount).copy_abs() > amount_max:
        raise InvalidAmount(
            RowProblem.AMOUNT_BEYOND_LIMIT,
            f"is beyond the limit of {amount_max:f} for one row; "
            "correct it, or have MaxAbsoluteAmount raised",
        )
    return amount


def shows_decimal_comma(text: str) -> bool:
    """Whether an amount that was rejected has a decimal comma: ``12,50``, ``1.000,50``."""
    return re.fullmatch(_HAS_DECIMAL_COMMA, text) is not None and not re.fullmatch(
        _THOUSAND_OR_FRACTION, text
    )


def clean_amount_pattern(*, amount_max: Decimal, decimals_max: int = limits.DECIMALS_MAX) -> str:
    """A pattern for amounts that are canonical and within all limits as they stand: what most rows have.

    It may miss amounts that ``canonicalise`` accepts, never the reverse: with k digits before the point a
    number is below 10^k, and k is chosen so that this is within ``amount_max``. Where three decimals may be
    thousands, ``decimals_max`` is 2.
    """
    whole_digits_max = limits.SIGNIFICANT_DIGITS_MAX - limits.DECIMALS_MAX
    if amount_max:
        whole_digits_max = min(whole_digits_max, amount_max.adjusted())
    if whole_digits_max < 1:
        return "(?!)"
    return rf"-?[1-9][0-9]{{0,{whole_digits_max - 1}}}(?:\.[0-9]{{0,{decimals_max - 1}}}[1-9])?"


def _normal_form(text: str, *, semicolon_file: bool) -> str | None:
    if semicolon_file:
        if re.fullmatch(_THOUSAND_OR_FRACTION, text):
            return None
        if re.fullmatch(_COMMA_OF_SEMICOLON_FILE, text):
            text = text.replace(",", ".")
    found = re.fullmatch(_PLAIN, text)
    if found is None or not (found[2] or found[3]):
        return None
    whole = found[2].lstrip("0") or "0"
    fraction = (found[3] or "").rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    return f"-{number}" if found[1] == "-" and number != "0" else number


def _diagnose(text: str, *, semicolon_file: bool) -> NoReturn:
    """Raise for a text that is not a number, with what people most often mean by it; surest signs first."""
    if not text:
        raise InvalidAmount(
            RowProblem.AMOUNT_MISSING,
            "the amount is empty; write how much to add, or with a minus how much to deduct",
        )
    hyphened = text.translate(_MINUS_LOOKALIKES)
    if hyphened != text:
        raise InvalidAmount(
            RowProblem.AMOUNT_TYPOGRAPHIC_MINUS,
            "has a typographic minus or dash instead of the plain minus of the keyboard; "
            f"write {_readings(hyphened, 'it with that')}",
        )
    if re.fullmatch(_NOT_FINITE, text):
        raise InvalidAmount(RowProblem.AMOUNT_NOT_FINITE, "is not a finite number; write digits only")
    if re.fullmatch(_SCIENTIFIC, text):
        raise InvalidAmount(
            RowProblem.AMOUNT_SCIENTIFIC,
            "is in scientific notation, where digits may be lost; write all digits of the original amount",
        )
    bare = text.translate(_CURRENCY_SIGNS)
    if bare != text or re.fullmatch(_CURRENCY_CODE, text):
        raise InvalidAmount(
            RowProblem.AMOUNT_CURRENCY_SIGN,
            f"has a currency sign or unit; write {_readings(_without_unit(bare), 'the number alone')}",
        )
    _diagnose_separators(text, semicolon_file=semicolon_file)
    raise InvalidAmount(RowProblem.AMOUNT_NOT_A_NUMBER, _advice_on_no_number(text))


def _diagnose_separators(text: str, *, semicolon_file: bool) -> None:
    either = re.fullmatch(_THOUSAND_OR_FRACTION, text)
    if semicolon_file and either:
        raise InvalidAmount(
            RowProblem.AMOUNT_THOUSANDS_SEPARATOR,
            f"has a thousands separator or three decimals; write {_readings(text, 'digits')}",
        )
    grouped = re.fullmatch(_GROUPED, text)
    if grouped and grouped[3]:
        digits = re.sub("[^0-9]", "", grouped[2])
        number = grouped[1] + digits + (f".{grouped[4]}" if grouped[4] else "")
        raise InvalidAmount(
            RowProblem.AMOUNT_THOUSANDS_SEPARATOR,
            f"has a thousands separator; write {_number_or(number, 'it without')}",
        )
    if re.fullmatch(_DECIMAL_COMMA, text):
        write = f"write {_number_or(text.replace(',', '.'), 'it with a decimal point')}"
        allowed = "with one or two decimals" if semicolon_file else "in semicolon files"
        raise InvalidAmount(
            RowProblem.AMOUNT_DECIMAL_COMMA, f"has a decimal comma, which is accepted only {allowed}; {write}"
        )


def _advice_on_no_number(text: str) -> str:
    western = "".join(str(int(char)) if char.isdecimal() else char for char in text)
    if western != text:
        return f"is not written with the digits 0 to 9; write {_readings(western, 'it with those')}"
    misplaced = re.fullmatch(_MINUS_MISPLACED, text)
    if misplaced:
        number = next(filter(None, misplaced.groups()))
        write = _readings("-" + number, "digits")
        return f"is not a number; with the minus right before the digits, write {write}"
    return "is not a number; write digits only, such as 250 or -12.5"


def _without_unit(text: str) -> str:
    return re.sub("[A-Z]{3}", "", text).strip()


def _readings(text: str, otherwise: str) -> str:
    """What to write for a number: both readings where three digits after a point or comma leave it open."""
    either = re.fullmatch(_THOUSAND_OR_FRACTION, text)
    if either:
        sign_and_whole = either[1].removeprefix("+")
        return f"{sign_and_whole}{either[2]}, or {sign_and_whole}.{either[2]}0 if decimals are meant"
    return _number_or(text, otherwise)


def _number_or(text: str, otherwise: str) -> str:
    short = len(text) <= limits.SIGNIFICANT_DIGITS_MAX + 2
    return (_normal_form(text, semicolon_file=False) if short else None) or otherwise
