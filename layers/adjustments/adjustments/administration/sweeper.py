"""Resumes what stalled, and finds what was missed. Running it while all is well changes nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from adjustments.aws.batch_metrics import of_sweep
from adjustments.aws.event_log import broke, warn
from adjustments.batches.files import Files
from adjustments.batches.lookup_rounds import is_due
from adjustments.batches.optimistic_update import try_save
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchStore
from adjustments.core.errors import NotFound, WrongState
from adjustments.core.ids import execution_name
from adjustments.core.runtime import Clock
from adjustments.results.notifications import Notifier
from adjustments.submission.plan import Drop
from adjustments.submission.starter import Executions
from adjustments.submission.triggers import INBOX, Intake

if TYPE_CHECKING:  # few sweeps find a doubt
    from adjustments.reconciliation.reconciler import Investigator

EVENTS_MAY_TAKE: Final = timedelta(minutes=30)
"""An object younger than this may still be on its way through the queue, its retries included."""

REPORTS_MAY_TAKE: Final = timedelta(minutes=15)
"""After this time, a run that writes results anew was killed: Lambda lets no function run for longer."""

LOOK_BACK: Final = timedelta(days=3)
"""How far back the sweep looks for objects without a batch."""

_Item = TypeVar("_Item", Batch, Drop)


class Sweeper:
    """Looks for stalled batches and for missed objects.

    Args:
        build_investigator: gives what looks for evidence; asked for where there is a doubt.
    """

    def __init__(
        self,
        store: BatchStore,
        files: Files,
        executions: Executions,
        intake: Intake,
        build_investigator: "Callable[[], Investigator]",
        notifier: Notifier,
        clock: Clock,
    ) -> None:
        self._store = store
        self._files = files
        self._executions = executions
        self._intake = intake
        self._build_investigator = build_investigator
        self._notifier = notifier
        self._clock = clock

    def sweep(self, until: datetime) -> dict[str, list[str]]:
        """Resume, find and investigate; the ids of the batches that this changed something of.

        One that fails does not keep the sweep from the others: raises ExceptionGroup in the end, with
        all that failed.
        """
        errors: list[Exception] = []
        done = {
            "resumed": _changed(self._store.open_batches(), self._resume, errors),
            "found": _changed(self._missed(), self._take_missed, errors),
            "resolved": _changed(
                self._store.doubtful_batches(), lambda batch: self._investigate(batch, until), errors
            ),
        }
        if errors:
            raise ExceptionGroup("the sweep could not look after everything", errors)
        return done

    def look(self) -> Mapping[str, int]:
        """How everything stands, in the numbers that the alarms watch; changes nothing."""
        return of_sweep(self._store.open_batches(), self._store.doubtful_batches(), self._clock.now())

    def _investigate(self, batch: Batch, until: datetime) -> bool:
        """Look for evidence on rows in doubt: until all were looked up, then the more rarely the older."""
        now = self._clock.now()
        if now >= until or not is_due(batch, now):
            return False
        after = self._build_investigator().investigate(batch.batch_id, until)
        if after is None:
            return False
        if after.status is not batch.status:
            self._notifier.notify(batch.batch_id)
        return after.counts != batch.counts

    def _resume(self, batch: Batch) -> bool:
        """Start the state machine again for a batch that has none running; tell of one that waits in vain."""
        if batch.status is BatchStatus.AWAITING_APPROVAL:
            return batch.status not in batch.notified and bool(self._notifier.notify(batch.batch_id))
        if self._is_young(batch) or self._is_being_reported(batch):
            return False
        if batch.executions and self._executions.is_running(execution_name(batch.batch_id, batch.executions)):
            return False
        resumed = batch.changed(executions=batch.executions + 1)
        if not try_save(self._store, resumed):
            return False  # somebody is at work on it
        self._executions.start(execution_name(batch.batch_id, resumed.executions), batch.batch_id)
        warn("batch resumed", resumed, executions=resumed.executions)
        return True

    def _is_young(self, batch: Batch) -> bool:
        """Intake may still be sending its first chunks, and will start the state machine itself."""
        return not batch.executions and self._clock.now() < batch.created_at + EVENTS_MAY_TAKE

    def _is_being_reported(self, batch: Batch) -> bool:
        """Somebody resolves it at this moment, and writes its results anew."""
        since = batch.reporting_since
        return batch.status.is_final and since is not None and self._clock.now() < since + REPORTS_MAY_TAKE

    def _missed(self) -> Iterator[Drop]:
        """The objects in the inbox that should have a batch by now, and have none."""
        now = self._clock.now()
        for stored in self._files.versions(INBOX, now - LOOK_BACK, now - EVENTS_MAY_TAKE):
            drop = self._intake.drop_of(stored)
            if drop is None:
                continue
            try:
                self._store.batch(drop.batch_id)
            except NotFound:
                yield drop

    def _take_missed(self, drop: Drop) -> bool:
        self._intake.take_object(drop.stored.key, drop.stored.version_id)
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
            broke("sweep could not look after it", item.batch_id, error)
            errors.append(error)
    return changed
