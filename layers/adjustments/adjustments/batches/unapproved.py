"""The batches of the last 24 hours that went out without an approval: what the limits of approval add up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final, Self

from adjustments.batches.batch_parts import StoredModel
from adjustments.core.decimals import exact_sum, plain

PERIOD: Final = timedelta(hours=24)
"""How long a batch counts."""

ENTRIES_MAX: Final = 48
"""Entries that are kept, which are 4 KB. Where there are more, batches that followed each other closely share
one, and count for as long as the last of them: of a busy day, some half an hour longer than a day.
"""


class Entry(StoredModel):
    """A batch, or several, and when the last of them was planned."""

    at: datetime
    rows: int
    total: str


class Unapproved(StoredModel):
    """The batches that went out without an approval, oldest first.

    ``total`` of an entry is the sum of the amounts' magnitudes. ``version`` counts the changes.
    """

    version: int = 0
    entries: tuple[Entry, ...] = ()

    def sums(self, at: datetime) -> tuple[int, Decimal]:
        """Add up the rows, and the magnitudes, of the 24 hours before a time and of what came after it."""
        counted = [entry for entry in self.entries if entry.at > at - PERIOD]
        return sum(entry.rows for entry in counted), exact_sum(Decimal(entry.total) for entry in counted)

    def with_batch(self, at: datetime, rows: int, total: Decimal) -> Self:
        """Add a batch, and forget what counts no more."""
        entries = [entry for entry in self.entries if entry.at > at - PERIOD]
        entries.append(Entry(at=at, rows=rows, total=plain(total)))
        entries.sort(key=lambda entry: entry.at)
        if len(entries) > ENTRIES_MAX:
            entries = _with_closest_joined(entries)
        return self.replaced(version=self.version + 1, entries=tuple(entries))


def _with_closest_joined(entries: Sequence[Entry]) -> list[Entry]:
    """Join the two entries that are closest in time; none counts for a shorter time than before."""
    gaps = [later.at - earlier.at for earlier, later in pairwise(entries)]
    first = gaps.index(min(gaps))
    one, other = entries[first : first + 2]
    total = exact_sum([Decimal(one.total), Decimal(other.total)])
    joined = Entry(at=other.at, rows=one.rows + other.rows, total=plain(total))
    return [*entries[:first], joined, *entries[first + 2 :]]
