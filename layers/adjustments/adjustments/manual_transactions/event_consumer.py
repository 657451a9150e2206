"""Consumes requests for manual transactions from a queue; an event on the bus says the outcome of each.

The queue has two kinds of messages. An event of the bus has the body of a manual transaction as its
detail. A schedule sends that body with two more fields: ``schedule``, its name or ARN, and ``dueTime``, when
it was due. From those comes a ``transactionId`` where the body has none, so that firing twice applies once.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, NamedTuple, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from adjustments.aws.http_api import describe_error
from adjustments.core import exact_json, limits
from adjustments.core.errors import AdjustmentsError, GameballRefused, IdTaken, InputError, RequestRefused
from adjustments.core.printable import storable, visible
from adjustments.core.runtime import Clock
from adjustments.core.validation import read_json, validate
from adjustments.manual_transactions.ledger import CallerContext
from adjustments.manual_transactions.model import ManualTransaction, read_instant, read_manual_transaction
from adjustments.manual_transactions.service import Added, ManualTransactionService

DETAIL_TYPE: Final = "Manual Transaction Requested"
SETTLED: Final = "Manual Transaction Settled"
REFUSED: Final = "Manual Transaction Refused"
FAILED: Final = "Manual Transaction Failed"

_NAME_CHARS_MAX: Final = 130
_REASON_CHARS_MAX: Final = 500
_ORIGIN_CHARS_MAX: Final = 300
_DERIVED_ID: Final = re.compile(r"-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$")
"""How the ids end that are derived from a schedule and its due time."""

_FINAL_ERRORS: Final = (InputError, GameballRefused, IdTaken)
"""What the same event would meet again; everything else may go well later."""

_OUR_STATUSES: Final = frozenset({405, 406, 411, 413, 414, 415, 417, 421, 431})
"""Refusals of how a request was sent (RFC 9110, 15.5), which no sender of an event can change."""


_SCHEDULE: Final = "the name or the ARN of the schedule"
_DUE_TIME: Final = "the UTC instant at which the schedule was due"
_DETAIL: Final = "the body of the manual transaction, a JSON object"


def _check_object(detail: object) -> object:
    if not isinstance(detail, dict):
        raise PydanticCustomError("no_object", "must be {wanted}", {"wanted": _DETAIL})
    return detail


def _check_schedule(schedule: object) -> object:
    if not isinstance(schedule, str) or not schedule.strip() or schedule.startswith("<"):
        raise PydanticCustomError("no_schedule", "must be {wanted}", {"wanted": _SCHEDULE})
    return schedule


def _read_due_time(text: object) -> datetime:
    """Read when the schedule was due. It is never guessed: a guess might differ at the second firing."""
    try:
        return read_instant(text if isinstance(text, str) else "")
    except PydanticCustomError:
        raise PydanticCustomError("no_due_time", "must be {wanted}", {"wanted": _DUE_TIME}) from None


class RequestedEvent(BaseModel):
    """An event of the bus. EventBridge adds fields of its own, which are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    detail: Annotated[dict[str, Any], BeforeValidator(_check_object)] = Field(description=_DETAIL)


