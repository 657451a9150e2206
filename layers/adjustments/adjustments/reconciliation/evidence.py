"""What a customer's transaction list proves about a row in doubt (docs/reliability.md, "In doubt").

A row that was sent as a transaction has an id of its own, by which the list has it or not. The rest is about
rows of requests that hold many, whose rows have no id.

A row is settled only when its outcome is certain. It was applied if exactly one transaction matches it and no
other row of ours can explain that transaction. A missing transaction proves nothing, because Gameball may
apply the row later and another row may look the same, with one exception: a row whose reason carries a token
was not applied if no transaction matches it once the quiet period is over. All other rows stay in doubt.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from adjustments.batches.lookup_rounds import DoubtfulRow
from adjustments.batches.next_step import LEASE_S
from adjustments.batches.payloads import has_reason_token
from adjustments.core import exact_json
from adjustments.core.limits import CLOCK_SKEW_S
from adjustments.manual_transactions.matching import is_same
from adjustments.manual_transactions.model import read_manual_transaction

CLOCK_SKEW: Final = timedelta(seconds=CLOCK_SKEW_S)
"""How far Gameball's clock may be behind the sender's: a transaction still matches a row if it is this much
older than the intent to send that row.
"""


class Assessment(StrEnum):
    """What the evidence proves about a row in doubt."""

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    UNCERTAIN = "uncertain"


class Transaction(NamedTuple):
    """An entry of a transaction list that is not a manual transaction; the amount has its sign."""

    amount: Decimal
    reason: str
    at: datetime


def read_transactions(answers: Iterable[Mapping[str, Any]]) -> list[Transaction]:
    """Read the pages of a transaction list, without manual transactions: those have a transactionId."""
    entries = (entry for answer in answers for entry in _entries(answer))
    found = (_transaction(entry) for entry in entries if not entry.get("transactionId"))
    return [transaction for transaction in found if transaction]


def listed_like(
    rows: frozenset[tuple[Decimal, str]], answers: Iterable[Mapping[str, Any]]
) -> list[Transaction]:
    """The transactions of a list that look like one of some rows of a batch.

    Args:
        rows: the amounts and reasons of the rows.
        answers: the pages of the list.
    """
    return [entry for entry in read_transactions(answers) if (entry.amount, entry.reason) in rows]


def assess_row(
    row: DoubtfulRow,
    lookalikes: int,
    transactions: Sequence[Transaction],
    now: datetime,
    quiet_period: timedelta,
) -> Assessment:
    """Assess what a customer's complete transaction list proves about a row.

    Args:
        row: the row in doubt.
        lookalikes: how many other rows of ours, of any batch, look the same in a transaction list.
        transactions: all of the customer's transactions but manual ones.
        now: the time, UTC.
        quiet_period: how long after the intent to send it Gameball may still apply the row.
    """
    has_token = has_reason_token(row.reason)
    matches = [transaction for transaction in transactions if _matches(row, has_token, transaction)]
    if len(matches) == 1 and (has_token or not lookalikes):
        return Assessment.APPLIED
    if not matches and has_token and now >= row.intent_at + quiet_period:
        return Assessment.NOT_APPLIED
    return Assessment.UNCERTAIN


def listed_with_ids(
    ids: frozenset[str], answers: Iterable[Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """The entries of a transaction list that have one of some transactionIds, by id.

    Args:
        ids: the transactionIds of rows in doubt.
        answers: the pages of the list.
    """
    entries = (entry for answer in answers for entry in _entries(answer))
    return {entry["transactionId"]: entry for entry in entries if entry.get("transactionId") in ids}


def assess_transaction(
    row: DoubtfulRow, entry: Mapping[str, Any] | None, now: datetime, quiet_period: timedelta
) -> Assessment:
    """Assess what a customer's complete transaction list proves about a row that was sent as a transaction.

    Args:
        row: the row in doubt.
        entry: the entry of its transactionId, None where the list has none.
        now: the time, UTC.
        quiet_period: how long after its last request Gameball may still apply the row.
    """
    if entry is None:
        sent_until = row.intent_at + timedelta(seconds=LEASE_S)
        return Assessment.NOT_APPLIED if now >= sent_until + quiet_period else Assessment.UNCERTAIN
    same = is_same(entry, read_manual_transaction(exact_json.read(row.request), now))
    if same is None:
        return Assessment.UNCERTAIN
    return Assessment.APPLIED if same else Assessment.NOT_APPLIED


def _matches(row: DoubtfulRow, has_token: bool, transaction: Transaction) -> bool:
    if (transaction.amount, transaction.reason) != (row.amount, row.reason):
        return False
    return has_token or transaction.at >= row.intent_at - CLOCK_SKEW


def _entries(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = answer.get("transactions")
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []


def _transaction(entry: Mapping[str, Any]) -> Transaction | None:
    amount, at = _signed_amount(entry), _instant(entry.get("transactionTime"))
    return Transaction(amount, str(entry.get("reason") or ""), at) if amount is not None and at else None


def _signed_amount(entry: Mapping[str, Any]) -> Decimal | None:
    """The amount with its sign, which is in the amount or in ``direction`` (docs/gameball-api.md)."""
    value = entry.get("amount") if entry.get("amount") is not None else entry.get("points")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    amount = Decimal(value)
    return -amount if amount > 0 and str(entry.get("direction")) == "-" else amount


def _instant(text: object) -> datetime | None:
    """Read a time; without an offset it is UTC."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
