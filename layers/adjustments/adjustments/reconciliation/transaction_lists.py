"""Reads the transaction lists of many customers in parallel, as fast as the rate limiter allows, and counts
rows that look the same there, so that no transaction is matched to two of them.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple

from adjustments.batches.lookup_rounds import SEARCH_PERIOD, DoubtfulRow
from adjustments.batches.records import Chunk
from adjustments.batches.states import ChunkState, SendAs
from adjustments.batches.store import BatchStore
from adjustments.core import exact_json
from adjustments.core.decimals import plain
from adjustments.core.errors import ConfigurationError, GameballError, GameballRefused, GameballUnauthorized
from adjustments.core.runtime import Clock, Parallel
from adjustments.gameball.port import Gameball
from adjustments.gameball.rate_limiter import Priority, RateLimiter, Resource, wait_for_slot
from adjustments.polling.settlement import ChunkSettler

WORKERS: Final = 12
"""Parallel look-ups: at 12 requests a second, each may take a second and the rate limit is still used."""

PAGES_MAX: Final = 25
"""Pages of 200 transactions that are read of one customer; a longer list proves nothing."""

FAILURES_MAX: Final = 20
"""Look-ups in a row that fail before the run ends, as Gameball can't be reached."""

Page = Mapping[str, Any]
Wanted = Mapping[str, Callable[[Sequence[Page]], Any]]
"""Customers, each with what makes evidence of the pages of the customer's list."""

_OUT_OF_TIME: Final[Sequence[Mapping[str, Any]]] = []
"""Returned in place of pages when the time was up before all were read."""

CLOCK_AHEAD_MAX: Final = timedelta(days=1)
"""How far ahead of ours the clock of a sender may be: generous, since a day more costs one small query."""

_NEVER_APPLIED: Final = (ChunkState.SPLIT, ChunkState.REFUSED)

Appearance = tuple[str, str, str]
"""What a transaction list shows of a row: the customer, the amount and the reason."""


class TransactionLists(NamedTuple):
    """What was read.

    ``found`` holds the evidence by customer; None if the list could not be read to its end. ``failed`` holds
    the customers whose look-up was not answered. ``must_stop`` says that further look-ups would fail: the
    keys are refused, or Gameball can't be reached.
    """

    found: dict[str, Any]
    failed: set[str]
    must_stop: bool


@dataclass(frozen=True, kw_only=True)
class TransactionListReader:
    """Reads transaction lists within the rate limit."""

    gameball: Gameball
    rate_limiter: RateLimiter
    clock: Clock
    parallel: Parallel

    def read(self, wanted: Wanted, until: datetime) -> TransactionLists:
        """Read the lists of customers, in order.

        Args:
            wanted: the customers, with what makes evidence of their lists.
            until: when to end; customers that were not reached by then are not in the answer.
        """
        lookups = _Lookups(wanted)
        self.parallel([partial(self._work, lookups, until)] * min(WORKERS, len(wanted)))
        return TransactionLists(lookups.found, lookups.failed, lookups.must_stop)

    def _work(self, lookups: "_Lookups", until: datetime) -> None:
        while self.clock.now() < until and (customer_id := lookups.next_customer()) is not None:
            try:
                pages = self._pages(customer_id, until)
            except GameballRefused:
                lookups.record_list(customer_id, None)
            except (GameballUnauthorized, ConfigurationError):
                lookups.must_stop = True
            except GameballError:
                lookups.record_failure(customer_id)
            else:
                if pages is _OUT_OF_TIME:
                    return
                lookups.record_list(customer_id, pages)

    def _pages(self, customer_id: str, until: datetime) -> Sequence[Mapping[str, Any]] | None:
        """Read a customer's whole list; None if it has too many pages or no way on. Raises GameballError."""
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


class _Lookups:
    """The customers to look up and what was read so far; shared by the workers."""

    def __init__(self, wanted: Wanted) -> None:
        self.found: dict[str, Any] = {}
        self.failed: set[str] = set()
        self.must_stop = False
        self._wanted = wanted
        self._waiting = deque(wanted)
        self._failures = 0
        self._lock = threading.Lock()

    def next_customer(self) -> str | None:
        """Take the next customer; None if there is none, or look-ups have to stop."""
        with self._lock:
            return self._waiting.popleft() if self._waiting and not self.must_stop else None

    def record_list(self, customer_id: str, pages: Sequence[Mapping[str, Any]] | None) -> None:
        """Record the evidence of a customer's list; there is none if the list is incomplete."""
        evidence = None if pages is None else self._wanted[customer_id](pages)
        with self._lock:
            self._failures = 0
            self.found[customer_id] = evidence

    def record_failure(self, customer_id: str) -> None:
        """Record that a look-up was not answered."""
        with self._lock:
            self._failures += 1
            self.failed.add(customer_id)
            self.must_stop = self.must_stop or self._failures >= FAILURES_MAX


def _last_id(page: Mapping[str, Any]) -> str | None:
    listed = page.get("transactions")
    last = listed[-1].get("gameballTransactionId") if isinstance(listed, list) and listed else None
    return None if last is None else str(last)


class LookalikeCounter:
    """Counts the rows of all batches that look like some rows in doubt.

    Args:
        store: the batches.
        settler: reads the rows of chunks.
        rows: the rows in doubt; others are not counted.
    """

    def __init__(self, store: BatchStore, settler: ChunkSettler, rows: Iterable[DoubtfulRow]) -> None:
        self._store = store
        self._settler = settler
        self._wanted = frozenset(appearance_of(row) for row in rows)
        self._counts_of: dict[tuple[str, int, int], Counter[Appearance]] = {}

    def count(self, earliest_intent_at: datetime, now: datetime) -> Counter[Appearance]:
        """Count the rows that were sent, by whatever batch, at a time that matters; rows in doubt included.

        Args:
            earliest_intent_at: when the first of the rows in doubt was about to be sent.
            now: the time, UTC.
        """
        since, until = earliest_intent_at - SEARCH_PERIOD, now + CLOCK_AHEAD_MAX
        counts: Counter[Appearance] = Counter()
        for batch in self._store.batches_sent_between(since, until):
            if batch.send_as is SendAs.TRANSACTIONS:
                continue  # their entries have a transactionId, by which they are told apart
            for chunk in self._store.chunks(batch.batch_id, batch.plan_id):
                if chunk.intent_at is not None and chunk.state not in _NEVER_APPLIED:
                    counts.update(self._count_in(chunk))
        return counts

    def _count_in(self, chunk: Chunk) -> Counter[Appearance]:
        """Count the rows of a chunk, once: what a chunk holds never changes."""
        part = chunk.payload_key, chunk.first, chunk.last
        if part not in self._counts_of:
            sent = map(_appearance_of_sent, map(exact_json.read, self._settler.rows(chunk)))
            self._counts_of[part] = Counter(row for row in sent if row in self._wanted)
        return self._counts_of[part]


def appearance_of(row: DoubtfulRow) -> Appearance:
    """What a transaction list shows of a row in doubt."""
    return row.customer_id, plain(row.amount), row.reason


def _appearance_of_sent(row: Mapping[str, Any]) -> Appearance:
    return row["customerId"], plain(Decimal(row["amount"])), row.get("reason", "")
