"""Bytes are expanded and decoded in bounded memory, and damage is never read as text."""

import gzip
import tracemalloc
import zlib
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjustments.core import limits
from adjustments.core.errors import FileRefused, NotUtf8
from adjustments.submission.csv.reader import CsvReader
from tests.unit.submission.csv.reading import read

FILE = b"customerId,amount\nc1,5\n"
BLANK_LINE = b" " * 1_000 + b"\n"


def peak_mb_of(blocks: Iterator[bytes], *, gzipped: bool) -> float:
    tracemalloc.start()
    try:
        for _ in CsvReader(blocks, amount_max=Decimal(0), gzipped=gzipped):
            pass
    except FileRefused:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak / 1e6


def test_not_utf8_is_said_even_far_into_the_file():
    reader = CsvReader([FILE, b"c,5\n" * 100_000, b"caf\xe9,5\n"], amount_max=Decimal(0), gzipped=False)
    with pytest.raises(NotUtf8):
        list(reader)


def test_not_utf8_in_the_first_bytes_is_said_at_once():
    with pytest.raises(NotUtf8):
        CsvReader([b"caf\xe9,amount\n"], amount_max=Decimal(0), gzipped=False)


def test_encoding_asked_for_is_obeyed():
    reader = CsvReader([FILE, b"caf\xe9,5\n"], amount_max=Decimal(0), gzipped=False, encoding="cp1252")
    assert [row.customer_id for row in reader] == ["c1", "café"]
    assert reader.format.encoding == "cp1252"


def test_expansion_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "EXPANDED_BYTES_MAX", 1_000)
    small, large = gzip.compress(FILE + b"\n" * 900), gzip.compress(FILE + b"\n" * 1_000)
    assert read(small, gzipped=True).refused is None
    assert (read(large, gzipped=True).refused or ("",))[0] == "gzip_too_large"
    members = b"".join(gzip.compress(FILE) for _ in range(100))
    assert (read(members, gzipped=True).refused or ("",))[0] == "gzip_too_large"


def test_bomb_costs_no_memory():
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = bomb.compress(FILE) + b"".join(bomb.compress(BLANK_LINE * 1_000) for _ in range(20)) + bomb.flush()
    assert len(data) < 100_000
    assert peak_mb_of(iter([data]), gzipped=True) < 16


def test_line_without_an_end_costs_no_memory():
    blocks = (block for part in ([FILE], [b"x" * 2**20] * 50) for block in part)
    assert peak_mb_of(blocks, gzipped=False) < 16


def test_long_file_costs_no_more_memory_than_a_short_one():
    def blocks(count: int) -> Iterator[bytes]:
        yield FILE
        for _ in range(count):
            yield (b"c" * 100 + b",-12.5\n") * 200

    short, long = (peak_mb_of(blocks(count), gzipped=False) for count in (20, 60))
    assert long < short * 1.1 + 0.5


@given(st.data())
def test_gzip_cut_anywhere_is_refused(data: st.DataObject):
    whole = gzip.compress(FILE, mtime=0)
    part = whole[: data.draw(st.integers(1, len(whole) - 1))]
    assert (read(part, gzipped=True).refused or ("",))[0] == "broken_gzip"


@given(st.data())
def test_gzip_with_a_wrong_bit_is_refused_or_has_the_same_rows(data: st.DataObject):
    whole = bytearray(gzip.compress(FILE, mtime=0))
    # Bytes 4 to 9 hold the time and the system: nothing of the content.
    place = data.draw(st.integers(10, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    reading = read(bytes(whole), gzipped=True)
    assert reading.refused is not None or reading.rows == read(FILE).rows
