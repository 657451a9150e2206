"""The rows of results.csv that were not applied, or would not be, by reason; and the sums of the others."""

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import IO, Final

from adjustments.batches.states import Outcome
from adjustments.results.report_html.view_model import ExampleRow, ProblemGroup, RowsView

READ_BYTES_MAX: Final = 64 << 20
"""Of results.csv, some million rows: what a person waits for. The report has all."""

GROUPS_MAX: Final = 50
_HEADER: Final = "line"
_WOULD_FAIL: Final = "would fail: "
_WOULD_APPLY: Final = "would be applied"
"""How the messages of a dry run begin and end."""


@dataclass(frozen=True, slots=True)
class RowReasons:
    """What is in results.csv.

    Args:
        groups: the rows that were not applied by reason, worst outcome and most rows first.
        added: the sum of the positive amounts that were applied, or would be.
        deducted: the sum of the negative ones.
        rows: how many rows were read.
        is_whole: whether these are all rows.
    """

    groups: list[ProblemGroup]
    added: Decimal
    deducted: Decimal
    rows: int
    is_whole: bool


def read_reasons(blocks: Iterable[bytes], *, is_dry_run: bool, is_refused: bool = False) -> RowReasons:
    """Read results.csv.

    Args:
        blocks: its content.
        is_dry_run: whether it is that of a dry run.
        is_refused: whether the whole file was refused, so that rows which were not sent have no reason.
    """
    view, rows = RowsView(), 0
    with tempfile.TemporaryFile() as copy:
        is_whole = _copy(blocks, copy)
        for row in _rows_of(copy):
            rows += 1
            outcome, message = Outcome(row["status"]), row["message"]
            if _is_applied(outcome, message, is_dry_run):
                _add_amount(view, row["amount"])
            elif _is_problem(outcome, message, is_dry_run, is_refused):
                view.add_problem(
                    outcome, ExampleRow(int(row["line"]), row["customerId"], row["amount"], message)
                )
    return RowReasons(view.groups(GROUPS_MAX), view.added, view.deducted, rows, is_whole)


def _copy(blocks: Iterable[bytes], copy: IO[bytes]) -> bool:
    """Copy as much as is read, up to the end of a line; whether that is all."""
    for block in blocks:
        copy.write(block)
        if copy.tell() > READ_BYTES_MAX:
            end = block.rfind(b"\n") + 1
            copy.truncate(copy.tell() - len(block) + end)
            copy.seek(0)
            return False
    copy.seek(0)
    return True


def _rows_of(copy: IO[bytes]) -> Iterator[dict[str, str]]:
    text = io.TextIOWrapper(copy, "utf-8-sig", errors="replace", newline="")
    first = text.readline()
    text.seek(0)
    # The file is written as the input was: the delimiter is what follows its first heading.
    delimiter = first[len(_HEADER) : len(_HEADER) + 1] if first.startswith(_HEADER) else ","
    yield from csv.DictReader(text, delimiter=delimiter)
    text.detach()


def _is_applied(outcome: Outcome, message: str, is_dry_run: bool) -> bool:
    if is_dry_run:
        return outcome is Outcome.NOT_SUBMITTED and message.endswith(_WOULD_APPLY)
    return outcome is Outcome.APPLIED


def _is_problem(outcome: Outcome, message: str, is_dry_run: bool, is_refused: bool) -> bool:
    if outcome is not Outcome.NOT_SUBMITTED:
        return outcome is not Outcome.APPLIED
    return message.startswith(_WOULD_FAIL) if is_dry_run else not is_refused


def _add_amount(view: RowsView, amount: str) -> None:
    """Add an amount, which has a decimal comma where the input had one."""
    exact = amount.replace(",", ".")
    try:
        Decimal(exact)
    except InvalidOperation:
        return
    view.add_amount(exact)
