"""Polls the open jobs of a batch, and decides with their outcomes what the batch does next."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from adjustments.aws.event_log import log_event, log_warning
from adjustments.batches.next_step import NextStep, lease_is_over, next_step
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus, ChunkState, SendAs
from adjustments.batches.store import BatchStore, ChunkCursor, save_or_reread, try_save
from adjustments.core.errors import WrongState
from adjustments.core.runtime import Clock, Parallel
from adjustments.polling.dry_run import DryRun
from adjustments.polling.job_client import JobStopper
from adjustments.polling.settlement import JobCollector

CHECKPOINT_CHUNKS_MIN: Final = 48
"""Final chunks from which the checkpoint is stored: reading them again would cost as much as the write."""

DEADLINE_MESSAGE = "the batch's deadline passed before Gameball reported the outcome of this row"
LOST_MESSAGE = "the sender stopped between the intent and the answer: the request may have been sent"


@dataclass(frozen=True, kw_only=True)
class Poller:
    """Polls jobs, settles chunks, and stops batches.

    Args:
        failure_percent_max: percentage of failed rows above which nothing more is sent (MaxFailurePercent).
    """

    store: BatchStore
    collector: JobCollector
    dry_run: DryRun
    stopper: JobStopper
    clock: Clock
    parallel: Parallel
    failure_percent_max: int

    def poll(self, batch_id: str, until: datetime) -> tuple[Batch, NextStep]:
        """Poll each open job once, settle the chunks of those that ended, and decide what follows.

        Args:
            batch_id: the batch.
            until: when to stop polling, UTC.

        Returns:
            The batch, and what it does next.
        """
        cursor = ChunkCursor(self.store, batch_id)
        batch = cursor.batch()
        if batch.status.is_final:
            return batch, self._step(cursor, batch)
        if batch.dry_run and not batch.refusal:
            is_over = self.dry_run.advance(batch, until)
            return batch, self._step(cursor, batch)._replace(is_over=is_over)
        stored = batch.checkpoint.chunks
        step = self._step(cursor, batch)
        if batch.send_as is SendAs.BATCH:
            for chunk in step.lost:
                self._mark_in_doubt(batch, chunk, LOST_MESSAGE)
        batch, may_poll = self._allow_last_poll(batch)
        if may_poll:
            self.stopper.stop_jobs(batch, until)
            self.parallel([partial(self.collector.collect, batch, chunk, until) for chunk in step.to_poll])
        batch, step = self._apply_stop(cursor)
        is_sent = not step.more_to_send and batch.status in (BatchStatus.PLANNED, BatchStatus.SUBMITTING)
        if is_sent and not step.is_over:
            batch = save_or_reread(self.store, batch.moved(BatchStatus.POLLING, checkpoint=cursor.checkpoint))
        elif not step.is_over and cursor.checkpoint.chunks >= stored + CHECKPOINT_CHUNKS_MIN:
            try_save(self.store, batch.changed(checkpoint=cursor.checkpoint))
        return batch, step

    def _step(self, cursor: ChunkCursor, batch: Batch) -> NextStep:
        return next_step(batch, cursor.chunks(batch), self.clock.now(), self.failure_percent_max)

    def _allow_last_poll(self, batch: Batch) -> tuple[Batch, bool]:
        """Decide whether jobs may be polled: after the deadline once more, and never again.

        The last poll is recorded before it is made, so that the batch ends even where polling kills the
        function.

        Returns:
            The batch, and whether its jobs may be polled.
        """
        if self.clock.now() < batch.deadline_at:
            return batch, True
        if batch.polled_past_deadline:
            return batch, False
        return save_or_reread(self.store, batch.changed(polled_past_deadline=True)), True

    def _mark_in_doubt(self, batch: Batch, chunk: Chunk, message: str) -> None:
        with suppress(WrongState):  # its worker is still running
            self.store.save_chunk(batch, chunk.moved(ChunkState.IN_DOUBT, error=message))
            log_warning("chunk in doubt", batch, chunk, why=message)

    def _apply_stop(self, cursor: ChunkCursor) -> tuple[Batch, NextStep]:
        """After a stop or at the deadline, close the chunks that will not be sent; decide what follows."""
        batch = cursor.batch()
        step = self._step(cursor, batch)
        batch = self._record_canary_note(batch, step)
        is_late = self.clock.now() >= batch.deadline_at
        if is_late and not step.is_over and not batch.past_deadline:
            reason = batch.stop_reason or step.stop_reason or "the batch's deadline passed"
            batch = save_or_reread(self.store, batch.changed(past_deadline=True, stop_reason=reason))
            log_warning("batch past its deadline", batch)
        elif step.stop_reason and not batch.stop_reason:
            batch = save_or_reread(self.store, batch.changed(stop_reason=step.stop_reason))
            log_warning("batch stopped: too many rows failed", batch)
        if not batch.stop_reason:
            return batch, step
        for chunk in self.store.chunks(batch.batch_id, batch.plan_id):
            if self._is_begun(batch, chunk):
                self._settle_stopped(batch, chunk)
            elif chunk.state is ChunkState.PLANNED:
                self._mark_not_submitted(batch, chunk)
            elif chunk.state is ChunkState.SUBMITTED and batch.past_deadline:
                self._mark_in_doubt(batch, chunk, DEADLINE_MESSAGE)
        return batch, self._step(cursor, batch)

    def _is_begun(self, batch: Batch, chunk: Chunk) -> bool:
        """Whether rows of a chunk may have been sent as transactions that nobody is sending any more."""
        if batch.send_as is SendAs.BATCH:
            return False
        if chunk.state is ChunkState.SUBMITTING:
            return lease_is_over(chunk, self.clock.now())
        return chunk.state is ChunkState.PLANNED and bool(chunk.outcomes_key)

    def _record_canary_note(self, batch: Batch, step: NextStep) -> Batch:
        """Record why a second canary is sent, unless the batch has ended since this poll began."""
        if batch.status.is_final or step.canary_note == batch.canary_note:
            return batch
        noted = save_or_reread(self.store, batch.changed(canary_note=step.canary_note))
        log_warning("canary in doubt" if step.canary_note else "canary no longer in doubt", noted)
        return noted

    def _settle_stopped(self, batch: Batch, chunk: Chunk) -> None:
        """Settle a chunk of transactions of which some rows were sent, or may have been."""
        with suppress(WrongState):  # its worker is still running
            self.collector.settler.settle_stopped(batch, chunk)

    def _mark_not_submitted(self, batch: Batch, chunk: Chunk) -> None:
        with suppress(WrongState):  # it is being sent, and will be polled
            self.store.save_chunk(batch, chunk.moved(ChunkState.NOT_SUBMITTED))
            log_event("chunk not submitted", batch, chunk)


def answer_of(batch: Batch, step: NextStep) -> Mapping[str, Any]:
    """The output of a step of the state machine: ids and numbers, never rows."""
    return {
        "batchId": batch.batch_id,
        "isOver": step.is_over or batch.status.is_final,
        "moreToSend": step.more_to_send,
        "waitSeconds": step.wait_s,
    }
