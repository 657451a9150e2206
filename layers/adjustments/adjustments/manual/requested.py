"""What asks for a manual transaction without a caller who waits: an event on the bus, or a schedule.

A schedule sends the seed's body with two more fields: ``schedule``, its name or ARN, and ``dueTime``, when it
was due. From those comes a ``transactionId`` where the body has none, so that firing twice applies once.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from adjustments import api
from adjustments.core.errors import RequestRefused
from adjustments.manual.transaction import UTC_INSTANT

DETAIL_TYPE: Final = "Manual Transaction Requested"
SETTLED: Final = "Manual Transaction Settled"
FAILED: Final = "Manual Transaction Failed"

_NAME_CHARS_MAX: Final = 130


class Asked(NamedTuple):
    """The seed's body, and who sent it."""

    fields: Mapping[str, Any]
    caller: str


def read_asked(text: str) -> Asked:
    """Read a message of the queue; raises RequestRefused, which names the field."""
    event = api.read_json(text)
    if event.get("detail-type") != DETAIL_TYPE:
        return _of_schedule(event)
    detail = event.get("detail")
    if not isinstance(detail, dict):
        raise RequestRefused("no_object", "detail: must be a JSON object")
    if "schedule" in detail:
        return _of_schedule(detail)
    return Asked(detail, f"event:{event.get('account')}:{event.get('source')}")


def _of_schedule(event: Mapping[str, Any]) -> Asked:
    schedule, due = event.get("schedule"), event.get("dueTime")
    if not isinstance(schedule, str) or not schedule.strip() or schedule.startswith("<"):
        raise RequestRefused("no_schedule", "schedule: must be the name or the ARN of the schedule")
    due_at = _due_at(due)
    fields = {name: value for name, value in event.items() if name not in ("schedule", "dueTime")}
    if fields.get("transactionId") is None:
        fields["transactionId"] = transaction_id(schedule, due_at)
    return Asked(fields, f"schedule:{schedule}")


def transaction_id(schedule: str, due_at: datetime) -> str:
    """Name a schedule's transaction: readable, and the same however often it fires for one due time."""
    name = re.sub(r"[^A-Za-z0-9._/-]+", "-", schedule.rsplit(":schedule/", 1)[-1])[:_NAME_CHARS_MAX]
    digest = hashlib.sha256(schedule.encode()).hexdigest()[:8]
    return f"{name}-{due_at:%Y%m%dT%H%M%SZ}-{digest}"


def _due_at(text: object) -> datetime:
    """When the schedule was due. It is never guessed: a guess might differ at the second firing."""
    try:
        if isinstance(text, str) and re.fullmatch(UTC_INSTANT, text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        pass
    raise RequestRefused("no_due_time", "dueTime: must be the UTC instant at which the schedule was due")
