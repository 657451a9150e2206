"""Looks for evidence on rows in doubt: first the job, if there is one, then the customers' transactions."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from adjustments.aws.event_log import log_event
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
from adjustments.batches.optimistic_update import try_save, update_batch
from adjustments.batches.payloads import has_reason_token
from adjustments.batches.records import Batch, Chunk, Outcome
from adjustments.batches.states import ChunkState
from adjustments.batches.store import BatchStore
from adjustments.batches.work_files import WorkKeys
from adjustments.core import exact_json
from adjustments.core.decimals import plain
from adjustments.core.errors import ConfigurationError, GameballError, NotFound, WrongState
from adjustments.core.runtime import Clock, Ids
from adjustments.polling.job_client import JobClient
from adjustments.polling.job_status import JobStatus, read_status
from adjustments.polling.settlement import ChunkSettler, settle_doubts
from adjustments.reconciliation.evidence import Doubt, Evidence, Transaction, judge
from adjustments.reconciliation.resolution import Resolver
from adjustments.reconciliation.transaction_lists import ListReader

CLOCKS_DIFFER: Final = timedelta(days=1)
"""How far ahead of ours the clock of a sender may be: generous, since a day more costs one small query."""

PORTION_FOR: Final = timedelta(minutes=3)
PORTION_CUSTOMERS: Final = 2_000
"""Look-ups between two checkpoints: what a run that is killed has done since the last one is done again."""

RESULTS_ROWS_PER_S: Final = 15_000
RESULTS_S_MIN: Final = 15
"""Time kept for writing the results anew at the end of a run."""

BY: Final = "sweep"
_NOTE: Final = "found by the job's status and the customers' transactions"
_MESSAGE: Final = "found in the customer's transactions by the sweep"
_WHOLE_DOUBT: Final = frozenset({ChunkState.IN_DOUBT, ChunkState.SUBMITTED})
"""States of a chunk of an ended batch in which all its rows are in doubt."""

_Twin = tuple[str, str, str]


class SearchParts(NamedTuple):
    """What the search for evidence works with.

    ``reader`` reads the customers' lists; ``quiet`` is how long after an intent Gameball may still apply it
    (QuietMinutes).
    """

    store: BatchStore
    files: Files
    settler: ChunkSettler
    resolver: Resolver
    jobs: JobClient
    reader: ListReader
    clock: Clock
    ids: Ids
    quiet: timedelta


class Reconciler:
    """Clears doubts by evidence, one batch at a time.

    A run holds the batch by a lease, and renews it with each checkpoint; one that has lost it ends.
    """

    def __init__(self, parts: SearchParts) -> None:
        self._parts = parts

    def reconcile(self, batch_id: str, until: datetime) -> Batch | None:
        """Look for evidence on a batch's rows in doubt that were not looked up in this round yet, as far as
        there is time, and settle what is certain.

        Returns:
            the batch as it stands then; None where it is not due, or another run holds it.

        Raises:
            WrongState: another run has taken over, or a person is resolving it.
        """
        store, clock = self._parts.store, self._parts.clock
        batch = store.batch(batch_id)
        if not is_due(batch, clock.now()):
            return None
        batch = acquire_lease(batch, self._parts.ids.fresh(), clock.now())
        if not try_save(store, batch):
            return None
        run = _Run(self._parts, batch, until)
        run.ask_for_jobs()
        run.read_doubts()
        while run.look_up_portion():
            run.renew()
        return run.end()


class _Run:
    """One run of the search in one batch, which it holds."""

    def __init__(self, parts: SearchParts, batch: Batch, until: datetime) -> None:
        self._parts = parts
        self._store, self._settler, self._clock = parts.store, parts.settler, parts.clock
        self._batch = batch
        self._state = batch.reconciliation
        self._until = _last_look(batch, parts.clock.now(), until)
        self._progress = self._read_progress()
        self._rows: dict[str, list[DoubtfulRow]] = {}
        self._wanted: frozenset[_Twin] = frozenset()
        self._twins: dict[tuple[str, int, int], Counter[_Twin]] = {}
        self._settled = 0
        self._asked_before = self._state.rows_looked_up

    def ask_for_jobs(self) -> None:
        """Ask once in a round for each job whose end nobody has seen."""
        if self._state.jobs_asked:
            return
        with suppress(ConfigurationError):  # without keys nothing was asked: the next run asks
            for chunk in filter(_may_tell_more, self._chunks()):
                with suppress(GameballError, WrongState):  # the next round asks again
                    asked = self._parts.jobs.fetch_status(self._batch, chunk.job_id or 0, self._until)
                    if asked and (job := read_status(*asked)).has_ended:
                        self._settle_by_job(chunk, job)
            self._state = self._state.replaced(jobs_asked=True)

    def _settle_by_job(self, chunk: Chunk, job: JobStatus) -> None:
        """Settle the rows in doubt that an ended job lists; of the others, it will tell no more."""
        known = self._settler.outcomes(self._batch, chunk)
        settlement = settle_doubts(self._settler.rows(chunk), known, job)
        if chunk.state is ChunkState.SETTLED and settlement.counts == chunk.counts:
            self._store.save_chunk(self._batch, chunk.changed(job_state=job.state))
        else:
            self._settler.settle(self._batch, chunk, settlement, job.state)

    def read_doubts(self) -> None:
        """Read which rows are in doubt, and still looked for."""
        self._rows = rows_by_customer(row for chunk in self._chunks() for row in self._doubts_in(chunk))
        self._wanted = frozenset(_twin(row) for rows in self._rows.values() for row in rows)

    def look_up_portion(self) -> bool:
        """Look up the next customers and settle their rows; whether there is more to do in this run."""
        round_ = self._state.round
        names = customers_to_look_up(self._rows, self._progress, round_)[:PORTION_CUSTOMERS]
        wanted = {name: frozenset((row.amount, row.reason) for row in self._rows[name]) for name in names}
        lists = self._parts.reader.read(wanted, min(self._until, self._clock.now() + PORTION_FOR))
        self._settle([row for name in lists.found for row in self._rows[name]], lists.found)
        self._progress = record_lookups(self._progress, lists.found, lists.failed, round_)
        asked = [name for name in names if self._progress.asked.get(name, 0) == round_]
        left = customers_to_look_up(self._rows, self._progress, round_)
        self._state = self._state.replaced(
            looked_up_at=self._clock.now(),
            rows_looked_up=self._state.rows_looked_up + count_rows_of(self._rows, asked),
            rows_left=count_rows_of(self._rows, left),
        )
        has_progressed = bool(lists.found or lists.failed)
        return bool(left) and has_progressed and not lists.must_end and self._clock.now() < self._until

    def renew(self) -> None:
        """Write down how far the run is, and hold the batch on; raises WrongState where it was lost."""
        self._save_progress()
        self._state = self._state.replaced(lease_until=self._clock.now() + LEASE)
        if not self._held(self._store.batch(self._batch.batch_id)).report_run_id:
            self._save_state()  # else a person resolves rows at this moment: the next checkpoint says more

    def end(self) -> Batch:
        """Give the batch back, and write the results anew where they say something new.

        Where nothing was settled they do so only in the first round: how far it has come.
        """
        self._save_progress()
        batch = self._held(self._store.batch(self._batch.batch_id))
        in_doubt = sum(_in_doubt(chunk) for chunk in self._chunks())
        done = self._state.replaced(lease_token="", lease_until=None)
        told = {
            "rows_looked_up": done.rows_looked_up,
            "rows_left": done.rows_left,
            "rows_settled": self._settled,
        }
        log_event("evidence looked for", batch, **told)
        resolver = self._parts.resolver
        if self._settled or in_doubt != batch.counts.in_doubt:
            return resolver.finish(batch.batch_id, BY, _NOTE, batch.counts.in_doubt - in_doubt, done)
        if done.round == 1 and done.rows_looked_up > self._asked_before:
            return resolver.write_progress(batch.batch_id, done)
        return update_batch(
            self._store, batch.batch_id, lambda batch: self._held(batch).changed(reconciliation=done)
        )

    # --- inside -----------------------------------------------------------------------------------------

    def _held(self, batch: Batch) -> Batch:
        """The batch, if this run still holds it."""
        if batch.reconciliation.lease_token != self._state.lease_token:
            raise WrongState(f"another run looks for evidence on batch {batch.batch_id}")
        batch.check_resolvable()
        return batch

    def _save_state(self) -> None:
        update_batch(
            self._store,
            self._batch.batch_id,
            lambda batch: self._held(batch).changed(reconciliation=self._state),
        )

    def _chunks(self) -> list[Chunk]:
        return self._store.chunks(self._batch.batch_id, self._batch.plan_id)

    def _read_progress(self) -> LookupProgress:
        if not self._state.lookup_progress_key:
            return LookupProgress({}, {})
        try:
            return read_lookup_progress(json.loads(self._parts.files.get(self._state.lookup_progress_key)))
        except NotFound:  # work files expire
            return LookupProgress({}, {})

    def _save_progress(self) -> None:
        """Write who was looked up; each run has an object of its own, so that an earlier one spoils none."""
        keys = WorkKeys(self._batch.batch_id, self._batch.plan_id)
        key = keys.looked_up(self._state.lease_token)
        self._parts.files.put(key, json.dumps(self._progress.to_json()).encode(), "application/json")
        self._state = self._state.replaced(lookup_progress_key=key)

    def _doubts_in(self, chunk: Chunk) -> Iterator[DoubtfulRow]:
        """The rows in doubt of a chunk that are still looked for.

        A chunk whose jobId came after the batch had ended is submitted once more, and all its rows are in
        doubt: its job may say for ever that it is in a state that nobody documented.
        """
        if not _is_doubtful(chunk):
            return
        if chunk.intent_at is None or self._clock.now() > chunk.intent_at + SEARCH_PERIOD:
            return
        was_stopped = chunk.stop_requested or chunk.job_state == "stopped"
        rows = self._settler.rows(chunk)
        for place, row in enumerate(self._settler.outcomes(self._batch, chunk)):
            if row.outcome is Outcome.IN_DOUBT:
                sent = exact_json.read(rows[place])
                yield DoubtfulRow(
                    chunk_id=chunk.chunk_id,
                    place=place,
                    customer_id=sent["customerId"],
                    amount=Decimal(sent["amount"]),
                    reason=sent.get("reason", ""),
                    intent_at=chunk.intent_at,
                    job_was_stopped=was_stopped,
                )

    def _settle(self, rows: Sequence[DoubtfulRow], lists: Mapping[str, list[Transaction] | None]) -> None:
        """Settle the rows on which the lists are certain."""
        if not rows:
            return
        # after the lists: what they hold was sent before, so that its intent is on record by now
        rivals = self._rivals(rows)
        chunks = {chunk.chunk_id: chunk for chunk in self._chunks()}
        verdicts: dict[str, dict[int, Evidence]] = {}
        for row in rows:
            finding = self._finding(row, chunks[row.chunk_id], rivals, lists[row.customer_id])
            if finding is not Evidence.UNCERTAIN:
                verdicts.setdefault(row.chunk_id, {})[row.place] = finding
        for chunk_id, found in verdicts.items():
            with suppress(WrongState):  # somebody settled it meanwhile
                chunk = chunks[chunk_id]
                self._settled += self._parts.resolver.settle_rows(self._batch, chunk, found, _MESSAGE)

    def _rivals(self, rows: Sequence[DoubtfulRow]) -> Counter[_Twin]:
        """How many rows of ours, sent at whatever time that matters, look like each row in doubt."""
        earliest = min(row.intent_at for row in rows)
        found: Counter[_Twin] = Counter()
        for other in self._store.batches_sent_between(
            earliest - SEARCH_PERIOD, self._clock.now() + CLOCKS_DIFFER
        ):
            for chunk in self._store.chunks(other.batch_id, other.plan_id):
                if chunk.intent_at is None or chunk.state in (ChunkState.SPLIT, ChunkState.REFUSED):
                    continue
                found.update(self._twins_in(chunk))
        return found

    def _twins_in(self, chunk: Chunk) -> Counter[_Twin]:
        """The rows of a chunk that look like a row in doubt; what a chunk holds never changes."""
        place = chunk.payload_key, chunk.first, chunk.last
        if place not in self._twins:
            twins = map(_twin_sent, map(exact_json.read, self._settler.rows(chunk)))
            self._twins[place] = Counter(twin for twin in twins if twin in self._wanted)
        return self._twins[place]

    def _finding(
        self,
        row: DoubtfulRow,
        chunk: Chunk,
        rivals: Counter[_Twin],
        transactions: list[Transaction] | None,
    ) -> Evidence:
        if transactions is None:
            return Evidence.UNCERTAIN
        doubt = Doubt(
            customer_id=row.customer_id,
            amount=row.amount,
            reason=row.reason,
            intent_at=row.intent_at,
            has_token=has_reason_token(row.reason),
            rivals=rivals[_twin(row)] - 1,
        )
        finding = judge(doubt, transactions, self._clock.now(), self._parts.quiet)
        # a job that was not seen to end may still come to a row, however late
        is_early = finding is Evidence.NOT_APPLIED and _may_tell_more(chunk)
        return Evidence.UNCERTAIN if is_early else finding


def _last_look(batch: Batch, now: datetime, until: datetime) -> datetime:
    """When to look up no more, so that there is time to write the results anew."""
    results_s = RESULTS_S_MIN + batch.counts.rows / RESULTS_ROWS_PER_S
    return until - min(timedelta(seconds=results_s), (until - now) / 2)


def _is_doubtful(chunk: Chunk) -> bool:
    return chunk.state in _WHOLE_DOUBT or (chunk.state is ChunkState.SETTLED and chunk.counts.in_doubt > 0)


def _may_tell_more(chunk: Chunk) -> bool:
    """Whether a chunk's job was never seen to have ended, so that it may still tell of rows in doubt."""
    return chunk.job_id is not None and _is_doubtful(chunk) and not chunk.job_state


def _twin(row: DoubtfulRow) -> _Twin:
    """What makes two rows look the same in a transaction list."""
    return row.customer_id, plain(row.amount), row.reason


def _twin_sent(row: Mapping[str, Any]) -> _Twin:
    return row["customerId"], plain(Decimal(row["amount"])), row.get("reason", "")


def _in_doubt(chunk: Chunk) -> int:
    open_doubt = (ChunkState.IN_DOUBT, ChunkState.SUBMITTED, ChunkState.SUBMITTING)
    return chunk.rows if chunk.state in open_doubt else chunk.counts.in_doubt
