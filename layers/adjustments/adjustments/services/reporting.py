"""Writes a batch's results: every input row with its one outcome, in the order of the file."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from pydantic.alias_generators import to_camel

from adjustments import exact_json
from adjustments.errors import WrongState
from adjustments.intake import neutralise
from adjustments.model import Batch, Chunk, Counts
from adjustments.outcomes import RowOutcome, count, final_status
from adjustments.ports import BatchStore, Clock, Files, Writing
from adjustments.report_page import report_page
from adjustments.services.results import ResultRow, Results
from adjustments.services.saving import save_or_reread
from adjustments.summary import summary_of
from adjustments.totals import exact_sum, plain

RESULT_COLUMNS: Final = ("line", "customerId", "amount", "reason", "status", "message", "jobId")
"""The columns of results.csv (DESIGN.md, "Names that must not change")."""


class Reporter:
    """Writes the four result files, and then lets the batch end."""

    def __init__(self, store: BatchStore, files: Files, clock: Clock) -> None:
        self._store = store
        self._files = files
        self._clock = clock

    def report(self, batch_id: str) -> Batch:
        """Write the results of a batch whose chunks are all over; twice gives the same files.

        Raises WrongState while a chunk is open: what could still change is no result.
        """
        batch = self._store.batch(batch_id)
        if batch.status.is_final:
            return batch
        chunks = self._store.chunks(batch_id, batch.plan_id)
        if not batch.dry_run and not all(chunk.state.is_over for chunk in chunks):
            raise WrongState(f"batch {batch_id} has open chunks")
        ended = self._ended(batch, chunks, results := Results(self._files, batch, chunks))
        summary = summary_of(ended, chunks)
        if batch.dry_run and not batch.refusal:
            summary["prediction"] = {to_camel(name): rows for name, rows in results.forecaster.counts.items()}
        self._put(ended, "summary.json", exact_json.write(summary, indent=2), "application/json")
        self._put(ended, "report.html", report_page(ended, chunks), "text/html; charset=utf-8")
        return save_or_reread(self._store, ended)

    def _ended(self, batch: Batch, chunks: Sequence[Chunk], results: Results) -> Batch:
        counts = self._write_rows(batch, results)
        return batch.moved(
            final_status(batch, counts),
            counts=counts,
            applied_total=plain(exact_sum(Decimal(chunk.applied_total) for chunk in chunks)),
            finished_at=self._clock.now(),
        )

    def _put(self, batch: Batch, name: str, text: str, content_type: str) -> None:
        self._files.put(f"results/{batch.batch_id}/{name}", text.encode(), content_type)

    def _write_rows(self, batch: Batch, results: Results) -> Counts:
        """Stream results.csv and fix-me.csv; the counts must add up, or the batch is not called done."""
        folder = f"results/{batch.batch_id}"
        with (
            self._files.writing(f"{folder}/results.csv", "text/csv") as every_row,
            self._files.writing(f"{folder}/fix-me.csv", "text/csv") as to_fix,
        ):
            counts = count(_written(results.rows(), _CsvFile(every_row), _CsvFile(to_fix), results.header()))
        if counts.rows != batch.counts.rows:
            raise RuntimeError(
                f"batch {batch.batch_id}: {counts.rows} rows reported, {batch.counts.rows} planned"
            )
        return counts


def _written(
    rows: Iterable[ResultRow], every_row: "_CsvFile", to_fix: "_CsvFile", header: Sequence[str]
) -> Iterator[RowOutcome]:
    """Write each row where it belongs, and pass its outcome on."""
    every_row.write(RESULT_COLUMNS)
    to_fix.write([*map(neutralise, header), "error"])
    for result in rows:
        row = result.row
        texts = map(neutralise, (row.customer_id, row.amount, row.reason))
        message = neutralise(result.message)
        every_row.write([row.line, *texts, result.outcome.value, message, result.job_id or ""])
        if result.is_to_fix:
            missing = [""] * (len(header) - len(row.cells))
            to_fix.write([*map(neutralise, row.cells), *missing, message])
        yield RowOutcome(result.outcome, result.message)


class _CsvFile:
    """Writes CSV records to an object as they come."""

    def __init__(self, out: Writing) -> None:
        self._out = out
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)

    def write(self, record: Sequence[object]) -> None:
        self._writer.writerow(record)
        self._out.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()
