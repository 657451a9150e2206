"""What people do with batches: list, show, approve, stop, resolve and reverse them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from adjustments.administration.reversal import create_reversal
from adjustments.aws.event_log import log_event, log_failure
from adjustments.batches.batch_parts import Resolution, Submitter
from adjustments.batches.files import NEW_ROWS, UPLOADER, Files, Upload
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus, Outcome
from adjustments.batches.store import BatchFilter, BatchStore, find_dry_run, update_batch
from adjustments.core.errors import NotFound, WrongState
from adjustments.core.ids import earliest_id, is_batch_id
from adjustments.core.limits import LINK_S, PAGE_ROWS_MAX, UPLOAD_BYTES_MAX, UPLOAD_S
from adjustments.core.printable import visible
from adjustments.core.runtime import Clock, Ids
from adjustments.polling.job_client import JobStopper
from adjustments.polling.settlement import ChunkSettler
from adjustments.reconciliation.resolution import ResolveRequest
from adjustments.results.notifications import Notifier
from adjustments.results.summary import instant, preview_json, progress_of, summary_of

if TYPE_CHECKING:
    from adjustments.submission.sender import BatchStarter

PAGE_BATCHES_MAX: Final = 100
BATCH_ID_CHARS_MAX: Final = 80
RESULT_FILES: Final = ("results.csv", "fix-me.csv", "summary.json", "report.html")
STOP_TIME: Final = timedelta(seconds=15)
"""How long a call stops jobs; the state machine stops the others."""

UPLOADS: Final = "inbox/uploads/"
"""Where files go that are uploaded by a link."""

_FILE_NAME: Final = re.compile(r"(?=.{1,100}$)[A-Za-z0-9][A-Za-z0-9._-]*\.csv(\.gz)?", re.ASCII)
_UNDER_WAY: Final = "planned, awaiting_approval, submitting, polling"


def _in_utc(at: datetime) -> datetime:
    """A time without an offset is in UTC; only years that ids can have are read, so that ids sort by time."""
    if not 2000 <= at.year < 3000:
        raise PydanticCustomError("year", "must be a time of the years 2000 to 2999")
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _check_cursor(text: str) -> str:
    if not is_batch_id(text):
        raise PydanticCustomError("cursor", 'must be the value of "next" in the page before')
    return text


def _check_name(text: str) -> str:
    if not _FILE_NAME.fullmatch(text):
        raise PydanticCustomError(
            "file_name",
            "must end in .csv or .csv.gz and have at most 100 letters, digits, dots, dashes and underscores",
        )
    return text


class PageRequest(BaseModel):
    """Which batches to list: those dropped from ``since`` on and before ``until``."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    status: BatchStatus | None = None
    since: Annotated[datetime, AfterValidator(_in_utc)] | None = None
    until: Annotated[datetime, AfterValidator(_in_utc)] | None = None
    limit: int = Field(20, ge=1, le=PAGE_BATCHES_MAX)
    after: Annotated[str, AfterValidator(_check_cursor)] | None = None

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.since and self.until and self.until < self.since:
            raise PydanticCustomError("order", "until: must not be before since")
        return self

    @property
    def wanted(self) -> BatchFilter:
        """Which batches these are."""
        first, end = (earliest_id(at) if at else "" for at in (self.since, self.until))
        return BatchFilter(self.status, first, end)


class RowPageRequest(BaseModel):
    """Which rows of a batch to list: those of one status, or all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    status: Outcome | None = None
    limit: int = Field(100, ge=1, le=PAGE_ROWS_MAX)
    after: str | None = None


class ApprovalRequest(BaseModel):
    """What the approver expects of the batch; a field that is given must be true of it.

    A misspelt field is refused, so that no expectation is ignored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    sha256: str | None = None
    rows: StrictInt | None = None
    requested: Decimal | None = None


class StopRequest(BaseModel):
    """Why a batch is stopped, and whether its running jobs may end."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    note: str = Field("", max_length=500)
    keep_jobs: StrictBool = Field(False, alias="keepJobs")


class UploadRequest(BaseModel):
    """What a caller wants to upload by a link."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: Annotated[str, AfterValidator(_check_name)] = "upload.csv"
    dry_run: StrictBool = Field(False, alias="dryRun")


