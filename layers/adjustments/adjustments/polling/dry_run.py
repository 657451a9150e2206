"""Looks up balances for a dry run, which sends no adjustments."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from adjustments.batches.files import Files
from adjustments.batches.payloads import customers_and_amounts, rows_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.store import BatchStore
from adjustments.batches.work_files import WorkKeys
from adjustments.core import exact_json
from adjustments.core.errors import ConfigurationError, GameballError, NotFound
from adjustments.core.runtime import Clock
from adjustments.gameball.port import Gameball
from adjustments.gameball.rate_limiter import Priority, RateLimiter, Resource, wait_for_slot
from adjustments.polling.job_client import JobClient
from adjustments.polling.job_status import read_status
from adjustments.polling.prediction import PredictedOutcome, read_balances, store_balance

TIME_MAX: Final = timedelta(minutes=30)
"""How long a dry run waits for balances; rows without one are not predicted."""


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """Sends balance inquiries and collects the balances, one step at a time."""

    store: BatchStore
    files: Files
    gameball: Gameball
    jobs: JobClient
    rate_limiter: RateLimiter
    clock: Clock

    def advance(self, batch: Batch, until: datetime) -> bool:
        """Send the inquiries that are missing, and collect the balances of those that have ended.

        The first wave has each customer once, so an inquiry for each of its chunks is enough.

        Args:
            batch: the dry run.
            until: when to stop, UTC.

        Returns:
            Whether there is nothing left to wait for.
        """
        keys = WorkKeys(batch.batch_id, batch.plan_id)
        chunks = [c for c in self.store.chunks(batch.batch_id, batch.plan_id) if c.wave == 1]
        jobs = self._read(keys.inquiries)
        try:
            for chunk in chunks:
                if self.clock.now() >= until:
                    break
                self._advance_chunk(batch, chunk, keys, jobs, until)
        finally:
            self.files.put(keys.inquiries, json.dumps(jobs).encode(), "application/json")
        is_done = all(jobs.get(chunk.chunk_id) == "done" for chunk in chunks)
        return is_done or self.clock.now() >= batch.created_at + TIME_MAX

    def _advance_chunk(
        self, batch: Batch, chunk: Chunk, keys: WorkKeys, jobs: dict[str, Any], until: datetime
    ) -> None:
        job = jobs.get(chunk.chunk_id)
        try:
            if job is None:
                jobs[chunk.chunk_id] = self._inquire(chunk, until)
            elif job != "done" and self._collect(batch, chunk, keys, job, until):
                jobs[chunk.chunk_id] = "done"
        except (GameballError, ConfigurationError):
            return  # the next step tries again, until TIME_MAX

    def _inquire(self, chunk: Chunk, until: datetime) -> int | None:
        if not wait_for_slot(self.rate_limiter, self.clock, Resource.OTHERS, Priority.BULK, until):
            return None
        rows = [{"customerId": customer} for customer in self._customers(chunk)]
        return self.gameball.inquire_balances(exact_json.write({"body": rows}).encode())

    def _collect(self, batch: Batch, chunk: Chunk, keys: WorkKeys, job_id: int, until: datetime) -> bool:
        answer = self.jobs.fetch_status(batch, job_id, until)
        if answer is None or not read_status(*answer).has_ended:
            return False
        balances = read_balances(*answer)
        stored = [
            store_balance(balances.get(c, PredictedOutcome.NOT_PREDICTED)) for c in self._customers(chunk)
        ]
        self.files.put(keys.balances(chunk.chunk_id), json.dumps(stored).encode(), "application/json")
        return True

    def _customers(self, chunk: Chunk) -> list[str]:
        rows = rows_of(self.files.get(chunk.payload_key))[chunk.first : chunk.last]
        return [customer for customer, _ in customers_and_amounts(rows)]

    def _read(self, key: str) -> dict[str, Any]:
        try:
            return dict(json.loads(self.files.get(key)))
        except NotFound:
            return {}
