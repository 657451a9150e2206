"""Hands out a batch's chunks to the workers that send them and ask for their jobs."""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock

from adjustments.batches.records import Chunk
from adjustments.batches.states import ChunkState


class WorkQueue:
    """The chunks that may be sent, and those whose jobs may be asked for, one for each worker that comes.

    After every so many, one worker looks at the batch anew while the others go on sending: to wait for all of
    them at each look left a tenth of the rate limiter unused (docs/decisions.md).

    Args:
        chunks: what there is to do, in order.
        chunks_a_look: how many are handed out between two looks.
        look: what there is to do now, given the chunk whose job was asked for last; nothing where sending has
            to end.
    """

    def __init__(
        self, chunks: Sequence[Chunk], chunks_a_look: int, look: Callable[[str], Sequence[Chunk]]
    ) -> None:
        self._waiting = deque(chunks)
        self._chunks_a_look = chunks_a_look
        self._look = look
        self._left = chunks_a_look
        self._looks = self._newest = 0
        self._taken: set[tuple[str, int]] = set()
        self._asked = ""
        self.is_closed = False
        self._lock = Lock()

    def take(self) -> Chunk | None:
        """The next chunk; None when there is none."""
        if number := self._due_look():
            self._renew(number, self._look(self._asked))
        with self._lock:
            if not self._waiting:
                return None
            chunk = self._waiting.popleft()
            self._left -= 1
            if chunk.state is ChunkState.SUBMITTED:  # it may be asked for again
                self._asked = chunk.chunk_id
            else:
                self._taken.add((chunk.chunk_id, chunk.version))
            return chunk

    def close(self) -> None:
        """Hand out nothing more."""
        with self._lock:
            self.is_closed = True
            self._waiting.clear()

    def _due_look(self) -> int:
        """The number of the look that this worker has to make; 0 for none."""
        with self._lock:
            if self._left > 0 or not self._waiting:
                return 0
            self._left = self._chunks_a_look
            self._looks += 1
            return self._looks

    def _renew(self, number: int, chunks: Sequence[Chunk]) -> None:
        """Go on with what was seen, but for what a worker has in hand already, and not by an older look."""
        with self._lock:
            if not self.is_closed and number > self._newest:
                self._newest = number
                fresh = (chunk for chunk in chunks if (chunk.chunk_id, chunk.version) not in self._taken)
                self._waiting = deque(fresh)
