"""Foretells what a real run would do to each row, from the balances that Gameball tells (dry run only)."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from adjustments.core.decimals import exact_sum, plain
from adjustments.gameball.port import Dialect
from adjustments.polling.job_status import listed_rows

_BALANCE_FIELDS: Final = ("availablePointsBalance", "totalPointsBalance", "pointsBalance", "balance")
"""Where a row of a balance inquiry may tell the balance; nobody documents it (docs/decisions.md)."""


class PredictedOutcome(StrEnum):
    """What a real run would probably do to a row."""

    WOULD_APPLY = "would_apply"
    WOULD_OVERDRAW = "would_overdraw"
    UNKNOWN_CUSTOMER = "unknown_customer"
    NOT_PREDICTED = "not_predicted"


Balance = Decimal | PredictedOutcome
"""A customer's balance, or why there is none: unknown_customer or not_predicted."""


def read_balances(dialect: Dialect, answer: Mapping[str, Any]) -> dict[str, Balance]:
    """Read an ended balance inquiry: the balance of each customer that is listed."""
    good, bad = listed_rows(dialect, answer)
    balances: dict[str, Balance] = {str(row["customerId"]): _balance_in(row) for row in good}
    return balances | {str(row["customerId"]): PredictedOutcome.UNKNOWN_CUSTOMER for row in bad}


def _balance_in(row: Mapping[str, Any]) -> Balance:
    told = next((row[name] for name in _BALANCE_FIELDS if name in row), None)
    if isinstance(told, bool) or not isinstance(told, int | Decimal):
        return PredictedOutcome.NOT_PREDICTED
    return Decimal(told)


def store_balance(balance: Balance) -> str:
    """Write a balance down; a forecast is its own name."""
    return balance.value if isinstance(balance, PredictedOutcome) else plain(balance)


def restore_balance(text: str) -> Balance:
    """Read back what ``store_balance`` wrote."""
    return PredictedOutcome(text) if text in set(PredictedOutcome) else Decimal(text)


class Predictor:
    """Judges a file's rows in order.

    ``repeated`` are the customers with more than one row, whose balance has to be carried from row to row.
    """

    def __init__(self, repeated: set[str]) -> None:
        self.repeated = repeated
        self.carried: dict[str, Balance] = {}
        self.counts = dict.fromkeys(PredictedOutcome, 0)

    def judge(self, customer_id: str, amount: Decimal, balance: Balance) -> tuple[PredictedOutcome, str]:
        """Say what would become of a row.

        Args:
            customer_id: whom it is for.
            amount: what it adds or takes.
            balance: the customer's balance as told; overruled by what earlier rows made of it.
        """
        before = self.carried.get(customer_id, balance)
        forecast = _forecast(before, amount)
        self.counts[forecast] += 1
        if customer_id in self.repeated:
            self.carried[customer_id] = _after(before, amount, forecast)
        return forecast, _words(forecast, before, amount)


def _forecast(before: Balance, amount: Decimal) -> PredictedOutcome:
    if isinstance(before, PredictedOutcome):
        return before
    return (
        PredictedOutcome.WOULD_OVERDRAW
        if amount < 0 and before + amount < 0
        else PredictedOutcome.WOULD_APPLY
    )


def _after(before: Balance, amount: Decimal, forecast: PredictedOutcome) -> Balance:
    if forecast is PredictedOutcome.WOULD_APPLY and isinstance(before, Decimal):
        return exact_sum([before, amount])
    return before


def _words(forecast: PredictedOutcome, before: Balance, amount: Decimal) -> str:
    match forecast:
        case PredictedOutcome.WOULD_OVERDRAW if isinstance(before, Decimal):
            return f"would fail: {plain(amount)} overdraws the balance of {plain(before)}"
        case PredictedOutcome.UNKNOWN_CUSTOMER:
            return "would fail: Gameball does not know this customer"
        case PredictedOutcome.NOT_PREDICTED:
            return "dry run: nothing was sent, and the balance could not be looked up"
        case _:
            return "dry run: nothing was sent; would be applied"
