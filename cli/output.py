"""Tables and lines for people, JSON for machines."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adjustments import exact_json

WIDTH_PIPED: Final = 160
"""Columns of a line where no terminal says how many it has."""

STYLES: Final = {
    "completed": "green",
    "validated": "green",
    "completed_with_errors": "yellow",
    "stopped": "yellow",
    "awaiting_approval": "yellow",
    "rejected": "red",
    "needs_attention": "red",
}
OUTCOMES: Final = {
    "applied": "applied",
    "failed": "failed",
    "rejected": "rejected",
    "notSubmitted": "not submitted",
    "inDoubt": "in doubt",
}
"""The outcomes by their names in the API."""


class Output:
    """Where the commands write to; with ``is_json`` only what machines read goes to standard output."""

    def __init__(self, is_json: bool) -> None:
        self.is_json = is_json
        self.console = _console(sys.stdout)
        self.errors = _console(sys.stderr)

    def data(self, value: object) -> None:
        """Write JSON."""
        sys.stdout.write(exact_json.write(value, indent=2) + "\n")

    def say(self, *parts: str | Text) -> None:
        """Write a line for people: on standard error when machines read the other."""
        console = self.errors if self.is_json else self.console
        console.print(Text.assemble(*map(clean, parts)), soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
        """Write a table."""
        table = Table(
            *columns, title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
        )
        for column in table.columns:
            column.overflow = "fold"
        for row in rows:
            table.add_row(*map(clean, row))
        self.console.print(table)

    def pairs(self, pairs: Sequence[tuple[str, str | Text]]) -> None:
        """Write names and values, those without a value left out."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in pairs:
            if value:
                table.add_row(name, clean(value))
        self.console.print(table)


def _console(file: Any) -> Console:
    is_terminal = file.isatty()
    width = None if is_terminal else WIDTH_PIPED
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


def clean(text: str | Text) -> Text:
    """Text without anything that a terminal would obey."""
    if isinstance(text, Text):
        return text
    return Text(
        "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
    )


def status_of(batch: Mapping[str, Any]) -> Text:
    """A batch's status in its colour."""
    status = str(batch.get("status", ""))
    return Text(clean(status).plain.replace("_", " "), style=STYLES.get(status, ""))


def number(value: object) -> str:
    """A number with thousands."""
    return f"{value:,}" if isinstance(value, int) else points(value) if isinstance(value, Decimal) else ""


def points(value: object) -> str:
    """A sum of points, with its sign."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return ""
    return f"{value:+,}" if isinstance(value, int) else f"{value:+,f}"


def moment(text: object) -> str:
    """A time of the API as people in their own zone write it."""
    try:
        return f"{datetime.fromisoformat(str(text)).astimezone():%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return ""


def outcomes(batch: Mapping[str, Any]) -> str:
    """The outcomes that occur, in one line."""
    counts = batch.get("counts", {})
    return ", ".join(f"{number(counts[key])} {name}" for key, name in OUTCOMES.items() if counts.get(key))
