"""Metrics of batches, by the names that alarms and the dashboard use."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from adjustments.batches.next_step import NextStep
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus

IN_PROGRESS = tuple(status for status in BatchStatus if not status.is_final)


def batch_end_metrics(batch: Batch) -> Mapping[str, int]:
    """Metrics of a batch that has just ended: its rows by outcome, and its status."""
    counts = batch.counts
    return {
        "RowsApplied": counts.applied,
        "RowsFailed": counts.failed,
        "RowsRejected": counts.rejected,
        "RowsNotSubmitted": counts.not_submitted,
        "RowsInDoubt": counts.in_doubt,
        "RowsInDoubtOpen": counts.in_doubt,
        "BatchesPastDeadline": int(batch.past_deadline),
        name_of(batch.status): 1,
    }


def step_metrics(batch: Batch, step: NextStep | None = None) -> Mapping[str, int]:
    """Metrics of a batch after a step of the state machine: only those above zero that alarms watch."""
    metrics = {
        "KeysRefused": int(bool(batch.pause_reason)),
        "RowsInDoubtOpen": step.rows_in_doubt if step else 0,
    }
    return {name: number for name, number in metrics.items() if number}


def sweep_metrics(
    in_progress: Iterable[Batch], doubtful: Iterable[Batch], now: datetime
) -> Mapping[str, int]:
    """Metrics of a sweep: batches in progress by status, batches past their deadline, rows in doubt."""
    numbers = dict.fromkeys(map(name_of, IN_PROGRESS), 0)
    numbers |= {"SweepRan": 1, "BatchesPastDeadline": 0, "RowsInDoubtOpen": 0}
    for batch in in_progress:
        numbers["RowsInDoubtOpen"] += batch.counts.in_doubt
        if not batch.status.is_final:
            numbers[name_of(batch.status)] += 1
            numbers["BatchesPastDeadline"] += _is_late(batch, now)
    numbers["RowsInDoubtOpen"] += sum(batch.counts.in_doubt for batch in doubtful)
    return numbers


def name_of(status: BatchStatus) -> str:
    """The name of the metric that counts batches of a status."""
    return f"Batches{status.title().replace('_', '')}"


def _is_late(batch: Batch, now: datetime) -> bool:
    """Whether a batch is past its deadline; one that waits for approval never is, as approval moves it."""
    return batch.status is not BatchStatus.AWAITING_APPROVAL and now >= batch.deadline_at
