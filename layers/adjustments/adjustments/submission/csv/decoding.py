"""Decodes blocks of bytes to blocks of text, in constant memory, and finds out which encoding a file has.

Whatever the size of the caller's blocks, everything here works on pieces of one fixed size, so that no
result depends on where a block ended. A gzip member is decompressed piece by piece: a zip bomb costs time
up to ``EXPANDED_BYTES_MAX``, never memory. Several members may follow one another, and zeros may follow the
last one (tapes and some uploaders pad with them). Anything else after the end refuses the file, and so does
a file that ends too early: either means that rows may be missing.

The encoding is that of the byte-order mark (UTF-8, UTF-16, UTF-32), or else the one that the metadata names,
or else UTF-8. Bytes that do not fit another encoding refuse the file: the mark or a person named it.
Bytes that are not valid UTF-8 come out as lone surrogates. Their encoding is never guessed, because
ids and texts that customers read depend on it. UTF-8 is certain once a file has a character of several bytes
in it: in other encodings such bytes hardly ever come together by chance. A byte that is not UTF-8 then
rejects its row. A file without any such character has either ASCII alone, where nothing depends on the
encoding, or bytes that could be anything: then the metadata has to say the encoding, or DefaultEncoding, or
the file is refused with how its first such cell reads in the likely ones.

Further byte-order marks at the beginning, which some editors add, and a Ctrl-Z at the end, with which DOS
ends a text, are dropped.

Files that are not text are recognised by the first bytes of what people drop by mistake, and by control
characters in the header (``header``). A NUL further down rejects its row only.
"""

import codecs
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple, NoReturn

from adjustments.core import limits
from adjustments.core.errors import FileRefused
from adjustments.core.printable import shown, visible
from adjustments.submission.csv.problems import FileProblem

LOST: Final = "\ufffd"
"""Stands for a byte that can't be read; a row that has it is rejected."""

READINGS_SHOWN_MAX: Final = 5
_CELL_BYTES_SHOWN_MAX: Final = 30

_BAD_BYTES: Final = re.compile("[\udc80-\udcff]")
_SEVERAL_BYTES: Final = re.compile("[^\x00-\x7f\udc80-\udcff]")
_NO_FILE_ENCODINGS: Final = frozenset(
    {"unicode-escape", "raw-unicode-escape", "idna", "punycode", "undefined", "utf-7", "charmap"}
)
_LIKELY: Final = (
    *("windows-1252", "windows-1256", "windows-1250", "windows-1251", "windows-1253", "windows-1254"),
    *("windows-1255", "mac_roman", "cp850", "cp720", "cp866", "shift_jis", "gb18030", "big5", "euc_kr"),
)
"""The encodings of spreadsheets on Windows, Macs and DOS, the most usual first."""

BLOCK_BYTES: Final = 128 * 1024
"""Bytes processed at a time; more is no faster."""

_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW_BITS: Final = 16 + zlib.MAX_WBITS

_MARKS: Final = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "utf-32"),
    (codecs.BOM_UTF8, "utf-8", "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16"),
)

_DOS_END: Final = "\x1a"
_DOS_TAIL: Final = _DOS_END + " \t\r\n"
_DOS_TAIL_CHARS_MAX: Final = 256
"""Characters at the end that are looked at: DOS and similar systems filled a block of 128 with Ctrl-Z."""

_EXPORT_AS_CSV: Final = 'open it there, choose "Save as", type "CSV UTF-8", and drop that file'
_NO_TEXT: Final = (
    (b"PK\x03\x04", f"looks like an Excel workbook (or another zip file): {_EXPORT_AS_CSV}"),
    (b"\xd0\xcf\x11\xe0", f"looks like an old Excel workbook (.xls): {_EXPORT_AS_CSV}"),
    (_GZIP_MAGIC, 'is compressed with gzip: let its name end in ".csv.gz" (and compress it only once)'),
    (b"BZh", "is compressed with bzip2: expand it, or compress it with gzip instead"),
    (b"\xfd7zXZ", "is compressed with xz: expand it, or compress it with gzip instead"),
    (b"7z\xbc\xaf", "is a 7-Zip archive: expand it and drop the CSV file"),
    (b"Rar!", "is a RAR archive: expand it and drop the CSV file"),
    (b"%PDF", "is a PDF document: drop the CSV file instead"),
    (b"{\\rtf", "is a rich-text document: drop the CSV file instead"),
    (b"\x89PNG", "is a picture: drop the CSV file instead"),
    (b"\xff\xd8\xff", "is a picture: drop the CSV file instead"),
    (b"GIF8", "is a picture: drop the CSV file instead"),
)


