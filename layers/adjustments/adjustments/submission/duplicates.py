"""Finds the customers that are in a file more than once, in memory that does not grow with the file.

Keys are kept as 64-bit hashes on a scratch file, in partitions by hash, so that all rows of a key are read
together, with few others. Two customers whose hashes collide count as one: that costs one of them a
later wave, and never puts a customer twice into a chunk. Python's own hash differs from process to process;
nothing of it leaves this one.
"""

import heapq
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import accumulate, starmap
from struct import Struct
from typing import BinaryIO, Final, NamedTuple

_REPEAT: Final = Struct("<II")
_PARTITIONS: Final = 256
_RUN_ROWS: Final = 1 << 16
_READ_ENTRIES: Final = 4_096
_ENTRY: Final = 2
"""Integers kept of a row: its key's hash, and its number."""

Scratch = Callable[[], BinaryIO]
"""Opens an empty scratch file for binary reading and writing, which vanishes when it is closed."""


class _Run(NamedTuple):
    """Rows put on scratch together: where they begin there, and where each partition ends, in integers."""

    at: int
    ends: "array[int]"


class DuplicateFinder:
    """Finds rows whose key an earlier row has.

    Args:
        scratch: opens scratch files; none is opened for a small file without repeats.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._held = _empty_partitions()
        self._runs: list[_Run] = []
        self._rows = self._spilled = 0
        self._files: list[BinaryIO] = []

    def add(self, keys: Sequence[Hashable]) -> None:
        """Add the keys of the next rows; rows count from 0 in the order in which they are added."""
        held, partitions = self._held, _PARTITIONS
        for row, key in enumerate(map(hash, keys), self._rows):
            held[key % partitions] += key, row
        self._rows += len(keys)
        if self._rows - self._spilled >= _RUN_ROWS:
            self._spill()

    def repeats(self, rows_max: int) -> Iterator[tuple[int, int]]:
        """Yield (row, n) in the order of the rows, for each row that is not its key's first.

        A key that appears more than ``rows_max`` times yields all its rows, its first too, with n = 0.
        """
        if not self._runs and all(_are_different(entries[::_ENTRY]) for entries in self._held):
            return iter(())
        self._spill()
        partitions = (_of_partition(self._partition(part), rows_max) for part in range(_PARTITIONS))
        return heapq.merge(*[self._kept(pairs) for pairs in partitions if pairs])

    def close(self) -> None:
        """Close the scratch files, which deletes them."""
        for file in self._files:
            file.close()
        self._files = []

    def _spill(self) -> None:
        """Put the rows that are held on scratch, one partition behind the other."""
        if not self._files:
            self._files.append(self._scratch())
        file = self._files[0]
        self._runs.append(_Run(file.tell(), array("I", accumulate(map(len, self._held)))))
        for entries in self._held:
            file.write(array("q", entries))
        self._held = _empty_partitions()
        self._spilled = self._rows

    def _partition(self, part: int) -> "array[int]":
        """The entries of one partition in all runs: a hash, its row, and so on, in the order of the rows."""
        entries = array("q")
        file = self._files[0]
        for at, ends in self._runs:
            start = ends[part - 1] if part else 0
            file.seek(at + entries.itemsize * start)
            entries.frombytes(file.read(entries.itemsize * (ends[part] - start)))
        return entries

    def _kept(self, pairs: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Hold pairs packed, on scratch where there are many: those of all partitions are held at once."""
        packed = b"".join(starmap(_REPEAT.pack, pairs))
        if len(pairs) <= _READ_ENTRIES:
            return _REPEAT.iter_unpack(packed)
        file = self._scratch()
        self._files.append(file)
        file.write(packed)
        file.seek(0)
        return _stored(file)


def _empty_partitions() -> list[list[int]]:
    return [[] for _ in range(_PARTITIONS)]


def _are_different(hashes: Sequence[int]) -> bool:
    return len(set(hashes)) == len(hashes)


def _of_partition(entries: "array[int]", rows_max: int) -> list[tuple[int, int]]:
    hashes, rows = entries[::_ENTRY], entries[1::_ENTRY]
    if _are_different(hashes):
        return []
    totals = Counter(hashes)
    seen: Counter[int] = Counter()
    pairs = []
    for key, row in zip(hashes, rows, strict=True):
        if totals[key] == 1:
            continue
        seen[key] += 1
        if totals[key] > rows_max:
            pairs.append((row, 0))
        elif seen[key] > 1:
            pairs.append((row, seen[key]))
    return pairs


def _stored(file: BinaryIO) -> Iterator[tuple[int, int]]:
    while block := file.read(_REPEAT.size * _READ_ENTRIES):
        yield from _REPEAT.iter_unpack(block)
