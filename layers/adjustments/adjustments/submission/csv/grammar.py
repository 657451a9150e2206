"""The grammar of CSV: what spreadsheets write and what people edit by hand.

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
"""

import re
from typing import Final, NoReturn

from adjustments.core import limits
from adjustments.core.errors import FileRefused
from adjustments.submission.csv.problems import FileProblem

LINE_END: Final = re.compile(r"\r\n?|\n")
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters that no cell may hold; tab and line ends are white space in a quoted text."""

_QUOTED: Final = re.compile(r' *"[^"]*(?:""[^"]*)*"(?!") *')


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


def line_ends(text: str) -> int:
    """How many lines end within a text."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")
