"""The index of a batch's customers: in which parts of the input each of them stands, and which repeat.

An entry is one number (batches/row_index.py): 46 bits of the customer's digest, 16 bits of the part. So all
entries of a customer stand together in the sorted index, and their place follows from the digest: one read of
some 32 KB finds them in any batch. Rows that were rejected as they were read are in it as well.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from itertools import compress, islice
from math import isqrt
from operator import eq
from typing import Final

from adjustments.batches.files import Files
from adjustments.batches.row_index import BEGIN, END, customer_digests
from adjustments.batches.store import IndexEntry

_PART_BYTES: Final = 2
"""Parts of one file: the largest has 2 GB (``EXPANDED_BYTES_MAX``) in parts of 192 KB, which is 10,923."""

PARTS_MAX: Final = 1 << 8 * _PART_BYTES
_BYTES: Final = 8
_PART_AT: Final = 0 if sys.byteorder == "little" else _BYTES - _PART_BYTES
_READ_ENTRIES_MIN: Final = 4_096
"""Entries that are read at once at least (32 KB): fewer would take as long."""

_DEVIATIONS: Final = 4
"""Half the width of a read, in standard deviations of the place (at most ``sqrt(n) / 2``)."""

_READS_MAX: Final = 40
"""Reads of one index: each halves what is left where the first estimates are wrong."""


def entries(customers: "array[int]", part: int) -> "array[int]":
    """Make the entries of rows of one part.

    Args:
        customers: the digests of those whom the rows are for (``customer_digests``).
        part: the part, from 1.
    """
    data = bytearray(customers.tobytes())
    for place, byte in enumerate(part.to_bytes(_PART_BYTES, sys.byteorder), _PART_AT):
        data[place::_BYTES] = bytes([byte]) * len(customers)
    return array("Q", bytes(data))


def customer_of(number: int) -> int:
    """The bits of an entry, or of a digest, that are the customer's."""
    return number // PARTS_MAX


def repeated_customers(parts: Iterable["array[int]"], most: int) -> set[int] | None:
    """The customers with several entries, by the bits of ``customer_of``; different ones hardly share them.

    Args:
        parts: all entries, sorted, in pieces that have a customer's entries together.
        most: how many are looked for.

    Returns:
        The customers; None where there are more than ``most``.
    """
    found: set[int] = set()
    for part in parts:
        # Without their parts, and as doubles, which are compared in less time.
        customers = array("d", entries(part, 0).tobytes()).tolist()
        repeated = array("d", compress(customers, map(eq, customers, islice(customers, 1, None))))
        found.update(map(customer_of, array("Q", repeated.tobytes())))
        if len(found) > most:
            return None
    return found


def customer_range(customer_id: str) -> tuple[int, int]:
    """Between which values, the first included, all entries of a customer lie."""
    low = customer_of(customer_digests([customer_id])[0]) * PARTS_MAX
    return low, low + PARTS_MAX


def find_parts(files: Files, entry: IndexEntry, customer_id: str) -> list[int]:
    """Find the parts of one batch's input with rows of a customer, in the order of the file.

    One may have those of another customer with the same bits. A large index is read in one piece as a rule.

    Args:
        files: the bucket.
        entry: where the index is.
        customer_id: the customer.
    """
    low, high = customer_range(customer_id)
    if entry.customers_key:
        found = _read_range(files, entry.customers_key, entry.customers_rows or 0, low, high)
    else:
        found = _cut(_numbers(entry.customers), low, high)
    return sorted({one - low for one in found})


def _read_range(files: Files, key: str, rows: int, low: int, high: int) -> "array[int]":
    """Read the entries between two values from a sorted index of so many."""
    width = max(_READ_ENTRIES_MIN, _DEVIATIONS * isqrt(rows) + 1)
    first = _begin(rows * (low - BEGIN) // (END - BEGIN), width, rows)
    last = min(first + width, rows)
    read = _read(files, key, first, last)
    for _ in range(_READS_MAX):
        begins_before = not first or read[0] < low
        ends_behind = last == rows or read[-1] >= high
        if begins_before and ends_behind:
            return _cut(read, low, high)
        if begins_before and read[-1] >= low:
            more = min(last + width, rows)  # the customer's rows go on behind what was read
            read, last = read + _read(files, key, last, more), more
        elif ends_behind and read[0] < high:
            more = max(0, first - width)
            read, first = _read(files, key, more, first) + read, more
        else:
            first = max(0, first - width) if read[0] >= low else min(last, rows - 1)
            last = min(first + width, rows)
            read = _read(files, key, first, last)
            width *= 2
    raise RuntimeError(f"{key} is not sorted")


def _begin(expected: int, width: int, rows: int) -> int:
    return max(0, min(expected - width // 2, rows - width))


def _read(files: Files, key: str, first: int, last: int) -> "array[int]":
    return _numbers(files.get_range(key, first * _BYTES, last * _BYTES))


def _numbers(data: bytes) -> "array[int]":
    numbers = array("Q")
    numbers.frombytes(data)
    return numbers


def _cut(numbers: "array[int]", low: int, high: int) -> "array[int]":
    return numbers[bisect_left(numbers, low) : bisect_left(numbers, high)]
