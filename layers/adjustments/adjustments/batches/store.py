"""The store of batches and chunks, and how workers that run at the same time read and update them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from adjustments.batches.batch_parts import Checkpoint
from adjustments.batches.next_step import advance_checkpoint
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus
from adjustments.batches.unapproved import Unapproved
from adjustments.core.errors import NotFound, WrongState
from adjustments.core.limits import ERROR_CHARS_MAX
from adjustments.core.printable import storable

CHANGE_TRIES_MAX: Final = 8
"""Tries of an update that must not be lost; each takes one read and one write."""

UNTOUCHED_MAX: Final = 96
"""Untouched chunks of one reading: twice what is handed to workers until the next one.

All other chunks that are not final are read as well: senders read in the same way, and so have sent nothing
behind that many untouched chunks.
"""


class IndexEntry(NamedTuple):
    """Where the indexes of a batch are: of its rows (batches/row_index.py), of its customers
    (batches/customer_index.py).

    ``key`` and ``customers_key`` name their objects; those of few rows are in ``fingerprints`` and
    ``customers`` themselves, and have no object. ``customers_rows`` is None in entries from before there was
    an index of customers.
    """

    batch_id: str
    planned_at: datetime
    rows: int
    key: str = ""
    fingerprints: bytes = b""
    customers_rows: int | None = None
    customers_key: str = ""
    customers: bytes = b""


class EntryCursor(NamedTuple):
    """After which entry to go on: the month of its planning, and its batch."""

    month: str
    batch_id: str


class BatchFilter(NamedTuple):
    """Which batches to list: those of a status, and those whose ids sort from one text up to another one.

    Ids begin with the time of the drop (core/ids.py), so the texts stand for times.
    """

    status: BatchStatus | None = None
    first: str = ""
    end: str = ""


ALL_BATCHES: Final = BatchFilter()


class BatchStore(Protocol):
    """Stores batches and chunks. Writes are conditional, so that the second of two writers gets an error."""

    def unapproved(self) -> Unapproved:
        """Read the batches of the last 24 hours that went out without an approval."""

    def create_batch(
        self, batch: Batch, chunks: Sequence[Chunk] = (), unapproved: Unapproved | None = None
    ) -> bool:
        """Store a new batch, and chunks of its plan with it, all or nothing.

        Args:
            batch: the batch.
            chunks: chunks of its plan.
            unapproved: the next version of ``unapproved()``, with this batch in it; None where it is no part
                of that.

        Returns:
            False where a batch of this id exists, or ``unapproved`` was changed meanwhile: nothing is stored.
        """

    def claim_content(
        self, sha256: str, batch_id: str, now: datetime, until: datetime, replaces: str = ""
    ) -> str | None:
        """Claim a content for a batch, so that the same rows are accepted once.

        Args:
            sha256: hash of the content.
            batch_id: the batch that claims it.
            now: the time, UTC.
            until: when the claim expires.
            replaces: a batch whose claim may be taken over; empty for none.

        Returns:
            The batch that holds the claim, None where it is this one now.
        """

    def claim_notification(self, name: str, now: datetime, until: datetime) -> bool:
        """Claim the sending of a notification.

        Args:
            name: the notification.
            now: the time, UTC.
            until: when the claim expires.

        Returns:
            False where the notification was sent before.

        Raises:
            WrongState: another run holds the claim.
        """

    def record_notification(self, name: str) -> None:
        """Record that a notification was sent."""

    def record_reversal(self, sha256: str, batch_id: str) -> None:
        """Record which batch is reversed by a content."""

    def reversed_batch(self, sha256: str) -> str | None:
        """The batch that is reversed by a content, None for none."""

    def record_remainder(self, sha256: str, batch_id: str) -> None:
        """Record a content as the rows of a held batch that no earlier batch has."""

    def remainder_of(self, sha256: str) -> str | None:
        """The held batch whose new rows are this content; None for none."""

    def record_dry_run(self, sha256: str, batch_id: str) -> None:
        """Record a batch as the last dry run of a content."""

    def dry_run_of(self, sha256: str) -> str | None:
        """The last dry run of a content, None for none."""

    def register_rows(self, entry: IndexEntry) -> None:
        """Record where the index of a batch's rows is; whoever reads the entries from now on sees it."""

    def registered_rows(self, since: datetime, now: datetime) -> Iterator[IndexEntry]:
        """The entries of the batches that were planned since a time; also those whose clock is ahead."""

    def latest_registered_rows(
        self, since: datetime, now: datetime, after: EntryCursor | None
    ) -> Iterator[tuple[EntryCursor, IndexEntry]]:
        """The entries of ``registered_rows``, newest first, read as they are taken; what was written within
        the last second may be missing.

        Args:
            since: when the oldest of them was planned at the earliest.
            now: the time, UTC.
            after: the one after which to begin; None for the newest.
        """

    def batch(self, batch_id: str) -> Batch:
        """Read a batch.

        Raises:
            NotFound: there is none of this id.
        """

    def save_batch(self, batch: Batch) -> None:
        """Store the next version of a batch.

        Raises:
            WrongState: the stored one is not the version before.
        """

    def batches(
        self, wanted: BatchFilter, rows_max: int, after: str | None
    ) -> tuple[list[Batch], str | None]:
        """Read a page of batches, newest first.

        Args:
            wanted: which batches.
            rows_max: how many at most.
            after: the last batch of the page before; None for the first page.

        Returns:
            The batches, and what to give as ``after`` for the next page, None on the last one.
        """

    def record_sending(self, batch_id: str, at: datetime) -> None:
        """Record that a batch is about to send."""

    def save_and_record_sending(self, batch: Batch, at: datetime) -> None:
        """Store the next version of a batch, and record that it is about to send, all or nothing.

        Raises:
            WrongState: as ``save_batch``.
        """

    def batches_sent_between(self, since: datetime, until: datetime) -> Iterator[Batch]:
        """Read each batch that was recorded to send between two times, and perhaps some of the same days."""

    def open_batches(self) -> Iterator[Batch]:
        """Read all open batches (``Batch.is_open``), oldest first."""

    def doubtful_batches(self) -> Iterator[Batch]:
        """Read all other batches that need attention and have rows in doubt, oldest first."""

    def add_chunks(self, batch_id: str, plan_id: str, chunks: Iterable[Chunk]) -> None:
        """Store the chunks of a plan."""

    def chunks(self, batch_id: str, plan_id: str) -> list[Chunk]:
        """Read the chunks of a plan, in the order of sending."""

    def chunks_after(self, batch_id: str, plan_id: str, after: str, untouched_max: int) -> list[Chunk]:
        """Read chunks of a plan, in the order of sending.

        Args:
            batch_id: the batch.
            plan_id: the plan.
            after: id of the chunk after which to begin, empty to begin with the first.
            untouched_max: end with the n-th chunk that was never tried to be sent.
        """

    def save_chunk(self, batch: Batch, chunk: Chunk) -> None:
        """Store the next version of a chunk.

        Raises:
            WrongState: the stored one is not the version before.
        """

    def split_chunk(self, batch: Batch, whole: Chunk, halves: Sequence[Chunk]) -> None:
        """Store the split chunk and its halves, all or nothing.

        Raises:
            WrongState: as ``save_chunk``.
        """


