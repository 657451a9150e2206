"""Reads a CSV file: blocks of bytes in, a ``Row`` or ``Rejection`` for each row out, in constant memory."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

from adjustments.batches.records import CsvDialect, Rejection, Row
from adjustments.batches.work_files import ValidatedRows
from adjustments.core.errors import FileRefused
from adjustments.submission.csv import header
from adjustments.submission.csv.csv_injection import DELIMITERS
from adjustments.submission.csv.decoding import BLOCK_BYTES, DecodedText, decode_blocks
from adjustments.submission.csv.header import Layout
from adjustments.submission.csv.parser import LINE_END, CsvParser
from adjustments.submission.csv.problems import FileProblem
from adjustments.submission.csv.row_validator import RowValidator


class FileFormat(NamedTuple):
    """How the file was read, for the batch's summary and its result files; ``error`` columns are left out."""

    encoding: str
    dialect: CsvDialect
    ignored_columns: tuple[str, ...]
    header: tuple[str, ...]

    @property
    def delimiter(self) -> str:
        """What separates the fields."""
        return self.dialect.delimiter


class CsvReader:
    """Reads one CSV file once, from the first byte to the last, in memory that does not grow with the file.

    The header is read at once, so that ``format`` is always there; rows are read while iterating, once:
    over the reader, or over its ``parts``. A refusal may come after rows: nothing may be sent before the end
    has been reached.

    Args:
        blocks: the object's bytes, in pieces of any size; where they are cut makes no difference.
        amount_max: the largest absolute amount, inclusive (MaxAbsoluteAmount); 0 switches the check off.
        gzipped: whether the bytes are compressed.
        encoding: None to go by the mark, else UTF-8.
        block_bytes: the size of the pieces worked on, at least 16 (the longest mark or magic number).
    Raises:
        FileRefused: at once or while iterating: the file as a whole cannot be used.
        NotUtf8: at once or while iterating: read the object again with ``encoding="cp1252"``.
    """

    def __init__(
        self,
        blocks: Iterable[bytes],
        *,
        amount_max: Decimal,
        gzipped: bool,
        encoding: str | None = None,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        decoded = decode_blocks(blocks, gzipped=gzipped, encoding=encoding, block_bytes=block_bytes)
        parser = CsvParser(decoded.texts)
        layout, line_end = _read_header(parser)
        self.format = FileFormat(
            encoding=decoded.encoding,
            dialect=_dialect_of(decoded, layout.delimiter, line_end),
            ignored_columns=layout.ignored,
            header=layout.names,
        )
        self.parts = _parts(parser, RowValidator(layout, amount_max=amount_max), layout.delimiter)

    def __iter__(self) -> Iterator[Row | Rejection]:
        return chain.from_iterable(part.in_order() for part in self.parts)


def _dialect_of(decoded: DecodedText, delimiter: str, line_end: str) -> CsvDialect:
    """How the result files are to be written, so that a spreadsheet opens them as it opened the file.

    Excel writes semicolons, and Windows' encodings, where it takes a file without a mark for one in the
    encoding of Windows; what is written is UTF-8, so those get a mark.
    """
    return CsvDialect(
        delimiter=delimiter,
        line_end=line_end,
        encoding="utf-16" if decoded.encoding == "utf-16" else "utf-8",
        has_mark=decoded.has_mark or delimiter == ";" or decoded.encoding != "utf-8",
    )


def _parts(parser: CsvParser, validator: RowValidator, delimiter: str) -> Iterator[ValidatedRows]:
    is_empty = True
    for block in parser.blocks(delimiter):
        part = validator.validate(block)
        if part.lines or part.rejections:
            is_empty = False
            yield part
    if is_empty:
        raise FileRefused(
            FileProblem.EMPTY, "the file has a header but no rows below it; export it again and drop it anew"
        )


def _read_header(parser: CsvParser) -> tuple[Layout, str]:
    """The layout, and how the header's line ends."""
    delimiters: tuple[str, ...] = DELIMITERS
    text, line = parser.beginning()
    requested = header.separator_line(text)
    if requested:
        delimiters = (requested[0],)
        parser.skip(requested[1])
        text, line = parser.beginning()
    layout, end = header.read_header(text, line=line, delimiters=delimiters)
    parser.skip(end)
    found = LINE_END.search(text, max(0, end - 2), end)
    return layout, found[0] if found else "\n"
