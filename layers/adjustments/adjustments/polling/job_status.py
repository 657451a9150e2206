"""Gameball's job status, in either of its two documented dialects (docs/gameball-api.md, "Job status").

The counters are never read: in the documented examples they don't add up. Only the outcome of a listed row is
known.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from adjustments.batches.states import Outcome
from adjustments.gameball.port import Dialect

_ENDED: Final = frozenset({"completed", "failed", "stopped"})
"""States after which nothing changes any more; with an undocumented state, polling goes on."""

ListedRow = Mapping[str, Any]
"""A row of a job as Gameball lists it."""


class RowResult(NamedTuple):
    """The outcome of a listed row, with Gameball's message."""

    outcome: Outcome
    message: str


class JobStatus(NamedTuple):
    """The status of a job: its state in lower case, and its listed rows by customer."""

    state: str
    rows: Mapping[str, RowResult]

    @property
    def has_ended(self) -> bool:
        """Whether Gameball has finished with the job."""
        return self.state in _ENDED


def read_status(dialect: Dialect, answer: Mapping[str, Any]) -> JobStatus:
    """Read the answer to a status call; what is missing or malformed is left out, and so stays unknown."""
    state = answer.get("status", answer.get("state"))
    rows: dict[str, RowResult] = {}
    for outcome, listed in zip((Outcome.APPLIED, Outcome.FAILED), listed_rows(dialect, answer), strict=True):
        for row in listed:
            _collect(rows, outcome, row)
    return JobStatus(str(state or "").strip().lower(), rows)


def listed_rows(dialect: Dialect, answer: Mapping[str, Any]) -> tuple[list[ListedRow], list[ListedRow]]:
    """The rows listed as successful and those listed as failed, without rows that name no customer."""
    lists = answer.get("response") if dialect is Dialect.GUIDE else answer
    names = ("successful", "failed") if dialect is Dialect.GUIDE else ("results", "errors")
    if not isinstance(lists, Mapping):
        return [], []
    good, bad = (_with_customer(lists.get(name)) for name in names)
    return good, bad


def _with_customer(listed: object) -> list[ListedRow]:
    if not isinstance(listed, list):
        return []
    return [
        row for row in listed if isinstance(row, Mapping) and isinstance(row.get("customerId"), str | int)
    ]


def _collect(rows: dict[str, RowResult], outcome: Outcome, row: ListedRow) -> None:
    customer = str(row["customerId"])
    message = row.get("message") or row.get("error") or ""
    known = rows.get(customer)
    if known is None:
        rows[customer] = RowResult(outcome, str(message))
    elif known.outcome is not outcome:
        rows[customer] = RowResult(
            Outcome.IN_DOUBT, "Gameball lists this customer as successful and as failed"
        )
