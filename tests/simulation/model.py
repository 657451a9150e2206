"""A model of Gameball: a ledger, jobs that take their time, and an unreliable API."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from adjustments.core import exact_json
from adjustments.core.errors import (
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    GameballUnavailable,
    OutcomeUnknown,
)
from adjustments.gameball.port import Dialect
from tests.simulation.fault_injection import Answer, FaultInjector, JobBehavior, Poll, RowAnswer

OUR_KEY = "secret-key-1"
"""What must not reach a log, even if Gameball should ever repeat it."""

FOR_EVER = timedelta(days=30)
PACES_S = {JobBehavior.SLOW: (200, 600), JobBehavior.CRAWLS: (4000, 9000)}
"""Seconds that a slow job takes for a row."""

REFUSALS = ((400, 4000), (404, 4004), (412, 2000), (413, 3001), (415, 3002), (422, 3003))
"""Statuses and codes with which whole requests are refused (docs/gameball-api.md, "Errors")."""


@dataclass(frozen=True)
class Account:
    """How the Gameball account is in a run, with and without faults."""

    dialect: Dialect = Dialect.GUIDE
    unknown: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    poor: frozenset[str] = frozenset()
    request_rows_max: int = 1000
    page_rows: int = 200
    key_outages: tuple[tuple[datetime, datetime], ...] = ()
    unreachable: tuple[tuple[datetime, datetime], ...] = ()
    """When no manual transaction gets an answer."""


@dataclass
class Entry:
    """One line of the ledger: an amount that really was added.

    A manual transaction has an id and a time, its unit (points or amount), and perhaps an expiry; customers'
    lists show it only from ``listed_at`` on.
    """

    batch_id: str
    chunk_id: str
    job_id: int
    customer: str
    amount: Decimal
    reason: str
    at: datetime
    transaction_id: str = ""
    time: str = ""
    unit: str = ""
    listed_at: datetime | None = None


@dataclass
class JobRow:
    """One row of a job; ``is_applied`` is None as long as Gameball has not come to it."""

    customer: str
    amount: Decimal
    reason: str
    is_applied: bool | None = None
    is_listed: bool = True
    is_listed_twice: bool = False


@dataclass
class Job:
    """Gameball's work on one request."""

    job_id: int
    batch_id: str
    chunk_id: str
    rows: list[JobRow]
    starts_at: datetime
    ends_at: datetime
    end_state: str = "completed"
    odd_until: datetime | None = None
    hides_lists: bool = False
    balances: Mapping[str, Decimal] | None = None


class Observer(Protocol):
    """Who looks at every request and every line of the ledger."""

    def sent_by(self) -> tuple[str, str]:
        """Whose request this is: the ids of its batch and chunk."""

    def answered(self, batch_id: str, chunk_id: str, answer: str, error: GameballError | None) -> None:
        """A request was answered."""

    def row_answered(
        self, key: tuple[str, str], body: bytes, answer: RowAnswer, error: GameballError | None
    ) -> None:
        """A manual transaction was answered."""

    def listed(self, customer: str) -> None:
        """A customer's transactions were listed."""

    def stop_requested(self, batch_id: str) -> None:
        """A stop of a batch's job was requested."""

    def applied(self, entry: Entry) -> None:
        """A line was added to the ledger."""


class CallerClock(Protocol):
    """The time of the caller of Gameball."""

    def now(self) -> datetime:
        """The time."""

    def wait(self, seconds: float) -> None:
        """Let the caller wait."""


