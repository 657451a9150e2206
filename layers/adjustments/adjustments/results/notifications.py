"""Notifies people and programs of a batch's status: once as a rule, at least once whatever happens.

A notification is claimed before it is sent and marked after it. A run that is killed in between leaves a
claim, which the next run takes over when its time is up; what the killed run had sent is then sent twice.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchStore, find_dry_run, update_batch
from adjustments.core.errors import WrongState
from adjustments.core.runtime import Clock
from adjustments.results.emails import ResultsLocation, batch_email, is_worth_a_mail, missed_tick_email
from adjustments.results.summary import BatchFacts, facts_of

SETTLED: Final = "Batch Settled"
NEEDS_ATTENTION: Final = "Batch Needs Attention"

CLAIM_EXPIRES_AFTER: Final = timedelta(minutes=1)
"""After this time, a run that claimed a notification and did not mark it is considered killed."""

_STATUSES_TO_NOTIFY: Final = frozenset(status for status in BatchStatus if status.is_final) | {
    BatchStatus.AWAITING_APPROVAL
}


class BatchEvent(BatchFacts):
    """The detail of an event on the bus that says how a batch ended, as docs/events.md describes it."""


def batch_event(batch: Batch) -> tuple[str, Mapping[str, Any]]:
    """Make the event on a batch that has ended.

    Returns:
        The detail type, and the detail for ``exact_json``.
    """
    detail_type = NEEDS_ATTENTION if batch.status is BatchStatus.NEEDS_ATTENTION else SETTLED
    return detail_type, BatchEvent(**facts_of(batch)).to_json()


class Notifications(Protocol):
    """The e-mail topic and the event bus."""

    def mail(self, subject: str, text: str) -> None:
        """Send an e-mail."""

    def announce(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Put an event on the bus."""


@dataclass(kw_only=True, eq=False)
class Notifier:
    """Sends e-mails and events; ``location`` is where the results are, for the e-mail."""

    store: BatchStore
    notifications: Notifications
    clock: Clock
    location: ResultsLocation

    def notify(self, batch_id: str) -> Batch:
        """Send e-mail and event on the batch's present status, unless that was done before.

        A status that nobody waits for is not sent. The notification is claimed first, so that of two runs at
        once only one sends it; a claim without a mark is taken over after a minute. Where only one of e-mail
        and event fails, only that one is sent again.

        Returns:
            The batch with what was sent.

        Raises:
            WrongState: another run is sending at this moment; the caller may try again.
            ExceptionGroup: an e-mail or an event was not sent; the caller may try again at once.
        """
        batch = self.store.batch(batch_id)
        status, now = batch.status.value, self.clock.now()
        if batch.status not in _STATUSES_TO_NOTIFY or status in batch.notifications_sent:
            return batch
        if batch.notifying_since and now < batch.notifying_since + CLAIM_EXPIRES_AFTER:
            raise WrongState(f"another run sends the notification of batch {batch_id}")
        claimed = batch.changed(notifying_since=now)
        self.store.save_batch(claimed)
        sent, errors = self._send(claimed)
        marked = self._mark(batch_id, sent if errors else [status])
        if errors:
            raise ExceptionGroup(f"not every notification of batch {batch_id} was sent", errors)
        return marked

    def notify_missed_tick(self, due_at: datetime, key: str = "") -> None:
        """Send an e-mail on a tick of the recurring schedule that came too late to be acted on, once.

        Args:
            due_at: when it was due.
            key: the one file of it that came too late; empty where the tick itself did.

        Raises:
            WrongState: another run is sending it at this moment, and may be killed before it has.
        """
        due, now = due_at.isoformat(), self.clock.now()
        fact = f"missed-tick-{due}" + (f"-{key}" if key else "")
        if self.store.claim_notification(fact, now, now + CLAIM_EXPIRES_AFTER):
            email = missed_tick_email(due, key)
            self.notifications.mail(email.subject, email.text)
            self.store.record_notification(fact)

    def _send(self, batch: Batch) -> tuple[list[str], list[Exception]]:
        """Send what was not sent yet of a status; returns what was sent, and the errors."""
        sent: list[str] = []
        errors: list[Exception] = []
        for name, send in self._notifications(batch):
            if name in batch.notifications_sent:
                continue
            try:
                send()
            except Exception as error:
                errors.append(error)
            else:
                sent.append(name)
        return sent, errors

    def _notifications(self, batch: Batch) -> Iterator[tuple[str, Callable[[], None]]]:
        if is_worth_a_mail(batch):
            yield f"{batch.status.value} (mail)", lambda: self._mail(batch)
        if batch.status.is_final:
            yield f"{batch.status.value} (event)", lambda: self.notifications.announce(*batch_event(batch))

    def _mail(self, batch: Batch) -> None:
        waits = batch.status is BatchStatus.AWAITING_APPROVAL
        dry_run = find_dry_run(self.store, batch) if waits else None
        email = batch_email(batch, self.location, dry_run)
        self.notifications.mail(email.subject, email.text)

    def _mark(self, batch_id: str, sent: list[str]) -> Batch:
        """Keep what was sent, whatever else changes the batch meanwhile, and release the claim."""
        return update_batch(
            self.store,
            batch_id,
            lambda batch: batch.changed(
                notifications_sent=(*batch.notifications_sent, *sent), notifying_since=None
            ),
        )
