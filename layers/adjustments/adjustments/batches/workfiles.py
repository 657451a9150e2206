"""Where the work files of a plan lie, and how they are written."""

import json
from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple

from adjustments.intake import Decided

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


def rows_part(part: Decided, rows: Sequence[bytes]) -> bytes:
    """Write a part of the input; ``rows`` are its adjustments as JSON."""
    columns = {"lines": list(part.lines), "cells": part.cells, "rejections": part.rejections}
    head = json.dumps(columns, ensure_ascii=False, separators=(",", ":")).removesuffix("}")
    return b"".join([head.encode(), b',"adjustments":[\n', b",\n".join(rows), b"\n]}"])


def read_rows(part: bytes) -> list[KeptRow]:
    """Read a part of the input, in the order of the file, with exactly the digits of each amount."""
    columns = json.loads(part, parse_int=str, parse_float=str)
    rows = [
        KeptRow(int(line), row["customerId"], row["amount"], row.get("reason", ""), cells, "")
        for line, row, cells in zip(columns["lines"], columns["adjustments"], columns["cells"], strict=True)
    ]
    for line, customer_id, amount, reason, cells, *_, message in columns["rejections"]:
        rows.append(KeptRow(int(line), customer_id, amount, reason, cells, message))
    return sorted(rows)


class WorkKeys:
    """Where the work files of one plan lie."""

    def __init__(self, batch_id: str, plan_id: str) -> None:
        self._root = f"work/{batch_id}/{plan_id}"

    def rows(self, part: int) -> str:
        """A part of the input rows, as one JSON list; parts count from 1."""
        return f"{self._root}/rows/{part:05d}.json"

    @property
    def header(self) -> str:
        """The input's own header, for fix-me.csv."""
        return f"{self._root}/header.json"

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
