"""What every StackParts does: the fake in memory, and parts at AWS."""

import io
import json
import uuid
import zipfile
from typing import Any, NamedTuple
from unittest.mock import Mock

import pytest

from adjustments.aws.health import AwsStackParts, StackParts, describe_runtime
from adjustments.core.errors import PartUnavailable
from local.aws import Aws
from tests.contract.test_step_functions import TRUST
from tests.fakes.memory import MemoryStackParts

ANSWERS = (
    f"def handler(event, context):\n    return {describe_runtime()!r} if event['healthCheck'] else None\n"
)
BREAKS = "import what_is_not_there\n"


class Parts(NamedTuple):
    """A stack's parts, and what they are called."""

    stack_parts: StackParts
    answering: str
    broken: str
    topic: str
    on: str
    off: str
    queue: str
    full_queue: str


@pytest.fixture(scope="module", params=["memory", "real"])
def parts(request: pytest.FixtureRequest) -> Parts:
    if request.param == "memory":
        fake = MemoryStackParts()
        gone, failed = PartUnavailable("gone"), PartUnavailable("it failed")
        fake.answers = {"broken": failed, "gone": gone, "topic": (1, 0), "off": False, "full": 2}
        return Parts(fake, "answering", "broken", "topic", "on", "off", "queue", "full")
    aws: Aws = request.getfixturevalue("aws")
    adapter = AwsStackParts(functions=aws.functions, sns=aws.sns, scheduler=aws.scheduler, sqs=aws.sqs)
    queue, full = (aws.sqs.create_queue(QueueName=uuid.uuid4().hex)["QueueUrl"] for _ in range(2))
    for number in range(2):
        aws.sqs.send_message(QueueUrl=full, MessageBody=str(number))
    arn = aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return Parts(
        adapter,
        _make_function(aws, ANSWERS),
        _make_function(aws, BREAKS),
        _make_topic(aws, arn),
        _make_schedule(aws, arn, "ENABLED"),
        _make_schedule(aws, arn, "DISABLED"),
        queue,
        full,
    )


def _make_function(aws: Aws, code: str) -> str:
    role = aws.iam.create_role(RoleName=uuid.uuid4().hex, AssumeRolePolicyDocument=json.dumps(TRUST))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("app.py", code)
    return aws.functions.create_function(
        FunctionName=uuid.uuid4().hex,
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
    )["FunctionName"]


def _make_topic(aws: Aws, queue_arn: str) -> str:
    topic = aws.sns.create_topic(Name=uuid.uuid4().hex)["TopicArn"]
    aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    return topic


def _make_schedule(aws: Aws, queue_arn: str, state: Any) -> str:
    name = uuid.uuid4().hex
    aws.scheduler.create_schedule(
        Name=name,
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": queue_arn, "RoleArn": "arn:aws:iam::000000000000:role/x"},
        State=state,
    )
    return name


def test_function_answers_with_its_versions(parts: Parts):
    assert parts.stack_parts.function_versions(parts.answering) == describe_runtime()


def test_function_that_can_not_start_does_not_answer(parts: Parts):
    with pytest.raises(PartUnavailable, match="it failed"):
        parts.stack_parts.function_versions(parts.broken)


def test_confirmed_subscriptions_are_counted(parts: Parts):
    assert parts.stack_parts.subscriptions(parts.topic) == (1, 0)


def test_subscription_that_is_not_confirmed_has_no_arn_yet():
    """As the API reference of SNS has it; the emulator confirms mails by itself."""
    sns = Mock()
    listed = [{"SubscriptionArn": "PendingConfirmation"}, {"SubscriptionArn": "arn:aws:sns:x:1:topic:id"}]
    sns.list_subscriptions_by_topic.return_value = {"Subscriptions": listed}
    adapter = AwsStackParts(functions=Mock(), sns=sns, scheduler=Mock(), sqs=Mock())
    assert adapter.subscriptions("topic") == (1, 1)


def test_schedule_is_on_or_off(parts: Parts):
    assert [parts.stack_parts.is_schedule_on(name) for name in (parts.on, parts.off)] == [True, False]


def test_messages_are_counted(parts: Parts):
    assert [parts.stack_parts.messages(name) for name in (parts.queue, parts.full_queue)] == [0, 2]


def test_part_that_is_not_there_can_not_be_looked_at(parts: Parts):
    with pytest.raises(PartUnavailable):
        parts.stack_parts.function_versions("gone")
    with pytest.raises(PartUnavailable):
        parts.stack_parts.is_schedule_on("gone")
