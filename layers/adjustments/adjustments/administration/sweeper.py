"""Resumes stalled batches, queues missed files and reconciles rows in doubt; changes nothing else."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from adjustments.aws.event_log import log_failure, log_warning
from adjustments.batches.batch_metrics import doubt_metrics, open_batch_metrics
from adjustments.batches.files import Files
from adjustments.batches.lookup_rounds import is_due
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchStore, find_batch, try_save
from adjustments.core.errors import SweepUnfinished, WrongState
from adjustments.core.ids import execution_name
from adjustments.core.runtime import Clock
from adjustments.reconciliation.reconciler import Reconciler
from adjustments.results.notifications import Notifier
from adjustments.submission.plan import Drop
from adjustments.submission.sender import Executions
from adjustments.submission.triggers import INBOX, IntakeQueue, drop_of

INTAKE_TIME_MAX: Final = timedelta(minutes=30)
"""How long the event of an object may be under way in the queue, including retries."""

REPORT_TIME_MAX: Final = timedelta(minutes=15)
"""How long a run may regenerate results; after that it was killed, as Lambda runs no function for longer."""

MISSED_AGE_MAX: Final = timedelta(days=3)
"""How old an object in the inbox may be to be submitted by the sweep."""

_Item = TypeVar("_Item", Batch, Drop)


@dataclass(frozen=True, kw_only=True)
class Sweeper:
    """Resumes, queues and reconciles what needs it."""

    store: BatchStore
    files: Files
    executions: Executions
    intake: IntakeQueue
    reconciler: Reconciler
    notifier: Notifier
    clock: Clock

    def sweep(self, until: datetime) -> dict[str, list[str]]:
        """Sweep once.

        Resuming and queueing get a share of the time each, so that neither keeps the rest from its turn.

        Args:
            until: when to begin no further work.

        Returns:
            The ids of the batches that were changed, by ``resumed``, ``queued`` and ``reconciled``.

        Raises:
            ExceptionGroup: the sweep failed for some batches or files, or had no time to resume or queue
                them, and went on with all others.
        """
        errors: list[Exception] = []
        done = {
            "resumed": self._change_each(
                self.store.open_batches, self._resume, errors, self._share(until, 3), "resume open batches"
            ),
            "queued": self._change_each(
                self._find_dropped, self._queue_missed, errors, self._share(until, 2), "queue missed files"
            ),
            "reconciled": self._change_each(
                self.store.doubtful_batches, lambda batch: self._reconcile(batch, until), errors
            ),
        }
        if errors:
            raise ExceptionGroup(f"the sweep failed for {len(errors)} batches or files", errors)
        return done

    def measure(self) -> Mapping[str, int]:
        """Measure what the alarms watch: open batches and rows in doubt; what can't be read says nothing."""
        in_progress = _try_to_list(self.store.open_batches)
        doubtful = _try_to_list(self.store.doubtful_batches)
        by_status = open_batch_metrics(in_progress or (), self.clock.now())
        return {**by_status, **doubt_metrics(in_progress, doubtful)}

    def _share(self, until: datetime, parts_left: int) -> datetime:
        """When a part of the sweep has to end, so that each that is left gets as long."""
        now = self.clock.now()
        return now + (until - now) / parts_left

    def _reconcile(self, batch: Batch, until: datetime) -> bool:
        """Reconcile a batch if it is due; whether any of its counts changed."""
        now = self.clock.now()
        if now >= until or not is_due(batch, now):
            return False
        after = self.reconciler.reconcile(batch.batch_id, until)
        if after is None:
            return False
        if after.status is not batch.status:
            self.notifier.notify(batch.batch_id)
        return after.counts != batch.counts

    def _resume(self, batch: Batch) -> bool:
        """Start the state machine for a batch that has none running; notify of one that awaits approval."""
        if batch.status is BatchStatus.AWAITING_APPROVAL:
            return batch.status not in batch.notifications_sent and bool(self.notifier.notify(batch.batch_id))
        if self._is_young(batch) or self._is_being_reported(batch):
            return False
        if batch.executions and self.executions.is_running(execution_name(batch.batch_id, batch.executions)):
            return False
        resumed = batch.changed(executions=batch.executions + 1)
        if not try_save(self.store, resumed):
            return False  # another worker has changed it
        self.executions.start(execution_name(batch.batch_id, resumed.executions), batch.batch_id)
        log_warning("batch resumed", resumed, executions=resumed.executions)
        return True

    def _is_young(self, batch: Batch) -> bool:
        """Whether its submission may still be running, and will start the state machine itself."""
        return not batch.executions and self.clock.now() < batch.created_at + INTAKE_TIME_MAX

    def _is_being_reported(self, batch: Batch) -> bool:
        """Whether its results are being regenerated at this moment, as a person resolves rows."""
        since = batch.report_started_at
        return batch.status.is_final and since is not None and self.clock.now() < since + REPORT_TIME_MAX

    def _find_dropped(self) -> Iterator[Drop]:
        """Find the objects in the inbox that should have a batch by now."""
        now = self.clock.now()
        for stored in self.files.versions(INBOX, now - MISSED_AGE_MAX, now - INTAKE_TIME_MAX):
            if drop := drop_of(stored):
                yield drop

    def _queue_missed(self, drop: Drop) -> bool:
        """Queue an object without a batch; an hour after it was dropped, two hours, four hours, and so on.

        It is not planned here: a file that fails again and again keeps the intake busy a few times, and the
        sweep never.
        """
        if find_batch(self.store, drop.batch_id):
            return False
        doublings = int(math.log2((self.clock.now() - drop.stored.modified_at) / INTAKE_TIME_MAX))
        marker = f"work/{drop.batch_id}/missed-{doublings}"
        if self.files.tag(marker):
            return False  # an earlier sweep has queued it
        # The marker comes second, so that the next sweep makes up for a message that could not be sent, and
        # for a sweep that was killed in between. A second message for an object changes nothing.
        self.intake.put(drop.stored)
        self.files.put_new(marker, b"", "text/plain")
        return True

    def _change_each(
        self,
        find: Callable[[], Iterable[_Item]],
        change: Callable[[_Item], bool],
        errors: list[Exception],
        until: datetime | None = None,
        what: str = "",
    ) -> list[str]:
        """Change each item that needs it; one that another worker is changing is left to the next sweep.

        Args:
            find: finds the items.
            change: changes one where it needs it, and says whether it did.
            errors: gets what failed.
            until: when to begin with no further item, where the change does not see to that itself.
            what: what is done, for the error where there are further items then.

        Returns:
            The ids of the batches that were changed.
        """
        changed: list[str] = []
        try:
            for item in find():
                if until and self.clock.now() >= until:
                    raise SweepUnfinished(f"the sweep had no time to {what} to the last")
                if _try_to_change(item, change, errors):
                    changed.append(item.batch_id)
        except Exception as error:  # they can't be listed, or not all of them
            log_failure("sweep could not list everything", "", error)
            errors.append(error)
        return changed


def _try_to_list(find: Callable[[], Iterable[Batch]]) -> list[Batch] | None:
    """Batches to measure; None where they can't be read, which the sweep itself will fail for, too."""
    try:
        return list(find())
    except Exception as error:
        log_failure("sweep could not measure everything", "", error)
        return None


def _try_to_change(item: _Item, change: Callable[[_Item], bool], errors: list[Exception]) -> bool:
    try:
        return change(item)
    except WrongState:
        return False
    except Exception as error:
        log_failure("sweep failed for batch", item.batch_id, error)
        errors.append(error)
        return False
