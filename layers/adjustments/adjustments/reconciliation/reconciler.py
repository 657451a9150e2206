"""Clears doubt by evidence: the status of the job, where there is one, and the customers' transactions."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

from adjustments.aws.event_log import log_event
from adjustments.batches.batch_parts import Reconciliation
from adjustments.batches.files import Files
from adjustments.batches.lookup_rounds import (
    LEASE,
    SEARCH_PERIOD,
    DoubtfulRow,
    LookupProgress,
    acquire_lease,
    count_rows_of,
    customers_to_look_up,
    is_due,
    read_lookup_progress,
    record_lookups,
    rows_by_customer,
)
from adjustments.batches.outcomes import RowOutcome
from adjustments.batches.payloads import request_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import ChunkState, Outcome, SendAs
from adjustments.batches.store import BatchStore, try_save, update_batch
from adjustments.batches.work_files import WorkKeys
from adjustments.core import exact_json
from adjustments.core.errors import ConfigurationError, GameballError, NotFound, WrongState
from adjustments.core.runtime import Clock, Ids
from adjustments.polling.job_client import JobClient, JobStatus, read_status
from adjustments.polling.settlement import ChunkSettler, settle_doubts
from adjustments.reconciliation.evidence import (
    Assessment,
    assess_row,
    assess_transaction,
    listed_like,
    listed_with_ids,
)
from adjustments.reconciliation.resolution import Resolver
from adjustments.reconciliation.transaction_lists import (
    Appearance,
    LookalikeCounter,
    Page,
    TransactionListReader,
    appearance_of,
)

CHECKPOINT_EVERY: Final = timedelta(minutes=3)
CHECKPOINT_CUSTOMERS: Final = 2_000
"""Look-ups between two checkpoints, in time and number: a killed run loses those since the last one."""

RESULTS_ROWS_PER_S: Final = 15_000
RESULTS_S_MIN: Final = 15
"""Time kept at the end of a run for regenerating the results."""

RESOLVED_BY: Final = "sweep"
_NOTE: Final = "found by the job's status and the customers' transactions"
_MESSAGE: Final = "found in the customer's transactions by the sweep"
_OUTCOMES: Final = {Assessment.APPLIED: Outcome.APPLIED, Assessment.NOT_APPLIED: Outcome.FAILED}
_WHOLE_IN_DOUBT: Final = frozenset({ChunkState.IN_DOUBT, ChunkState.SUBMITTED})
"""States of a chunk of an ended batch in which all its rows are in doubt."""


@dataclass(frozen=True, kw_only=True)
class Reconciler:
    """Clears doubt by evidence, one batch at a time.

    A run holds the batch by a lease and renews it with each checkpoint; a run that has lost its lease ends.

    Args:
        quiet_period: how long after an intent Gameball may still apply a row (QuietMinutes).
    """

    store: BatchStore
    files: Files
    settler: ChunkSettler
    resolver: Resolver
    jobs: JobClient
    reader: TransactionListReader
    clock: Clock
    ids: Ids
    quiet_period: timedelta

    def reconcile(self, batch_id: str, until: datetime) -> Batch | None:
        """Look up the rows in doubt that were not looked up in this round, and settle what is certain.

        Args:
            batch_id: the batch.
            until: when to end; what was not looked up by then is left to the next run.

        Returns:
            The batch after that; None if it is not due, or another run holds it.

        Raises:
            WrongState: another run has taken over, or a person is resolving the batch.
        """
        batch = self.store.batch(batch_id)
        if not is_due(batch, self.clock.now()):
            return None
        batch = acquire_lease(batch, self.ids.fresh(), self.clock.now())
        if not try_save(self.store, batch):
            return None
        run = _Run(self, batch, until)
        run.poll_jobs()
        run.read_rows_in_doubt()
        while run.look_up_customers():
            run.save_checkpoint()
        return run.finish()


class _Run:
    """One run on one batch, which it holds."""

    def __init__(self, reconciler: Reconciler, batch: Batch, until: datetime) -> None:
        self._ports = reconciler
        self._batch = batch
        self._state = batch.reconciliation
        self._lookups_end_at = _lookups_end_at(batch, reconciler.clock.now(), until)
        self._progress = self._read_progress()
        self._rows: dict[str, list[DoubtfulRow]] = {}
        self._lookalikes: LookalikeCounter
        self._rows_settled = 0
        self._rows_looked_up_before = self._state.rows_looked_up

    def poll_jobs(self) -> None:
        """Poll, once in a round, each job that was never seen to have ended."""
        if self._state.jobs_polled:
            return
        with suppress(ConfigurationError):  # the secret can't be read: the next run polls
            for chunk in filter(_may_job_list_more, self._chunks()):
                self._poll_job(chunk)
            self._state = self._state.replaced(jobs_polled=True)

    def _poll_job(self, chunk: Chunk) -> None:
        with suppress(GameballError, WrongState):  # the next round polls again
            answer = self._ports.jobs.fetch_status(self._batch, chunk.job_id or 0, self._lookups_end_at)
            if answer and (job := read_status(*answer)).has_ended:
                self._settle_by_job(chunk, job)

    def _settle_by_job(self, chunk: Chunk, job: JobStatus) -> None:
        """Settle the rows in doubt that an ended job lists; about the others it has no more to say."""
        settler = self._ports.settler
        settlement = settle_doubts(settler.rows(chunk), settler.outcomes(self._batch, chunk), job)
        if chunk.state is ChunkState.SETTLED and settlement.counts == chunk.counts:
            self._ports.store.save_chunk(self._batch, chunk.changed(job_state=job.state))
        else:
            settler.settle(self._batch, chunk, settlement, job.state)

    def read_rows_in_doubt(self) -> None:
        """Read the rows that are in doubt and recent enough to be looked up."""
        rows = [row for chunk in self._chunks() for row in self._rows_in_doubt(chunk)]
        self._rows = rows_by_customer(rows)
        self._lookalikes = LookalikeCounter(self._ports.store, self._ports.settler, rows)

    def look_up_customers(self) -> bool:
        """Look up the next customers, up to a checkpoint, and settle their rows.

        Returns:
            Whether this run has more customers to look up.
        """
        round_, now = self._state.round, self._ports.clock.now
        names = customers_to_look_up(self._rows, self._progress, round_)[:CHECKPOINT_CUSTOMERS]
        wanted = {name: self._evidence_for(self._rows[name]) for name in names}
        lists = self._ports.reader.read(wanted, min(self._lookups_end_at, now() + CHECKPOINT_EVERY))
        self._settle([row for name in lists.found for row in self._rows[name]], lists.found)
        self._progress = record_lookups(self._progress, lists.found, lists.failed, round_)
        done = [name for name in names if self._progress.looked_up.get(name, 0) == round_]
        left = customers_to_look_up(self._rows, self._progress, round_)
        self._state = self._state.replaced(
            looked_up_at=now(),
            rows_looked_up=self._state.rows_looked_up + count_rows_of(self._rows, done),
            rows_left=count_rows_of(self._rows, left),
        )
        has_progressed = bool(lists.found or lists.failed)
        return bool(left) and has_progressed and not lists.must_stop and now() < self._lookups_end_at

    def _evidence_for(self, rows: Sequence[DoubtfulRow]) -> Callable[[Sequence[Page]], Any]:
        """What to look for in the list of a customer with some rows in doubt."""
        if self._batch.send_as is SendAs.TRANSACTIONS:
            return partial(
                listed_with_ids, frozenset(exact_json.read(r.request)["transactionId"] for r in rows)
            )
        return partial(listed_like, frozenset((row.amount, row.reason) for row in rows))

    def save_checkpoint(self) -> None:
        """Save how far the run is, and renew its lease; raises WrongState where the lease was lost."""
        self._save_progress()
        self._state = self._state.replaced(lease_until=self._ports.clock.now() + LEASE)
        if not self._check_lease(self._ports.store.batch(self._batch.batch_id)).report_run_id:
            self._save_state(self._state)  # else a person is resolving rows: the next checkpoint saves it

    def finish(self) -> Batch:
        """Release the batch, and regenerate its results where they changed.

        If nothing was settled, they are regenerated in the first round only, to show how far it is.
        """
        self._save_progress()
        batch = self._check_lease(self._ports.store.batch(self._batch.batch_id))
        in_doubt = sum(map(_count_in_doubt, self._chunks()))
        done = self._state.replaced(lease_token="", lease_until=None)
        log_event(
            "evidence searched",
            batch,
            rows_looked_up=done.rows_looked_up,
            rows_left=done.rows_left,
            rows_settled=self._rows_settled,
        )
        resolver = self._ports.resolver
        if self._rows_settled or in_doubt != batch.counts.in_doubt:
            rows = batch.counts.in_doubt - in_doubt
            return resolver.finish(batch.batch_id, RESOLVED_BY, _NOTE, rows, done)
        if done.round == 1 and done.rows_looked_up > self._rows_looked_up_before:
            return resolver.write_progress(batch.batch_id, done)
        return self._save_state(done)

    # --- the batch's records ------------------------------------------------------------------------------

    def _check_lease(self, batch: Batch) -> Batch:
        """Return the batch; raises WrongState unless this run still holds it."""
        if batch.reconciliation.lease_token != self._state.lease_token:
            raise WrongState(f"another run has taken over the reconciliation of batch {batch.batch_id}")
        batch.check_resolvable()
        return batch

    def _save_state(self, state: Reconciliation) -> Batch:
        return update_batch(
            self._ports.store,
            self._batch.batch_id,
            lambda batch: self._check_lease(batch).changed(reconciliation=state),
        )

    def _chunks(self) -> list[Chunk]:
        return self._ports.store.chunks(self._batch.batch_id, self._batch.plan_id)

    def _read_progress(self) -> LookupProgress:
        if not self._state.lookup_progress_key:
            return LookupProgress({}, {})
        try:
            return read_lookup_progress(json.loads(self._ports.files.get(self._state.lookup_progress_key)))
        except NotFound:  # work files expire
            return LookupProgress({}, {})

    def _save_progress(self) -> None:
        """Save who was looked up, under a key of this run, so that an earlier run can't overwrite it."""
        keys = WorkKeys(self._batch.batch_id, self._batch.plan_id)
        key = keys.looked_up(self._state.lease_token)
        self._ports.files.put(key, json.dumps(self._progress.to_json()).encode(), "application/json")
        self._state = self._state.replaced(lookup_progress_key=key)

    # --- rows and findings --------------------------------------------------------------------------------

    def _rows_in_doubt(self, chunk: Chunk) -> Iterator[DoubtfulRow]:
        """The rows of a chunk that are in doubt and recent enough to be looked up.

        A chunk whose jobId came after the batch had ended is in state submitted, and all its rows are in
        doubt, as its job may stay for ever in a state that is not documented.
        """
        if not _has_doubt(chunk):
            return
        if chunk.intent_at is None or self._ports.clock.now() > chunk.intent_at + SEARCH_PERIOD:
            return
        was_stopped = chunk.stop_requested or chunk.job_state == "stopped"
        rows = self._ports.settler.rows(chunk)
        for position, row in enumerate(self._ports.settler.outcomes(self._batch, chunk)):
            if row.outcome is Outcome.IN_DOUBT:
                sent = exact_json.read(rows[position])
                yield DoubtfulRow(
                    chunk_id=chunk.chunk_id,
                    position=position,
                    customer_id=sent["customerId"],
                    amount=Decimal(sent["amount"]),
                    reason=sent.get("reason", ""),
                    intent_at=chunk.intent_at,
                    job_was_stopped=was_stopped,
                    request=request_of(rows[position]),
                )

    def _settle(self, rows: Sequence[DoubtfulRow], lists: Mapping[str, Any]) -> None:
        """Settle the rows about which the lists leave no doubt."""
        if not rows:
            return
        # counted after the lists were read: the intent of each row that they may show is on record by now
        counts = self._lookalikes.count(min(row.intent_at for row in rows), self._ports.clock.now())
        chunks = {chunk.chunk_id: chunk for chunk in self._chunks()}
        known: dict[str, dict[int, RowOutcome]] = {}
        for row in rows:
            found = lists[row.customer_id]
            finding = self._assess(row, chunks[row.chunk_id], counts, found)
            if finding in _OUTCOMES:
                outcome = RowOutcome(_OUTCOMES[finding], _MESSAGE, self._gameball_id(row, found))
                known.setdefault(row.chunk_id, {})[row.position] = outcome
        for chunk_id, outcomes in known.items():
            with suppress(WrongState):  # another worker has settled it meanwhile
                self._rows_settled += self._ports.resolver.settle_rows(
                    self._batch, chunks[chunk_id], outcomes
                )

    def _gameball_id(self, row: DoubtfulRow, found: Any) -> str:
        """Gameball's own id of a row that was sent as a transaction and is listed; empty for all others."""
        if self._batch.send_as is SendAs.BATCH:
            return ""
        entry = found.get(_transaction_id(row), {})
        return str(entry.get("gameballTransactionId", ""))

    def _assess(
        self,
        row: DoubtfulRow,
        chunk: Chunk,
        counts: Counter[Appearance],
        transactions: Any,
    ) -> Assessment:
        if transactions is None:
            return Assessment.UNCERTAIN
        now, quiet_period = self._ports.clock.now(), self._ports.quiet_period
        if self._batch.send_as is SendAs.TRANSACTIONS:
            entry = transactions.get(_transaction_id(row))
            return assess_transaction(row, entry, now, quiet_period)
        others = counts[appearance_of(row)] - 1
        assessment = assess_row(row, others, transactions, now, quiet_period)
        # a job that was never seen to have ended may still apply the row, however late
        is_early = assessment is Assessment.NOT_APPLIED and _may_job_list_more(chunk)
        return Assessment.UNCERTAIN if is_early else assessment


def _transaction_id(row: DoubtfulRow) -> str:
    return str(exact_json.read(row.request)["transactionId"])


def _lookups_end_at(batch: Batch, now: datetime, until: datetime) -> datetime:
    """When look-ups have to end so that there is time to regenerate the results."""
    results_s = RESULTS_S_MIN + batch.counts.rows / RESULTS_ROWS_PER_S
    return until - min(timedelta(seconds=results_s), (until - now) / 2)


def _has_doubt(chunk: Chunk) -> bool:
    return chunk.state in _WHOLE_IN_DOUBT or (chunk.state is ChunkState.SETTLED and chunk.counts.in_doubt > 0)


def _may_job_list_more(chunk: Chunk) -> bool:
    """Whether a chunk has rows in doubt and a job that was never seen to have ended."""
    return chunk.job_id is not None and _has_doubt(chunk) and not chunk.job_state


def _count_in_doubt(chunk: Chunk) -> int:
    open_states = (ChunkState.IN_DOUBT, ChunkState.SUBMITTED, ChunkState.SUBMITTING)
    return chunk.rows if chunk.state in open_states else chunk.counts.in_doubt
