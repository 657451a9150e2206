"""A batch and its chunks: what the table says of them, and how they move from state to state."""

from datetime import datetime
from functools import partial
from typing import Any

from pydantic import Field

from adjustments.batches.batch_parts import (
    Checkpoint,
    Counts,
    CsvDialect,
    Overlap,
    Prediction,
    Preview,
    Reconciliation,
    Resolution,
    Source,
    StoredModel,
    Submitter,
    default_of,
)
from adjustments.batches.states import BATCH_MOVES, CHUNK_MOVES, BatchStatus, ChunkState, SendAs
from adjustments.core.errors import WrongState


class Batch(StoredModel):
    """One accepted file or API body, and where it stands.

    Attributes:
        send_as: how its rows are sent; ``sending_note`` says so, and how long that takes.
        plan_id: the one planning run whose chunks count.
        submitted_by: who submitted it; None in records from before this was recorded.
        total: exact sum of the accepted amounts, as decimal text.
        absolute_total: sum of their magnitudes, as decimal text.
        refusal: why the whole file was refused.
        stop_reason: why nothing more is sent.
        pause_reason: why nothing is sent for now.
        canary_note: why a second canary is or was sent.
        approved_by: who approved it, at ``approved_at``; ``stopped_by`` is who stopped it, at ``stopped_at``.
        preview: what its approver sees of its rows; None where it never waited.
        keeps_jobs: whether the running jobs of the stopped batch may end.
        reverses: the batch that this one reverses; ``reversed_by`` is the batch that reverses this one.
        polled_past_deadline: whether its jobs were polled after the deadline, for the last time.
        executions: how often the state machine was started.
        notifications_sent: what was sent; ``notifying_since`` is when a run began to send another one.
        report_run_id: the one run that may write the result files; ``report_started_at`` is when it began.
        prediction: what a dry run predicted.
        csv_dialect: how the file was written.
        overlap: rows that earlier batches have; None where there are none.
        supersedes: the held batch that was stopped because its new rows came as this one.
        duplicate_of: the earlier batch for whose rows this one was refused.
        unapplied_key: the index of the rows that were not applied, once the batch has ended.
    """

    batch_id: str
    status: BatchStatus
    version: int = 1
    plan_id: str
    source: Source
    submitted_by: Submitter | None = None
    send_as: SendAs = SendAs.BATCH
    sending_note: str = ""
    dry_run: bool = False
    created_at: datetime
    deadline_at: datetime
    finished_at: datetime | None = None
    notes: tuple[str, ...] = ()
    counts: Counts = Field(default_factory=partial(default_of, Counts))
    prediction: Prediction | None = None
    total: str = "0"
    absolute_total: str = "0"
    applied_total: str = "0"
    chunks: int = 0
    waves: int = 0
    checkpoint: Checkpoint = Field(default_factory=partial(default_of, Checkpoint))
    row_parts: int = 0
    has_canary: bool = False
    canary_note: str = ""
    has_repeats: bool = False
    held_by: tuple[str, ...] = ()
    approved_by: str = ""
    approved_at: datetime | None = None
    preview: Preview | None = None
    refusal: str = ""
    stop_reason: str = ""
    stopped_by: str = ""
    stopped_at: datetime | None = None
    keeps_jobs: bool = False
    reverses: str = ""
    reversed_by: str = ""
    past_deadline: bool = False
    polled_past_deadline: bool = False
    pause_reason: str = ""
    dialect: str = ""
    executions: int = 0
    notifications_sent: tuple[str, ...] = ()
    notifying_since: datetime | None = None
    resolutions: tuple[Resolution, ...] = ()
    reconciliation: Reconciliation = Field(default_factory=partial(default_of, Reconciliation))
    report_run_id: str = ""
    report_started_at: datetime | None = None
    csv_dialect: CsvDialect = Field(default_factory=partial(default_of, CsvDialect))
    overlap: Overlap | None = None
    supersedes: str = ""
    duplicate_of: str = ""
    unapplied_key: str = ""

    @property
    def accepted_rows(self) -> int:
        """Rows that became adjustments."""
        return self.counts.rows - self.counts.rejected

    @property
    def is_open(self) -> bool:
        """Whether something is left to do: to end it, to notify of its end, or to write its results again."""
        return (
            not self.status.is_final
            or self.status.value not in self.notifications_sent
            or bool(self.report_run_id)
        )

    @property
    def overlap_holds(self) -> bool:
        """Whether it waits for approval for rows that were applied before: new-rows.csv has the others."""
        if self.overlap is None or self.overlap.new_rows is None:
            return False
        return self.status is BatchStatus.AWAITING_APPROVAL

    @property
    def never_sends(self) -> bool:
        """Whether it was stopped while it waited for approval, so that nothing of it was or will be sent."""
        return bool(self.held_by and self.stop_reason and not self.approved_by)

    @property
    def changed_no_balance(self) -> bool:
        """Whether it was refused, or has ended, without changing a balance, as far as anybody can know."""
        has_none = not (self.counts.applied or self.counts.in_doubt)
        return bool(self.refusal) or (self.status.is_final and has_none)

    def moved(self, status: BatchStatus, **changes: Any) -> "Batch":
        """Copy this batch with its next status, one version on.

        Raises:
            WrongState: the status can't follow the present one.
        """
        if status is not self.status and status not in BATCH_MOVES[self.status]:
            raise WrongState(f"batch {self.batch_id} is {self.status} and can't become {status}")
        return self.changed(status=status, **changes)

    def resolved(self, status: BatchStatus, **changes: Any) -> "Batch":
        """Copy this batch after rows in doubt were settled: the one way out of a final status."""
        self.check_resolvable()
        return self.changed(status=status, **changes)

    def check_resolvable(self) -> None:
        """Raise WrongState unless it needs attention: only then can rows in doubt be resolved."""
        if self.status is not BatchStatus.NEEDS_ATTENTION:
            raise WrongState(f"the batch is {self.status}; only one that needs_attention can be resolved")

    def changed(self, **changes: Any) -> "Batch":
        """Copy this batch with other values, one version on."""
        return self.replaced(**changes, version=self.version + 1)


