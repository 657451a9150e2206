"""Starts batches that were planned, approved or stopped: sends first chunks, starts the state machine."""

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
        """Start an execution for a batch; a second start under the same name does nothing."""

    def is_running(self, name: str) -> bool:
        """Whether the execution of this name has not ended."""


FIRST_SUBMIT_TIME: Final = timedelta(seconds=10)
"""How long to send before the state machine takes over: a small batch is sent at once."""


@dataclass(frozen=True, kw_only=True)
class BatchStarter:
    """Starts batches, for submission and for people who approve or stop one."""

    store: BatchStore
    sender: ChunkSender
    executions: Executions
    clock: Clock

    def start(self, batch: Batch, written: Snapshot | None = None) -> Batch:
        """Send the first chunks and start the state machine; this may be repeated.

        Args:
            batch: the batch.
            written: the batch and its first chunks, if they were written just now.

        Returns:
            The batch after that.
        """
        if batch.chunks and not batch.dry_run:
            batch = self.sender.submit(batch.batch_id, self.clock.now() + FIRST_SUBMIT_TIME, written)
        self.executions.start(execution_name(batch.batch_id, 1), batch.batch_id)
        if batch.executions:
            return batch
        return save_or_reread(self.store, batch.changed(executions=1))
