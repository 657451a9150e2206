"""The header: which column is what, and which delimiter the file has.

The delimiter is the one of ``, ; tab |`` under which the header shows most of the needed columns (then
most fields). A first line ``sep=;``, which Excel writes and reads, is obeyed and skipped. Control
characters in a header mean that the file is not text.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from adjustments.core import limits
from adjustments.core.errors import FileRefused
from adjustments.core.printable import shown
from adjustments.submission.csv.column_names import NAMES, NEEDED, ColumnNames, Role
from adjustments.submission.csv.csv_injection import unescape_formula
from adjustments.submission.csv.grammar import (
    CONTROL,
    OpenQuote,
    TextAfterQuote,
    field_pattern,
    line_ends,
    read_record,
    row_too_long,
    unclosed_quote,
)
from adjustments.submission.csv.problems import FileProblem

NAMES_SHOWN_MAX: Final = 12


_SEPARATOR_LINE: Final = r"(?i)\"?sep=([,;\t|])\"?[,;\t|]*(?:\r\n?|\n)"


class Layout(NamedTuple):
    """Where the roles stand; all but the first four count without the ``error`` column.

    ``fields`` ends with the last column that has a name; ``nameless`` are the columns behind it, which
    spreadsheets write where some row is longer than the header. ``unexplained``: the ignored columns, with
    their headings, that the metadata does not name as such. ``places``: where each role stands; ``amount`` is
    the place of the points, or else of the amount.
    """

    delimiter: str
    fields: int
    nameless: int
    error_columns: tuple[int, ...]
    names: tuple[str, ...]
    customer_id: int
    amount: int
    reason: int | None
    ignored: tuple[str, ...]
    unexplained: tuple[tuple[int, str], ...] = ()
    places: Mapping[Role, int] = {}


class _Candidate(NamedTuple):
    """The header as it reads under one delimiter, and where it ends."""

    delimiter: str
    cells: list[str]
    end: int
    needed: int

    def likelihood(self) -> tuple[int, int]:
        return self.needed, len(self.cells)

    def is_complete(self) -> bool:
        return self.needed == len(NEEDED)


def separator_line(text: str) -> tuple[str, int] | None:
    """The delimiter that a first line ``sep=;`` names, and where the text goes on."""
    found = re.match(_SEPARATOR_LINE, text)
    return (found[1], found.end()) if found else None


def read_header(
    text: str, *, line: int, delimiters: tuple[str, ...], names: ColumnNames | None = None
) -> tuple[Layout, int]:
    """The layout that a text begins with, and where its first row starts.

    Args:
        text: the beginning of the file, blank lines skipped; more than the header.
        line: the physical line on which it starts.
        delimiters: those that come into question.
        names: which role a name claims.
    Raises:
        FileRefused: it is not a header, not text, or lacks a needed column.
    """
    names = names or ColumnNames()
    found = _likeliest(text[: limits.ROW_CHARS_MAX + 1], line, delimiters, names)
    _require_text(text[: found.end])
    if found.end > limits.ROW_CHARS_MAX:
        raise row_too_long(line)
    return layout_of(found.cells, delimiter=found.delimiter, line=line, known=names), found.end


def layout_of(cells: list[str], *, delimiter: str, line: int, known: ColumnNames | None = None) -> Layout:
    """Find the roles in a header.

    Raises:
        FileRefused: a needed column is missing, two columns claim the same role, or there are too many.
    """
    known = known or ColumnNames()
    _check_number(cells, line)
    names = [unescape_formula(cell, delimiter).strip() for cell in cells]
    roles = [known.role_of(name) for name in names]
    fields = max((index + 1 for index, name in enumerate(names) if name), default=0)
    names, roles, nameless = names[:fields], roles[:fields], len(names) - fields
    if roles.count(Role.ERROR) > 1:
        raise FileRefused(
            FileProblem.DUPLICATE_COLUMN,
            f'line {line}: {roles.count(Role.ERROR)} columns are named "error", as only the last column of '
            "fix-me.csv may be; remove or rename the others and drop the file again",
        )
    _require_named(known, roles, names, line)
    kept = [index for index, role in enumerate(roles) if role is not Role.ERROR]
    places = _places([roles[index] for index in kept], [names[index] for index in kept], line)
    _require_clear(known, names, line)
    _require_needed(known, places, names, line)
    ignored = [(at, names[index]) for at, index in enumerate(kept) if roles[index] is None]
    return Layout(
        delimiter=delimiter,
        fields=fields,
        nameless=nameless,
        names=tuple(names[index] for index in kept),
        error_columns=tuple(index for index, role in enumerate(roles) if role is Role.ERROR),
        customer_id=places[Role.CUSTOMER_ID],
        amount=places[Role.POINTS] if Role.POINTS in places else places[Role.AMOUNT],
        reason=places.get(Role.REASON),
        ignored=tuple(name for _, name in ignored if name),
        unexplained=tuple((at, name) for at, name in ignored if not known.may_be_ignored(name)),
        places=places,
    )


def _check_number(cells: list[str], line: int) -> None:
    if len(cells) > limits.COLUMNS_MAX:
        raise FileRefused(
            FileProblem.TOO_MANY_COLUMNS,
            f"line {line}: the header has {len(cells):,} columns; a file may have {limits.COLUMNS_MAX}. "
            "Remove those that are not needed and drop the file again",
        )


def _require_named(known: ColumnNames, roles: list[Role | None], names: list[str], line: int) -> None:
    for role, heading in known.columns.items():
        if role not in roles:
            raise FileRefused(
                FileProblem.MISSING_COLUMN,
                f'line {line} has no column "{shown(heading)}", which the metadata "columns" names for '
                f"{role}; found: {_quoted(names)}. Correct one of them and drop the file again",
            )


def _likeliest(text: str, line: int, delimiters: tuple[str, ...], names: ColumnNames) -> _Candidate:
    """The header under its likeliest delimiter; under a wrong one, good quotes may look like bad ones."""
    candidates: list[_Candidate] = []
    open_quotes: list[int] = []
    other_faults: list[int] = []
    for delimiter in delimiters:
        try:
            cells, end = read_record(text, 0, delimiter, field_pattern(delimiter))
            needed = names.count_needed(cells[: limits.COLUMNS_MAX + 1])
            candidates.append(_Candidate(delimiter, cells, end, needed))
        except OpenQuote as fault:
            open_quotes.append(fault.at)
        except TextAfterQuote as fault:
            other_faults.append(fault.quote)
    best = max(candidates, key=_Candidate.likelihood, default=None)
    if best is not None and (best.is_complete() or not open_quotes):
        return best
    _require_text(text)
    raise unclosed_quote(line + line_ends(text[: min(open_quotes or other_faults)]))


def _places(roles: list[Role | None], names: list[str], line: int) -> dict[Role, int]:
    places: dict[Role, int] = {}
    for index, role in enumerate(roles):
        if role is None:
            continue
        if role in places:
            both = _quoted([names[places[role]], names[index]])
            raise FileRefused(
                FileProblem.DUPLICATE_COLUMN,
                f"line {line}: the columns {both} both stand for {role}; "
                "remove or rename one of them and drop the file again",
            )
        places[role] = index
    return places


def _require_clear(known: ColumnNames, names: list[str], line: int) -> None:
    """Refuse a number that may be points or money: Gameball makes something else of each."""
    if unclear := [name for name in names if known.is_unclear(name)]:
        raise FileRefused(
            FileProblem.UNCLEAR_COLUMN,
            f"line {line}: the column {_quoted(unclear[:1])} does not say whether it holds points or money, "
            "which a file that is sent as transactions has to; rename it to points, or to amount for money "
            "in your account's currency, and drop the file again",
        )


def _require_needed(known: ColumnNames, places: Mapping[Role, int], names: list[str], line: int) -> None:
    has_points = known.are_transactions and Role.POINTS in places
    missing = [role for role in NEEDED if role not in places and not (has_points and role is Role.AMOUNT)]
    if not missing:
        return
    code = FileProblem.MISSING_COLUMN if places else FileProblem.NO_HEADER
    wanted = " and ".join(_wanted(role, known) for role in missing)
    raise FileRefused(
        code,
        f"line {line} has no column for {' and '.join(missing)}; found: {_quoted(names)}. "
        f"The first line must name the columns; name one {wanted} and drop the file again. Headings of "
        'another language: metadata "columns: customerId=Kundennummer,amount=Punkte", or adjust submit '
        "--columns",
    )


def _wanted(role: Role, known: ColumnNames) -> str:
    if role is Role.AMOUNT and known.are_transactions:
        return "points, or amount (money in your account's currency)"
    return f"{role} (or: {', '.join(NAMES[role])})"


def _require_text(beginning: str) -> None:
    """Refuse control characters where a header should be: a picture, a program, UTF-16 without a mark."""
    if beginning.count("\0") * 3 >= len(beginning):
        raise FileRefused(
            FileProblem.NOT_TEXT,
            "the file is not text, or it is UTF-16 without a byte-order mark; "
            'save it again as "CSV UTF-8" and drop that file',
        )
    if CONTROL.search(beginning):
        raise FileRefused(
            FileProblem.NOT_TEXT,
            "the file is not CSV text: it begins with control characters; "
            'export it as "CSV UTF-8" and drop that file',
        )


def _quoted(names: list[str]) -> str:
    quoted = ", ".join(f'"{shown(name)}"' for name in names[:NAMES_SHOWN_MAX])
    more = len(names) - NAMES_SHOWN_MAX
    return f"{quoted} and {more} more" if more > 0 else quoted
