"""Splits blocks of text into CSV records, each with the physical line on which it starts.

A block of ordinary lines is split into columns, a step for the whole block at a time. Ordinary is what
programs write: each line is a record with as many fields as the first, and a field is in quotes or not,
without a line end, a quote or a space at its beginning. Most files have nothing else, and no object has to be
made for each of their rows. Of other blocks, the csv module's reader parses those in which each line is one
record. A block in which it fails, or which has line ends within quotes, is parsed by ``read_record``, slower
and with exact positions (submission/csv/grammar.py). Property tests hold the three together.
csv's ``field_size_limit`` is global to the process, so nothing depends on it: the limit here is lower than
its default, and if it is lowered, the slow path takes over.
"""

import csv
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Final, NamedTuple

from adjustments.batches.work_files import COLUMN_END, RECORD_END
from adjustments.core import limits
from adjustments.core.errors import FileRefused
from adjustments.submission.csv.csv_injection import may_have_escaped_formula
from adjustments.submission.csv.grammar import (
    LINE_END,
    OpenQuote,
    TextAfterQuote,
    field_pattern,
    line_ends,
    read_record,
    row_too_long,
    unclosed_quote,
)
from adjustments.submission.csv.problems import BADLY_QUOTED_ROW, MISSING_CELL, FileProblem

LINES_MAX: Final = 5 * limits.ROWS_MAX
"""Physical lines of one file: blank lines are not rows, so no other limit bounds them."""

_CONTROL_BYTES: Final = bytes(code for code in (*range(0x20), 0x7F) if code not in b"\t\n\r")
_CONTROL_BEYOND_ASCII: Final = re.compile(r"[\x80-\x9f]")
_BLANK: Final = " \t\xa0,;|"
"""What a line above the header may have and still be blank: spreadsheets write empty rows as delimiters."""

_BLANK_LINES: Final = re.compile(rf'(?:(?:[{_BLANK}]|"")*(?:\r\n|\r(?!\Z)|\n))+')


class RecordBlock(NamedTuple):
    """The records of one block, and the line on which each starts.

    ``plain``: all quotes are well-formed, and no cell has a control character, an escaped formula, a mark of
    fix-me.csv, or a character that could not be read. ``texts``: the records as they stand in the file,
    without their line ends.
    """

    lines: Sequence[int]
    records: list[list[str]]
    bad_quotes: frozenset[int]
    plain: bool
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class ColumnBlock:
    """The records of one plain block by column; as records, and as they stand in the file, where needed."""

    lines: Sequence[int]
    columns: Sequence[list[str]]
    text: str
    bad_quotes: frozenset[int] = frozenset()
    plain: bool = True

    @cached_property
    def records(self) -> list[list[str]]:
        """The records of the block."""
        return list(map(list, zip(*self.columns, strict=True)))

    @cached_property
    def texts(self) -> list[str]:
        """The records as they stand in the file, without their line ends."""
        return _lines_of(self.text)


class CsvParser:
    """The records of a text that comes in blocks; holds one block and one unfinished record at a time."""

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts = texts
        self._rest = ""
        self._line = 1

    def beginning(self) -> tuple[str, int]:
        """Enough text to hold the header, blank lines before it skipped, and the line where it starts."""
        self._skip_blank_lines()
        while len(self._rest) <= limits.ROW_CHARS_MAX and (text := next(self._texts, None)) is not None:
            self._rest += text
            self._skip_blank_lines()
        if not self._rest.strip(_BLANK + "\r\n"):
            raise FileRefused(
                FileProblem.EMPTY, "the file has nothing but blank lines; export it again and drop it"
            )
        return self._rest, self._line

    def skip(self, chars: int) -> None:
        """Go on after the header."""
        self._line += line_ends(self._rest[:chars])
        self._rest = self._rest[chars:]

    def blocks(self, delimiter: str) -> Iterator[RecordBlock | ColumnBlock]:
        """All records from here on, blank ones included.

        Raises:
            FileRefused: a quote never closes, a record is too long, or there are too many lines.
        """
        parser = _BlockParser(delimiter, self._line)
        rest = self._rest
        self._rest = ""
        for text in self._texts:
            rest += text
            used = yield from parser.parse(rest[: _end_of_last_line(rest)], final=False)
            rest = rest[used:]
            if len(rest) > limits.ROW_CHARS_MAX:
                raise parser.too_long(rest, 0)
        yield from parser.parse(rest, final=True)

    def _skip_blank_lines(self) -> None:
        blank = _BLANK_LINES.match(self._rest)
        if blank:
            self.skip(blank.end())
            _check_line(self._line)


