"""Asks Gameball for a job, in the dialect that the account speaks."""

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
    """Asks for jobs within the rate limiter.

    Args:
        dialect: the dialect the account speaks, None to find it out (GameballStatusDialect).
    """

    store: BatchStore
    gameball: Gameball
    rate_limiter: RateLimiter
    clock: Clock
    dialect: Dialect | None

    def fetch_status(
        self, batch: Batch, job_id: int, until: datetime
    ) -> tuple[Dialect, Mapping[str, Any]] | None:
        """Ask once; None when the rate limiter has no slot before ``until``. Raises GameballError.

        Where the dialect is not known yet, the first one that is answered with a job's state is the
        account's. A garbled answer says nothing of it: every later question would be refused.
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
                self._keep(batch.batch_id, dialect)
            return dialect, answer
        return None

    def _keep(self, batch_id: str, dialect: Dialect) -> None:
        batch = self.store.batch(batch_id)
        if not batch.dialect:
            try_save(self.store, batch.changed(dialect=dialect.value))
