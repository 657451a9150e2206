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
from adjustments.core.errors import FileRefused
from adjustments.submission.csv.decoding import is_text_encoding
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


def refusal_of(data: bytes, **said: str) -> str:
    code, message = read(data, **said).refused or ("", "")  # type: ignore[arg-type]
    assert code in {"unknown_encoding", ""}
    return message


def test_open_encoding_refuses_a_file_even_when_its_first_such_byte_is_far_down():
    message = refusal_of(FILE + b"c,5\n" * 100_000 + b"caf\xe9,5\n")
    assert 'line 100003, column "customerId" reads "café" in windows-1252' in message


def test_character_of_several_bytes_far_down_makes_a_file_utf8():
    reading = read(FILE + b"caf\xe9,5\n" + b"c,5\n" * 100_000 + "café,5\n".encode())
    assert reading.refused is None
    assert [bad.problem for bad in reading.rejections] == ["unreadable_character"]
    assert len(reading.rows) == 100_002


@pytest.mark.parametrize(
    ("data", "metadata", "default", "encoding"),
    [
        (b"c1", "", "", "utf-8"),
        (b"c1", "", "cp1256", "utf-8"),
        (b"c1", "cp1256", "", "cp1256"),
        (b"caf\xe9", "cp1252", "cp1256", "cp1252"),
        (b"caf\xe9", "", "cp1256", "cp1256"),
        ("café".encode(), "", "cp1256", "utf-8"),
        ("\ufeffcafé".encode(), "cp1252", "", "utf-8"),
        ("\ufeffcafé".encode("utf-16-le"), "cp1252", "", "utf-16"),
        ("café".encode("utf-16-le"), "utf-16-le", "", "utf-16-le"),
    ],
)
def test_mark_decides_then_metadata_then_utf8_then_the_default(
    data: bytes, metadata: str, default: str, encoding: str
):
    mark, header = b"", "customerId,amount\n"
    is_utf16 = "utf-16" in encoding
    for known in (b"\xef\xbb\xbf", b"\xff\xfe"):
        if data.startswith(known):
            mark, data = known, data.removeprefix(known)
    codec = "utf-16-le" if is_utf16 else "ascii"
    file = mark + header.encode(codec) + data + ",5\n".encode(codec)
    reading = read(file, metadata={"encoding": metadata} if metadata else {}, default_encoding=default)
    assert reading.notes is not None
    assert reading.notes.encoding == encoding
    assert len(reading.rows) == 1


@pytest.mark.parametrize(
    "name", ["", "utf8x", "rot13", "base64", "zlib", "idna", "unicode_escape", "a b", "\0"]
)
def test_no_encoding_of_files(name: str):
    assert not is_text_encoding(name)


@pytest.mark.parametrize(
    "name", ["windows-1256", "cp1252", "latin-1", "MacRoman", "shift_jis", "utf-16-le", "UTF8"]
)
def test_encoding_of_files(name: str):
    assert is_text_encoding(name)


@given(
    st.sampled_from(["windows-1252", "windows-1256", "windows-1251", "mac_roman", "cp850"]),
    st.text("Añéüß –عميلЖжة", min_size=1, max_size=10),
)
def test_text_of_another_encoding_is_never_sent_as_if_it_were_utf8(encoding: str, text: str):
    data = text.strip().encode(encoding, "ignore")
    reading = read(b"customerId,amount,reason\nc1,5," + data + b"\n")
    if not data.isascii() and _is_no_utf8(data):
        assert reading.rows == []


def _is_no_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


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
