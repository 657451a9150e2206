"""What people do with batches: list them, look at one, approve and stop it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from adjustments.aws.event_log import log_event
from adjustments.batches.files import Files
from adjustments.batches.optimistic_update import update_batch
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchStore
from adjustments.core.errors import NotFound, WrongState
from adjustments.core.limits import LINK_S
from adjustments.core.runtime import Clock
from adjustments.polling.job_stopper import JobStopper
from adjustments.results.summary import instant, progress_of, summary_of
from adjustments.submission.starter import BatchStarter

if TYPE_CHECKING:  # it is loaded with the first approval
    from adjustments.reconciliation.decisions import Approval

RESULT_FILES: Final = ("results.csv", "fix-me.csv", "summary.json", "report.html")
_UNDER_WAY: Final = "planned, awaiting_approval, submitting, polling"


@dataclass(frozen=True, kw_only=True)
class BatchAdministration:
    """Shows batches, and lets a person decide."""

    store: BatchStore
    files: Files
    starter: BatchStarter
    stopper: JobStopper
    clock: Clock

    def page(self, status: str | None, rows_max: int, after: str | None) -> Mapping[str, Any]:
        """A page of batches, newest first."""
        batches, following = self.store.batches(status, rows_max, after)
        return {"batches": [summary_of(batch, ()) for batch in batches], "next": following}

    def show(self, batch_id: str) -> Mapping[str, Any]:
        """One batch: its jobs, how far it is, who decided what, and links to its results that soon expire."""
        batch = self.store.batch(batch_id)
        chunks = self.store.chunks(batch_id, batch.plan_id)
        return {
            **summary_of(batch, chunks),
            "progress": progress_of(batch, chunks, self.clock.now()),
            "heldBy": list(batch.held_by),
            "approvedBy": batch.approved_by or None,
            "stoppedBy": batch.stopped_by or None,
            "keepJobs": batch.keeps_jobs,
            "resolutions": [{**done.values(), "at": instant(done.at)} for done in batch.resolutions],
            "reverses": batch.reverses or None,
            "reversedBy": batch.reversed_by or None,
            "links": self._links(batch),
        }

    def _links(self, batch: Batch) -> dict[str, str]:
        if not batch.status.is_final:
            return {}
        folder = f"results/{batch.batch_id}"
        return {name: self.files.link(f"{folder}/{name}", LINK_S) for name in RESULT_FILES}

    def approve(self, batch_id: str, approval: "Approval") -> Batch:
        """Let a batch go that was held.

        An approval is bound to the object's version, the content's hash, the rows and the total: raises
        WrongState where any of them is not what the approver believes, where the file was changed or removed
        since it was planned, and where the batch does not wait for approval.
        """
        approved = update_batch(self.store, batch_id, lambda batch: self._approved(batch, approval))
        log_event("batch approved", approved)
        return self.starter.start(approved)

    def _approved(self, batch: Batch, approval: "Approval") -> Batch:
        if batch.status is not BatchStatus.AWAITING_APPROVAL:
            raise WrongState(
                f"the batch is {batch.status}; only one that is awaiting_approval can be approved"
            )
        if changed := self._changed(batch, approval):
            raise WrongState(f"not approved: {changed}; look at the batch again")
        deadline_at = batch.deadline_at + (self.clock.now() - batch.created_at)
        return batch.moved(BatchStatus.SUBMITTING, approved_by=approval.by, deadline_at=deadline_at)

    def stop(self, batch_id: str, by: str, note: str, until: datetime, *, keep_jobs: bool = False) -> Batch:
        """Send nothing more of a batch, and ask Gameball to stop its running jobs.

        What was applied already stays applied: the results tell, once every job has said what it did.

        Args:
            batch_id: the batch.
            by: who stops it.
            note: why; may be empty.
            until: when to end asking; the state machine asks for the rest.
            keep_jobs: let running jobs end, so that Gameball lists what became of their rows.

        Raises:
            WrongState: the batch can't be stopped, or its jobs were asked to stop and can't be kept.
        """
        reason = f"stopped by {by}" + (f": {note}" if note else "")
        batch = update_batch(self.store, batch_id, lambda batch: _stopped(batch, by, reason, keep_jobs))
        log_event("batch stopped by a person", batch)
        self.stopper.stop_jobs(batch, until)
        return self.starter.start(batch)

    def _changed(self, batch: Batch, approval: "Approval") -> str:
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
            newest = self.files.describe(batch.source.key, None)
        except NotFound:
            return "the file was removed since it was planned"
        return (
            ""
            if newest.version_id == batch.source.version_id
            else "the file was changed since it was planned"
        )


def _stopped(batch: Batch, by: str, reason: str, keep_jobs: bool) -> Batch:
    """A batch that sends nothing more; one that waits for approval gets under way to its end by it."""
    if batch.dry_run:
        raise WrongState(f"the batch is {batch.status}, a dry run, which sends nothing that could be stopped")
    if batch.status.is_final:
        raise WrongState(f"the batch is {batch.status}; only one under way can be stopped ({_UNDER_WAY})")
    if batch.stopped_by and keep_jobs and not batch.keeps_jobs:
        raise WrongState(
            "keepJobs comes too late: the batch was stopped, and Gameball was asked to stop its running jobs"
        )
    if batch.stopped_by:
        by, reason = batch.stopped_by, batch.stop_reason
    decided = {"stop_reason": reason, "stopped_by": by, "keeps_jobs": keep_jobs}
    if batch.status is BatchStatus.AWAITING_APPROVAL:
        return batch.moved(BatchStatus.SUBMITTING, **decided)
    return batch.changed(**decided)
