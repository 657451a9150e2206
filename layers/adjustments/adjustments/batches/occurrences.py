"""Finds the customers that appear more than once in a file, in memory that does not grow with the file.

Keys are kept as 64-bit hashes on a scratch file, in runs that are sorted, so that all hashes of a range can
be read together. Two customers whose hashes collide are taken for one: that costs one of them a later wave,
and never puts a customer twice into a chunk. Python's own hash differs from process to process; nothing of
it leaves this one.
"""

import heapq
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from struct import Struct
from typing import BinaryIO, Final, NamedTuple

_REPEAT: Final = Struct("<II")
_PARTITIONS: Final = 256
_RUN_ROWS: Final = 1 << 16
_READ_ENTRIES: Final = 4_096
_HASHES: Final = 1 << 64

Scratch = Callable[[], BinaryIO]
"""Opens an empty scratch file for binary reading and writing, which vanishes when it is closed."""


class _Run(NamedTuple):
    """Where a run lies on scratch: its hashes, its rows behind them, and where each partition begins."""

    at: int
    cuts: list[int]


class Occurrences:
    """Counts the n-th appearance of each key.

    Args:
        scratch: opens scratch files; none is opened for a small file without repeats.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._hashes: list[int] = []
        self._runs: list[_Run] = []
        self._rows = 0
        self._files: list[BinaryIO] = []

    def add(self, keys: Iterable[str]) -> None:
        """Note the next rows' keys; rows count from 0 in the order in which they are added."""
        self._hashes += map(hash, keys)
        if len(self._hashes) >= _RUN_ROWS:
            self._spill()

    def repeats(self, most: int) -> Iterator[tuple[int, int]]:
        """Yield (row, n) in the order of the rows, for each row that is not its key's first.

        A key that appears more than ``most`` times yields all its rows, its first too, with n = 0.
        """
        if not self._runs and len(set(self._hashes)) == len(self._hashes):
            return iter(())
        self._spill()
        partitions = (_of_partition(*self._partition(part), most) for part in range(_PARTITIONS))
        return heapq.merge(*[self._kept(pairs) for pairs in partitions if pairs])

    def close(self) -> None:
        """Give the scratch files back."""
        for file in self._files:
            file.close()
        self._files = []

    def _spill(self) -> None:
        """Put the rows that are held on scratch, sorted by hash."""
        if not self._files:
            self._files.append(self._scratch())
        hash_of = self._hashes.__getitem__
        order = sorted(range(len(self._hashes)), key=hash_of)
        hashes = array("q", map(hash_of, order))
        rows = array("I", map(self._rows.__add__, order))
        at = self._files[0].tell()
        self._files[0].write(hashes)
        self._files[0].write(rows)
        bounds = (part * _HASHES // _PARTITIONS - _HASHES // 2 for part in range(1, _PARTITIONS))
        self._runs.append(_Run(at, [0, *(bisect_left(hashes, bound) for bound in bounds), len(hashes)]))
        self._rows += len(self._hashes)
        self._hashes.clear()

    def _partition(self, part: int) -> tuple["array[int]", "array[int]"]:
        """The hashes of one range in all runs, and their rows; those of one hash in order."""
        hashes, rows = array("q"), array("I")
        file = self._files[0]
        for run in self._runs:
            start, stop, count = run.cuts[part], run.cuts[part + 1], run.cuts[-1]
            for column, at in ((hashes, run.at), (rows, run.at + hashes.itemsize * count)):
                file.seek(at + column.itemsize * start)
                column.frombytes(file.read(column.itemsize * (stop - start)))
        return hashes, rows

    def _kept(self, pairs: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Hold pairs on scratch where there are many, so that not all partitions' lie in memory at once."""
        if len(pairs) <= _READ_ENTRIES:
            return iter(pairs)
        file = self._scratch()
        self._files.append(file)
        for pair in pairs:
            file.write(_REPEAT.pack(*pair))
        file.seek(0)
        return _stored(file)


def _of_partition(hashes: "array[int]", rows: "array[int]", most: int) -> list[tuple[int, int]]:
    if len(set(hashes)) == len(hashes):
        return []
    totals = Counter(hashes)
    seen: Counter[int] = Counter()
    pairs = []
    for key, row in zip(hashes, rows, strict=True):
        if totals[key] == 1:
            continue
        seen[key] += 1
        if totals[key] > most:
            pairs.append((row, 0))
        elif seen[key] > 1:
            pairs.append((row, seen[key]))
    return sorted(pairs)


def _stored(file: BinaryIO) -> Iterator[tuple[int, int]]:
    while block := file.read(_REPEAT.size * _READ_ENTRIES):
        yield from _REPEAT.iter_unpack(block)
