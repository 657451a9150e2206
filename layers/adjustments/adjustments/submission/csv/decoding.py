"""Decodes blocks of bytes to blocks of text, in constant memory.

Whatever the size of the caller's blocks, everything here works on pieces of one fixed size, so that no
result depends on where a block ended. A gzip member is decompressed piece by piece: a zip bomb costs time
up to ``EXPANDED_BYTES_MAX``, never memory. Several members may follow one another, and zeros may follow the
last one (tapes and some uploaders pad with them). Anything else after the end refuses the file, and so does
a file that ends too early: either means that rows may be missing.

The encoding is that of the byte-order mark (UTF-8, UTF-16, UTF-32), or else the one that the metadata names,
or else UTF-8. Bytes that are not valid UTF-8 come out as lone surrogates, and ``encodings`` says what becomes
of them. Bytes that do not fit another encoding refuse the file: the mark or a person said what it is.

Further byte-order marks at the beginning, which some editors add, and a Ctrl-Z at the end, with which DOS
ends a text, are dropped.

Files that are not text are recognised by the first bytes of what people drop by mistake, and by control
characters in the header (``header``). A NUL further down rejects its row only.
"""

import codecs
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple, NoReturn

from adjustments.core import limits
from adjustments.core.errors import FileRefused
from adjustments.core.printable import shown
from adjustments.submission.csv.encodings import Utf8Evidence, is_utf8
from adjustments.submission.csv.problems import FileProblem

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
"""Characters at the end that are looked at: DOS and its kin filled a block of 128 with Ctrl-Z."""

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
        raise FileRefused(FileProblem.EMPTY, "the file is empty; export it again and drop it anew")
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
