"""Looks at a batch and at those of its chunks that something may still become of."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from adjustments.batches.next_step import advance_checkpoint
from adjustments.batches.records import Batch, Checkpoint, Chunk
from adjustments.batches.store import BatchStore

UNTOUCHED_MAX: Final = 96
"""Chunks that nobody has tried to send that a look sees: twice what is handed out until the next one.

It sees all others that are not certain, since whoever sends has looked in the same way, and has sent nothing
that lay behind so many untouched ones.
"""


class Snapshot(NamedTuple):
    """A batch, and where they are known its first chunks, and the body of the very first."""

    batch: Batch
    chunks: Sequence[Chunk] = ()
    first_body: bytes = b""


class ChunkCursor:
    """One worker's looks at a batch, each from where the one before saw that nothing can change any more.

    To read all chunks each time would grow with the square of the file (docs/decisions.md).

    Args:
        written: the batch and its chunks where this worker has just written them: they are the first look.
    """

    def __init__(self, store: BatchStore, batch_id: str, written: Snapshot | None = None) -> None:
        self._store = store
        self._batch_id = batch_id
        self._written = written
        self.checkpoint = Checkpoint()

    def batch(self) -> Batch:
        """The batch as it stands, with how far its chunks were seen to be certain."""
        if self._written:
            return self._written.batch
        batch = self._store.batch(self._batch_id)
        if batch.checkpoint.chunks >= self.checkpoint.chunks:
            self.checkpoint = batch.checkpoint
            return batch
        return batch.replaced(checkpoint=self.checkpoint)

    def chunks(self, batch: Batch) -> Sequence[Chunk]:
        """The chunks behind ``batch.checkpoint``, but for untouched ones whose turn is far off."""
        if written := self._written:
            self._written = None
            return written.chunks
        through = batch.checkpoint.through
        chunks = self._store.chunks_after(batch.batch_id, batch.plan_id, through, UNTOUCHED_MAX)
        self.checkpoint = advance_checkpoint(batch, chunks)
        return chunks
