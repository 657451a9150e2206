"""The index of a batch's customers: in which part of the input, and as which row, each of them stands.

An entry is one 64-bit number: 26 bits of the customer's digest, 14 bits of the part, 24 bits of the row,
which counts accepted rows of the file from 0. So all rows of a customer stand together in the sorted index,
and their place follows from the digest: one read of some 32 KB finds them in any batch. Rows that were
rejected as they were read are in it as well, without a number.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from math import isqrt
from typing import Final, NamedTuple

from adjustments.batches.files import Files
from adjustments.batches.row_index import customer_digests
from adjustments.batches.store import IndexEntry

CUSTOMER_BITS: Final = 26
_PART_BITS: Final = 14
"""Parts of one file: the largest has 2 GB (``EXPANDED_BYTES_MAX``) in parts of 192 KB, which is 10,923."""

_ROW_BITS: Final = 64 - CUSTOMER_BITS - _PART_BITS
"""Rows of one file: 10 million (``ROWS_MAX``), and one number for "rejected"."""

_OTHER_BITS: Final = 64 - CUSTOMER_BITS
_CUSTOMER_MASK: Final = (1 << 64) - (1 << _OTHER_BITS)
_REJECTED: Final = (1 << _ROW_BITS) - 1
_BYTES: Final = 8
_READ_ENTRIES_MIN: Final = 4_096
"""Entries that are read at once at least (32 KB): fewer would take as long."""

_DEVIATIONS: Final = 4
"""Half the width of a read, in standard deviations of the place (at most ``sqrt(n) / 2``)."""

_READS_MAX: Final = 40
"""Reads of one index: each halves what is left where the first estimates are wrong."""


class RowPlace(NamedTuple):
    """Where a row is: the part of the input, and its number among the accepted rows.

    ``row`` is None where the row was rejected as it was read.
    """

    part: int
    row: int | None


def entries(customers: "array[int]", part: int, first_row: int) -> "array[int]":
    """Make the entries of accepted rows that follow each other in one part.

    Args:
        customers: the digests of those whom the rows are for (``customer_digests``).
        part: the part, from 1.
        first_row: the number of the first of them among the accepted rows of the file, from 0.
    """
    base = (part << _ROW_BITS) + first_row
    numbers = array("Q", range(base, base + len(customers)))
    # As numbers of many bytes, which takes one operation for all rows.
    masks = int.from_bytes(array("Q", [_CUSTOMER_MASK]).tobytes() * len(customers))
    joined = (int.from_bytes(customers.tobytes()) & masks) | int.from_bytes(numbers.tobytes())
    return array("Q", joined.to_bytes(len(customers) * _BYTES))


def rejected_entries(customer_ids: Iterable[str], part: int) -> "array[int]":
    """Make the entries of rows that were rejected as they were read; one without a customer gets none."""
    named = [customer_id for customer_id in customer_ids if customer_id]
    base = (part << _ROW_BITS) + _REJECTED
    return array("Q", [(one >> _OTHER_BITS << _OTHER_BITS) + base for one in customer_digests(named)])


def is_like(customer_ids: Sequence[str], customer_id: str) -> list[bool]:
    """Which customers have entries like those of one customer: the same one, or another by chance."""
    [wanted] = customer_digests([customer_id])
    return [one >> _OTHER_BITS == wanted >> _OTHER_BITS for one in customer_digests(customer_ids)]


def customer_range(customer_id: str) -> tuple[int, int]:
    """Between which values, the first included, all entries of a customer lie."""
    low = customer_digests([customer_id])[0] >> _OTHER_BITS << _OTHER_BITS
    return low, low + (1 << _OTHER_BITS)


def find_places(files: Files, entry: IndexEntry, customer_id: str) -> list[RowPlace]:
    """Find the rows of a customer in the index of one batch, in the order of the file.

    Some may be those of another customer with the same bits. A large index is read in one piece as a rule.

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
    return [_place(one - low) for one in found]


def _read_range(files: Files, key: str, rows: int, low: int, high: int) -> "array[int]":
    """Read the entries between two values from a sorted index of so many."""
    width = max(_READ_ENTRIES_MIN, _DEVIATIONS * isqrt(rows) + 1)
    first = _begin(rows * low >> 64, width, rows)
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


def _place(number: int) -> RowPlace:
    part, row = divmod(number, 1 << _ROW_BITS)
    return RowPlace(part, None if row == _REJECTED else row)
