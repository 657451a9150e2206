"""Fetches the status of jobs, in the dialect that the account answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adjustments.batches.optimistic_update import try_save
from adjustments.batches.records import Batch
from adjustments.batches.store import BatchStore
from adjustments.core.errors import GameballRefused
from adjustments.core.runtime import Clock
from adjustments.gameball.port import Dialect, Gameball, dialects_to_try
from adjustments.gameball.rate_limiter import Priority, RateLimiter, Resource, wait_for_slot
from adjustments.polling.job_status import read_status


@dataclass(frozen=True, kw_only=True)
class JobClient:
    """Fetches the status of jobs within the rate limit.

    Args:
        dialect: the dialect of the account, None to detect it (GameballStatusDialect).
    """

    store: BatchStore
    gameball: Gameball
    rate_limiter: RateLimiter
    clock: Clock
    dialect: Dialect | None

    def fetch_status(
        self, batch: Batch, job_id: int, until: datetime
    ) -> tuple[Dialect, Mapping[str, Any]] | None:
        """Fetch the status of a job.

        Where the dialect is not known yet, it is the first one that is answered with a job's state, and is
        recorded with the batch. An answer without a state proves nothing; a wrong dialect would be refused
        for all later polls.

        Args:
            batch: the batch of the job.
            job_id: the job.
            until: when the call has to be made at the latest, UTC.

        Returns:
            The dialect and the answer; None where the rate limiter has no slot before ``until``.

        Raises:
            GameballError: the call failed.
        """
        dialects = dialects_to_try(self.dialect, batch.dialect)
        for dialect in dialects:
            if not wait_for_slot(self.rate_limiter, self.clock, Resource.OTHERS, Priority.BULK, until):
                return None
            try:
                answer = self.gameball.job_status(dialect, job_id)
            except GameballRefused:
                if dialect is dialects[-1]:
                    raise
                continue
            if len(dialects) > 1 and read_status(dialect, answer).state:
                self._record_dialect(batch.batch_id, dialect)
            return dialect, answer
        return None

    def _record_dialect(self, batch_id: str, dialect: Dialect) -> None:
        batch = self.store.batch(batch_id)
        if not batch.dialect:
            try_save(self.store, batch.changed(dialect=dialect.value))
