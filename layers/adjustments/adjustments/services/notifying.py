"""Tells people and machines what became of a batch, once per fact."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from adjustments.batches.summary import message_of, totals_of
from adjustments.errors import WrongState
from adjustments.model import Batch
from adjustments.ports import BatchStore, Clock, Notices
from adjustments.report_page import VERDICTS
from adjustments.services.saving import save_or_reread
from adjustments.states import BatchStatus

_DETAIL_TYPES: Final = {BatchStatus.NEEDS_ATTENTION: "Batch Needs Attention"}
_SUBJECT_CHARS_MAX: Final = 100
"""SNS refuses a longer subject (API reference of Publish)."""


TELLING_MAY_TAKE: Final = timedelta(minutes=1)
"""After this time, a telling that was begun and not ended is taken for killed, and begun again."""

_TELLABLE: Final = frozenset(status for status in BatchStatus if status.is_final) | {
    BatchStatus.AWAITING_APPROVAL
}


class Notifier:
    """Sends mails and events.

    Args:
        bucket: where the results lie, for the mail.
    """

    def __init__(self, store: BatchStore, notices: Notices, clock: Clock, bucket: str) -> None:
        self._store = store
        self._notices = notices
        self._clock = clock
        self._bucket = bucket

    def notify(self, batch_id: str) -> Batch:
        """Tell the batch's present status, unless it was told before, or is none that people wait for.

        The telling is claimed first, so that of two runs at once only one tells; a claim that was not
        followed by the mark within a minute is taken over. Only a crash between telling and mark tells a fact
        twice.

        Raises WrongState where another run is telling at this moment: whoever asked may ask again.
        """
        batch = self._store.batch(batch_id)
        fact, now = batch.status.value, self._clock.now()
        if batch.status not in _TELLABLE or fact in batch.notified:
            return batch
        if batch.telling_since and now < batch.telling_since + TELLING_MAY_TAKE:
            raise WrongState(f"another run is telling of batch {batch_id}")
        claimed = batch.changed(telling_since=now)
        self._store.save_batch(claimed)
        self._tell(claimed)
        return save_or_reread(
            self._store, claimed.changed(notified=(*batch.notified, fact), telling_since=None)
        )

    def tell_missed_tick(self, due_at: datetime) -> None:
        """Tell people, once, that a tick of the recurring schedule came too late to be acted on."""
        if self._store.claim_fact(f"missed-tick-{due_at.isoformat()}"):
            text = (
                f"The recurring schedule was due at {due_at.isoformat()} and came so late that nothing was "
                "submitted for it. To make up for it, copy the files from recurring/ into inbox/."
            )
            self._notices.mail("recurring schedule missed", text)

    def _tell(self, batch: Batch) -> None:
        subject = f"{batch.status.value.replace('_', ' ')}: {batch.batch_id}"
        self._notices.mail(subject[:_SUBJECT_CHARS_MAX], self._text(batch))
        if batch.status.is_final:
            self._notices.announce(_DETAIL_TYPES.get(batch.status, "Batch Settled"), _detail(batch))

    def _text(self, batch: Batch) -> str:
        counts = batch.counts
        by_outcome = {name.replace("_", " "): n for name, n in counts.model_dump(exclude={"rows"}).items()}
        lines = [
            VERDICTS.get(batch.status, "A person has to approve this batch before anything is sent."),
            message_of(batch),
            f"File: {batch.source.key}",
            f"Rows: {counts.rows}; {', '.join(f'{name} {rows}' for name, rows in by_outcome.items())}.",
            f"Amounts: requested {batch.total}, applied {batch.applied_total}.",
            f"Results: s3://{self._bucket}/results/{batch.batch_id}/",
        ]
        return "\n".join(line for line in lines if line)


def _detail(batch: Batch) -> Mapping[str, Any]:
    return {
        "batchId": batch.batch_id,
        "status": batch.status.value,
        "counts": batch.counts.model_dump(by_alias=True),
        "totals": totals_of(batch),
    }
