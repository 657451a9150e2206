"""Reads a CSV file: blocks of bytes in, a ``Row`` or ``Rejection`` for each row out, in constant memory."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

from adjustments.batches.records import Rejection, Row
from adjustments.batches.work_files import ValidatedRows
from adjustments.core.errors import FileRefused
from adjustments.submission.csv import header
from adjustments.submission.csv.decoding import BLOCK_BYTES, decode_blocks
from adjustments.submission.csv.header import Layout
from adjustments.submission.csv.parser import CsvParser
from adjustments.submission.csv.problems import FileProblem
from adjustments.submission.csv.row_validator import RowValidator


class FileFormat(NamedTuple):
    """How the file was read, for the batch's summary; ``error`` columns are left out."""

    encoding: str
    delimiter: str
    ignored_columns: tuple[str, ...]
    header: tuple[str, ...]


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
        name, texts = decode_blocks(blocks, gzipped=gzipped, encoding=encoding, block_bytes=block_bytes)
        parser = CsvParser(texts)
        layout = _read_header(parser)
        self.format = FileFormat(
            encoding=name, delimiter=layout.delimiter, ignored_columns=layout.ignored, header=layout.names
        )
        self.parts = _parts(parser, RowValidator(layout, amount_max=amount_max), layout.delimiter)

    def __iter__(self) -> Iterator[Row | Rejection]:
        return chain.from_iterable(part.in_order() for part in self.parts)


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


def _read_header(parser: CsvParser) -> Layout:
    delimiters: tuple[str, ...] = header.DELIMITERS
    text, line = parser.beginning()
    requested = header.separator_line(text)
    if requested:
        delimiters = (requested[0],)
        parser.skip(requested[1])
        text, line = parser.beginning()
    layout, end = header.read_header(text, line=line, delimiters=delimiters)
    parser.skip(end)
    return layout
