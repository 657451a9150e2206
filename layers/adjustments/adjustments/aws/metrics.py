"""Custom metrics, written to the function's log in CloudWatch's embedded metric format.

Their one dimension is ``service``, the name of the stack: an alarm sees the metrics of all its functions, and
stacks in one account are kept apart. Alarms and the dashboard use the names of the metrics of batches.
"""

import os
import threading
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from adjustments.batches.next_step import NextStep
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.core.errors import GameballError, GameballRefused, GameballUnauthorized

NAMESPACE: Final = "GameballAdjustments"

function_metrics: Final = Metrics(namespace=NAMESPACE, service=os.environ.get("STACK_NAME"))
"""Powertools' metrics of this function; its ``log_metrics`` decorates each handler."""

warnings.filterwarnings("ignore", "No application metrics to publish*")  # most runs have none


class Meter:
    """Adds to the metrics of a function from any of its threads; they are written in one line.

    Args:
        metrics: Powertools' own; its ``log_metrics`` writes the line at the end of a run.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()

    def count(self, numbers: Mapping[str, float]) -> None:
        """Add counts, by name."""
        for name, number in numbers.items():
            self._add(name, number, MetricUnit.Count)

    def publish(self, numbers: Mapping[str, float]) -> None:
        """Add counts, by name, and write all metrics at once, as the run may be killed before its end."""
        self.count(numbers)
        with self._lock:
            self._metrics.flush_metrics()

    def observe_call(self, seconds: float, error: GameballError | None) -> None:
        """Record a call to Gameball: its latency, and whether it was refused or failed otherwise."""
        self._add("GameballLatency", seconds * 1_000, MetricUnit.Milliseconds)
        if isinstance(error, GameballRefused):
            self.count({"GameballRefusals": 1})
        elif error:
            self.count({"GameballErrors": 1})

    def observe_slot(self, resource: str, slots: int, wait_s: float) -> None:
        """Record an answer of the rate limiter: the wait in seconds, and how many slots were granted."""
        self._add("RequestWait", wait_s * 1_000, MetricUnit.Milliseconds)
        if slots:
            self.count({f"Requests{resource.capitalize()}": slots})

    def _add(self, name: str, number: float, unit: MetricUnit) -> None:
        with self._lock:
            self._metrics.add_metric(name, unit, number)


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


def error_metrics(error: Exception) -> Mapping[str, int]:
    """Metrics of an error that ends a call: only those that alarms watch."""
    return {"KeysRefused": 1} if isinstance(error, GameballUnauthorized) else {}


SWEEP_RAN: Final[Mapping[str, int]] = {"SweepRan": 1}
"""The metric of a sweep that has run to its end, also with errors."""


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
