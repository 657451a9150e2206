"""Reads the transaction lists of many customers side by side, as fast as the rate limiter allows."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from adjustments.core.errors import ConfigurationError, GameballError, GameballRefused, GameballUnauthorized
from adjustments.core.runtime import Clock, Parallel
from adjustments.gameball.port import Gameball
from adjustments.gameball.rate_limiter import Priority, RateLimiter, Resource, wait_for_slot
from adjustments.reconciliation.evidence import Transaction, read_transactions

WORKERS: Final = 12
"""Look-ups under way at once: with 12 a second, each may take a second and the rate limit is still used."""

PAGES_MAX: Final = 25
"""Pages of 200 transactions read of one customer; of a longer list nothing is concluded."""

FAILURES_MAX: Final = 20
"""So many look-ups in a row without an answer end the run: Gameball is out of reach."""

Wanted = Mapping[str, frozenset[tuple[Decimal, str]]]
"""Customers, each with the amounts and reasons of the rows in doubt."""


class Lists(NamedTuple):
    """What was read.

    ``found`` holds, of each customer that was asked about, the entries that look like rows in doubt; None
    where the list could not be read whole. ``failed`` are customers of whom no answer came. ``must_end`` says
    that asking on is of no use now: the keys are refused, or Gameball is out of reach.
    """

    found: dict[str, list[Transaction] | None]
    failed: set[str]
    must_end: bool


@dataclass(frozen=True, kw_only=True)
class ListReader:
    """Reads transaction lists within the rate limiter."""

    gameball: Gameball
    rate_limiter: RateLimiter
    clock: Clock
    parallel: Parallel

    def read(self, wanted: Wanted, until: datetime) -> Lists:
        """Read the lists of these customers in order, until the time is up; whoever was not reached is in
        neither answer.
        """
        reading = _Reading(wanted)
        self.parallel([lambda: self._work(reading, until)] * min(WORKERS, len(wanted)))
        return Lists(reading.found, reading.failed, reading.must_end)

    def _work(self, reading: "_Reading", until: datetime) -> None:
        while self.clock.now() < until and (customer_id := reading.take()) is not None:
            try:
                pages = self._pages(customer_id, until)
            except GameballRefused:
                reading.note(customer_id, None)
            except (GameballUnauthorized, ConfigurationError):
                reading.must_end = True
            except GameballError:
                reading.note_failure(customer_id)
            else:
                if pages is _OUT_OF_TIME:
                    return
                reading.note(customer_id, pages)

    def _pages(self, customer_id: str, until: datetime) -> Sequence[Mapping[str, Any]] | None:
        """A customer's whole list; None where it can't be read whole. Raises GameballError."""
        pages: list[Mapping[str, Any]] = []
        start_after: str | None = None
        for _ in range(PAGES_MAX):
            if not wait_for_slot(self.rate_limiter, self.clock, Resource.TRANSACTIONS, Priority.BULK, until):
                return _OUT_OF_TIME
            page = self.gameball.transactions(customer_id, start_after)
            pages.append(page)
            if not page.get("hasMore"):
                return pages
            start_after = _last_id(page)
            if start_after is None:
                return None
        return None


class _Reading:
    """The customers that wait, and what was read: shared by the workers."""

    def __init__(self, wanted: Wanted) -> None:
        self.found: dict[str, list[Transaction] | None] = {}
        self.failed: set[str] = set()
        self.must_end = False
        self._wanted = wanted
        self._waiting = deque(wanted)
        self._failures = 0
        self._lock = threading.Lock()

    def take(self) -> str | None:
        """The next customer; None when there is no more to do."""
        with self._lock:
            return self._waiting.popleft() if self._waiting and not self.must_end else None

    def note(self, customer_id: str, pages: Sequence[Mapping[str, Any]] | None) -> None:
        """Keep what a customer's list says of the rows in doubt."""
        wanted = self._wanted[customer_id]
        kept = [entry for entry in read_transactions(pages or ()) if (entry.amount, entry.reason) in wanted]
        with self._lock:
            self._failures = 0
            self.found[customer_id] = None if pages is None else kept

    def note_failure(self, customer_id: str) -> None:
        """Keep that no answer came."""
        with self._lock:
            self._failures += 1
            self.failed.add(customer_id)
            self.must_end = self.must_end or self._failures >= FAILURES_MAX


_OUT_OF_TIME: Final[Sequence[Mapping[str, Any]]] = []
"""Stands for pages that were not read since the time was up."""


def _last_id(page: Mapping[str, Any]) -> str | None:
    listed = page.get("transactions")
    last = listed[-1].get("gameballTransactionId") if isinstance(listed, list) and listed else None
    return None if last is None else str(last)