@dataclass(frozen=True, kw_only=True)
class BatchAdministration:
    """Shows batches, and carries out what people decide about them.

    Args:
        resolve_rows: settles rows in doubt; see ``Resolver.resolve``.
        approver_may_be_uploader: whether people may approve a batch that they submitted themselves.
    """

    store: BatchStore
    files: Files
    settler: ChunkSettler
    starter: "BatchStarter"
    stopper: JobStopper
    resolve_rows: Callable[[str, str, ResolveRequest], tuple[Batch, int]]
    notifier: Notifier
    clock: Clock
    ids: Ids
    approver_may_be_uploader: bool

    def list_batches(self, request: PageRequest) -> Mapping[str, Any]:
        """List a page of batches, newest first."""
        batches, following = self.store.batches(request.wanted, request.limit, request.after)
        return {"batches": [summary_of(batch, ()) for batch in batches], "next": following}

    def show(self, batch_id: str) -> Mapping[str, Any]:
        """Show a batch: its jobs, its progress, who decided what, and links to its results, which expire."""
        batch = self.store.batch(batch_id)
        chunks = self.store.chunks(batch_id, batch.plan_id)
        return {
            **summary_of(batch, chunks),
            "progress": progress_of(batch, chunks, self.clock.now()),
            "heldBy": list(map(visible, batch.held_by)),
            "preview": self._preview(batch),
            "approvedBy": visible(batch.approved_by) or None,
            "approvedAt": batch.approved_at and instant(batch.approved_at),
            "stoppedBy": visible(batch.stopped_by) or None,
            "stoppedAt": batch.stopped_at and instant(batch.stopped_at),
            "keepJobs": batch.keeps_jobs,
            "resolutions": list(map(_resolution_json, batch.resolutions)),
            "duplicateOf": batch.duplicate_of or None,
            "supersedes": batch.supersedes or None,
            "reverses": batch.reverses or None,
            "reversedBy": batch.reversed_by or None,
            "links": self._links(batch),
        }

    def list_rows(self, batch_id: str, request: RowPageRequest) -> Mapping[str, Any]:
        """List a page of a batch's rows: until it has ended, those whose outcomes are known.

        A list that was begun before the end goes on as such.
        """
        from adjustments.results.row_pages import list_rows
        from adjustments.results.rows_under_way import is_cursor, list_known_rows

        batch, page = self.store.batch(batch_id), (request.status, request.limit, request.after)
        if batch.status.is_final and not is_cursor(request.after or ""):
            return list_rows(batch, self.files, *page)
        chunks = self.store.chunks(batch_id, batch.plan_id)
        return list_known_rows(batch, chunks, self.files, self.settler, *page)

    def offer_upload(self, request: UploadRequest, by: str) -> Mapping[str, Any]:
        """Make a form by which its holder uploads one file into the inbox, in the caller's name.

        Args:
            request: what the file is.
            by: who asks for it; the file's batch counts as submitted by them.
        """
        key = f"{UPLOADS}{self.ids.fresh()}/{request.name}"
        metadata = {UPLOADER: by, **({"dry-run": "true"} if request.dry_run else {})}
        form = self.files.upload_form(Upload(key, metadata, UPLOAD_BYTES_MAX), UPLOAD_S)
        return {
            "url": form.url,
            "fields": dict(form.fields),
            "key": key,
            "bytesMax": UPLOAD_BYTES_MAX,
            "expiresAt": instant(self.clock.now() + timedelta(seconds=UPLOAD_S)),
        }

    def _preview(self, batch: Batch) -> dict[str, Any] | None:
        """What an approver sees of a batch: sums, customers, rows, reasons, and what a dry run predicted."""
        return preview_json(batch, find_dry_run(self.store, batch)) if batch.preview else None

    def _links(self, batch: Batch) -> dict[str, str]:
        folder = f"results/{batch.batch_id}"
        if batch.overlap_holds:
            return {NEW_ROWS: self.files.link(f"{folder}/{NEW_ROWS}", LINK_S)}
        if not batch.status.is_final:
            return {}
        return {name: self.files.link(f"{folder}/{name}", LINK_S) for name in RESULT_FILES}

    def approve(self, batch_id: str, by: str, expected: ApprovalRequest) -> Batch:
        """Approve a batch that is awaiting approval, and start it.

        Args:
            batch_id: the batch.
            by: who approves.
            expected: what the approver expects of the batch.

        Raises:
            WrongState: the batch is not awaiting approval, was submitted by who approves it, differs from
                what is expected, or its file was changed or removed since it was planned.
        """
        approved = update_batch(self.store, batch_id, lambda batch: self._approved(batch, by, expected))
        log_event("batch approved", approved)
        return self.starter.start(approved)

    def _approved(self, batch: Batch, by: str, expected: ApprovalRequest) -> Batch:
        if batch.status is not BatchStatus.AWAITING_APPROVAL:
            raise WrongState(
                f"the batch is {batch.status}; only a batch that is awaiting_approval can be approved"
            )
        if batch.submitted_by and batch.submitted_by.is_by(by) and not self.approver_may_be_uploader:
            raise WrongState(_own_batch(batch.submitted_by))
        if difference := self._find_difference(batch, expected):
            raise WrongState(f"not approved: {difference}; show the batch again before you approve it")
        deadline_at = batch.deadline_at + (self.clock.now() - batch.created_at)
        now = self.clock.now()
        return batch.moved(BatchStatus.SUBMITTING, approved_by=by, approved_at=now, deadline_at=deadline_at)

    def stop(self, batch_id: str, by: str, note: str, *, keep_jobs: bool = False) -> Batch:
        """Send nothing more of a batch, and stop its running jobs at Gameball.

        What was applied already stays applied; the results show it once all jobs have ended. Jobs that are
        not stopped within ``STOP_TIME`` are stopped by the state machine.

        Args:
            batch_id: the batch.
            by: who stops it.
            note: why; may be empty.
            keep_jobs: let running jobs end, so that Gameball lists the outcomes of their rows.

        Raises:
            WrongState: the batch can't be stopped, or keep_jobs is set after its jobs were stopped.
        """
        reason = f"stopped by {by}" + (f": {note}" if note else "")
        now = self.clock.now()
        batch = update_batch(self.store, batch_id, lambda batch: _stopped(batch, by, reason, keep_jobs, now))
        log_event("batch stopped", batch)
        self.stopper.stop_jobs(batch, now + STOP_TIME)
        return self.starter.start(batch)

    def resolve(self, batch_id: str, by: str, request: ResolveRequest) -> tuple[Batch, int]:
        """Settle rows in doubt as a person says, and send notifications of it.

        Args:
            batch_id: the batch.
            by: who says so.
            request: the rows, their outcome and why.

        Returns:
            The batch after that, and how many rows were settled.

        Raises:
            WrongState: nothing was settled: the batch has no row in doubt, or a given line is not in doubt.
        """
        batch, rows = self.resolve_rows(batch_id, by, request)
        try:
            self.notifier.notify(batch_id)
        except Exception as error:  # the rows are settled, which the caller has to know; the sweep notifies
            log_failure("notification not sent", batch_id, error)
        return batch, rows

    def reverse(self, batch_id: str) -> Mapping[str, Any]:
        """Create the file that reverses a batch; see ``create_reversal``."""
        return create_reversal(batch_id, store=self.store, files=self.files, settler=self.settler)

    def _find_difference(self, batch: Batch, expected: ApprovalRequest) -> str:
        """Say in what a batch differs from what its approver expects; empty if in nothing."""
        compared = {
            "the content's sha256": (expected.sha256, batch.source.sha256),
            "the number of rows": (expected.rows, batch.accepted_rows),
            "the requested total": (expected.requested, Decimal(batch.total)),
        }
        for name, (value, actual) in compared.items():
            if value is not None and value != actual:
                return f"{name} is {actual}, not {value}"
        try:
            newest = self.files.describe(batch.source.key, None)
        except NotFound:
            return "the file was removed since it was planned"
        is_same = newest.version_id == batch.source.version_id
        return "" if is_same else "the file was changed since it was planned"


