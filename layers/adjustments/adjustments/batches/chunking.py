"""Divides rows into chunks: at most 1,000 rows, no customer twice, a customer's rows in successive waves."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from adjustments.core.ids import chunk_id
from adjustments.core.limits import CANARIES_MAX, CHUNK_ROWS_MAX


class PackedChunk(NamedTuple):
    """The rows of one chunk, as JSON, in the order of the file."""

    chunk_id: str
    wave: int
    rows: list[bytes]


class Packer:
    """Collects rows by wave and returns each chunk that gets full.

    Args:
        canary_rows: rows of each of the first chunks, the canaries; 0 for none. A later wave needs none of
            its own: where the first wave has but one chunk, no later one has more rows than that.
    """

    def __init__(self, canary_rows: int) -> None:
        self._canary_rows = canary_rows
        self._open: dict[int, list[bytes]] = {}
        self._numbers: dict[int, int] = {}

    def add(self, wave: int, rows: Iterable[bytes]) -> list[PackedChunk]:
        """Add the next rows of a wave; returns the chunks that got full."""
        waiting = self._open.setdefault(wave, [])
        waiting += rows
        full = []
        while len(waiting) >= (room := self._room(wave)):
            full.append(self._close(wave, waiting[:room]))
            del waiting[:room]
        return full

    def rest(self) -> Iterator[PackedChunk]:
        """Yield the chunks that are not full, after the last row."""
        for wave in sorted(wave for wave, rows in self._open.items() if rows):
            yield self._close(wave, self._open.pop(wave))

    def _room(self, wave: int) -> int:
        if self._canary_rows and wave == 1 and self._numbers.get(1, 0) < CANARIES_MAX:
            return min(self._canary_rows, CHUNK_ROWS_MAX)
        return CHUNK_ROWS_MAX

    def _close(self, wave: int, rows: list[bytes]) -> PackedChunk:
        number = self._numbers[wave] = self._numbers.get(wave, 0) + 1
        return PackedChunk(chunk_id(wave, number), wave, rows)


def waves(row_count: int, repeats: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Yield the wave of each row, in order; 0 for a row of a customer that appears too often.

    Args:
        row_count: accepted rows of the file.
        repeats: (row, n) in order, as ``DuplicateFinder.repeats`` yields them.
    """
    upcoming = iter(repeats)
    row, wave = next(upcoming, (row_count, 1))
    for ordinal in range(row_count):
        if ordinal < row:
            yield 1
            continue
        yield wave
        row, wave = next(upcoming, (row_count, 1))
