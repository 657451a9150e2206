"""The events on the bus that tell programs how a batch ended, as docs/events.md describes them."""

from collections.abc import Mapping
from typing import Any, Final

from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.results.summary import BatchFacts, facts_of

SETTLED: Final = "Batch Settled"
NEEDS_ATTENTION: Final = "Batch Needs Attention"


class BatchEvent(BatchFacts):
    """The detail of both events."""


def batch_event(batch: Batch) -> tuple[str, Mapping[str, Any]]:
    """Make the event on a batch that has ended.

    Returns:
        The detail type, and the detail for ``exact_json``.
    """
    detail_type = NEEDS_ATTENTION if batch.status is BatchStatus.NEEDS_ATTENTION else SETTLED
    return detail_type, BatchEvent(**facts_of(batch)).to_json()