def _own_batch(submitter: Submitter) -> str:
    """Say why a person can't approve a batch."""
    known = "you submitted it" if submitter.identity else "its file says that you uploaded it"
    return f"not approved: {known}, so another person has to approve it (parameter ApproverMayBeUploader)"


def _resolution_json(done: Resolution) -> dict[str, Any]:
    named = {"by": visible(done.by), "note": visible(done.note)}
    return {**dict(done), **named, "at": instant(done.at)}


def _stopped(batch: Batch, by: str, reason: str, keep_jobs: bool, now: datetime) -> Batch:
    """The batch, stopped; one that is awaiting approval becomes submitting, so that it ends."""
    if batch.dry_run:
        raise WrongState(f"the batch is {batch.status} and a dry run: it sends nothing that could be stopped")
    if batch.status.is_final:
        raise WrongState(f"the batch is {batch.status}; only a batch under way can be stopped ({_UNDER_WAY})")
    if batch.stopped_by and keep_jobs and not batch.keeps_jobs:
        raise WrongState("keepJobs is too late: the batch was stopped before, and so were its running jobs")
    if batch.stopped_by:
        by, reason, now = batch.stopped_by, batch.stop_reason, batch.stopped_at or now
    decided = {"stop_reason": reason, "stopped_by": by, "stopped_at": now, "keeps_jobs": keep_jobs}
    if batch.status is BatchStatus.AWAITING_APPROVAL:
        return batch.moved(BatchStatus.SUBMITTING, **decided)
    return batch.changed(**decided)


def check_batch_id(batch_id: str) -> None:
    """Raise NotFound if no batch can have this id."""
    if not is_batch_id(batch_id):
        raise NotFound(f"there is no batch {batch_id[:BATCH_ID_CHARS_MAX]}")


def describe_decision(batch: Batch) -> dict[str, Any]:
    """Describe a batch after a decision about it."""
    return {"batchId": batch.batch_id, "status": batch.status.value}
