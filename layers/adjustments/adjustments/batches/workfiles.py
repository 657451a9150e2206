"""Where the work files of a plan lie, and how they are written."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain, groupby, starmap
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from adjustments.submission.csv.csv_injection import CELL_END, COLUMN_END, RECORD_END

if TYPE_CHECKING:
    from adjustments.submission.csv.row_validator import Decided

REPEAT: Final = Struct("<II")
"""How (row, wave) pairs of repeated customers are kept."""


class KeptRow(NamedTuple):
    """One row of the input as it was planned; ``rejected_for`` is empty for an adjustment."""

    line: int
    customer_id: str
    amount: str
    reason: str
    cells: list[str]
    rejected_for: str


def rows_part(header: Sequence[str], part: "Decided") -> bytes:
    """Write a part of the input: the file's header and the part's rejections as JSON, then the columns of its
    adjustments.

    Intake lets no cell through that holds what divides them, so nothing has to be escaped.
    """
    told = {"header": header, "lines": list(_runs(part.lines)), "rejections": part.rejections}
    head = json.dumps(told, ensure_ascii=False)
    adjustments = part.customer_ids, part.amounts, part.reasons, map(CELL_END.join, part.cells)
    return COLUMN_END.join([head, *map(RECORD_END.join, adjustments)]).encode()


def read_rows(part: bytes) -> list[KeptRow]:
    """Read a part of the input, in the order of the file, with exactly the digits of each amount."""
    head, *columns = part.decode().split(COLUMN_END)
    told = json.loads(head)
    lines = list(chain.from_iterable(starmap(range, told["lines"])))
    adjustments = [column.split(RECORD_END) for column in columns] if lines else [[]] * len(columns)
    rows = [
        KeptRow(line, customer_id, amount, reason, cells.split(CELL_END), "")
        for line, customer_id, amount, reason, cells in zip(lines, *adjustments, strict=True)
    ]
    for line, customer_id, amount, reason, cells, *_, message in told["rejections"]:
        rows.append(KeptRow(line, customer_id, amount, reason, cells, message))
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
        """A part of the input rows (``rows_part``); parts count from 1."""
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
