"""Manual transactions on the deployed stack: the API, the bus, a schedule, the failure queue."""

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import urllib3

from local.aws import ApiAnswer
from local.emulator_process import fill_keywords
from local.processes import wait_for
from local.stack import LocalStack
from local.standin_client import StandInClient

EVENTS = Path(__file__).parents[2] / "events"
MANUAL = {"method": "POST", "path": "transactions/manual"}
WITHIN_S = 60
QUIET_WITHIN_S = 180
"""Until fifty calls that were started at once are over, on a machine that has other things to do."""


def body(**fields: Any) -> dict[str, Any]:
    """A good body with an id of its own: the records outlive the stand-in's ledger."""
    good = {"customerId": "player-01", "username": "ops", "reason": "goodwill", "points": 5}
    return {**good, "transactionId": f"t-{uuid.uuid4()}", **fields}


def post(stack: LocalStack, sent: object) -> ApiAnswer:
    return stack.call_api("POST", "/transactions/manual", sent)


def headers(answer: ApiAnswer) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def applied(standin: StandInClient) -> list[str]:
    return [entry["transactionId"] for entry in standin.audit()["applied"]]


def send(stack: LocalStack, detail: object, source: str = "shop.returns") -> None:
    sent = stack.aws.events.put_events(
        Entries=[
            {
                "EventBusName": stack.outputs["EventBusName"],
                "Source": source,
                "DetailType": "Manual Transaction Requested",
                "Detail": json.dumps(detail),
            }
        ]
    )
    assert sent["FailedEntryCount"] == 0


@pytest.fixture(scope="session")
def outcomes(running_stack: LocalStack) -> Callable[[], list[dict[str, Any]]]:
    """The events that the bundle has told since the last call."""
    aws, bus = running_stack.aws, running_stack.outputs["EventBusName"]
    url = aws.sqs.create_queue(QueueName="outcomes")["QueueUrl"]
    arn = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps(
        {"detail-type": [{"prefix": "Manual Transaction"}], "source": ["gameball.adjustments"]}
    )
    aws.events.put_rule(Name="outcomes", EventBusName=bus, EventPattern=pattern)
    aws.events.put_targets(Rule="outcomes", EventBusName=bus, Targets=[{"Id": "q", "Arn": arn}])
    return lambda: [json.loads(text) for text, _ in receive(running_stack, url)]


def receive(stack: LocalStack, url: str) -> list[tuple[str, dict[str, str]]]:
    """Take what lies in a queue."""
    answer = stack.aws.sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    taken = answer.get("Messages", [])
    for message in taken:
        stack.aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [
        (m["Body"], {name: v["StringValue"] for name, v in m.get("MessageAttributes", {}).items()})
        for m in taken
    ]


