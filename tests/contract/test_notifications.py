"""What every Notices does: the fake in memory, and a topic and a bus with a queue behind each."""

import json
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from adjustments.aws.messaging import EVENT_SOURCE, TopicAndBusNotifications
from adjustments.core import exact_json
from adjustments.results.notifications import Notifications
from local.aws import Aws
from local.processes import wait_for
from tests.fakes.memory import MemoryNotifications

Mails = list[tuple[str, str]]
Events = list[tuple[str, Mapping[str, Any]]]


class Heard:
    """Notices, and what is heard of them."""

    def __init__(
        self, notifications: Notifications, mails: Callable[[int], Mails], events: Callable[[int], Events]
    ) -> None:
        self.notifications = notifications
        self.mails = mails
        self.events = events


@pytest.fixture
def heard(kind: str, request: pytest.FixtureRequest) -> Heard:
    """Notices that nobody has used."""
    if kind == "memory":
        fake = MemoryNotifications()
        return Heard(fake, lambda n: fake.mails, lambda n: fake.events)
    return on_aws(request.getfixturevalue("aws"))


def on_aws(aws: Aws) -> Heard:
    name = uuid.uuid4().hex
    topic, bus = f"topic-{name}", f"bus-{name}"
    topic_arn = aws.sns.create_topic(Name=topic)["TopicArn"]
    aws.events.create_event_bus(Name=bus)
    mail_url, mail_arn = make_queue(aws, f"mails-{name}")
    event_url, event_arn = make_queue(aws, f"events-{name}")
    aws.sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=mail_arn)
    pattern = json.dumps({"source": [EVENT_SOURCE]})
    aws.events.put_rule(Name="all", EventBusName=bus, EventPattern=pattern)
    aws.events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "q", "Arn": event_arn}])

    def mails(n: int) -> Mails:
        bodies = [json.loads(body) for body in received(aws, mail_url, n)]
        return [(body["Subject"], body["Message"]) for body in bodies]

    def events(n: int) -> Events:
        bodies = [exact_json.read(body.encode()) for body in received(aws, event_url, n)]
        return [(body["detail-type"], body["detail"]) for body in bodies]

    return Heard(TopicAndBusNotifications(aws.sns, topic_arn, aws.events, bus), mails, events)


def make_queue(aws: Aws, name: str) -> tuple[str, str]:
    """A queue that a topic and a bus may put messages into."""
    url = aws.sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    services = {"Service": ["sns.amazonaws.com", "events.amazonaws.com"]}
    allowed = {"Effect": "Allow", "Principal": services, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url, arn


def received(aws: Aws, url: str, n: int) -> list[str]:
    found: list[str] = []

    def look() -> bool:
        answer = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        found.extend(message["Body"] for message in answer.get("Messages", []))
        return len(found) >= n

    wait_for(look, 10, f"{n} messages")
    return found


def test_mail_reaches_the_topic_unchanged(heard: Heard):
    text = "Rows: 3; applied 2.\nFile: inbox/Österreich – Prämien.csv\n"
    heard.notifications.mail("completed: 20261121-120000-x-0", text)
    assert heard.mails(1) == [("completed: 20261121-120000-x-0", text)]


def test_mail_is_sent_again_even_if_it_is_the_same(heard: Heard):
    for _ in range(2):
        heard.notifications.mail("completed: b", "the same")
    assert heard.mails(2) == [("completed: b", "the same")] * 2


def test_event_reaches_the_bus_unchanged(heard: Heard):
    detail = {"batchId": "b", "counts": {"rows": 3}, "totals": {"applied": Decimal("-1250.5")}}
    heard.notifications.announce("Batch Settled", detail)
    assert heard.events(1) == [("Batch Settled", detail)]


def test_mails_are_no_events_and_events_no_mails(heard: Heard):
    heard.notifications.mail("a mail", "text")
    heard.notifications.announce("Batch Needs Attention", {"batchId": "b"})
    assert len(heard.mails(1)) == 1
    assert len(heard.events(1)) == 1


@pytest.mark.parametrize("subject", ["", "x" * 101, "two\nlines", "blank first is no subject\t", "Übersicht"])
def test_a_subject_that_sns_would_refuse_is_refused_by_the_fake_as_well(subject: str):
    """MiniStack takes them all; SNS does not (API reference of Publish)."""
    with pytest.raises(ValueError, match="Subject"):
        MemoryNotifications().mail(subject, "text")
