"""Waiting for something to become true: looks often, never longer than told, and says what it waited for."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOK_EVERY_S = 0.1


def wait_for(look: Callable[[], T | None], timeout_s: float, what: str, every_s: float = LOOK_EVERY_S) -> T:
    """Look until there is something to see, and return it.

    Raises:
        TimeoutError: nothing was seen in time; the message says what was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}; the last look gave {seen!r}")
        time.sleep(every_s)
    return seen
