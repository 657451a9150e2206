"""The rooms of intake joined: blocks of bytes in, a ``Row`` or ``Rejection`` for each row out."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from adjustments.errors import FileRefused
from adjustments.model import Rejection, Row
from adjustments.submission.csv import header
from adjustments.submission.csv.decoding import BLOCK_BYTES, text_of
from adjustments.submission.csv.header import Layout
from adjustments.submission.csv.parser import Records
from adjustments.submission.csv.problems import Refusal
from adjustments.submission.csv.row_validator import Decided, IntakeRules, Judge


class Notes(NamedTuple):
    """What the batch's summary says of the file as it was read; ``error`` columns are not in it."""

    encoding: str
    delimiter: str
    ignored_columns: tuple[str, ...]
    header: tuple[str, ...]


class Reader:
    """Reads one CSV file once, from the first byte to the last, in memory that does not grow with the file.

    The header is read at once, so that ``notes`` is always there; rows are read while iterating, once:
    over the reader, or over its ``parts``. A refusal may come after rows: nothing may be sent before the end
    has been reached.

    Args:
        blocks: the object's bytes, in pieces of any size; where they are cut makes no difference.
        rules: what the operator has set.
        gzipped: whether the bytes are compressed.
        encoding: None to go by the mark, else UTF-8.
        block_bytes: the size of the pieces worked on, at least 16 (the longest mark or magic number).
    Raises:
        FileRefused: at once or while iterating: the file as a whole cannot be used (issue 3, point 3).
        NotUtf8: at once or while iterating: read the object again with ``encoding="cp1252"``.
    """

    def __init__(
        self,
        blocks: Iterable[bytes],
        rules: IntakeRules,
        *,
        gzipped: bool,
        encoding: str | None = None,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        name, texts = text_of(blocks, gzipped=gzipped, encoding=encoding, block_bytes=block_bytes)
        records = Records(texts)
        layout = _read_header(records)
        self.notes = Notes(
            encoding=name, delimiter=layout.delimiter, ignored_columns=layout.ignored, header=layout.names
        )
        self.parts = _parts(records, Judge(layout, rules), layout.delimiter)

    def __iter__(self) -> Iterator[Row | Rejection]:
        return chain.from_iterable(part.in_order() for part in self.parts)


def _parts(records: Records, judge: Judge, delimiter: str) -> Iterator[Decided]:
    is_empty = True
    for batch in records.batches(delimiter):
        part = judge.decisions(batch)
        if part.lines or part.rejections:
            is_empty = False
            yield part
    if is_empty:
        raise FileRefused(
            Refusal.EMPTY, "the file has a header but no rows below it; export it again and drop it anew"
        )


def _read_header(records: Records) -> Layout:
    delimiters: tuple[str, ...] = header.DELIMITERS
    text, line = records.beginning()
    asked = header.separator_line(text)
    if asked:
        delimiters = (asked[0],)
        records.skip(asked[1])
        text, line = records.beginning()
    layout, end = header.read_header(text, line=line, delimiters=delimiters)
    records.skip(end)
    return layout