def test_a_call_is_safe_to_repeat_and_its_request_id_is_in_the_logs(
    stack: LocalStack, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    sent = body()
    first, again = post(stack, sent), post(stack, sent)

    assert (first.status, again.status, first.body) == (200, 200, again.body)
    assert (headers(first).get("idempotent-replayed"), headers(again)["idempotent-replayed"]) == (
        None,
        "true",
    )
    assert post(stack, {**sent, "points": 6}).status == 409
    assert applied(standin) == [sent["transactionId"]]
    logs = stack.function_logs("ManualTransaction")
    assert all(headers(answer)["x-request-id"] in logs for answer in (first, again))
    assert "arn:aws:" in logs


def test_fifty_calls_at_once_apply_once(
    stack: LocalStack, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    """Each gets the one answer, or is told to come again, or waits in vain: fifty cold starts at once are too
    much for a small machine, and for the table on it. Whoever comes again gets the one answer.
    """
    sent = body()

    with ThreadPoolExecutor(50) as pool:
        answers = [answer for answer in pool.map(lambda _: answered(stack, sent), range(50)) if answer]
    again = [wait_for(lambda: replayed(stack, sent), QUIET_WITHIN_S, "the answer") for _ in range(5)]

    assert applied(standin) == [sent["transactionId"]]
    added = [answer for answer in answers if answer.status == 200]
    told_to_wait = [answer for answer in answers if answer.status != 200]
    assert {answer.status for answer in told_to_wait} <= {409, 503}
    assert all(headers(answer)["retry-after"] for answer in told_to_wait)
    told = {409: "in progress", 503: "the table of this service can't be reached"}
    assert all(told[answer.status] in answer.json()["message"] for answer in told_to_wait)
    assert sum("idempotent-replayed" not in headers(answer) for answer in added) <= 1
    assert {answer.body for answer in (*added, *again)} == {again[0].body}
    assert again[0].json()["points"] == 5


def answered(stack: LocalStack, sent: object) -> ApiAnswer | None:
    """The answer to a call; None where none comes in time."""
    try:
        return post(stack, sent)
    except urllib3.exceptions.TimeoutError:
        return None


def replayed(stack: LocalStack, sent: object) -> ApiAnswer | None:
    """The answer kept; None as long as a call is in progress, or this one was the first to come through."""
    answer = answered(stack, sent)
    if answer is None:
        return None
    assert answer.status == 200 or (answer.status in {409, 503} and headers(answer)["retry-after"])
    return answer if "idempotent-replayed" in headers(answer) else None


def test_an_unknown_outcome_is_cleared_within_the_call(
    stack: LocalStack, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    standin.add_fault({**MANUAL, "kind": "reset_after"})
    sent = body(points=-7)
    answer = post(stack, sent)

    assert (answer.status, answer.json()["points"]) == (200, -7)
    assert applied(standin) == [sent["transactionId"]]


def test_an_event_on_the_bus_is_applied_and_its_outcome_told(
    stack: LocalStack,
    standin: StandInClient,
    customers: dict[str, Decimal],
    outcomes: Callable[[], list[dict[str, Any]]],
) -> None:
    outcomes()
    sent = body()
    send(stack, sent)
    [told] = wait_for(outcomes, WITHIN_S, "the outcome")

    assert told["detail-type"] == "Manual Transaction Settled"
    assert (told["detail"]["transactionId"], told["detail"]["points"]) == (sent["transactionId"], 5)
    assert applied(standin) == [sent["transactionId"]]


def test_an_event_that_is_refused_is_told_to_its_sender_and_rings_nowhere(
    stack: LocalStack,
    standin: StandInClient,
    customers: dict[str, Decimal],
    outcomes: Callable[[], list[dict[str, Any]]],
) -> None:
    outcomes()
    sent = body(customerId="nobody")
    send(stack, sent)
    [told] = wait_for(outcomes, WITHIN_S, "the outcome")

    assert told["detail-type"] == "Manual Transaction Refused"
    assert (told["detail"]["error"], told["detail"]["code"]) == (404, 7000)
    assert told["detail"]["transactionId"] == sent["transactionId"]
    assert told["detail"]["requestedBy"]["source"] == "shop.returns"
    assert receive(stack, stack.physical_id("ManualFailureQueue")) == []
    assert applied(standin) == []


def test_an_event_that_we_could_not_serve_is_kept_with_its_reason_and_told(
    stack: LocalStack,
    standin: StandInClient,
    customers: dict[str, Decimal],
    outcomes: Callable[[], list[dict[str, Any]]],
) -> None:
    outcomes()
    standin.add_fault({**MANUAL, "kind": "status", "status": 405})
    sent = body()
    send(stack, sent)
    [told] = wait_for(outcomes, WITHIN_S, "the outcome")
    queue = stack.physical_id("ManualFailureQueue")
    [(kept, attributes)] = wait_for(lambda: receive(stack, queue), WITHIN_S, "the failure queue")

    assert (told["detail-type"], told["detail"]["outcome"]) == ("Manual Transaction Failed", "not_applied")
    assert json.loads(kept)["detail"] == sent
    assert (attributes["reason"], attributes["status"]) == (told["detail"]["message"], "405")
    assert applied(standin) == []


def test_a_schedule_that_fires_twice_applies_once(
    stack: LocalStack,
    standin: StandInClient,
    customers: dict[str, Decimal],
    outcomes: Callable[[], list[dict[str, Any]]],
) -> None:
    outcomes()
    due_at = datetime.now(UTC)
    sample = (EVENTS / "manual-scheduled.json").read_text()
    payload = json.loads(fill_keywords(sample, f"birthday-{uuid.uuid4()}", due_at))
    payload["customerId"] = "player-01"
    queue = stack.aws.sqs.get_queue_attributes(
        QueueUrl=stack.physical_id("ManualQueue"), AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    told: list[dict[str, Any]] = []
    # One after the other: while the first is under way, the second would come again minutes later.
    for number in range(2):
        stack.aws.scheduler.create_schedule(
            Name=f"birthday-{number}",
            ScheduleExpression=f"at({due_at:%Y-%m-%dT%H:%M:%S})",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": queue,
                "RoleArn": "arn:aws:iam::000000000000:role/scheduler",
                "Input": json.dumps(payload),
            },
            ActionAfterCompletion="DELETE",
        )
        told += wait_for(outcomes, WITHIN_S, "the outcome")

    assert [event["detail"]["replayed"] for event in told] == [False, True]
    assert len(applied(standin)) == 1


def test_refused_keys_are_our_fault_and_leave_a_metric(
    stack: LocalStack, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    fault = {**MANUAL, "kind": "status", "status": 401, "code": 1000, "times": 2}
    standin.add_fault(fault)
    answer = post(stack, body())

    assert (answer.status, answer.json()["error"]) == (502, 502)
    assert '"KeysRefused"' in stack.function_logs("ManualTransaction")
    alarm = stack.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert [a["MetricName"] for a in alarm if a["AlarmName"].find("KeysRefused") >= 0] == ["KeysRefused"]
