"""What people do with batches: list them, look at one, approve one."""

from collections.abc import Mapping
from typing import Any

from adjustments.errors import WrongState
from adjustments.model import Batch
from adjustments.ports import BatchStore
from adjustments.progress import failure_counts
from adjustments.services.intake import Intake
from adjustments.states import BatchStatus
from adjustments.summary import summary_of


class Steering:
    """Shows batches, and lets a person decide."""

    def __init__(self, store: BatchStore, intake: Intake) -> None:
        self._store = store
        self._intake = intake

    def page(self, status: str | None, rows_max: int, after: str | None) -> Mapping[str, Any]:
        """A page of batches, newest first."""
        batches, following = self._store.batches(status, rows_max, after)
        return {"batches": [summary_of(batch, ()) for batch in batches], "next": following}

    def show(self, batch_id: str) -> Mapping[str, Any]:
        """One batch with its jobs, and how far it is."""
        batch = self._store.batch(batch_id)
        chunks = self._store.chunks(batch_id, batch.plan_id)
        known = failure_counts(chunks)
        progress = {"settledRows": known.rows, "acceptedRows": batch.accepted_rows}
        return {**summary_of(batch, chunks), "progress": progress}

    def approve(self, batch_id: str) -> Batch:
        """Let a batch go that was held; raises WrongState where it does not wait for that."""
        batch = self._store.batch(batch_id)
        if batch.status is not BatchStatus.AWAITING_APPROVAL:
            raise WrongState(
                f"batch {batch_id} is {batch.status}; only one that is awaiting_approval can be approved"
            )
        approved = batch.moved(BatchStatus.SUBMITTING)
        self._store.save_batch(approved)
        return self._intake.set_going(approved)
