"""What people say when they decide about a batch: the bodies of the batch API's calls.

Apart from all else, since it is the only user of pydantic, which takes a fifth of a start: it is loaded with
the first body.
"""

from decimal import Decimal
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError

from adjustments.core import exact_json, limits
from adjustments.core.errors import RequestRefused, RequestTooLarge
from adjustments.reconciliation.decisions import Approval, Verdict
from adjustments.reconciliation.evidence import Finding

_Form = TypeVar("_Form", bound=BaseModel)


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


class StopBody(BaseModel):
    """Why a batch is stopped, and whether its running jobs may end; both may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    note: str = Field("", max_length=500)
    keep_jobs: StrictBool = Field(False, alias="keepJobs")


def read_approval(body: str | None, by: str) -> Approval:
    """Read what an approver believes to approve, all of it optional; raises RequestRefused."""
    believed = _read(_Believed, body)
    return Approval(by, believed.sha256, believed.rows, believed.requested)


def read_verdict(body: str | None, by: str) -> Verdict:
    """Read what a person says of rows in doubt; raises RequestRefused."""
    word = _read(_Word, body)
    return Verdict(by, Finding(word.outcome), word.note, frozenset(word.lines))


def read_stop(body: str | None) -> StopBody:
    """Read how and why a person stops a batch; raises RequestRefused."""
    return _read(StopBody, body)


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
