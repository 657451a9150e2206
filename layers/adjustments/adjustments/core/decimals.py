"""Exact sums of amounts: a digit that would be rounded away is an error, never a silent loss."""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import reduce
from typing import Final

_EXACT: Final = Context(prec=60, traps=[Inexact, InvalidOperation, Overflow])
"""60 digits hold ten million amounts of 15 digits and 6 decimals with room to spare."""


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add amounts without rounding."""
    return reduce(_EXACT.add, amounts, Decimal(0))


def exact_sum_of_many(times: Mapping[str, int]) -> Decimal:
    """Add amounts, each so many times, without rounding."""
    return exact_sum(_EXACT.multiply(Decimal(amount), count) for amount, count in times.items())


def plain(amount: Decimal) -> str:
    """Write an amount as people do: no exponent, no trailing zeros behind the point."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
