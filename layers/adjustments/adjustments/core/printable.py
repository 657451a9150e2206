"""Text from a file as a message repeats it: short, on one line, with invisible characters named."""

import unicodedata
from typing import Final

TEXT_SHOWN_CHARS_MAX: Final = 40
"""Characters of offending text that a message repeats."""

_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def is_invisible(char: str) -> bool:
    """Whether a character shows nothing: control and format characters, line and paragraph separators."""
    return unicodedata.category(char) in _INVISIBLE_CATEGORIES


def code_point(char: str) -> str:
    """Name a character by its code point: ``<U+0000>``."""
    return f"<U+{ord(char):04X}>"


def shown(text: str) -> str:
    """Shorten text for a message, and name its invisible characters."""
    return visible(text if len(text) <= TEXT_SHOWN_CHARS_MAX else text[: TEXT_SHOWN_CHARS_MAX - 1] + "…")


def storable(text: str, chars_max: int) -> str:
    """Shorten text for a record, and replace characters that UTF-8 can't encode."""
    return text[:chars_max].encode(errors="replace").decode()


def visible(text: str) -> str:
    """Put text on one line, with its invisible characters named."""
    if text.isprintable():
        return text
    return "".join(code_point(char) if is_invisible(char) else char for char in text)