class ScheduledRequest(BaseModel):
    """A request of a schedule. Its further fields are the body of the manual transaction."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel, defer_build=True)

    schedule: Annotated[str, BeforeValidator(_check_schedule)] = Field(description=_SCHEDULE)
    due_time: Annotated[datetime, BeforeValidator(_read_due_time)] = Field(description=_DUE_TIME)


class Origin(NamedTuple):
    """Where a request came from; empty where the message does not say.

    Only ``account`` is AWS's word. The program that puts an event names its own source and resources, and the
    schedule, if any: its rights have to bind it to them (docs/security.md).
    """

    account: str = ""
    source: str = ""
    rule: str = ""
    schedule: str = ""

    @property
    def caller(self) -> str:
        """The origin as the ledger and the log name it."""
        if not (self.account or self.source):
            return f"schedule:{self.schedule}"
        rule = f":{self.rule}" if self.rule else ""
        schedule = f":schedule:{self.schedule}" if self.schedule else ""
        return f"event:{self.account}:{self.source}{rule}{schedule}"

    @property
    def fields(self) -> Mapping[str, str]:
        """The origin as an outgoing event names it."""
        return {name: visible(text) for name, text in self._asdict().items() if text}


def read_origin(message: Mapping[str, Any]) -> Origin:
    """Read where a message came from; refuses nothing, since what is refused has an origin, too."""
    if message.get("detail-type") != DETAIL_TYPE:
        return Origin(schedule=_shown(message.get("schedule")))
    resources, detail = message.get("resources"), message.get("detail")
    rules = [r for r in resources if ":rule/" in str(r)] if isinstance(resources, list) else []
    return Origin(
        _shown(message.get("account")),
        _shown(message.get("source")),
        _shown(rules[0] if rules else None),
        _shown(detail.get("schedule")) if isinstance(detail, dict) else "",
    )


def _shown(value: object) -> str:
    return storable(value, _ORIGIN_CHARS_MAX) if isinstance(value, str) else ""


def read_body(message: Mapping[str, Any], origin: Origin, now: datetime) -> Mapping[str, Any]:
    """Read the body of the manual transaction that a message requests.

    Args:
        message: the message, as parsed from JSON.
        origin: where it came from.
        now: the time, UTC.

    Raises:
        RequestRefused: its message names the field.
    """
    if message.get("detail-type") != DETAIL_TYPE:
        return _read_scheduled(message, origin, now)
    event = validate(RequestedEvent, message)
    if "schedule" in event.detail:
        return _read_scheduled(event.detail, origin, now)
    _check_given_id(event.detail)
    return event.detail


def _read_scheduled(message: Mapping[str, Any], origin: Origin, now: datetime) -> Mapping[str, Any]:
    request = validate(ScheduledRequest, message)
    if request.due_time > now + timedelta(seconds=limits.TIME_AHEAD_S_MAX):
        raise RequestRefused("invalid_field", "dueTime: must not lie in the future")
    fields = dict(request.model_extra or {})
    _check_given_id(fields)
    if fields.get("transactionId") is None:
        fields["transactionId"] = derive_transaction_id(request.schedule, request.due_time, origin)
    return fields


def _check_given_id(fields: Mapping[str, Any]) -> None:
    """Keep the ids of ticks to their schedules: with one of them, another program would take a tick away."""
    given = fields.get("transactionId")
    if isinstance(given, str) and _DERIVED_ID.search(given):
        raise RequestRefused(
            "invalid_field",
            "transactionId: ends as only a schedule's may; choose another one, or leave it out",
        )


def derive_transaction_id(schedule: str, due_at: datetime, origin: Origin) -> str:
    """Name a schedule's transaction: readable, and the same however often it fires for one due time.

    Another program that names the same schedule gets other ids: it can't take this one's tick.
    """
    name = re.sub(r"[^A-Za-z0-9._/-]+", "-", schedule.rsplit(":schedule/", 1)[-1])[:_NAME_CHARS_MAX]
    named_by = [text for text in (origin.account, origin.source) if text]
    digest = hashlib.sha256("\0".join([schedule, *named_by]).encode(errors="replace")).hexdigest()[:8]
    return f"{name}-{due_at:%Y%m%dT%H%M%SZ}-{digest}"


def is_senders_fault(error: Exception) -> bool:
    """Whether a request was refused for what its sender wrote.

    Gameball answers 404 with a code for an unknown customer; without one, there is nothing at our address.
    """
    if isinstance(error, GameballRefused):
        is_address = error.status == 404 and error.code is None
        return error.status not in _OUR_STATUSES and not is_address
    return isinstance(error, InputError | IdTaken)


class FailureQueue(Protocol):
    """Where requests end up that failed for good, for reasons that are not the sender's."""

    def put(self, text: str, attributes: Mapping[str, str]) -> None:
        """Keep a request as it came, with the reason of its failure in the attributes."""