@dataclass
class ModelGameball:
    """Implements the port; see ``Answer`` and ``JobBehavior`` for what it does to its callers."""

    injector: FaultInjector
    account: Account
    observer: Observer
    clock: CallerClock
    ledger: list[Entry] = field(default_factory=list)
    jobs: dict[int, Job] = field(default_factory=dict)
    by_id: dict[str, Entry] = field(default_factory=dict)
    clock_skew: timedelta = timedelta(0)
    _due: list[tuple[datetime, int, int, Job]] = field(default_factory=list)
    _late: list[tuple[datetime, int, Mapping[str, Any], tuple[str, str]]] = field(default_factory=list)
    _number: int = 0

    # --- the port ----------------------------------------------------------------------------------------

    def adjust_balances(self, body: bytes) -> int:
        """Take a request, or do something else with it."""
        batch_id, chunk_id = self.observer.sent_by()
        answer = self.injector.answer()
        if answer is Answer.ACCEPTED and self._keys_are_refused():
            answer = Answer.UNAUTHORIZED
        error: GameballError | None = None
        job_id = 0
        try:
            self.clock.wait(0.2 * self.injector.random.random())
            job_id = self._adjust(answer, batch_id, chunk_id, exact_json.read(body)["body"])
        except GameballError as raised:
            error = raised
        self.observer.answered(batch_id, chunk_id, "refused" if _refuses(error) else answer, error)
        self.clock.wait(20.0 if answer.is_slow else 0.3 * self.injector.random.random())
        if error:
            raise error
        return job_id

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        """Return a job's status, in the account's dialect only."""
        poll = self.injector.poll()
        self.clock.wait(0.2 * self.injector.random.random())
        if poll is not Poll.ANSWERED:
            return self._fail_poll(poll)
        if self._keys_are_refused():
            raise GameballUnauthorized("Gameball answered 401", status=401, code=1000)
        if dialect is not self.account.dialect or job_id not in self.jobs:
            raise GameballRefused("Gameball answered 404", status=404, code=4004)
        now = self.clock.now()
        self.advance(now)
        job = self.jobs[job_id]
        return (
            _guide(job, now, self.injector) if dialect is Dialect.GUIDE else _openapi(job, now, self.injector)
        )

    def inquire_balances(self, body: bytes) -> int:
        """Start a job that only reports balances."""
        poll = self.injector.poll()
        self.clock.wait(0.1)
        if poll is not Poll.ANSWERED:
            self._fail_poll(poll)
        if self._keys_are_refused():
            raise GameballUnauthorized("Gameball answered 401", status=401, code=1000)
        customers = [row["customerId"] for row in exact_json.read(body)["body"]]
        rows = [
            JobRow(customer, Decimal(0), "", customer not in self.account.unknown) for customer in customers
        ]
        now = self.clock.now()
        balances = {customer: self.balance(customer) for customer in customers}
        return self._add_job(Job(0, "", "", rows, now, now + timedelta(seconds=5), balances=balances))

    def stop_job(self, dialect: Dialect, job_id: int) -> None:
        """Stop a job: rows that were not reached never are."""
        self.clock.wait(0.1)
        now = self.clock.now()
        self.advance(now)
        job = self.jobs.get(job_id)
        if job:
            self.observer.stop_requested(job.batch_id)
        if job and now < job.ends_at:
            job.ends_at, job.end_state = now, "stopped"
            self._due = [due for due in self._due if due[3] is not job]
            heapq.heapify(self._due)

    def add_manual_transaction(self, body: bytes, within_s: float | None = None) -> Mapping[str, Any]:
        """Take a manual transaction, or do something else with it."""
        key = self.observer.sent_by()
        answer, rng = self.injector.row_answer(), self.injector.random
        if self._is_unreachable():
            answer = rng.choice(_AWAY)
        elif answer is RowAnswer.ACCEPTED and self._keys_are_refused():
            answer = RowAnswer.UNAUTHORIZED
        error: GameballError | None = None
        found: Mapping[str, Any] = {}
        self.clock.wait(0.1 * rng.random())
        try:
            found = self._add(answer, exact_json.read(body), key)
        except GameballError as raised:
            error = raised
        self.observer.row_answered(key, body, answer, error)
        self.clock.wait(min(within_s or 10.0, 10.0) if answer.is_slow else 0.1 * rng.random())
        if error:
            raise error
        return found

    def customer_balance(self, customer_id: str, within_s: float | None = None) -> Mapping[str, Any]:
        """Not part of a batch."""
        raise NotImplementedError

    def transactions(
        self, customer_id: str, start_after: str | None = None, within_s: float | None = None
    ) -> Mapping[str, Any]:
        """A customer's lines of the ledger, newest first, in one page."""
        poll = self.injector.poll()
        self.clock.wait(0.1)
        if poll is not Poll.ANSWERED:
            self._fail_poll(poll)
        if self._keys_are_refused():
            raise GameballUnauthorized("Gameball answered 401", status=401, code=1000)
        now = self.clock.now()
        self.advance(now)
        mine = [
            _listed_entry(number, entry, self.clock_skew, is_bare=self.injector.random.random() < 0.5)
            for number, entry in reversed(list(enumerate(self.ledger)))
            if entry.customer == customer_id
            and (start_after is None or number < int(start_after))
            and (entry.listed_at is None or entry.listed_at <= now)
        ]
        page = mine[: self.account.page_rows]
        self.observer.listed(customer_id)
        if page and page[0]["transactionId"] and self.injector.hits(self.injector.rates.poll):
            self.injector.record("list: numbers that are none")
            page[0] |= {"points": "many", "amount": None}
        return {"transactions": page, "count": len(page), "hasMore": len(mine) > len(page)}

    # --- what is behind it -------------------------------------------------------------------------------

    def balance(self, customer: str) -> Decimal:
        """What a customer has now."""
        start = Decimal(0 if customer in self.account.poor else 1_000_000)
        return start + sum((entry.amount for entry in self.ledger if entry.customer == customer), Decimal(0))

    def advance(self, now: datetime) -> None:
        """Do what jobs do until a time."""
        while self._due and self._due[0][0] <= now:
            at, _, index, job = heapq.heappop(self._due)
            self._process(job, job.rows[index], at)
        while self._late and self._late[0][0] <= now:
            at, _, fields, key = heapq.heappop(self._late)
            if self._transaction_refusal(fields) is None:
                self._apply(fields, key, at)

    def refusal(self, customers: list[str]) -> str | None:
        """The customer for whom a whole request is refused, or another reason; None when it is taken."""
        if len(customers) > self.account.request_rows_max:
            return "the request is too large"
        return next(
            (f"customer {name} is not valid" for name in customers if name in self.account.refused), None
        )

    def _adjust(self, answer: Answer, batch_id: str, chunk_id: str, rows: list[dict[str, Any]]) -> int:
        match answer:
            case Answer.NO_CONNECTION:
                raise GameballUnavailable("no connection to Gameball: nothing was sent")
            case Answer.THROTTLED:
                pause = self.injector.random.choice((None, 2.0, 30.0))
                raise GameballThrottled("Gameball answered 429", status=429, retry_after_s=pause)
            case Answer.BUSY:
                raise GameballThrottled("Gameball answered 422", status=422, code=2001)
            case Answer.UNAUTHORIZED:
                raise GameballUnauthorized(f"Gameball answered 401: {OUR_KEY}", status=401, code=1000)
        why = self.refusal([row["customerId"] for row in rows])
        if why:
            status, code = self.injector.random.choice(REFUSALS)
            raise GameballRefused(f"Gameball answered {status}: {why}", status=status, code=code)
        job_id = self._accept(answer, batch_id, chunk_id, rows) if answer.is_applied else 0
        if answer.is_unknown:
            raise OutcomeUnknown(f"{answer}", status=503 if "error" in answer else None)
        return job_id

    def _add(self, answer: RowAnswer, fields: Mapping[str, Any], key: tuple[str, str]) -> Mapping[str, Any]:
        self._refuse(answer)
        found: Mapping[str, Any] = {}
        if answer is RowAnswer.LOST_APPLIED_LATE:
            self._number += 1
            due = self.clock.now() + timedelta(seconds=self.injector.random.choice((1, 8, 20)))
            heapq.heappush(self._late, (due, self._number, fields, key))
        elif answer.is_applied:
            refusal = self._transaction_refusal(fields)
            if refusal:
                raise refusal
            found = self._apply(fields, key, self.clock.now())
        if answer.is_nameless:
            return self.injector.random.choice(({}, {"transactionId": "another"}))
        if answer.is_unknown:
            raise OutcomeUnknown(f"{answer}", status=503 if "error" in answer else None)
        return found

    def _refuse(self, answer: RowAnswer) -> None:
        """Raise the error of a request that Gameball does not work on."""
        match answer:
            case RowAnswer.NO_CONNECTION:
                raise GameballUnavailable("no connection to Gameball: nothing was sent")
            case RowAnswer.THROTTLED:
                pause = self.injector.random.choice((None, 2.0, 30.0))
                raise GameballThrottled("Gameball answered 429", status=429, retry_after_s=pause)
            case RowAnswer.BUSY:
                raise GameballThrottled("Gameball answered 422", status=422, code=2001)
            case RowAnswer.UNAUTHORIZED:
                raise GameballUnauthorized(f"Gameball answered 401: {OUR_KEY}", status=401, code=1000)
            case RowAnswer.TIME_EXISTS:
                raise GameballRefused("Gameball answered 422: time exists", status=422, code=9003)

    def _transaction_refusal(self, fields: Mapping[str, Any]) -> GameballRefused | None:
        """Why a manual transaction is refused; which of two reasons comes first is not documented."""
        change = _change_of(fields)
        customer = fields["customerId"]
        found: list[tuple[int, int | None]] = []
        if fields["transactionId"] in self.by_id:
            found.append((422, 9004))
        if customer in self.account.unknown or customer in self.account.refused:
            found.append(self.injector.random.choice(((422, 7000), (404, None))))
        if change < 0 and self.balance(customer) + change < 0:
            found.append((422, 9008))
        if change < 0 and "expiryAfter" in fields:
            found.append((400, None))
        if not found:
            return None
        status, code = self.injector.random.choice(found)
        return GameballRefused(f"Gameball answered {status}: refused", status=status, code=code)

    def _apply(self, fields: Mapping[str, Any], key: tuple[str, str], at: datetime) -> Mapping[str, Any]:
        change, unit = _change_of(fields), "points" if "points" in fields else "amount"
        lag_s = (
            self.injector.random.choice((1, 20, 50)) if self.injector.hits(self.injector.rates.poll) else 0
        )
        entry = Entry(
            *key, 0, fields["customerId"], change, fields["reason"], at,
            transaction_id=fields["transactionId"], time=fields.get("transactionTime", ""), unit=unit,
            listed_at=at + timedelta(seconds=lag_s),
        )  # fmt: skip
        self.ledger.append(entry)
        self.by_id[entry.transaction_id] = entry
        self.observer.applied(entry)
        return {
            "customerId": entry.customer,
            "gameballTransactionId": len(self.ledger) - 1,
            "transactionId": entry.transaction_id,
            **_both_units(entry, change),
        }

    def _is_unreachable(self) -> bool:
        now = self.clock.now()
        return any(start <= now < end for start, end in self.account.unreachable)

    def _accept(self, answer: Answer, batch_id: str, chunk_id: str, rows: list[dict[str, Any]]) -> int:
        rng = self.injector.random
        starts_at = self.clock.now() + timedelta(seconds=rng.choice((0, 1, 8)))
        if answer.is_late:
            starts_at += timedelta(minutes=rng.choice((1, 4, 30, 120)))
        behavior = self._behavior(answer)
        pace_s = rng.choice(PACES_S.get(behavior, (0, 0.5, 2)))
        taken = [JobRow(row["customerId"], Decimal(row["amount"]), row.get("reason", "")) for row in rows]
        ends_at = starts_at + timedelta(seconds=pace_s * len(taken) + 1)
        job = Job(0, batch_id, chunk_id, taken, starts_at, ends_at)
        job_id = self._add_job(job)
        delays_s = _plan_processing(job, behavior, self.injector, pace_s)
        for index, delay_s in enumerate(delays_s):
            if delay_s is not None:
                self._number += 1
                heapq.heappush(self._due, (starts_at + timedelta(seconds=delay_s), self._number, index, job))
        return job_id

    def _behavior(self, answer: Answer) -> JobBehavior:
        """What becomes of a job; only one whose jobId gets on record may take longer than the quiet time."""
        behavior = self.injector.behavior()
        may_lose_job = answer is not Answer.ACCEPTED or self.injector.rates.may_lose_job
        return JobBehavior.SLOW if behavior is JobBehavior.CRAWLS and may_lose_job else behavior

    def _add_job(self, job: Job) -> int:
        job.job_id = len(self.jobs) + 1
        self.jobs[job.job_id] = job
        return job.job_id

    def _process(self, job: Job, row: JobRow, at: datetime) -> None:
        row.is_applied = row.customer not in self.account.unknown and (
            row.amount > 0 or self.balance(row.customer) + row.amount >= 0
        )
        if row.is_applied:
            entry = Entry(job.batch_id, job.chunk_id, job.job_id, row.customer, row.amount, row.reason, at)
            self.ledger.append(entry)
            self.observer.applied(entry)

    def _keys_are_refused(self) -> bool:
        now = self.clock.now()
        return any(start <= now < end for start, end in self.account.key_outages)

    def _fail_poll(self, poll: Poll) -> Mapping[str, Any]:
        match poll:
            case Poll.NO_CONNECTION:
                raise GameballUnavailable("no connection to Gameball: nothing was sent")
            case Poll.THROTTLED:
                raise GameballThrottled("Gameball answered 429", status=429)
            case Poll.UNAUTHORIZED:
                raise GameballUnauthorized("Gameball answered 403", status=403, code=1002)
            case Poll.ERROR:
                raise OutcomeUnknown("Gameball answered 503", status=503)
            case _:
                return {"status": None, "response": [], "results": {"customerId": "x"}, "errors": "none"}


