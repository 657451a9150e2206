"""Sends the chunks of a batch row by row, each row as a manual transaction of its own.

A row's transactionId is fixed since the plan, and so is its request. So a row whose outcome is unknown may be
sent again: Gameball applies an id once, and says so of the second request. The table knows chunks only: an
intent before the first row of one is sent, and its outcomes after the last. Where a sender ends between, it
keeps what it knows of the rows; where it disappears, the next one sends all of them again.
"""

import traceback
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final

from adjustments.aws.event_log import log_event
from adjustments.batches.next_step import LEASE_S, lease_is_over, next_step
from adjustments.batches.outcomes import RowOutcome, settlement_of
from adjustments.batches.payloads import body_of, request_of, sha256_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import ChunkState, Outcome
from adjustments.batches.store import BatchStore, ChunkCursor, Snapshot, storable_text
from adjustments.core import exact_json
from adjustments.core.errors import (
    ConfigurationError,
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    IdTaken,
    IdUnclear,
    RequestRefused,
    WrongState,
)
from adjustments.core.runtime import WORKERS, Clock, Ids, Parallel
from adjustments.gameball import retry_policy
from adjustments.gameball.block_slots import BlockSlots
from adjustments.gameball.circuit_breaker import GuardedGameball, Permit
from adjustments.gameball.rate_limiter import RateLimiter, Resource
from adjustments.manual_transactions.call import DOUBTS_TIME, CallPorts, GameballCall
from adjustments.manual_transactions.model import read_manual_transaction
from adjustments.polling.batch_pause import pause_batch, resume_batch
from adjustments.polling.settlement import ChunkSettler
from adjustments.submission.sender import CLOCK_SKEW, SENDING, begin_sending
from adjustments.submission.work_queue import OpenChunk, RowQueue, StopCheck

ROW_TIME_MAX: Final = timedelta(seconds=20)
"""How long a row is sent again and again before the rest of its chunk is left to the next sender."""

LAST_ROWS_TIME: Final = timedelta(seconds=10)
"""How much later than the sender's own end a row may end that was begun before."""

BEGIN_TIME: Final = timedelta(seconds=LEASE_S) - ROW_TIME_MAX - timedelta(seconds=10)
"""How long after the intent rows of a chunk are begun: what is begun then ends well within the lease."""

OPEN_TIME_MIN: Final = timedelta(seconds=5)
"""A sender with less time left opens no further chunk: it would send a few rows, and leave the rest with two
writes to the next one.
"""

UNANSWERED_ROWS_MAX: Final = 3
"""Rows in succession that get no answer in their time, until Gameball counts as unreachable."""

OPENING_S: Final = 0.02
"""Seconds after which a worker without a row looks whether another one has opened a chunk."""

_ROWS_MIN: Final = 2 * WORKERS

_HAD_IT: Final = "Gameball had applied this transactionId before, for the same customer and amount"


class _SendingEnded(Exception):
    """Nothing of this row may be sent any more by this sender."""


@dataclass(frozen=True, kw_only=True)
class TransactionSender:
    """Sends the rows of batches that are sent as transactions.

    Args:
        failure_percent_max: share of failed rows past which nothing more is sent (MaxFailurePercent).
    """

    store: BatchStore
    settler: ChunkSettler
    gameball: GuardedGameball
    rate_limiter: RateLimiter
    clock: Clock
    ids: Ids
    parallel: Parallel
    failure_percent_max: int

    def submit(self, batch_id: str, until: datetime, written: Snapshot | None = None) -> Batch:
        """See ``Sender``."""
        cursor = ChunkCursor(self.store, batch_id, written)
        slots = BlockSlots(self.rate_limiter, self.clock, Resource.TRANSACTIONS)
        open_until = until
        while True:
            batch, chunk = self.next_chunk(cursor, open_until)
            if chunk is None:
                return batch
            if not begin_sending(self.store, batch, self.clock.now()):
                continue  # another worker has changed the batch, and may have stopped it: read it again
            run = _Run(self, cursor, slots, batch, until, open_until)
            self.parallel([run.work] * min(WORKERS, batch.accepted_rows))
            batch = self.store.batch(batch_id)
            if batch.pause_reason or run.has_ended or self.clock.now() >= until:
                return batch
            open_until = until - OPEN_TIME_MIN

    def next_chunk(self, cursor: ChunkCursor, until: datetime) -> tuple[Batch, Chunk | None]:
        """Read the batch and its next chunk to send; None where nothing may be sent, or the time is up."""
        batch, now = cursor.batch(), self.clock.now()
        if batch.status not in SENDING or now >= min(until, batch.deadline_at):
            return batch, None
        step = next_step(batch, cursor.chunks(batch), now, self.failure_percent_max)
        return batch, None if step.stop_reason or not step.to_send else step.to_send[0]


