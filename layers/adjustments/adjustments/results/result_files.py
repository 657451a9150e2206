"""The four result files of a batch: their names, and how rows become lines of results.csv and fix-me.csv."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Final

from adjustments.batches.files import Files, ObjectWriter
from adjustments.batches.outcomes import count
from adjustments.batches.records import Batch, Counts, CsvDialect, Outcome
from adjustments.batches.work_files import PlannedRow
from adjustments.results.result_rows import ResultRow
from adjustments.submission.csv.writer import CsvWriter, InputRowsWriter

RESULT_COLUMNS: Final = ("line", "customerId", "amount", "reason", "status", "message", "jobId")
"""The columns of results.csv."""

_COMMA_AMOUNT: Final = r"[+-]?[0-9]+,[0-9]{1,2}"

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
    rows: Iterable[ResultRow],
    header: Sequence[str],
    dialect: CsvDialect,
    *,
    results: ObjectWriter,
    to_fix: ObjectWriter,
) -> Counts:
    """Write each row to results.csv, and those that can be dropped again to fix-me.csv as well.

    Args:
        rows: every row, in the order of the file.
        header: the input's own header.
        dialect: how the input was written; both files are written likewise.
        results: results.csv.
        to_fix: fix-me.csv.

    Returns:
        The rows by outcome.
    """
    results_csv, to_fix_csv = CsvWriter(results, dialect), InputRowsWriter(to_fix, dialect, header)
    results_csv.write_header(RESULT_COLUMNS)
    counts = count(_outcomes_of_written(rows, dialect, results_csv, to_fix_csv))
    results_csv.flush()
    to_fix_csv.flush()
    return counts


def _outcomes_of_written(
    rows: Iterable[ResultRow], dialect: CsvDialect, results: CsvWriter, to_fix: InputRowsWriter
) -> Iterator[Outcome]:
    has_decimal_commas = dialect.delimiter == ";"
    for result in rows:
        row = result.row
        amount = _amount_as_in_file(row) if has_decimal_commas and "." in row.amount else row.amount
        texts = map(results.escape, (row.customer_id, amount, row.reason))
        message = result.message and results.escape(result.message)
        results.write([row.line, *texts, result.outcome, message, result.job_id or ""])
        if result.is_to_fix:
            to_fix.write(row, result.message)
        yield result.outcome


def _amount_as_in_file(row: PlannedRow) -> str:
    """The amount with a decimal comma where the row has one: a spreadsheet would make a date of ``12.5``."""
    is_comma_amount = re.compile(_COMMA_AMOUNT).fullmatch
    commas = (cell.strip() for cell in row.cells if is_comma_amount(cell.strip()))
    is_written_so = any(Decimal(text.replace(",", ".")) == Decimal(row.amount) for text in commas)
    return row.amount.replace(".", ",") if is_written_so and not row.rejection_message else row.amount
