"""The admin API under `/_standin/`, without keys and limits: setup, audit, settings, faults."""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from urllib.parse import parse_qs

from local.standin import audit, request_log, settings, validation
from local.standin.account import Account
from local.standin.admission import Request
from local.standin.exact_json import BadJsonError, exact_number, loads
from local.standin.faults import fault_from
from local.standin.responses import Answer, RefusedError, ok, plain_error, refuse_plain

PREFIX = "/_standin/"
GENERATED_CUSTOMERS_MAX = 1_000_000
_HTML = "text/html; charset=utf-8"


class AdminApi:
    """The endpoints of the admin API."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._routes: Mapping[tuple[str, str], Callable[[Request], Answer]] = {
            ("GET", "health"): self._get_health,
            ("GET", "audit"): self._get_audit,
            ("GET", "requests"): self._get_requests,
            ("GET", "customers"): self._get_customers,
            ("POST", "customers"): self._post_customers,
            ("GET", "settings"): self._get_settings,
            ("POST", "settings"): self._post_settings,
            ("GET", "faults"): self._get_faults,
            ("POST", "faults"): self._post_fault,
            ("DELETE", "faults"): self._delete_faults,
            ("POST", "reset"): self._post_reset,
        }

    def answer(self, request: Request) -> Answer:
        """Answer a request; errors have the plain format."""
        act = self._routes.get((request.method, request.path.removeprefix(PREFIX)))
        if act is None:
            return plain_error(404, "Not found")
        try:
            return act(request)
        except RefusedError as refused:
            return refused.answer

    def _get_health(self, request: Request) -> Answer:
        return ok({"status": "ok"})

    def _get_audit(self, request: Request) -> Answer:
        query = _query(request)
        job_id = query.get("jobId")
        if job_id is not None and not re.fullmatch(r"[0-9]{1,18}", job_id):
            raise refuse_plain("jobId must be a whole number")
        view = self._audit_view(None if job_id is None else int(job_id), query.get("customerId"))
        if "text/html" in (request.headers.get("accept") or ""):
            return Answer(200, content_type=_HTML, blocks=audit.as_page(view))
        return Answer(200, blocks=audit.as_json(view))

    def _audit_view(self, job_id: int | None, customer_id: str | None) -> audit.AuditView:
        with self._account.lock:
            self._account.settle()
            ledger = self._account.ledger
            return audit.AuditView(ledger, len(ledger.entries), len(ledger.refused), job_id, customer_id)

    def _get_requests(self, request: Request) -> Answer:
        query = _query(request)
        with self._account.lock:
            entries = self._account.log.matching(query.get("method"), query.get("path", ""))
        return Answer(200, blocks=request_log.as_blocks(entries))

    def _get_customers(self, request: Request) -> Answer:
        with self._account.lock:
            self._account.settle()
            balances = self._account.ledger.balances()
        customers = [{"customerId": name, "balance": balance} for name, balance in balances.items()]
        return ok({"customers": customers})

    def _post_customers(self, request: Request) -> Answer:
        customers = list(customers_from(_body(request)))
        with self._account.lock:
            self._account.settle()
            self._account.open_customers(customers)
        return ok({"customers": len(customers)})

    def _get_settings(self, request: Request) -> Answer:
        return ok(settings.shown(self._account.settings))

    def _post_settings(self, request: Request) -> Answer:
        wanted = _body(request)
        with self._account.lock:
            self._account.settle()
            self._account.settings = settings.changed(self._account.settings, wanted)
            return ok(settings.shown(self._account.settings))

    def _get_faults(self, request: Request) -> Answer:
        with self._account.lock:
            return ok({"faults": [fault.shown() for fault in self._account.faults.faults]})

    def _post_fault(self, request: Request) -> Answer:
        fault = fault_from(_body(request))
        with self._account.lock:
            self._account.faults.add(fault)
            return ok(fault.shown())

    def _delete_faults(self, request: Request) -> Answer:
        with self._account.lock:
            self._account.faults.clear()
        return ok({"faults": []})

    def _post_reset(self, request: Request) -> Answer:
        with self._account.lock:
            self._account.reset()
        return ok({"status": "empty"})


def _query(request: Request) -> dict[str, str]:
    try:
        return {name: given[-1] for name, given in parse_qs(request.query, max_num_fields=50).items()}
    except ValueError as error:
        raise refuse_plain("The query is not valid") from error


def _body(request: Request) -> Mapping[str, object]:
    try:
        return validation.read_object(loads(request.body), "The body")
    except BadJsonError as error:
        raise refuse_plain(str(error)) from error


def customers_from(wanted: Mapping[str, object]) -> Iterator[tuple[str, Decimal]]:
    """The customers listed and generated, as ids and balances; an invalid entry refuses all."""
    listed = wanted.get("customers", [])
    if set(wanted) - {"customers", "generate"} or not isinstance(listed, list):
        raise refuse_plain("Give customers (a list), generate, or both")
    for index, customer in enumerate(listed):
        entry = validation.read_object(customer, f"customers[{index}]")
        name = validation.read_text(entry.get("customerId"), f"customers[{index}].customerId")
        yield name, _balance(entry.get("balance", 0))
    if wanted.get("generate") is not None:
        yield from _generated(validation.read_object(wanted["generate"], "generate"))


def _generated(wanted: Mapping[str, object]) -> Iterator[tuple[str, Decimal]]:
    """Numbered customers, from 1: prefix "cust-" and width 5 give cust-00001."""
    prefix = validation.read_text(wanted.get("prefix", "cust-"), "generate.prefix")
    count = validation.read_count(wanted.get("count"), "generate.count", most=GENERATED_CUSTOMERS_MAX)
    width = validation.read_count(wanted.get("width", 5), "generate.width", most=50)
    balance = _balance(wanted.get("balance", 0))
    return ((f"{prefix}{number:0{width}d}", balance) for number in range(1, count + 1))


def _balance(value: object) -> Decimal:
    balance = exact_number(value)
    if balance is None or balance < 0:
        raise refuse_plain("balance must be a number of at least 0")
    return balance
