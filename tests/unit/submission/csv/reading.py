"""How the tests read a file: as the planner does it, with everything that came of it in one value."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from adjustments.batches.rows import Rejection, Row
from adjustments.core.errors import FileRefused
from adjustments.submission.csv.decoding import BLOCK_BYTES
from adjustments.submission.csv.reader import CsvReader, FileFormat, ReadAgain, ReadOptions
from adjustments.submission.plan import options_of
from adjustments.submission.planner import READINGS_MAX


class Reading(NamedTuple):
    """What came of a file. ``refused``: code and message; then the rows before it count for nothing."""

    notes: FileFormat | None
    decisions: list[Row | Rejection]
    refused: tuple[str, str] | None

    @property
    def rows(self) -> list[Row]:
        return [decision for decision in self.decisions if isinstance(decision, Row)]

    @property
    def rejections(self) -> list[Rejection]:
        return [decision for decision in self.decisions if isinstance(decision, Rejection)]


def read(
    data: bytes,
    *,
    gzipped: bool = False,
    amount_max: str = "0",
    blocks: list[bytes] | None = None,
    block_bytes: int = BLOCK_BYTES,
    metadata: Mapping[str, str] | None = None,
    default_encoding: str = "",
) -> Reading:
    """Read a whole file, again where it asks for that."""
    given = [data] if blocks is None else blocks

    def once(options: ReadOptions) -> Reading:
        reader = CsvReader(
            given, amount_max=Decimal(amount_max), gzipped=gzipped, options=options, block_bytes=block_bytes
        )
        return Reading(reader.format, list(reader), None)

    try:
        options = options_of(metadata or {}, ReadOptions(default_encoding=default_encoding))
        for _ in range(READINGS_MAX):
            try:
                return once(options)
            except ReadAgain as again:
                options = again.options
        return once(options)
    except FileRefused as refused:
        return Reading(None, [], (refused.code, refused.message))


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    """The same bytes, cut at some places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return (data[start:end] for start, end in pairwise(edges))
