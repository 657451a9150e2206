"""Asks Gameball for a job, in the dialect that the account speaks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adjustments.batches.optimistic_update import try_save
from adjustments.batches.records import Batch
from adjustments.batches.store import BatchStore
from adjustments.core.errors import GameballRefused
from adjustments.core.runtime import Clock
from adjustments.gameball.dialects import Dialect, dialects_to_try
from adjustments.gameball.port import Gameball
from adjustments.gameball.rate_limiter import Priority, RateLimiter, Resource, wait_for_slot
from adjustments.polling.job_status import read_status


class JobAsker:
    """Asks for jobs within the rate limiter.

    Args:
        dialect: the dialect the account speaks, None to find it out (GameballStatusDialect).
    """

    def __init__(
        self,
        store: BatchStore,
        gameball: Gameball,
        rate_limiter: RateLimiter,
        clock: Clock,
        dialect: Dialect | None,
    ) -> None:
        self._store = store
        self._gameball = gameball
        self._rate_limiter = rate_limiter
        self._clock = clock
        self._dialect = dialect

    def ask(self, batch: Batch, job_id: int, until: datetime) -> tuple[Dialect, Mapping[str, Any]] | None:
        """Ask once; None when the rate limiter has no slot before ``until``. Raises GameballError.

        Where the dialect is not known yet, the first one that is answered with a job's state is the
        account's. A garbled answer says nothing of it: every later question would be refused.
        """
        dialects = dialects_to_try(self._dialect, batch.dialect)
        for dialect in dialects:
            if not wait_for_slot(self._rate_limiter, self._clock, Resource.OTHERS, Priority.BULK, until):
                return None
            try:
                answer = self._gameball.job_status(dialect, job_id)
            except GameballRefused:
                if dialect is dialects[-1]:
                    raise
                continue
            if len(dialects) > 1 and read_status(dialect, answer).state:
                self._keep(batch.batch_id, dialect)
            return dialect, answer
        return None

    def _keep(self, batch_id: str, dialect: Dialect) -> None:
        batch = self._store.batch(batch_id)
        if not batch.dialect:
            try_save(self._store, batch.changed(dialect=dialect.value))