_AWAY = (
    RowAnswer.NO_CONNECTION,
    RowAnswer.LOST_NOT_APPLIED,
    RowAnswer.ERROR_NOT_APPLIED,
    RowAnswer.LOST_APPLIED,
    RowAnswer.LOST_APPLIED_LATE,
)
"""What callers get of a Gameball that is not reachable."""


def _change_of(fields: Mapping[str, Any]) -> Decimal:
    return Decimal(fields["points"] if "points" in fields else fields["amount"])


def _both_units(entry: Entry, change: Decimal) -> dict[str, Decimal]:
    """A manual transaction in points and in money: a point is a tenth of the currency's unit."""
    if entry.unit == "points":
        return {"points": change, "amount": change / 10}
    return {"points": change * 10, "amount": change}


def _listed_entry(number: int, entry: Entry, clock_skew: timedelta, is_bare: bool) -> dict[str, Any]:
    amount = abs(entry.amount) if is_bare else entry.amount
    if entry.transaction_id:
        return {
            "transactionId": entry.transaction_id,
            "gameballTransactionId": str(number),
            "type": "ManualAccumulation" if entry.amount > 0 else "ManualDeduction",
            "direction": "+" if entry.amount > 0 else "-",
            "customerId": entry.customer,
            **_both_units(entry, amount),
            "transactionTime": entry.time or (entry.at + clock_skew).isoformat(),
            "reason": entry.reason,
        }
    return {
        "transactionId": None,
        "gameballTransactionId": number,
        "type": "ManualAccumulation" if entry.amount > 0 else "ManualDeduction",
        "direction": "+" if entry.amount > 0 else "-",
        "customerId": entry.customer,
        "points": amount,
        "amount": amount,
        "transactionTime": (entry.at + clock_skew).isoformat(),
        "reason": entry.reason,
    }


