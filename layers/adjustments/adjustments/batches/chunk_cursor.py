"""Reads a batch and those of its chunks that are not final."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from adjustments.batches.next_step import advance_checkpoint
from adjustments.batches.records import Batch, Checkpoint, Chunk
from adjustments.batches.store import BatchStore

UNTOUCHED_MAX: Final = 96
"""Untouched chunks of one reading: twice what is handed to workers until the next one.

All other chunks that are not final are read as well: senders read in the same way, and so have sent nothing
behind that many untouched chunks.
"""


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
