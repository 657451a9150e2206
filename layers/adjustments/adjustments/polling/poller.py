"""Asks Gameball for a batch's open jobs, and keeps what became of each row."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from adjustments.aws.event_log import log_event, log_warning
from adjustments.batches.chunk_cursor import ChunkCursor
from adjustments.batches.next_step import NextStep, next_step
from adjustments.batches.optimistic_update import save_or_reread, try_save
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus, ChunkState
from adjustments.batches.store import BatchStore
from adjustments.core.errors import WrongState
from adjustments.core.runtime import Clock, Parallel
from adjustments.polling.dry_run import DryRun
from adjustments.polling.job_collector import JobCollector
from adjustments.polling.job_stopper import JobStopper

CHECKPOINT_CHUNKS_MIN: Final = 48
"""So many more certain chunks are worth a write of the batch: to read them again would cost as much."""

DEADLINE_MESSAGE = "the batch's deadline passed before Gameball told what became of this row"
LOST_MESSAGE = "the sender vanished between the intent and the answer: the request may have been sent"


@dataclass(frozen=True, kw_only=True)
class Poller:
    """Moves a batch on by what Gameball tells of its jobs.

    Args:
        failure_percent_max: share of failed rows past which nothing more is sent (MaxFailurePercent).
    """

    store: BatchStore
    collector: JobCollector
    dry_run: DryRun
    stopper: JobStopper
    clock: Clock
    parallel: Parallel
    failure_percent_max: int

    def poll(self, batch_id: str, until: datetime) -> tuple[Batch, NextStep]:
        """Ask for the open jobs once, settle what ended, and say what follows."""
        look = ChunkCursor(self.store, batch_id)
        batch = look.batch()
        if batch.status.is_final:
            return batch, self._step(look, batch)
        if batch.dry_run and not batch.refusal:
            is_over = self.dry_run.look(batch, until)
            return batch, self._step(look, batch)._replace(is_over=is_over)
        kept = batch.checkpoint.chunks
        step = self._step(look, batch)
        for chunk in step.lost:
            self._doubt(batch, chunk, LOST_MESSAGE)
        batch, may_ask = self._note_last_poll(batch)
        if may_ask:
            self.stopper.stop_jobs(batch, until)
            self.parallel([partial(self.collector.collect, batch, chunk, until) for chunk in step.to_poll])
        batch, step = self._note_stop(look)
        if not step.more_to_send and batch.status in (BatchStatus.PLANNED, BatchStatus.SUBMITTING):
            batch = save_or_reread(self.store, batch.moved(BatchStatus.POLLING, checkpoint=look.checkpoint))
        elif not step.is_over and look.checkpoint.chunks >= kept + CHECKPOINT_CHUNKS_MIN:
            try_save(self.store, batch.changed(checkpoint=look.checkpoint))
        return batch, step

    def _step(self, look: ChunkCursor, batch: Batch) -> NextStep:
        return next_step(batch, look.chunks(batch), self.clock.now(), self.failure_percent_max)

    def _note_last_poll(self, batch: Batch) -> tuple[Batch, bool]:
        """Past the deadline, ask for the jobs once more and never again; whether they may be asked for.

        It is noted before they are asked for, so that a batch ends also when the asking kills the function.
        """
        if self.clock.now() < batch.deadline_at:
            return batch, True
        if batch.polled_past_deadline:
            return batch, False
        return save_or_reread(self.store, batch.changed(polled_past_deadline=True)), True

    def _doubt(self, batch: Batch, chunk: Chunk, message: str) -> None:
        with suppress(WrongState):  # its worker is alive after all
            self.store.save_chunk(batch, chunk.moved(ChunkState.IN_DOUBT, error=message))
            log_warning("chunk in doubt", batch, chunk, why=message)

    def _note_stop(self, look: ChunkCursor) -> tuple[Batch, NextStep]:
        """Close what will not be sent any more, after a stop and at the deadline; say what follows."""
        batch = look.batch()
        step = self._step(look, batch)
        batch = self._note_canary(batch, step)
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
            if chunk.state is ChunkState.PLANNED:
                self._close(batch, chunk)
            elif chunk.state is ChunkState.SUBMITTED and batch.past_deadline:
                self._doubt(batch, chunk, DEADLINE_MESSAGE)
        return batch, self._step(look, batch)

    def _note_canary(self, batch: Batch, step: NextStep) -> Batch:
        """Note why a second canary goes; nothing of a batch that has ended since this poll began."""
        if batch.status.is_final or step.canary_note == batch.canary_note:
            return batch
        noted = save_or_reread(self.store, batch.changed(canary_note=step.canary_note))
        log_warning("canary in doubt" if step.canary_note else "canary no longer in doubt", noted)
        return noted

    def _close(self, batch: Batch, chunk: Chunk) -> None:
        with suppress(WrongState):  # it is being sent at this moment, and will be polled
            self.store.save_chunk(batch, chunk.moved(ChunkState.NOT_SUBMITTED))
            log_event("chunk not submitted", batch, chunk)


def answer_of(batch: Batch, step: NextStep) -> Mapping[str, Any]:
    """What the state machine learns of a poll: ids and numbers, never rows."""
    return {
        "batchId": batch.batch_id,
        "isOver": step.is_over or batch.status.is_final,
        "moreToSend": step.more_to_send,
        "waitSeconds": step.wait_s,
    }
