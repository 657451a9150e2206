"""Faults on request, between a request and its answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from local.standin import validation
from local.standin.jobs import JobPlan
from local.standin.responses import Answer, coded_error, html_error, plain_error, refuse_plain

_ERROR_OPTIONS = ("status", "code", "message", "envelope", "retry_after_s")
# The options of each kind; any other is refused, so that a misspelt option is noticed.
_OPTIONS_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "status": _ERROR_OPTIONS,
    "reset_before": (),
    "reset_after": (),
    "black_hole": ("hold_s", "applied"),
    "half_answer": (),
    "not_json": (),
    "no_job_id": (),
    "status_after": _ERROR_OPTIONS,
    "delay": ("delay_s",),
    "drip": ("delay_s", "part"),
    "close_after": (),
    "apply_late": ("delay_s", *_ERROR_OPTIONS),
    "job_state": ("state", "n"),
    "unlisted_rows": ("n",),
}
_KINDS_OF_A_JOB = ("apply_late", "job_state", "unlisted_rows", "no_job_id")


@dataclass(slots=True)
class Fault:
    """One fault; `times` and `skip` count down as requests match."""

    kind: str
    method: str | None = None
    path: str = ""
    times: int = 1
    skip: int = 0
    fired: int = 0
    status: int | None = None
    code: int | None = None
    message: str = "A fault was requested"
    envelope: str | None = None
    retry_after_s: int | None = None
    hold_s: Decimal = Decimal(30)
    applied: bool = False
    delay_s: Decimal = Decimal(1)
    part: str = "body"
    state: str = "failed"
    n: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Whether the fault applies to a request."""
        return self.method in (None, method) and self.path in path

    def error(self, default_status: int = 500) -> Answer:
        """The error to answer with: in the coded format where a code is given, else in the plain one."""
        status = self.status or default_status
        if self.envelope == "html":
            answer = html_error(status)
        elif self.envelope == "code" or (self.envelope is None and self.code is not None):
            answer = coded_error(self.code if self.code is not None else 4000, self.message, status)
        else:
            answer = plain_error(status, self.message)
        return self._with_retry_after(answer)

    def _with_retry_after(self, answer: Answer) -> Answer:
        if self.retry_after_s is None:
            return answer
        headers = (("Retry-After", str(self.retry_after_s)),)
        return Answer(answer.status, answer.body, answer.content_type, headers)

    def plan(self, usual: JobPlan) -> JobPlan:
        """The plan of a job with this fault."""
        if self.kind == "apply_late":
            return JobPlan(delay_s=self.delay_s)
        if self.kind == "job_state":
            return JobPlan(usual.delay_s, end_state=self.state, apply_rows=self.n)
        if self.kind == "unlisted_rows":
            return JobPlan(usual.delay_s, list_rows=self.n)
        return usual

    def shown(self) -> dict[str, object]:
        """The fault as JSON fields, with the options of its kind."""
        names = ("kind", "method", "path", "times", "skip", "fired", *_OPTIONS_OF_KIND[self.kind])
        return {name: getattr(self, name) for name in names}


_CHECKS: Mapping[str, Callable[[object, str], object]] = {
    "method": validation.read_text,
    "path": lambda value, name: validation.read_text(value, name) if value != "" else "",
    "times": partial(validation.read_count, least=1),
    "skip": validation.read_count,
    "status": partial(validation.read_count, least=400, most=599),
    "code": partial(validation.read_count, most=99_999),
    "message": validation.read_text,
    "envelope": partial(validation.read_choice, choices=("error", "code", "html")),
    "retry_after_s": validation.read_count,
    "hold_s": validation.read_duration_s,
    "applied": validation.read_boolean,
    "delay_s": validation.read_duration_s,
    "part": partial(validation.read_choice, choices=("head", "body")),
    "state": validation.read_text,
    "n": validation.read_count,
}


def fault_from(wanted: Mapping[str, object]) -> Fault:
    """Read one fault from JSON fields; refuse an invalid one with 400."""
    kind = validation.read_choice(wanted.get("kind"), "kind", tuple(_OPTIONS_OF_KIND))
    allowed = {"kind", "method", "path", "times", "skip", *_OPTIONS_OF_KIND[kind]}
    unknown = sorted(set(wanted) - allowed)
    if unknown:
        raise refuse_plain(f"A {kind} fault has no {', '.join(unknown)}")
    values = {name: _CHECKS[name](value, name) for name, value in wanted.items() if name != "kind"}
    fault = Fault(kind, **values)  # type: ignore[arg-type]  # each check returns its field's type
    _check_sense(fault)
    return fault


def _check_sense(fault: Fault) -> None:
    if fault.kind == "status" and fault.status is None:
        raise refuse_plain("A status fault needs a status")
    if fault.kind in ("status_after", "apply_late") and fault.status is not None and fault.status < 500:
        raise refuse_plain(f"A {fault.kind} fault answers with a status from 500 to 599")
    if fault.kind in _KINDS_OF_A_JOB and "batch/balance-" not in fault.path:
        raise refuse_plain(f"A {fault.kind} fault needs a path with batch/balance-adjustment or -inquiry")


class FaultList:
    """The faults that are due; each matching request consumes at most one."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Append a fault."""
        self.faults.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        self.faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Consume the first fault for a request; `skip` counts every match since the fault was added."""
        due: Fault | None = None
        for fault in self.faults:
            if fault.times == 0 or not fault.matches(method, path):
                continue
            if fault.skip > 0:
                fault.skip -= 1
            elif due is None:
                due = fault
        if due is not None:
            due.times -= 1
            due.fired += 1
        return due
