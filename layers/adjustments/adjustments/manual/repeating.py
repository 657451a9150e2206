"""What follows when a manual transaction did not bring Gameball's answer.

Gameball applies a ``transactionId`` once, so the same request may be sent again even when nobody knows what
became of the last one. From then on a refusal proves nothing by itself: the request that was not answered may
have been applied, and what refuses the next one may be that very transaction. The list of transactions tells.
"""

from enum import StrEnum
from typing import Final

from adjustments.core.errors import (
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnavailable,
    OutcomeUnknown,
)

TIME_EXISTS: Final = 9003
ID_EXISTS: Final = 9004
"""Gameball's codes for a collision of times, which proves nothing, and for an id that it has already."""


NO_CUSTOMER: Final = 7000
_NOT_FOUND: Final = 404


class Next(StrEnum):
    """What to do next."""

    AGAIN = "again"
    SETTLE = "settle"
    STOP = "stop"


def next_step(error: GameballError, has_time: bool) -> Next:
    """Decide from the class and the code of the error.

    Args:
        error: what the last request gave.
        has_time: whether the caller chose the transaction's time; if not, another moment is another time.
    """
    match error:
        case GameballThrottled() | GameballUnavailable() | OutcomeUnknown():
            return Next.AGAIN
        case GameballRefused(code=code):
            return Next.AGAIN if code == TIME_EXISTS and not has_time else Next.SETTLE
        case _:
            return Next.STOP


def says_no_customer(listing: GameballError, refusal: GameballRefused) -> bool:
    """Whether the list is refused since there is no such customer, who then has no transactions.

    Args:
        listing: what asking for the customer's list gave.
        refusal: what the transaction itself was refused with. Gameball may tell of an unknown customer by
            HTTP status alone, which proves it only where both calls were answered so.
    """
    if not isinstance(listing, GameballRefused):
        return False
    return listing.code == NO_CUSTOMER or listing.status == refusal.status == _NOT_FOUND
