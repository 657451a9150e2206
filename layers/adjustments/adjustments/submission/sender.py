"""Starts batches, and sends their chunks: the intent is saved before the request and the jobId after it, so
that nothing is sent twice. Jobs that were sent before are polled in between.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from adjustments.aws.event_log import error_facts, log_event, log_warning
from adjustments.batches.files import Files
from adjustments.batches.next_step import interleave_polls, lease_is_over, next_step
from adjustments.batches.payloads import body_of, rows_of, sha256_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus, ChunkState, SendAs
from adjustments.batches.store import BatchStore, ChunkCursor, Snapshot, save_or_reread, storable_text
from adjustments.core.errors import ConfigurationError, GameballError, GameballUnauthorized, WrongState
from adjustments.core.ids import execution_name, half_ids
from adjustments.core.limits import CLOCK_SKEW_S
from adjustments.core.runtime import Clock, Ids, Parallel
from adjustments.gameball import retry_policy
from adjustments.gameball.circuit_breaker import GuardedGameball, Permit
from adjustments.gameball.rate_limiter import Priority, RateLimiter, Resource, wait_for_slot
from adjustments.gameball.retry_policy import FollowUp
from adjustments.polling.batch_pause import pause_batch, resume_batch
from adjustments.submission.work_queue import StopCheck, WorkQueue

if TYPE_CHECKING:
    from adjustments.polling.settlement import JobCollector

ROUND_CHUNKS_MAX: Final = 48
"""Requests between two reads of the batch and its chunks, so that too many failed rows end it in seconds."""

CLOCK_SKEW: Final = timedelta(seconds=CLOCK_SKEW_S)
"""How much earlier a sender regards its own lease as over: the clock of the next one may be ahead."""

SENDING: Final = frozenset({BatchStatus.PLANNED, BatchStatus.SUBMITTING, BatchStatus.POLLING})
"""The states of a batch in which it may send."""

FIRST_SUBMIT_TIME: Final = timedelta(seconds=10)
"""How long to send before the state machine takes over: a small batch is sent at once."""


class Sender(Protocol):
    """Sends what may be sent of a batch."""

    def submit(self, batch_id: str, until: datetime, written: Snapshot | None = None) -> Batch:
        """Send until nothing more may be sent now, or the time is up.

        Args:
            batch_id: the batch.
            until: when to end.
            written: the batch and its first chunks, if the caller has just written them.

        Returns:
            The batch after that.
        """


def begin_sending(store: BatchStore, batch: Batch, now: datetime) -> bool:
    """Record that a batch sends on this day, before any intent, so that reconciliation counts its rows as
    lookalikes.

    Returns:
        False if another worker has changed the batch meanwhile.
    """
    if batch.status is not BatchStatus.PLANNED:
        if not _has_recorded_sending(batch, now):
            store.record_sending(batch.batch_id, now)
        return True
    try:
        store.save_and_record_sending(batch.moved(BatchStatus.SUBMITTING), now)
    except WrongState:
        return False
    return True


def _has_recorded_sending(batch: Batch, now: datetime) -> bool:
    """Whether a batch that is not planned any more has surely recorded that it sends on this day.

    That is so of one that was created today, whichever clock was asked, and did not have to be approved: its
    first sender recorded it.
    """
    return not batch.held_by and (batch.created_at - CLOCK_SKEW).date() == (now + CLOCK_SKEW).date()


@dataclass(frozen=True, kw_only=True)
class ChunkSender:
    """Sends the chunks of a batch that may be sent.

    Args:
        failure_percent_max: share of failed rows past which nothing more is sent (MaxFailurePercent).
        collector: polls jobs in between; None to send only.
    """

    store: BatchStore
    files: Files
    gameball: GuardedGameball
    rate_limiter: RateLimiter
    clock: Clock
    ids: Ids
    parallel: Parallel
    failure_percent_max: int
    collector: "JobCollector | None" = None

    def submit(self, batch_id: str, until: datetime, written: Snapshot | None = None) -> Batch:
        """See ``Sender``."""
        cursor = ChunkCursor(self.store, batch_id, written)
        payloads = (
            {written.chunks[0].payload_key: written.first_body} if written and written.first_body else {}
        )
        while True:
            batch, chunks = self._read_next(cursor, "", until)
            if not chunks:
                return batch
            if not begin_sending(self.store, batch, self.clock.now()):
                continue  # another worker has changed the batch, and may have stopped it: read it again
            # of a paused batch a single chunk is sent, to find out whether the keys are accepted again
            has_time = self._send_round(
                cursor, batch, chunks[:1] if batch.pause_reason else chunks, until, payloads
            )
            batch = self.store.batch(batch_id)
            if batch.pause_reason or not has_time:
                return batch

    def _read_next(
        self, cursor: ChunkCursor, last_polled: str, until: datetime
    ) -> tuple[Batch, Sequence[Chunk]]:
        """Read the batch and what to do now: chunks to send, interleaved with those whose jobs to poll."""
        batch = cursor.batch()
        now = self.clock.now()
        if batch.status not in SENDING or now >= min(until, batch.deadline_at):
            return batch, ()
        chunks = cursor.chunks(batch)
        step = next_step(batch, chunks, now, self.failure_percent_max)
        if step.stop_reason or not step.to_send:
            return batch, ()
        return batch, interleave_polls(step.to_send, chunks if self.collector else (), now, last_polled)

    def _send_round(
        self,
        cursor: ChunkCursor,
        batch: Batch,
        chunks: Sequence[Chunk],
        until: datetime,
        payloads: Mapping[str, bytes],
    ) -> bool:
        """Send with several workers; False if they ended before the queue was empty."""
        stop_check = StopCheck(self.store, batch.batch_id, self.clock)
        work_queue = WorkQueue(chunks, ROUND_CHUNKS_MAX, partial(self._refresh, cursor, until))
        workers = min(len(chunks), ROUND_CHUNKS_MAX)
        work = partial(self._work, work_queue, stop_check, batch, until, payloads)
        self.parallel([work] * workers)
        return not work_queue.is_closed

    def _refresh(self, cursor: ChunkCursor, until: datetime, last_polled: str) -> Sequence[Chunk]:
        batch, chunks = self._read_next(cursor, last_polled, until)
        return () if batch.pause_reason else chunks

    def _work(
        self,
        work_queue: WorkQueue,
        stop_check: StopCheck,
        batch: Batch,
        until: datetime,
        payloads: Mapping[str, bytes],
    ) -> None:
        """Send or poll each chunk that the queue hands out, until it is empty or closed."""
        while (chunk := work_queue.take()) is not None:
            if self.collector and chunk.state is ChunkState.SUBMITTED:
                self.collector.collect(batch, chunk, until)
            elif not self._send(batch, chunk, until, payloads, stop_check):
                work_queue.close()

    def _send(
        self,
        batch: Batch,
        chunk: Chunk,
        until: datetime,
        payloads: Mapping[str, bytes],
        stop_check: StopCheck,
    ) -> bool:
        """Send a chunk unless another worker does; False if nothing more can be sent for now."""
        payload = payloads.get(chunk.payload_key) or self.files.get(chunk.payload_key)
        rows = rows_of(payload)[chunk.first : chunk.last]
        body = body_of(rows)
        if sha256_of(body) != chunk.sha256:
            raise WrongState(
                f"chunk {chunk.chunk_id} of batch {batch.batch_id} was not sent: its payload has changed "
                "since it was planned"
            )
        try:
            permit = self.gameball.permit_adjustments()
        except GameballUnauthorized as error:
            pause_batch(self.store, batch.batch_id, storable_text(error.message))
            return False
        if not wait_for_slot(self.rate_limiter, self.clock, Resource.OTHERS, Priority.BULK, until):
            return False
        if stop_check.is_stopped():  # checked last, since the wait for a slot may take seconds
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

    def _request(self, batch: Batch, intent: Chunk, rows: Sequence[str], body: bytes, permit: Permit) -> None:
        if lease_is_over(intent, self.clock.now() + CLOCK_SKEW):
            return  # frozen since the intent: another worker may have declared the chunk in doubt
        try:
            job_id = self.gameball.adjust_balances(body, permit)
        except GameballError as error:
            refusal = error
        except ConfigurationError as error:
            refusal = GameballUnauthorized(str(error))  # without readable keys, nothing was sent
        else:
            self._record_job(batch, intent, job_id)
            return
        # outside the handler, so that no later error carries Gameball's words into the log
        self._follow_up(batch, intent, rows, refusal)

    def _record_job(self, batch: Batch, intent: Chunk, job_id: int) -> None:
        submitted = intent.moved(ChunkState.SUBMITTED, job_id=job_id)
        try:
            self.store.save_chunk(batch, submitted)
        except WrongState:
            self._record_late_job(batch, intent, job_id)
        log_event("chunk submitted", batch, submitted)
        if batch.pause_reason:
            resume_batch(self.store, batch.batch_id)

    def _record_late_job(self, batch: Batch, intent: Chunk, job_id: int) -> None:
        """Record a jobId that came after the lease was over, for a chunk that is in doubt meanwhile.

        It may be recorded already: the AWS client repeats a write whose answer was lost.
        """
        chunks = self.store.chunks(batch.batch_id, batch.plan_id)
        stored = next(chunk for chunk in chunks if chunk.chunk_id == intent.chunk_id)
        if (stored.token, stored.job_id) == (intent.token, job_id):
            return
        if stored.state is not ChunkState.IN_DOUBT or stored.token != intent.token:
            raise WrongState(
                f"job {job_id} can't be recorded: chunk {intent.chunk_id} of batch {batch.batch_id} "
                f"is {stored.state}"
            )
        self.store.save_chunk(batch, stored.moved(ChunkState.SUBMITTED, job_id=job_id))

    def _follow_up(self, batch: Batch, intent: Chunk, rows: Sequence[str], error: GameballError) -> None:
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
                log_event("chunk refused and split", batch, intent, **facts)
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


def _halves(whole: Chunk, rows: Sequence[str]) -> tuple[Chunk, Chunk]:
    """Split a refused chunk in two; repeated, this finds the row that Gameball refuses."""
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


class Executions(Protocol):
    """The state machine."""

    def start(self, name: str, batch_id: str) -> None:
        """Start an execution for a batch; a second start under the same name does nothing."""

    def is_running(self, name: str) -> bool:
        """Whether the execution of this name has not ended."""


@dataclass(frozen=True, kw_only=True)
class BatchSender:
    """Sends a batch in the way in which it was planned.

    Args:
        chunks: sends batches in chunks.
        transactions: makes what sends batches as transactions; it is imported for such a batch alone.
    """

    store: BatchStore
    chunks: Sender
    transactions: Callable[[], Sender]

    def submit(self, batch_id: str, until: datetime, written: Snapshot | None = None) -> Batch:
        """See ``Sender``."""
        batch = written.batch if written else self.store.batch(batch_id)
        sender = self.transactions() if batch.send_as is SendAs.TRANSACTIONS else self.chunks
        return sender.submit(batch_id, until, written)


@dataclass(frozen=True, kw_only=True)
class BatchStarter:
    """Starts batches, for submission and for people who approve or stop one."""

    store: BatchStore
    sender: Sender
    executions: Executions
    clock: Clock

    def start(self, batch: Batch, written: Snapshot | None = None) -> Batch:
        """Send the first chunks and start the state machine; this may be repeated.

        Args:
            batch: the batch.
            written: the batch and its first chunks, if they were written just now.

        Returns:
            The batch after that.
        """
        if batch.chunks and not batch.dry_run:
            batch = self.sender.submit(batch.batch_id, self.clock.now() + FIRST_SUBMIT_TIME, written)
        self.executions.start(execution_name(batch.batch_id, 1), batch.batch_id)
        if batch.executions:
            return batch
        return save_or_reread(self.store, batch.changed(executions=1))
