"""Protects people who open our CSV files in a spreadsheet from formula injection (CWE-1236).

A cell that begins with ``=``, ``+``, ``-`` or ``@`` runs as a formula when a spreadsheet opens the file. The
defence is a leading apostrophe. A cell is *risky* when, after any apostrophes and white space, it begins with
one of those characters, a tab or a line end (or the full-width twins, which some spreadsheets read alike).
``escape_formula`` puts one apostrophe before a risky cell, ``unescape_formula`` takes one away from a risky
cell that has one. A cell that begins with apostrophes of its own and then something risky counts as risky, so
it gets one more and loses just that one: the round trip is exact for every string. ``'abc`` and ``O'Brien``
are never touched.

One exception: a plain negative number of at most 15 digits stays plain; as a formula it is its own value.
A number with a plus does not, because a spreadsheet drops the plus, and ``+20100…`` is somebody's id.
"""

import re
from typing import Final

_RUNS: Final = r"[=+\-@\t\r\n＝＋－＠]"  # noqa: RUF001 - the full-width twins are meant
_RISKY: Final = re.compile(rf"['\s]*{_RUNS}")
_RESTORABLE: Final = re.compile(rf"'['\s]*{_RUNS}")
# Finds the last apostrophe of a run instead of the first: linear on a line of nothing but apostrophes.
_RESTORABLE_WITHIN: Final = re.compile(rf"'\s*{_RUNS}")
_PLAIN_NEGATIVE: Final = re.compile(r"-(?!(?:[^0-9]?[0-9]){16})(?:0|[1-9][0-9]*)?(?:[.,][0-9]+)?(?<=[0-9])")


def escape_formula(cell: str) -> str:
    """Make a cell harmless in a spreadsheet; for files meant for people.

    Args:
        cell: the value, not quoted.

    Returns:
        The cell, with an apostrophe in front if it is risky. ``unescape_formula`` gives back every string.
    """
    if cell[:1].isalnum():  # most cells; nothing risky begins so
        return cell
    if _RISKY.match(cell) and not _PLAIN_NEGATIVE.fullmatch(cell):
        return "'" + cell
    return cell


def unescape_formula(cell: str) -> str:
    """Undo ``escape_formula``; the reader does it to every cell."""
    return cell[1:] if _RESTORABLE.match(cell) else cell


def may_have_escaped_formula(text: str) -> bool:
    """Whether any cell in a block of text may need ``unescape_formula``; errs towards yes."""
    return "'" in text and _RESTORABLE_WITHIN.search(text) is not None
