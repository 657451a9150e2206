"""What was done for one customer: the rows of all batches, and manual transactions, page by page.

The batches are found by their indexes of customers (batches/customer_index.py): of each batch, one small read
finds whether the customer is in it, and only what holds the customer's rows is read then.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from adjustments.batches.customer_index import find_parts
from adjustments.batches.files import Files
from adjustments.batches.records import Batch
from adjustments.batches.store import BatchStore, EntryCursor, IndexEntry, find_batch
from adjustments.core.decimals import plain
from adjustments.core.errors import (
    ConfigurationError,
    GameballError,
    GameballRefused,
    RequestRefused,
)
from adjustments.core.exact_json import read as read_number
from adjustments.core.ids import is_batch_id
from adjustments.core.limits import CUSTOMER_ID_CHARS_MAX, HISTORY_DAYS
from adjustments.core.printable import visible
from adjustments.core.runtime import Clock, Parallel
from adjustments.gameball.port import Gameball
from adjustments.gameball.rate_limiter import (
    Priority,
    RateLimiter,
    RateLimiterUnavailable,
    Resource,
    wait_for_slot,
)
from adjustments.manual_transactions.ledger import IdempotencyLedger, ManualRecord
from adjustments.manual_transactions.matching import next_page
from adjustments.reconciliation.history_matching import entries_of, matched_with
from adjustments.results.customer_rows import CustomerRow, CustomerRowReader
from adjustments.results.formats import submitter_text
from adjustments.results.summary import instant

HISTORY: Final = timedelta(days=HISTORY_DAYS)

SEARCH_TIME: Final = timedelta(seconds=12)
"""How long a page searches: API Gateway answers within 29 s, and Gameball may be asked after that."""

LIVE_TIME: Final = timedelta(seconds=9)
"""How long Gameball is asked."""

LIVE_PAGES_MAX: Final = 5
"""Pages of 200 transactions of Gameball's list that are read."""

ROWS_ENOUGH: Final = 100
"""Rows with which a page is full; it ends with the step of the search that finds them."""

STEP_BATCHES: Final = 128
"""Batches of one step of the search, looked at in parallel."""

_MONTH: Final = re.compile(r"[0-9]{4}-[0-9]{2}")


class _Cursor(NamedTuple):
    """Where a page begins: the entry after which, and the time before which."""

    entry: EntryCursor
    until: datetime

    def text(self) -> str:
        month = self.entry.month.removeprefix("rows#")
        return f"{month}~{self.entry.batch_id}~{self.until:%Y%m%dT%H%M%S.%f}"


def _read_cursor(text: str) -> str:
    _parse(text)
    return text


