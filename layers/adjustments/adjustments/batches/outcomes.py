"""Outcomes of sent rows and of chunks, and the final status of a batch that follows from them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from adjustments.batches.batch_parts import Counts
from adjustments.batches.payloads import customers_and_amounts
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus, ChunkState, Outcome
from adjustments.core.decimals import exact_sum


class RowOutcome(NamedTuple):
    """The outcome of one sent row; ``gameball_id`` is Gameball's own id of a transaction that is applied."""

    outcome: Outcome
    message: str
    gameball_id: str = ""


class Settlement(NamedTuple):
    """The outcomes of a chunk: its rows in order, their counts, and the exact sum of the applied amounts."""

    rows: Sequence[RowOutcome]
    counts: Counts
    applied_total: Decimal


@lru_cache(maxsize=1_024)
def read_outcome(outcome: str, message: str, gameball_id: str = "") -> RowOutcome:
    """Read a stored outcome; cached, since most rows have the same."""
    return RowOutcome(Outcome(outcome), message, gameball_id)


def settlement_of(rows: Sequence[str], outcomes: Sequence[RowOutcome]) -> Settlement:
    """Make the settlement of a chunk from its rows and their outcomes, in the same order."""
    return Settlement(
        outcomes,
        count(row.outcome for row in outcomes),
        _applied_total(customers_and_amounts(rows), outcomes),
    )


def count(outcomes: Iterable[Outcome]) -> Counts:
    """Count rows by outcome."""
    tally = Counter(outcomes)
    return Counts(rows=tally.total(), **{outcome.value: tally[outcome] for outcome in Outcome})


def shared_outcome(batch: Batch, chunk: Chunk) -> RowOutcome:
    """The outcome that all rows of a chunk share while it has no outcomes of its own."""
    match chunk.state:
        case ChunkState.PLANNED | ChunkState.NOT_SUBMITTED:
            why = "dry run: nothing was sent" if batch.dry_run else batch.stop_reason
            return RowOutcome(Outcome.NOT_SUBMITTED, why)
        case ChunkState.REFUSED:
            return RowOutcome(Outcome.FAILED, chunk.error)
        case _:
            return RowOutcome(
                Outcome.IN_DOUBT, chunk.error or "sent, and no answer says whether it was applied"
            )


def final_status(batch: Batch, counts: Counts) -> BatchStatus:
    """Decide in which status a batch ends, from the outcomes of its rows."""
    if batch.refusal:
        return BatchStatus.REJECTED
    if batch.dry_run:
        return BatchStatus.VALIDATED
    if counts.in_doubt or batch.past_deadline:
        return BatchStatus.NEEDS_ATTENTION
    if counts.not_submitted:
        return BatchStatus.STOPPED
    if counts.applied == counts.rows:
        return BatchStatus.COMPLETED
    return BatchStatus.COMPLETED_WITH_ERRORS


def _applied_total(sent: Sequence[tuple[str, Decimal]], outcomes: Sequence[RowOutcome]) -> Decimal:
    pairs = zip(sent, outcomes, strict=True)
    return exact_sum(amount for (_, amount), row in pairs if row.outcome is Outcome.APPLIED)
