"""Finds a manual transaction in Gameball's transaction list, and says whether it is the same one.

The list gives ``points`` and ``amount`` bare beside a ``direction``, and the Gameball id as text; the seed's
answer gives both with their sign, and the id as a number.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from adjustments.manual.transaction import ManualTransaction

_WHOLE: Final = "[0-9]{1,40}"
ANSWER_FIELDS: Final = ("customerId", "gameballTransactionId", "transactionId", "points", "amount")


def find(page: Mapping[str, Any], transaction: ManualTransaction) -> Mapping[str, Any] | None:
    """The entry of the transaction's id on a page of the list; of several, ours where it is there."""
    found = [entry for entry in _entries(page) if entry.get("transactionId") == transaction.transaction_id]
    ours = (entry for entry in found if is_same(entry, transaction))
    return next(ours, found[0] if found else None)


def next_page(page: Mapping[str, Any]) -> str | None:
    """What the next page starts after; None on the last one, or where the list does not say."""
    entries = _entries(page)
    last = entries[-1].get("gameballTransactionId") if entries and page.get("hasMore") else None
    return None if last is None else str(last)


def is_same(entry: Mapping[str, Any], transaction: ManualTransaction) -> bool | None:
    """Whether the stored transaction is ours: id, customer, and points or amount (gameball-api.md).

    None where the entry does not say: then it is not known to be another one either.
    """
    names = (transaction.transaction_id, transaction.customer_id)
    if (entry.get("transactionId"), entry.get("customerId")) != names:
        return False
    change = _signed(entry, "points" if transaction.points is not None else "amount")
    return None if change is None else change == transaction.change


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
    return int(number) if isinstance(number, str) and re.fullmatch(_WHOLE, number) else number


def _entries(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = page.get("transactions")
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []


def _signed(entry: Mapping[str, Any], name: str) -> Decimal | None:
    told = entry.get(name)
    if isinstance(told, bool) or not isinstance(told, int | Decimal):
        return None
    # copy_abs, since abs() would round to the context's precision.
    return -Decimal(told).copy_abs() if entry.get("direction") == "-" else Decimal(told)
