"""The bodies of the batch API's calls, by which people decide about a batch."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from adjustments.core.validation import validate
from adjustments.reconciliation.decisions import Approval, Resolve
from adjustments.reconciliation.evidence import Evidence


class _Body(BaseModel):
    """A misspelt field is refused: what an approver believes to approve must not be left out silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ApprovalBody(_Body):
    """What an approver believes to approve; each field that is given must be true of the batch."""

    sha256: str | None = None
    rows: StrictInt | None = None
    requested: Decimal | None = None


class ResolutionBody(_Body):
    """What became of rows in doubt; without lines, of all of them."""

    outcome: Literal["applied", "not_applied"]
    lines: tuple[StrictInt, ...] = ()
    note: str = Field("", max_length=500)


class StopBody(_Body):
    """Why a batch is stopped, and whether its running jobs may end; both may be left out."""

    note: str = Field("", max_length=500)
    keep_jobs: StrictBool = Field(False, alias="keepJobs")


def read_approval(body: Mapping[str, Any], by: str) -> Approval:
    """Read the body of an approval; raises RequestRefused."""
    approval = validate(ApprovalBody, body)
    return Approval(by, approval.sha256, approval.rows, approval.requested)


def read_verdict(body: Mapping[str, Any], by: str) -> Resolve:
    """Read the body that resolves rows in doubt; raises RequestRefused."""
    resolution = validate(ResolutionBody, body)
    return Resolve(by, Evidence(resolution.outcome), resolution.note, frozenset(resolution.lines))


def read_stop(body: Mapping[str, Any]) -> StopBody:
    """Read the body of a stop; raises RequestRefused."""
    return validate(StopBody, body)
