"""BatchClient of a running stack, seen from outside: drop a file, watch its batch, fetch its results."""

from collections.abc import Mapping
from typing import Any

from local.processes import wait_for
from local.stack import LocalStack

FINAL = frozenset(
    {"completed", "completed_with_errors", "validated", "rejected", "stopped", "needs_attention"}
)


class BatchClient:
    """What an operator does with files and batches, through S3 and the batch API only."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack

    def drop(self, key: str, content: bytes, metadata: Mapping[str, str] | None = None) -> None:
        """Put a file into the bucket; ``inbox/…`` is taken at once, ``recurring/…`` at each tick."""
        self._stack.aws.s3.put_object(
            Bucket=self._stack.outputs["BucketName"], Key=key, Body=content, Metadata=dict(metadata or {})
        )

    def show(self, batch_id: str) -> dict[str, Any]:
        """A batch as the batch API shows it."""
        batch: dict[str, Any] = self._stack.call_api("GET", f"/batches/{batch_id}").json()
        return batch

    def ids_of(self, key: str) -> list[str]:
        """The batches made of a key so far, oldest first; among the newest hundred of all."""
        listed = self._stack.call_api("GET", "/batches?limit=100").json()["batches"]
        return sorted(batch["batchId"] for batch in listed if batch["source"]["key"] == key)

    def wait_for_first(self, key: str, timeout_s: float = 30) -> str:
        """Wait until a key has a batch; returns its id."""
        return wait_for(lambda: self.ids_of(key), timeout_s, f"a batch of {key}")[0]

    def wait_until_ended(self, batch_id: str, timeout_s: float = 60) -> dict[str, Any]:
        """Wait until nothing more will happen to a batch, and return it."""

        def look() -> dict[str, Any]:
            batch = self.show(batch_id)
            return batch if batch.get("status") in FINAL else {}

        return wait_for(look, timeout_s, f"batch {batch_id} to end")

    def result_files(self, batch_id: str) -> dict[str, bytes]:
        """A batch's result files by name."""
        bucket, s3 = self._stack.outputs["BucketName"], self._stack.aws.s3
        prefix = f"results/{batch_id}/"
        keys = [
            found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        ]
        return {
            key.removeprefix(prefix): s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys
        }
