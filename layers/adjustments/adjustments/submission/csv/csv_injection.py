"""Protects people who open our CSV files in a spreadsheet from formula injection (CWE-1236).

A cell that begins with ``=``, ``+``, ``-`` or ``@`` runs as a formula when a spreadsheet opens the file. The
defence is a leading apostrophe. A cell is *risky* when, after any apostrophes and white space, it begins with
one of those characters, a tab or a line end (or the full-width twins, which some spreadsheets read alike).
``escape_formula`` puts one apostrophe before a risky cell, ``unescape_formula`` takes one away from a risky
cell that has one. A cell that begins with apostrophes of its own and then something risky counts as risky, so
it gets one more and loses just that one: the round trip is exact for every string. ``'abc`` and ``O'Brien``
are never touched.

One exception: a plain negative number of at most 15 digits stays plain; as a formula it is its own value.
A number with a plus does not, because a spreadsheet drops the plus, and ``+20100…`` is a customer's id.

A spreadsheet may split a file at another character than the file's own delimiter: a German Excel splits
``c1,5,"gift;=1+1"`` at the semicolon, heeds no quotes in the middle of a cell, and runs ``=1+1``. So what
follows one of the other delimiters, or a line end, within a cell is treated as a cell of its own, with quotes
counted as white space, and without the exception.
"""

import re
from collections.abc import Iterator
from typing import Final

DELIMITERS: Final = (",", ";", "\t", "|")
"""The characters that a file may be split at."""

_OPERATORS: Final = r"=+\-@＝＋－＠"  # noqa: RUF001 - the full-width twins are meant
_RUNS: Final = rf"[{_OPERATORS}\t\r\n]"
_RISKY: Final = re.compile(rf"['\s]*{_RUNS}")
_RESTORABLE: Final = re.compile(rf"'['\s]*{_RUNS}")
# Finds the last apostrophe of a run instead of the first: linear on a line of nothing but apostrophes.
_RESTORABLE_WITHIN: Final = re.compile(rf"'[\s\"]*{_RUNS}")
_PLAIN_NEGATIVE: Final = re.compile(r"-(?!(?:[^0-9]?[0-9]){16})(?:0|[1-9][0-9]*)?(?:[.,][0-9]+)?(?<=[0-9])")

_FIND_OPERATOR: Final = re.compile(f"[{_OPERATORS}]")
_SPLITS: Final = {delimiter: frozenset({*DELIMITERS, "\r", "\n"} - {delimiter}) for delimiter in DELIMITERS}
_FIND_SPLIT: Final = {
    delimiter: re.compile(f"[{re.escape(''.join(sorted(splits)))}]") for delimiter, splits in _SPLITS.items()
}


def escape_formula(cell: str, delimiter: str = ",") -> str:
    """Make a cell harmless in a spreadsheet; for files meant for people.

    Args:
        cell: the value, not quoted.
        delimiter: the delimiter of the file that it is written to.

    Returns:
        The cell, with an apostrophe before each part that is risky. ``unescape_formula`` gives back every
        string.
    """
    if _FIND_SPLIT[delimiter].search(cell):
        cell = _escape_parts(cell, delimiter)
    if cell[:1].isalnum():  # most cells; nothing risky begins so
        return cell
    if _RISKY.match(cell) and not _PLAIN_NEGATIVE.fullmatch(cell):
        return "'" + cell
    return cell


def unescape_formula(cell: str, delimiter: str = ",") -> str:
    """Undo ``escape_formula``; the reader does it to every cell."""
    if "'" not in cell:
        return cell
    if _RESTORABLE.match(cell):
        cell = cell[1:]
    return _unescape_parts(cell, delimiter) if _FIND_SPLIT[delimiter].search(cell) else cell


def may_have_escaped_formula(text: str) -> bool:
    """Whether any cell in a block of text may need ``unescape_formula``; errs towards yes."""
    return "'" in text and _RESTORABLE_WITHIN.search(text) is not None


def _escape_parts(cell: str, delimiter: str) -> str:
    starts = sorted(_risky_parts(cell, _SPLITS[delimiter]))
    return "'".join(cell[start:end] for start, end in zip([0, *starts], [*starts, None], strict=True))


def _unescape_parts(cell: str, delimiter: str) -> str:
    starts = sorted(start for start in _risky_parts(cell, _SPLITS[delimiter]) if cell[start] == "'")
    begins = [0, *(start + 1 for start in starts)]
    return "".join(cell[begin:end] for begin, end in zip(begins, [*starts, None], strict=True))


def _risky_parts(cell: str, splits: frozenset[str]) -> Iterator[int]:
    """Where in a cell a part begins that may run, the first part left out.

    It goes back from each operator, in time that grows with the cell and not with its square.
    """
    for found in _FIND_OPERATOR.finditer(cell, 1):
        at = found.start()
        while at > 0:
            before = cell[at - 1]
            if before in splits:
                yield at
            if before not in "'\"" and not before.isspace():
                break
            at -= 1
