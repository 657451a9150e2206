"""Where the work files of a plan lie, and how they are written."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, starmap
from operator import itemgetter
from struct import Struct
from typing import Final, NamedTuple

from adjustments.batches.records import Rejection, Row

REPEAT: Final = Struct("<II")
"""How (row, wave) pairs of repeated customers are kept."""


CELL_END: Final = "\x1f"
RECORD_END: Final = "\x1e"
COLUMN_END: Final = "\x1d"
"""ASCII's unit, record and group separators. Text joined by them can be split again, because they are control
characters: a row that holds one is rejected.
"""


class ValidatedRows(NamedTuple):
    """The validated rows of one block of a file: accepted rows column by column, and the rejections.

    Most blocks hold only valid rows: by columns, they are validated and written several times faster.
    """

    lines: Sequence[int]
    customer_ids: Sequence[str]
    amounts: Sequence[str]
    reasons: Sequence[str]
    cells: Sequence[list[str]]
    rejections: Sequence[Rejection]

    @classmethod
    def of(cls, results: Iterable[Row | Rejection | None]) -> "ValidatedRows":
        """Put results in columns; a blank line has None."""
        rows, rejections = [], []
        for result in results:
            if isinstance(result, Row):
                rows.append(result)
            elif result is not None:
                rejections.append(result)
        lines, ids, amounts, reasons, cells = zip(*rows, strict=True) if rows else ((),) * len(Row._fields)
        return cls(lines, ids, amounts, reasons, cells, rejections)

    def in_order(self) -> list[Row | Rejection]:
        """Rows and rejections in the order of the file."""
        rows = map(Row, self.lines, self.customer_ids, self.amounts, self.reasons, self.cells)
        return sorted([*rows, *self.rejections], key=itemgetter(0))


class PlannedRow(NamedTuple):
    """One row of the input as it was planned.

    ``rejection_message`` and ``problem`` are empty for an adjustment.
    """

    line: int
    customer_id: str
    amount: str
    reason: str
    cells: list[str]
    rejection_message: str
    problem: str = ""


def write_rows_part(header: Sequence[str], part: ValidatedRows) -> bytes:
    """Write a part of the input: the file's header and the part's rejections as JSON, then the columns of its
    adjustments.

    No cell of an accepted row holds a separator, so nothing has to be escaped.
    """
    told = {"header": header, "lines": list(_runs(part.lines)), "rejections": part.rejections}
    head = json.dumps(told, ensure_ascii=False)
    adjustments = part.customer_ids, part.amounts, part.reasons, map(CELL_END.join, part.cells)
    return COLUMN_END.join([head, *map(RECORD_END.join, adjustments)]).encode()


def read_rows(part: bytes) -> list[PlannedRow]:
    """Read a part of the input, in the order of the file, with exactly the digits of each amount."""
    head, *columns = part.decode().split(COLUMN_END)
    told = json.loads(head)
    lines = list(chain.from_iterable(starmap(range, told["lines"])))
    adjustments = [column.split(RECORD_END) for column in columns] if lines else [[]] * len(columns)
    rows = [
        PlannedRow(line, customer_id, amount, reason, cells.split(CELL_END), "")
        for line, customer_id, amount, reason, cells in zip(lines, *adjustments, strict=True)
    ]
    for line, customer_id, amount, reason, cells, problem, *_, message in told["rejections"]:
        rows.append(PlannedRow(line, customer_id, amount, reason, cells, message, problem))
    return sorted(rows)


def read_header(part: bytes) -> list[str]:
    """Read the file's own header from a part of the input."""
    head, *_ = part.decode().split(COLUMN_END, 1)
    return list(json.loads(head)["header"])


def _runs(lines: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Numbers of lines as the ranges that they make up: mostly one."""
    if isinstance(lines, range):
        yield lines.start, lines.stop
        return
    for _, run in groupby(enumerate(lines), lambda numbered: numbered[1] - numbered[0]):
        numbers = [line for _, line in run]
        yield numbers[0], numbers[-1] + 1


class WorkKeys:
    """Where the work files of one plan lie."""

    def __init__(self, batch_id: str, plan_id: str) -> None:
        self._root = f"work/{batch_id}/{plan_id}"

    def rows(self, part: int) -> str:
        """A part of the input rows (``write_rows_part``); parts count from 1."""
        return f"{self._root}/rows/{part:05d}.txt"

    @property
    def repeats(self) -> str:
        """The rows that are not their customer's first, with their waves."""
        return f"{self._root}/repeats.bin"

    def segment(self, chunk_id: str) -> str:
        """A chunk as first cut, before repeated customers were moved to later waves."""
        return f"{self._root}/segments/{chunk_id}.json"

    def chunk(self, chunk_id: str) -> str:
        """The exact body of a chunk's request."""
        return f"{self._root}/chunks/{chunk_id}.json"

    @property
    def inquiries(self) -> str:
        """The jobs of a dry run's balance inquiries, by chunk."""
        return f"{self._root}/inquiries.json"

    def balances(self, chunk_id: str) -> str:
        """The balances of a chunk's customers, as a dry run found them."""
        return f"{self._root}/balances/{chunk_id}.json"

    def outcomes(self, chunk_id: str, token: str) -> str:
        """What became of a chunk's rows."""
        return f"{self._root}/outcomes/{chunk_id}-{token}.json"

    def looked_up(self, token: str) -> str:
        """The customers whose rows in doubt were looked up, by a run of the sweep and those before it."""
        return f"{self._root}/looked-up/{token}.json"
