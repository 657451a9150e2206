"""The four result files of a batch: their names, and how rows become lines of results.csv and fix-me.csv."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final

from adjustments.batches.files import Files, ObjectWriter
from adjustments.batches.outcomes import count
from adjustments.batches.records import Batch, Counts, Outcome
from adjustments.results.result_rows import ResultRow
from adjustments.submission.csv.csv_injection import escape_formula

RESULT_COLUMNS: Final = ("line", "customerId", "amount", "reason", "status", "message", "jobId")
"""The columns of results.csv."""

_PIECE_CHARS: Final = 1 << 16
"""Characters of a file held before they are passed on: encoding each row alone took a tenth of the time."""

_CONTENT_TYPES: Final = {
    "results.csv": "text/csv",
    "fix-me.csv": "text/csv",
    "summary.json": "application/json",
    "report.html": "text/html; charset=utf-8",
}


class ResultFiles:
    """The result files of a batch, each with the tag that it had when this object was made.

    A file that was changed since then is not overwritten.
    """

    def __init__(self, files: Files, batch: Batch) -> None:
        self._files = files
        self._folder = f"results/{batch.batch_id}"
        self._tags = {name: files.tag(f"{self._folder}/{name}") for name in _CONTENT_TYPES}

    def writer(self, name: str) -> AbstractContextManager[ObjectWriter]:
        """Write one of the files; raises WrongState where it was changed meanwhile."""
        return self._files.writer(f"{self._folder}/{name}", _CONTENT_TYPES[name], self._tags[name])


def write_rows(
    rows: Iterable[ResultRow], header: Sequence[str], results: ObjectWriter, to_fix: ObjectWriter
) -> Counts:
    """Write each row to results.csv, and those that can be dropped again to fix-me.csv as well.

    Args:
        rows: every row, in the order of the file.
        header: the input's own header.
        results: results.csv.
        to_fix: fix-me.csv.

    Returns:
        The rows by outcome.
    """
    results_csv, to_fix_csv = _CsvWriter(results), _CsvWriter(to_fix)
    counts = count(_outcomes_of_written(rows, header, results_csv, to_fix_csv))
    results_csv.flush()
    to_fix_csv.flush()
    return counts


def _outcomes_of_written(
    rows: Iterable[ResultRow], header: Sequence[str], results: "_CsvWriter", to_fix: "_CsvWriter"
) -> Iterator[Outcome]:
    results.write(RESULT_COLUMNS)
    to_fix.write([*map(escape_formula, header), "error"])
    for result in rows:
        row = result.row
        texts = map(escape_formula, (row.customer_id, row.amount, row.reason))
        message = escape_formula(result.message)
        results.write([row.line, *texts, result.outcome, message, result.job_id or ""])
        if result.is_to_fix:
            missing = [""] * (len(header) - len(row.cells))
            to_fix.write([*map(escape_formula, row.cells), *missing, message])
        yield result.outcome


class _Lines(list[str]):
    """Takes the place of a file for csv.writer: io.StringIO took longer per line than all the rest."""

    write = list[str].append


class _CsvWriter:
    """Writes CSV records to an object, in pieces."""

    def __init__(self, out: ObjectWriter) -> None:
        self._out = out
        self._lines = _Lines()
        self._chars = 0
        self._writer = csv.writer(self._lines)

    def write(self, record: Sequence[object]) -> None:
        self._writer.writerow(record)
        self._chars += len(self._lines[-1])
        if self._chars >= _PIECE_CHARS:
            self.flush()

    def flush(self) -> None:
        """Pass on what is held."""
        # Gameball's JSON may hold unpaired surrogates, which no file can hold.
        self._out.write("".join(self._lines).encode(errors="replace"))
        self._lines.clear()
        self._chars = 0
