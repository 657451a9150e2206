"""What is counted of batches, under the names of the metrics that alarms and the dashboard show."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from adjustments.batches.next_step import NextStep
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus

UNDER_WAY = tuple(status for status in BatchStatus if not status.is_final)


def batch_end_metrics(batch: Batch) -> Mapping[str, int]:
    """A batch that has just ended: its rows by outcome, and how it ended."""
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
    """A batch under way, as one step of the state machine left it: only what should worry somebody."""
    worries = {
        "KeysRefused": int(bool(batch.pause_reason)),
        "RowsInDoubtOpen": step.rows_in_doubt if step else 0,
    }
    return {name: number for name, number in worries.items() if number}


def sweep_metrics(under_way: Iterable[Batch], doubtful: Iterable[Batch], now: datetime) -> Mapping[str, int]:
    """How everything stands at a sweep: batches under way by status, and what is open that should not be."""
    numbers = dict.fromkeys(map(name_of, UNDER_WAY), 0)
    numbers |= {"SweepRan": 1, "BatchesPastDeadline": 0, "RowsInDoubtOpen": 0}
    for batch in under_way:
        numbers["RowsInDoubtOpen"] += batch.counts.in_doubt
        if not batch.status.is_final:
            numbers[name_of(batch.status)] += 1
            numbers["BatchesPastDeadline"] += _is_late(batch, now)
    numbers["RowsInDoubtOpen"] += sum(batch.counts.in_doubt for batch in doubtful)
    return numbers


def name_of(status: BatchStatus) -> str:
    """The metric that counts batches of a status."""
    return f"Batches{status.title().replace('_', '')}"


def _is_late(batch: Batch, now: datetime) -> bool:
    """A batch that waits for a person is never late: its deadline moves when it is approved."""
    return batch.status is not BatchStatus.AWAITING_APPROVAL and now >= batch.deadline_at
