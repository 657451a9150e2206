"""The endpoints of the Gameball API, for requests that were admitted."""

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import unquote

from local.standin import request_bodies
from local.standin.account import Account
from local.standin.admission import Request
from local.standin.clock import timestamp
from local.standin.dialects import guide_status, openapi_status
from local.standin.faults import Fault
from local.standin.jobs import STOPPED, Job, JobPlan, Operation
from local.standin.ledger import ManualDetails, ManualTransaction, Objection
from local.standin.responses import (
    FAILED,
    NO_SUCH_CUSTOMER,
    NOT_FOUND,
    REFUSED_CUSTOMER,
    TIME_NOT_VALID,
    Answer,
    RefusedError,
    coded_error,
    ok,
    plain_error,
    refuse,
)
from local.standin.settings import BOTH, GUIDE, OPENAPI, VERSIONS
from local.standin.transaction_list import list_page, read_query


class GameballApi:
    """The endpoints, without sockets."""

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

    def answer(self, request: Request, fault: Fault | None = None) -> Answer:
        """Answer an admitted request; it takes effect whole or not at all."""
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
        details = ManualDetails(timestamp(transaction.transaction_time or now), expiry_date, days)
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
            refused_customers = account.settings.refuse_request_customers
            if any(row.customer_id in refused_customers for row in rows):
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
        """The published description has no body here, and no media type for one."""
        if request.body or "content-type" in request.headers:
            return plain_error(415, "Unsupported Media Type")
        with self._account.lock:
            now_ns, job = self._job(job_id, OPENAPI)
            self._stop(job)
            return ok(openapi_status(job, self._account.settings, now_ns))

    def _job(self, job_id: str, dialect: str) -> tuple[int, Job]:
        """Find a job after settling what is due; refuse with 404 where the account has another dialect."""
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
        query = read_query(request.query)
        with self._account.lock:
            self._account.settle()
            return ok(list_page(self._account.ledger, query, self._account.settings.signed_list_amounts))


def _manual_ok(transaction: ManualTransaction, gameball_id: int) -> Answer:
    """The documented 200 body."""
    return ok(
        {
            "customerId": transaction.adjustment.customer_id,
            "gameballTransactionId": gameball_id,
            "transactionId": transaction.transaction_id,
            "points": transaction.adjustment.amount,
            "amount": transaction.adjustment.amount,
        }
    )
