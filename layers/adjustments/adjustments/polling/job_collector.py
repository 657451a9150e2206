"""Collects the outcomes of a job that has ended; pauses a batch while the keys are refused."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from adjustments.aws.event_log import error_facts, log_event, log_warning
from adjustments.batches.optimistic_update import storable_text, try_save
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.store import BatchStore
from adjustments.core.errors import ConfigurationError, GameballError, GameballUnauthorized, WrongState
from adjustments.core.runtime import Clock
from adjustments.polling.job_client import JobClient
from adjustments.polling.job_status import read_status
from adjustments.polling.settlement import ChunkSettler, settle


@dataclass(frozen=True, kw_only=True)
class JobCollector:
    """Polls jobs and settles the chunks of those that have ended."""

    store: BatchStore
    settler: ChunkSettler
    jobs: JobClient
    clock: Clock

    def collect(self, batch: Batch, chunk: Chunk, until: datetime) -> None:
        """Poll the job of a chunk once, and settle the chunk if the job has ended.

        Args:
            batch: the batch.
            chunk: a submitted chunk.
            until: when the call has to be made at the latest, UTC.
        """
        if chunk.job_id is None:
            raise WrongState(f"chunk {chunk.chunk_id} of {batch.batch_id} is submitted and has no jobId")
        try:
            answer = self.jobs.fetch_status(batch, chunk.job_id, until)
        except (GameballUnauthorized, ConfigurationError) as error:
            pause_batch(self.store, batch.batch_id, storable_text(str(error)))
            return
        except GameballError as error:
            log_event("job status not available", batch, chunk, **error_facts(error))
            return  # the next poll tries again
        if answer is None:
            return
        if batch.pause_reason:
            resume_batch(self.store, batch.batch_id)
        job = read_status(*answer)
        if job.has_ended:
            with suppress(WrongState):  # another worker settled it
                settlement = settle(self.settler.rows(chunk), job)
                self.settler.settle(batch, chunk, settlement, job.state, ended_at=self.clock.now())


def pause_batch(store: BatchStore, batch_id: str, reason: str) -> None:
    """Pause a batch while Gameball refuses the keys; no row fails for it.

    Args:
        store: where the batch is stored.
        batch_id: the batch.
        reason: what the refused call got, for people.
    """
    batch = store.batch(batch_id)
    if not batch.pause_reason and not batch.status.is_final:
        try_save(store, batch.changed(pause_reason=reason))
        log_warning("batch paused: keys refused", batch)


def resume_batch(store: BatchStore, batch_id: str) -> None:
    """Resume a paused batch, once a call with the keys has succeeded."""
    batch = store.batch(batch_id)
    if batch.pause_reason:
        try_save(store, batch.changed(pause_reason=""))
        log_event("batch unpaused: keys accepted", batch)
