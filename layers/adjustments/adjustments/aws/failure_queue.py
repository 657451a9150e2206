"""The queue of what failed for good."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsFailureQueue:
    """See ``FailureQueue``; the attributes are the message's own."""

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
