"""Derived ids: the same drop always gets the same ids."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Final

_NOT_SLUG: Final = r"[^a-z0-9]+"
_BATCH_ID: Final = r"[0-9]{8}-[0-9]{6}-[a-z0-9-]{1,60}"
_SLUG_CHARS_MAX: Final = 30
"""Keeps the name of an execution, which is the batchId and a number, under Step Functions' 80."""


def batch_id(name: str, dropped_at: datetime, identity: tuple[str, ...]) -> str:
    """Derive the id of a batch: it sorts by time, is readable, and is the same for the same drop.

    Args:
        name: the object's key, for the readable part.
        dropped_at: when it was dropped (UTC), or when it was due.
        identity: what identifies the drop: bucket, key and version; or file version and due time.
    """
    stem = name.rstrip("/").rpartition("/")[2].partition(".")[0].lower()
    slug = re.sub(_NOT_SLUG, "-", stem).strip("-")[:_SLUG_CHARS_MAX].strip("-") or "batch"
    digest = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:12]
    return f"{dropped_at:%Y%m%d-%H%M%S}-{slug}-{digest}"


def earliest_id(at: datetime) -> str:
    """Make the text before which the ids of all batches sort that were dropped before a second."""
    return f"{at.astimezone(UTC):%Y%m%d-%H%M%S}"


def is_batch_id(text: str) -> bool:
    """Whether a text has the form of a batch's id."""
    return re.fullmatch(_BATCH_ID, text) is not None


def transaction_id(batch: str, line: int) -> str:
    """Make the transactionId of a row that has none of its own: the same for the same batch and line."""
    return f"{batch}-{line:06d}"


def chunk_id(wave: int, number: int) -> str:
    """Make the id of a chunk; ids sort in the order of sending. Both numbers count from 1."""
    return f"{wave:03d}-{number:05d}"


def half_ids(whole: str) -> tuple[str, str]:
    """Make the ids of the two halves of a refused chunk; they sort after it and before the next chunk."""
    separator = "" if "." in whole else "."
    return f"{whole}{separator}0", f"{whole}{separator}1"


def execution_name(batch: str, start: int) -> str:
    """Make the name of the n-th execution of the state machine for a batch; the first is the batch's id."""
    return batch if start <= 1 else f"{batch}-{start}"
