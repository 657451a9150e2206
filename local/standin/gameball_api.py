"""The Gameball side: who may come in, and what each endpoint decides."""

import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from urllib.parse import parse_qs, unquote

from local.standin import request_bodies
from local.standin.account import Account
from local.standin.clock import timestamp
from local.standin.dialects import guide_status, openapi_status
from local.standin.faults import Fault
from local.standin.jobs import STOPPED, Job, JobPlan, Operation
from local.standin.ledger import Entry, Ledger, ManualDetails, ManualTransaction, Objection
from local.standin.rate_limits import resource_of
from local.standin.request_log import LoggedRequest, scrubbed
from local.standin.responses import (
    BAD_QUERY,
    FAILED,
    FORBIDDEN,
    NO_SUCH_CUSTOMER,
    NOT_FOUND,
    REFUSED_CUSTOMER,
    SECRET_REQUIRED,
    TIME_NOT_VALID,
    UNAUTHORIZED,
    Answer,
    RefusedError,
    coded_error,
    ok,
    plain_error,
    refuse,
)
from local.standin.settings import BOTH, GUIDE, OPENAPI, VERSIONS

USUAL_PAGE = 50
LARGEST_PAGE = 200
STATUSES = ("active", "pending", "blocked", "expired")
_INTEGRATIONS = re.compile(r"/api/([^/]+)/integrations/(.+)")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read whole; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def version(self) -> str:
        """The API version of the path, empty outside `/api/{version}/integrations/`."""
        match = _INTEGRATIONS.fullmatch(self.path)
        return match.group(1) if match else ""

    @property
    def endpoint(self) -> str:
        """What follows `/integrations/`, empty elsewhere."""
        match = _INTEGRATIONS.fullmatch(self.path)
        return match.group(2) if match else ""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a request came in: refused with an answer, or admitted, perhaps with a fault on it."""

    logged: LoggedRequest
    answer: Answer | None = None
    fault: Fault | None = None


class Api:
    """The account's public face, without sockets."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._routes: tuple[tuple[str, re.Pattern[str], Callable[..., Answer]], ...] = (
            ("POST", re.compile(r"transactions/manual"), self._post_manual),
            ("GET", re.compile(r"transactions"), self._get_transactions),
            ("GET", re.compile(r"customers/([^/]+)/balance"), self._get_balance),
            ("POST", re.compile(r"batch/balance-adjustment"), self._post_adjustments),
            ("POST", re.compile(r"batch/balance-inquiry"), self._post_inquiry),
            ("GET", re.compile(r"batch/([^/]+)"), self._get_guide_status),
            ("DELETE", re.compile(r"batch/([^/]+)"), self._stop_by_guide),
            ("GET", re.compile(r"batches/([^/]+)/status"), self._get_openapi_status),
            ("POST", re.compile(r"batches/([^/]+)/stop"), self._stop_by_openapi),
        )

    def admit(self, request: Request) -> Admission:
        """Log the request, check keys, version and limits, and see whether a fault waits for it.

        Assumption on the order: keys before limits, since limits belong to an account; a request that
        is refused here neither counts towards the limits nor uses up a fault.
        """
        with self._account.lock:
            now_ns = self._account.settle()
            logged = self._log(request)
            answer = self._key_problem(request) or self._version_problem(request)
            answer = answer or self._limit_problem(logged.resource, now_ns)
            if answer is not None:
                return Admission(logged, answer)
            fault = self._account.faults.take(request.method, request.path)
            logged.fault = fault.kind if fault else None
            return Admission(logged, fault=fault)

    def answer(self, request: Request, fault: Fault | None = None) -> Answer:
        """Do what an admitted request asks for, all of it or nothing."""
        for method, pattern, act in self._routes:
            match = pattern.fullmatch(request.endpoint)
            if match and method == request.method and request.version in VERSIONS:
                return self._act(act, request, fault, [unquote(part) for part in match.groups()])
        return coded_error(NOT_FOUND, "Not found")

    def _act(
        self, act: Callable[..., Answer], request: Request, fault: Fault | None, parts: list[str]
    ) -> Answer:
        try:
            return act(request, fault, *parts)
        except RefusedError as refused:
            return refused.answer

    def _log(self, request: Request) -> LoggedRequest:
        account = self._account
        keys = (account.settings.api_key, account.settings.secret_key)
        target = f"{request.path}?{request.query}" if request.query else request.path
        is_batch_post = request.method == "POST" and request.endpoint.startswith("batch/")
        return account.log.add(
            LoggedRequest(
                timestamp(account.clock.utc()),
                request.method,
                scrubbed(target.encode(errors="replace"), keys).decode(),
                resource_of(request.endpoint),
                scrubbed(request.body, keys) if is_batch_post else None,
            )
        )

    def _key_problem(self, request: Request) -> Answer | None:
        """Both headers, on every call; a rotated key is refused at once (docs/gameball-api.md, "Calls")."""
        settings = self._account.settings
        if not _same(request.headers.get("apikey"), settings.api_key):
            return coded_error(UNAUTHORIZED, "Unauthorized")
        secret_key = request.headers.get("secretkey")
        if not secret_key:
            return coded_error(SECRET_REQUIRED, "The secret key is required")
        return None if _same(secret_key, settings.secret_key) else coded_error(UNAUTHORIZED, "Unauthorized")

    def _version_problem(self, request: Request) -> Answer | None:
        """Assumption: a version below the account's minimum is forbidden (1002), as no code is documented."""
        minimum = self._account.settings.minimum_version
        if minimum is None or request.version not in VERSIONS or request.version >= minimum:
            return None
        return coded_error(FORBIDDEN, f"The account's minimum API version is {minimum}")

    def _limit_problem(self, resource: str, now_ns: int) -> Answer | None:
        account = self._account
        if not account.settings.limits or account.limits.admit(resource, now_ns):
            return None
        answer = plain_error(429, "Too many requests")
        if account.settings.retry_after_s is None:
            return answer
        return Answer(429, answer.body, headers=(("Retry-After", str(account.settings.retry_after_s)),))

    def _post_manual(self, request: Request, fault: Fault | None) -> Answer:
        transaction = request_bodies.manual_transaction(request.body)
        with self._account.lock:
            self._account.settle()
            return self._apply_manual(transaction)

    def _apply_manual(self, transaction: ManualTransaction) -> Answer:
        account = self._account
        now = account.clock.utc()
        if transaction.transaction_time is not None and transaction.transaction_time > now:
            objection = Objection(TIME_NOT_VALID, "Transaction time is not valid")
            account.ledger.refuse_manual(timestamp(now), transaction, objection)
            return coded_error(*objection)
        days = transaction.expiry_after_days
        expiry_date = None if days is None else timestamp(now + timedelta(days=days)).removesuffix("Z")
        details = ManualDetails(timestamp(transaction.transaction_time or now), expiry_date)
        outcome = account.ledger.apply_manual(timestamp(now), transaction, details)
        return (
            coded_error(*outcome) if isinstance(outcome, Objection) else _manual_ok(transaction, outcome[0])
        )

    def _post_adjustments(self, request: Request, fault: Fault | None) -> Answer:
        return self._accept("BalanceAdjustment", request_bodies.adjustment_rows(request.body), fault)

    def _post_inquiry(self, request: Request, fault: Fault | None) -> Answer:
        return self._accept("BalanceInquiry", request_bodies.inquiry_rows(request.body), fault)

    def _accept(self, operation: Operation, rows: request_bodies.Rows, fault: Fault | None) -> Answer:
        account = self._account
        with account.lock:
            now_ns = account.settle()
            unwelcome = account.settings.refuse_request_customers
            if any(row.customer_id in unwelcome for row in rows):
                raise refuse(REFUSED_CUSTOMER, "The request can't be processed")
            usual = JobPlan(account.settings.job_delay_s)
            plan = fault.plan(usual) if fault else usual
            job = account.jobs.accept(operation, rows, plan, now_ns, account.clock.utc())
            return ok({"jobId": job.job_id})

    def _get_guide_status(self, request: Request, fault: Fault | None, job_id: str) -> Answer:
        with self._account.lock:
            now_ns, job = self._job(job_id, GUIDE)
            return ok(guide_status(job, self._account.settings, now_ns))

    def _get_openapi_status(self, request: Request, fault: Fault | None, job_id: str) -> Answer:
        with self._account.lock:
            now_ns, job = self._job(job_id, OPENAPI)
            return ok(openapi_status(job, self._account.settings, now_ns))

    def _stop_by_guide(self, request: Request, fault: Fault | None, job_id: str) -> Answer:
        with self._account.lock:
            now_ns, job = self._job(job_id, GUIDE)
            self._stop(job)
            return ok(guide_status(job, self._account.settings, now_ns))

    def _stop_by_openapi(self, request: Request, fault: Fault | None, job_id: str) -> Answer:
        with self._account.lock:
            now_ns, job = self._job(job_id, OPENAPI)
            self._stop(job)
            return ok(openapi_status(job, self._account.settings, now_ns))

    def _job(self, job_id: str, dialect: str) -> tuple[int, Job]:
        """The job, up to date, if there is one and this dialect is spoken."""
        now_ns = self._account.settle()
        is_spoken = self._account.settings.dialect in (dialect, BOTH)
        number = int(job_id) if re.fullmatch(r"[0-9]{1,18}", job_id) else 0
        job = self._account.jobs.find(number)
        if not is_spoken or job is None:
            raise refuse(NOT_FOUND, "Not found")
        return now_ns, job

    def _stop(self, job: Job) -> None:
        """Assumption: stopping twice is harmless, stopping a job that has ended is refused (4000)."""
        if job.end_state == STOPPED:
            return
        if job.end_state is not None:
            raise refuse(FAILED, "The job has ended already")
        self._account.jobs.stop(job, self._account.settings.stop_applies_rows, self._account.clock.utc())

    def _get_balance(self, request: Request, fault: Fault | None, customer_id: str) -> Answer:
        with self._account.lock:
            self._account.settle()
            balance = self._account.ledger.balance(customer_id)
        if balance is None:
            raise refuse(NO_SUCH_CUSTOMER, "Customer not found")
        return ok(
            {
                "totalPointsBalance": balance,
                "availablePointsBalance": balance,
                "pendingPoints": 0,
                "currency": "USD",
                "pointsName": "Points",
            }
        )

    def _get_transactions(self, request: Request, fault: Fault | None) -> Answer:
        wanted = _transaction_query(request.query)
        with self._account.lock:
            self._account.settle()
            signed = self._account.settings.signed_list_amounts
            # One more than the page shows whether there is a next one.
            found = list(islice(_matching(self._account.ledger, wanted), wanted.limit + 1))
            page = [_listed(self._account.ledger, place, signed) for place in found[: wanted.limit]]
        return ok({"transactions": page, "count": len(page), "hasMore": len(found) > wanted.limit})


