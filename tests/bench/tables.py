"""Tables in Markdown."""

from collections.abc import Sequence


def table(heading: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    rule = ["---", *["---:"] * (len(heading) - 1)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in (heading, rule, *lines))
