"""Events and schedules that ask for a manual transaction, and what may be logged of them."""

import json
from typing import Any

import pytest

from adjustments.core.errors import RequestRefused
from adjustments.manual_transactions.event_consumer import DETAIL_TYPE, read_request
from adjustments.manual_transactions.redaction import redact

ARN = "arn:aws:scheduler:eu-central-1:111122223333:schedule/default/birthday"
DUE = "2026-11-22T06:00:00Z"


def request(**fields: Any) -> tuple[dict[str, Any], str]:
    read = read_request(json.dumps(fields))
    return dict(read.fields), read.caller


def test_an_event_gives_its_detail_and_its_source():
    event = {"detail-type": DETAIL_TYPE, "source": "shop", "account": "1", "detail": {"points": 5}}
    assert request(**event) == ({"points": 5}, "event:1:shop")


def test_a_schedule_gets_an_id_of_its_own_and_its_due_time():
    fields, caller = request(schedule=ARN, dueTime=DUE, points=5)
    assert fields == {
        "points": 5,
        "transactionId": "default/birthday-20261122T060000Z-" + fields["transactionId"][-8:],
    }
    assert caller == f"schedule:{ARN}"


@pytest.mark.parametrize("given", [{}, {"transactionId": None}])
@pytest.mark.parametrize("due", [DUE, "2026-11-22T06:00:00.000Z", "2026-11-22T06:00:00+00:00"])
def test_the_id_is_the_same_for_the_same_due_time(given: dict[str, Any], due: str):
    first, again = request(schedule=ARN, dueTime=DUE)[0], request(schedule=ARN, dueTime=due, **given)[0]
    assert first["transactionId"] == again["transactionId"]


@pytest.mark.parametrize(
    "other",
    [
        {"dueTime": "2026-11-22T07:00:00Z"},
        {"schedule": ARN.replace("1111", "2222")},
        {"schedule": "birthday"},
    ],
)
def test_the_id_differs_for_another_due_time_or_schedule(other: dict[str, Any]):
    first, another = (
        request(schedule=ARN, dueTime=DUE)[0],
        request(**{"schedule": ARN, "dueTime": DUE, **other})[0],
    )
    assert first["transactionId"] != another["transactionId"]


def test_an_id_that_is_given_stays():
    assert request(schedule=ARN, dueTime=DUE, transactionId="mine")[0]["transactionId"] == "mine"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"schedule": ARN}, "dueTime"),
        ({"schedule": ARN, "dueTime": "<aws.scheduler.scheduled-time>"}, "dueTime"),
        ({"schedule": ARN, "dueTime": "yesterday"}, "dueTime"),
        ({"schedule": "<aws.scheduler.schedule-arn>", "dueTime": DUE}, "schedule"),
        ({"dueTime": DUE}, "schedule"),
        ({"detail-type": DETAIL_TYPE, "detail": "text"}, "detail"),
        ({"detail-type": DETAIL_TYPE}, "detail"),
    ],
)
def test_what_is_missing_is_named_and_never_guessed(fields: dict[str, Any], named: str):
    with pytest.raises(RequestRefused) as refused:
        request(**fields)
    assert refused.value.message.startswith(named)


@pytest.mark.parametrize(
    ("text", "private", "shown"),
    [
        ("goodwill-2026-0001", (None, None), "goodwill-2026-0001"),
        ("birthday-jo@shop.example", (None, None), "(withheld)"),
        ("arn:aws:sts::1:assumed-role/jo@x.example", (None, None), "arn:aws:sts::1:assumed-role/(withheld)"),
        ("sms +491701234567 sent", ("x@y", "+491701234567"), "sms (withheld) sent"),
        ("call-+49 (170) 123-4567", (None, None), "call-(withheld)"),
        ("sms-0049170.1234567", (None, None), "sms-(withheld)"),
        ("a+1 b+22", (None, None), "a+1 b+22"),
        ("order-20261122-000012345678", (None, None), "order-20261122-000012345678"),
    ],
)  # fmt: skip
def test_addresses_and_numbers_are_withheld(text: str, private: tuple[str | None, ...], shown: str):
    assert redact(text, *private) == shown
