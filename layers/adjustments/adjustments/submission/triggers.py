"""Submits files: says which objects are files of adjustments, plans the batch of each, and starts it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from adjustments.aws.event_log import log_failure, log_warning
from adjustments.batches.batch_parts import Submitter
from adjustments.batches.files import UPLOADER, Files, StoredObject, open_unreadable
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchStore, Snapshot
from adjustments.core.errors import NotFound, WrongState
from adjustments.core.ids import batch_id
from adjustments.core.limits import IDENTITY_CHARS_MAX
from adjustments.core.printable import storable, visible
from adjustments.submission.plan import Drop
from adjustments.submission.planner import DELETED_MESSAGE, PlannerPorts, plan_batch
from adjustments.submission.sender import BatchStarter

INBOX: Final = "inbox/"
DRY_RUN: Final = "dry-run/"
RECURRING: Final = "recurring/"
FOLDERS: Final = (INBOX, DRY_RUN, RECURRING)
"""The folders for files of people. What lies elsewhere in the bucket is the stack's own, or misplaced."""

OWN_FOLDERS: Final = ("results/", "work/")
"""What the stack itself writes; no event of it arrives (template.yaml, InboxRule)."""

_CSV_ENDINGS: Final = (".csv", ".csv.gz")
_SPREADSHEETS: Final = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_DATA_ENDINGS: Final = (*_CSV_ENDINGS, *_SPREADSHEETS, ".tsv", ".txt", ".zip", ".gz")
"""How files of rows end. Elsewhere than in the three folders, files with other endings are left alone."""

_NOT_READ: Final = "nothing of it was read or sent"
_SPREADSHEET: Final = (
    'the file is a spreadsheet, and only CSV files are read; {}. In the spreadsheet, choose "Save as" and '
    '"CSV UTF-8", and drop that file under {}'
)
_OTHER: Final = (
    "the file's name does not end in .csv or .csv.gz, and only such files are read; {}. If it is a CSV file, "
    "drop it under {} with a name that ends in .csv"
)
_WRONG_FOLDER: Final = (
    "the file lies {}, where no files are taken from; {}. Drop it under inbox/ to apply it, under dry-run/ "
    "to only check it, or under recurring/ to apply it at each tick of the schedule (all in lower case, at "
    "the top of the bucket)"
)

DROP: Final = Submitter(trigger="drop")
"""Who dropped a file of which nothing is known."""


class IntakeQueue(Protocol):
    """The queue of events of dropped files, and of recurring files whose turn it is."""

    def put(self, stored: StoredObject) -> None:
        """Queue an object of the inbox as if its event had come again."""

    def put_recurring(self, key: str, due_at: datetime) -> None:
        """Queue a recurring file for one due time of the schedule, UTC."""


