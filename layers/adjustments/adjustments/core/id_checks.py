"""What can be wrong with an id, in the same words for files and for the API.

Each function returns what is wrong and what to do, to stand after the name of the field or the offending
text; nothing where all is well.
"""

import re
from collections.abc import Callable
from typing import Final

from adjustments.core.printable import code_point, is_invisible

SCIENTIFIC: Final = r"[+-]?[0-9]++(?:[.,][0-9]+[eE][+-]?|[eE][+-])[0-9]+"
"""A pattern for scientific notation, as spreadsheets write it."""


def invisible_fault(text: str, is_refused: Callable[[str], bool] = is_invisible) -> str:
    """A character that shows nothing: the id would look like another one."""
    if text.isprintable():
        return ""
    at = next((at for at, char in enumerate(text) if is_refused(char)), None)
    if at is None:
        return ""
    return (
        f"has the invisible character {code_point(text[at])} as its character {at + 1}; "
        "delete it or type the text again"
    )


def scientific_fault(text: str) -> str:
    """Scientific notation, in which a spreadsheet has lost the last digits of an id."""
    if not re.fullmatch(SCIENTIFIC, text):
        return ""
    return (
        "is an id that a spreadsheet has turned into scientific notation, its last digits are lost; "
        "format the column as text and copy the ids again from their source"
    )


def blanks_fault(text: str) -> str:
    """Blanks around an id, which people overlook; files are read without them."""
    return "has blanks before or after it; remove them" if text != text.strip() else ""
