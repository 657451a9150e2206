"""Finds a manual transaction in Gameball's transaction list, and says whether it is the same one.

The list gives ``points`` and ``amount`` bare beside a ``direction``, and the Gameball id as text; the answer
of Add Manual Transaction gives both with their sign, and the id as a number.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from adjustments.manual_transactions.model import ManualTransaction

ANSWER_FIELDS: Final = ("customerId", "gameballTransactionId", "transactionId", "points", "amount")
"""The fields of Gameball's answer, which is ours too."""

_WHOLE_NUMBER: Final = "[0-9]{1,40}"


def find_entry(page: Mapping[str, Any], transaction: ManualTransaction) -> Mapping[str, Any] | None:
    """Find the entry of the transaction's id on a page of the list; of several, ours where it is there."""
    found = [entry for entry in _entries(page) if entry.get("transactionId") == transaction.transaction_id]
    ours = (entry for entry in found if is_same(entry, transaction))
    return next(ours, found[0] if found else None)


def next_page(page: Mapping[str, Any]) -> str | None:
    """Say after which id the next page starts; None on the last page, or where the list does not say."""
    entries = _entries(page)
    last = entries[-1].get("gameballTransactionId") if entries and page.get("hasMore") else None
    return None if last is None else str(last)


def is_same(entry: Mapping[str, Any], transaction: ManualTransaction) -> bool | None:
    """Whether the stored transaction is ours, by id, customer, and points or amount.

    Returns:
        None where the entry does not say: then it is not known to be another one either.
    """
    ours = (transaction.transaction_id, transaction.customer_id)
    if (entry.get("transactionId"), entry.get("customerId")) != ours:
        return False
    change = _signed(entry, "points" if transaction.points is not None else "amount")
    return None if change is None else change == transaction.change


def answer_from_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Make of an entry of the list the answer that was lost."""
    return {
        "customerId": entry["customerId"],
        "gameballTransactionId": _read_whole_number(entry.get("gameballTransactionId")),
        "transactionId": entry["transactionId"],
        "points": _signed(entry, "points"),
        "amount": _signed(entry, "amount"),
    }


def answer_from_response(response: Mapping[str, Any]) -> dict[str, Any]:
    """Take the documented fields of Gameball's answer, and no others."""
    fields = {name: response[name] for name in ANSWER_FIELDS if name in response}
    return {**fields, "gameballTransactionId": _read_whole_number(response.get("gameballTransactionId"))}


def _read_whole_number(number: object) -> object:
    """Read a number that came as text; anything else stays as it is."""
    return int(number) if isinstance(number, str) and re.fullmatch(_WHOLE_NUMBER, number) else number


def _entries(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = page.get("transactions")
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []


def _signed(entry: Mapping[str, Any], name: str) -> Decimal | None:
    number = entry.get(name)
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        return None
    # copy_abs, since abs() would round to the context's precision.
    return -Decimal(number).copy_abs() if entry.get("direction") == "-" else Decimal(number)
