"""Records with sensible values, of which a test names only what matters to it."""

from datetime import timedelta
from typing import Any

from adjustments.batches.batch_parts import Source
from adjustments.batches.payloads import body_of, sha256_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus
from tests.fakes.memory import START


def make_batch(**values: Any) -> Batch:
    defaults: dict[str, Any] = {
        "batch_id": "20261121-120000-file-0123456789ab",
        "status": BatchStatus.SUBMITTING,
        "plan_id": "plan",
        "source": Source(bucket="memory", key="inbox/file.csv", version_id="v1"),
        "created_at": START,
        "deadline_at": START + timedelta(hours=6),
    }
    return Batch(**{**defaults, **values})


def make_chunk(**values: Any) -> Chunk:
    defaults: dict[str, Any] = {
        "chunk_id": "001-00001",
        "wave": 1,
        "payload_key": "work/x",
        "last": 10,
        "sha256": sha256_of(body_of([])),
    }
    return Chunk(**{**defaults, **values})
