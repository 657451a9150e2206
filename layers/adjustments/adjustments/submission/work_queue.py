"""What the workers share that send a batch: the queue of its chunks, and the check for a person's stop."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from threading import Lock
from typing import Final

from adjustments.batches.records import Chunk
from adjustments.batches.states import ChunkState
from adjustments.batches.store import BatchStore
from adjustments.core.runtime import Clock

STOP_CHECK_EVERY: Final = timedelta(seconds=1)
"""How often the batch alone is read right before a request, so that a person's stop takes effect sooner."""


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


class StopCheck:
    """Notices that a person has stopped a batch, for all workers that send it.

    Args:
        store: the store of the batch.
        batch_id: the batch, which was read just now.
        clock: the time; the batch is read anew at most once in ``STOP_CHECK_EVERY``.
    """

    def __init__(self, store: BatchStore, batch_id: str, clock: Clock) -> None:
        self._store = store
        self._batch_id = batch_id
        self._clock = clock
        self._due_at = clock.now() + STOP_CHECK_EVERY
        self._is_stopped = False
        self._lock = Lock()

    def is_stopped(self) -> bool:
        """Whether nothing more may be sent, as far as was known a second ago."""
        if self._begin_read() and self._store.batch(self._batch_id).stop_reason:
            self._is_stopped = True
        return self._is_stopped

    def _begin_read(self) -> bool:
        """Whether this worker has to read the batch; the others go on meanwhile."""
        now = self._clock.now()
        with self._lock:
            is_due = not self._is_stopped and now >= self._due_at
            if is_due:
                self._due_at = now + STOP_CHECK_EVERY
            return is_due
