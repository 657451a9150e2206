"""The work files of a plan: their keys and formats."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, repeat, starmap
from operator import itemgetter
from struct import Struct
from typing import Any, Final, NamedTuple

from adjustments.batches.rows import Rejection, Row

REPEAT: Final = Struct("<II")
"""The format of (row, wave) pairs of repeated customers."""

RECORD_END: Final = "\x1e"
COLUMN_END: Final = "\x1d"
"""ASCII's record and group separators. Text joined with them can be split again: a row that contains a
control character is rejected.
"""


class ValidatedRows(NamedTuple):
    """The validated rows of one block of a file: accepted rows by column, and the rejections.

    ``cells`` are the columns of the input, as they stood there. Most blocks have only valid rows, which are
    validated and written several times faster by column. In a batch, ``requests`` and ``own_ids`` are empty.
    """

    lines: Sequence[int]
    customer_ids: Sequence[str]
    amounts: Sequence[str]
    reasons: Sequence[str]
    cells: Sequence[Sequence[str]]
    rejections: Sequence[Rejection]
    requests: Sequence[str] = ()
    own_ids: Sequence[str] = ()

    @classmethod
    def of(cls, results: Iterable[Row | Rejection | None]) -> "ValidatedRows":
        """Make columns of results, which are None for blank lines."""
        rows, rejections = [], []
        for result in results:
            if isinstance(result, Row):
                rows.append(result)
            elif result is not None:
                rejections.append(result)
        columns = zip(*rows, strict=True) if rows else ((),) * len(Row._fields)
        lines, ids, amounts, reasons, cells, requests, own_ids = columns
        requests, own_ids = (column if any(column) else () for column in (requests, own_ids))
        by_column = list(zip(*cells, strict=True))
        return cls(lines, ids, amounts, reasons, by_column, rejections, requests, own_ids)

    def in_order(self) -> list[Row | Rejection]:
        """Rows and rejections in the order of the file."""
        cells = map(list, zip(*self.cells, strict=True))
        more = [column or repeat("") for column in (self.requests, self.own_ids)]
        rows = map(Row, self.lines, self.customer_ids, self.amounts, self.reasons, cells, *more)
        return sorted([*rows, *self.rejections], key=itemgetter(0))


class PlannedRow(NamedTuple):
    """One input row as it was planned.

    ``rejection_message`` and ``problem`` are empty for an adjustment. ``own_id`` is the transactionId that
    the file has for it.
    """

    line: int
    customer_id: str
    amount: str
    reason: str
    cells: list[str]
    rejection_message: str
    problem: str = ""
    own_id: str = ""


def write_rows_part(header: Sequence[str], part: ValidatedRows, first_row: int) -> bytes:
    """Write a part of the input: the file's header and the part's rejections as JSON, then the columns of its
    adjustments: customers, amounts, reasons, and those of the input that differ from them. ``ownIds`` says
    which column holds the transactionIds of the file, where it has some.

    No cell of an accepted row contains a separator, so nothing has to be escaped.

    Args:
        header: the file's header.
        part: the part.
        first_row: the number of its first adjustment among those of the file, from 0.
    """
    own_ids = [part.own_ids] if part.own_ids else []
    columns = [part.customer_ids, part.amounts, part.reasons]
    columns += [column for column in (*part.cells, *own_ids) if column not in columns]
    head_fields = {
        "header": header,
        "firstRow": first_row,
        "lines": list(_runs(part.lines)),
        "cells": list(map(columns.index, part.cells)),
        "ownIds": list(map(columns.index, own_ids)),
        "rejections": part.rejections,
    }
    head = json.dumps(head_fields, ensure_ascii=False)
    return COLUMN_END.join([head, *map(RECORD_END.join, columns)]).encode()


def read_rows(part: bytes) -> list[PlannedRow]:
    """Read a part of the input, in the order of the file."""
    head, *columns = part.decode().split(COLUMN_END)
    head_fields = json.loads(head)
    lines = list(chain.from_iterable(starmap(range, head_fields["lines"])))
    values = [column.split(RECORD_END) for column in columns] if lines else [[]] * len(columns)
    cells = zip(*[values[place] for place in head_fields["cells"]], strict=True)
    own_ids = [values[place] for place in head_fields.get("ownIds", ())] or [[""] * len(lines)]
    rows = [
        PlannedRow(line, customer_id, amount, reason, list(own), "", "", own_id)
        for line, customer_id, amount, reason, own, own_id in zip(
            lines, *values[:3], cells, *own_ids, strict=True
        )
    ]
    for line, customer_id, amount, reason, cells, problem, *_, message in head_fields["rejections"]:
        rows.append(PlannedRow(line, customer_id, amount, reason, cells, message, problem))
    return sorted(rows)


def read_header(part: bytes) -> list[str]:
    """Read the header of the file from a part of the input."""
    return list(_head(part)["header"])


def read_first_row(part: bytes) -> int:
    """Read the number of a part's first adjustment among those of the file, from 0."""
    return int(_head(part)["firstRow"])


def _head(part: bytes) -> dict[str, Any]:
    head, *_ = part.decode().split(COLUMN_END, 1)
    return dict(json.loads(head))


def _runs(lines: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Group line numbers into ranges; mostly there is one."""
    if isinstance(lines, range):
        yield lines.start, lines.stop
        return
    for _, run in groupby(enumerate(lines), lambda numbered: numbered[1] - numbered[0]):
        numbers = [line for _, line in run]
        yield numbers[0], numbers[-1] + 1


class WorkKeys:
    """The keys of the work files of one plan."""

    def __init__(self, batch_id: str, plan_id: str) -> None:
        self._root = f"work/{batch_id}/{plan_id}"

    def rows(self, part: int) -> str:
        """A part of the input rows (``write_rows_part``); parts count from 1."""
        return f"{self._root}/rows/{part:05d}.txt"

    @property
    def repeats(self) -> str:
        """The rows that are not the first of their customer, with their waves."""
        return f"{self._root}/repeats.bin"

    def segment(self, chunk_id: str) -> str:
        """A chunk before repeated customers were moved to later waves."""
        return f"{self._root}/segments/{chunk_id}.json"

    def chunk(self, chunk_id: str) -> str:
        """The exact body of the request of a chunk."""
        return f"{self._root}/chunks/{chunk_id}.json"

    @property
    def row_index(self) -> str:
        """The fingerprints of the accepted rows (batches/row_index.py)."""
        return f"{self._root}/rows.idx"

    @property
    def customer_index(self) -> str:
        """Where the rows of each customer are (batches/customer_index.py)."""
        return f"{self._root}/customers.idx"

    def unapplied(self, token: str) -> str:
        """The fingerprints of the rows that were not applied after all."""
        return f"{self._root}/unapplied-{token}.idx"

    @property
    def inquiries(self) -> str:
        """The jobs of a dry run's balance inquiries, by chunk."""
        return f"{self._root}/inquiries.json"

    def balances(self, chunk_id: str) -> str:
        """The balances of the customers of a chunk in a dry run."""
        return f"{self._root}/balances/{chunk_id}.json"

    def outcomes(self, chunk_id: str, token: str) -> str:
        """The outcomes of the rows of a chunk."""
        return f"{self._root}/outcomes/{chunk_id}-{token}.json"

    def looked_up(self, token: str) -> str:
        """The progress of look-ups, as saved by one run of the sweep."""
        return f"{self._root}/looked-up/{token}.json"
