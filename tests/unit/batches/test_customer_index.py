"""The index of customers: where the rows of each of them are, found by reading a small part of it."""

from array import array
from collections.abc import Iterable

import pytest

from adjustments.batches.customer_index import (
    RowPlace,
    customer_range,
    entries,
    find_places,
    rejected_entries,
)
from adjustments.batches.row_index import customer_digests
from adjustments.batches.store import IndexEntry
from tests.fakes.memory import START, ManualClock, MemoryFiles

ROWS_OF_PART = 5_000


def sorted_entries(customer_ids: list[str]) -> "array[int]":
    found = array("Q")
    for first in range(0, len(customer_ids), ROWS_OF_PART):
        part = customer_ids[first : first + ROWS_OF_PART]
        found += entries(customer_digests(part), first // ROWS_OF_PART + 1, first)
    return array("Q", sorted(found))


class CountingFiles(MemoryFiles):
    """Counts ranged reads and their bytes."""

    def __init__(self) -> None:
        super().__init__(ManualClock())
        self.reads: list[int] = []

    def get_range(self, key: str, first: int, end: int) -> bytes:
        self.reads.append(end - first)
        return super().get_range(key, first, end)


def indexed(numbers: Iterable[int]) -> tuple[CountingFiles, IndexEntry]:
    files, data = CountingFiles(), array("Q", numbers)
    files.put("idx", data.tobytes(), "")
    return files, IndexEntry("b1", START, len(data), customers_rows=len(data), customers_key="idx")


def test_entries_stay_the_same_from_version_to_version():
    """An index is read for 400 days by whatever version is deployed then."""
    [entry] = entries(customer_digests(["player-1"]), 3, 14_000)
    assert entry == 11218402900155840176
    assert rejected_entries(["player-1", ""], 3) == array("Q", [11218402900172603391])


def test_the_rows_of_a_customer_are_found_with_part_and_number():
    ids = [f"player-{number}" for number in range(50_000)] + ["player-7"]
    files, entry = indexed(sorted_entries(ids))
    assert find_places(files, entry, "player-7") == [RowPlace(1, 7), RowPlace(11, 50_000)]
    assert find_places(files, entry, "somebody else") == []
    assert len(files.reads) == 2
    assert max(files.reads) <= 32_768


def test_rejected_rows_are_found_without_a_number():
    numbers = [*entries(customer_digests(["a", "b"]), 1, 0), *rejected_entries(["b", ""], 1)]
    _, entry = indexed([])
    entry = entry._replace(customers_key="", customers=array("Q", sorted(numbers)).tobytes())
    assert find_places(CountingFiles(), entry, "b") == [RowPlace(1, 1), RowPlace(1, None)]


@pytest.mark.parametrize("rows", [0, 1, 4_095, 4_096, 4_097, 300_000])
def test_every_customer_is_found_in_an_index_of_any_size(rows: int):
    ids = [f"c{number}" for number in range(rows)]
    files, entry = indexed(sorted_entries(ids))
    for number in range(0, rows, max(1, rows // 97)):
        places = find_places(files, entry, f"c{number}")
        assert RowPlace(number // ROWS_OF_PART + 1, number) in places
    assert not rows or find_places(files, entry, ids[-1])


@pytest.mark.parametrize("where", ["all before", "all behind", "half and half"])
def test_a_customer_is_found_where_the_others_are_spread_unevenly(where: str):
    low, high = customer_range("wanted")
    own = list(entries(customer_digests(["wanted"] * 50), 1, 0))
    before = [low * number // 40_000 for number in range(40_000)] if where != "all behind" else []
    behind = (
        [high + number for number in range(40_000)] if where != "all before" else []
    )  # as close as can be
    files, entry = indexed([*before, *own, *behind])
    assert find_places(files, entry, "wanted") == [RowPlace(1, row) for row in range(50)]
    assert len(files.reads) <= 8