def is_text_encoding(name: str) -> bool:
    """Whether Python knows an encoding of this name that files have."""
    try:
        b"a".decode(name)
    except UnicodeError:
        pass  # one that takes two bytes for a character
    except (LookupError, ValueError):
        return False
    return codecs.lookup(name).name.replace("_", "-") not in _NO_FILE_ENCODINGS


def is_utf8(name: str) -> bool:
    """Whether a name stands for UTF-8."""
    return codecs.lookup(name).name in {"utf-8", "utf-8-sig"}


class Utf8Evidence:
    """What the text of a file shows of its encoding, where it was decoded as UTF-8 with surrogate escapes.

    Args:
        is_certain: whether it is UTF-8 whatever the text shows: a mark or the metadata says so.
    """

    def __init__(self, *, is_certain: bool) -> None:
        self._is_certain = is_certain
        self._first: tuple[int, str, bytes] | None = None

    def watch(self, texts: Iterator[str]) -> Iterator[str]:
        """Pass texts on, looking for a character of several bytes."""
        for text in texts:
            self._is_certain = self._is_certain or bool(not text.isascii() and _SEVERAL_BYTES.search(text))
            yield text

    def readable(self, cell: str, line: int, column: str) -> str:
        """The cell with bad bytes replaced; the first one is kept as an example."""
        if cell.isascii() or not _BAD_BYTES.search(cell):
            return cell
        if self._first is None:
            self._first = line, column, cell.encode("utf-8", "surrogateescape")
        return _BAD_BYTES.sub(LOST, cell)

    @property
    def is_open(self) -> bool:
        """Whether so far the bytes could be in any encoding."""
        return self._first is not None and not self._is_certain

    def refusal(self) -> FileRefused:
        """Why a file is refused whose encoding is open."""
        line, column, data = self._first or (0, "", b"")
        readings = likely_readings(data)
        example = ", ".join(f'"{shown(text)}" in {" or ".join(names)}' for text, names in readings)
        where = f'line {line}, column "{shown(column)}"' if column else f"line {line}"
        return FileRefused(
            FileProblem.UNKNOWN_ENCODING,
            f"the file is not UTF-8, and nothing says what it is: {where} reads "
            f"{example or 'in no usual encoding'}. Save it as "
            '"CSV UTF-8", or drop it again with the name of the right encoding: metadata "encoding: NAME", '
            "or adjust submit --encoding NAME",
        )


def has_bad_bytes(text: str) -> bool:
    """Whether a text decoded with surrogate escapes has bytes that are not UTF-8."""
    return not text.isascii() and _BAD_BYTES.search(text) is not None


def likely_readings(data: bytes) -> list[tuple[str, list[str]]]:
    """How bytes read in the likely encodings, the most usual first: each reading with its encodings."""
    readings: dict[str, list[str]] = {}
    for is_wanted in (_is_words, str.isprintable):
        for name in _LIKELY:
            try:
                text = visible(data[:_CELL_BYTES_SHOWN_MAX].decode(name)).strip()
            except UnicodeDecodeError:
                continue
            if is_wanted(text):
                readings.setdefault(text, []).append(name)
        if readings:
            break
    return list(readings.items())[:READINGS_SHOWN_MAX]


def _is_words(text: str) -> bool:
    """Whether a person may have written a reading: letters, and the signs that stand beside them."""
    return all(char.isascii() or char.isalpha() or char in "€£–—‘’“”„«»…·°ºª¡¿،؛؟№" for char in text)  # noqa: RUF001


class DecodedText(NamedTuple):
    """A file in blocks of bounded size, its encoding, whether it has a mark, and what speaks for UTF-8."""

    encoding: str
    has_mark: bool
    texts: Iterator[str]
    evidence: Utf8Evidence


def decode_blocks(blocks: Iterable[bytes], *, gzipped: bool, encoding: str, block_bytes: int) -> DecodedText:
    """Decode the bytes of a file.

    Args:
        blocks: the object's bytes, in pieces of any size.
        gzipped: whether they are compressed.
        encoding: the encoding of a file without a mark; empty to take UTF-8 and see.
        block_bytes: the size of the pieces worked on.

    Raises:
        FileRefused: at once or while iterating; the file is empty, not text, damaged gzip or too large.
    """
    pieces = _rechunk(blocks, block_bytes)
    if gzipped:
        pieces = _rechunk(_decompress(pieces, block_bytes), block_bytes)
    first = next(pieces, b"")
    if not first:
        raise FileRefused(FileProblem.EMPTY, "the file is empty; export it and drop it again")
    for magic, advice in _NO_TEXT:
        if first.startswith(magic):
            raise FileRefused(FileProblem.NOT_TEXT, f"the file is not CSV text: it {advice}")
    marked = [(name, codec) for mark, name, codec in _MARKS if first.startswith(mark)]
    name, codec = marked[0] if marked else (encoding or "utf-8", encoding or "utf-8")
    if is_utf8(codec):
        name, codec = "utf-8", "utf-8"
    pieces = chain([first], pieces)
    if encoding and not marked and codec != "utf-8":
        pieces = _refuse_utf8(pieces, name)
    texts = _without_dos_end(_without_marks(_decoded(pieces, codec, name)))
    evidence = Utf8Evidence(is_certain=bool(marked or encoding))
    return DecodedText(name, bool(marked), evidence.watch(texts), evidence)


