"""Splits blocks of text into CSV records, each with the physical line on which it starts.

The grammar, which is what spreadsheets write and what people edit by hand:

- LF, CRLF and CR end a line, in any mixture; each counts once. Nothing else ends a line (not U+2028, not
  form feed).
- A field is quoted when its first character after spaces is ``"``. Within, ``""`` is a quote and
  everything else is itself, delimiters and line ends included. Spaces before and after the quotes are
  dropped; so are spaces before an unquoted field. A quote inside an unquoted field is an ordinary
  character (``5" disc``).
- Text after a closing quote (``"a"b``) makes the row bad, when the fault stays within one line and that
  line's quotes are even. Otherwise it is unknown where the row ends, and a row swallowed by a quote
  would be a row lost: the file is refused, naming the line where the quote opens.
- A record has at most ``ROW_CHARS_MAX`` characters as it stands in the file. A longer one refuses the
  file rather than the row: it is not a row of a balance file, and it could not be given back whole in
  fix-me.csv.

A block of ordinary lines is split into columns (submission/csv/columns.py). Of other blocks, the csv module's
reader parses those in which each line is one record. A block in which it fails, or which has line ends within
quotes, is parsed by ``read_record``, slower and with exact positions. Property tests hold the three together.
csv's ``field_size_limit`` is global to the process, so nothing depends on it: the limit here is lower than
its default, and if it is lowered, the slow path takes over.
"""

import csv
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, NoReturn

from adjustments.core import limits
from adjustments.core.errors import FileRefused
from adjustments.submission.csv.columns import split_columns
from adjustments.submission.csv.csv_injection import may_have_escaped_formula
from adjustments.submission.csv.problems import BADLY_QUOTED_ROW, MISSING_CELL, FileProblem

LINES_MAX: Final = 5 * limits.ROWS_MAX
"""Physical lines of one file: blank lines are not rows, so no other limit bounds them."""

LINE_END: Final = re.compile(r"\r\n?|\n")
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters that no cell may hold; tab and line ends are white space in a quoted text."""

_CONTROL_BYTES: Final = bytes(code for code in (*range(0x20), 0x7F) if code not in b"\t\n\r")
_CONTROL_BEYOND_ASCII: Final = re.compile(r"[\x80-\x9f]")
_BLANK: Final = " \t\xa0,;|"
"""What a line above the header may have and still be blank: spreadsheets write empty rows as delimiters."""

_BLANK_LINES: Final = re.compile(rf'(?:(?:[{_BLANK}]|"")*(?:\r\n|\r(?!\Z)|\n))+')
_QUOTED: Final = re.compile(r' *"[^"]*(?:""[^"]*)*"(?!") *')


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


class OpenQuote(Exception):
    """The quote at position ``at`` is not closed within the text."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


class TextAfterQuote(Exception):
    """The quoted field that opens at ``quote`` closes, and at ``at`` something follows it."""

    def __init__(self, quote: int, at: int) -> None:
        super().__init__(quote, at)
        self.quote = quote
        self.at = at


def field_pattern(delimiter: str) -> re.Pattern[str]:
    """One field with what ends it, for ``read_record``."""
    mark = re.escape(delimiter)
    quoted, bare = r'"([^"]*(?:""[^"]*)*)" *', rf'(?![ "])([^{mark}\r\n]*)'
    return re.compile(rf" *(?:{quoted}|{bare})({mark}|\r\n?|\n|\Z)")


def read_record(text: str, start: int, delimiter: str, field: re.Pattern[str]) -> tuple[list[str], int]:
    """The record that starts at a position, and where the next one starts: the grammar itself.

    Raises:
        OpenQuote: a quote is not closed within the text.
        TextAfterQuote: a closing quote is not followed by a delimiter or a line end.
    """
    end_of_blank = LINE_END.match(text, start)
    if end_of_blank:
        return [], end_of_blank.end()
    cells: list[str] = []
    position = start
    while True:
        found = field.match(text, position)
        if found is None:
            _raise_fault(text, position)
        quoted = found[1]
        cells.append(found[2] if quoted is None else quoted.replace('""', '"'))
        position = found.end()
        if found[3] != delimiter:
            return cells, position


def is_quoted(text: str, index: int, delimiter: str) -> bool:
    """Whether a field of a record stands in quotes.

    Args:
        text: the record as it stands in the file.
        index: which field, from 0.
        delimiter: what divides the fields.
    """
    field, position = field_pattern(delimiter), 0
    found = None
    for _ in range(index + 1):
        found = field.match(text, position)
        if found is None:
            return False
        position = found.end()
    return found is not None and found[1] is not None


def _raise_fault(text: str, position: int) -> NoReturn:
    quote = text.index('"', position)
    closed = _QUOTED.match(text, position)
    if closed is None:
        raise OpenQuote(quote)
    raise TextAfterQuote(quote, closed.end())


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


def unclosed_quote(line: int) -> FileRefused:
    """The refusal that names the line where a quote opens."""
    return FileRefused(
        FileProblem.UNCLOSED_QUOTE,
        f'line {line}: a quote (") opens here and is not closed where its field ends, within '
        f"{limits.ROW_CHARS_MAX:,} characters; close or remove it (a quote within a quoted text is written "
        'twice: "") and drop the file again',
    )


def row_too_long(line: int) -> FileRefused:
    """The refusal of a record that is too long."""
    return FileRefused(
        FileProblem.ROW_TOO_LONG,
        f"line {line}: the row is longer than {limits.ROW_CHARS_MAX:,} characters, so this is not a file of "
        "adjustments; check the line ends and the export, and drop the file again",
    )


def _lines_of(text: str) -> list[str]:
    """The physical lines of a text, without their ends."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n").split("\n")


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


def line_ends(text: str) -> int:
    """How many lines end within a text."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")
