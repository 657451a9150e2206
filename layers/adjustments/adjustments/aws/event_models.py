"""The events that functions receive from AWS's services and from the state machine."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from adjustments.batches.batch_parts import Submitter
from adjustments.core import limits
from adjustments.core.errors import RequestRefused
from adjustments.core.printable import storable
from adjustments.core.validation import validate

STEP_MARGIN: Final = timedelta(seconds=30)
"""Time reserved at the end of an invocation for a request in progress and its write; longer than any call."""


class ObjectCreated(NamedTuple):
    """The event that an object was created (source ``aws.s3``, detail type ``Object Created``).

    ``is_copy`` says that it is a copy of another object, with that one's metadata (reason ``CopyObject``), or
    may be one: the sweep's event of a missed object can't tell. ``submitter`` is what S3 tells of who stored
    it: account, address and request, and no person (Amazon S3 User Guide, "EventBridge event message
    structure").
    """

    bucket: str
    key: str
    version_id: str | None
    created_at: datetime | None = None
    is_copy: bool = False
    submitter: Submitter = Submitter(trigger="drop")


def _instant(text: object) -> datetime | None:
    """A time with its zone, in UTC; None where the text is none."""
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant and instant.tzinfo else None


_DUE_TIME: Final = "the instant at which the schedule was due"


def _read_due_time(text: object) -> datetime:
    """Read when the schedule was due. It is never guessed: a guess might differ at the second delivery."""
    if instant := _instant(text):
        return instant
    raise PydanticCustomError("no_due_time", "must be {wanted}", {"wanted": _DUE_TIME})


class RecurringTick(BaseModel):
    """The input of the schedule for recurring files (``RecurringTick`` in template.yaml)."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)

    due_time: Annotated[datetime, BeforeValidator(_read_due_time)] = Field(description=_DUE_TIME)


class RecurringFile(RecurringTick):
    """One file of a tick, as the function that takes the tick queues it for itself."""

    key: str = Field(description="the key of the file under recurring/")


def read_batch_id(event: Mapping[str, Any]) -> str:
    """Read the batch's id from the input of a step of the state machine."""
    batch_id = event["batchId"]
    if not isinstance(batch_id, str):
        raise TypeError("batchId must be a string")
    return batch_id


def read_trigger(event: Mapping[str, Any]) -> ObjectCreated | RecurringTick | RecurringFile:
    """Read an event from the intake queue.

    Raises:
        RequestRefused: it is none that S3, a schedule or this stack sends.
    """
    match event:
        case {
            "source": "aws.s3"
            | "gameball.adjustments" as source,  # S3's own event, or the sweep's for a missed one
            "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key), **others}, **details},
        } if isinstance(version_id := others.get("version-id"), str | None):
            is_copy = source != "aws.s3" or details.get("reason") == "CopyObject"
            submitter = _submitter(cast(Mapping[str, Any], details if source == "aws.s3" else {}))
            return ObjectCreated(bucket, key, version_id, _instant(event.get("time")), is_copy, submitter)
        case {"source": "aws.s3"}:
            raise RequestRefused("malformed_event", "the event of aws.s3 is malformed")
        case {"dueTime": _, "key": _}:
            return validate(RecurringFile, event)
        case {"dueTime": _}:
            return validate(RecurringTick, event)
    raise RequestRefused("unknown_event", f"no event for this queue: source {event.get('source')!r}")


def _submitter(details: Mapping[str, Any]) -> Submitter:
    """What an event of S3 says about who stored the object; of the event of the sweep, nothing is known."""
    named = {name: details.get(name) for name in ("requester", "source-ip-address", "request-id")}
    account, source_ip, request_id = (
        storable(text, limits.MANUAL_TEXT_CHARS_MAX) if isinstance(text, str) else ""
        for text in named.values()
    )
    return Submitter(trigger="drop", account=account, source_ip=source_ip, request_id=request_id)


def step_deadline(now: datetime, remaining_ms: int) -> datetime:
    """When a step must begin no further work.

    Args:
        now: the time, UTC.
        remaining_ms: milliseconds that the function may still run.
    """
    return now + timedelta(milliseconds=remaining_ms) - STEP_MARGIN
