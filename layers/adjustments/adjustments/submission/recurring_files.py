"""Submits the files under ``recurring/`` at each tick of the schedule, each by a message of its own.

A tick does nothing but queue its files. So a file that is slow, or that fails each time, uses up the attempts
of its own message, and stops no other file's turn.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from adjustments.batches.batch_parts import Submitter
from adjustments.batches.files import Files, OpenedObject, StoredObject, open_unreadable
from adjustments.batches.records import Batch
from adjustments.batches.store import BatchStore, find_batch
from adjustments.core.errors import NotFound, RequestRefused
from adjustments.core.ids import batch_id
from adjustments.core.limits import TIME_AHEAD_S_MAX
from adjustments.core.runtime import Clock
from adjustments.submission.plan import Drop
from adjustments.submission.planner import DELETED_MESSAGE
from adjustments.submission.triggers import (
    RECURRING,
    IntakeQueue,
    SubmissionTriggers,
    claimed_identity,
    is_csv_in,
)

TICK_DELAY_MAX: Final = timedelta(hours=6)
"""How late a tick, or a file of it, may come; longer than the retries of the queue take."""


@dataclass(frozen=True, kw_only=True)
class RecurringFiles:
    """Queues the recurring files at each tick, and submits each when its message comes.

    Args:
        notify_missed_tick: notifies people of a tick, or of one file of it, that came too late.
    """

    files: Files
    store: BatchStore
    intake: IntakeQueue
    triggers: SubmissionTriggers
    notify_missed_tick: Callable[[datetime, str], None]
    clock: Clock

    def queue(self, due_at: datetime) -> int:
        """Queue every file under ``recurring/``; the same tick twice makes no second batch of any.

        Of a tick that comes hours late, after an outage, people are notified, and nothing is queued.

        Args:
            due_at: when the schedule was due, UTC.

        Returns:
            How many files were queued.

        Raises:
            RequestRefused: the schedule was not due yet.
        """
        self._check_was_due(due_at)
        if self._is_late(due_at):
            self.notify_missed_tick(due_at, "")
            return 0
        keys = [key for key in self.files.names(RECURRING) if is_csv_in(RECURRING, key)]
        for key in keys:
            self.intake.put_recurring(key, due_at)
        return len(keys)

    def submit(self, key: str, due_at: datetime) -> Batch | None:
        """Submit one file of a tick; twice for the same due time makes no second batch.

        Of a file whose turn comes hours late people are notified, unless it has its batch already.

        Args:
            key: the file's key.
            due_at: when the schedule was due, UTC.

        Returns:
            The batch; None if there is no such file any more, or its turn came too late.

        Raises:
            RequestRefused: the schedule was not due yet.
        """
        self._check_was_due(due_at)
        if not is_csv_in(RECURRING, key):
            return None
        try:
            newest = self.files.open(key, None)
        except NotFound:
            return None
        stored, blocks = self._as_first_read(newest, due_at)
        identity = (stored.bucket, key, stored.version_id, due_at.isoformat())
        drop = Drop(
            stored,
            batch_id(key, due_at, identity),
            is_named=True,
            blocks=blocks,
            submitter=Submitter(trigger="schedule", claimed_identity=claimed_identity(stored)),
            due_at=due_at,
        )
        if self._is_late(due_at) and not find_batch(self.store, drop.batch_id):
            self.notify_missed_tick(due_at, key)
            return None
        return self.triggers.submit(drop)

    def _as_first_read(self, newest: OpenedObject, due_at: datetime) -> OpenedObject:
        """The version that the tick has read first, whatever was uploaded between two attempts.

        Otherwise the message of a tick that comes twice would apply two versions of one file.
        """
        stored = newest.stored
        name = hashlib.sha256(stored.key.encode()).hexdigest()[:32]
        marker = f"work/ticks/{due_at:%Y%m%d-%H%M%S}/{name}"
        if self.files.put_new(marker, stored.version_id.encode(), "text/plain"):
            return newest
        first = self.files.get(marker).decode()
        if first == stored.version_id:
            return newest
        try:
            return self.files.open(stored.key, first)
        except NotFound:
            deleted = StoredObject(stored.bucket, stored.key, first, 0, due_at, metadata={})
            return open_unreadable(deleted, DELETED_MESSAGE)

    def _check_was_due(self, due_at: datetime) -> None:
        """Refuse a tick of the future: no schedule sends one, and it would count in a period to come."""
        if due_at > self.clock.now() + timedelta(seconds=TIME_AHEAD_S_MAX):
            raise RequestRefused("invalid_field", "dueTime: must not lie in the future")

    def _is_late(self, due_at: datetime) -> bool:
        return self.clock.now() > due_at + TICK_DELAY_MAX
