"""Asks Gameball for one job, and keeps what became of its rows."""

from contextlib import suppress
from datetime import datetime

from adjustments.aws.event_log import facts_of, tell
from adjustments.batches.optimistic_update import kept, pause, resume
from adjustments.batches.outcomes import settle
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.store import BatchStore
from adjustments.core.errors import ConfigurationError, GameballError, GameballUnauthorized, WrongState
from adjustments.core.runtime import Clock
from adjustments.polling.job_client import JobAsker
from adjustments.polling.job_status import read_status
from adjustments.polling.settlement import Settler


class Collector:
    """Collects the outcomes of jobs that have ended."""

    def __init__(self, store: BatchStore, settler: Settler, asker: JobAsker, clock: Clock) -> None:
        self._store = store
        self._settler = settler
        self._asker = asker
        self._clock = clock

    def collect(self, batch: Batch, chunk: Chunk, until: datetime) -> None:
        """Ask once for a chunk's job, and settle the chunk if it has ended."""
        if chunk.job_id is None:
            raise WrongState(f"chunk {chunk.chunk_id} of {batch.batch_id} is submitted and has no jobId")
        try:
            asked = self._asker.ask(batch, chunk.job_id, until)
        except (GameballUnauthorized, ConfigurationError) as error:
            pause(self._store, batch.batch_id, kept(str(error)))
            return
        except GameballError as error:
            tell("job not told", batch, chunk, **facts_of(error))
            return  # asking again does no harm: the next tick does
        if asked is None:
            return
        if batch.paused:
            resume(self._store, batch.batch_id)
        job = read_status(*asked)
        if job.has_ended:
            with suppress(WrongState):  # somebody else settled it
                settlement = settle(self._settler.rows(chunk), job)
                self._settler.settle(batch, chunk, settlement, job.state, ended_at=self._clock.now())