def storable_text(message: str) -> str:
    """Shorten a message of Gameball for a record."""
    return storable(message, ERROR_CHARS_MAX)


def find_batch(store: BatchStore, batch_id: str) -> Batch | None:
    """Read a batch; None where there is none of this id, as while it is being planned."""
    try:
        return store.batch(batch_id)
    except NotFound:
        return None


def try_save(store: BatchStore, batch: Batch) -> bool:
    """Save the next version of a batch; False where another worker has saved one meanwhile."""
    try:
        store.save_batch(batch)
    except WrongState:
        return False
    return True


def save_or_reread(store: BatchStore, batch: Batch) -> Batch:
    """Save the next version of a batch; returns the stored one where another worker was quicker."""
    return batch if try_save(store, batch) else store.batch(batch.batch_id)


def update_batch(store: BatchStore, batch_id: str, changed: Callable[[Batch], Batch]) -> Batch:
    """Update a batch; read it again and repeat where another worker was quicker.

    Args:
        store: where the batch is stored.
        batch_id: the batch.
        changed: makes the next version from the stored one; what it raises ends the update.

    Raises:
        WrongState: other workers were quicker each time.
    """
    for _ in range(CHANGE_TRIES_MAX):
        after = changed(store.batch(batch_id))
        if try_save(store, after):
            return after
    raise WrongState("other workers kept changing the batch: try again")


def find_dry_run(store: BatchStore, batch: Batch) -> Batch | None:
    """The last dry run of a batch's rows; None where there is none that has ended with a prediction."""
    found = store.dry_run_of(batch.source.sha256)
    dry_run = store.batch(found) if found else None
    return dry_run if dry_run and dry_run.prediction else None


class Snapshot(NamedTuple):
    """A batch as it was just written, with its first chunks and the body of the very first where known."""

    batch: Batch
    chunks: Sequence[Chunk] = ()
    first_body: bytes = b""


class ChunkCursor:
    """One worker's readings of a batch, each beginning after the chunks that are final by then.

    Reading all chunks each time would take time that grows with the square of the file (docs/decisions.md).

    Args:
        store: where the batch is stored.
        batch_id: the batch.
        written: the batch and its chunks where this worker has just written them: the first reading.
    """

    def __init__(self, store: BatchStore, batch_id: str, written: Snapshot | None = None) -> None:
        self._store = store
        self._batch_id = batch_id
        self._written = written
        self.checkpoint = Checkpoint()

    def batch(self) -> Batch:
        """Read the batch, with the furthest checkpoint that is known."""
        if self._written:
            return self._written.batch
        batch = self._store.batch(self._batch_id)
        if batch.checkpoint.chunks >= self.checkpoint.chunks:
            self.checkpoint = batch.checkpoint
            return batch
        return batch.replaced(checkpoint=self.checkpoint)

    def chunks(self, batch: Batch) -> Sequence[Chunk]:
        """Read the chunks behind ``batch.checkpoint``, without untouched ones far behind the next to send."""
        if written := self._written:
            self._written = None
            return written.chunks
        through = batch.checkpoint.through
        chunks = self._store.chunks_after(batch.batch_id, batch.plan_id, through, UNTOUCHED_MAX)
        self.checkpoint = advance_checkpoint(batch, chunks)
        return chunks
