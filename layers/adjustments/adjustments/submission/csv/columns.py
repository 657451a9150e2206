"""Splits a block of ordinary CSV lines into its columns, a step for the whole block at a time.

Ordinary is what programs write: each line is a record with as many fields as the first, and a field is in
quotes or not, without a line end, a quote or a space at its beginning. Most files have nothing else, and no
object has to be made for each of their rows. Whatever is not surely ordinary is left to the parser; a
property test holds the two together.
"""

from itertools import islice

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
    quoted = '"' in text
    bare = _without_quotes(text, delimiter) if quoted else text
    if bare is None or bare.startswith(" ") or delimiter + " " in bare or "\n " in bare:
        return None
    rows, fields = bare.count("\n") + 1, bare.partition("\n")[0].count(delimiter) + 1
    # Each line but the last leaves the mark at the end of its last cell: so it shows whether all lines have
    # as many fields, and no line has to be looked at by itself.
    cells = bare.replace("\n", RECORD_END + delimiter).split(delimiter)
    if not 1 < fields <= limits.COLUMNS_MAX or len(cells) != rows * fields:
        return None
    columns = [cells[place::fields] for place in range(fields)]
    columns[-1] = "".join(columns[-1]).split(RECORD_END)
    if len(columns[-1]) != rows:
        return None
    return [_with_delimiters(column, delimiter) for column in columns] if quoted else columns


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
    outside = pieces[::2]
    within = '"'.join(pieces[1::2])
    bounds = {delimiter, "\n"}
    is_ordinary = (
        len(pieces) % 2 == 1
        and "\n" not in within
        and {piece[-1:] for piece in islice(outside, 1, len(outside) - 1)} <= bounds
        and {piece[:1] for piece in islice(outside, 1, len(outside) - 1)} <= bounds
        and outside[0][-1:] in {"", *bounds}
        and outside[-1][:1] in {"", *bounds}
    )
    if not is_ordinary:
        return None
    pieces[1::2] = within.replace(delimiter, COLUMN_END).split('"')
    return "".join(pieces)


def _with_delimiters(column: list[str], delimiter: str) -> list[str]:
    """Put delimiters back where they were within quotes."""
    joined = RECORD_END.join(column)
    return joined.replace(COLUMN_END, delimiter).split(RECORD_END) if COLUMN_END in joined else column
