"""The states of batches and chunks, and which may follow which: state only moves forward.

A batch::

    planned ───────────┬─▶ submitting ─▶ polling ─▶ completed | completed_with_errors
    awaiting_approval ─┘                            | stopped | needs_attention
    planned ─▶ rejected | validated

A chunk::

    planned ◀──▶ submitting ─▶ submitted ─▶ settled
       │            ├─▶ split (its two halves are chunks of their own)
       │            ├─▶ refused (one row, to blame for the refusal)
       │            └─▶ in_doubt ─▶ submitted (the answer came late) | settled (by evidence, or by a person)
       └─▶ not_submitted

A chunk that is sent as transactions: each of its rows is a request of its own, and what is known of them is
kept when it becomes planned again::

    planned ◀──▶ submitting ─▶ settled
       └─▶ not_submitted | settled (stopped; some of its rows were sent)
"""

from collections.abc import Mapping
from enum import StrEnum


class BatchStatus(StrEnum):
    """The status of a batch (docs/architecture.md, "States")."""

    PLANNED = "planned"
    AWAITING_APPROVAL = "awaiting_approval"
    SUBMITTING = "submitting"
    POLLING = "polling"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    VALIDATED = "validated"
    REJECTED = "rejected"
    STOPPED = "stopped"
    NEEDS_ATTENTION = "needs_attention"

    @property
    def is_final(self) -> bool:
        """Whether nothing but a person's resolve changes this status."""
        return not BATCH_MOVES[self]


class SendAs(StrEnum):
    """How a batch is sent: in requests of 1,000 rows, or each row as a manual transaction of its own."""

    BATCH = "batch"
    TRANSACTIONS = "transactions"


class ChunkState(StrEnum):
    """The state of a chunk (docs/architecture.md, "States")."""

    PLANNED = "planned"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    SETTLED = "settled"
    SPLIT = "split"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"
    NOT_SUBMITTED = "not_submitted"

    @property
    def is_over(self) -> bool:
        """Whether the batch need not wait for this chunk any longer."""
        return self not in _CHUNK_OPEN


_FINAL = frozenset(
    {
        BatchStatus.COMPLETED,
        BatchStatus.COMPLETED_WITH_ERRORS,
        BatchStatus.VALIDATED,
        BatchStatus.REJECTED,
        BatchStatus.STOPPED,
        BatchStatus.NEEDS_ATTENTION,
    }
)

BATCH_MOVES: Mapping[BatchStatus, frozenset[BatchStatus]] = {
    BatchStatus.PLANNED: frozenset({BatchStatus.SUBMITTING, BatchStatus.POLLING}) | _FINAL,
    BatchStatus.AWAITING_APPROVAL: frozenset({BatchStatus.SUBMITTING, BatchStatus.STOPPED}),
    BatchStatus.SUBMITTING: frozenset({BatchStatus.POLLING}) | _FINAL,
    BatchStatus.POLLING: _FINAL,
    **{final: frozenset() for final in _FINAL},
}

_CHUNK_OPEN = frozenset({ChunkState.PLANNED, ChunkState.SUBMITTING, ChunkState.SUBMITTED})

CHUNK_MOVES: Mapping[ChunkState, frozenset[ChunkState]] = {
    ChunkState.PLANNED: frozenset({ChunkState.SUBMITTING, ChunkState.NOT_SUBMITTED, ChunkState.SETTLED}),
    ChunkState.SUBMITTING: frozenset(
        {
            ChunkState.PLANNED,
            ChunkState.SUBMITTED,
            ChunkState.SETTLED,
            ChunkState.SPLIT,
            ChunkState.REFUSED,
            ChunkState.IN_DOUBT,
        }
    ),
    ChunkState.SUBMITTED: frozenset({ChunkState.SETTLED, ChunkState.IN_DOUBT}),
    ChunkState.IN_DOUBT: frozenset({ChunkState.SUBMITTED, ChunkState.SETTLED}),
    ChunkState.SETTLED: frozenset(),
    ChunkState.SPLIT: frozenset(),
    ChunkState.REFUSED: frozenset(),
    ChunkState.NOT_SUBMITTED: frozenset(),
}


class Outcome(StrEnum):
    """The outcome of an input row; each row ends with exactly one."""

    APPLIED = "applied"
    FAILED = "failed"
    REJECTED = "rejected"
    NOT_SUBMITTED = "not_submitted"
    IN_DOUBT = "in_doubt"
