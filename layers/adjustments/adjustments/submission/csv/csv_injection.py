"""One cell: kept from running as a formula in a spreadsheet, brought back, and shown in a message.

The convention is the leading apostrophe. A cell is *risky* when, after any apostrophes and white space,
it begins with ``=``, ``+``, ``-``, ``@``, tab or a line end (or the full-width twins, which some
spreadsheets read alike). ``neutralise`` puts one apostrophe before a risky cell, ``restore`` takes one
away from a risky cell that has one. A cell that begins with apostrophes of its own and then something
risky counts as risky, so it gets one more and loses just that one: the round trip is exact for every
string. ``'abc`` and ``O'Brien`` are never touched.

One exception: a plain negative number of at most 15 digits stays plain; as a formula it is its own value.
A number with a plus does not, because a spreadsheet drops the plus, and ``+20100…`` is somebody's id.
"""

import re
import unicodedata
from typing import Final

CELL_END: Final = "\x1f"
RECORD_END: Final = "\x1e"
COLUMN_END: Final = "\x1d"
"""ASCII's own dividers. What is joined by them can be taken apart again, because they are control characters:
a row that holds one is rejected.
"""

TEXT_SHOWN_CHARS_MAX: Final = 40
"""Characters of offending text that a message repeats."""

_RUNS: Final = r"[=+\-@\t\r\n＝＋－＠]"  # noqa: RUF001 - the full-width twins are meant
_RISKY: Final = re.compile(rf"['\s]*{_RUNS}")
_RESTORABLE: Final = re.compile(rf"'['\s]*{_RUNS}")
# Finds the last apostrophe of a run instead of the first: linear on a line of nothing but apostrophes.
_RESTORABLE_WITHIN: Final = re.compile(rf"'\s*{_RUNS}")
_PLAIN_NEGATIVE: Final = re.compile(r"-(?!(?:[^0-9]?[0-9]){16})(?:0|[1-9][0-9]*)?(?:[.,][0-9]+)?(?<=[0-9])")
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def neutralise(cell: str) -> str:
    """Make a cell harmless in a spreadsheet, for files meant for people (issue 3, point 7).

    ``restore(neutralise(cell)) == cell`` for every string.
    """
    if cell[:1].isalnum():  # most cells; nothing risky begins so
        return cell
    if _RISKY.match(cell) and not _PLAIN_NEGATIVE.fullmatch(cell):
        return "'" + cell
    return cell


def restore(cell: str) -> str:
    """Take back what ``neutralise`` did; the reader does it to every cell."""
    return cell[1:] if _RESTORABLE.match(cell) else cell


def has_restorable(text: str) -> bool:
    """Whether any cell in a block of text may need ``restore``; errs towards yes."""
    return "'" in text and _RESTORABLE_WITHIN.search(text) is not None


def is_invisible(char: str) -> bool:
    """Whether people see nothing of it: control and format characters, odd line ends."""
    return unicodedata.category(char) in _INVISIBLE_CATEGORIES


def name_of(char: str) -> str:
    """An invisible character as it is shown to people: ``<U+0000>``."""
    return f"<U+{ord(char):04X}>"


def shown(text: str) -> str:
    """Text as a message repeats it: shortened, with whatever is invisible made visible."""
    return visible(text if len(text) <= TEXT_SHOWN_CHARS_MAX else text[: TEXT_SHOWN_CHARS_MAX - 1] + "…")


def visible(text: str) -> str:
    """Text on one line, in which whatever people can't see is named."""
    if text.isprintable():
        return text
    return "".join(name_of(char) if is_invisible(char) else char for char in text)