class Chunk(StoredModel):
    """At most 1,000 adjustments of a batch, sent in one request; or 900, each sent as a transaction.

    Attributes:
        payload_key: the object with its rows; the halves of a refused chunk share that of the whole.
        first: its first row in the object; ``last`` is the row after its last one.
        token: fencing token of the one worker that may act on the intent.
        intent_at: when the intent to send was written.
        ended_at: when its job was first seen to have ended.
        outcomes_key: the object with the outcomes of its rows; of one that is sent as transactions and is not
            settled, with those that are known so far.
    """

    chunk_id: str
    wave: int
    state: ChunkState = ChunkState.PLANNED
    version: int = 1
    payload_key: str
    first: int = 0
    last: int
    sha256: str
    job_id: int | None = None
    token: str = ""
    intent_at: datetime | None = None
    ended_at: datetime | None = None
    not_before: datetime | None = None
    attempts: int = 0
    job_state: str = ""
    stop_requested: bool = False
    error: str = ""
    outcomes_key: str = ""
    counts: Counts = Field(default_factory=partial(default_of, Counts))
    applied_total: str = "0"

    @property
    def rows(self) -> int:
        """How many adjustments the chunk holds."""
        return self.last - self.first

    @property
    def is_untouched(self) -> bool:
        """Whether it was never tried to be sent, neither by itself nor as a part of another chunk."""
        return self.state is ChunkState.PLANNED and not self.attempts and "." not in self.chunk_id

    @property
    def is_final(self) -> bool:
        """Whether nothing can change it any more; rows in doubt may still be settled."""
        return not (CHUNK_MOVES[self.state] or self.counts.in_doubt)

    def settled(self, **changes: Any) -> "Chunk":
        """Copy this chunk with the outcomes of its rows, or with fewer rows in doubt than before."""
        if self.state is ChunkState.SETTLED and self.counts.in_doubt > changes["counts"].in_doubt:
            return self.changed(**changes)
        return self.moved(ChunkState.SETTLED, **changes)

    def changed(self, **changes: Any) -> "Chunk":
        """Copy this chunk with other values in the same state, one version on."""
        return self.replaced(**changes, version=self.version + 1)

    def moved(self, state: ChunkState, **changes: Any) -> "Chunk":
        """Copy this chunk with its next state, one version on.

        Raises:
            WrongState: the state can't follow the present one.
        """
        if state not in CHUNK_MOVES[self.state]:
            raise WrongState(f"chunk {self.chunk_id} is {self.state} and can't become {state}")
        return self.changed(state=state, **changes)
