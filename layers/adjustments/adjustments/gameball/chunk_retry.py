"""What follows from Gameball's answer to a balance-adjustment request (DESIGN.md, "How a batch moves").

The request has no idempotency key: sent twice, it is applied twice. So only an answer that proves that
nothing was applied leads to another try; everything else is in doubt.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from adjustments.core.errors import (
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    GameballUnavailable,
)

THROTTLED_PAUSE_S: Final = 5.0
"""Pause after a 429 or a 2001 that names no time."""

BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MAX_S: Final = 60.0


class FollowUp(StrEnum):
    """What becomes of a chunk whose request did not bring a jobId."""

    TRY_LATER = "try_later"
    PAUSE_BATCH = "pause_batch"
    SPLIT = "split"
    IN_DOUBT = "in_doubt"


def follow_up(error: GameballError) -> FollowUp:
    """Decide from the class of the error alone; what nobody foresaw is in doubt."""
    match error:
        case GameballUnavailable() | GameballThrottled():
            return FollowUp.TRY_LATER
        case GameballUnauthorized():
            return FollowUp.PAUSE_BATCH
        case GameballRefused():
            return FollowUp.SPLIT
        case _:
            return FollowUp.IN_DOUBT


def pause(error: GameballError, attempts: int, jitter: float) -> timedelta:
    """How long a chunk waits before it is tried again.

    Args:
        error: what the last try gave.
        attempts: tries so far, from 1.
        jitter: a number in [0, 1), so that parallel workers part.
    """
    if isinstance(error, GameballThrottled):
        return timedelta(seconds=(error.retry_after_s or THROTTLED_PAUSE_S) * (1 + jitter / 4))
    ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(attempts - 1, 10))
    return timedelta(seconds=ceiling * (0.5 + jitter / 2))
