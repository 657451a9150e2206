"""What the functions receive, as models."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictInt, ValidationError

from adjustments import exact_json
from adjustments.approval import Approval
from adjustments.errors import RequestRefused

STEP_MARGIN: Final = timedelta(seconds=30)
"""Time kept at the end of a function's run, for a request under way and its write: longer than any one
request.
"""


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
    try:
        believed = _Believed.model_validate(exact_json.read(body) if body else {})
    except (ValueError, RecursionError):
        raise RequestRefused(
            "bad_approval", "the body may hold sha256, rows and requested, no more"
        ) from None
    return Approval(by or "", believed.sha256, believed.rows, believed.requested)


def until(now: datetime, remaining_ms: int) -> datetime:
    """When a step has to stop taking on work, given the milliseconds that its function may still run."""
    return now + timedelta(milliseconds=remaining_ms) - STEP_MARGIN
