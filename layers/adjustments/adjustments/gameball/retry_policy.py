"""The retry policy for requests to Gameball: what may be sent again, and when. Nothing here waits or sends.

A balance-adjustment request has no idempotency key: sent twice, it is applied twice. So only an error that
proves that nothing was applied leads to another try; everything else is in doubt (``follow_up``).

Gameball applies a manual transaction's ``transactionId`` once, so the same request may be sent again even
where the outcome is unknown (``may_retry``). After that, a refusal alone proves nothing: the request without
an answer may have been applied, and be the reason why the next one is refused. The customer's list of
transactions shows whether it was.

Back-off: ``min(60 s, 1 s x 2^(tries - 1)) x [0.5, 1)``; after a throttled request the time that Gameball
names, or 5 s, and up to a quarter more.
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
    OutcomeUnknown,
)

THROTTLED_PAUSE_S: Final = 5.0
"""Pause after a 429 or a 2001 that names no time."""

BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MAX_S: Final = 60.0

NO_CUSTOMER: Final = 7000
TIME_EXISTS: Final = 9003
ID_EXISTS: Final = 9004
"""Gameball's codes: no such customer; the customer has another transaction of this time, which proves
nothing; it has a transaction of this id already.
"""

_NOT_FOUND: Final = 404


class FollowUp(StrEnum):
    """The next state of a chunk whose request did not return a jobId."""

    TRY_LATER = "try_later"
    PAUSE_BATCH = "pause_batch"
    SPLIT = "split"
    IN_DOUBT = "in_doubt"


def follow_up(error: GameballError) -> FollowUp:
    """Decide the next state of a chunk, by the class of the error alone; unforeseen errors leave doubt."""
    match error:
        case GameballUnavailable() | GameballThrottled():
            return FollowUp.TRY_LATER
        case GameballUnauthorized():
            return FollowUp.PAUSE_BATCH
        case GameballRefused():
            return FollowUp.SPLIT
        case _:
            return FollowUp.IN_DOUBT


def may_retry(error: GameballError, has_time: bool) -> bool:
    """Whether the same manual transaction, or a look-up, may be sent again after a pause.

    Args:
        error: the error of the last request.
        has_time: whether the caller gave a transactionTime; without one, a later request has another time.
    """
    match error:
        case GameballThrottled() | GameballUnavailable() | OutcomeUnknown():
            return True
        case GameballRefused(code=code):
            return code == TIME_EXISTS and not has_time
        case _:
            return False


def proves_no_customer(listing: GameballError, refusal: GameballRefused) -> bool:
    """Whether a customer's list is refused because there is no such customer, who then has no transactions.

    Args:
        listing: the error of the request for the list.
        refusal: the error of the transaction itself. Gameball may answer for an unknown customer with HTTP
            status 404 alone, which proves it only where both requests were answered so.
    """
    if not isinstance(listing, GameballRefused):
        return False
    return listing.code == NO_CUSTOMER or listing.status == refusal.status == _NOT_FOUND


def back_off(error: GameballError, tries: int, jitter: float) -> timedelta:
    """How long to wait before the next try.

    Args:
        error: the error of the last try.
        tries: tries so far, from 1.
        jitter: a number in [0, 1), so that parallel workers don't retry at the same time.
    """
    if isinstance(error, GameballThrottled):
        return timedelta(seconds=(error.retry_after_s or THROTTLED_PAUSE_S) * (1 + jitter / 4))
    ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(tries - 1, 10))
    return timedelta(seconds=ceiling * (0.5 + jitter / 2))
