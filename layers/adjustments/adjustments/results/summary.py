"""A batch in numbers, for machines: summary.json and the batch API."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from adjustments.batches.lookup_rounds import summary_of_reconciliation
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import ChunkState

_RUNNING: Final = frozenset({ChunkState.SUBMITTING, ChunkState.SUBMITTED})
"""A chunk whose job runs, or that is being sent at this moment."""

_UNSENT: Final = frozenset({ChunkState.PLANNED, ChunkState.NOT_SUBMITTED})


def summary_of(batch: Batch, chunks: Sequence[Chunk]) -> dict[str, Any]:
    """Write a batch as summary.json ; numbers are exact, for ``exact_json``."""
    return {
        **head_of(batch),
        "jobs": [
            {"chunk": chunk.chunk_id, "jobId": chunk.job_id, "status": job_status(chunk), "rows": chunk.rows}
            for chunk in chunks
            if chunk.state is not ChunkState.SPLIT
        ],
        **times_of(batch),
        **summary_of_reconciliation(batch),
        "message": message_of(batch),
        "notes": notes_of(batch),
    }


def progress_of(batch: Batch, chunks: Sequence[Chunk], now: datetime) -> dict[str, Any]:
    """How far a batch is, by rows and jobs; its rate and expected end once there is something to go by."""
    # a dry run's chunks are never sent, so they are no jobs
    whole = [chunk for chunk in chunks if chunk.state is not ChunkState.SPLIT and not batch.dry_run]
    over = [chunk for chunk in whole if chunk.state.is_over]
    running = [chunk for chunk in whole if chunk.state in _RUNNING]
    settled = sum(chunk.rows for chunk in over)
    progress: dict[str, Any] = {
        "settledRows": settled,
        "acceptedRows": batch.accepted_rows,
        "sentRows": sum(chunk.rows for chunk in whole if chunk.state not in _UNSENT),
        "runningRows": sum(chunk.rows for chunk in running),
        "jobs": {"settled": len(over), "running": len(running), "total": len(whole)},
    }
    first_sent = min((chunk.intent_at for chunk in whole if chunk.intent_at), default=None)
    # a paused batch sends nothing until its keys are right again, and nobody knows when that is
    is_moving = not batch.status.is_final and not batch.paused
    if settled and first_sent and is_moving and now > first_sent:
        rows_a_second = settled / (now - first_sent).total_seconds()
        left = timedelta(seconds=(batch.accepted_rows - settled) / rows_a_second)
        progress["rowsPerSecond"] = round(Decimal(rows_a_second), 1)
        progress["expectedEnd"] = instant(now + left)
    return progress


def head_of(batch: Batch) -> dict[str, Any]:
    """What everybody is told of a batch first: which it is, how it stands, and its numbers."""
    return {
        "batchId": batch.batch_id,
        "status": batch.status.value,
        "dryRun": batch.dry_run,
        "source": batch.source.to_json(),
        "counts": batch.counts.to_json(),
        "totals": {"requested": Decimal(batch.total), "applied": Decimal(batch.applied_total)},
        **({"prediction": batch.prediction.to_json()} if batch.prediction else {}),
    }


def times_of(batch: Batch) -> dict[str, str | None]:
    """When a batch began and ended."""
    return {
        "createdAt": instant(batch.created_at),
        "finishedAt": instant(batch.finished_at) if batch.finished_at else None,
    }


def job_status(chunk: Chunk) -> str:
    """How a chunk's job ended in Gameball's word, or where the chunk stands."""
    return chunk.job_state or chunk.state.value


def message_of(batch: Batch) -> str:
    """Why the batch is refused, held, paused or stopped; empty when there is nothing to say."""
    return batch.refusal or batch.stop_reason or batch.paused or "; ".join(batch.held_by)


def notes_of(batch: Batch) -> list[str]:
    """How the file was read, and why a second canary went."""
    return [*batch.notes, *filter(None, [batch.canary_note])]


def instant(moment: datetime) -> str:
    """A time as ISO 8601 in UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