def _refuses(error: GameballError | None) -> bool:
    return isinstance(error, GameballRefused)


def _plan_processing(
    job: Job, behavior: JobBehavior, injector: FaultInjector, pace_s: float
) -> list[float | None]:
    """Decide how a job will go; when each of its rows is processed, None for never."""
    rng = injector.random
    count = len(job.rows)
    delays: list[float | None] = [pace_s * (index + 1) for index in range(count)]
    some = rng.sample(range(count), rng.randint(1, count))
    reached = rng.randrange(count)
    match behavior:
        case JobBehavior.FAILS_MIDWAY | JobBehavior.STOPS_MIDWAY:
            job.end_state = "failed" if behavior is JobBehavior.FAILS_MIDWAY else "stopped"
            job.hides_lists = behavior is JobBehavior.STOPS_MIDWAY and rng.random() < 0.7
            delays = [delay if index < reached else None for index, delay in enumerate(delays)]
        case JobBehavior.UNLISTED_APPLIED | JobBehavior.UNLISTED_NOT_APPLIED | JobBehavior.UNLISTED_LATE:
            late_s = pace_s * count + rng.choice((30.0, 600.0, 7000.0))
            instead = {JobBehavior.UNLISTED_NOT_APPLIED: None, JobBehavior.UNLISTED_LATE: late_s}
            for row in (job.rows[index] for index in some):
                row.is_listed = False
            if behavior in instead:
                delays = [instead[behavior] if index in some else delay for index, delay in enumerate(delays)]
        case JobBehavior.LISTED_TWICE:
            for row in (job.rows[index] for index in some):
                row.is_listed_twice = True
        case JobBehavior.ODD_STATE | JobBehavior.ODD_STATE_FOR_EVER:
            minutes = timedelta(minutes=rng.choice((1, 10, 60)))
            job.odd_until = job.ends_at + (minutes if behavior is JobBehavior.ODD_STATE else FOR_EVER)
    return delays


