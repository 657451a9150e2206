"""Client for batches of a running stack, through S3 and the batch API."""

from collections.abc import Mapping
from typing import Any

from local.processes import wait_for
from local.stack import LocalStack

FINAL = frozenset(
    {"completed", "completed_with_errors", "validated", "rejected", "stopped", "needs_attention"}
)


class BatchClient:
    """Uploads files, reads batches and downloads their results."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack

    def drop(self, key: str, content: bytes, metadata: Mapping[str, str] | None = None) -> None:
        """Upload a file to the bucket; ``inbox/…`` is processed at once, ``recurring/…`` by the schedule."""
        self._stack.aws.s3.put_object(
            Bucket=self._stack.outputs["BucketName"], Key=key, Body=content, Metadata=dict(metadata or {})
        )

    def show(self, batch_id: str) -> dict[str, Any]:
        """Get a batch from the batch API."""
        batch: dict[str, Any] = self._stack.call_api("GET", f"/batches/{batch_id}").json()
        return batch

    def ids_of(self, key: str) -> list[str]:
        """The ids of the batches of a key, oldest first, among the newest hundred batches.

        Not the one that checks a recurring file as it is dropped.
        """
        listed = self._stack.call_api("GET", "/batches?limit=100").json()["batches"]
        found = [batch for batch in listed if batch["source"]["key"] == key]
        is_check = key.startswith("recurring/")
        return sorted(batch["batchId"] for batch in found if not (is_check and batch["dryRun"]))

    def wait_for_first(self, key: str, timeout_s: float = 30) -> str:
        """Wait until a key has a batch, and return its id."""
        return wait_for(lambda: self.ids_of(key), timeout_s, f"a batch of {key}")[0]

    def wait_until_ended(self, batch_id: str, timeout_s: float = 60) -> dict[str, Any]:
        """Wait until a batch has a final status, and return it."""

        def ended() -> dict[str, Any]:
            batch = self.show(batch_id)
            return batch if batch.get("status") in FINAL else {}

        return wait_for(ended, timeout_s, f"batch {batch_id} to end")

    def result_files(self, batch_id: str) -> dict[str, bytes]:
        """Download the result files of a batch, by name."""
        bucket, s3 = self._stack.outputs["BucketName"], self._stack.aws.s3
        prefix = f"results/{batch_id}/"
        keys = [
            found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        ]
        return {
            key.removeprefix(prefix): s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys
        }
