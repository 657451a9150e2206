"""Rows, batches and chunks, and the form in which the table stores them."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from adjustments.batches.states import BATCH_MOVES, CHUNK_MOVES, BatchStatus, ChunkState, Outcome, SendAs
from adjustments.core.errors import WrongState

__all__ = [
    "Batch",
    "Checkpoint",
    "Chunk",
    "Counts",
    "CsvDialect",
    "Outcome",
    "Overlap",
    "OverlappedBatch",
    "Prediction",
    "Preview",
    "PreviewReason",
    "PreviewRow",
    "Reconciliation",
    "Rejection",
    "Resolution",
    "Row",
    "Source",
    "Submitter",
]  # fmt: skip


class StoredModel(BaseModel):
    """The base of stored records: immutable, with camelCase names in storage.

    Fields that a newer version of this package has added are ignored when read, and fields that an older
    version did not write get their defaults, so that both can work on one table during a deployment.

    Validators are built at the first use (pydantic, "defer_build"), as not every function that imports these
    models reads batches.
    """

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="ignore",
        defer_build=True,
    )

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Validate a stored record, and share what is the same in many of its kind.

        Of a large batch, ten thousand chunks are held at once. The names of the fields that were set, and
        counts that most chunks have, took more than half of their memory.

        Args:
            stored: the record by the names that it has in storage.
        """
        valid = {
            name: _shared(value) if isinstance(value, Counts) else value
            for name, value in cls.model_validate(stored)
        }
        return cast(Self, cls.model_construct(_field_names(cls), **valid))

    def replaced(self, **changes: Any) -> Self:
        """Copy this record with other values.

        Raises:
            TypeError: a name is no field.
        """
        if unknown := changes.keys() - type(self).model_fields.keys():
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        return self.model_copy(update=changes)


Record = TypeVar("Record", bound=StoredModel)


@cache
def _default(model: type[Record]) -> Record:
    """The record with all defaults: one for all, made at its first use, which builds its validator."""
    return model()


class Submitter(StoredModel):
    """Who submitted a batch, as far as it is known; what is empty is not known.

    Attributes:
        trigger: what brought the batch: ``api``, ``drop`` or ``schedule``.
        identity: the IAM identity (ARN) that called the API. AWS has proven it.
        claimed_identity: the identity that the metadata of the object names as its uploader's. Whoever
            uploads an object may write anything into its metadata.
        account: the AWS account, or the AWS service, that stored the object (S3's event).
        source_ip: the address from which it was stored (S3's event).
        request_id: S3's id of that request, by which CloudTrail's record of it is found.
    """

    trigger: str = ""
    identity: str = ""
    claimed_identity: str = ""
    account: str = ""
    source_ip: str = ""
    request_id: str = ""

    def is_by(self, identity: str) -> bool:
        """Whether an IAM identity submitted the batch, or is claimed to have done so."""
        return bool(identity) and identity in (self.identity, self.claimed_identity)


class Row(NamedTuple):
    """One input row that can be sent: an adjustment.

    ``amount`` is a JSON number in canonical form with exactly the digits of the file; ``cells`` are the row's
    own fields as they stood in the file, for fix-me.csv. Of a row that is sent as a transaction, ``request``
    is the whole request, and ``own_id`` the transactionId that the file has for it.
    """

    line: int
    customer_id: str
    amount: str
    reason: str
    cells: list[str]
    request: str = ""
    own_id: str = ""


class Rejection(NamedTuple):
    """One input row that is never sent.

    ``customer_id``, ``amount`` and ``reason`` are what could be read of them, unchanged and perhaps empty;
    ``column`` is the header's name of the offending column, ``text`` the offending text, shortened;
    ``message`` says what is wrong and what to do.
    """

    line: int
    customer_id: str
    amount: str
    reason: str
    cells: list[str]
    problem: str
    column: str
    text: str
    message: str


class Source(StoredModel):
    """The thing that was dropped: one version of one object.

    ``sha256`` is the hash of the file's normalised rows, not of its bytes.
    """

    bucket: str
    key: str
    version_id: str = ""
    sha256: str = ""


class CsvDialect(StoredModel):
    """How a file was written, so that its result files are written likewise.

    ``encoding`` is ``utf-16`` for a file in UTF-16, and ``utf-8`` for any other; ``has_mark`` says that a
    byte-order mark comes first.
    """

    delimiter: str = ","
    line_end: str = "\r\n"
    encoding: str = "utf-8"
    has_mark: bool = False


