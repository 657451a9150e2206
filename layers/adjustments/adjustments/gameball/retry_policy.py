"""The retry policy for requests to Gameball: what may be sent again, and when. Nothing here waits or sends.

A balance-adjustment request has no idempotency key: sent twice, it is applied twice. So only an error that
proves that nothing was applied leads to another try; everything else is in doubt (``follow_up``).

Gameball applies a manual transaction's ``transactionId`` once, so the same request may be sent again even
where the outcome is unknown (``may_retry``). From then on a refusal proves nothing by itself: the request
that was not answered may have been applied, and what refuses the next one may be that very transaction.
The customer's list of transactions shows it.

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
    """What becomes of a chunk whose request did not bring a jobId."""

    TRY_LATER = "try_later"
    PAUSE_BATCH = "pause_batch"
    SPLIT = "split"
    IN_DOUBT = "in_doubt"


def follow_up(error: GameballError) -> FollowUp:
    """Decide what becomes of a chunk, from the class of the error alone; what nobody foresaw is in doubt."""
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
        error: what the last request gave.
        has_time: whether the caller chose the transaction's time; if not, another moment is another time.
    """
    match error:
        case GameballThrottled() | GameballUnavailable() | OutcomeUnknown():
            return True
        case GameballRefused(code=code):
            return code == TIME_EXISTS and not has_time
        case _:
            return False


def proves_no_customer(listing: GameballError, refusal: GameballRefused) -> bool:
    """Whether a customer's list is refused since there is no such customer, who then has no transactions.

    Args:
        listing: what the request for the list gave.
        refusal: what the transaction itself was refused with. Gameball may tell of an unknown customer by
            HTTP status alone, which proves it only where both requests were answered so.
    """
    if not isinstance(listing, GameballRefused):
        return False
    return listing.code == NO_CUSTOMER or listing.status == refusal.status == _NOT_FOUND


def back_off(error: GameballError, tries: int, jitter: float) -> timedelta:
    """How long to wait before the next try.

    Args:
        error: what the last try gave.
        tries: tries so far, from 1.
        jitter: a number in [0, 1), so that parallel workers part.
    """
    if isinstance(error, GameballThrottled):
        return timedelta(seconds=(error.retry_after_s or THROTTLED_PAUSE_S) * (1 + jitter / 4))
    ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(tries - 1, 10))
    return timedelta(seconds=ceiling * (0.5 + jitter / 2))
