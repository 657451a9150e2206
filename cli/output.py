"""Output of the commands: tables and lines for people, JSON for programs."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from adjustments.core import exact_json
from adjustments.core.printable import visible
from adjustments.results import formats

_UNBOUND: Final = 10_000
"""Width in columns where the output is no terminal, so that lines are not broken."""

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

PREDICTIONS: Final = {
    "wouldApply": "would be applied",
    "wouldOverdraw": "would overdraw",
    "unknownCustomer": "unknown to Gameball",
    "notPredicted": "not predicted",
}
"""The predictions of a dry run by their names in the API."""


class Output:
    """Writes the output of a command; with ``is_json`` only JSON goes to standard output."""

    def __init__(self, is_json: bool) -> None:
        self.is_json = is_json
        self.console = _console(sys.stdout)
        self.errors = _console(sys.stderr)

    def data(self, value: object) -> None:
        """Write JSON."""
        sys.stdout.write(exact_json.write(value, indent=2) + "\n")

    def say(self, *parts: str | Text) -> None:
        """Write a line for people; with ``is_json``, to standard error."""
        console = self.errors if self.is_json else self.console
        console.print(Text.assemble(*map(one_line, parts)), soft_wrap=True)

    def warn(self, line: str) -> None:
        """Write a line to standard error."""
        self.errors.print(one_line(line), soft_wrap=True)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str | Text]], spare: Sequence[str] = ()
    ) -> None:
        """Write a table; its first column is never wrapped.

        Args:
            columns: names of the columns.
            rows: the cells of each row.
            spare: columns to leave out where the terminal is too narrow, in this order.
        """
        shown = list(columns)
        table = _table(columns, rows, shown, self._is_terminal)
        unbound = self.console.options.update_width(_UNBOUND)
        for name in spare:
            if Measurement.get(self.console, unbound, table).maximum <= self.console.width:
                break
            shown.remove(name)
            table = _table(columns, rows, shown, self._is_terminal)
        self._print(table)

    def pairs(self, pairs: Sequence[tuple[str, str | Text]]) -> None:
        """Write names and values; those without a value are left out.

        Args:
            pairs: a value may have several lines of its own; text from outside in it must be ``visible``.
        """
        table = Table.grid(padding=(0, 2), pad_edge=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in pairs:
            if value:
                table.add_row(name, lines(value))
        self._print(table)

    @property
    def _is_terminal(self) -> bool:
        return self.console.is_terminal

    def _print(self, table: Table) -> None:
        """Print a table; without trailing blanks where it is piped."""
        if self._is_terminal:
            self.console.print(table)
            return
        with self.console.capture() as captured:
            self.console.print(table)
        for line in captured.get().splitlines():
            sys.stdout.write(line.rstrip() + "\n")


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[str | Text]], shown: Sequence[str], is_terminal: bool
) -> Table:
    positions = [columns.index(name) for name in shown]
    table = Table(
        box=box.SIMPLE_HEAD if is_terminal else None,
        padding=(0, 1) if is_terminal else (0, 2, 0, 0),
        pad_edge=is_terminal,
    )
    for position in positions:
        table.add_column(columns[position], overflow="fold", no_wrap=not position)
    for row in rows:
        table.add_row(*(one_line(row[position]) for position in positions))
    return table


def _console(file: Any) -> Console:
    width = None if file.isatty() else _UNBOUND
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


def one_line(text: str | Text) -> Text:
    """Text for one line of a terminal, which would interpret control characters: they are named."""
    return text if isinstance(text, Text) else Text(visible(text))


def lines(text: str | Text) -> Text:
    """Text of several lines of our own; all other control characters are named."""
    return text if isinstance(text, Text) else Text("\n".join(map(visible, text.split("\n"))))


def status_of(batch: Mapping[str, Any]) -> Text:
    """The status of a batch, in colour."""
    status = str(batch.get("status", ""))
    return Text(visible(status).replace("_", " "), style=STYLES.get(status, ""))


def number(value: object) -> str:
    """A number with thousands separators."""
    return f"{value:,}" if isinstance(value, int) else points(value) if isinstance(value, Decimal) else ""


def rows_text(rows: int) -> str:
    """A number of rows with its noun."""
    return f"{rows:,} row" if rows == 1 else f"{rows:,} rows"


def points(value: object) -> str:
    """A sum of points with its sign."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return ""
    return formats.points(Decimal(value))


def moment(text: object) -> str:
    """A time from the API in the local time zone."""
    try:
        return f"{datetime.fromisoformat(str(text)).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError):
        return ""


def outcomes(batch: Mapping[str, Any]) -> str:
    """The outcomes and their numbers of rows, on one line."""
    return _counts_text(batch.get("counts", {}), OUTCOMES)


def prediction(batch: Mapping[str, Any]) -> str:
    """The predictions of a dry run and their numbers of rows, on one line."""
    return _counts_text(batch.get("prediction") or {}, PREDICTIONS)


def _counts_text(rows: Mapping[str, Any], names: Mapping[str, str]) -> str:
    return ", ".join(f"{number(rows[key])} {name}" for key, name in names.items() if rows.get(key))