def _rechunk(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of exactly one size (the last may be shorter)."""
    waiting = bytearray()
    for block in blocks:
        view = memoryview(block)
        start = 0
        while len(waiting) + len(view) - start >= size:
            end = start + size - len(waiting)
            yield bytes(waiting) + view[start:end] if waiting else bytes(view[start:end])
            waiting.clear()
            start = end
        waiting += view[start:]
    if waiting:
        yield bytes(waiting)


def _decompress(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Gzip members expanded into pieces of at most ``size`` bytes."""
    member: zlib._Decompress | None = None
    members = total = 0
    for piece in pieces:
        data = piece
        while data:
            if member is None:
                data = data.lstrip(b"\0") if members else data
                if not data:
                    break
                member, members = zlib.decompressobj(_GZIP_WINDOW_BITS), members + 1
            out = _decompress_piece(member, data, size, after_end=members > 1)
            total += len(out)
            _check_total(total)
            if out:
                yield out
            data = member.unused_data if member.eof else member.unconsumed_tail
            member = None if member.eof else member
    while member is not None and (out := _decompress_piece(member, b"", size, after_end=False)):
        total += len(out)
        _check_total(total)
        yield out
    if member is not None and not member.eof:
        _refuse_gzip("ends too early, so rows are missing; compress and upload it again")


def _decompress_piece(member: "zlib._Decompress", data: bytes, size: int, *, after_end: bool) -> bytes:
    try:
        return member.decompress(data, size)
    except zlib.error:
        if after_end:
            _refuse_gzip("is damaged, or something else follows its end; compress and upload it again")
        _refuse_gzip("is damaged or not compressed at all; compress it again, or let its name end in .csv")


def _check_total(total: int) -> None:
    if total > limits.EXPANDED_BYTES_MAX:
        raise FileRefused(
            FileProblem.GZIP_TOO_LARGE,
            f"the file expands to more than {limits.EXPANDED_BYTES_MAX:,} bytes; split it into smaller files",
        )


def _refuse_gzip(fault: str) -> NoReturn:
    raise FileRefused(FileProblem.BROKEN_GZIP, f"the gzip file {fault}")


def _refuse_utf8(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Pass bytes on, and refuse them in the end if they are UTF-8, though another encoding was named."""
    decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")("strict")
    has_several_bytes = False
    for piece in chain(pieces, [b""]):
        try:
            if decoder and not decoder.decode(piece, not piece).isascii():
                has_several_bytes = True
        except UnicodeDecodeError:
            decoder = None
        yield piece
    if decoder and has_several_bytes:
        raise FileRefused(
            FileProblem.BAD_OPTION,
            f"the file is UTF-8, but {shown(name)} was named as its encoding; drop it again without that",
        )


def _decoded(pieces: Iterator[bytes], codec: str, name: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(codec)("surrogateescape" if codec == "utf-8" else "strict")
    try:
        for piece in pieces:
            yield decoder.decode(piece)
        yield decoder.decode(b"", True)
    except UnicodeError:
        raise FileRefused(
            FileProblem.NOT_TEXT,
            f'the file is not valid {name.upper()}; save it again as "CSV UTF-8" and drop that file',
        ) from None


def _without_marks(texts: Iterator[str]) -> Iterator[str]:
    """Without the byte-order marks that the text begins with."""
    for text in texts:
        rest = text.lstrip("\ufeff")
        if rest:
            yield rest
            break
    yield from texts


def _without_dos_end(texts: Iterator[str]) -> Iterator[str]:
    """Without a Ctrl-Z in the white space at the very end, and what follows it."""
    held = ""
    for text in texts:
        whole = held + text
        at = whole.find(_DOS_END, max(len(whole.rstrip(_DOS_TAIL)), len(whole) - _DOS_TAIL_CHARS_MAX))
        held = whole[at:] if at >= 0 else ""
        yield whole[:at] if at >= 0 else whole
