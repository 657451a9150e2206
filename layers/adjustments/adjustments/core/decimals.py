"""Exact sums of amounts: a sum that would have to be rounded is an error."""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import reduce
from typing import Final

_EXACT: Final = Context(prec=60, traps=[Inexact, InvalidOperation, Overflow])
"""60 digits are more than the sum of ten million amounts of 15 digits and 6 decimals needs."""


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add amounts without rounding."""
    return reduce(_EXACT.add, amounts, Decimal(0))


def exact_sum_of_many(times: Mapping[str, int]) -> Decimal:
    """Add amounts without rounding.

    Args:
        times: how often each amount, as text, counts.
    """
    return exact_sum(_EXACT.multiply(Decimal(amount), count) for amount, count in times.items())


def plain(amount: Decimal) -> str:
    """Format an amount without an exponent and without trailing zeros after the decimal point."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
