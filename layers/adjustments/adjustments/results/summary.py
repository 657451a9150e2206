"""A batch in numbers, for programs: summary.json and the batch API."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from adjustments.batches.batch_parts import Counts, Overlap, Prediction, PreviewRow, Source, Submitter
from adjustments.batches.lookup_rounds import expected_round_end, next_round_at
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus, ChunkState, SendAs
from adjustments.core.printable import visible

OUTGOING: Final = ConfigDict(
    frozen=True,
    extra="forbid",
    alias_generator=to_camel,
    validate_by_name=True,
    serialize_by_alias=True,
    defer_build=True,
)
"""The configuration of models that leave the system: every field is documented, and named in camelCase."""


def instant(moment: datetime) -> str:
    """A time as ISO 8601 in UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_RUNNING: Final = frozenset({ChunkState.SUBMITTING, ChunkState.SUBMITTED})
"""A chunk whose job runs, or that is being sent at this moment."""

_UNSENT: Final = frozenset({ChunkState.PLANNED, ChunkState.NOT_SUBMITTED})

Instant = Annotated[datetime, PlainSerializer(instant)]


def _overlap_json(overlap: Overlap | None) -> dict[str, Any] | None:
    if overlap is None:
        return None
    batches = [
        {
            "batchId": one.batch_id,
            "rows": one.rows,
            "status": one.status,
            "plannedAt": instant(one.planned_at),
        }
        for one in overlap.batches
    ]
    return {"rows": overlap.rows, "newRows": overlap.new_rows, "batches": batches}


class Totals(BaseModel):
    """Sums of points, or of money where that is what the rows have; exact."""

    model_config = OUTGOING

    requested: Decimal
    applied: Decimal


class Job(BaseModel):
    """A chunk and its job; ``status`` is Gameball's, or the chunk's state where there is none."""

    model_config = OUTGOING

    chunk: str
    job_id: int | None
    status: str
    rows: int


class BatchFacts(BaseModel):
    """What the summary, the API and the events say of every batch."""

    model_config = OUTGOING

    batch_id: str
    status: BatchStatus
    dry_run: bool
    send_as: SendAs
    source: Source
    submitted_by: Submitter | None = None
    counts: Counts
    totals: Totals
    prediction: Prediction | None = None
    overlap: Annotated[Overlap | None, PlainSerializer(_overlap_json)] = None
    created_at: Instant
    finished_at: Instant | None
    message: str

    def to_json(self) -> dict[str, Any]:
        """The values for ``exact_json``; a prediction, an overlap and a submitter only where there is one."""
        optional = ("submitted_by", "prediction", "overlap")
        absent = {name for name in optional if getattr(self, name) is None}
        return self.model_dump(exclude=absent)


class BatchSummary(BatchFacts):
    """The content of summary.json."""

    jobs: tuple[Job, ...]
    notes: tuple[str, ...]


def facts_of(batch: Batch) -> dict[str, Any]:
    """The fields of ``BatchFacts`` for a batch."""
    return {
        "batch_id": batch.batch_id,
        "status": batch.status,
        "dry_run": batch.dry_run,
        "send_as": batch.send_as,
        "source": batch.source,
        "submitted_by": batch.submitted_by and _visible_submitter(batch.submitted_by),
        "counts": batch.counts,
        "totals": Totals(requested=Decimal(batch.total), applied=Decimal(batch.applied_total)),
        "prediction": batch.prediction,
        "overlap": batch.overlap,
        "created_at": batch.created_at,
        "finished_at": batch.finished_at,
        "message": message_of(batch),
    }


def _visible_submitter(submitter: Submitter) -> Submitter:
    return submitter.replaced(**{name: visible(text) for name, text in submitter})


def summary_of(batch: Batch, chunks: Sequence[Chunk]) -> dict[str, Any]:
    """Summarise a batch and its jobs, for ``exact_json``."""
    jobs = tuple(
        Job(chunk=chunk.chunk_id, job_id=chunk.job_id, status=job_status(chunk), rows=chunk.rows)
        for chunk in chunks
        if chunk.state is not ChunkState.SPLIT
    )
    summary = BatchSummary(**facts_of(batch), jobs=jobs, notes=notes_of(batch))
    return summary.to_json() | summary_of_reconciliation(batch)


