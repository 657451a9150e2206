"""Custom metrics, as lines of CloudWatch's embedded metric format in the function's own log.

Their one dimension is ``service``, the stack's name: an alarm sees what any of the functions counted, and two
stacks in one account stay apart.
"""

import threading
from collections.abc import Mapping
from typing import Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from adjustments.core.errors import GameballError, GameballRefused
from adjustments.gameball.rate_limiter import Priority, RateLimiter, Resource

NAMESPACE: Final = "GameballAdjustments"


class Meter:
    """Adds to a function's metrics from any of its threads; many requests then cost one line of log.

    Args:
        metrics: Powertools' own; its ``log_metrics`` writes the line at the end of a run.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()

    def count(self, numbers: Mapping[str, float]) -> None:
        """Add numbers of things."""
        for name, number in numbers.items():
            self._add(name, number, MetricUnit.Count)

    def watch_call(self, seconds: float, error: GameballError | None) -> None:
        """Note a call to Gameball. A refusal is an answer; an error is one that says nothing of the rows."""
        self._add("GameballLatency", seconds * 1_000, MetricUnit.Milliseconds)
        if isinstance(error, GameballRefused):
            self.count({"GameballRefusals": 1})
        elif error:
            self.count({"GameballErrors": 1})

    def watch_slot(self, resource: Resource, granted: bool, wait_s: float) -> None:
        """Note an answer of the rate limiter."""
        self._add("RequestWait", wait_s * 1_000, MetricUnit.Milliseconds)
        if granted:
            self.count({f"Requests{resource.value.capitalize()}": 1})

    def _add(self, name: str, number: float, unit: MetricUnit) -> None:
        with self._lock:
            self._metrics.add_metric(name, unit, number)


class MeasuredRateLimiter:
    """A rate limiter whose answers are measured."""

    def __init__(self, rate_limiter: RateLimiter, meter: Meter) -> None:
        self._rate_limiter = rate_limiter
        self._meter = meter

    def wait_s(self, resource: Resource, priority: Priority, within_s: float) -> tuple[bool, float]:
        """See ``RateLimiter``."""
        granted, wait_s = self._rate_limiter.wait_s(resource, priority, within_s)
        self._meter.watch_slot(resource, granted, wait_s)
        return granted, wait_s
