"""Where the work files of a plan lie, and how they are written."""

from struct import Struct
from typing import Final

REPEAT: Final = Struct("<II")
"""How (row, wave) pairs of repeated customers are kept."""


class WorkKeys:
    """Where the work files of one plan lie."""

    def __init__(self, batch_id: str, plan_id: str) -> None:
        self._root = f"work/{batch_id}/{plan_id}"

    def rows(self, part: int) -> str:
        """A part of the input rows; parts count from 1."""
        return f"{self._root}/rows/{part:05d}.jsonl"

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
