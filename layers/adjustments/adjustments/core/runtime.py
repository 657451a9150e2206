"""Time, chance and threads of the machine itself."""

import random
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final, Protocol


class Clock(Protocol):
    """Time, and the waiting for it."""

    def now(self) -> datetime:
        """The time, UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class Ids(Protocol):
    """Fresh names, and chance."""

    def fresh(self) -> str:
        """A name that nobody else has."""

    def jitter(self) -> float:
        """A number in [0, 1)."""


Parallel = Callable[[Sequence[Callable[[], None]]], None]
"""Runs tasks, side by side where the world allows it; raises the first error after all have ended."""


WORKERS: Final = 12
"""Requests under way at once: with 12 a second, each may take a second and no slot goes unused."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """See ``Clock``."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """See ``Clock``."""
        if seconds > 0:  # or a busy machine would give the processor to somebody else first
            time.sleep(seconds)


class RandomIds:
    """Random names."""

    def fresh(self) -> str:
        """See ``Ids``."""
        return uuid.uuid4().hex[:16]

    def jitter(self) -> float:
        """See ``Ids``."""
        return random.random()


def run_in_threads(tasks: Sequence[Callable[[], None]]) -> None:
    """See ``Parallel``."""
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        futures = [pool.submit(task) for task in tasks]
    for future in futures:
        future.result()