class _Run:
    """What the workers of one sender share."""

    def __init__(
        self,
        sender: TransactionSender,
        cursor: ChunkCursor,
        slots: BlockSlots,
        batch: Batch,
        until: datetime,
        open_until: datetime,
    ) -> None:
        self.sender = sender
        self.clock = sender.clock
        self._cursor = cursor
        self._batch = batch
        self._until = until
        self._open_until = open_until
        self._queue = RowQueue(_ROWS_MIN)
        self._stop_check = StopCheck(sender.store, batch.batch_id, sender.clock)
        self._slots = slots
        self._is_paused = bool(batch.pause_reason)
        self._first_permit: Permit | None = None
        self._unanswered = 0
        self._lock = Lock()
        self.has_ended = False

    def work(self) -> None:
        """Send rows until none is left that may be begun."""
        while True:
            if self._queue.begin_opening():
                self._open_next()
            if taken := self._queue.take(self.clock.now()):
                self._send(*taken)
            if done := self._queue.take_done():
                self._close(done)
            elif taken is None:
                if not self._queue.is_opening:
                    return
                self.clock.sleep(OPENING_S)

    # --- chunks -------------------------------------------------------------------------------------------

    def _open_next(self) -> None:
        chunk: OpenChunk | None = None
        is_probe = self._is_paused
        try:
            chunk = self._open(is_probe)
        finally:
            self._queue.end_opening(chunk, is_last=is_probe)

    def _open(self, is_probe: bool) -> OpenChunk | None:
        """Hold the next chunk for this sender; None where nothing more may be sent now.

        Args:
            is_probe: whether a single row is sent, to find out whether the keys are accepted again.
        """
        sender = self.sender
        batch, chunk = sender.next_chunk(self._cursor, self._open_until)
        if chunk is None:
            return None
        self._open_until = self._until - OPEN_TIME_MIN
        rows = sender.settler.rows(chunk)
        if sha256_of(body_of(rows)) != chunk.sha256:
            raise WrongState(
                f"chunk {chunk.chunk_id} of batch {batch.batch_id} was not sent: its payload has changed "
                "since it was planned"
            )
        known = sender.settler.partial_outcomes(chunk)
        try:
            self._first_permit = sender.gameball.permit_manual_transaction()
        except GameballUnauthorized as error:
            self.pause(str(error))
            return None
        intent = self._held(chunk)
        try:
            sender.store.save_chunk(batch, intent)
        except WrongState:
            return None  # another sender was quicker
        log_event("sending chunk", batch, intent)
        waiting = [place for place, row in enumerate(known) if row is None or row.outcome is Outcome.IN_DOUBT]
        held_at = intent.intent_at or self.clock.now()
        earlier = timedelta(seconds=LEASE_S) + DOUBTS_TIME
        return OpenChunk(
            intent=intent,
            rows=rows,
            known=known,
            begin_until=min(self._until, batch.deadline_at, held_at + BEGIN_TIME),
            doubts_until=(chunk.intent_at or held_at) + earlier,
            waiting=deque(waiting[:1] if is_probe else waiting),
        )

    def _held(self, chunk: Chunk) -> Chunk:
        """The chunk with this sender's intent; that of a sender that has disappeared is taken over."""
        held: dict[str, Any] = {
            "token": self.sender.ids.fresh(),
            "intent_at": self.clock.now(),
            "attempts": chunk.attempts + 1,
            "not_before": None,
        }
        if chunk.state is ChunkState.SUBMITTING:
            return chunk.changed(**held)
        return chunk.moved(ChunkState.SUBMITTING, **held)

    def _close(self, chunk: OpenChunk) -> None:
        """Settle a chunk all of whose rows are known, or leave the rest of it to the next sender."""
        settler, batch = self.sender.settler, self._batch
        known = [row for row in chunk.known if row and row.outcome is not Outcome.IN_DOUBT]
        with suppress(WrongState):  # another sender has taken it over
            if len(known) == len(chunk.rows):
                settlement = settlement_of(chunk.rows, known)
                settler.settle(batch, chunk.intent, settlement, "", ended_at=self.clock.now())
            else:
                settler.release(batch, chunk.intent, chunk.known, chunk.not_before)

    # --- rows ---------------------------------------------------------------------------------------------

    def _send(self, chunk: OpenChunk, place: int) -> None:
        """Send a row that was taken from the queue, and note what is known of it after that."""
        try:
            chunk.known[place] = _Row(self, chunk, place).send()
        except RequestRefused as refused:  # by a rule that was added after the plan
            chunk.known[place] = chunk.known[place] or RowOutcome(Outcome.FAILED, refused.message)
            chunk.postpone(self.clock.now() + DOUBTS_TIME)
        self._queue.finish(chunk)

    def wait_for_slot(self, until: datetime) -> Permit:
        """Wait until a request may be made.

        Raises:
            GameballThrottled: there is no slot in time.
            GameballUnauthorized: the circuit is open.
        """
        rows_left = self._queue.rows_left()
        rows_max = self._batch.accepted_rows if rows_left is None else rows_left
        if not self._slots.wait_for_slot(until, rows_max):
            raise GameballThrottled("no slot of the rate limiter is free in time")
        with self._lock:
            permit, self._first_permit = self._first_permit, None
        return permit or self.sender.gameball.permit_manual_transaction()

    def is_stopped(self) -> bool:
        """Whether the batch was stopped; then no further row is begun."""
        if self._stop_check.is_stopped():
            self._queue.close()
            return True
        return False

    def row_until(self) -> datetime:
        """When a row has to end that begins now."""
        return min(self.clock.now() + ROW_TIME_MAX, self._until + LAST_ROWS_TIME)

    def note_answer(self) -> None:
        """Note that Gameball answers, and accepts the keys."""
        with self._lock:
            self._unanswered = 0
            was_paused, self._is_paused = self._is_paused, False
        if was_paused:
            resume_batch(self.sender.store, self._batch.batch_id)

    def note_unanswered(self) -> None:
        """Note that a row got no answer in its time; end where that is so of several in succession."""
        with self._lock:
            self._unanswered += 1
            is_unreachable = self._unanswered >= UNANSWERED_ROWS_MAX
        if is_unreachable:
            self._end()

    def pause(self, reason: str) -> None:
        """Pause the batch: Gameball refuses the keys, for which no row fails."""
        self._end()
        pause_batch(self.sender.store, self._batch.batch_id, storable_text(reason))

    def _end(self) -> None:
        self.has_ended = True
        self._queue.close()


