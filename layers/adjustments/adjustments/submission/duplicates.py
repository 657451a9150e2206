"""Finds the customers that are in a file more than once, in memory that does not grow with the file.

Keys are 64-bit hashes on a scratch file, in the order of the rows. The sorted index of the customers
(batches/customer_index.py) shows which ones repeat: only their rows are divided into partitions by hash, so
that all rows of a key are read together. Where many repeat, all rows are. Two customers whose
hashes collide count as one: that costs one of them a later wave, and puts no customer twice into a chunk.
"""

import heapq
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from itertools import accumulate, starmap
from struct import Struct
from typing import BinaryIO, Final, NamedTuple

from adjustments.batches.customer_index import PARTS_MAX

_REPEAT: Final = Struct("<II")
_PARTITIONS: Final = 256
_RUN_ROWS: Final = 1 << 16
_READ_ENTRIES: Final = 4_096

Scratch = Callable[[], BinaryIO]
"""Opens an empty scratch file for binary reading and writing, which vanishes when it is closed."""


class _Run(NamedTuple):
    """Rows put on scratch together: where they begin there, and where each partition ends, in integers."""

    at: int
    ends: "array[int]"


def hashes_of(texts: Iterable[str]) -> "array[int]":
    """Hash texts as Python does, which differs from process to process: nothing of it may leave this one."""
    return array("q", map(hash, texts))


class DuplicateFinder:
    """Finds rows whose key an earlier row has.

    Args:
        scratch: opens scratch files; none is opened for a small file without repeats.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._keys = array("Q")
        self._file: BinaryIO | None = None
        self._files: list[BinaryIO] = []

    def add(self, keys: "array[int]") -> None:
        """Add the keys of the next rows; rows count from 0 in the order in which they are added.

        Args:
            keys: 64 bits for each row.
        """
        self._keys.frombytes(keys.tobytes())
        if len(self._keys) >= _RUN_ROWS:
            self._spill()

    def repeats(self, rows_max: int, suspects: Set[int] | None = None) -> Iterator[tuple[int, int]]:
        """Yield (row, n) in the order of the rows, for each row that is not its key's first.

        Args:
            rows_max: a key that appears more often yields all its rows, its first too, with n = 0.
            suspects: of all keys that may repeat the bits of ``customer_of``; None if not known.
        """
        if suspects is not None and not suspects:
            return iter(())
        if not self._file and _are_different(self._keys):
            return iter(())
        partitions = _Partitions(self._opened())
        row = 0
        for keys in self._blocks():
            partitions.add(enumerate(keys, row), suspects)
            row += len(keys)
        pairs_of_all = (_of_partition(entries, rows_max) for entries in partitions.entries())
        return heapq.merge(*[self._kept(pairs) for pairs in pairs_of_all if pairs])

    def close(self) -> None:
        """Close the scratch files, which deletes them."""
        for file in self._files:
            file.close()
        self._files = []

    def _opened(self) -> BinaryIO:
        self._files.append(self._scratch())
        return self._files[-1]

    def _spill(self) -> None:
        """Put the keys that are held on scratch."""
        if self._file is None:
            self._file = self._opened()
        self._file.write(self._keys)
        self._keys = array("Q")

    def _blocks(self) -> Iterator["array[int]"]:
        if self._file:
            self._file.seek(0)
            while block := self._file.read(self._keys.itemsize * _RUN_ROWS):
                yield array("Q", block)
        yield self._keys

    def _kept(self, pairs: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Hold pairs packed, on scratch where there are many: those of all partitions are held at once."""
        packed = b"".join(starmap(_REPEAT.pack, pairs))
        if len(pairs) <= _READ_ENTRIES:
            return _REPEAT.iter_unpack(packed)
        file = self._opened()
        file.write(packed)
        file.seek(0)
        return _stored(file)


class _Partitions:
    """Rows by their key, so that all rows of a key are together, with few others.

    Args:
        file: a scratch file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._held = _empty_partitions()
        self._held_rows = 0
        self._runs: list[_Run] = []

    def add(self, rows: Iterable[tuple[int, int]], suspects: Set[int] | None) -> None:
        """Add the next rows with their keys; those whose customer is none of the suspects are left out."""
        if suspects is not None:
            rows = [(row, key) for row, key in rows if key // PARTS_MAX in suspects]
        held, partitions = self._held, _PARTITIONS
        for row, key in rows:
            held[key % partitions] += key, row
            self._held_rows += 1
        if self._held_rows >= _RUN_ROWS:
            self._spill()

    def entries(self) -> Iterator["array[int]"]:
        """The entries of each partition: a hash, its row, and so on, in the order of the rows."""
        self._spill()
        for part in range(_PARTITIONS):
            entries = array("Q")
            for at, ends in self._runs:
                start = ends[part - 1] if part else 0
                self._file.seek(at + entries.itemsize * start)
                entries.frombytes(self._file.read(entries.itemsize * (ends[part] - start)))
            yield entries

    def _spill(self) -> None:
        """Put the rows that are held on scratch, one partition behind the other."""
        self._runs.append(_Run(self._file.tell(), array("I", accumulate(map(len, self._held)))))
        for entries in self._held:
            self._file.write(array("Q", entries))
        self._held, self._held_rows = _empty_partitions(), 0


def _empty_partitions() -> list[list[int]]:
    return [[] for _ in range(_PARTITIONS)]


def _are_different(hashes: Sequence[int]) -> bool:
    return len(set(hashes)) == len(hashes)


def _of_partition(entries: "array[int]", rows_max: int) -> list[tuple[int, int]]:
    hashes, rows = entries[::2], entries[1::2]
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
