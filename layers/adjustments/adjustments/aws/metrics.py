"""Custom metrics, written to the function's log in CloudWatch's embedded metric format.

Their one dimension is ``service``, the name of the stack: an alarm sees the metrics of all its functions, and
stacks in one account are kept apart. Alarms and the dashboard use the names of the metrics of batches.
"""

import os
import threading
import warnings
from collections.abc import Mapping
from typing import Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

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


def error_metrics(error: Exception) -> Mapping[str, int]:
    """Metrics of an error that ends a call: only those that alarms watch."""
    return {"KeysRefused": 1} if isinstance(error, GameballUnauthorized) else {}


SWEEP_RAN: Final[Mapping[str, int]] = {"SweepRan": 1}
"""The metric of a sweep that has run to its end, also with errors."""
