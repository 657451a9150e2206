"""Rows, chunks and batches, and the form in which the table keeps them."""

from datetime import datetime
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from adjustments.batches.states import BATCH_MOVES, CHUNK_MOVES, BatchStatus, ChunkState, Outcome
from adjustments.core.errors import WrongState

__all__ = [
    "Batch",
    "Checkpoint",
    "Chunk",
    "Counts",
    "CsvDialect",
    "Outcome",
    "Prediction",
    "Reconciliation",
    "Rejection",
    "Resolution",
    "Row",
    "Source",
]  # fmt: skip


class StoredModel(BaseModel):
    """The base of what the table keeps: immutable, with camelCase names in storage.

    Fields that a newer version of this package has added are ignored when read, and fields that an older
    version did not write get their defaults, so that both can work on one table during a deployment.
    """

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="ignore",
    )

    def values(self) -> dict[str, Any]:
        """The fields and their values."""
        return dict(self)

    def replaced(self, **changes: Any) -> Self:
        """This record with other values; raises TypeError for a name that is no field."""
        if unknown := changes.keys() - type(self).model_fields.keys():
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        return self.model_copy(update=changes)


class Row(NamedTuple):
    """One input row that can be sent: an adjustment.

    ``amount`` is a JSON number in canonical form with exactly the digits of the file; ``cells`` are the row's
    own fields as they stood in the file, for fix-me.csv.
    """

    line: int
    customer_id: str
    amount: str
    reason: str
    cells: list[str]


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


class Prediction(StoredModel):
    """What a real run would do to the accepted rows of a dry run; ``not_predicted`` is what is not known."""

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
    """The chunks, from the first one on, that nothing can change any more: looks begin behind them.

    ``through`` is the last of them; ``rows`` and ``failed`` add up what became of them; ``sent_at`` is when
    one of them was last sent.
    """

    through: str = ""
    chunks: int = 0
    rows: int = 0
    failed: int = 0
    sent_at: datetime | None = None


class Reconciliation(StoredModel):
    """How far the search for evidence on a batch's rows in doubt has come (batches/lookup_rounds.py).

    ``round`` counts the rounds, in each of which every row in doubt is looked up once; ``begun_at`` is when
    this one began, ``looked_up_at`` when something was last looked up; ``rows_looked_up`` were looked up in
    this round, ``rows_left`` were not yet; ``jobs_asked`` says that the jobs were asked for in this round.
    ``lookup_progress_key`` names the work file with the customers that were looked up. ``lease_token`` names
    the one run that may look, until ``lease_until``.
    """

    round: int = 0
    begun_at: datetime | None = None
    looked_up_at: datetime | None = None
    rows_looked_up: int = 0
    rows_left: int = 0
    jobs_asked: bool = False
    lookup_progress_key: str = ""
    lease_token: str = ""
    lease_until: datetime | None = None


