"""What programs are told of a batch's end, as docs/events.md promises it."""

from collections.abc import Mapping
from typing import Any, Final

from adjustments.batches.summary import instant, message_of, totals_of
from adjustments.model import Batch
from adjustments.states import BatchStatus

SETTLED: Final = "Batch Settled"
NEEDS_ATTENTION: Final = "Batch Needs Attention"


def announcement_of(batch: Batch) -> tuple[str, Mapping[str, Any]]:
    """The detail type and the detail of a batch that has ended; for ``exact_json``."""
    needs_attention = batch.status is BatchStatus.NEEDS_ATTENTION
    return NEEDS_ATTENTION if needs_attention else SETTLED, {
        "batchId": batch.batch_id,
        "status": batch.status.value,
        "dryRun": batch.dry_run,
        "source": batch.source.model_dump(by_alias=True),
        "counts": batch.counts.model_dump(by_alias=True),
        "totals": totals_of(batch),
        **({"prediction": batch.prediction.model_dump(by_alias=True)} if batch.prediction else {}),
        "message": message_of(batch),
        "createdAt": instant(batch.created_at),
        "finishedAt": instant(batch.finished_at) if batch.finished_at else None,
    }
