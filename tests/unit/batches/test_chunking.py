"""No customer twice in a chunk, every row in exactly one, a customer's rows in order by waves."""

from array import array
from collections import Counter, defaultdict
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjustments.batches import customer_index, row_index
from adjustments.batches.payloads import PackedChunk, Packer, waves
from adjustments.batches.row_index import IndexSorter, customer_digests
from adjustments.submission.duplicates import DuplicateFinder, hashes_of


def cut(customers: list[str], canary_rows: int = 0, most: int = 50) -> list[PackedChunk]:
    """Chunk rows that are named ``customer:number``."""
    occurrences = DuplicateFinder(BytesIO)
    occurrences.add(hashes_of(customers))
    packer = Packer(canary_rows)
    chunks = []
    for number, wave in enumerate(waves(len(customers), occurrences.repeats(most))):
        if wave:
            chunks += packer.add(wave, [f"{customers[number]}:{number}"])
    occurrences.close()
    return [*chunks, *packer.rest()]


@given(st.lists(st.sampled_from("abcdefgh"), max_size=300), st.integers(0, 20))
def test_every_row_is_in_one_chunk_and_order_is_kept(customers: list[str], canary_rows: int):
    counts = Counter(customers)
    chunks = sorted(cut(customers, canary_rows, most=50), key=lambda chunk: chunk.chunk_id)
    sent = defaultdict(list)
    for chunk in chunks:
        names = [row.split(":")[0] for row in chunk.rows]
        assert len(set(names)) == len(names)
        for row in chunk.rows:
            customer, number = row.split(":")
            sent[customer].append(int(number))
    for customer, count in counts.items():
        wanted = [number for number, name in enumerate(customers) if name == customer]
        assert sent[customer] == (wanted if count <= 50 else [])


@pytest.mark.parametrize(
    ("rows", "canary_rows", "sizes"),
    [
        (1, 0, [1]),
        (1000, 0, [1000]),
        (1001, 0, [1000, 1]),
        (2500, 0, [1000, 1000, 500]),
        (2500, 100, [100, 100, 1000, 1000, 300]),
        (100, 100, [100]),
        (101, 100, [100, 1]),
        (200, 100, [100, 100]),
        (201, 100, [100, 100, 1]),
        (50, 100, [50]),
        (1500, 5000, [1000, 500]),
        (0, 100, []),
    ],
)
def test_chunks_are_full_but_for_the_canaries_and_the_last(rows: int, canary_rows: int, sizes: list[int]):
    chunks = cut([f"c{number}" for number in range(rows)], canary_rows)
    assert [len(chunk.rows) for chunk in chunks] == sizes


def test_only_the_first_wave_has_canaries():
    chunks = cut([f"c{number % 30}" for number in range(60)], canary_rows=10)
    assert [(chunk.chunk_id, len(chunk.rows)) for chunk in chunks] == [
        ("001-00001", 10),
        ("001-00002", 10),
        ("001-00003", 10),
        ("002-00001", 30),
    ]


@given(st.lists(st.sampled_from("abcdefgh"), max_size=100), st.integers(1, 20))
def test_first_two_chunks_in_the_order_of_sending_are_no_larger_than_a_canary(names: list[str], rows: int):
    chunks = sorted(cut(names, rows), key=lambda chunk: chunk.chunk_id)
    assert all(len(chunk.rows) <= rows for chunk in chunks[:2])


def test_waves_leave_out_a_customer_that_appears_too_often():
    assert [chunk.rows for chunk in cut(["a", "b", "a", "a"], most=2)] == [["b:1"]]


@pytest.mark.parametrize("run_rows", [5, 1_000])
@pytest.mark.parametrize("most", [0, 1_000])
@given(st.lists(st.integers(0, 40), max_size=200))
def test_duplicates_are_the_same_where_the_index_shows_who_may_repeat(
    run_rows: int, most: int, numbers: list[int]
):
    customers = customer_digests(map(str, numbers))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_index, "_RUN_ROWS", run_rows)
        sorter, every, some = IndexSorter(BytesIO), DuplicateFinder(BytesIO), DuplicateFinder(BytesIO)
        for customer in customers:
            sorter.add(customer_index.entries(array("Q", [customer]), 1))
            every.add(array("Q", [customer]))
            some.add(array("Q", [customer]))
        suspects = customer_index.repeated_customers(sorter.parts(), most)
    found = list(some.repeats(5, suspects))
    assert found == list(every.repeats(5))
    repeated = {number for number, times in Counter(numbers).items() if times > 1}
    assert suspects is None if len(repeated) > most else len(suspects or ()) == len(repeated)


@given(st.lists(st.integers(0, 40), max_size=400))
def test_duplicates_are_found_on_scratch_as_in_memory(keys: list[int]):
    small, large = DuplicateFinder(BytesIO), DuplicateFinder(BytesIO)
    for key in keys:
        small.add(hashes_of([str(key)]))
        large.add(hashes_of([str(key)]))
        large._spill()
    assert list(small.repeats(5)) == list(large.repeats(5))