class Batch(StoredModel):
    """One accepted file or API body, and where it stands.

    ``plan_id`` names the one planning run whose chunks count; ``total`` is the exact sum of the accepted
    amounts and ``absolute_total`` the sum of their magnitudes, as decimal text; ``refusal`` says why the
    whole file was refused, ``stop_reason`` why nothing more is sent, ``pause_reason`` why nothing is sent for
    now, ``canary_note`` why a second canary goes or went;
    ``approved_by`` and ``stopped_by`` are the identities of who did so; ``keeps_jobs`` says that the stopped
    batch's running jobs may end; ``reverses`` and ``reversed_by`` name
    the other half of a reversal; ``polled_past_deadline`` says that its jobs were asked for after the
    deadline, for the last time; ``executions`` counts the starts of the state machine;
    ``notifications_sent`` holds the facts that were told already; ``notifying_since`` is when a run began
    to tell one more; ``reconciliation`` says how far rows in doubt were looked up; ``report_run_id`` names
    the one run that may write the result files until they belong to the record, ``report_started_at`` when it
    began; ``prediction`` is what a dry run has found; ``csv_dialect`` is how the file was
    written.
    """

    batch_id: str
    status: BatchStatus
    version: int = 1
    plan_id: str
    source: Source
    dry_run: bool = False
    created_at: datetime
    deadline_at: datetime
    finished_at: datetime | None = None
    notes: tuple[str, ...] = ()
    counts: Counts = Counts()
    prediction: Prediction | None = None
    total: str = "0"
    absolute_total: str = "0"
    applied_total: str = "0"
    chunks: int = 0
    waves: int = 0
    checkpoint: Checkpoint = Checkpoint()
    row_parts: int = 0
    has_canary: bool = False
    canary_note: str = ""
    has_repeats: bool = False
    held_by: tuple[str, ...] = ()
    approved_by: str = ""
    refusal: str = ""
    stop_reason: str = ""
    stopped_by: str = ""
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
    reconciliation: Reconciliation = Reconciliation()
    report_run_id: str = ""
    report_started_at: datetime | None = None
    csv_dialect: CsvDialect = CsvDialect()

    @property
    def accepted_rows(self) -> int:
        """Rows that became adjustments."""
        return self.counts.rows - self.counts.rejected

    @property
    def is_open(self) -> bool:
        """Whether something is left to do: to end it, to tell of its end, or to write its results anew."""
        return (
            not self.status.is_final
            or self.status.value not in self.notifications_sent
            or bool(self.report_run_id)
        )

    @property
    def changed_no_balance(self) -> bool:
        """Whether it has ended and surely changed no balance."""
        return self.status.is_final and not (self.counts.applied or self.counts.in_doubt)

    def moved(self, status: BatchStatus, **changes: Any) -> "Batch":
        """This batch in its next status; raises WrongState where that would not be forward."""
        if status is not self.status and status not in BATCH_MOVES[self.status]:
            raise WrongState(f"batch {self.batch_id} is {self.status} and can't become {status}")
        return self.changed(status=status, **changes)

    def resolved(self, status: BatchStatus, **changes: Any) -> "Batch":
        """This batch after rows in doubt were settled: the one way out of a final status."""
        self.check_resolvable()
        return self.changed(status=status, **changes)

    def check_resolvable(self) -> None:
        """Raise WrongState unless it needs attention: only then can rows in doubt be resolved."""
        if self.status is not BatchStatus.NEEDS_ATTENTION:
            raise WrongState(f"the batch is {self.status}; only one that needs_attention can be resolved")

    def changed(self, **changes: Any) -> "Batch":
        """This batch with other values, one version on."""
        return self.replaced(**changes, version=self.version + 1)


class Chunk(StoredModel):
    """At most 1,000 adjustments of a batch, sent in one request.

    The request's body is lines ``first`` to ``last`` (exclusive) of the rows in object ``payload_key``;
    halves of a refused chunk share the object of the whole. ``token`` fences the one worker that may act on
    an intent. ``intent_at`` is when it was sent, ``ended_at`` when its job was seen to have ended.
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
    counts: Counts = Counts()
    applied_total: str = "0"

    @property
    def rows(self) -> int:
        """How many adjustments the chunk holds."""
        return self.last - self.first

    @property
    def is_untouched(self) -> bool:
        """Whether nobody has tried to send it, be it as a part of another one."""
        return self.state is ChunkState.PLANNED and not self.attempts and "." not in self.chunk_id

    @property
    def is_final(self) -> bool:
        """Whether nothing can change it any more: rows in doubt may still become certain."""
        return not (CHUNK_MOVES[self.state] or self.counts.in_doubt)

    def settled(self, **changes: Any) -> "Chunk":
        """This chunk with the outcomes of its rows, or, where some were in doubt, with better ones."""
        if self.state is ChunkState.SETTLED and self.counts.in_doubt > changes["counts"].in_doubt:
            return self.changed(**changes)
        return self.moved(ChunkState.SETTLED, **changes)

    def changed(self, **changes: Any) -> "Chunk":
        """This chunk with other values in the same state, one version on."""
        return self.replaced(**changes, version=self.version + 1)

    def moved(self, state: ChunkState, **changes: Any) -> "Chunk":
        """This chunk in its next state, one version on; raises WrongState where that would not be forward."""
        if state not in CHUNK_MOVES[self.state]:
            raise WrongState(f"chunk {self.chunk_id} is {self.state} and can't become {state}")
        return self.changed(state=state, **changes)
