"""Sends a batch's chunks: the intent on record before the request, the jobId after it, and nothing sent
twice. While sending goes on, what became of the jobs is collected as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from adjustments.aws.event_log import error_facts, log_event, log_warning
from adjustments.batches.chunk_cursor import ChunkCursor, Snapshot
from adjustments.batches.files import Files
from adjustments.batches.next_step import interleave_polls, lease_is_over, next_step
from adjustments.batches.optimistic_update import storable_text
from adjustments.batches.payloads import body_of, rows_of, sha256_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus, ChunkState
from adjustments.batches.store import BatchStore
from adjustments.core.errors import ConfigurationError, GameballError, GameballUnauthorized, WrongState
from adjustments.core.ids import half_ids
from adjustments.core.limits import CLOCK_SKEW_S
from adjustments.core.runtime import Clock, Ids, Parallel
from adjustments.gameball import retry_policy
from adjustments.gameball.circuit_breaker import GuardedGameball, Permit
from adjustments.gameball.rate_limiter import Priority, RateLimiter, Resource, wait_for_slot
from adjustments.gameball.retry_policy import FollowUp
from adjustments.polling.job_collector import JobCollector, pause_batch, resume_batch
from adjustments.submission.work_queue import WorkQueue

ROUND_CHUNKS_MAX: Final = 48
"""Requests between two looks at the batch: a stop, or a failure share, is noticed within seconds."""

CLOCK_SKEW: Final = timedelta(seconds=CLOCK_SKEW_S)
"""A sender's lease ends so much earlier for itself: the clock of whoever takes over may be ahead of its."""

_SENDING: Final = frozenset({BatchStatus.PLANNED, BatchStatus.SUBMITTING, BatchStatus.POLLING})


