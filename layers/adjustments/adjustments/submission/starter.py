"""Sets a batch going that was planned or approved: sends its first chunks, and starts the state machine."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from adjustments.batches.chunk_cursor import Snapshot
from adjustments.batches.optimistic_update import save_or_reread
from adjustments.batches.records import Batch
from adjustments.batches.store import BatchStore
from adjustments.core.ids import execution_name
from adjustments.core.runtime import Clock
from adjustments.submission.sender import ChunkSender


class Executions(Protocol):
    """The state machine."""

    def start(self, name: str, batch_id: str) -> None:
        """Start it for a batch; a second start under the same name does nothing."""

    def is_running(self, name: str) -> bool:
        """Whether the start of this name has not ended."""


FIRST_SUBMIT: Final = timedelta(seconds=10)
"""How long is sent before the state machine takes over: a small file is on its way at once."""


@dataclass(frozen=True, kw_only=True)
class BatchStarter:
    """Sets batches going, for whoever takes a file and for a person who approves or stops one."""

    store: BatchStore
    sender: ChunkSender
    executions: Executions
    clock: Clock

    def start(self, batch: Batch, written: Snapshot | None = None) -> Batch:
        """Send the first chunks and start the state machine; harmless when repeated.

        Args:
            batch: the batch.
            written: the batch and its first chunks, where they were written just now.
        """
        if batch.chunks and not batch.dry_run:
            batch = self.sender.submit(batch.batch_id, self.clock.now() + FIRST_SUBMIT, written)
        self.executions.start(execution_name(batch.batch_id, 1), batch.batch_id)
        if batch.executions:
            return batch
        return save_or_reread(self.store, batch.changed(executions=1))
