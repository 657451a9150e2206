"""Which seeds are run when: with each test, moving on with each release, and fresh ones each night."""

from datetime import date
from typing import Final

RELEASE: Final = 1
"""Raise it by one with each release: the seeds of ``make test`` move on (docs/reliability.md)."""

SEEDS_A_RELEASE: Final = 10_000
SEEDS_A_NIGHT: Final = 200_000

NIGHTS_FROM: Final = 1_000_000_000
"""Far behind the seeds of all releases."""

_FIRST_NIGHT: Final = date(2026, 1, 1)


def seeds_of_release(release: int = RELEASE) -> range:
    """The seeds that are run with each test until the next release."""
    first = release * SEEDS_A_RELEASE
    return range(first, first + SEEDS_A_RELEASE)


def seeds_of_night(night: date) -> range:
    """The seeds of a night: no other night has one of them."""
    first = NIGHTS_FROM + (night - _FIRST_NIGHT).days * SEEDS_A_NIGHT
    return range(first, first + SEEDS_A_NIGHT)
