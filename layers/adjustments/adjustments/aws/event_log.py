"""Lines in the log on what became of batches and chunks, so that one query finds a batch's whole story
(docs/runbook.md). Ids and numbers only: what customers or Gameball wrote may hold anything.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from adjustments.core.errors import GameballError

if TYPE_CHECKING:  # what adds manual transactions tells of errors only, and loads no batches
    from adjustments.batches.records import Batch, Chunk

_log: Final = logging.getLogger(__name__)
_ID_CHARS_MAX: Final = 100


def log_event(what: str, batch: Batch, chunk: Chunk | None = None, /, **facts: str | int | None) -> None:
    """Leave a line on what happened as it should."""
    _write(logging.INFO, what, batch, chunk, facts)


def log_warning(what: str, batch: Batch, chunk: Chunk | None = None, /, **facts: str | int | None) -> None:
    """Leave a line on what a person may have to look at."""
    _write(logging.WARNING, what, batch, chunk, facts)


def log_failure(what: str, batch_id: str, error: Exception) -> None:
    """Leave a line on work that an error ended, for it is the batch that people will look for."""
    _log.error(what, extra={"batch_id": batch_id, "error": type(error).__name__}, stacklevel=2)


def error_facts(error: GameballError) -> dict[str, str | int | None]:
    """What may be told of an error: never its message, in which Gameball may name customers."""
    request_id = error.request_id and error.request_id[:_ID_CHARS_MAX]
    return {
        "error": type(error).__name__,
        "http_status": error.status,
        "code": error.code,
        "gameball_request_id": request_id,
    }


def _write(
    level: int, what: str, batch: Batch, chunk: Chunk | None, facts: dict[str, str | int | None]
) -> None:
    if not _log.isEnabledFor(level):
        return
    ids: dict[str, str | int | None] = {"batch_id": batch.batch_id}
    if chunk:
        ids |= {"chunk_id": chunk.chunk_id, "job_id": chunk.job_id, "rows": chunk.rows}
    # the caller's caller is the place that people look for
    _log.log(level, what, extra=ids | facts, stacklevel=3)
