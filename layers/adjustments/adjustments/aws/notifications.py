"""Mails through SNS, events through EventBridge."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from adjustments.core import exact_json

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient

EVENT_SOURCE: Final = "gameball.adjustments"
"""The source of all events of ours (docs/events.md); rules of receivers name it."""


class BusNotifications:
    """Tells machines through the bus."""

    def __init__(self, events: "EventBridgeClient", bus: str) -> None:
        self._events = events
        self._bus = bus

    def announce(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """See ``Notifications``; raises RuntimeError when the bus did not take the event."""
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
    """Tells people through the topic, and machines through the bus."""

    def __init__(self, sns: "SNSClient", topic_arn: str, events: "EventBridgeClient", bus: str) -> None:
        super().__init__(events, bus)
        self._sns = sns
        self._topic_arn = topic_arn

    def mail(self, subject: str, text: str) -> None:
        """See ``Notifications``."""
        self._sns.publish(TopicArn=self._topic_arn, Subject=subject, Message=text)