class EventBus(Protocol):
    """Where programs receive outcomes."""

    def announce(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Put an event."""


class Message(NamedTuple):
    """A message of the queue, and how often it was received; the first time counts as 1."""

    text: str
    receives: int


OnRead = Callable[[ManualTransaction, CallerContext], None]
"""Called with a transaction as soon as it is read, before it is sent."""


@dataclass(frozen=True)
class EventConsumer:
    """Consumes messages one by one.

    Args:
        receives_max: how often a message is received before the queue gives it up (its maxReceiveCount).
        amount_max: the largest amount of one transaction; 0 for no limit.
    """

    service: ManualTransactionService
    failures: FailureQueue
    bus: EventBus
    clock: Clock
    receives_max: int
    amount_max: Decimal = Decimal(0)

    def consume(self, message: Message, context: CallerContext, on_read: OnRead) -> Exception | None:
        """Apply what a message requests.

        A refusal is announced to the sender, who alone can correct the request; what failed for any other
        reason is announced and kept in the failure queue. The event on the bus comes last, so that it may
        come twice but never not at all: its receivers know the transaction by its ``transactionId``.

        Args:
            message: the message.
            context: the request; who sent it is in the message.
            on_read: called as soon as the transaction is known.

        Returns:
            The error of a message that was refused or failed for good; else None.

        Raises:
            Exception: what may pass by itself, unless the message will not come again.
        """
        fields: Mapping[str, Any] = {}
        origin = Origin()
        try:
            parsed = read_json(message.text)
            origin = read_origin(parsed)
            fields = read_body(parsed, origin, self.clock.now())
            transaction = read_manual_transaction(fields, self.clock.now(), self.amount_max)
            context = context._replace(caller=origin.caller)
            on_read(transaction, context)
            added = self.service.add(transaction, context)
        except Exception as error:
            is_final = isinstance(error, _FINAL_ERRORS)
            if not is_final and message.receives < self.receives_max:
                raise
            # What may pass did not, up to the last try: an earlier one may have been applied.
            outcome = "not_applied" if is_final else "unknown"
            failure = {**_describe(error), "outcome": outcome}
            is_refused = is_senders_fault(error)
            if not is_refused:
                self._keep(message, failure, context.request_id)
            detail = {**_names(fields), **failure, "requestedBy": origin.fields}
            self.bus.announce(REFUSED if is_refused else FAILED, detail)
            return error
        self.bus.announce(SETTLED, {**_settled(added, transaction), "requestedBy": origin.fields})
        return None

    def _keep(self, message: Message, failure: Mapping[str, Any], request_id: str) -> None:
        attributes = {
            "reason": failure["message"][:_REASON_CHARS_MAX],
            "status": str(failure["error"]),
            "outcome": str(failure["outcome"]),
            "requestId": request_id,
            "failedAt": self.clock.now().isoformat(),
        }
        self.failures.put(message.text, attributes)


def _names(fields: Mapping[str, Any]) -> dict[str, str]:
    """The names by which a request is known; it may be refused just for what it has in their place."""
    found = {name: fields.get(name) for name in ("transactionId", "customerId", "username")}
    return {
        name: visible(value[: limits.MANUAL_TEXT_CHARS_MAX])
        for name, value in found.items()
        if isinstance(value, str)
    }


def _describe(error: Exception) -> dict[str, Any]:
    if isinstance(error, AdjustmentsError):
        return describe_error(error)
    return {"error": 500, "message": f"internal error: {type(error).__name__}"}


def _settled(added: Added, transaction: ManualTransaction) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = exact_json.read(added.body)
    texts = {name: visible(value) for name, value in answer.items() if isinstance(value, str)}
    names = {"transactionId": transaction.transaction_id, "username": transaction.username}
    return {**names, **answer, **texts, "replayed": added.is_replayed}
