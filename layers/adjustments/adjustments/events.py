"""What the functions receive, as models."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictInt, ValidationError

from adjustments import exact_json, limits
from adjustments.batches.decisions import Approval, Verdict
from adjustments.batches.evidence import Finding
from adjustments.errors import RequestRefused, RequestTooLarge

STEP_MARGIN: Final = timedelta(seconds=30)
"""Time kept at the end of a function's run, for a request under way and its write: longer than any one
request.
"""


_Form = TypeVar("_Form", bound=BaseModel)


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class BatchStep(_Event):
    """A step of the state machine: one batch."""

    batch_id: str = Field(alias="batchId")


class _Bucket(_Event):
    name: str


class _Object(_Event):
    key: str
    version_id: str | None = Field(None, alias="version-id")


class _ObjectCreated(_Event):
    bucket: _Bucket
    object: _Object


class ObjectCreated(_Event):
    """S3's event that an object was created (source ``aws.s3``, detail type ``Object Created``)."""

    detail: _ObjectCreated


class _Believed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str | None = None
    rows: StrictInt | None = None
    requested: Decimal | None = None


class _Word(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Literal["applied", "not_applied"]
    lines: tuple[StrictInt, ...] = ()
    note: str = Field("", max_length=500)


class _Stop(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    note: str = Field("", max_length=500)


class Tick(_Event):
    """A schedule's own event; ``time`` is when it was due."""

    time: AwareDatetime


def read_drop(event: Mapping[str, Any]) -> ObjectCreated | Tick:
    """Read what came through the intake queue; raises RequestRefused for what does not belong there."""
    try:
        match event.get("source"):
            case "aws.s3":
                return ObjectCreated.model_validate(event)
            case "aws.scheduler":
                return Tick.model_validate(event)
    except ValidationError as invalid:
        raise RequestRefused(
            "malformed_event", f"the event is malformed: {invalid.errors()[0]['msg']}"
        ) from None
    raise RequestRefused("unknown_event", f"no event for this queue: source {event.get('source')!r}")


def read_approval(body: str | None, by: str | None) -> Approval:
    """Read what an approver believes to approve, all of it optional; raises RequestRefused."""
    believed = _read(_Believed, body)
    return Approval(by or "", believed.sha256, believed.rows, believed.requested)


def read_verdict(body: str | None, by: str | None) -> Verdict:
    """Read what a person says of rows in doubt; raises RequestRefused."""
    word = _read(_Word, body)
    return Verdict(by or "", Finding(word.outcome), word.note, frozenset(word.lines))


def read_stop_note(body: str | None) -> str:
    """Read why a person stops a batch, which they need not say; raises RequestRefused."""
    return _read(_Stop, body).note


def _read(form: type[_Form], body: str | None) -> _Form:
    bytes_max = limits.STEERING_BODY_BYTES_MAX
    if body and len(body.encode(errors="surrogatepass")) > bytes_max:
        raise RequestTooLarge("too_large", f"the body has more than {bytes_max} bytes")
    try:
        return form.model_validate(exact_json.read(body) if body else {})
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "the body"
        raise RequestRefused("bad_body", f"{name}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise RequestRefused("no_json", "the body is no JSON") from None


def until(now: datetime, remaining_ms: int) -> datetime:
    """When a step has to stop taking on work, given the milliseconds that its function may still run."""
    return now + timedelta(milliseconds=remaining_ms) - STEP_MARGIN