class _Row:
    """One row on its way to Gameball."""

    def __init__(self, run: _Run, chunk: OpenChunk, place: int) -> None:
        self._run = run
        self._chunk = chunk
        self._was_in_doubt = chunk.known[place] is not None
        self._permit = Permit()
        request, now = request_of(chunk.rows[place]), run.clock.now()
        guarded = run.sender.gameball
        self._call = GameballCall(
            ports=CallPorts(
                add=lambda body, within_s: guarded.add_manual_transaction(body, within_s, self._permit),
                list_page=guarded.transactions,
                wait_for_slot=self._wait_for_slot,
                clock=run.clock,
                ids=run.sender.ids,
            ),
            transaction=read_manual_transaction(exact_json.read(request), now),
            body=request.encode(),
            until=run.row_until(),
            doubts_until=chunk.doubts_until if self._was_in_doubt else None,
            looks_up_taken_id=True,
        )

    def send(self) -> RowOutcome | None:
        """Send the row; what is known of it after that, None where it was surely not sent."""
        try:
            return self._run_call()
        finally:
            # the call's ports refer to this row: the cycle would hold the chunk until a full collection
            del self._call, self._chunk

    def _run_call(self) -> RowOutcome | None:
        try:
            answer = self._call.run()
        except _SendingEnded:
            return self._unknown("the sender ended before the outcome was known")
        except (GameballError, WrongState, ConfigurationError) as raised:
            error = raised
        else:
            self._run.note_answer()
            gameball_id = answer.get("gameballTransactionId")
            return RowOutcome(Outcome.APPLIED, self._note(), "" if gameball_id is None else str(gameball_id))
        # outside the handler, so that no later error carries Gameball's words into the log
        try:
            return self._follow_up(error)
        finally:
            _release_frames(error)
            del error

    def _wait_for_slot(self, until: datetime) -> None:
        self._permit = self._run.wait_for_slot(until)
        if lease_is_over(self._chunk.intent, self._run.clock.now() + CLOCK_SKEW):
            raise _SendingEnded  # frozen since the intent: another sender may have taken the chunk over
        # asked last, since the wait for a slot may take seconds; what may have been applied is cleared up
        if self._run.is_stopped() and not (self._call.lost_at or self._call.is_looking_up):
            raise _SendingEnded

    def _note(self) -> str:
        """What to say of a row that is applied: whether it was so before this batch."""
        is_earlier = self._call.is_looking_up and not (self._was_in_doubt or self._call.lost_at)
        return _HAD_IT if is_earlier else ""

    def _follow_up(self, error: GameballError | WrongState | ConfigurationError) -> RowOutcome | None:
        words = error.gameball_message if isinstance(error, GameballRefused) else None
        message, now = words or str(error), self._run.clock.now()
        match error:
            case IdTaken():
                self._run.note_answer()
                return RowOutcome(Outcome.FAILED, message)
            case IdUnclear() | GameballRefused():
                self._run.note_answer()
                if self._call.is_surely_refused(error):
                    return RowOutcome(Outcome.FAILED, message)
                self._chunk.postpone(now + timedelta(seconds=LEASE_S) + DOUBTS_TIME)
            case GameballUnauthorized() | ConfigurationError():
                self._run.pause(message)
            case GameballThrottled():
                self._chunk.postpone(now + self._back_off(error, 1))
            case GameballError():
                self._run.note_unanswered()
                self._chunk.postpone(now + self._back_off(error, self._chunk.intent.attempts))
            case _:
                raise error
        return self._unknown(message)

    def _back_off(self, error: GameballError, tries: int) -> timedelta:
        """How long to wait; the last request may name a time although an earlier one leaves doubt."""
        if isinstance(error.__cause__, GameballThrottled):
            error = error.__cause__
        return retry_policy.back_off(error, tries, self._run.sender.ids.jitter())

    def _unknown(self, message: str) -> RowOutcome | None:
        return RowOutcome(Outcome.IN_DOUBT, message) if self._call.is_in_doubt else None


def _release_frames(error: BaseException) -> None:
    """Clear the frames of an error that is handled: they refer to it, and would hold their callers' chunk."""
    found: BaseException | None = error
    cleared: list[BaseException] = []
    while found and found not in cleared:  # one that is raised again is its own cause
        traceback.clear_frames(found.__traceback__)
        cleared.append(found)
        found = found.__cause__ or found.__context__
