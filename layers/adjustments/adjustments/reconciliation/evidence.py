"""Judges a row in doubt by its customer's transaction list (docs/reliability.md, "In doubt").

Only what is certain is settled. One transaction that fits and that nothing else explains: applied. Absence
proves nothing, because Gameball may apply late and another row may look the same; it counts only for a row
whose reason carried a token, once the quiet time has passed. Everything else stays in doubt.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from adjustments.core.limits import CLOCK_SKEW_S

CLOCK_SKEW: Final = timedelta(seconds=CLOCK_SKEW_S)
"""How far Gameball's clock may be behind the sender's. An older entry that looks the same in these seconds
is no more likely than one within the days that are looked at anyhow.
"""


class Evidence(StrEnum):
    """What the evidence says of a row."""

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    UNCERTAIN = "uncertain"


class Doubt(NamedTuple):
    """A row in doubt; ``rivals`` says how many other rows of ours, in whatever batch, look the same."""

    customer_id: str
    amount: Decimal
    reason: str
    intent_at: datetime
    has_token: bool
    rivals: int


class Transaction(NamedTuple):
    """A transaction that no manual transaction explains: its signed amount, its reason, and when it was."""

    amount: Decimal
    reason: str
    at: datetime


def read_transactions(answers: Iterable[Mapping[str, Any]]) -> list[Transaction]:
    """Read pages of a transaction list; entries with a transactionId belong to manual transactions."""
    entries = (entry for answer in answers for entry in _entries(answer))
    found = (_transaction(entry) for entry in entries if not entry.get("transactionId"))
    return [transaction for transaction in found if transaction]


def judge(doubt: Doubt, transactions: Sequence[Transaction], now: datetime, quiet: timedelta) -> Evidence:
    """Say what a customer's complete transaction list proves about a row.

    Args:
        doubt: the row.
        transactions: what the customer's list holds, whole.
        now: the time, UTC.
        quiet: how long after the intent Gameball may still apply it.
    """
    fitting = [transaction for transaction in transactions if _fits(doubt, transaction)]
    if len(fitting) == 1 and (doubt.has_token or not doubt.rivals):
        return Evidence.APPLIED
    if not fitting and doubt.has_token and now >= doubt.intent_at + quiet:
        return Evidence.NOT_APPLIED
    return Evidence.UNCERTAIN


def _fits(doubt: Doubt, transaction: Transaction) -> bool:
    if (transaction.amount, transaction.reason) != (doubt.amount, doubt.reason):
        return False
    return doubt.has_token or transaction.at >= doubt.intent_at - CLOCK_SKEW


def _entries(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = answer.get("transactions")
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []


def _transaction(entry: Mapping[str, Any]) -> Transaction | None:
    amount, at = _signed_amount(entry), _instant(entry.get("transactionTime"))
    return Transaction(amount, str(entry.get("reason") or ""), at) if amount is not None and at else None


def _signed_amount(entry: Mapping[str, Any]) -> Decimal | None:
    """The amount with its sign; lists give it bare beside a direction, or signed (docs/gameball-api.md)."""
    told = entry.get("amount") if entry.get("amount") is not None else entry.get("points")
    if isinstance(told, bool) or not isinstance(told, int | Decimal):
        return None
    amount = Decimal(told)
    return -amount if amount > 0 and str(entry.get("direction")) == "-" else amount


def _instant(text: object) -> datetime | None:
    """A time; one without an offset is UTC."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
