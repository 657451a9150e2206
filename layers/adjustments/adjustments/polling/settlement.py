"""Settlement of chunks whose jobs have ended: the outcomes of their rows, stored before the chunk that refers
to them.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from typing import Final

from adjustments.aws.event_log import error_facts, log_event
from adjustments.batches.files import Files
from adjustments.batches.outcomes import (
    RowOutcome,
    Settlement,
    count,
    read_outcome,
    settlement_of,
    shared_outcome,
)
from adjustments.batches.payloads import customers_and_amounts, rows_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import ChunkState, Outcome, SendAs
from adjustments.batches.store import BatchStore, storable_text
from adjustments.batches.work_files import WorkKeys
from adjustments.core.decimals import plain
from adjustments.core.errors import ConfigurationError, GameballError, GameballUnauthorized, WrongState
from adjustments.core.runtime import Clock, Ids
from adjustments.polling.batch_pause import pause_batch, resume_batch
from adjustments.polling.job_client import JobClient, JobStatus, read_status

_LOOK_UP: Final = "without listing this row: look it up before sending it again"
UNLISTED: Final = f"Gameball finished the job {_LOOK_UP}"
UNLISTED_AS_STOPPED: Final = f"Gameball stopped the job {_LOOK_UP}"
_PERHAPS_SENT: Final = RowOutcome(
    Outcome.IN_DOUBT, "the sender of this row stopped before its outcome was recorded: it may have been sent"
)


def settle(rows: Sequence[str], job: JobStatus) -> Settlement:
    """Settle the rows of an ended job by customer: listed ones are applied or failed, others in doubt."""
    found = [job.rows.get(customer) for customer, _ in customers_and_amounts(rows)]
    unlisted = RowOutcome(Outcome.IN_DOUBT, UNLISTED_AS_STOPPED if job.state == "stopped" else UNLISTED)
    outcomes = [RowOutcome(result.outcome, result.message) if result else unlisted for result in found]
    return settlement_of(rows, outcomes)


def settle_doubts(rows: Sequence[str], known: Sequence[RowOutcome], job: JobStatus) -> Settlement:
    """Settle the rows in doubt that an ended job lists; other rows keep their outcomes."""
    listed = settle(rows, job).rows
    pairs = zip(known, listed, strict=True)
    return settlement_of(rows, [new if old.outcome is Outcome.IN_DOUBT else old for old, new in pairs])


@dataclass(frozen=True, kw_only=True)
class ChunkSettler:
    """Reads the rows of chunks, and reads and writes their outcomes."""

    store: BatchStore
    files: Files
    ids: Ids

    def rows(self, chunk: Chunk) -> list[str]:
        """Read the rows of a chunk, as they were sent."""
        return rows_of(self.files.get(chunk.payload_key))[chunk.first : chunk.last]

    def outcomes(self, batch: Batch, chunk: Chunk) -> Sequence[RowOutcome]:
        """Read the outcomes of the rows of a chunk, in order."""
        if chunk.state is not ChunkState.SETTLED:
            return [shared_outcome(batch, chunk)] * chunk.rows
        return list(starmap(read_outcome, json.loads(self.files.get(chunk.outcomes_key))))

    def settle(
        self,
        batch: Batch,
        chunk: Chunk,
        settlement: Settlement,
        job_state: str,
        *,
        ended_at: datetime | None = None,
    ) -> None:
        """Store a settlement.

        Each settlement has an object of its own, so that a second one changes nothing of the first.

        Args:
            batch: the batch.
            chunk: the chunk.
            settlement: the outcomes of its rows.
            job_state: the state of its job, as Gameball reported it.
            ended_at: when the job was seen to have ended, None where it was not.

        Raises:
            WrongState: another worker changed the chunk meanwhile.
        """
        key = self._keep(batch, chunk, settlement.rows)
        settled = chunk.settled(
            job_state=job_state,
            outcomes_key=key,
            counts=settlement.counts,
            applied_total=plain(settlement.applied_total),
            ended_at=chunk.ended_at or ended_at,
        )
        self.store.save_chunk(batch, settled)
        counts = settled.counts
        log_event(
            "chunk settled",
            batch,
            settled,
            applied=counts.applied,
            failed=counts.failed,
            in_doubt=counts.in_doubt,
        )

    def partial_outcomes(self, chunk: Chunk) -> list[RowOutcome | None]:
        """Read what is known of the rows of a chunk that is sent as transactions and not settled.

        Returns:
            An outcome for each row that may have been sent, ``in_doubt`` where it is unknown; None for each
            that was surely not sent.
        """
        if not chunk.outcomes_key:
            known: list[RowOutcome | None] = [None] * chunk.rows
        else:
            stored = json.loads(self.files.get(chunk.outcomes_key))
            known = [None if row is None else read_outcome(*row) for row in stored]
        if chunk.state is ChunkState.SUBMITTING:
            return [row or _PERHAPS_SENT for row in known]
        return known

    def known_outcomes(self, batch: Batch, chunk: Chunk) -> Sequence[RowOutcome | None]:
        """Read the outcomes of the rows of a chunk, None for each that is not known yet.

        Once its batch has ended, every row has one.
        """
        if chunk.state.is_over or batch.status.is_final:
            return self.outcomes(batch, chunk)
        if batch.send_as is SendAs.BATCH or not chunk.outcomes_key:
            return [None] * chunk.rows
        known = self.partial_outcomes(chunk)
        return [None if row is None or row.outcome is Outcome.IN_DOUBT else row for row in known]

    def release(
        self, batch: Batch, intent: Chunk, known: Sequence[RowOutcome | None], not_before: datetime | None
    ) -> None:
        """Let a chunk that is sent as transactions be sent on later, and keep what is known of its rows.

        Args:
            batch: the batch.
            intent: the chunk, as the worker holds it that has sent some of its rows.
            known: as in ``partial_outcomes``.
            not_before: when to go on, None for at once.

        Raises:
            WrongState: another worker has taken it over meanwhile.
        """
        found = [row for row in known if row]
        planned = intent.moved(
            ChunkState.PLANNED,
            token="",
            not_before=not_before,
            outcomes_key=self._keep(batch, intent, known) if found else "",
            counts=count(row.outcome for row in found),
        )
        self.store.save_chunk(batch, planned)
        log_event("chunk released", batch, planned, rows_known=len(found))

    def settle_stopped(self, batch: Batch, chunk: Chunk) -> None:
        """Settle a chunk of transactions of which nothing more is sent, whether or not some rows were sent.

        Raises:
            WrongState: another worker changed the chunk meanwhile.
        """
        unsent = RowOutcome(Outcome.NOT_SUBMITTED, batch.stop_reason)
        outcomes = [row or unsent for row in self.partial_outcomes(chunk)]
        self.settle(batch, chunk, settlement_of(self.rows(chunk), outcomes), "")

    def _keep(self, batch: Batch, chunk: Chunk, outcomes: Sequence[RowOutcome | None]) -> str:
        """Keep outcomes under a key of their own; Gameball's ids only where rows have some."""
        key = WorkKeys(batch.batch_id, batch.plan_id).outcomes(chunk.chunk_id, self.ids.fresh())
        stored = outcomes
        if batch.send_as is SendAs.BATCH:
            stored = [row and row[:2] for row in outcomes]  # type: ignore[misc]
        self.files.put(key, json.dumps(stored).encode(), "application/json")
        return key


