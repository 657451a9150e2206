"""What is counted of batches, by the names that alarms and the dashboard use (aws/metrics.py)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from adjustments.batches.next_step import NextStep
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus


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


def open_batch_metrics(in_progress: Iterable[Batch], now: datetime) -> Mapping[str, int]:
    """Metrics of the open batches: how many by status, and how many past their deadline.

    A metric costs for each hour in which it is written, so zeros are left out.
    """
    numbers: Counter[str] = Counter()
    for batch in in_progress:
        if not batch.status.is_final:
            numbers[name_of(batch.status)] += 1
            if _is_late(batch, now):
                numbers["BatchesPastDeadline"] += 1
    return numbers


def doubt_metrics(*parts: Iterable[Batch] | None) -> Mapping[str, int]:
    """The metric of rows in doubt, zero included: its alarm rings until the metric says that there are none.

    Args:
        parts: the batches of each read of the table; None for a read that failed. Then what was found is
            counted, and nothing found says nothing.
    """
    rows = sum(batch.counts.in_doubt for part in parts for batch in part or ())
    return {"RowsInDoubtOpen": rows} if rows or None not in parts else {}


def name_of(status: BatchStatus) -> str:
    """The name of the metric that counts batches of a status."""
    return f"Batches{status.title().replace('_', '')}"


def _is_late(batch: Batch, now: datetime) -> bool:
    """Whether a batch is past its deadline; one that waits for approval never is, as approval moves it."""
    return batch.status is not BatchStatus.AWAITING_APPROVAL and now >= batch.deadline_at
