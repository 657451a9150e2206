"""HTML and SVG elements; every text in them is escaped unless it is made of elements itself."""

import re
from collections.abc import Iterable
from html import escape
from typing import Final

_NOT_FOR_PAGES: Final = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]"
"""Control characters and halves of characters, which no page may hold."""


_TURNING: Final = "[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
"""Unicode's marks, embeddings, overrides and isolates of the writing direction, which turn others round: they
are shown by their names.
"""


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """Make an element.

    Args:
        name: its name.
        children: ``Markup`` is taken as it is, anything else is escaped.
        attributes: ``class_`` stands for class, ``aria_label`` for aria-label; None leaves one out.
    """
    return Markup(f"<{name}{_written(attributes)}>{joined(children)}</{name}>")


def void(name: str, /, **attributes: object) -> Markup:
    """Make an element that HTML lets have no end, such as meta."""
    return Markup(f"<{name}{_written(attributes)}>")


def joined(children: Iterable[object]) -> Markup:
    """Put elements and texts one after another."""
    return Markup("".join(map(_escaped, children)))


def isolated(text: str) -> Markup:
    """Text from outside, whose writing direction must not turn the words around it."""
    return element("bdi", text)


def quoted(text: str) -> Markup:
    """A sentence of ours that repeats text from outside: it stays ours, whatever letters it begins with."""
    return element("bdi", text, dir="ltr")


def _escaped(child: object) -> str:
    if isinstance(child, Markup):
        return child
    named = re.sub(_TURNING, lambda found: f"<U+{ord(found[0]):04X}>", str(child))
    return escape(re.sub(_NOT_FOR_PAGES, "\ufffd", named))


def _written(attributes: dict[str, object]) -> str:
    named = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    return "".join(f' {name}="{_escaped(str(value))}"' for name, value in named if value is not None)
