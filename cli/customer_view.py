"""What was done for one customer, in words: for the command and for the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from adjustments.core.printable import visible
from cli.output import moment, number, points, rows_text


def outcome_text(row: Mapping[str, Any]) -> str:
    """The outcome of a row."""
    return str(row["outcome"]).replace("_", " ")


def amount_text(row: Mapping[str, Any]) -> str:
    """The amount of a row, and that it is money where it is not points."""
    amount = points(row["amount"])
    return amount if row["unit"] == "points" or not amount else f"{amount} (money)"


def people_text(row: Mapping[str, Any]) -> str:
    """Who submitted a row, and who approved its batch."""
    approved = f"; approved by {row['approvedBy']}" if row.get("approvedBy") else ""
    return f"{row.get('by') or ''}{approved}"


def search_text(rows: int, searched: Mapping[str, Any]) -> str:
    """How far the history goes, and what is not in it."""
    found = f"{rows_text(rows)}, in {number(searched['batches'])} batches since {moment(searched['since'])}"
    if not searched["withoutIndex"]:
        return found
    return (
        f"{found}; {number(searched['withoutIndex'])} older batches can't be searched (no index of customers)"
    )


def balance_text(gameball: Mapping[str, Any]) -> str:
    """The customer's balance at Gameball."""
    balance = gameball.get("balance") or {}
    known = {
        "available": balance.get("availablePointsBalance"),
        "pending": balance.get("pendingPoints"),
        "in all": balance.get("totalPointsBalance"),
    }
    parts = [f"{points(value).lstrip('+')} {name}" for name, value in known.items() if value is not None]
    return ", ".join(parts) or "not in the answer"


def entry_cells(entry: Mapping[str, Any], match: Mapping[str, Any] | None) -> Sequence[str]:
    """Time, amount, balance after and reason of a transaction at Gameball, and what it was made here as.

    Args:
        entry: the transaction.
        match: the row that it is, None where it was not made here.
    """
    value = entry.get("points") if entry.get("points") is not None else entry.get("amount")
    amount = points(value)
    if entry.get("direction") == "-" and amount.startswith("+"):
        amount = f"-{amount[1:]}"
    made = ""
    if match:
        place = f", line {match['line']}" if match["line"] else ""
        made = visible(f"{match['batchId'] or match['transactionId']}{place}")
    return (
        moment(f"{entry.get('transactionTime')}+00:00") or moment(entry.get("transactionTime")),
        amount,
        points(entry.get("pointsBalanceAfter")).lstrip("+"),
        str(entry.get("reason") or ""),
        made,
    )
