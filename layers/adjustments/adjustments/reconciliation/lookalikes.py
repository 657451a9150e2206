"""Counts rows that look the same in a transaction list, so that no transaction is matched to two of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from adjustments.batches.lookup_rounds import SEARCH_PERIOD, DoubtfulRow
from adjustments.batches.records import Chunk
from adjustments.batches.states import ChunkState
from adjustments.batches.store import BatchStore
from adjustments.core import exact_json
from adjustments.core.decimals import plain
from adjustments.polling.settlement import ChunkSettler

CLOCK_AHEAD_MAX: Final = timedelta(days=1)
"""How far ahead of ours the clock of a sender may be: generous, since a day more costs one small query."""

_NEVER_APPLIED: Final = (ChunkState.SPLIT, ChunkState.REFUSED)

Appearance = tuple[str, str, str]
"""What a transaction list shows of a row: the customer, the amount and the reason."""


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