@dataclass(frozen=True, slots=True)
class _TransactionQuery:
    """The filters of the transactions list; None filters nothing."""

    customer_id: str | None
    direction: str | None
    status: str | None
    start_after: int
    limit: int


def _transaction_query(query: str) -> _TransactionQuery:
    """Read the filters. A plus sign must come percent-encoded, as in any query."""
    try:
        values = {name: given[-1] for name, given in parse_qs(query, max_num_fields=50).items()}
    except ValueError as error:
        raise refuse(BAD_QUERY, "The query can't be read") from error
    direction, status = values.get("direction"), values.get("status")
    if direction not in (None, "+", "-"):
        raise refuse(BAD_QUERY, "direction must be + or -")
    if status is not None and status.lower() not in STATUSES:
        raise refuse(BAD_QUERY, f"status must be one of {', '.join(STATUSES)}")
    start_after = _whole_number(values.get("startAfter", "0"), "startAfter")
    limit = _whole_number(values.get("limit", str(USUAL_PAGE)), "limit")
    if not 1 <= limit <= LARGEST_PAGE:
        raise refuse(BAD_QUERY, f"limit must be from 1 to {LARGEST_PAGE}")
    return _TransactionQuery(values.get("customerId"), direction, status, start_after, limit)


def _whole_number(text: str, name: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise refuse(BAD_QUERY, f"{name} must be a whole number")
    return int(text)


def _matching(ledger: Ledger, wanted: _TransactionQuery) -> Iterator[int]:
    if wanted.status is not None and wanted.status.lower() != "active":
        return iter(())
    places = ledger.places(wanted.customer_id, wanted.start_after)
    return (place for place in places if wanted.direction in (None, _direction(ledger.entries[place])))


def _direction(entry: Entry) -> str:
    return "-" if entry.adjustment.amount < 0 else "+"


def _listed(ledger: Ledger, place: int, signed: bool) -> dict[str, object]:
    """One row of the list, after Gameball's published example of it.

    There points are a magnitude whose sign is the direction, the Gameball id is a string (a number in the
    seed's answer), and times carry no offset. A batch's row has no transactionId.
    """
    entry, details = ledger.entries[place], ledger.manual_details.get(place)
    direction, amount = _direction(entry), entry.adjustment.amount
    # copy_abs, since abs() would round to the context's precision.
    shown = amount if signed else amount.copy_abs()
    return {
        "transactionId": entry.transaction_id,
        "gameballTransactionId": str(ledger.gameball_id(place)),
        "type": "ManualDeduction" if direction == "-" else "ManualAccumulation",
        "direction": direction,
        "customerId": entry.adjustment.customer_id,
        "points": shown,
        "amount": shown,
        "transactionTime": (details.transaction_time if details else entry.at).removesuffix("Z"),
        "status": "Active",
        "reason": entry.adjustment.reason,
        "expiryDate": details.expiry_date if details else None,
        "pointsBalanceBefore": entry.balance_before,
        "pointsBalanceAfter": entry.balance_after,
    }


def _manual_ok(transaction: ManualTransaction, gameball_id: int) -> Answer:
    """The seed's 200 body."""
    return ok(
        {
            "customerId": transaction.adjustment.customer_id,
            "gameballTransactionId": gameball_id,
            "transactionId": transaction.transaction_id,
            "points": transaction.adjustment.amount,
            "amount": transaction.adjustment.amount,
        }
    )


def _same(given: str | None, key: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), key.encode())
