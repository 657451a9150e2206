"""HTML and SVG elements. Every text in them is escaped, and what is invisible in it is named, unless it
is an element itself.
"""

from collections.abc import Iterable, Sequence
from html import escape

from adjustments.core.printable import visible


class Markup(str):
    """Text that is markup already, and is not escaped again."""

    __slots__ = ()


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """Make an element.

    Args:
        name: its name.
        children: ``Markup`` is taken as it is, anything else is escaped.
        attributes: ``class_`` stands for class, ``aria_label`` for aria-label; None leaves one out.
    """
    return Markup(f"<{name}{_attributes(attributes)}>{joined(children)}</{name}>")


def void(name: str, /, **attributes: object) -> Markup:
    """Make an element without an end tag, such as meta."""
    return Markup(f"<{name}{_attributes(attributes)}>")


def joined(children: Iterable[object]) -> Markup:
    """Concatenate elements and texts."""
    return Markup("".join(map(_escaped, children)))


def isolated(text: str) -> Markup:
    """Text from outside, whose writing direction must not affect the text around it."""
    return element("bdi", text)


def quoted(text: str) -> Markup:
    """An English sentence that quotes text from outside: it stays left-to-right, whatever it begins with."""
    return element("bdi", text, dir="ltr")


def table(
    names: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    numbers: Sequence[int],
    texts: Sequence[int] = (),
    names_at: Sequence[int] = (),
    look: str | None = None,
) -> Markup:
    """Make a table that scrolls by itself where it is too wide for the screen.

    Args:
        names: the column names.
        rows: the cells.
        numbers: columns that are aligned to the right.
        texts: columns whose cells may wrap.
        names_at: columns whose cells may wrap on a narrow screen.
        look: the CSS class of the table; by default "said" for a table with texts.
    """
    look_of = {**dict.fromkeys(numbers, "n"), **dict.fromkeys(texts, "text"), **dict.fromkeys(names_at, "id")}
    looks = [look_of.get(at) for at in range(len(names))]
    top = [element("th", name, scope="col", class_=kind) for name, kind in zip(names, looks, strict=True)]
    body = [
        element("tr", *(element("td", cell, class_=kind) for cell, kind in zip(row, looks, strict=True)))
        for row in rows
    ]
    look = look or ("said" if texts else None)
    made = element("table", element("thead", element("tr", *top)), element("tbody", *body), class_=look)
    return element("div", made, class_="scroll", tabindex=0, role="group", aria_label=", ".join(names))


def _escaped(child: object) -> str:
    if isinstance(child, Markup):
        return child
    return escape(visible(str(child)))


def _attributes(attributes: dict[str, object]) -> str:
    named = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    return "".join(f' {name}="{_escaped(str(value))}"' for name, value in named if value is not None)
