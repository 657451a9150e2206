"""Looks for evidence on rows in doubt: first the job, if there is one, then the customers' transactions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol

from adjustments.batches.outcomes import settle_doubts
from adjustments.batches.records import Batch, Chunk, Outcome
from adjustments.batches.states import BatchStatus, ChunkState
from adjustments.batches.store import BatchStore
from adjustments.core import exact_json
from adjustments.core.decimals import plain
from adjustments.core.errors import GameballError, WrongState
from adjustments.core.runtime import Clock
from adjustments.gameball.rate_limiter import Lane, RequestBudget, Resource, wait_for_turn
from adjustments.polling.job_client import JobAsker
from adjustments.polling.job_status import JobStatus, read_status
from adjustments.polling.settlement import Settler
from adjustments.reconciliation.evidence import Doubt, Finding, Transaction, judge, read_transactions
from adjustments.reconciliation.resolution import Resolver
from adjustments.submission.reason_token import has_token

LOOK_FOR: Final = timedelta(days=3)
"""How long after its intent a row in doubt is looked for; what is uncertain then waits for a person."""

CLOCKS_DIFFER: Final = timedelta(days=1)
"""How far ahead of ours the clock of a sender may be: generous, since a day more costs one small query."""

PAGES_MAX: Final = 25
"""Pages of 200 transactions read of one customer; of a longer list nothing is concluded."""

BY: Final = "sweep"

_WHOLE_DOUBT: Final = frozenset({ChunkState.IN_DOUBT, ChunkState.SUBMITTED})
"""States of a chunk of an ended batch in which all its rows are in doubt."""

_Twin = tuple[str, str, str]
_List = list[Transaction]


class TransactionList(Protocol):
    """The one call to Gameball that an investigation makes by itself."""

    def transactions(self, customer_id: str, start_after: str | None = None) -> Mapping[str, Any]:
        """A page of a customer's transactions."""


