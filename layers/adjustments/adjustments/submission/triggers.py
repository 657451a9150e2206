"""Takes what was dropped: plans it, and sets it going."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from adjustments.aws.event_log import log_failure, log_warning
from adjustments.batches.files import Files, StoredObject
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchStore
from adjustments.core.errors import WrongState
from adjustments.core.ids import batch_id
from adjustments.core.runtime import Clock
from adjustments.submission.plan import Drop
from adjustments.submission.planner import PlannerPorts, plan_batch
from adjustments.submission.starter import BatchStarter

TICK_LATE_MAX: Final = timedelta(hours=6)
"""How late a tick of the recurring schedule may come; retries of the queue are within it."""

INBOX: Final = "inbox/"
RECURRING: Final = "recurring/"
_ENDINGS: Final = (".csv", ".csv.gz")


@dataclass(frozen=True, kw_only=True)
class SubmissionTriggers:
    """Submits dropped files: objects in the inbox, and at each tick of the schedule those that recur.

    Args:
        notify: notifies people of a batch's status.
        notify_missed_tick: notifies people of a tick that came too late.
    """

    files: Files
    store: BatchStore
    planner_ports: PlannerPorts
    starter: BatchStarter
    notify: Callable[[str], Batch]
    notify_missed_tick: Callable[[datetime], None]
    clock: Clock

    def submit_object(self, key: str, version_id: str | None) -> Batch | None:
        """Take an object that was dropped into the inbox; None where its name says that it is no CSV.

        Args:
            key: the object's key.
            version_id: its version, None where the event did not tell (the newest is meant).
        """
        if not _is_csv_in(INBOX, key):
            return None
        opened = self.files.open(key, version_id)
        return self.take(_drop_of(opened.stored)._replace(blocks=opened.blocks))

    def drop_of(self, stored: StoredObject) -> Drop | None:
        """Name the batch that an object in the inbox becomes; None where its name says that it is no CSV."""
        return _drop_of(stored) if _is_csv_in(INBOX, stored.key) else None

    def submit_recurring(self, due_at: datetime) -> Iterator[Batch]:
        """Take every file under ``recurring/`` anew; the same tick twice makes no second batch.

        A tick that comes hours late, after an outage, is told to people and not silently made up for. A file
        that fails does not keep the others from being taken; raises ExceptionGroup in the end.

        Args:
            due_at: when the schedule was due, UTC.
        """
        if self.clock.now() > due_at + TICK_LATE_MAX:
            self.notify_missed_tick(due_at)
            return
        errors: list[Exception] = []
        for key in self.files.names(RECURRING):
            if _is_csv_in(RECURRING, key):
                try:
                    yield self.take(self._recurring_drop(key, due_at))
                except Exception as error:
                    errors.append(error)
        if errors:
            raise ExceptionGroup(f"not every file could be taken for {due_at.isoformat()}", errors)

    def _recurring_drop(self, key: str, due_at: datetime) -> Drop:
        stored, blocks = self.files.open(key, None)
        identity = (stored.bucket, stored.key, stored.version_id, due_at.isoformat())
        return Drop(stored, batch_id(key, due_at, identity), is_named=True, blocks=blocks)

    def take(self, drop: Drop) -> Batch:
        """Plan a drop and set it going; for one that is going already, make sure that it is."""
        try:
            return self._take(drop)
        except Exception as error:
            log_failure("batch not taken", drop.batch_id, error)
            raise

    def _take(self, drop: Drop) -> Batch:
        planned = plan_batch(drop, self.planner_ports)
        batch = planned.batch
        if batch.status is BatchStatus.AWAITING_APPROVAL:
            return self._tell_of_waiting(batch)
        if batch.status.is_final:
            return batch
        return self.starter.start(batch, planned if planned.chunks else None)

    def _tell_of_waiting(self, batch: Batch) -> Batch:
        """Tell that a person has to approve; where that fails the sweep tells, and the batch is taken."""
        try:
            return self.notify(batch.batch_id)
        except (WrongState, ExceptionGroup):
            log_warning("not told of yet", batch)
            return self.store.batch(batch.batch_id)


def _is_csv_in(folder: str, key: str) -> bool:
    return key.startswith(folder) and key.lower().endswith(_ENDINGS)


def _drop_of(stored: StoredObject) -> Drop:
    identity = (stored.bucket, stored.key, stored.version_id)
    return Drop(stored, batch_id(stored.key, stored.modified_at, identity))
