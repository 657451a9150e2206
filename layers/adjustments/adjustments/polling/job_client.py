"""Asks Gameball about jobs in the dialect of the account: reads their status, and requests that they stop.

The status has two documented dialects (docs/gameball-api.md, "Job status"). Its counters are never read: in
the documented examples they don't add up. Only the outcome of a listed row is known.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from adjustments.aws.event_log import log_event
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import ChunkState, Outcome
from adjustments.batches.store import BatchStore, try_save
from adjustments.core.errors import ConfigurationError, GameballError, GameballRefused, WrongState
from adjustments.core.runtime import Clock
from adjustments.gameball.port import Dialect, Gameball
from adjustments.gameball.rate_limiter import Priority, RateLimiter, Resource, wait_for_slot

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


def dialects_to_try(setting: Dialect | None, detected: str) -> list[Dialect]:
    """List the dialects to try for a job.

    Args:
        setting: the dialect that the account is set up with (GameballStatusDialect), None for auto.
        detected: the dialect that an earlier answer for the same batch had; empty for none.
    """
    known = setting or (Dialect(detected) if detected else None)
    return [known] if known else list(Dialect)


@dataclass(frozen=True, kw_only=True)
class JobClient:
    """Fetches the status of jobs within the rate limit.

    Args:
        dialect: the dialect of the account, None to detect it (GameballStatusDialect).
    """

    store: BatchStore
    gameball: Gameball
    rate_limiter: RateLimiter
    clock: Clock
    dialect: Dialect | None

    def fetch_status(
        self, batch: Batch, job_id: int, until: datetime
    ) -> tuple[Dialect, Mapping[str, Any]] | None:
        """Fetch the status of a job.

        Where the dialect is not known yet, it is the first one that is answered with a job's state, and is
        recorded with the batch. An answer without a state proves nothing; a wrong dialect would be refused
        for all later polls.

        Args:
            batch: the batch of the job.
            job_id: the job.
            until: when the call has to be made at the latest, UTC.

        Returns:
            The dialect and the answer; None where the rate limiter has no slot before ``until``.

        Raises:
            GameballError: the call failed.
        """
        dialects = dialects_to_try(self.dialect, batch.dialect)
        for dialect in dialects:
            if not wait_for_slot(self.rate_limiter, self.clock, Resource.OTHERS, Priority.BULK, until):
                return None
            try:
                answer = self.gameball.job_status(dialect, job_id)
            except GameballRefused:
                if dialect is dialects[-1]:
                    raise
                continue
            if len(dialects) > 1 and read_status(dialect, answer).state:
                self._record_dialect(batch.batch_id, dialect)
            return dialect, answer
        return None

    def _record_dialect(self, batch_id: str, dialect: Dialect) -> None:
        batch = self.store.batch(batch_id)
        if not batch.dialect:
            try_save(self.store, batch.changed(dialect=dialect.value))


@dataclass(frozen=True, kw_only=True)
class JobStopper:
    """Requests that running jobs are stopped, each once, unless the person who stopped the batch kept them.

    Whether a job stopped in time is not concluded from the request: its rows are polled as before.
    """

    store: BatchStore
    gameball: Gameball
    rate_limiter: RateLimiter
    clock: Clock
    dialect: Dialect | None

    def stop_jobs(self, batch: Batch, until: datetime) -> None:
        """Request a stop of each open job for which none was requested yet.

        Args:
            batch: the batch.
            until: when to end, UTC; the next poll goes on.
        """
        if not batch.stopped_by or batch.keeps_jobs:
            return
        for chunk in self.store.chunks(batch.batch_id, batch.plan_id):
            if chunk.state is not ChunkState.SUBMITTED or chunk.stop_requested:
                continue
            if self.clock.now() >= until:
                return
            if self._request_stop(batch, chunk, until):
                with suppress(WrongState):  # settled meanwhile
                    self.store.save_chunk(batch, chunk.changed(stop_requested=True))
                    log_event("job stop requested", batch, chunk)

    def _request_stop(self, batch: Batch, chunk: Chunk, until: datetime) -> bool:
        """Request a stop in the dialect of the account, or in both while it is unknown.

        Returns:
            Whether Gameball accepted the request.
        """
        for dialect in dialects_to_try(self.dialect, batch.dialect):
            if not wait_for_slot(self.rate_limiter, self.clock, Resource.OTHERS, Priority.PROMPT, until):
                return False
            try:
                self.gameball.stop_job(dialect, chunk.job_id or 0)
            except (GameballError, ConfigurationError):  # the next poll tries again
                continue
            return True
        return False
