"""How a function answers a health check, and how a health check looks at the other parts of the stack."""

import json
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Protocol

import boto3
import botocore
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from adjustments.core import __version__
from adjustments.core.errors import PartUnavailable
from adjustments.core.limits import BOTOCORE_MIN

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

HEALTH_CHECK: Final[Mapping[str, Any]] = {"healthCheck": True}
"""The whole event of a health check. No gateway, queue, schedule or state machine sends such an event."""

_PENDING: Final = "PendingConfirmation"
"""What SNS says instead of an ARN of a subscription that is not confirmed (API reference, "Subscription")."""

Handler = Callable[[Any, Any], Any]


def describe_runtime() -> dict[str, str]:
    """Describe what runs here: the versions of our code, of Python and of what Lambda's runtime brings."""
    return {
        "version": __version__,
        "python": sys.version.split()[0],
        "boto3": boto3.__version__,
        "botocore": botocore.__version__,
    }


def is_old(botocore_version: str) -> bool:
    """Whether a version of botocore lacks calls that we make (``BOTOCORE_MIN``)."""
    parts = [int(part) if part.isdecimal() else 0 for part in botocore_version.split(".")[:3]]
    return tuple(parts) < BOTOCORE_MIN


def answers_health_checks(handler: Handler) -> Handler:
    """Decorate a handler, so that it answers a health check with its versions and does nothing else."""

    @wraps(handler)
    def answer(event: Any, context: Any) -> Any:
        return describe_runtime() if event == HEALTH_CHECK else handler(event, context)

    return answer


class StackParts(Protocol):
    """Looks at parts of the stack, and changes nothing.

    Raises:
        PartUnavailable: the part can't be checked, or did not answer.
    """

    def function_versions(self, function: str) -> Mapping[str, Any]:
        """Send a function a health check, which it answers with its versions (``describe_runtime``)."""

    def subscriptions(self, topic: str) -> tuple[int, int]:
        """Count the subscriptions of a topic: those that are confirmed, and those that are not."""

    def is_schedule_on(self, schedule: str) -> bool:
        """Whether a schedule is enabled."""

    def messages(self, queue: str) -> int:
        """Count the messages that wait in a queue."""


class AwsStackParts:
    """See ``StackParts``."""

    def __init__(
        self,
        *,
        functions: "LambdaClient",
        sns: "SNSClient",
        scheduler: "EventBridgeSchedulerClient",
        sqs: "SQSClient",
    ) -> None:
        self._functions = functions
        self._sns = sns
        self._scheduler = scheduler
        self._sqs = sqs

    def function_versions(self, function: str) -> Mapping[str, Any]:
        """See ``StackParts``."""
        answer = _call(self._functions.invoke, FunctionName=function, Payload=json.dumps(HEALTH_CHECK))
        fields = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer or not isinstance(fields, dict):
            kind = fields.get("errorType") if isinstance(fields, dict) else type(fields).__name__
            raise PartUnavailable(f"it failed: {kind}")
        return fields

    def subscriptions(self, topic: str) -> tuple[int, int]:
        """See ``StackParts``."""
        found = _call(self._sns.list_subscriptions_by_topic, TopicArn=topic)["Subscriptions"]
        pending = sum(one["SubscriptionArn"] == _PENDING for one in found)
        return len(found) - pending, pending

    def is_schedule_on(self, schedule: str) -> bool:
        """See ``StackParts``."""
        return bool(_call(self._scheduler.get_schedule, Name=schedule)["State"] == "ENABLED")

    def messages(self, queue: str) -> int:
        """See ``StackParts``."""
        counted = "ApproximateNumberOfMessages"
        answer = _call(self._sqs.get_queue_attributes, QueueUrl=queue, AttributeNames=[counted])
        return int(answer["Attributes"][counted])


def _call(call: Callable[..., Any], **arguments: Any) -> Any:
    """Make a call to AWS; raise PartUnavailable with AWS's words where it fails."""
    try:
        return call(**arguments)
    except ClientError as error:
        details = error.response.get("Error", {})
        raise PartUnavailable(f"{details.get('Code')}: {details.get('Message')}") from None
    except ReadTimeoutError:
        raise PartUnavailable("no answer in time") from None
    except BotoCoreError as error:
        raise PartUnavailable(str(error)) from None