class _BlockParser:
    def __init__(self, delimiter: str, line: int) -> None:
        self._delimiter = delimiter
        self._field = field_pattern(delimiter)
        self._line = line

    def parse(self, text: str, *, final: bool) -> Generator[RecordBlock | ColumnBlock, None, int]:
        """Whole lines in, a block out; returns the characters used, fewer when the last record goes on."""
        if not text:
            return 0
        _check_line(self._line)
        is_plain = _is_plain(text)
        columns = split_columns(text, self._delimiter) if is_plain else None
        if columns is not None:
            yield ColumnBlock(self._numbers(len(columns[0])), columns, text)
            return len(text)
        lines = _lines_of(text)
        records = self._one_per_line(lines)
        if records is not None:
            yield RecordBlock(self._numbers(len(lines)), records, frozenset(), is_plain, lines)
            return len(text)
        return (yield from self._parse_carefully(text, final=final))

    def _numbers(self, lines: int) -> range:
        """The numbers of the next lines."""
        self._line += lines
        return range(self._line - lines, self._line)

    def _one_per_line(self, lines: list[str]) -> list[list[str]] | None:
        if max(map(len, lines)) + len("\r\n") > limits.ROW_CHARS_MAX:  # perhaps with its end
            return None
        try:
            records = list(csv.reader(lines, delimiter=self._delimiter, strict=True, skipinitialspace=True))
        except csv.Error:
            return None
        return records if len(records) == len(lines) else None

    def _parse_carefully(self, text: str, *, final: bool) -> Generator[RecordBlock, None, int]:
        numbers: list[int] = []
        records: list[list[str]] = []
        texts: list[str] = []
        bad_quotes: set[int] = set()
        position = 0
        refused: FileRefused | None = None
        try:
            while position < len(text):
                found = self._next(text, position, final=final)
                if found is None:
                    break
                cells, end, bad = found
                numbers.append(self._line)
                records.append(cells)
                texts.append(text[position:end].rstrip("\r\n"))
                if bad:
                    bad_quotes.add(self._line)
                self._line += line_ends(text[position:end])
                position = end
        except FileRefused as error:
            refused = error
        plain = not bad_quotes and _is_plain(text[:position])
        yield RecordBlock(numbers, records, frozenset(bad_quotes), plain, texts)
        if refused is not None:
            raise refused
        return position

    def _next(self, text: str, start: int, *, final: bool) -> tuple[list[str], int, bool] | None:
        """A record, where it ends, whether its quotes are bad; None when it goes on after the text."""
        try:
            cells, end = read_record(text, start, self._delimiter, self._field)
        except TextAfterQuote as fault:
            return self._bad_line(text, start, fault)
        except OpenQuote as fault:
            if len(text) - start > limits.ROW_CHARS_MAX:
                raise self.too_long(text, start) from None
            if final:
                raise self._unclosed(text, start, fault.at) from None
            return None
        if end - start > limits.ROW_CHARS_MAX:
            raise self.too_long(text, start)
        return cells, end, False

    def _bad_line(self, text: str, start: int, fault: TextAfterQuote) -> tuple[list[str], int, bool]:
        line_end = LINE_END.search(text, start)
        stop, end = (line_end.start(), line_end.end()) if line_end else (len(text), len(text))
        if max(end, fault.at) - start > limits.ROW_CHARS_MAX:
            raise self.too_long(text, start)
        line = text[start:stop]
        if fault.at > stop or line.count('"') % 2:
            raise self._unclosed(text, start, fault.quote)
        return line.split(self._delimiter), end, True

    def too_long(self, text: str, start: int) -> FileRefused:
        """Why a record is refused, from as much of it as it may have, never from where a block ended."""
        part = text[start : start + limits.ROW_CHARS_MAX + 1]
        try:
            read_record(part, 0, self._delimiter, self._field)
        except OpenQuote as fault:
            return self._unclosed(part, 0, fault.at)
        except TextAfterQuote as fault:
            if LINE_END.search(part, 0, fault.at):
                return self._unclosed(part, 0, fault.quote)
        return row_too_long(self._line)

    def _unclosed(self, text: str, start: int, quote: int) -> FileRefused:
        return unclosed_quote(self._line + line_ends(text[start:quote]))


