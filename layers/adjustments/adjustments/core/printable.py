"""Text from outside as people may see it: on one line, with invisible characters named.

Files, their names, Gameball's messages and people's notes may hold characters that show nothing and change
what is seen: a terminal obeys control characters, overrides and isolates of the writing direction reorder the
text around them, line and paragraph separators forge lines, and zero-width characters make two names look
alike. ``visible`` names each of them. Every border calls it where text leaves for people: result files,
report, e-mails, events, answers of the API, the operator's command (docs/security.md).
"""

import unicodedata
from typing import Final

TEXT_SHOWN_CHARS_MAX: Final = 40
"""Characters of offending text that a message repeats."""

_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NONCHARACTERS: Final = "\ufffe\uffff"
"""SQS and XML refuse a text that has one of them (Amazon SQS API Reference, SendMessage)."""


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
    return "".join(
        code_point(char) if is_invisible(char) or char in _NONCHARACTERS else char for char in text
    )
