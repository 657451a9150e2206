"""Tells people and machines what became of a batch: each fact once when all goes well, and never not at all.

A telling is claimed before it is done and noted after it. A run that is killed in between leaves a claim that
is taken over when its time is up; what it had told by then is told twice (docs/decisions.md).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from adjustments.batches.optimistic_update import change
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchStore
from adjustments.core.errors import WrongState
from adjustments.core.runtime import Clock
from adjustments.results.batch_events import batch_event
from adjustments.results.emails import ResultsLocation, batch_email, missed_tick_email


class Notices(Protocol):
    """Who hears of it."""

    def mail(self, subject: str, text: str) -> None:
        """Tell people."""

    def announce(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Tell machines."""


TELLING_MAY_TAKE: Final = timedelta(minutes=1)
"""After this time, a telling that was begun and not ended is taken for killed, and begun again."""

_TELLABLE: Final = frozenset(status for status in BatchStatus if status.is_final) | {
    BatchStatus.AWAITING_APPROVAL
}


class Notifier:
    """Sends mails and events.

    Args:
        place: where the results lie, for the mail.
    """

    def __init__(self, store: BatchStore, notices: Notices, clock: Clock, place: ResultsLocation) -> None:
        self._store = store
        self._notices = notices
        self._clock = clock
        self._place = place

    def notify(self, batch_id: str) -> Batch:
        """Tell the batch's present status, unless it was told before, or is none that people wait for.

        The telling is claimed first, so that of two runs at once only one tells; a claim that was not
        followed by the mark within a minute is taken over. Mail and event don't wait for each other: where
        one of them fails, only that one is told again.

        Raises:
            WrongState: another run is telling at this moment; whoever asked may ask again.
            ExceptionGroup: a mail or an event did not go out; it may be tried again at once.
        """
        batch = self._store.batch(batch_id)
        fact, now = batch.status.value, self._clock.now()
        if batch.status not in _TELLABLE or fact in batch.notified:
            return batch
        if batch.telling_since and now < batch.telling_since + TELLING_MAY_TAKE:
            raise WrongState(f"another run is telling of batch {batch_id}")
        claimed = batch.changed(telling_since=now)
        self._store.save_batch(claimed)
        told, errors = self._tell(claimed)
        noted = self._note(batch_id, told if errors else [fact])
        if errors:
            raise ExceptionGroup(f"batch {batch_id} could not be told of everywhere", errors)
        return noted

    def tell_missed_tick(self, due_at: datetime) -> None:
        """Tell people that a tick of the recurring schedule came too late to be acted on.

        Raises WrongState where another run is telling so at this moment: it may not live to do it.
        """
        due, now = due_at.isoformat(), self._clock.now()
        fact = f"missed-tick-{due}"
        if self._store.claim_fact(fact, now, now + TELLING_MAY_TAKE):
            mail = missed_tick_email(due)
            self._notices.mail(mail.subject, mail.text)
            self._store.note_fact(fact)

    def _tell(self, batch: Batch) -> tuple[list[str], list[Exception]]:
        """Tell what is not told yet of a status; what was told, and what went wrong."""
        told: list[str] = []
        errors: list[Exception] = []
        for part, tell in self._parts(batch):
            if part in batch.notified:
                continue
            try:
                tell()
            except Exception as error:
                errors.append(error)
            else:
                told.append(part)
        return told, errors

    def _parts(self, batch: Batch) -> Iterator[tuple[str, Callable[[], None]]]:
        mail = batch_email(batch, self._place)
        yield f"{batch.status.value} (mail)", lambda: self._notices.mail(mail.subject, mail.text)
        if batch.status.is_final:
            yield f"{batch.status.value} (event)", lambda: self._notices.announce(*batch_event(batch))

    def _note(self, batch_id: str, told: list[str]) -> Batch:
        """Keep what was told, whatever else happens to the batch meanwhile, and let others tell again."""
        return change(
            self._store,
            batch_id,
            lambda batch: batch.changed(notified=(*batch.notified, *told), telling_since=None),
        )