def summary_of_reconciliation(batch: Batch) -> dict[str, Any]:
    """Describe for people how many rows in doubt were looked up, and when the others will be."""
    state = batch.reconciliation
    if batch.dry_run or not (batch.counts.in_doubt or state.round):
        return {}
    left = state.rows_left if state.round else batch.counts.in_doubt
    return {
        "reconciliation": {
            "rowsLookedUp": state.rows_looked_up,
            "rowsLeft": left if batch.counts.in_doubt else 0,
            "lookedUpAt": _instant_or_none(state.looked_up_at),
            "expectedEnd": _instant_or_none(expected_round_end(batch)),
            "nextRoundAt": _instant_or_none(next_round_at(batch)),
        }
    }


def _instant_or_none(moment: datetime | None) -> str | None:
    return instant(moment) if moment else None


def job_status(chunk: Chunk) -> str:
    """How a chunk's job ended in Gameball's terms, or the chunk's own state."""
    return visible(chunk.job_state) or chunk.state.value


def message_of(batch: Batch) -> str:
    """Why the batch is refused, held, paused or stopped; empty when there is nothing to say."""
    return visible(batch.refusal or batch.stop_reason or batch.pause_reason or "; ".join(batch.held_by))


def notes_of(batch: Batch) -> tuple[str, ...]:
    """How the file is sent, how it was read, and why a second canary was sent."""
    notes = (batch.sending_note, *batch.notes, batch.canary_note)
    return tuple(map(visible, filter(None, notes)))


def preview_json(batch: Batch, dry_run: Batch | None) -> dict[str, Any] | None:
    """What an approver sees of a batch, for ``exact_json``; None for one that never waited.

    Args:
        batch: the batch.
        dry_run: the last dry run of the same rows, None for none.
    """
    if batch.preview is None:
        return None
    seen = batch.preview
    return {
        "added": Decimal(seen.added),
        "deducted": Decimal(seen.deducted),
        "customers": seen.customers,
        "newCustomers": seen.new_customers,
        "firstRows": list(map(_preview_row, seen.first)),
        "largestRows": list(map(_preview_row, seen.largest)),
        "reasons": [{"reason": visible(one.reason), "rows": one.rows} for one in seen.reasons],
        "hasMoreReasons": seen.has_more_reasons,
        "dryRun": dry_run
        and {
            "batchId": dry_run.batch_id,
            "at": instant(dry_run.finished_at or dry_run.created_at),
            "prediction": dry_run.prediction and dry_run.prediction.model_dump(),
        },
    }


def _preview_row(row: PreviewRow) -> dict[str, Any]:
    return {
        "line": row.line,
        "customerId": visible(row.customer_id),
        "amount": Decimal(row.amount),
        "reason": visible(row.reason),
    }


def progress_of(batch: Batch, chunks: Sequence[Chunk], now: datetime) -> dict[str, Any]:
    """How far a batch is, by rows and jobs; its rate and expected end as far as they can be estimated."""
    # A dry run's chunks are never sent, so they are no jobs.
    whole = [chunk for chunk in chunks if chunk.state is not ChunkState.SPLIT and not batch.dry_run]
    over = [chunk for chunk in whole if chunk.state.is_over]
    set_aside = [chunk for chunk in whole if chunk.state is ChunkState.PLANNED]
    running = [chunk for chunk in whole if chunk.state in _RUNNING]
    settled = sum(chunk.rows for chunk in over) + sum(map(_known_rows, set_aside))
    progress: dict[str, Any] = {
        "settledRows": settled,
        "acceptedRows": batch.accepted_rows,
        "sentRows": sum(chunk.rows for chunk in whole if chunk.state not in _UNSENT),
        "runningRows": sum(chunk.rows for chunk in running),
        "jobs": {"settled": len(over), "running": len(running), "total": len(whole)},
    }
    if batch.send_as is SendAs.TRANSACTIONS:  # Gameball has no jobs of them
        progress["jobs"] = dict.fromkeys(progress["jobs"], 0)
    if batch.status.is_final or batch.pause_reason:
        return progress
    first_sent = min((chunk.intent_at for chunk in whole if chunk.intent_at), default=None)
    if settled and first_sent and now > first_sent:
        progress["rowsPerSecond"] = round(Decimal(settled / (now - first_sent).total_seconds()), 1)
    left = batch.accepted_rows - settled
    if batch.send_as is SendAs.TRANSACTIONS:
        if left and progress.get("rowsPerSecond"):
            left_s = float(left / progress["rowsPerSecond"])
            progress["expectedEnd"] = instant(now + timedelta(seconds=left_s))
    elif end := expected_end(batch, whole, now):
        progress["expectedEnd"] = instant(end)
    return progress


