"""The index of a batch's rows: a sorted 64-bit fingerprint of each, by which later batches find repeats.

A fingerprint's first 28 bits are of the customer alone, the other 36 of customer, amount and reason. So all
rows of a customer stand together, and their place follows from the value: sorted fingerprints are spread
evenly, and a customer's rows in a million lie within one read of some 32 KB.
"""

import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import BinaryIO, Final

from adjustments.batches.files import Files, ObjectWriter

CUSTOMER_BITS: Final = 28
"""Bits of a fingerprint that only the customer decides."""

INLINE_ROWS_MAX: Final = 256
"""Rows whose fingerprints fit beside a batch's entry in the table (2 KB), without an object of their own."""

_ROW_BITS: Final = 64 - CUSTOMER_BITS
_ROW_MASK: Final = (1 << _ROW_BITS) - 1
_PERSON: Final = b"adjustments row1"
"""The form of the fingerprints: another one makes other values, and never wrong matches. It is no secret, as
the rows themselves lie beside the index.
"""

_TAILS_MAX: Final = 1 << 16
_RUN_ROWS: Final = 1 << 16
_READ_BYTES: Final = 1 << 18
PARTITIONS: Final = 256
_PARTITION_SHIFT: Final = 64 - 8
END: Final = 1 << 64

Fingerprints = "array[int]"
Scratch = Callable[[], BinaryIO]
"""Opens an empty scratch file for binary reading and writing, which vanishes when it is closed."""


class Fingerprinter:
    """Makes fingerprints of rows; what it keeps of amounts and reasons is bounded."""

    def __init__(self) -> None:
        self._tails: dict[tuple[str, str], int] = {}

    def fingerprints(
        self, customer_ids: Iterable[str], amounts: Iterable[str], reasons: Iterable[str]
    ) -> list[int]:
        """The fingerprints of rows, in their order.

        Args:
            customer_ids: whom each row is for.
            amounts: the amounts in canonical form, so that equal numbers are equal text.
            reasons: the reasons as they stand in the file.
        """
        customers = array("Q", b"".join(map(_digest, customer_ids)))
        if sys.byteorder == "little":
            customers.byteswap()
        known = self._tails.get
        return [
            customer ^ (self._tail(row) if (tail := known(row)) is None else tail)
            for customer, row in zip(customers, zip(amounts, reasons, strict=True), strict=True)
        ]

    def _tail(self, row: tuple[str, str]) -> int:
        """What amount and reason add to a customer's fingerprint."""
        if len(self._tails) == _TAILS_MAX:
            self._tails.clear()
        tail = self._tails[row] = _hash("\0".join(row)) & _ROW_MASK
        return tail


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8, person=_PERSON).digest()


def _hash(text: str) -> int:
    return int.from_bytes(_digest(text))


def customer_range(customer_id: str) -> tuple[int, int]:
    """Between which values, the first included, all fingerprints of a customer lie."""
    low = _hash(customer_id) >> _ROW_BITS << _ROW_BITS
    return low, low + (1 << _ROW_BITS)


class FingerprintSorter:
    """Sorts fingerprints in memory that does not grow with their number.

    Args:
        scratch: opens scratch files; none is opened for a small file.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._held: list[int] = []
        self._bounds: list[list[int]] = []
        self._file: BinaryIO | None = None
        self._removed = Counter[int]()
        self.rows = 0

    def add(self, fingerprints: Sequence[int]) -> None:
        """Add fingerprints in any order."""
        self._held += fingerprints
        self.rows += len(fingerprints)
        if len(self._held) >= _RUN_ROWS:
            self._spill()

    def remove(self, fingerprints: Iterable[int]) -> None:
        """Take fingerprints out again, of which there are few."""
        before = self._removed.total()
        self._removed.update(fingerprints)
        self.rows -= self._removed.total() - before

    def parts(self) -> Iterator["array[int]"]:
        """All fingerprints, sorted, in pieces."""
        removed = Counter(self._removed)
        for part in self._sorted_parts():
            yield array("Q", _without(part, removed)) if removed else part

    def _sorted_parts(self) -> Iterator["array[int]"]:
        if self._file is None:
            yield array("Q", sorted(self._held))
            return
        if self._held:
            self._spill()
        for part in range(PARTITIONS):
            yield array("Q", sorted(self._partition(self._file, part)))

    def clear(self) -> None:
        """Begin anew."""
        self.close()
        self._held, self._bounds, self._file, self.rows = [], [], None, 0
        self._removed.clear()

    def close(self) -> None:
        """Close the scratch file, which deletes it."""
        if self._file:
            self._file.close()

    def _spill(self) -> None:
        if self._file is None:
            self._file = self._scratch()
        run = array("Q", sorted(self._held))
        start = self._bounds[-1][-1] if self._bounds else 0
        bounds = [bisect_left(run, part << _PARTITION_SHIFT) for part in range(PARTITIONS)]
        self._bounds.append([start + bound for bound in (*bounds, len(run))])
        self._file.seek(0, 2)
        self._file.write(run.tobytes())
        self._held = []

    def _partition(self, file: BinaryIO, part: int) -> "array[int]":
        found = array("Q")
        for bounds in self._bounds:
            file.seek(found.itemsize * bounds[part])
            found.frombytes(file.read(found.itemsize * (bounds[part + 1] - bounds[part])))
        return found


def _without(fingerprints: Iterable[int], removed: Counter[int]) -> Iterator[int]:
    for fingerprint in fingerprints:
        if removed[fingerprint]:
            removed[fingerprint] -= 1
        else:
            yield fingerprint


def write_index(sorter: FingerprintSorter, out: ObjectWriter) -> None:
    """Write sorted fingerprints, eight bytes each."""
    for part in sorter.parts():
        out.write(part.tobytes())


class IndexReader:
    """Reads an index once, from its smallest fingerprint to its largest, in pieces.

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
        """The fingerprints from one value up to another one; what lies before is left out.

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
