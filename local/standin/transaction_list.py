"""The list of transactions: its filters, paging and rows (docs/gameball-api.md)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import parse_qs

from local.standin.ledger import Entry, Ledger
from local.standin.responses import BAD_QUERY, refuse

PAGE_ROWS_DEFAULT = 50
PAGE_ROWS_MAX = 200
STATUSES = ("active", "pending", "blocked", "expired")


@dataclass(frozen=True, slots=True)
class TransactionQuery:
    """Filters, start and page size of the list; None does not filter."""

    customer_id: str | None
    direction: str | None
    status: str | None
    start_after: int
    limit: int


def read_query(query: str) -> TransactionQuery:
    """Read the query; a plus sign has to be percent-encoded.

    Raises:
        RefusedError: a value is not valid.
    """
    try:
        values = {name: given[-1] for name, given in parse_qs(query, max_num_fields=50).items()}
    except ValueError as error:
        raise refuse(BAD_QUERY, "The query is not valid") from error
    direction, status = values.get("direction"), values.get("status")
    if direction not in (None, "+", "-"):
        raise refuse(BAD_QUERY, "direction must be + or -")
    if status is not None and status.lower() not in STATUSES:
        raise refuse(BAD_QUERY, f"status must be one of {', '.join(STATUSES)}")
    start_after = _whole_number(values.get("startAfter", "0"), "startAfter")
    limit = _whole_number(values.get("limit", str(PAGE_ROWS_DEFAULT)), "limit")
    if not 1 <= limit <= PAGE_ROWS_MAX:
        raise refuse(BAD_QUERY, f"limit must be from 1 to {PAGE_ROWS_MAX}")
    return TransactionQuery(values.get("customerId"), direction, status, start_after, limit)


def list_page(ledger: Ledger, query: TransactionQuery, has_signed_amounts: bool) -> dict[str, object]:
    """One page of the list, oldest transaction first.

    Args:
        ledger: whose entries are listed.
        query: filters, start and size of the page.
        has_signed_amounts: whether deductions have a minus, besides their direction.
    """
    # One more than the page shows whether there is a next one.
    found = list(islice(_matching(ledger, query), query.limit + 1))
    page = [_listed(ledger, position, has_signed_amounts) for position in found[: query.limit]]
    return {"transactions": page, "count": len(page), "hasMore": len(found) > query.limit}


def _whole_number(text: str, name: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise refuse(BAD_QUERY, f"{name} must be a whole number")
    return int(text)


def _matching(ledger: Ledger, query: TransactionQuery) -> Iterator[int]:
    if query.status is not None and query.status.lower() != "active":
        return iter(())
    positions = ledger.positions(query.customer_id, query.start_after)
    return (
        position for position in positions if query.direction in (None, _direction(ledger.entries[position]))
    )


def _direction(entry: Entry) -> str:
    return "-" if entry.adjustment.amount < 0 else "+"


def _listed(ledger: Ledger, position: int, signed: bool) -> dict[str, object]:
    """One row of the list, as in Gameball's published example.

    Points have no sign, which is the direction; the Gameball id is a string (a number in the answer to the
    transaction itself); times have no offset. A row of a batch has no transactionId.
    """
    entry, details = ledger.entries[position], ledger.manual_details.get(position)
    direction, amount = _direction(entry), entry.adjustment.amount
    # copy_abs does not round to the precision of the context, as abs() does.
    shown = amount if signed else amount.copy_abs()
    return {
        "transactionId": entry.transaction_id,
        "gameballTransactionId": str(ledger.gameball_id(position)),
        "type": "ManualDeduction" if direction == "-" else "ManualAccumulation",
        "direction": direction,
        "customerId": entry.adjustment.customer_id,
        "points": shown,
        "amount": shown,
        "transactionTime": (details.transaction_time if details else entry.at).removesuffix("Z"),
        "status": "Active",
        "reason": entry.adjustment.reason,
        "expiryDate": details.expiry_date if details else None,
        "pointsBalanceBefore": entry.balance_before,
        "pointsBalanceAfter": entry.balance_after,
    }