def _known_rows(chunk: Chunk) -> int:
    """The rows of a chunk that was set aside by its sender, as far as their outcomes are known."""
    return chunk.counts.rows - chunk.counts.in_doubt


def expected_end(batch: Batch, chunks: Sequence[Chunk], now: datetime) -> datetime | None:
    """Estimate when all jobs will have ended.

    Jobs run side by side, so the number of settled rows says little about the time left: it is the time to
    send what is not sent yet, and the time that one more job takes, for each wave.

    Args:
        batch: the batch.
        chunks: its chunks without split ones, in the order of sending.
        now: the present time.

    Returns:
        The time, or None while there is too little to go by: no job has ended, the pace of sending is
        unknown, or every open job takes longer than any before.
    """
    ended = [chunk for chunk in chunks if chunk.intent_at and chunk.ended_at]
    job_times_s = [_seconds(chunk.intent_at, chunk.ended_at) for chunk in ended if chunk.ended_at]
    waiting = [chunk for chunk in chunks if not chunk.state.is_over]
    if not job_times_s or not waiting:
        return None
    unsent = [chunk for chunk in waiting if chunk.intent_at is None and not batch.stop_reason]
    if not unsent:
        left_s = _open_jobs_left_s(waiting, job_times_s, now)
        return None if left_s is None else now + timedelta(seconds=left_s)
    row_s = _seconds_per_row(batch, chunks, now)
    if row_s is None:
        return None
    waves = {chunk.wave for chunk in unsent}
    before = [chunk for chunk in waiting if chunk.wave not in waves]
    open_s = _open_jobs_left_s(before, job_times_s, now) or 0
    largest = {wave: max(chunk.rows for chunk in unsent if chunk.wave == wave) for wave in waves}
    jobs_s = sum(_job_time_s(rows, ended) for rows in largest.values())
    left_s = open_s + sum(chunk.rows for chunk in unsent) * row_s + jobs_s
    return now + timedelta(seconds=left_s)


def _job_time_s(rows: int, ended: Sequence[Chunk]) -> float:
    """How long a job of so many rows takes: as most others of about its size, or else as its share of them.

    The last waves of a file have few rows each: taken for whole chunks, they would seem to take minutes.
    """
    alike = [chunk for chunk in ended if rows <= 2 * chunk.rows and chunk.rows <= 2 * rows]
    if alike:
        return median(_seconds(chunk.intent_at, chunk.ended_at) for chunk in alike if chunk.ended_at)
    times = (_seconds(chunk.intent_at, chunk.ended_at) for chunk in ended if chunk.ended_at)
    sizes = (chunk.rows for chunk in ended)
    return median(times) * min(1.0, rows / median(sizes))


def _open_jobs_left_s(waiting: Sequence[Chunk], job_times_s: Sequence[float], now: datetime) -> float | None:
    """The time until the open jobs end: they take as long as most others did, or else as the longest."""
    ages_s = [_seconds(chunk.intent_at, now) for chunk in waiting if chunk.intent_at]
    for usual_s in (median(job_times_s), max(job_times_s)):
        if ages_s and (left_s := usual_s - min(ages_s)) > 0:
            return left_s
    return None


def _seconds_per_row(batch: Batch, chunks: Sequence[Chunk], now: datetime) -> float | None:
    """The pace of sending in the largest wave begun, without canaries, after which sending waits."""
    canaries = 0 if not batch.has_canary else 2 if batch.canary_note else 1
    regular = chunks[canaries:]
    sent = Counter[int]()
    for chunk in regular:
        if chunk.intent_at:
            sent[chunk.wave] += chunk.rows
    if not sent:
        return None
    [(wave, rows)] = sent.most_common(1)
    times = [chunk.intent_at for chunk in regular if chunk.wave == wave]
    sent_at = [time for time in times if time]
    last = now if None in times else max(sent_at)
    return _seconds(min(sent_at), last) / rows


def _seconds(since: datetime | None, until: datetime) -> float:
    return (until - since).total_seconds() if since else 0.0
