"""Writes CSV files for people in the dialect of the file that they sent: what they open, correct and drop.

Every cell is made harmless for spreadsheets (``csv_injection``), and the reader reads back exactly what was
written: a row that was rejected is rejected again for the same reason, and a good one keeps its value.
"""

import csv
from collections.abc import Sequence
from typing import Final

from adjustments.batches.batch_parts import CsvDialect
from adjustments.batches.files import ObjectWriter
from adjustments.batches.work_files import PlannedRow
from adjustments.core.printable import visible
from adjustments.submission.csv.csv_injection import DELIMITERS, escape_formula
from adjustments.submission.csv.placeholders import is_machine_word
from adjustments.submission.csv.problems import BADLY_QUOTED_ROW, MISSING_CELL, RowProblem

_PIECE_CHARS: Final = 1 << 16
"""Characters of a file held before they are passed on: encoding each row alone took a tenth of the time."""

_CRLF: Final = "\r\n"
_MARK: Final = "\ufeff"
CODECS: Final = {"utf-8": "utf-8", "utf-16": "utf-16-le"}


class _Lines(list[str]):
    """Takes the place of a file for csv.writer: io.StringIO took longer per line than all the rest."""

    write = list[str].append


class CsvWriter:
    """Writes records to an object, in pieces; ``flush`` passes on the last one.

    Args:
        out: the object.
        dialect: how the file is written.
    """

    def __init__(self, out: ObjectWriter, dialect: CsvDialect) -> None:
        self._out = out
        self._dialect = dialect
        self._lines = _Lines()
        self._chars = 0
        self._head = _MARK if dialect.has_mark else ""
        # With CRLF the module quotes every cell that holds a CR or an LF, whatever the file's own line end.
        self._writer, self._quoting_writer = (
            csv.writer(self._lines, delimiter=dialect.delimiter, lineterminator=_CRLF, quoting=quoting)
            for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
        )

    def escape(self, cell: str) -> str:
        """Make a cell harmless for spreadsheets."""
        return escape_formula(cell, self._dialect.delimiter)

    def write_header(self, names: Sequence[str]) -> None:
        """Write a header, so that its delimiter is certain even where another one stands in a name."""
        others = set(DELIMITERS) - {self._dialect.delimiter}
        is_unclear = any(other in name for name in names for other in others)
        writer = csv.writer(
            self._lines,
            delimiter=self._dialect.delimiter,
            lineterminator=_CRLF,
            quoting=csv.QUOTE_ALL if is_unclear else csv.QUOTE_MINIMAL,
        )
        writer.writerow([self.escape(name) for name in names])

    def write(self, record: Sequence[object], *, is_quoted: bool = False) -> None:
        """Write a record as it is; its cells are harmless already. ``is_quoted`` puts quotes round each."""
        (self._quoting_writer if is_quoted else self._writer).writerow(record)
        self._chars += len(self._lines[-1])
        if self._chars >= _PIECE_CHARS:
            self.flush()

    def flush(self) -> None:
        """Pass on what is held."""
        lines, end = self._lines, self._dialect.line_end
        text = "".join(lines if end == _CRLF else [line[: -len(_CRLF)] + end for line in lines])
        # Gameball's JSON may hold unpaired surrogates, which no file can hold.
        self._out.write((self._head + text).encode(CODECS[self._dialect.encoding], errors="replace"))
        self._lines.clear()
        self._chars = 0
        self._head = ""


class InputRowsWriter:
    """Writes rows of an input as they stood in it, for a file that can be dropped: fix-me.csv, new-rows.csv.

    Args:
        out: the object.
        dialect: how the input was written.
        header: the input's own header, without ``error``.
        has_errors: whether a last column ``error`` says what is wrong with each row.
    """

    def __init__(
        self, out: ObjectWriter, dialect: CsvDialect, header: Sequence[str], *, has_errors: bool = True
    ) -> None:
        self._csv = CsvWriter(out, dialect)
        self._delimiter = dialect.delimiter
        self._fields = len(header)
        self._has_errors = has_errors
        self._csv.write_header([*header, *(["error"] if has_errors else [])])

    def write(self, row: PlannedRow, error: str = "") -> None:
        """Write a row; ``error`` is what is wrong with it."""
        cells = row.cells
        if row.problem == RowProblem.BAD_QUOTES:
            cells = [BADLY_QUOTED_ROW + self._delimiter.join(cells), *[""] * (self._fields - 1)]
        missing = [MISSING_CELL] * (self._fields - len(cells))
        errors = [visible(error)] if self._has_errors else []
        # In a good row such a word stood in quotes, which make it text; in a bad one that is not known.
        is_quoted = not row.problem and any(is_machine_word(cell.strip()) for cell in cells)
        record = [self._csv.escape(cell) for cell in (*cells, *missing, *errors)]
        self._csv.write(record, is_quoted=is_quoted)

    def flush(self) -> None:
        """Pass on what is held."""
        self._csv.flush()
