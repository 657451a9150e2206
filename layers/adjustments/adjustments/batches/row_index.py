"""The index of a batch's rows: a sorted fingerprint of each, by which later batches find repeats.

A fingerprint has 62 bits: 26 of the customer alone, the other 36 of customer, amount and reason. So all rows
of a customer stand together, and their place follows from the value: sorted fingerprints are spread evenly.
Where a customer's rows are is in an index of its own (batches/customer_index.py).

The numbers of both indexes lie between ``BEGIN`` and ``END``. As the 64 bits of a double each of them is an
ordinary positive one (neither subnormal nor infinite), and of two such doubles the larger one has the larger
bits. Python sorts doubles twice as fast as whole numbers of this size, and sorting is most of the work.
"""

import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from hashlib import blake2s
from operator import xor
from typing import BinaryIO, Final

from adjustments.batches.files import Files, ObjectWriter

BEGIN: Final = 0x20 << 56
END: Final = 0x60 << 56
"""Between which values, the first included, the numbers of an index lie."""

INLINE_ROWS_MAX: Final = 256
"""Rows whose fingerprints fit beside a batch's entry in the table (2 KB), without an object of their own."""

PARTITIONS: Final = 256
PARTITION_WIDTH: Final = (END - BEGIN) // PARTITIONS

_ROW_BITS: Final = 36
"""Bits of a fingerprint that amount and reason decide too: rows of one customer agree in them by chance."""

_ROW_MASK: Final = (1 << _ROW_BITS) - 1

_BYTES: Final = 8
_DIGEST_BYTES: Final = blake2s.MAX_DIGEST_SIZE
_FIRST_BYTES: Final = bytes(0x20 + byte % 0x40 for byte in range(256))
"""What becomes of the first byte of a digest, so that it is a number of an index."""

_TAILS_MAX: Final = 1 << 16
_RUN_ROWS: Final = 1 << 16

Scratch = Callable[[], BinaryIO]
"""Opens an empty scratch file for binary reading and writing, which vanishes when it is closed."""


class Fingerprinter:
    """Makes fingerprints of rows; what it keeps of amounts and reasons is bounded."""

    def __init__(self) -> None:
        self._amounts = _Tails(b"amount")
        self._reasons = _Tails(b"reason")

    def fingerprints(
        self, customers: "array[int]", amounts: Iterable[str], reasons: Iterable[str]
    ) -> "array[int]":
        """The fingerprints of rows, in their order.

        Args:
            customers: the digests of those whom the rows are for (``customer_digests``).
            amounts: the amounts in canonical form, so that equal numbers are equal text.
            reasons: the reasons as they stand in the file.
        """
        tails = map(self._amounts.__getitem__, amounts), map(self._reasons.__getitem__, reasons)
        return array("Q", _xor(customers.tobytes(), *map(b"".join, tails)))