def _lists(job: Job, now: datetime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    for row in job.rows:
        if row.is_applied is None or not row.is_listed:
            continue
        name: str | int = int(row.customer) if row.customer.isdigit() else row.customer
        listed: dict[str, Any] = {"customerId": name}
        if job.balances:
            listed["availablePointsBalance"] = job.balances[row.customer]
        if row.is_applied or row.is_listed_twice:
            good.append({**listed, "message": "ok"})
        if not row.is_applied or row.is_listed_twice:
            bad.append({**listed, "error" if len(bad) % 2 else "message": f"{row.customer} not found"})
    return good, bad


def _state(job: Job, now: datetime, queued: str, running: str) -> str:
    if now < job.starts_at:
        return queued
    if now < job.ends_at:
        return running
    if job.odd_until and now < job.odd_until:
        return "archived"
    return job.end_state


def _guide(job: Job, now: datetime, injector: FaultInjector) -> dict[str, Any]:
    """The guide's dialect; counters are made up, as the documents' own are."""
    rng = injector.random
    state = _state(job, now, "queued", "running")
    good, bad = _lists(job, now)
    is_hidden = state == "queued" or (job.hides_lists and state == "stopped")
    if rng.random() < 0.3:
        state = state.capitalize()
    counters = {
        "totalCount": len(job.rows),
        "finishedCount": rng.randint(0, 9),
        "errorCount": rng.randint(0, 9),
    }
    response = None if is_hidden else {"successful": good, "failed": bad}
    return {"jobId": job.job_id, "status": state, **counters, "response": response}


def _openapi(job: Job, now: datetime, injector: FaultInjector) -> dict[str, Any]:
    """The published OpenAPI's dialect, which knows no stopped job."""
    rng = injector.random
    state = _state(job, now, "pending", "processing").replace("stopped", "failed")
    good, bad = _lists(job, now)
    counters = {
        "totalItems": len(job.rows),
        "processedItems": rng.randint(0, 9),
        "failedItems": rng.randint(0, 9),
    }
    return {
        "batchId": job.job_id,
        "status": state,
        **counters,
        "progress": 100,
        "results": good,
        "errors": bad,
    }