def _parse(text: str) -> _Cursor:
    month, _, rest = text.partition("~")
    batch_id, _, until = rest.partition("~")
    try:
        at = datetime.strptime(until, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    except ValueError:
        at = None
    if at is None or not _MONTH.fullmatch(month) or not is_batch_id(batch_id):
        raise PydanticCustomError("cursor", 'must be the value of "next" in the page before')
    return _Cursor(EntryCursor(f"rows#{month}", batch_id), at)


class HistoryRequest(BaseModel):
    """Which page of a history, and whether Gameball is asked as well."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    after: Annotated[str, AfterValidator(_read_cursor)] | None = None
    live: bool = False


def _check_customer_id(customer_id: str) -> None:
    """Raise RequestRefused for an id that no customer can have."""
    if not customer_id.strip() or len(customer_id) > CUSTOMER_ID_CHARS_MAX:
        raise RequestRefused(
            "customer_id", f"the customer's id must have 1 to {CUSTOMER_ID_CHARS_MAX} characters"
        )


@dataclass(frozen=True, kw_only=True)
class CustomerHistory:
    """Finds what was done for a customer in the last 400 days."""

    store: BatchStore
    files: Files
    rows: CustomerRowReader
    ledger: IdempotencyLedger
    gameball: Gameball
    rate_limiter: RateLimiter
    clock: Clock
    parallel: Parallel

    def page(self, customer_id: str, request: HistoryRequest) -> Mapping[str, Any]:
        """Read a page of a customer's history, newest first, for ``exact_json``.

        Args:
            customer_id: the customer.
            request: which page; ``live`` adds Gameball's own balance and transactions, matched with the rows
                of this page.

        Raises:
            RequestRefused: no customer can have this id.
        """
        _check_customer_id(customer_id)
        now = self.clock.now()
        begin = _parse(request.after) if request.after else None
        until = begin.until if begin else now + timedelta(minutes=1)
        searched, cursor = self._search(customer_id, begin, now)
        since = min(cursor.until, until) if cursor else now - HISTORY
        manual = self.ledger.of_customer(customer_id, since, until - timedelta(microseconds=1))
        rows = [*searched.rows, *map(_manual_json, manual)]
        rows.sort(key=lambda row: (row["batchId"] or "", row["line"] or 0))
        rows.sort(key=lambda row: str(row["time"]), reverse=True)
        answer: dict[str, Any] = {
            "customerId": visible(customer_id),
            "rows": rows,
            "next": cursor._replace(until=since).text() if cursor else None,
            "searched": {
                "batches": searched.batches,
                "withoutIndex": searched.without_index,
                "since": instant(since),
            },
        }
        if request.live:
            answer["gameball"] = self._live(customer_id, rows)
        return answer

    def _search(
        self, customer_id: str, begin: _Cursor | None, now: datetime
    ) -> tuple["_Searched", _Cursor | None]:
        """Look at batches, newest first, until there are enough rows or the time is up."""
        searched = _Searched([], 0, 0)
        entries = self.store.latest_registered_rows(now - HISTORY, now, begin.entry if begin else None)
        cursor = None
        ends_at = now + SEARCH_TIME
        while step := list(islice(entries, STEP_BATCHES)):
            found: list[list[dict[str, Any]]] = [[] for _ in step]
            indexed = [number for number, (_, one) in enumerate(step) if one.customers_rows is not None]
            self.parallel(
                [partial(self._look, customer_id, step[number][1], found[number]) for number in indexed]
            )
            searched.add(found, len(indexed), len(step) - len(indexed))
            if len(step) < STEP_BATCHES:
                return searched, None
            planned = [entry.planned_at for _, entry in step]
            cursor = _Cursor(step[-1][0], min([*planned, *([cursor.until] if cursor else [])]))
            if len(searched.rows) >= ROWS_ENOUGH or self.clock.now() >= ends_at:
                return searched, cursor
        return searched, None

    def _look(self, customer_id: str, entry: IndexEntry, found: list[dict[str, Any]]) -> None:
        """Find the customer's rows in one batch."""
        parts = find_parts(self.files, entry, customer_id)
        if not parts:
            return
        batch = find_batch(self.store, entry.batch_id)
        if batch is None:  # it is being planned, or its planner was killed
            return
        found += [_row_json(batch, row) for row in self.rows.rows(batch, parts, customer_id)]

    def _live(self, customer_id: str, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Gameball's own balance and transactions; where it does not answer, why."""
        until = self.clock.now() + LIVE_TIME
        try:
            balance = self._call(Resource.OTHERS, until, partial(self.gameball.customer_balance, customer_id))
            pages, is_whole = self._list(customer_id, until)
        except GameballRefused as refused:
            return {"error": visible(refused.gameball_message or str(refused))}
        except (GameballError, ConfigurationError, RateLimiterUnavailable, TimeoutError) as error:
            return {"error": f"Gameball's own data could not be fetched: {type(error).__name__}"}
        entries = entries_of(pages)
        matches = matched_with(entries, rows)
        return {
            "balance": balance,
            "transactions": [
                {**entry, "match": match and _name_of(match)}
                for entry, match in zip(entries, matches, strict=True)
            ],
            "isWhole": is_whole,
        }

    def _list(self, customer_id: str, until: datetime) -> tuple[list[Mapping[str, Any]], bool]:
        pages: list[Mapping[str, Any]] = []
        after: str | None = None
        for _ in range(LIVE_PAGES_MAX):
            call = partial(self.gameball.transactions, customer_id, after)
            pages.append(self._call(Resource.TRANSACTIONS, until, call))
            after = next_page(pages[-1])
            if after is None:
                return pages, not pages[-1].get("hasMore")
        return pages, False

    def _call(self, resource: Resource, until: datetime, call: Any) -> Mapping[str, Any]:
        if not wait_for_slot(self.rate_limiter, self.clock, resource, Priority.PROMPT, until):
            raise TimeoutError
        answer: Mapping[str, Any] = call(within_s=max(1.0, (until - self.clock.now()).total_seconds()))
        return answer


@dataclass
class _Searched:
    """What was found, and in how many batches it was searched for."""

    rows: list[dict[str, Any]]
    batches: int
    without_index: int

    def add(self, found: Sequence[Sequence[dict[str, Any]]], batches: int, without_index: int) -> None:
        for rows in found:
            self.rows += rows
        self.batches += batches
        self.without_index += without_index


def _row_json(batch: Batch, row: CustomerRow) -> dict[str, Any]:
    try:
        amount = read_number(row.amount)
    except ValueError:
        amount = None  # of a rejected row, whose amount may be anything
    return {
        "kind": "batch",
        "time": instant(row.at),
        "amount": amount,
        "unit": row.unit,
        "reason": visible(row.reason),
        "outcome": str(row.outcome),
        "message": visible(row.message),
        "batchId": batch.batch_id,
        "file": visible(batch.source.key),
        "line": row.line,
        "jobId": row.job_id,
        "transactionId": visible(row.transaction_id) or None,
        "gameballTransactionId": visible(row.gameball_id) or None,
        "by": submitter_text(batch.submitted_by) if batch.submitted_by else None,
        "approvedBy": visible(batch.approved_by) or None,
    }


def _manual_json(record: ManualRecord) -> dict[str, Any]:
    return {
        "kind": "manual",
        "time": instant(record.at),
        "amount": read_number(plain(record.change)),
        "unit": record.unit,
        "reason": visible(record.reason),
        "outcome": record.outcome,
        "message": "",
        "batchId": None,
        "file": None,
        "line": None,
        "jobId": None,
        "transactionId": visible(record.transaction_id),
        "gameballTransactionId": record.gameball_id or None,
        "by": visible(record.username) + (f" ({visible(record.caller)})" if record.caller else ""),
        "approvedBy": None,
    }


def _name_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """By what a row is found again."""
    return {name: row[name] for name in ("batchId", "line", "transactionId") if row[name] is not None}