@dataclass(frozen=True, kw_only=True)
class JobCollector:
    """Polls jobs and settles the chunks of those that have ended."""

    store: BatchStore
    settler: ChunkSettler
    jobs: JobClient
    clock: Clock

    def collect(self, batch: Batch, chunk: Chunk, until: datetime) -> None:
        """Poll the job of a chunk once, and settle the chunk if the job has ended.

        Args:
            batch: the batch.
            chunk: a submitted chunk.
            until: when the call has to be made at the latest, UTC.
        """
        if chunk.job_id is None:
            raise WrongState(f"chunk {chunk.chunk_id} of {batch.batch_id} is submitted and has no jobId")
        try:
            answer = self.jobs.fetch_status(batch, chunk.job_id, until)
        except (GameballUnauthorized, ConfigurationError) as error:
            pause_batch(self.store, batch.batch_id, storable_text(str(error)))
            return
        except GameballError as error:
            log_event("job status not available", batch, chunk, **error_facts(error))
            return  # the next poll tries again
        if answer is None:
            return
        if batch.pause_reason:
            resume_batch(self.store, batch.batch_id)
        job = read_status(*answer)
        if job.has_ended:
            with suppress(WrongState):  # another worker settled it
                settlement = settle(self.settler.rows(chunk), job)
                self.settler.settle(batch, chunk, settlement, job.state, ended_at=self.clock.now())