class Counts(StoredModel):
    """Rows by outcome; they add up to ``rows`` once a batch is final."""

    rows: int = 0
    applied: int = 0
    failed: int = 0
    rejected: int = 0
    not_submitted: int = 0
    in_doubt: int = 0


@cache
def _field_names(model: type[StoredModel]) -> set[str]:
    return set(model.model_fields)


@lru_cache(maxsize=1_024)
def _shared(counts: Counts) -> Counts:
    return counts


class Prediction(StoredModel):
    """Predicted outcomes of the accepted rows of a dry run; ``not_predicted`` counts those without one."""

    would_apply: int = 0
    would_overdraw: int = 0
    unknown_customer: int = 0
    not_predicted: int = 0


class Resolution(StoredModel):
    """Who settled rows in doubt, how many, and why."""

    at: datetime
    by: str
    note: str
    rows: int


class Checkpoint(StoredModel):
    """The leading chunks that are final, so that they need not be read again.

    ``through`` is the id of the last of them; ``rows`` and ``failed`` count their rows; ``sent_at`` is when
    one of them was last sent.
    """

    through: str = ""
    chunks: int = 0
    rows: int = 0
    failed: int = 0
    sent_at: datetime | None = None


class Reconciliation(StoredModel):
    """The progress of the search for evidence on a batch's rows in doubt (batches/lookup_rounds.py).

    ``round`` counts the rounds; each looks up every row in doubt once. ``begun_at`` is when this round began,
    ``looked_up_at`` when the last row was looked up; ``rows_looked_up`` and ``rows_left`` count rows of this
    round; ``jobs_polled`` says that the status of the jobs was fetched in this round. ``lookup_progress_key``
    is the key of the work file with the customers that were looked up. ``lease_token`` names the one run that
    may look up rows, until ``lease_until``.
    """

    round: int = 0
    begun_at: datetime | None = None
    looked_up_at: datetime | None = None
    rows_looked_up: int = 0
    rows_left: int = 0
    jobs_polled: bool = False
    lookup_progress_key: str = ""
    lease_token: str = ""
    lease_until: datetime | None = None


class OverlappedBatch(StoredModel):
    """An earlier batch with rows that a later one repeats: how many, and where it stood then."""

    batch_id: str
    rows: int
    planned_at: datetime
    status: str = ""


class Overlap(StoredModel):
    """How many rows of a batch earlier ones applied, or may yet apply; the batches with the most of them.

    ``new_rows`` counts the rows in new-rows.csv, which is written where the batch is held for its overlap.
    """

    rows: int
    new_rows: int | None = None
    batches: tuple[OverlappedBatch, ...] = ()


class PreviewRow(StoredModel):
    """A row as an approver sees it; the amount is decimal text."""

    line: int
    customer_id: str
    amount: str
    reason: str = ""


class PreviewReason(StoredModel):
    """A reason, and how many accepted rows have it."""

    reason: str
    rows: int


class Preview(StoredModel):
    """What an approver sees of a batch that waits.

    ``added`` and ``deducted`` are exact sums as decimal text. ``new_customers`` counts those that no batch of
    the last 30 days has; None where that was not counted. ``reasons`` are the most frequent ones;
    ``has_more_reasons`` says that there are others.
    """

    added: str = "0"
    deducted: str = "0"
    customers: int = 0
    new_customers: int | None = None
    first: tuple[PreviewRow, ...] = ()
    largest: tuple[PreviewRow, ...] = ()
    reasons: tuple[PreviewReason, ...] = ()
    has_more_reasons: bool = False


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
    counts: Counts = Field(default_factory=partial(_default, Counts))
    prediction: Prediction | None = None
    total: str = "0"
    absolute_total: str = "0"
    applied_total: str = "0"
    chunks: int = 0
    waves: int = 0
    checkpoint: Checkpoint = Field(default_factory=partial(_default, Checkpoint))
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
    reconciliation: Reconciliation = Field(default_factory=partial(_default, Reconciliation))
    report_run_id: str = ""
    report_started_at: datetime | None = None
    csv_dialect: CsvDialect = Field(default_factory=partial(_default, CsvDialect))
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
    """At most 1,000 adjustments of a batch, sent in one request; or 300, each sent as a transaction.

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
    counts: Counts = Field(default_factory=partial(_default, Counts))
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
