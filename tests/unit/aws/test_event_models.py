"""What comes through the intake queue is an object of the inbox, a tick of a schedule, or a file of it."""

from typing import Any

import pytest

from adjustments.aws.event_models import ObjectCreated, RecurringFile, RecurringTick, read_trigger
from adjustments.core.errors import RequestRefused


@pytest.mark.parametrize(
    "text", ["2026-12-01T06:00:00Z", "2026-12-01T06:00:00.000Z", "2026-12-01T07:00:00+01:00"]
)
def test_tick_is_named_by_its_due_time_in_utc_however_that_is_written(text: str):
    tick = read_trigger({"dueTime": text})
    assert isinstance(tick, RecurringTick)
    assert tick.due_time.isoformat() == "2026-12-01T06:00:00+00:00"


@pytest.mark.parametrize(
    "due_time",
    [
        "<aws.scheduler.scheduled-time>",
        "2026-12-01T06:00:00",
        "2026-12-01",
        "yesterday",
        "",
        1796104800,
        None,
    ],
)
def test_tick_without_a_due_time_that_is_an_instant_is_refused(due_time: Any):
    with pytest.raises(RequestRefused, match="dueTime: must be the instant at which the schedule was due"):
        read_trigger({"dueTime": due_time})


def test_default_payload_of_a_schedule_is_refused_since_its_time_is_not_documented():
    with pytest.raises(RequestRefused, match="no event for this queue"):
        read_trigger({"source": "aws.scheduler", "time": "2026-12-01T06:00:00Z", "detail": "{}"})


def test_created_object_is_read_with_its_version():
    told = {"key": "inbox/f.csv"}
    event = {"source": "aws.s3", "detail": {"bucket": {"name": "b"}, "object": told}}
    assert read_trigger(event) == ObjectCreated("b", "inbox/f.csv", None)
    told["version-id"] = "v1"
    assert read_trigger(event) == ObjectCreated("b", "inbox/f.csv", "v1")


def test_file_of_a_tick_is_read_with_its_due_time():
    file = read_trigger({"dueTime": "2026-12-01T07:00:00+01:00", "key": "recurring/a.csv"})
    assert isinstance(file, RecurringFile)
    assert (file.key, file.due_time.isoformat()) == ("recurring/a.csv", "2026-12-01T06:00:00+00:00")
