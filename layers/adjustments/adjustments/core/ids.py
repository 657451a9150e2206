"""Names that are derived, so that the same drop always gives the same name."""

import hashlib
import re
from datetime import datetime
from typing import Final

_NOT_SLUG: Final = r"[^a-z0-9]+"
_BATCH_ID: Final = r"[0-9]{8}-[0-9]{6}-[a-z0-9-]{1,60}"
_SLUG_CHARS_MAX = 30  # keeps an execution name, which is the batchId and a number, under Step Functions' 80


def batch_id(name: str, dropped_at: datetime, identity: tuple[str, ...]) -> str:
    """Name a batch: sorts by time, reads well, and is the same for the same drop.

    Args:
        name: the object's key, for the readable part.
        dropped_at: when it was dropped (UTC), or when it was due.
        identity: what makes the drop this drop: bucket, key and version; or file version and due time.
    """
    stem = name.rstrip("/").rpartition("/")[2].partition(".")[0].lower()
    slug = re.sub(_NOT_SLUG, "-", stem).strip("-")[:_SLUG_CHARS_MAX].strip("-") or "batch"
    digest = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:12]
    return f"{dropped_at:%Y%m%d-%H%M%S}-{slug}-{digest}"


def is_batch_id(text: str) -> bool:
    """Whether a batch may be called so."""
    return re.fullmatch(_BATCH_ID, text) is not None


def chunk_id(wave: int, number: int) -> str:
    """Name a chunk so that the names sort in the order of sending; both numbers count from 1."""
    return f"{wave:03d}-{number:05d}"


def half_ids(whole: str) -> tuple[str, str]:
    """Name the two halves of a refused chunk; they sort after it and before the next one."""
    separator = "" if "." in whole else "."
    return f"{whole}{separator}0", f"{whole}{separator}1"


def execution_name(batch: str, start: int) -> str:
    """Name the n-th start of the state machine for a batch; the first has its own name."""
    return batch if start <= 1 else f"{batch}-{start}"
