"""Finds the rows of a batch that earlier batches applied, are applying or may have applied.

Each batch registers the index of its rows before it reads those of the others: of two that are planned at the
same moment, at least one sees the other (docs/reliability.md, "Rows that were applied before").
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from adjustments.batches.batch_parts import OverlappedBatch
from adjustments.batches.files import Files
from adjustments.batches.records import Batch
from adjustments.batches.row_index import BEGIN, END, PARTITION_WIDTH, IndexReader, customer_bits
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchStore, IndexEntry, find_batch

LOOK_BACK: Final = timedelta(days=30)
"""How long rows count as applied before: as long as the same content is refused."""

PLANNING_MAX: Final = timedelta(hours=1)
"""How long a claim without a batch stands: its planner was killed by then, since no function runs for longer
than a quarter of it.
"""

NAMED_BATCHES_MAX: Final = 5
"""Earlier batches that a message names."""

IN_PLANNING: Final = "planning"
"""The status of a batch that has registered its rows and does not exist yet."""


class Found(NamedTuple):
    """What was found: the fingerprints of rows that earlier batches have, and those batches.

    ``new_customers`` counts the customers that no earlier batch has; None where they were not counted.
    """

    fingerprints: "array[int]"
    batches: tuple[OverlappedBatch, ...]
    new_customers: int | None = None

    @property
    def rows(self) -> int:
        """Rows that earlier batches have."""
        return len(self.fingerprints)


@dataclass(kw_only=True)
class _Earlier:
    """An earlier batch: the index of its rows, and, once a row of it was met, how it stands."""

    entry: IndexEntry
    index: IndexReader
    is_known: bool = False
    status: str = ""
    counts: bool = True
    unapplied: IndexReader | None = None
    rows: int = 0


@dataclass(frozen=True, kw_only=True)
class OverlapSearch:
    """Looks for earlier rows on behalf of one batch.

    Args:
        batch_id: the batch, whose own rows do not count.
        instead_of: the held batch whose new rows these are; its rows do not count either.
        counts_customers: whether customers are counted that no earlier batch has, which takes as long again.
    """

    batch_id: str
    files: Files
    store: BatchStore
    now: datetime
    instead_of: str = ""
    counts_customers: bool = False
    _seen: dict[str, _Earlier] = field(default_factory=dict)

    def find(self, own: IndexReader) -> Found:
        """Compare the batch's rows with those of the batches of the last 30 days.

        Args:
            own: the index of the batch's own rows.
        """
        large, small = self._earlier_batches()
        if large or small or self.counts_customers:
            return self._compare(own, large, small)
        return Found(array("Q"), ())

    def _compare(self, own: IndexReader, large: Sequence[_Earlier], small: Sequence[_Earlier]) -> Found:
        owners = _owners(small)
        of_small = set(map(customer_bits, owners)) if self.counts_customers else set()
        new_customers = 0
        matched = array("Q")
        step = PARTITION_WIDTH
        for start in range(BEGIN, END, step):
            mine = own.take(start, start + step)
            if not mine:
                continue
            different = set(mine)
            common: dict[int, int] = {}
            unknown = set(map(customer_bits, different)) - of_small if self.counts_customers else set()
            for earlier in large:
                theirs = earlier.index.take(start, start + step)
                if unknown:
                    unknown.difference_update(map(customer_bits, theirs))
                met = different.intersection(theirs)
                if met:
                    self._count(earlier, Counter(one for one in theirs if one in met), mine, start, common)
            new_customers += len(unknown)
            for earlier, met_rows in _of_small(different, owners):
                self._count(earlier, met_rows, mine, start, common)
            if common:
                matched.extend(_overlapping(mine, common))
        touched = sorted((one for one in (*large, *small) if one.rows), key=lambda one: -one.rows)
        batches = [
            OverlappedBatch(
                batch_id=one.entry.batch_id,
                rows=one.rows,
                planned_at=one.entry.planned_at,
                status=one.status,
            )
            for one in touched[:NAMED_BATCHES_MAX]
        ]
        return Found(matched, tuple(batches), new_customers if self.counts_customers else None)

    def _earlier_batches(self) -> tuple[list[_Earlier], list[_Earlier]]:
        """The batches with an index of their own, and those with few rows."""
        large, small = [], []
        for entry in self.store.registered_rows(self.now - LOOK_BACK, self.now):
            if entry.batch_id == self.batch_id:
                continue
            if entry.key:
                large.append(_Earlier(entry=entry, index=IndexReader.of_object(self.files, entry.key)))
            else:
                small.append(_Earlier(entry=entry, index=IndexReader([entry.fingerprints])))
        return large, small

    def _count(
        self,
        earlier: _Earlier,
        theirs: Counter[int],
        mine: "array[int]",
        start: int,
        common: dict[int, int],
    ) -> None:
        """Add what an earlier batch has of these rows, without what it surely did not apply."""
        if not earlier.is_known:
            self._read_status(earlier)
        if not earlier.counts:
            return
        if earlier.unapplied:
            gone = earlier.unapplied.take(start, start + PARTITION_WIDTH)
            theirs = theirs - Counter(one for one in gone if one in theirs)
        own = Counter(one for one in mine if one in theirs)
        for fingerprint, times in theirs.items():
            earlier.rows += min(times, own[fingerprint])
            common[fingerprint] = common.get(fingerprint, 0) + times

    def _read_status(self, earlier: _Earlier) -> None:
        """Find out how an earlier batch stands, as soon as it matters."""
        earlier.is_known = True
        batch = find_batch(self.store, earlier.entry.batch_id)
        if batch is None:  # it is being planned, or its planner was killed long ago
            earlier.status = IN_PLANNING
            earlier.counts = self.now < earlier.entry.planned_at + PLANNING_MAX
            return
        earlier.status = batch.status.value
        if batch.status.is_final and batch.counts.in_doubt:
            earlier.status = "in_doubt"
        earlier.counts = may_have_applied(batch) and batch.batch_id != self.instead_of
        if batch.unapplied_key:
            earlier.unapplied = IndexReader.of_object(self.files, batch.unapplied_key)


def may_have_applied(batch: Batch) -> bool:
    """Whether a batch has applied rows, or may yet do so."""
    return not (batch.dry_run or batch.changed_no_balance or batch.never_sends)


def describe(found: Found, rows: int) -> str:
    """Say how many rows were applied before, and in which batches.

    Args:
        found: what was found.
        rows: accepted rows of the batch.
    """
    groups: dict[str, list[str]] = {}
    only_one = len(found.batches) == 1
    for batch in found.batches:
        named = f"batch {batch.batch_id} on {batch.planned_at:%Y-%m-%d}" + (
            "" if only_one else f" ({batch.rows})"
        )
        groups.setdefault(_verb(batch.status), []).append(named)
    where = ", ".join(f"{verb} {', '.join(names)}" for verb, names in groups.items())
    return f"{found.rows} of {_rows(rows)} ({share(found.rows, rows)}) {where}"


def share(part: int, whole: int) -> str:
    """A share in whole percent, as people read it."""
    percent = (200 * part + whole) // (2 * whole)
    if part < whole:
        percent = min(percent, 99)
    return f"{percent} %" if percent else "under 1 %"


def new_rows_advice(new_rows: int) -> str:
    """What to do about a batch that is held for its overlap."""
    if not new_rows:
        return "approve to apply them again, or stop it: no row is new"
    were = "the 1 row that was not" if new_rows == 1 else f"the {new_rows} rows that were not"
    return f"approve to apply them again, or drop new-rows.csv, which holds {were}"


class EarlierRows:
    """Says of each row, in any order, whether an earlier batch has it: each earlier row counts once."""

    def __init__(self, fingerprints: "array[int]") -> None:
        self._fingerprints = fingerprints
        self._used = bytearray(len(fingerprints))

    def has(self, fingerprint: int) -> bool:
        """Whether one more row of this fingerprint was met."""
        place = bisect_left(self._fingerprints, fingerprint)
        while place < len(self._used) and self._fingerprints[place] == fingerprint:
            if not self._used[place]:
                self._used[place] = 1
                return True
            place += 1
        return False


def _owners(small: Iterable[_Earlier]) -> Mapping[int, list[_Earlier]]:
    owners: dict[int, list[_Earlier]] = {}
    for earlier in small:
        for fingerprint in earlier.index.take(BEGIN, END):
            owners.setdefault(fingerprint, []).append(earlier)
    return owners


def _of_small(
    different: set[int], owners: Mapping[int, list[_Earlier]]
) -> Iterator[tuple[_Earlier, Counter[int]]]:
    """The small earlier batches that have some of these rows, and which."""
    met: dict[str, tuple[_Earlier, Counter[int]]] = {}
    for fingerprint in different & owners.keys():
        for earlier in owners[fingerprint]:
            met.setdefault(earlier.entry.batch_id, (earlier, Counter()))[1][fingerprint] += 1
    return iter(met.values())


def _overlapping(mine: "array[int]", common: dict[int, int]) -> Iterator[int]:
    for fingerprint in mine:
        if common.get(fingerprint):
            common[fingerprint] -= 1
            yield fingerprint


def _verb(status: str) -> str:
    if status == IN_PLANNING:
        return "are being planned in"
    if status == BatchStatus.AWAITING_APPROVAL:
        return "wait for approval in"
    if status == "in_doubt":
        return "were applied or are in doubt in"
    if BatchStatus(status).is_final:
        return "were applied in"
    return "are under way in"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
