"""The index of customers: where the rows of each of them are, found by reading a small part of it."""

from array import array
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjustments.batches.customer_index import (
    PARTS_MAX,
    customer_of,
    customer_range,
    entries,
    find_parts,
    repeated_customers,
)
from adjustments.batches.row_index import BEGIN, END, customer_digests
from adjustments.batches.store import IndexEntry
from tests.fakes.memory import START, ManualClock, MemoryFiles

ROWS_OF_PART = 5_000


def sorted_entries(customer_ids: list[str]) -> "array[int]":
    found = array("Q")
    for first in range(0, len(customer_ids), ROWS_OF_PART):
        part = customer_ids[first : first + ROWS_OF_PART]
        found += entries(customer_digests(part), first // ROWS_OF_PART + 1)
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
    assert entries(customer_digests(["player-1"]), 259) == array("Q", [5402264147072778499])
    [number] = entries(customer_digests(["player-1"]), PARTS_MAX - 1)
    assert (number % PARTS_MAX, customer_of(number)) == (PARTS_MAX - 1, customer_of(5402264147072778499))


def test_entries_are_numbers_of_an_index():
    numbers = entries(customer_digests([f"c{number}" for number in range(1_000)]), PARTS_MAX - 1)
    assert min(numbers) >= BEGIN
    assert max(numbers) < END


def test_the_parts_of_a_customer_are_found():
    ids = [f"player-{number}" for number in range(50_000)] + ["player-7", "player-7"]
    files, entry = indexed(sorted_entries(ids))
    assert find_parts(files, entry, "player-7") == [1, 11]
    assert find_parts(files, entry, "somebody else") == []
    assert len(files.reads) == 2
    assert max(files.reads) <= 32_768


def test_the_parts_of_a_customer_are_found_beside_an_entry_of_the_table():
    numbers = [*entries(customer_digests(["a", "b"]), 1), *entries(customer_digests(["b", "c"]), 2)]
    _, entry = indexed([])
    entry = entry._replace(customers_key="", customers=array("Q", sorted(numbers)).tobytes())
    assert find_parts(CountingFiles(), entry, "b") == [1, 2]


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 9))
def test_repeated_customers_are_those_with_several_entries(numbers: list[int], rows_of_part: int):
    digests = customer_digests(map(str, numbers))
    cut = range(0, len(digests), rows_of_part)
    index = sorted(
        number for part, at in enumerate(cut, 1) for number in entries(digests[at : at + rows_of_part], part)
    )
    repeated = {one for one, times in Counter(map(customer_of, digests)).items() if times > 1}
    assert repeated_customers([array("Q", index)], 30) == repeated
    assert repeated_customers([array("Q", index)], 0) == (None if repeated else set())


def test_customers_that_share_half_an_entry_are_not_taken_for_one():
    half = BEGIN + (5 << 32)
    index = array("Q", [half, half + PARTS_MAX, half + 3 * PARTS_MAX + 1, half + 3 * PARTS_MAX + 2])
    assert repeated_customers([index], 9) == {customer_of(half) + 3}


@pytest.mark.parametrize("rows", [0, 1, 4_095, 4_096, 4_097, 300_000])
def test_every_customer_is_found_in_an_index_of_any_size(rows: int):
    ids = [f"c{number}" for number in range(rows)]
    files, entry = indexed(sorted_entries(ids))
    for number in range(0, rows, max(1, rows // 97)):
        assert find_parts(files, entry, f"c{number}") == [number // ROWS_OF_PART + 1]
    assert not rows or find_parts(files, entry, ids[-1])


@pytest.mark.parametrize("where", ["all before", "all behind", "half and half"])
def test_a_customer_is_found_where_the_others_are_spread_unevenly(where: str):
    low, high = customer_range("wanted")
    own = [low + part for part in range(50)]
    before = [BEGIN + (low - BEGIN) * number // 40_000 for number in range(40_000)]
    behind = [high + number for number in range(40_000)]  # as close as can be
    files, entry = indexed(
        [*(before if where != "all behind" else []), *own, *(behind if where != "all before" else [])]
    )
    assert find_parts(files, entry, "wanted") == list(range(50))
    assert len(files.reads) <= 8
