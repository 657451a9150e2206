"""Splits a block of ordinary CSV lines into its columns, a step for the whole block at a time.

Ordinary is what programs write: each line is a record with as many fields as the first, and a field is in
quotes or not, without a line end, a quote or a space at its beginning. Most files have nothing else, and no
object has to be made for each of their rows. Whatever is not surely ordinary is left to the parser; a
property test holds the two together.
"""

from operator import itemgetter

from adjustments.batches.work_files import COLUMN_END, RECORD_END
from adjustments.core import limits


def split_columns(text: str, delimiter: str) -> list[list[str]] | None:
    """Split lines into columns.

    Args:
        text: whole lines without control characters; the last one may lack its end.
        delimiter: what divides the fields.

    Returns:
        The columns, from two to ``COLUMNS_MAX``; None where the lines are not ordinary.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.removesuffix("\n")
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