def _lines_of(text: str) -> list[str]:
    """The physical lines of a text, without their ends."""
    return _with_line_feeds(text).split("\n")


def _with_line_feeds(text: str) -> str:
    """The text with a line feed as the end of each line, and none at its own end."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n")


def _check_line(line: int) -> None:
    if line > LINES_MAX:
        raise FileRefused(
            FileProblem.TOO_MANY_LINES,
            f"the file has more than {LINES_MAX:,} lines; remove blank lines or split it, and drop it again",
        )


def _is_plain(text: str) -> bool:
    try:
        data = text.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8
        return False
    if len(data) != len(text) and b"\xef\xbf\xbd" in data:  # a character that was lost before
        return False
    if len(data.translate(None, _CONTROL_BYTES)) != len(data):
        return False
    if MISSING_CELL in text or BADLY_QUOTED_ROW in text:
        return False
    # The search is slow; what it looks for has this byte before it in UTF-8, and most text has it nowhere.
    if b"\xc2" in data and _CONTROL_BEYOND_ASCII.search(text):
        return False
    return not may_have_escaped_formula(text)


def _end_of_last_line(text: str) -> int:
    """Where the last line that is surely complete ends: a CR at the very end may be half of a CRLF."""
    return max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1)) + 1


def split_columns(text: str, delimiter: str) -> list[list[str]] | None:
    """Split lines into columns.

    Args:
        text: whole lines without control characters; the last one may lack its end.
        delimiter: what divides the fields.

    Returns:
        The columns, from two to ``COLUMNS_MAX``; None where the lines are not ordinary.
    """
    text = _with_line_feeds(text)
    if _has_long_line(text):
        return None
    bare = _without_quotes(text, delimiter) if '"' in text else text
    if bare is None:
        return None
    fields = _fields_of_each_line(bare, delimiter)
    if not 1 < fields <= limits.COLUMNS_MAX:
        return None
    cells = bare.replace("\n", delimiter).split(delimiter)
    columns = [cells[place::fields] for place in range(fields)]
    texts = list(map(RECORD_END.join, columns))
    if any(map(_begins_with_space, texts)):
        return None
    return [
        text.replace(COLUMN_END, delimiter).split(RECORD_END) if COLUMN_END in text else column
        for column, text in zip(columns, texts, strict=True)
    ]


def _fields_of_each_line(text: str, delimiter: str) -> int:
    """How many fields each line has; 0 where not all have as many."""
    # What is left without the cells is the same for each line, so that no line is looked at by itself.
    of_cells = bytes(set(range(256)) - {ord(delimiter), ord("\n")})
    ends = text.encode().translate(None, of_cells) + b"\n"
    fields = ends.index(b"\n") + 1
    return fields if ends == ends[:fields] * (len(ends) // fields) else 0


def _has_long_line(text: str) -> bool:
    """Whether a line may be longer than a record."""
    start, most = 0, limits.ROW_CHARS_MAX - len("\r\n")  # its own end counts
    while len(text) - start > most:
        start = text.rfind("\n", start, start + most + 1) + 1
        if not start:
            return True
    return False


def _without_quotes(text: str, delimiter: str) -> str | None:
    """Remove the quotes round fields; a delimiter within them becomes a mark.

    Returns:
        The text; None where a quote is anything else.
    """
    pieces = text.split('"')
    if len(pieces) % 2 == 0:
        return None
    first, *between, last = pieces[::2]
    within = '"'.join(pieces[1::2])
    if "\n" in within or not all(between):
        return None
    beside_quotes = {first[-1:], last[:1]}.union(map(itemgetter(0), between), map(itemgetter(-1), between))
    if not beside_quotes <= {"", delimiter, "\n"}:
        return None
    pieces[1::2] = within.replace(delimiter, COLUMN_END).split('"')
    return "".join(pieces)


def _begins_with_space(cells: str) -> bool:
    """Whether any of a column's joined cells begins with a space."""
    # Most columns have no space at all, which takes less time to find out than where one stands.
    return " " in cells and (cells[0] == " " or RECORD_END + " " in cells)
