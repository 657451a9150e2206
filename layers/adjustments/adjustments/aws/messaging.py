"""Adapters of SNS, EventBridge, SQS and Step Functions: e-mails, events, queues, executions."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from adjustments.batches.files import StoredObject
from adjustments.core import exact_json

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient


EVENT_SOURCE: Final = "gameball.adjustments"
"""The source of all events of this stack (docs/events.md); rules of receivers name it."""


class BusNotifications:
    """Notifies programs through the event bus."""

    def __init__(self, events: "EventBridgeClient", bus: str) -> None:
        self._events = events
        self._bus = bus

    def announce(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """See ``Notifications``.

        Raises:
            RuntimeError: the bus did not accept the event.
        """
        answer = self._events.put_events(
            Entries=[
                {
                    "EventBusName": self._bus,
                    "Source": EVENT_SOURCE,
                    "DetailType": detail_type,
                    "Detail": exact_json.write(detail),
                }
            ]
        )
        if answer["FailedEntryCount"]:
            raise RuntimeError(
                f"the event bus refused '{detail_type}': {answer['Entries'][0].get('ErrorCode')}"
            )


class TopicAndBusNotifications(BusNotifications):
    """Notifies people through the topic, and programs through the event bus."""

    def __init__(self, sns: "SNSClient", topic_arn: str, events: "EventBridgeClient", bus: str) -> None:
        super().__init__(events, bus)
        self._sns = sns
        self._topic_arn = topic_arn

    def mail(self, subject: str, text: str) -> None:
        """See ``Notifications``."""
        self._sns.publish(TopicArn=self._topic_arn, Subject=subject, Message=text)


class SqsIntakeQueue:
    """See ``IntakeQueue``; a missed object has the form of S3's event, and a source of our own."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def put(self, stored: StoredObject) -> None:
        """See ``IntakeQueue``."""
        named = {"key": stored.key, "version-id": stored.version_id}
        event = {
            "source": EVENT_SOURCE,
            "time": stored.modified_at.isoformat(),
            "detail": {"bucket": {"name": stored.bucket}, "object": named},
        }
        self._send(event)

    def put_recurring(self, key: str, due_at: datetime) -> None:
        """See ``IntakeQueue``."""
        self._send({"dueTime": due_at.isoformat(), "key": key})

    def _send(self, event: Mapping[str, Any]) -> None:
        self._client.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps(event))


class SqsFailureQueue:
    """See ``FailureQueue``; the attributes are those of the SQS message."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def put(self, text: str, attributes: Mapping[str, str]) -> None:
        """See ``FailureQueue``."""
        self._client.send_message(
            QueueUrl=self._queue_url,
            MessageBody=text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
                if value
            },
        )


class StateMachineExecutions:
    """Starts executions of the state machine, and checks whether they run."""

    def __init__(self, client: "SFNClient", arn: str) -> None:
        self._client = client
        self._arn = arn

    def start(self, name: str, batch_id: str) -> None:
        """See ``Executions``."""
        with suppress(self._client.exceptions.ExecutionAlreadyExists):
            self._client.start_execution(
                stateMachineArn=self._arn, name=name, input=json.dumps({"batchId": batch_id})
            )

    def is_running(self, name: str) -> bool:
        """See ``Executions``."""
        arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
        try:
            return self._client.describe_execution(executionArn=arn)["status"] == "RUNNING"
        except self._client.exceptions.ExecutionDoesNotExist:
            return False
