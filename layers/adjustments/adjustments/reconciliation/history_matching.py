"""Matches what was done here for a customer with the transactions that Gameball lists for them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from adjustments.batches.payloads import reason_as_in_file
from adjustments.reconciliation.evidence import CLOCK_SKEW, read_transactions

_PERHAPS_APPLIED: Final = frozenset({"applied", "in_doubt", "under_way"})


def matched_with(
    entries: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any] | None]:
    """Find for each listed transaction what was done here; each row is found once.

    A transactionId decides. Without one, amount and reason have to be the same and the transaction no older
    than the row; of several such rows, it is the one sent last before it.

    Args:
        entries: transactions as Gameball lists them.
        rows: the customer's rows and manual transactions, as ``CustomerHistory`` gives them.

    Returns:
        The row of each entry, None for one that was not made here, or not within these rows.
    """
    sent = [row for row in rows if row["outcome"] in _PERHAPS_APPLIED]
    by_id = {row["transactionId"]: row for row in sent if row.get("transactionId")}
    left = sorted(
        (row for row in sent if not row.get("transactionId")), key=lambda row: _time(row), reverse=True
    )
    found: list[Mapping[str, Any] | None] = []
    for entry in entries:
        named = entry.get("transactionId")
        found.append(by_id.get(named) if named else _take(entry, left))
    return found


def _take(entry: Mapping[str, Any], left: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    for listing in read_transactions([{"transactions": [entry]}]):
        wanted = listing.amount, reason_as_in_file(listing.reason)
        for row in left:
            is_same = (Decimal(row["amount"]), row["reason"]) == wanted
            if is_same and listing.at >= _time(row) - CLOCK_SKEW:
                left.remove(row)
                return row
    return None


def entries_of(pages: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The transactions on pages of a customer's list; what has another form is left out."""
    listed = (page.get("transactions") for page in pages)
    return [
        entry
        for entries in listed
        if isinstance(entries, list)
        for entry in entries
        if isinstance(entry, Mapping)
    ]


def _time(row: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(row["time"])
