"""Clocks, passed in: a steady clock for durations, calendar time for time stamps."""

import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol

NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """A clock in whole nanoseconds, so that windows are compared exactly."""

    def steady_ns(self) -> int:
        """Monotonic nanoseconds from an arbitrary start."""
        ...

    def utc(self) -> datetime:
        """The calendar time, aware, in UTC."""
        ...


class SystemClock:
    """The clock of the machine."""

    def steady_ns(self) -> int:
        """The monotonic clock."""
        return time.monotonic_ns()

    def utc(self) -> datetime:
        """The calendar time."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_ns = 0
        self._lock = threading.Lock()

    def advance(self, delay_s: float | Decimal) -> None:
        """Move forward; a float counts as its decimal text, so 0.1 is exactly a tenth."""
        with self._lock:
            self._elapsed_ns += nanoseconds(Decimal(str(delay_s)))

    def steady_ns(self) -> int:
        """The nanoseconds advanced so far."""
        with self._lock:
            return self._elapsed_ns

    def utc(self) -> datetime:
        """The start plus the time advanced so far."""
        return self._start + timedelta(microseconds=self.steady_ns() // 1000)


def nanoseconds(duration_s: Decimal | int) -> int:
    """A duration in whole nanoseconds."""
    return int(duration_s * NS_PER_S)


def timestamp(moment: datetime) -> str:
    """A moment as ISO text in UTC, with milliseconds at least and a Z."""
    precision = "milliseconds" if moment.microsecond % 1000 == 0 else "microseconds"
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
