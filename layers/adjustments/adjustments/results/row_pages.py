"""Reads the rows of a batch that has ended page by page, from results.csv, for the API.

A page begins at a byte of the file, which its cursor names together with the file's tag, and is read to the
end of its last row. So a page costs the same wherever it is in the file, and no page reads more than
``PAGE_BYTES_MAX``: where few rows have the wanted status, a page may have few rows or none, and a next one.
"""

import codecs
import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Self

from adjustments.batches.batch_parts import CsvDialect
from adjustments.batches.files import Files
from adjustments.batches.records import Batch
from adjustments.batches.states import Outcome
from adjustments.core.errors import NotFound, RequestRefused
from adjustments.core.limits import PAGE_BYTES_MAX
from adjustments.submission.csv.csv_injection import unescape_formula
from adjustments.submission.csv.writer import CODECS

_CURSOR: Final = re.compile("([0-9]{1,15})-([0-9a-f]{16})")
_BAD_CURSOR: Final = (
    'after: must be the value of "next" in the page before; if the results were regenerated since then, '
    "begin again without it"
)
_FIRST_COLUMN: Final = "line"
_MARK: Final = "\ufeff"


class _Place(NamedTuple):
    """Where a page begins in the content with this tag; the header is at 0."""

    tag: str
    start: int

    @classmethod
    def read(cls, cursor: str | None, tag: str) -> Self:
        """Read a cursor; raises RequestRefused where it is none of this content."""
        if cursor is None:
            return cls(tag, 0)
        found = _CURSOR.fullmatch(cursor)
        place = cls(tag, int(found[1]) if found else 0)
        if not found or place.cursor != cursor:
            raise RequestRefused("bad_cursor", _BAD_CURSOR)
        return place

    @property
    def cursor(self) -> str:
        digest = hashlib.sha256(f"{self.start} {self.tag}".encode()).hexdigest()[:16]
        return f"{self.start}-{digest}"


def list_rows(
    batch: Batch, files: Files, status: Outcome | None, limit: int, after: str | None
) -> Mapping[str, Any]:
    """List a page of the rows of a batch that has ended, with their outcomes, in the order of the input.

    Args:
        batch: the batch.
        files: the bucket.
        status: the outcome of the rows; None for all rows.
        limit: rows in the page at most.
        after: the cursor of the page before, None for the first page.

    Raises:
        RequestRefused: the cursor is not that of a page of these results.
        WrongState: its results are being regenerated at this moment.
        NotFound: its results were deleted.
    """
    key = f"results/{batch.batch_id}/results.csv"
    tag = files.tag(key)
    if not tag:
        raise NotFound(f"the results of batch {batch.batch_id} were deleted from the bucket")
    place = _Place.read(after, tag)
    records = _Records(files.blocks_from(key, place.start, tag), batch.csv_dialect, place.start)
    rows: list[Mapping[str, Any]] = []
    following: str | None = None
    for record in records:
        if record[0] != _FIRST_COLUMN and status in (None, record[4]):
            rows.append(_row(record, batch.csv_dialect))
        if len(rows) == limit or records.end - place.start >= PAGE_BYTES_MAX:
            end = _Place(tag, records.end)
            following = end.cursor if records.has_more() else None
            break
    counts = {"knownRows": batch.counts.rows, "totalRows": batch.counts.rows}
    return {"rows": rows, "next": following, "isComplete": True, **counts}


class _Records:
    """The records of a CSV file, as ``CsvWriter`` writes it; ``end`` is the byte after the last one read."""

    def __init__(self, blocks: Iterable[bytes], dialect: CsvDialect, start: int) -> None:
        self.end = start
        self._blocks = blocks
        self._codec = CODECS[dialect.encoding]
        self._line_end = dialect.line_end[-1]
        self._reader = csv.reader(self._lines(), delimiter=dialect.delimiter)

    def __iter__(self) -> Iterator[list[str]]:
        return self._reader

    def has_more(self) -> bool:
        """Whether there is another record; reads it, so that nothing can be read after that."""
        return next(self._reader, None) is not None

    def _lines(self) -> Iterator[str]:
        """The lines, each with its end; csv.reader takes no line before it needs it."""
        decoder = codecs.getincrementaldecoder(self._codec)()
        held = ""
        for block in self._blocks:
            *lines, held = (held + decoder.decode(block)).split(self._line_end)
            for line in lines:
                yield self._counted(line + self._line_end)
        if held:
            yield self._counted(held)

    def _counted(self, line: str) -> str:
        self.end += len(line.encode(self._codec))
        return line.removeprefix(_MARK)


def _row(record: list[str], dialect: CsvDialect) -> dict[str, Any]:
    """A row as JSON: the cells as they were before they were made harmless for spreadsheets."""
    line, *texts, job_id = (unescape_formula(cell, dialect.delimiter) for cell in record[:7])
    customer_id, amount, reason, status, message = texts
    if status != Outcome.REJECTED:
        amount = amount.replace(",", ".")
    fields = {
        "line": int(line),
        "customerId": customer_id,
        "amount": amount,
        "reason": reason,
        "status": status,
        "message": message,
        "jobId": int(job_id) if job_id else None,
    }
    ids = (unescape_formula(cell, dialect.delimiter) for cell in record[7:])
    return {**fields, **dict(zip(("transactionId", "gameballTransactionId"), ids, strict=False))}
