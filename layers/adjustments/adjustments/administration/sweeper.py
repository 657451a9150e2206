"""Resumes what stalled, and finds what was missed. Running it while all is well changes nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from adjustments.aws.batch_metrics import sweep_metrics
from adjustments.aws.event_log import log_failure, log_warning
from adjustments.batches.files import Files
from adjustments.batches.lookup_rounds import is_due
from adjustments.batches.optimistic_update import try_save
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchStore
from adjustments.core.errors import NotFound, WrongState
from adjustments.core.ids import execution_name
from adjustments.core.runtime import Clock
from adjustments.reconciliation.reconciler import Reconciler
from adjustments.results.notifications import Notifier
from adjustments.submission.plan import Drop
from adjustments.submission.starter import Executions
from adjustments.submission.triggers import INBOX, SubmissionTriggers

EVENTS_MAY_TAKE: Final = timedelta(minutes=30)
"""An object younger than this may still be on its way through the queue, its retries included."""

REPORTS_MAY_TAKE: Final = timedelta(minutes=15)
"""After this time, a run that writes results anew was killed: Lambda lets no function run for longer."""

LOOK_BACK: Final = timedelta(days=3)
"""How far back the sweep looks for objects without a batch."""

_Item = TypeVar("_Item", Batch, Drop)


@dataclass(frozen=True, kw_only=True)
class Sweeper:
    """Looks for stalled batches and for missed objects."""

    store: BatchStore
    files: Files
    executions: Executions
    triggers: SubmissionTriggers
    reconciler: Reconciler
    notifier: Notifier
    clock: Clock

    def sweep(self, until: datetime) -> dict[str, list[str]]:
        """Resume, find and investigate; the ids of the batches that this changed something of.

        One that fails does not keep the sweep from the others: raises ExceptionGroup in the end, with
        all that failed.
        """
        errors: list[Exception] = []
        done = {
            "resumed": _changed(self.store.open_batches(), self._resume, errors),
            "found": _changed(self._missed(), self._submit_missed, errors),
            "resolved": _changed(
                self.store.doubtful_batches(), lambda batch: self._reconcile(batch, until), errors
            ),
        }
        if errors:
            raise ExceptionGroup("the sweep could not look after everything", errors)
        return done

    def look(self) -> Mapping[str, int]:
        """How everything stands, in the numbers that the alarms watch; changes nothing."""
        return sweep_metrics(self.store.open_batches(), self.store.doubtful_batches(), self.clock.now())

    def _reconcile(self, batch: Batch, until: datetime) -> bool:
        """Look for evidence on rows in doubt: until all were looked up, then the more rarely the older."""
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
        """Start the state machine again for a batch that has none running; tell of one that waits in vain."""
        if batch.status is BatchStatus.AWAITING_APPROVAL:
            return batch.status not in batch.notifications_sent and bool(self.notifier.notify(batch.batch_id))
        if self._is_young(batch) or self._is_being_reported(batch):
            return False
        if batch.executions and self.executions.is_running(execution_name(batch.batch_id, batch.executions)):
            return False
        resumed = batch.changed(executions=batch.executions + 1)
        if not try_save(self.store, resumed):
            return False  # somebody is at work on it
        self.executions.start(execution_name(batch.batch_id, resumed.executions), batch.batch_id)
        log_warning("batch resumed", resumed, executions=resumed.executions)
        return True

    def _is_young(self, batch: Batch) -> bool:
        """Intake may still be sending its first chunks, and will start the state machine itself."""
        return not batch.executions and self.clock.now() < batch.created_at + EVENTS_MAY_TAKE

    def _is_being_reported(self, batch: Batch) -> bool:
        """Somebody resolves it at this moment, and writes its results anew."""
        since = batch.report_started_at
        return batch.status.is_final and since is not None and self.clock.now() < since + REPORTS_MAY_TAKE

    def _missed(self) -> Iterator[Drop]:
        """The objects in the inbox that should have a batch by now, and have none."""
        now = self.clock.now()
        for stored in self.files.versions(INBOX, now - LOOK_BACK, now - EVENTS_MAY_TAKE):
            drop = self.triggers.drop_of(stored)
            if drop is None:
                continue
            try:
                self.store.batch(drop.batch_id)
            except NotFound:
                yield drop

    def _submit_missed(self, drop: Drop) -> bool:
        self.triggers.submit_object(drop.stored.key, drop.stored.version_id)
        return True


def _changed(items: Iterable[_Item], change: Callable[[_Item], bool], errors: list[Exception]) -> list[str]:
    """Change what is to be changed; what somebody else is at work on waits for the next sweep."""
    changed = []
    for item in items:
        try:
            if change(item):
                changed.append(item.batch_id)
        except WrongState:
            continue
        except Exception as error:
            log_failure("sweep could not look after it", item.batch_id, error)
            errors.append(error)
    return changed