def customer_digests(customer_ids: Iterable[str]) -> "array[int]":
    """Digests of customers, as numbers of an index; a fingerprint begins with bits of its customer's.

    BLAKE2s, since of a text as short as an id it takes less time than BLAKE2b.
    """
    hashes = map(blake2s, map(str.encode, customer_ids))
    whole = bytearray(b"".join(map(blake2s.digest, hashes)))
    whole[::_DIGEST_BYTES] = whole[::_DIGEST_BYTES].translate(_FIRST_BYTES)
    digests = array("Q", bytes(whole))[:: _DIGEST_BYTES // _BYTES]
    if sys.byteorder == "little":
        digests.byteswap()
    return digests


class _Tails(dict[str, bytes]):
    """What a column's texts add to the fingerprints of customers."""

    def __init__(self, column: bytes) -> None:
        super().__init__()
        self._column = column

    def __missing__(self, text: str) -> bytes:
        if len(self) == _TAILS_MAX:
            self.clear()
        digest = blake2s(text.encode(), digest_size=_BYTES, person=self._column).digest()
        tail = self[text] = (int.from_bytes(digest) & _ROW_MASK).to_bytes(_BYTES, sys.byteorder)
        return tail


def _xor(first: bytes, *others: bytes) -> bytes:
    """Combine texts of one length: as numbers, which takes one operation for all their rows."""
    return reduce(xor, map(int.from_bytes, others), int.from_bytes(first)).to_bytes(len(first))


def customer_bits(fingerprint: int) -> int:
    """The 26 bits of a fingerprint that the customer decides."""
    return fingerprint >> _ROW_BITS


class IndexSorter:
    """Sorts the numbers of an index in memory that does not grow with their number.

    Args:
        scratch: opens scratch files; none is opened for a small file.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._held = array("Q")
        self._bounds: list[list[int]] = []
        self._file: BinaryIO | None = None
        self._removed = Counter[int]()
        self.rows = 0

    def add(self, numbers: "array[int]") -> None:
        """Add numbers in any order, each at least ``BEGIN`` and below ``END``."""
        self._held.extend(numbers)
        self.rows += len(numbers)
        if len(self._held) >= _RUN_ROWS:
            self._spill()

    def remove(self, numbers: Iterable[int]) -> None:
        """Take numbers out again, of which there are few."""
        before = self._removed.total()
        self._removed.update(numbers)
        self.rows -= self._removed.total() - before

    def parts(self) -> Iterator["array[int]"]:
        """All numbers, sorted, in pieces; equal ones are in one piece."""
        removed = Counter(self._removed)
        for part in self._sorted_parts():
            yield array("Q", _without(part, removed)) if removed else part

    def _sorted_parts(self) -> Iterator["array[int]"]:
        if self._file is None:
            yield _sorted(self._held)
            return
        if self._held:
            self._spill()
        if len(self._bounds) > 1:
            self._merge(self._file)
        for part in range(PARTITIONS):
            yield self._partition(self._file, part)

    def _merge(self, runs: BinaryIO) -> None:
        """Make one sorted run of all."""
        self._file = self._scratch()
        bounds = [0]
        for part in range(PARTITIONS):
            merged = _sorted(self._partition(runs, part))
            self._file.write(merged)
            bounds.append(bounds[-1] + len(merged))
        self._bounds = [bounds]
        runs.close()

    def clear(self) -> None:
        """Begin anew."""
        self.close()
        self._held, self._bounds, self._file, self.rows = array("Q"), [], None, 0
        self._removed.clear()

    def close(self) -> None:
        """Close the scratch file, which deletes it."""
        if self._file:
            self._file.close()

    def _spill(self) -> None:
        if self._file is None:
            self._file = self._scratch()
        run = _sorted(self._held)
        bounds = [bisect_left(run, start) for start in range(BEGIN, END, PARTITION_WIDTH)]
        before = self._bounds[-1][-1] if self._bounds else 0
        self._bounds.append([before + bound for bound in (*bounds, len(run))])
        self._file.seek(0, 2)
        self._file.write(run)
        self._held = array("Q")

    def _partition(self, file: BinaryIO, part: int) -> "array[int]":
        found = array("Q")
        for bounds in self._bounds:
            file.seek(found.itemsize * bounds[part])
            found.frombytes(file.read(found.itemsize * (bounds[part + 1] - bounds[part])))
        return found


def _sorted(numbers: "array[int]") -> "array[int]":
    """Sort numbers of an index, as doubles."""
    doubles = array("d", numbers.tobytes())
    return array("Q", array("d", sorted(doubles)).tobytes())


def _without(numbers: Iterable[int], removed: Counter[int]) -> Iterator[int]:
    for number in numbers:
        if removed[number]:
            removed[number] -= 1
        else:
            yield number


def write_index(sorter: IndexSorter, out: ObjectWriter) -> None:
    """Write sorted numbers, eight bytes each."""
    for part in sorter.parts():
        out.write(part.tobytes())


class IndexReader:
    """Reads an index once, from its smallest number to its largest, in pieces.

    Args:
        blocks: the index's bytes, in pieces of any size.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._held = array("Q")
        self._rest = b""
        self._is_over = False

    @classmethod
    def of_object(cls, files: Files, key: str) -> "IndexReader":
        """Read the index that lies under a key; raises NotFound."""
        return cls(files.open(key, None).blocks)

    def take(self, start: int, stop: int) -> "array[int]":
        """The numbers from one value up to another one; what lies before is left out.

        Later calls may only ask for what lies behind.
        """
        while not self._is_over and not (self._held and self._held[-1] >= stop):
            if self._held and self._held[-1] < start:
                self._held = array("Q")
            self._read()
        first, last = bisect_left(self._held, start), bisect_left(self._held, stop)
        found, self._held = self._held[first:last], self._held[last:]
        return found

    def _read(self) -> None:
        block = next(self._blocks, None)
        if block is None:
            self._is_over = True
            return
        block = self._rest + block if self._rest else block
        whole = len(block) - len(block) % self._held.itemsize
        self._rest = block[whole:]
        self._held.frombytes(block[:whole])