@dataclass(frozen=True, kw_only=True)
class SubmissionTriggers:
    """Submits objects of the inbox, and drops of any other kind.

    Args:
        notify: notifies people of a batch's status.
    """

    files: Files
    store: BatchStore
    planner_ports: PlannerPorts
    starter: BatchStarter
    notify: Callable[[str], Batch]

    def submit_object(
        self,
        key: str,
        version_id: str | None,
        created_at: datetime | None = None,
        *,
        is_copy: bool = False,
        submitter: Submitter = DROP,
    ) -> Batch | None:
        """Submit an object that a person has stored in the bucket.

        A CSV file under ``inbox/`` becomes a batch; one under ``dry-run/`` a dry run, and so does one under
        ``recurring/``, which is checked before its turn comes. Anything else becomes a refused batch that
        says what to do.

        Args:
            key: the object's key.
            version_id: its version; None for the newest, where the event named none.
            created_at: when the object was created, as the event says; with it, a version that was deleted
                meanwhile becomes a refused batch.
            is_copy: whether it is a copy of another object, or may be one.
            submitter: what the event says about who stored it.

        Returns:
            The batch; None for an object that is nobody's file, such as the marker of a folder.

        Raises:
            NotFound: there is no such object, and too little is known to name a batch by.
        """
        if problem := problem_of(key):
            return self._refuse(key, version_id, created_at, problem, submitter)
        folder = next((one for one in FOLDERS if is_csv_in(one, key)), "")
        if not folder:
            return None
        try:
            opened = self.files.open(key, version_id)
        except NotFound:
            if version_id is None or created_at is None:
                raise
            deleted = StoredObject(self.files.bucket, key, version_id, 0, created_at, metadata={})
            opened = open_unreadable(deleted, DELETED_MESSAGE)
        if not is_copy:  # a copy takes over the metadata, which says who uploaded the other object
            submitter = submitter.replaced(claimed_identity=claimed_identity(opened.stored))
        drop = _drop_of(opened.stored)
        drop = drop._replace(blocks=opened.blocks, is_copy=is_copy, submitter=submitter)
        return self.submit(drop if folder == INBOX else drop.checked(is_recurring=folder == RECURRING))

    def _refuse(
        self,
        key: str,
        version_id: str | None,
        created_at: datetime | None,
        problem: str,
        submitter: Submitter,
    ) -> Batch:
        """Make a refused batch of an object that is not read: it may lie where nothing may be read."""
        if created_at is None:
            raise NotFound(f"the event of {key} does not say when it was created")
        stored = StoredObject(self.files.bucket, key, version_id or "", 0, created_at, metadata={})
        drop = _drop_of(stored)._replace(submitter=submitter)
        return self.submit(drop._replace(blocks=open_unreadable(stored, problem).blocks))

    def submit(self, drop: Drop) -> Batch:
        """Plan the batch of a file and start it; both steps may be repeated.

        Returns:
            The batch after that.
        """
        try:
            return self._plan_and_start(drop)
        except Exception as error:
            log_failure("batch not submitted", drop.batch_id, error)
            raise

    def _plan_and_start(self, drop: Drop) -> Batch:
        planned = plan_batch(drop, self.planner_ports)
        batch = self._start(planned)
        if planned.batch.supersedes:
            self.starter.start(self.store.batch(planned.batch.supersedes))  # so that it ends
        return batch

    def _start(self, planned: Snapshot) -> Batch:
        batch = planned.batch
        if batch.status is BatchStatus.AWAITING_APPROVAL:
            return self._notify_awaiting_approval(batch)
        if batch.status.is_final:
            return batch
        return self.starter.start(batch, planned if planned.chunks else None)

    def _notify_awaiting_approval(self, batch: Batch) -> Batch:
        """Notify people that they have to approve; if that fails, the sweep does it."""
        try:
            return self.notify(batch.batch_id)
        except (WrongState, ExceptionGroup):
            log_warning("notification not sent", batch)
            return self.store.batch(batch.batch_id)


def drop_of(stored: StoredObject) -> Drop | None:
    """Name the batch of an object in the inbox; None if the key is not that of a CSV file."""
    return _drop_of(stored) if is_csv_in(INBOX, stored.key) else None


def claimed_identity(stored: StoredObject) -> str:
    """Who an object's metadata says has uploaded it: claimed, not proven."""
    return storable(stored.metadata.get(UPLOADER, "").strip(), IDENTITY_CHARS_MAX)


def _drop_of(stored: StoredObject) -> Drop:
    identity = (stored.bucket, stored.key, stored.version_id)
    return Drop(stored, batch_id(stored.key, stored.modified_at, identity))


def is_csv_in(folder: str, key: str) -> bool:
    """Whether a key is that of a CSV file in a folder."""
    return key.startswith(folder) and key.lower().endswith(_CSV_ENDINGS)


def problem_of(key: str) -> str:
    """Say why an object is not taken and what to do; empty for one that is taken, or is nobody's file.

    Args:
        key: the key of the object.
    """
    name = key.lower()
    if key.endswith("/") or key.startswith(OWN_FOLDERS):
        return ""
    folder = next((one for one in FOLDERS if key.startswith(one)), "")
    if not folder:
        if not name.endswith(_DATA_ENDINGS):
            return ""
        parent = key.rpartition("/")[0]
        return _WRONG_FOLDER.format(
            f"under {visible(parent)}/" if parent else "at the top of the bucket", _NOT_READ
        )
    if name.endswith(_CSV_ENDINGS):
        return ""
    message = _SPREADSHEET if name.endswith(_SPREADSHEETS) else _OTHER
    return message.format(_NOT_READ, folder)
