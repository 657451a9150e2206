"""Events and schedules that ask for a manual transaction, and what may be logged of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adjustments.core.errors import RequestRefused
from adjustments.manual_transactions.event_consumer import DETAIL_TYPE, read_body, read_origin
from adjustments.manual_transactions.redaction import redact

ARN = "arn:aws:scheduler:eu-central-1:111122223333:schedule/default/birthday"
DUE = "2026-11-22T06:00:00Z"
NOW = datetime(2026, 11, 22, 7, tzinfo=UTC)


def request(**fields: Any) -> tuple[dict[str, Any], str]:
    origin = read_origin(fields)
    return dict(read_body(fields, origin, NOW)), origin.caller


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


RULE = "arn:aws:events:eu-central-1:1:rule/nightly"


def scheduled(source: str, **detail: Any) -> dict[str, Any]:
    event = {"detail-type": DETAIL_TYPE, "account": "1", "source": source, "resources": [RULE]}
    return {**event, "detail": {"schedule": ARN, "dueTime": DUE, **detail}}


def test_a_schedule_that_an_event_names_hides_neither_account_nor_source_nor_rule():
    assert request(**scheduled("shop"))[1] == f"event:1:shop:{RULE}:schedule:{ARN}"
    assert read_origin(scheduled("shop")).fields == {
        "account": "1", "source": "shop", "rule": RULE, "schedule": ARN,
    }  # fmt: skip


@pytest.mark.parametrize("source", ["shop", "other"])
def test_a_program_can_not_take_the_tick_of_another_schedule_or_program(source: str):
    ticks = [request(schedule=ARN, dueTime=DUE), request(**scheduled("crm"))]
    assert request(**scheduled(source))[0]["transactionId"] not in [t[0]["transactionId"] for t in ticks]
    for fields, _ in ticks:
        taken = fields["transactionId"]
        for event in (
            scheduled(source, transactionId=taken),
            {"detail-type": DETAIL_TYPE, "source": source, "detail": {"transactionId": taken}},
        ):
            with pytest.raises(RequestRefused, match=r"^transactionId: "):
                request(**event)


@pytest.mark.parametrize(("ahead_s", "is_refused"), [(5, False), (6, True), (86_400, True)])
def test_a_due_time_in_the_future_is_refused(ahead_s: int, is_refused: bool):
    due = (NOW + timedelta(seconds=ahead_s)).isoformat()
    for message in ({"schedule": ARN, "dueTime": due}, scheduled("shop", dueTime=due)):
        if is_refused:
            with pytest.raises(RequestRefused, match="dueTime: must not lie in the future"):
                request(**message)
        else:
            assert request(**message)[0]["transactionId"]


@pytest.mark.parametrize("odd", [None, 7, [], {"x": 1}, "\ud800", "x" * 5_000])
def test_an_odd_origin_is_no_error_of_the_request(odd: Any):
    event = {"detail-type": DETAIL_TYPE, "account": odd, "source": odd, "resources": [odd], "detail": {}}
    caller = request(**event)[1]
    assert len(caller.encode()) < 1_000


@pytest.mark.parametrize("given", [{}, {"transactionId": None}])
@pytest.mark.parametrize("due", [DUE, "2026-11-22T06:00:00.000Z", "2026-11-22T06:00:00+00:00"])
def test_the_id_is_the_same_for_the_same_due_time(given: dict[str, Any], due: str):
    first, again = request(schedule=ARN, dueTime=DUE)[0], request(schedule=ARN, dueTime=due, **given)[0]
    assert first["transactionId"] == again["transactionId"]


@pytest.mark.parametrize(
    "other",
    [
        {"dueTime": "2026-11-22T05:00:00Z"},
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
        ({"schedule": ARN}, "dueTime: is required: the UTC instant"),
        ({"schedule": ARN, "dueTime": "<aws.scheduler.scheduled-time>"}, "dueTime"),
        ({"schedule": ARN, "dueTime": "yesterday"}, "dueTime"),
        ({"schedule": "<aws.scheduler.schedule-arn>", "dueTime": DUE}, "schedule"),
        ({"dueTime": DUE}, "schedule: is required: the name or the ARN"),
        ({"dueTime": DUE, "schedule": None}, "schedule: must be the name or the ARN"),
        ({"detail-type": DETAIL_TYPE, "detail": "text"}, "detail"),
        ({"detail-type": DETAIL_TYPE}, "detail: is required: the body of the manual transaction"),
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
