"""What programs are told of a batch's end, as docs/events.md promises it."""

from collections.abc import Mapping
from typing import Any, Final

from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.results.summary import head_of, message_of, times_of

SETTLED: Final = "Batch Settled"
NEEDS_ATTENTION: Final = "Batch Needs Attention"


def batch_event(batch: Batch) -> tuple[str, Mapping[str, Any]]:
    """The detail type and the detail of a batch that has ended; for ``exact_json``."""
    needs_attention = batch.status is BatchStatus.NEEDS_ATTENTION
    return NEEDS_ATTENTION if needs_attention else SETTLED, {
        **head_of(batch),
        "message": message_of(batch),
        **times_of(batch),
    }