class Investigator:
    """Clears doubts of one batch by evidence.

    Args:
        quiet: how long after an intent Gameball may still apply it (QuietMinutes).
    """

    def __init__(
        self,
        store: BatchStore,
        settler: Settler,
        resolver: Resolver,
        asker: JobAsker,
        lists: TransactionList,
        budget: RequestBudget,
        clock: Clock,
        quiet: timedelta,
    ) -> None:
        self._store = store
        self._settler = settler
        self._resolver = resolver
        self._asker = asker
        self._lists = lists
        self._budget = budget
        self._clock = clock
        self._quiet = quiet

    def investigate(self, batch_id: str, until: datetime) -> Batch:
        """Look once for evidence on each row in doubt of a batch, and settle what is certain."""
        batch = self._store.batch(batch_id)
        if batch.status is not BatchStatus.NEEDS_ATTENTION:
            return batch
        for chunk in self._chunks(batch):
            if _may_tell_more(chunk):
                self._ask_for_job(batch, chunk, until)
        settled = self._look_for_rows(batch, until)
        known = self._in_doubt(batch)
        if not settled and known == batch.counts.in_doubt:
            return batch
        note = "found by the job's status and the customers' transactions"
        return self._resolver.finish(batch_id, BY, note, batch.counts.in_doubt - known)

    def _chunks(self, batch: Batch) -> list[Chunk]:
        return self._store.chunks(batch.batch_id, batch.plan_id)

    def _in_doubt(self, batch: Batch) -> int:
        open_doubt = (ChunkState.IN_DOUBT, ChunkState.SUBMITTED, ChunkState.SUBMITTING)
        return sum(c.rows if c.state in open_doubt else c.counts.in_doubt for c in self._chunks(batch))

    def _ask_for_job(self, batch: Batch, chunk: Chunk, until: datetime) -> None:
        with suppress(GameballError, WrongState):  # the next sweep asks again
            asked = self._asker.ask(batch, chunk.job_id or 0, until)
            if asked and (job := read_status(*asked)).has_ended:
                self._settle_by_job(batch, chunk, job)

    def _settle_by_job(self, batch: Batch, chunk: Chunk, job: JobStatus) -> None:
        """Settle the rows in doubt that an ended job lists; of the others, it will tell no more."""
        known = self._settler.outcomes(batch, chunk)
        settlement = settle_doubts(self._settler.rows(chunk), known, job)
        if chunk.state is ChunkState.SETTLED and settlement.counts == chunk.counts:
            self._store.save_chunk(batch, chunk.changed(job_state=job.state))
        else:
            self._settler.settle(batch, chunk, settlement, job.state)

    def _look_for_rows(self, batch: Batch, until: datetime) -> int:
        doubts = [(chunk, places) for chunk in self._chunks(batch) if (places := self._places(batch, chunk))]
        lists = self._lists_of(doubts, until)
        # after the lists: what they hold was sent before, so that its intent is on record by now
        rivals = self._rivals(batch, doubts) if doubts else Counter()
        settled = 0
        for chunk, places in doubts:
            verdicts = {place: self._verdict(chunk, row, rivals, lists) for place, row in places.items()}
            with suppress(WrongState):  # somebody settled it meanwhile
                message = "found in the customer's transactions by the sweep"
                settled += self._resolver.settle_rows(batch, chunk, verdicts, message)
        return settled

    def _places(self, batch: Batch, chunk: Chunk) -> dict[int, Mapping[str, Any]]:
        """The rows in doubt of a chunk that are still looked for, by their place in it.

        A chunk whose jobId came after the batch had ended is submitted once more, and all its rows are in
        doubt: its job may say for ever that it is in a state that nobody documented.
        """
        if not (chunk.state in _WHOLE_DOUBT or (chunk.state is ChunkState.SETTLED and chunk.counts.in_doubt)):
            return {}
        if chunk.intent_at is None or self._clock.now() > chunk.intent_at + LOOK_FOR:
            return {}
        outcomes = self._settler.outcomes(batch, chunk)
        rows = self._settler.rows(chunk)
        return {
            place: exact_json.read(rows[place])
            for place, row in enumerate(outcomes)
            if row.outcome is Outcome.IN_DOUBT
        }

    def _rivals(
        self, batch: Batch, doubts: Sequence[tuple[Chunk, Mapping[int, Mapping[str, Any]]]]
    ) -> Counter[_Twin]:
        """How many rows of ours, sent at whatever time that matters, look like each row in doubt."""
        wanted = {_twin(row) for _, places in doubts for row in places.values()}
        earliest = min(chunk.intent_at for chunk, _ in doubts if chunk.intent_at)
        found: Counter[_Twin] = Counter()
        for other in self._store.senders(earliest - LOOK_FOR, self._clock.now() + CLOCKS_DIFFER):
            for chunk in self._chunks(other):
                if chunk.intent_at is None or chunk.state in (ChunkState.SPLIT, ChunkState.REFUSED):
                    continue
                twins = (_twin(exact_json.read(row)) for row in self._settler.rows(chunk))
                found.update(twin for twin in twins if twin in wanted)
        return found

    def _verdict(
        self, chunk: Chunk, row: Mapping[str, Any], rivals: Counter[_Twin], lists: Mapping[str, _List | None]
    ) -> Finding:
        transactions = lists[row["customerId"]]
        if transactions is None or chunk.intent_at is None:
            return Finding.UNCERTAIN
        customer_id, _, reason = twin = _twin(row)
        doubt = Doubt(
            customer_id=customer_id,
            amount=Decimal(row["amount"]),
            reason=reason,
            intent_at=chunk.intent_at,
            has_token=has_token(reason),
            rivals=rivals[twin] - 1,
        )
        finding = judge(doubt, transactions, self._clock.now(), self._quiet)
        # a job that was not seen to end may still come to a row, however late
        is_early = finding is Finding.NOT_APPLIED and _may_tell_more(chunk)
        return Finding.UNCERTAIN if is_early else finding

    def _lists_of(
        self, doubts: Sequence[tuple[Chunk, Mapping[int, Mapping[str, Any]]]], until: datetime
    ) -> dict[str, "_List | None"]:
        """What the customers' lists hold that looks like their rows in doubt, as far as there is time."""
        wanted: dict[str, set[tuple[Decimal, str]]] = {}
        for row in (row for _, places in doubts for row in places.values()):
            wanted.setdefault(row["customerId"], set()).add((Decimal(row["amount"]), row.get("reason", "")))
        found: dict[str, _List | None] = {}
        for customer_id, looks in wanted.items():
            pages = self._list(customer_id, until) if self._clock.now() < until else None
            listed = read_transactions(pages or ())
            kept = [entry for entry in listed if (entry.amount, entry.reason) in looks]
            found[customer_id] = None if pages is None else kept
        return found

    def _list(self, customer_id: str, until: datetime) -> list[Mapping[str, Any]] | None:
        """A customer's whole list; None when it could not be read whole."""
        pages: list[Mapping[str, Any]] = []
        start_after: str | None = None
        for _ in range(PAGES_MAX):
            if not wait_for_turn(self._budget, self._clock, Resource.TRANSACTIONS, Lane.BULK, until):
                return None
            try:
                page = self._lists.transactions(customer_id, start_after)
            except GameballError:
                return None
            pages.append(page)
            if not page.get("hasMore"):
                return pages
            start_after = _last_id(page)
            if start_after is None:
                return None
        return None


def _may_tell_more(chunk: Chunk) -> bool:
    """Whether a chunk's job was never seen to have ended, so that it may still tell of rows in doubt."""
    is_doubtful = chunk.state in _WHOLE_DOUBT or (chunk.state is ChunkState.SETTLED and chunk.counts.in_doubt)
    return bool(chunk.job_id is not None and is_doubtful and not chunk.job_state)


def _twin(row: Mapping[str, Any]) -> _Twin:
    """What makes two rows look the same in a transaction list."""
    return row["customerId"], plain(Decimal(row["amount"])), row.get("reason", "")


def _last_id(page: Mapping[str, Any]) -> str | None:
    listed = page.get("transactions")
    last = listed[-1].get("gameballTransactionId") if isinstance(listed, list) and listed else None
    return None if last is None else str(last)
