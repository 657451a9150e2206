"""The event log of batches: one line for each thing that happens to a batch or chunk, so that one query finds
the whole story of a batch (docs/runbook.md).

Lines hold ids and numbers only, never text of customers or of Gameball.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from adjustments.core.errors import GameballError

if TYPE_CHECKING:
    from adjustments.batches.records import Batch, Chunk

_log: Final = logging.getLogger(__name__)
_ID_CHARS_MAX: Final = 100


def log_event(message: str, batch: Batch, chunk: Chunk | None = None, /, **facts: str | int | None) -> None:
    """Log an event that is part of the normal course.

    Args:
        message: what happened.
        batch: the batch; its id goes into the line.
        chunk: the chunk, where the event is about one; its id, jobId and number of rows go into the line.
        facts: further fields of the line.
    """
    _write(logging.INFO, message, batch, chunk, facts)


def log_warning(message: str, batch: Batch, chunk: Chunk | None = None, /, **facts: str | int | None) -> None:
    """Log an event that may need a person; arguments as for ``log_event``."""
    _write(logging.WARNING, message, batch, chunk, facts)


def log_failure(message: str, batch_id: str, error: Exception) -> None:
    """Log that work on a batch ended with an error."""
    _log.error(message, extra={"batch_id": batch_id, "error": type(error).__name__}, stacklevel=2)


def error_facts(error: GameballError) -> dict[str, str | int | None]:
    """Describe an error of Gameball without its message, which may name a customer."""
    request_id = error.request_id and error.request_id[:_ID_CHARS_MAX]
    return {
        "error": type(error).__name__,
        "http_status": error.status,
        "code": error.code,
        "gameball_request_id": request_id,
    }


def _write(
    level: int, message: str, batch: Batch, chunk: Chunk | None, facts: dict[str, str | int | None]
) -> None:
    if not _log.isEnabledFor(level):
        return
    ids: dict[str, str | int | None] = {"batch_id": batch.batch_id}
    if chunk:
        ids |= {"chunk_id": chunk.chunk_id, "job_id": chunk.job_id, "rows": chunk.rows}
    # the location in the line is that of the caller of log_event or log_warning
    _log.log(level, message, extra=ids | facts, stacklevel=3)
