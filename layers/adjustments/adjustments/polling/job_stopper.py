"""Requests that Gameball stops the running jobs of a stopped batch."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from adjustments.aws.event_log import log_event
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import ChunkState
from adjustments.batches.store import BatchStore
from adjustments.core.errors import ConfigurationError, GameballError, WrongState
from adjustments.core.runtime import Clock
from adjustments.gameball.port import Dialect, Gameball, dialects_to_try
from adjustments.gameball.rate_limiter import Priority, RateLimiter, Resource, wait_for_slot


@dataclass(frozen=True, kw_only=True)
class JobStopper:
    """Requests that running jobs are stopped, each once, unless the person who stopped the batch kept them.

    Whether a job stopped in time is not concluded from the request: its rows are polled as before.
    """

    store: BatchStore
    gameball: Gameball
    rate_limiter: RateLimiter
    clock: Clock
    dialect: Dialect | None

    def stop_jobs(self, batch: Batch, until: datetime) -> None:
        """Request a stop of each open job for which none was requested yet.

        Args:
            batch: the batch.
            until: when to end, UTC; the next poll goes on.
        """
        if not batch.stopped_by or batch.keeps_jobs:
            return
        for chunk in self.store.chunks(batch.batch_id, batch.plan_id):
            if chunk.state is not ChunkState.SUBMITTED or chunk.stop_requested:
                continue
            if self.clock.now() >= until:
                return
            if self._request_stop(batch, chunk, until):
                with suppress(WrongState):  # settled meanwhile
                    self.store.save_chunk(batch, chunk.changed(stop_requested=True))
                    log_event("job stop requested", batch, chunk)

    def _request_stop(self, batch: Batch, chunk: Chunk, until: datetime) -> bool:
        """Request a stop in the dialect of the account, or in both while it is unknown.

        Returns:
            Whether Gameball accepted the request.
        """
        for dialect in dialects_to_try(self.dialect, batch.dialect):
            if not wait_for_slot(self.rate_limiter, self.clock, Resource.OTHERS, Priority.PROMPT, until):
                return False
            try:
                self.gameball.stop_job(dialect, chunk.job_id or 0)
            except (GameballError, ConfigurationError):  # the next poll tries again
                continue
            return True
        return False
