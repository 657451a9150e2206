"""Tells people and machines what became of a batch, once per fact."""

from collections.abc import Mapping
from typing import Any, Final

from adjustments.model import Batch
from adjustments.ports import BatchStore, Notices
from adjustments.report_page import VERDICTS
from adjustments.services.saving import try_save
from adjustments.states import BatchStatus
from adjustments.summary import message_of, totals_of

_DETAIL_TYPES: Final = {BatchStatus.NEEDS_ATTENTION: "Batch Needs Attention"}
_SUBJECT_CHARS_MAX: Final = 100
"""SNS refuses a longer subject (API reference of Publish)."""


class Notifier:
    """Sends mails and events.

    Args:
        bucket: where the results lie, for the mail.
    """

    def __init__(self, store: BatchStore, notices: Notices, bucket: str) -> None:
        self._store = store
        self._notices = notices
        self._bucket = bucket

    def notify(self, batch_id: str) -> Batch:
        """Tell the batch's present status, unless it was told before.

        The mark is set after the telling: a crash in between tells a fact twice rather than never.
        """
        batch = self._store.batch(batch_id)
        fact = batch.status.value
        if fact in batch.notified:
            return batch
        self._notices.mail(
            f"{fact.replace('_', ' ')}: {batch.batch_id}"[:_SUBJECT_CHARS_MAX], self._text(batch)
        )
        if batch.status.is_final:
            self._notices.announce(_DETAIL_TYPES.get(batch.status, "Batch Settled"), _detail(batch))
        told = batch.changed(notified=(*batch.notified, fact))
        return told if try_save(self._store, told) else self._store.batch(batch_id)

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
