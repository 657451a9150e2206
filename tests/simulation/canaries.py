"""What the canaries of a batch promise, written down once more: nothing here uses the code that decides.

Of a canary too little is known where its rows in doubt, and not those that failed, take it past the limit.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from adjustments.batches.records import Chunk

CANARIES_MAX = 2
PAUSE = timedelta(seconds=120)
_OPEN = ("planned", "submitting", "submitted")


class Canaries(NamedTuple):
    """The canaries of which too little is known, and the one after them, each with all its parts."""

    lost: Sequence[Sequence[Chunk]]
    following: Sequence[Chunk]

    @property
    def rows_in_doubt(self) -> int:
        """Rows in doubt that are no judgement."""
        return sum(_outcomes(canary)[2] for canary in self.lost)

    def why_not(self, chunk_id: str, now: datetime) -> str:
        """Why a chunk may not be sent at a time, or nothing."""
        if not self.lost:
            return ""
        if not self.following:
            return "no outcome is known of any canary"
        if all(chunk.state not in _OPEN for chunk in self.following):
            return ""
        if _root(chunk_id) != _root(self.following[0].chunk_id):
            return "the second canary goes alone"
        sent = max(chunk.intent_at for canary in self.lost for chunk in canary if chunk.intent_at)
        return "the second canary waits" if now < sent + PAUSE else ""

    @property
    def is_second_due(self) -> bool:
        """Whether the first one is no judgement, and the second was not sent."""
        return len(self.lost) == 1 and {chunk.state for chunk in self.following} == {"planned"}


def canaries_of(chunks: Iterable[Chunk], percent_max: int) -> Canaries:
    """See which canaries of a batch are lost, and what follows them."""
    families: dict[str, list[Chunk]] = {}
    for chunk in sorted(chunks, key=lambda chunk: chunk.chunk_id):
        families.setdefault(_root(chunk.chunk_id), []).append(chunk)
    lost: list[Sequence[Chunk]] = []
    for canary in list(families.values())[:CANARIES_MAX]:
        rows, failed, in_doubt = _outcomes(canary)
        is_over = all(chunk.state not in _OPEN for chunk in canary)
        if (
            not is_over
            or failed * 100 > percent_max * rows
            or (failed + in_doubt) * 100 <= percent_max * rows
        ):
            return Canaries(lost, canary)
        lost.append(canary)
    return Canaries(lost, ())


def _outcomes(canary: Sequence[Chunk]) -> tuple[int, int, int]:
    rows = failed = in_doubt = 0
    for chunk in canary:
        if chunk.state in ("settled", "refused", "in_doubt"):
            rows += chunk.rows
        if chunk.state == "settled":
            failed += chunk.counts.failed
            in_doubt += chunk.counts.in_doubt
        elif chunk.state == "refused":
            failed += chunk.rows
        elif chunk.state == "in_doubt":
            in_doubt += chunk.rows
    return rows, failed, in_doubt


def _root(chunk_id: str) -> str:
    return chunk_id.split(".")[0]
