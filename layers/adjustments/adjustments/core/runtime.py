"""Clock, random ids and threads: the ports, and the ones of the machine."""

import random
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final, Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """Return the time, UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait for some seconds."""


class Ids(Protocol):
    """Random ids and numbers."""

    def fresh(self) -> str:
        """Return an id that was never used."""

    def jitter(self) -> float:
        """Return a random number in [0, 1)."""


Parallel = Callable[[Sequence[Callable[[], None]]], None]
"""Runs tasks, in parallel where possible; raises the first error after all have ended."""


WORKERS: Final = 12
"""Requests at the same time: at 12 a second, each may take a second and no slot passes unused."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """See ``Clock``."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """See ``Clock``."""
        if seconds > 0:  # sleep(0) would still yield the processor
            time.sleep(seconds)


class RandomIds:
    """Random ids and numbers of the machine."""

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
