"""Finds a manual transaction in Gameball's transaction list, and says whether it is the same one.

The list gives ``points`` and ``amount`` bare beside a ``direction``, and the Gameball id as text; the seed's
answer gives both with their sign, and the id as a number.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from adjustments.manual.transaction import ManualTransaction

ANSWER_FIELDS: Final = ("customerId", "gameballTransactionId", "transactionId", "points", "amount")


def find(page: Mapping[str, Any], transaction_id: str) -> Mapping[str, Any] | None:
    """The entry of this id on a page of the list."""
    return next((entry for entry in _entries(page) if entry.get("transactionId") == transaction_id), None)


def next_page(page: Mapping[str, Any]) -> str | None:
    """What the next page starts after; None on the last one, or where the list does not say."""
    entries = _entries(page)
    last = entries[-1].get("gameballTransactionId") if entries and page.get("hasMore") else None
    return None if last is None else str(last)


def is_same(entry: Mapping[str, Any], transaction: ManualTransaction) -> bool:
    """Whether the stored transaction is ours: id, customer, and points or amount (gameball-api.md)."""
    method = "points" if transaction.points is not None else "amount"
    return (
        entry.get("transactionId") == transaction.transaction_id
        and entry.get("customerId") == transaction.customer_id
        and _signed(entry, method) == transaction.change
    )


def answer(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The seed's answer, from an entry of the list."""
    return {
        "customerId": entry["customerId"],
        "gameballTransactionId": _whole(entry.get("gameballTransactionId")),
        "transactionId": entry["transactionId"],
        "points": _signed(entry, "points"),
        "amount": _signed(entry, "amount"),
    }


def seed_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the seed's answer, and no others."""
    found = {name: fields[name] for name in ANSWER_FIELDS if name in fields}
    return {**found, "gameballTransactionId": _whole(fields.get("gameballTransactionId"))}


def _whole(number: object) -> object:
    """A number that came as text."""
    return int(number) if isinstance(number, str) and number.isascii() and number.isdigit() else number


def _entries(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = page.get("transactions")
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []


def _signed(entry: Mapping[str, Any], name: str) -> Decimal | None:
    told = entry.get(name)
    if isinstance(told, bool) or not isinstance(told, int | Decimal):
        return None
    # copy_abs, since abs() would round to the context's precision.
    return -Decimal(told).copy_abs() if entry.get("direction") == "-" else Decimal(told)
