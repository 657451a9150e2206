"""The header: which column is what, and which delimiter the file has.

Names are compared without letter case, spaces, ``_``, ``-``, ``.``, compatibility forms and invisible
characters: ``Customer ID``, ``customer_id`` and ``CUSTOMERID`` are one name. Nothing else is dropped:
``amount (old)`` is another column.

The delimiter is the one of ``, ; tab |`` under which the header shows most of the needed columns (then
most fields). A first line ``sep=;``, which Excel writes and reads, is obeyed and skipped. Control
characters in a header mean that the file is not text.
"""

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from adjustments.core import limits
from adjustments.core.errors import FileRefused
from adjustments.core.printable import shown
from adjustments.submission.csv.csv_injection import unescape_formula
from adjustments.submission.csv.parser import (
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


class Role(StrEnum):
    """What a column is for, named as in Gameball's request (Gameball API, "Balance Adjustment Batch Job")."""

    CUSTOMER_ID = "customerId"
    AMOUNT = "amount"
    REASON = "reason"
    ERROR = "error"


NAMES: Final[Mapping[Role, tuple[str, ...]]] = {
    # Gameball's words of now and of its older API. Not "id", "user id", "member id", "customer": they stand
    # beside the real id in too many exports.
    Role.CUSTOMER_ID: (
        "customer id",
        "customer unique id",
        "player id",
        "player unique id",
        "unique id",
    ),
    # The dashboard's "bonus points" included. Not "balance" or "total", which are no change, and not
    # "points to deduct", whose sign would have to be guessed.
    Role.AMOUNT: (
        "amount",
        "points",
        "bonus points",
        "points amount",
        "adjustment",
        "adjustment amount",
        "adjustment points",
        "points adjustment",
        "balance adjustment",
    ),
    # Not "note" or "comment": they are written for colleagues, and the reason may be shown to the customer.
    Role.REASON: ("reason", "adjustment reason", "reason for adjustment"),
    # The last column of fix-me.csv.
    Role.ERROR: ("error",),
}
"""The names by which each role is known; a column of any other name is ignored and named in the notes."""

NEEDED: Final = (Role.CUSTOMER_ID, Role.AMOUNT)

_DROPPED_FROM_NAMES: Final = r"[\s_.\-\u00ad\u200b-\u200f\u2060\ufeff]+"
_SEPARATOR_LINE: Final = r"(?i)\"?sep=([,;\t|])\"?[,;\t|]*(?:\r\n?|\n)"


class Layout(NamedTuple):
    """Where the roles stand; all but the first four count without ``error`` columns.

    ``fields`` ends with the last column that has a name; ``nameless`` are the columns behind it, which
    spreadsheets write where some row is longer than the header.
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


class _Candidate(NamedTuple):
    """The header as it reads under one delimiter, and where it ends."""

    delimiter: str
    cells: list[str]
    end: int

    def likelihood(self) -> tuple[int, int]:
        return _needed_roles(self.cells), len(self.cells)

    def is_complete(self) -> bool:
        return _needed_roles(self.cells) == len(NEEDED)


def separator_line(text: str) -> tuple[str, int] | None:
    """The delimiter that a first line ``sep=;`` asks for, and where the text goes on."""
    found = re.match(_SEPARATOR_LINE, text)
    return (found[1], found.end()) if found else None


def role_of(name: str) -> Role | None:
    """The role that a column's name claims, None for a column that is ignored."""
    return _ROLES.get(_squeezed(name))


def read_header(text: str, *, line: int, delimiters: tuple[str, ...]) -> tuple[Layout, int]:
    """The layout that a text begins with, and where its first row starts.

    Args:
        text: the beginning of the file, blank lines skipped; more than the header.
        line: the physical line on which it starts.
        delimiters: those that come into question.
    Raises:
        FileRefused: it is not a header, not text, or lacks a needed column.
    """
    found = _likeliest(text[: limits.ROW_CHARS_MAX + 1], line, delimiters)
    _require_text(text[: found.end])
    if found.end > limits.ROW_CHARS_MAX:
        raise row_too_long(line)
    return layout_of(found.cells, delimiter=found.delimiter, line=line), found.end


def layout_of(cells: list[str], *, delimiter: str, line: int) -> Layout:
    """Find the roles in a header.

    Raises:
        FileRefused: a needed column is missing, or two columns claim the same role.
    """
    names = [unescape_formula(cell, delimiter).strip() for cell in cells]
    roles = [role_of(name) for name in names]
    fields = max((index + 1 for index, name in enumerate(names) if name), default=0)
    names, roles, nameless = names[:fields], roles[:fields], len(names) - fields
    kept = [index for index, role in enumerate(roles) if role is not Role.ERROR]
    places = _places([roles[index] for index in kept], [names[index] for index in kept], line)
    _require_needed(places, names, line)
    return Layout(
        delimiter=delimiter,
        fields=fields,
        nameless=nameless,
        names=tuple(names[index] for index in kept),
        error_columns=tuple(index for index, role in enumerate(roles) if role is Role.ERROR),
        customer_id=places[Role.CUSTOMER_ID],
        amount=places[Role.AMOUNT],
        reason=places.get(Role.REASON),
        ignored=tuple(names[index] for index in kept if roles[index] is None and names[index]),
    )


def _likeliest(text: str, line: int, delimiters: tuple[str, ...]) -> _Candidate:
    """The header under its likeliest delimiter; under a wrong one, good quotes may look like bad ones."""
    candidates: list[_Candidate] = []
    open_quotes: list[int] = []
    other_faults: list[int] = []
    for delimiter in delimiters:
        try:
            candidates.append(
                _Candidate(delimiter, *read_record(text, 0, delimiter, field_pattern(delimiter)))
            )
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


def _require_needed(places: Mapping[Role, int], names: list[str], line: int) -> None:
    missing = [role for role in NEEDED if role not in places]
    if not missing:
        return
    code = FileProblem.MISSING_COLUMN if places else FileProblem.NO_HEADER
    wanted = " and ".join(f"{role} (or: {', '.join(NAMES[role])})" for role in missing)
    raise FileRefused(
        code,
        f"line {line} has no column for {' and '.join(missing)}; found: {_quoted(names)}. "
        f"The first line must name the columns; name one {wanted} and drop the file again",
    )


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


def _needed_roles(names: list[str]) -> int:
    return len({role_of(name) for name in names}.intersection(NEEDED))


def _quoted(names: list[str]) -> str:
    quoted = ", ".join(f'"{shown(name)}"' for name in names[:NAMES_SHOWN_MAX])
    more = len(names) - NAMES_SHOWN_MAX
    return f"{quoted} and {more} more" if more > 0 else quoted


def _squeezed(name: str) -> str:
    return re.sub(_DROPPED_FROM_NAMES, "", unicodedata.normalize("NFKC", name).casefold())


_ROLES: Final[Mapping[str, Role]] = {_squeezed(name): role for role, names in NAMES.items() for name in names}
