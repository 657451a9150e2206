"""Rounds of look-ups: when and in which order customers with rows in doubt are looked up at Gameball.

In a round each customer with rows in doubt is looked up once. A round may take several runs of the sweep; the
next one begins after it has ended and a pause has passed.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from adjustments.batches.batch_parts import Reconciliation
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus

ROUND_PAUSE_MIN: Final = timedelta(minutes=5)
"""Pause after the first rounds; later pauses are half as long as the batch has been over."""

SEARCH_PERIOD: Final = timedelta(days=3)
"""How long after its intent a row in doubt is looked up; after that, a person has to decide."""

LEASE: Final = timedelta(minutes=6)
"""How long a run holds a batch after it last saved its progress: twice the time between two saves."""

TRIES_MAX: Final = 2
"""After so many failed look-ups a customer counts as looked up in this round."""


class DoubtfulRow(NamedTuple):
    """A row in doubt: its chunk, its position there (from 0), and its content as Gameball's lists show it.

    ``request`` is that of a row which was sent as a transaction; empty for a row of a batch.
    """

    chunk_id: str
    position: int
    customer_id: str
    amount: Decimal
    reason: str
    intent_at: datetime
    job_was_stopped: bool
    request: str = ""


class LookupProgress(NamedTuple):
    """The progress of look-ups.

    ``looked_up`` has the last round in which each customer was looked up, ``failed`` how often a look-up
    failed in this round.
    """

    looked_up: dict[str, int]
    failed: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """The content of the work file."""
        return {"looked_up": self.looked_up, "failed": self.failed}


def rows_by_customer(rows: Iterable[DoubtfulRow]) -> dict[str, list[DoubtfulRow]]:
    """Group rows in doubt by customer; those of stopped jobs come first, then the order of sending."""
    grouped: dict[str, list[DoubtfulRow]] = {}
    for row in sorted(rows, key=lambda row: (not row.job_was_stopped, row.chunk_id, row.position)):
        grouped.setdefault(row.customer_id, []).append(row)
    return grouped


def customers_to_look_up(customers: Iterable[str], done: LookupProgress, round_: int) -> list[str]:
    """List the customers that were not looked up in a round: those never looked up come first, those whose
    look-up failed last.
    """
    waiting = [name for name in customers if done.looked_up.get(name, 0) < round_]
    return sorted(waiting, key=lambda name: (done.failed.get(name, 0), done.looked_up.get(name, 0)))


def record_lookups(
    done: LookupProgress, looked_up: Iterable[str], failed: Iterable[str], round_: int
) -> LookupProgress:
    """Add look-ups to the progress.

    Args:
        done: the progress so far.
        looked_up: customers that were looked up.
        failed: customers whose look-up failed.
        round_: the round.
    """
    tries = dict(done.failed)
    known = done.looked_up | dict.fromkeys(looked_up, round_)
    for name in failed:
        tries[name] = tries.get(name, 0) + 1
        if tries[name] >= TRIES_MAX:
            known[name] = round_
    return LookupProgress(
        known, {name: count for name, count in tries.items() if known.get(name, 0) < round_}
    )


def is_due(batch: Batch, now: datetime) -> bool:
    """Whether rows are to be looked up now, and no other run holds the batch."""
    state = batch.reconciliation
    if batch.status is not BatchStatus.NEEDS_ATTENTION or batch.report_run_id or is_leased(batch, now):
        return False
    return (
        state.looked_up_at is None
        or bool(state.rows_left)
        or now >= _next_round_at(batch, state.looked_up_at)
    )


def is_leased(batch: Batch, now: datetime) -> bool:
    """Whether a run holds the lease of the batch."""
    until = batch.reconciliation.lease_until
    return until is not None and now < until


def acquire_lease(batch: Batch, token: str, now: datetime) -> Batch:
    """Give the lease of a batch to a run, and begin a new round where the last one has ended.

    Args:
        batch: the batch.
        token: the run.
        now: the time, UTC.
    """
    state = batch.reconciliation
    if not state.rows_left:
        state = Reconciliation(
            round=state.round + 1,
            begun_at=now,
            rows_left=batch.counts.in_doubt,
            lookup_progress_key=state.lookup_progress_key,
        )
    lease: dict[str, Any] = {"lease_token": token, "lease_until": now + LEASE}
    return batch.changed(reconciliation=state.replaced(looked_up_at=now, **lease))


def expected_round_end(batch: Batch) -> datetime | None:
    """Estimate from the pace of this round when it ends; None where that is unknown."""
    state = batch.reconciliation
    if not (state.rows_left and state.rows_looked_up and state.looked_up_at and state.begun_at):
        return None
    return state.looked_up_at + (state.looked_up_at - state.begun_at) * state.rows_left / state.rows_looked_up


def next_round_at(batch: Batch) -> datetime | None:
    """When the next round begins; None during a round, and after the last one."""
    state = batch.reconciliation
    if not batch.counts.in_doubt or state.rows_left or state.looked_up_at is None:
        return None
    at = _next_round_at(batch, state.looked_up_at)
    return at if at <= _ended_at(batch) + SEARCH_PERIOD else None


def _next_round_at(batch: Batch, looked_up_at: datetime) -> datetime:
    return looked_up_at + max(ROUND_PAUSE_MIN, (looked_up_at - _ended_at(batch)) / 2)


def _ended_at(batch: Batch) -> datetime:
    return batch.finished_at or batch.created_at


def read_lookup_progress(stored: Mapping[str, Any]) -> LookupProgress:
    """Read the work file of the progress."""
    return LookupProgress(dict(stored["looked_up"]), dict(stored["failed"]))


def count_rows_of(rows: Mapping[str, Sequence[DoubtfulRow]], names: Iterable[str]) -> int:
    """Count the rows in doubt of some customers."""
    return sum(len(rows[name]) for name in names)
