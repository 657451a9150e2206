"""What people do with batches: list them, look at one, approve one."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adjustments.approval import Approval
from adjustments.errors import NotFound, WrongState
from adjustments.model import Batch
from adjustments.ports import BatchStore, Clock, Files
from adjustments.progress import failure_counts
from adjustments.services.intake import Intake
from adjustments.states import BatchStatus
from adjustments.summary import summary_of


class Steering:
    """Shows batches, and lets a person decide."""

    def __init__(self, store: BatchStore, files: Files, intake: Intake, clock: Clock) -> None:
        self._store = store
        self._files = files
        self._intake = intake
        self._clock = clock

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

    def approve(self, batch_id: str, approval: Approval) -> Batch:
        """Let a batch go that was held.

        An approval is bound to the object's version, the content's hash, the rows and the total: raises
        WrongState where any of them is not what the approver believes, where the file was changed or removed
        since it was planned, and where the batch does not wait for approval.
        """
        batch = self._store.batch(batch_id)
        if batch.status is not BatchStatus.AWAITING_APPROVAL:
            raise WrongState(
                f"the batch is {batch.status}; only one that is awaiting_approval can be approved"
            )
        if changed := self._changed(batch, approval):
            raise WrongState(f"not approved: {changed}; look at the batch again")
        deadline_at = batch.deadline_at + (self._clock.now() - batch.created_at)
        approved = batch.moved(BatchStatus.SUBMITTING, approved_by=approval.by, deadline_at=deadline_at)
        self._store.save_batch(approved)
        return self._intake.set_going(approved)

    def _changed(self, batch: Batch, approval: Approval) -> str:
        """What is not as the approver believes, or nothing."""
        believed = {
            "the content's sha256": (approval.sha256, batch.source.sha256),
            "the number of rows": (approval.rows, batch.accepted_rows),
            "the requested total": (approval.requested, Decimal(batch.total)),
        }
        for name, (said, true) in believed.items():
            if said is not None and said != true:
                return f"{name} is {true}, not {said}"
        try:
            newest = self._files.describe(batch.source.key, None)
        except NotFound:
            return "the file was removed since it was planned"
        return (
            ""
            if newest.version_id == batch.source.version_id
            else "the file was changed since it was planned"
        )
