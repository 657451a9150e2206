"""Gameball's job status, read from either of its two documented dialects (gameball-api.md, "Job status").

The counters are never read: the documents' own examples don't add up. Only a row that is listed is known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from adjustments.model import Outcome

_ENDED: Final = frozenset({"completed", "failed", "stopped"})
"""States after which nothing changes any more; one that nobody documented means: keep polling."""


class Dialect(StrEnum):
    """Which of the two documented status calls an account answers."""

    GUIDE = "guide"
    OPENAPI = "openapi"


@dataclass(frozen=True, slots=True)
class RowResult:
    """One row of a job as Gameball lists it."""

    outcome: Outcome
    message: str


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job as Gameball reports it: its state in small letters, and its listed rows by customer."""

    state: str
    rows: Mapping[str, RowResult] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """Whether Gameball will not work on the job any longer."""
        return self.state in _ENDED


def read_status(dialect: Dialect, answer: Mapping[str, Any]) -> JobStatus:
    """Read a status answer; anything missing or misshapen is left out, and so stays unknown."""
    state = answer.get("status", answer.get("state"))
    lists = answer.get("response") if dialect is Dialect.GUIDE else answer
    names = ("successful", "failed") if dialect is Dialect.GUIDE else ("results", "errors")
    if not isinstance(lists, Mapping):
        lists = {}
    rows: dict[str, RowResult] = {}
    for outcome, name in zip((Outcome.APPLIED, Outcome.FAILED), names, strict=True):
        _collect(rows, outcome, lists.get(name))
    return JobStatus(str(state or "").strip().lower(), rows)


def _collect(rows: dict[str, RowResult], outcome: Outcome, listed: object) -> None:
    for row in listed if isinstance(listed, Iterable) and not isinstance(listed, str | Mapping) else ():
        if not isinstance(row, Mapping) or not isinstance(customer := row.get("customerId"), str | int):
            continue
        told = row.get("message") or row.get("error") or ""
        known = rows.get(str(customer))
        if known is None:
            rows[str(customer)] = RowResult(outcome, str(told))
        elif known.outcome is not outcome:
            message = "Gameball lists this customer both as successful and as failed"
            rows[str(customer)] = RowResult(Outcome.IN_DOUBT, message)
