"""What the workers share that send a batch: the queue of its chunks, or of the rows of chunks that are sent
row by row, and the check for a person's stop.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from adjustments.batches.outcomes import RowOutcome
from adjustments.batches.records import Chunk
from adjustments.batches.states import ChunkState
from adjustments.batches.store import BatchStore
from adjustments.core.runtime import Clock

STOP_KNOWN_MAX: Final = timedelta(seconds=1)
"""How old the knowledge may be, right before a request, that nobody has stopped the batch."""


class WorkQueue:
    """The chunks to send, and those whose jobs are to be polled; each is handed out to one worker.

    After some chunks one worker refreshes the queue, while the others go on sending. Were they to wait for
    each other at each refresh, a tenth of the rate limit would go unused (docs/decisions.md).

    Args:
        chunks: what to do first, in order.
        chunks_per_refresh: how many chunks are handed out between two refreshes.
        refresh: returns what to do now, given the id of the chunk polled last; nothing if sending has to end.
    """

    def __init__(
        self, chunks: Sequence[Chunk], chunks_per_refresh: int, refresh: Callable[[str], Sequence[Chunk]]
    ) -> None:
        self._waiting = deque(chunks)
        self._chunks_per_refresh = chunks_per_refresh
        self._refresh = refresh
        self._left = chunks_per_refresh
        self._refreshes_begun = self._newest_refresh = 0
        self._sent: set[tuple[str, int]] = set()
        self._last_polled = ""
        self.is_closed = False
        self._lock = Lock()

    def take(self) -> Chunk | None:
        """Take the next chunk; None if there is none."""
        if number := self._begin_refresh():
            self._replace(number, self._refresh(self._last_polled))
        with self._lock:
            if not self._waiting:
                return None
            chunk = self._waiting.popleft()
            self._left -= 1
            if chunk.state is ChunkState.SUBMITTED:  # it may be polled again
                self._last_polled = chunk.chunk_id
            else:
                self._sent.add((chunk.chunk_id, chunk.version))
            return chunk

    def close(self) -> None:
        """Hand out nothing more."""
        with self._lock:
            self.is_closed = True
            self._waiting.clear()

    def _begin_refresh(self) -> int:
        """The number of the refresh that this worker has to make; 0 if none is due."""
        with self._lock:
            if self._left > 0 or not self._waiting:
                return 0
            self._left = self._chunks_per_refresh
            self._refreshes_begun += 1
            return self._refreshes_begun

    def _replace(self, number: int, chunks: Sequence[Chunk]) -> None:
        """Replace what waits, unless a newer refresh did; chunks that were handed out are left out."""
        with self._lock:
            if not self.is_closed and number > self._newest_refresh:
                self._newest_refresh = number
                fresh = (chunk for chunk in chunks if (chunk.chunk_id, chunk.version) not in self._sent)
                self._waiting = deque(fresh)


@dataclass(eq=False, kw_only=True)
class OpenChunk:
    """A chunk whose rows one sender sends one by one.

    Args:
        intent: the chunk, as this sender holds it.
        rows: its rows.
        known: the outcome of each row, as ``ChunkSettler.partial_outcomes`` has them.
        begin_until: when a row may be begun at the latest.
        doubts_until: before this time, Gameball may still apply a row that was in doubt when the chunk was
            opened, or list it too late.
        waiting: the places of the rows that are not begun.
        not_before: when what is left may be sent; None for at once.
    """

    intent: Chunk
    rows: Sequence[str]
    known: list[RowOutcome | None]
    begin_until: datetime
    doubts_until: datetime
    waiting: deque[int]
    not_before: datetime | None = None
    under_way: int = field(default=0, init=False)

    def postpone(self, until: datetime) -> None:
        """Let what is left wait at least until a time."""
        self.not_before = max(self.not_before or until, until)


class RowQueue:
    """The rows of open chunks, handed out one by one.

    One worker opens the next chunk while the others still send rows of this one, so that no slot of the rate
    limiter goes by unused between two chunks.

    Args:
        rows_min: with fewer waiting rows, the next chunk is opened.
    """

    def __init__(self, rows_min: int) -> None:
        self._rows_min = rows_min
        self._chunks: deque[OpenChunk] = deque()
        self._done: list[OpenChunk] = []
        self._may_open = True
        self.is_opening = False
        self._lock = Lock()

    def begin_opening(self) -> bool:
        """Whether this worker has to open the next chunk now, and to call ``end_opening`` after that."""
        with self._lock:
            waiting = sum(len(chunk.waiting) for chunk in self._chunks)
            if self.is_opening or not self._may_open or waiting >= self._rows_min:
                return False
            self.is_opening = True
            return True

    def end_opening(self, chunk: OpenChunk | None, *, is_last: bool = False) -> None:
        """Add the chunk that was opened; after None, or the last one, no further one is opened."""
        with self._lock:
            self.is_opening = False
            if chunk and not self._may_open:  # closed meanwhile
                chunk.waiting.clear()
            if chunk:
                self._chunks.append(chunk)
            self._may_open = self._may_open and bool(chunk) and not is_last
            self._collect_done()

    def rows_left(self) -> int | None:
        """The rows that are not sent yet; None as long as a further chunk may be opened."""
        with self._lock:
            if self._may_open:
                return None
            return sum(len(chunk.waiting) + chunk.under_way for chunk in self._chunks)

    def take(self, now: datetime) -> tuple[OpenChunk, int] | None:
        """Take the next row, None where none is waiting; ``finish`` has to be called for it."""
        with self._lock:
            for chunk in self._chunks:
                if now >= chunk.begin_until:
                    chunk.waiting.clear()
                if chunk.waiting:
                    chunk.under_way += 1
                    return chunk, chunk.waiting.popleft()
            self._collect_done()
            return None

    def finish(self, chunk: OpenChunk) -> None:
        """Record that a row which was taken is not under way any more."""
        with self._lock:
            chunk.under_way -= 1
            self._collect_done()

    def take_done(self) -> OpenChunk | None:
        """Take a chunk of which nothing waits or is under way, so that it can be settled or released."""
        with self._lock:
            return self._done.pop() if self._done else None

    def close(self) -> None:
        """Begin no further row, and open no further chunk."""
        with self._lock:
            self._may_open = False
            for chunk in self._chunks:
                chunk.waiting.clear()
            self._collect_done()

    def _collect_done(self) -> None:
        done = [chunk for chunk in self._chunks if not (chunk.waiting or chunk.under_way)]
        self._done += done
        for chunk in done:
            self._chunks.remove(chunk)


class StopCheck:
    """Notices that a person has stopped a batch, for all workers that send it.

    One worker reads the batch anew when half of ``STOP_KNOWN_MAX`` has passed; the others go on meanwhile.
    Where that takes too long, each reads for itself before it sends anything.

    Args:
        store: the store of the batch.
        batch_id: the batch, which was read just now.
        clock: the time.
    """

    def __init__(self, store: BatchStore, batch_id: str, clock: Clock) -> None:
        self._store = store
        self._batch_id = batch_id
        self._clock = clock
        self._known_at = self._asked_at = clock.now()
        self._is_stopped = False
        self._lock = Lock()

    def is_stopped(self) -> bool:
        """Whether nothing more may be sent, as far as was known a second ago."""
        asked_at = self._begin_read()
        if asked_at:
            is_stopped = bool(self._store.batch(self._batch_id).stop_reason)
            with self._lock:
                self._is_stopped = self._is_stopped or is_stopped
                self._known_at = max(self._known_at, asked_at)
        return self._is_stopped

    def _begin_read(self) -> datetime | None:
        """When this worker begins to read the batch; None where it need not."""
        now = self._clock.now()
        with self._lock:
            last = self._known_at if now >= self._known_at + STOP_KNOWN_MAX else self._asked_at
            if self._is_stopped or now < last + STOP_KNOWN_MAX / 2:
                return None
            self._asked_at = now
            return now
