"""Predicts for a dry run what a real run would do to each row, based on current balances."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from adjustments.core.decimals import exact_sum, plain
from adjustments.gameball.port import Dialect
from adjustments.polling.job_status import listed_rows

_BALANCE_FIELDS: Final = ("availablePointsBalance", "totalPointsBalance", "pointsBalance", "balance")
"""Fields of a balance inquiry that may have the balance; they are not documented (docs/decisions.md)."""


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
    value = next((row[name] for name in _BALANCE_FIELDS if name in row), None)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return PredictedOutcome.NOT_PREDICTED
    return Decimal(value)


def store_balance(balance: Balance) -> str:
    """Write a balance as text; a customer without one has the predicted outcome in its place."""
    return balance.value if isinstance(balance, PredictedOutcome) else plain(balance)


def restore_balance(text: str) -> Balance:
    """Read what ``store_balance`` wrote."""
    return PredictedOutcome(text) if text in set(PredictedOutcome) else Decimal(text)


class Predictor:
    """Predicts the outcomes of the rows of a file, in order.

    Args:
        repeated: the customers with more than one row, whose balance is carried from row to row.
    """

    def __init__(self, repeated: set[str]) -> None:
        self.repeated = repeated
        self.carried: dict[str, Balance] = {}
        self.counts = dict.fromkeys(PredictedOutcome, 0)

    def predict(self, customer_id: str, amount: Decimal, balance: Balance) -> tuple[PredictedOutcome, str]:
        """Predict the outcome of a row.

        Args:
            customer_id: the customer.
            amount: the signed amount.
            balance: the customer's balance at Gameball; earlier rows of the customer change it.

        Returns:
            The outcome, and a message for people.
        """
        before = self.carried.get(customer_id, balance)
        outcome = _predict(before, amount)
        self.counts[outcome] += 1
        if customer_id in self.repeated:
            self.carried[customer_id] = _after(before, amount, outcome)
        return outcome, _message(outcome, before, amount)


def _predict(before: Balance, amount: Decimal) -> PredictedOutcome:
    if isinstance(before, PredictedOutcome):
        return before
    return (
        PredictedOutcome.WOULD_OVERDRAW
        if amount < 0 and before + amount < 0
        else PredictedOutcome.WOULD_APPLY
    )


def _after(before: Balance, amount: Decimal, outcome: PredictedOutcome) -> Balance:
    if outcome is PredictedOutcome.WOULD_APPLY and isinstance(before, Decimal):
        return exact_sum([before, amount])
    return before


def _message(outcome: PredictedOutcome, before: Balance, amount: Decimal) -> str:
    match outcome:
        case PredictedOutcome.WOULD_OVERDRAW if isinstance(before, Decimal):
            return f"would fail: {plain(amount)} overdraws the balance of {plain(before)}"
        case PredictedOutcome.UNKNOWN_CUSTOMER:
            return "would fail: Gameball does not know this customer"
        case PredictedOutcome.NOT_PREDICTED:
            return "dry run: nothing was sent, and the balance could not be looked up"
        case _:
            return "dry run: nothing was sent; would be applied"
