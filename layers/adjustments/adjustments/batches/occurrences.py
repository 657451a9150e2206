"""Finds the customers that appear more than once in a file, in memory that does not grow with the file.

Keys are kept as 64-bit hashes in partitions on scratch files. Two customers whose hashes collide are taken
for one: that costs one of them a later wave, and never puts a customer twice into a chunk.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import blake2b
from struct import Struct
from typing import BinaryIO, Final

_ENTRY: Final = Struct("<8sI")
_REPEAT: Final = Struct("<II")
_PARTITIONS: Final = 64
_BUFFER_BYTES: Final = 1 << 20
_READ_ENTRIES: Final = 4_096

Scratch = Callable[[], BinaryIO]
"""Opens an empty scratch file for binary reading and writing, which vanishes when it is closed."""


class Occurrences:
    """Counts the n-th appearance of each key.

    Args:
        scratch: opens scratch files; none is opened for a small file.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._buffers = [bytearray() for _ in range(_PARTITIONS)]
        self._files: list[BinaryIO] = []
        self._buffered = 0
        self._ordinal = 0

    def add(self, key: str) -> None:
        """Note the next row's key; rows count from 0 in the order in which they are added."""
        digest = blake2b(key.encode(), digest_size=8).digest()
        self._buffers[digest[0] % _PARTITIONS] += _ENTRY.pack(digest, self._ordinal)
        self._ordinal += 1
        self._buffered += _ENTRY.size
        if self._buffered >= _BUFFER_BYTES:
            self._spill()

    def repeats(self, most: int) -> Iterator[tuple[int, int]]:
        """Yield (row, n) in the order of the rows, for each row that is not its key's first.

        A key that appears more than ``most`` times yields all its rows, its first too, with n = 0.
        """
        partitions = (_of_partition(self._entries(part), most) for part in range(_PARTITIONS))
        return heapq.merge(*[self._kept(pairs) for pairs in partitions if pairs])

    def close(self) -> None:
        """Give the scratch files back."""
        for file in self._files:
            file.close()
        self._files = []

    def _spill(self) -> None:
        if not self._files:
            self._files = [self._scratch() for _ in range(_PARTITIONS)]
        for file, buffer in zip(self._files, self._buffers, strict=True):
            file.write(buffer)
            buffer.clear()
        self._buffered = 0

    def _entries(self, part: int) -> bytes:
        spilled = b""
        if self._files:
            self._files[part].seek(0)
            spilled = self._files[part].read()
        return spilled + bytes(self._buffers[part])

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


def _of_partition(entries: bytes, most: int) -> list[tuple[int, int]]:
    totals = Counter(digest for digest, _ in _ENTRY.iter_unpack(entries))
    seen: Counter[bytes] = Counter()
    pairs = []
    for digest, row in _ENTRY.iter_unpack(entries):
        if totals[digest] == 1:
            continue
        seen[digest] += 1
        if totals[digest] > most:
            pairs.append((row, 0))
        elif seen[digest] > 1:
            pairs.append((row, seen[digest]))
    return pairs


def _stored(file: BinaryIO) -> Iterator[tuple[int, int]]:
    while block := file.read(_REPEAT.size * _READ_ENTRIES):
        yield from _REPEAT.iter_unpack(block)
