"""The index of a batch's rows: sorted, exact, read once in pieces, and found by customer."""

from array import array
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjustments.batches import row_index
from adjustments.batches.row_index import (
    BEGIN,
    END,
    Fingerprinter,
    IndexReader,
    IndexSorter,
    customer_digests,
    write_index,
)
from tests.fakes import memory

NUMBERS = st.one_of(
    st.integers(BEGIN, END - 1), st.sampled_from([BEGIN, BEGIN + 1, END - 1]), st.integers(BEGIN, BEGIN + 9)
)
VALUES = st.lists(NUMBERS, max_size=60)


class Out:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def fingerprints(customer_ids: Sequence[str], amounts: Sequence[str], reasons: Sequence[str]) -> list[int]:
    return Fingerprinter().fingerprints(customer_digests(customer_ids), amounts, reasons).tolist()


def index_of(values: list[int], together: int = 7) -> bytes:
    sorter, out = IndexSorter(memory.scratch), Out()
    for start in range(0, len(values), together):
        sorter.add(array("Q", values[start : start + together]))
    write_index(sorter, out)
    assert sorter.rows == len(values)
    sorter.close()
    return out.data


@pytest.mark.parametrize("run_rows", [5, 20, 1_000])
@given(values=VALUES)
def test_fingerprints_are_sorted_however_many_fit_into_memory(run_rows: int, values: list[int]):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_index, "_RUN_ROWS", run_rows)
        assert array("Q", index_of(values)).tolist() == sorted(values)


@given(VALUES, st.lists(st.integers(BEGIN, END), min_size=1, max_size=9), st.integers(1, 40))
def test_reader_takes_each_piece_once_whatever_the_blocks(values: list[int], cuts: list[int], size: int):
    data = index_of(values)
    reader = IndexReader(data[start : start + size] for start in range(0, len(data), size))
    bounds = [BEGIN, *sorted(cuts), END]
    for start, stop in pairwise(bounds):
        expected = [value for value in sorted(values) if start <= value < stop]
        assert reader.take(start, stop).tolist() == expected


def test_reader_leaves_out_what_lies_before():
    reader = IndexReader([index_of([BEGIN + number for number in (1, 2, 3, 10, 20)])])
    assert reader.take(BEGIN + 5, BEGIN + 15).tolist() == [BEGIN + 10]
    assert reader.take(BEGIN + 15, END).tolist() == [BEGIN + 20]


def test_each_part_of_a_row_counts_and_nothing_else():
    rows = [("a", "1", ""), ("a", "1", "x"), ("a", "2", ""), ("b", "1", ""), ("a", "", "1"), ("a1", "", "")]
    columns = list(zip(*rows, strict=True))
    first = fingerprints(*columns)
    assert len(set(first)) == len(rows)
    assert fingerprints(*columns) == first


def test_fingerprints_stay_the_same_from_version_to_version():
    """An index is read for 30 days by whatever version is deployed then."""
    assert fingerprints(["player-1"], ["5"], ["gift"]) == [5402264090836952291]


def test_what_is_kept_of_amounts_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(row_index, "_TAILS_MAX", 10)
    amounts = [str(number) for number in range(100)]
    fingerprinter = Fingerprinter()
    found = fingerprinter.fingerprints(customer_digests(["a"] * 100), amounts, [""] * 100)
    assert len(set(found)) == 100
    assert len(fingerprinter._amounts) <= 10