@dataclass(frozen=True, kw_only=True)
class ChunkSender:
    """Sends what may be sent of a batch.

    Args:
        failure_percent_max: share of failed rows past which nothing more is sent (MaxFailurePercent).
        collector: asks for jobs meanwhile; None for a sender that only begins, and leaves that to others.
    """

    store: BatchStore
    files: Files
    gameball: GuardedGameball
    rate_limiter: RateLimiter
    clock: Clock
    ids: Ids
    parallel: Parallel
    failure_percent_max: int
    collector: JobCollector | None = None

    def submit(self, batch_id: str, until: datetime, written: Snapshot | None = None) -> Batch:
        """Send chunk after chunk until nothing more may be sent now, or the time is up.

        Args:
            batch_id: the batch.
            until: when to end.
            written: the batch and its first chunks, where the caller has just written them.
        """
        look = ChunkCursor(self.store, batch_id, written)
        at_hand = (
            {written.chunks[0].payload_key: written.first_body} if written and written.first_body else {}
        )
        while True:
            batch, chunks = self._look(look, "", until)
            if not chunks:
                return batch
            if not self._begin(batch):
                continue  # look again: somebody was quicker, and may have stopped it
            # of a paused batch, one chunk tries whether our keys are right again
            has_time = self._send_round(
                look, batch, chunks[:1] if batch.pause_reason else chunks, until, at_hand
            )
            batch = self.store.batch(batch_id)
            if batch.pause_reason or not has_time:
                return batch

    def _begin(self, batch: Batch) -> bool:
        """Write that a batch is sending, before any intent; False where somebody has changed it meanwhile.

        Whoever looks for twins of a row has to see every batch that sends.
        """
        now = self.clock.now()
        if batch.status is not BatchStatus.PLANNED:
            self.store.record_sending(batch.batch_id, now)
            return True
        try:
            self.store.save_and_record_sending(batch.moved(BatchStatus.SUBMITTING), now)
        except WrongState:
            return False
        return True

    def _look(self, look: ChunkCursor, asked: str, until: datetime) -> tuple[Batch, Sequence[Chunk]]:
        """Look at a batch, and for what may be sent of it now, and which jobs be asked for in between."""
        batch = look.batch()
        now = self.clock.now()
        if batch.status not in _SENDING or now >= min(until, batch.deadline_at):
            return batch, ()
        chunks = look.chunks(batch)
        step = next_step(batch, chunks, now, self.failure_percent_max)
        if step.stop_reason or not step.to_send:
            return batch, ()
        return batch, interleave_polls(step.to_send, chunks if self.collector else (), now, asked)

    def _send_round(
        self,
        look: ChunkCursor,
        batch: Batch,
        chunks: Sequence[Chunk],
        until: datetime,
        at_hand: Mapping[str, bytes],
    ) -> bool:
        """Send with several workers until they have nothing left, or no place before the end."""
        work_queue = WorkQueue(chunks, ROUND_CHUNKS_MAX, partial(self._look_again, look, until))
        workers = min(len(chunks), ROUND_CHUNKS_MAX)
        self.parallel([partial(self._send_from, work_queue, batch, until, at_hand) for _ in range(workers)])
        return not work_queue.is_closed

    def _look_again(self, look: ChunkCursor, until: datetime, asked: str) -> Sequence[Chunk]:
        batch, chunks = self._look(look, asked, until)
        return () if batch.pause_reason else chunks

    def _send_from(
        self, work_queue: WorkQueue, batch: Batch, until: datetime, at_hand: Mapping[str, bytes]
    ) -> None:
        """Be one of the workers that do what is handed out, until nothing is or the time is up."""
        while (chunk := work_queue.take()) is not None:
            if self.collector and chunk.state is ChunkState.SUBMITTED:
                self.collector.collect(batch, chunk, until)
            elif not self._send(batch, chunk, until, at_hand):
                work_queue.close()

    def _send(self, batch: Batch, chunk: Chunk, until: datetime, at_hand: Mapping[str, bytes]) -> bool:
        """Send one chunk, unless somebody else is quicker; False when the time is up or keys are refused."""
        payload = at_hand.get(chunk.payload_key) or self.files.get(chunk.payload_key)
        rows = rows_of(payload)[chunk.first : chunk.last]
        body = body_of(rows)
        if sha256_of(body) != chunk.sha256:
            raise WrongState(
                f"the payload of chunk {chunk.chunk_id} of {batch.batch_id} is not the one planned"
            )
        try:
            permit = self.gameball.permit_adjustments()
        except GameballUnauthorized as error:
            pause_batch(self.store, batch.batch_id, storable_text(error.message))
            return False
        if not wait_for_slot(self.rate_limiter, self.clock, Resource.OTHERS, Priority.BULK, until):
            return False
        intent = chunk.moved(
            ChunkState.SUBMITTING,
            token=self.ids.fresh(),
            intent_at=self.clock.now(),
            attempts=chunk.attempts + 1,
        )
        try:
            self.store.save_chunk(batch, intent)
        except WrongState:
            return True
        log_event("sending chunk", batch, intent)
        self._request(batch, intent, rows, body, permit)
        return True

    def _request(
        self, batch: Batch, intent: Chunk, rows: Sequence[bytes], body: bytes, permit: Permit
    ) -> None:
        if lease_is_over(intent, self.clock.now() + CLOCK_SKEW):
            return  # frozen between intent and request: by now somebody else may have declared it in doubt
        try:
            job_id = self.gameball.adjust_balances(body, permit)
        except GameballError as error:
            refusal = error
        except ConfigurationError as error:
            refusal = GameballUnauthorized(str(error))  # without readable keys, nothing was sent
        else:
            self._keep_job(batch, intent, job_id)
            return
        # out of its handler, so that no later error carries Gameball's words into the log
        self._follow_up(batch, intent, rows, refusal)

    def _keep_job(self, batch: Batch, intent: Chunk, job_id: int) -> None:
        submitted = intent.moved(ChunkState.SUBMITTED, job_id=job_id)
        try:
            self.store.save_chunk(batch, submitted)
        except WrongState:
            self._keep_late_job(batch, intent, job_id)
        log_event("chunk submitted", batch, submitted)
        if batch.pause_reason:
            resume_batch(self.store, batch.batch_id)

    def _keep_late_job(self, batch: Batch, intent: Chunk, job_id: int) -> None:
        """The answer came after the lease had run out: what was in doubt has a jobId after all.

        Or the jobId is on record already: a write that took effect and whose answer was lost is repeated by
        the AWS client, and the second time it is too late.
        """
        chunks = self.store.chunks(batch.batch_id, batch.plan_id)
        stored = next(chunk for chunk in chunks if chunk.chunk_id == intent.chunk_id)
        if (stored.token, stored.job_id) == (intent.token, job_id):
            return
        if stored.state is not ChunkState.IN_DOUBT or stored.token != intent.token:
            raise WrongState(
                f"chunk {intent.chunk_id} of {batch.batch_id} has job {job_id} and is {stored.state}"
            )
        self.store.save_chunk(batch, stored.moved(ChunkState.SUBMITTED, job_id=job_id))

    def _follow_up(self, batch: Batch, intent: Chunk, rows: Sequence[bytes], error: GameballError) -> None:
        facts, message = error_facts(error), storable_text(error.message)
        match retry_policy.follow_up(error):
            case FollowUp.TRY_LATER:
                wait = retry_policy.back_off(error, intent.attempts, self.ids.jitter())
                self._release(batch, intent, not_before=self.clock.now() + wait, error=message)
                log_event("chunk postponed", batch, intent, wait_s=int(wait.total_seconds()), **facts)
            case FollowUp.PAUSE_BATCH:
                self._release(batch, intent, not_before=None, error=message)
                pause_batch(self.store, batch.batch_id, message)
                log_event("chunk postponed", batch, intent, **facts)
            case FollowUp.SPLIT if intent.rows > 1:
                self.store.split_chunk(batch, intent.moved(ChunkState.SPLIT), _halves(intent, rows))
                log_event("chunk refused and split in two", batch, intent, **facts)
            case FollowUp.SPLIT:
                self.store.save_chunk(batch, intent.moved(ChunkState.REFUSED, error=message))
                log_event("row refused", batch, intent, **facts)
            case FollowUp.IN_DOUBT:
                self.store.save_chunk(batch, intent.moved(ChunkState.IN_DOUBT, error=message))
                log_warning("chunk in doubt", batch, intent, **facts)

    def _release(self, batch: Batch, intent: Chunk, not_before: datetime | None, error: str) -> None:
        planned = intent.moved(
            ChunkState.PLANNED, not_before=not_before, error=error, token="", intent_at=None
        )
        self.store.save_chunk(batch, planned)


def _halves(whole: Chunk, rows: Sequence[bytes]) -> tuple[Chunk, Chunk]:
    """Cut a refused chunk in two, down to the row that is to blame."""
    middle = len(rows) // 2
    parts = ((0, middle), (middle, len(rows)))
    left, right = (
        Chunk(
            chunk_id=half_id,
            wave=whole.wave,
            payload_key=whole.payload_key,
            first=whole.first + start,
            last=whole.first + stop,
            sha256=sha256_of(body_of(rows[start:stop])),
        )
        for half_id, (start, stop) in zip(half_ids(whole.chunk_id), parts, strict=True)
    )
    return left, right
