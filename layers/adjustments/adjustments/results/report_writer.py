"""Writes the four result files of a batch whose chunks are all over, and then ends the batch."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from adjustments.aws.event_log import log_event
from adjustments.batches.batch_parts import Counts, CsvDialect, Prediction, Resolution
from adjustments.batches.files import Files, ObjectWriter
from adjustments.batches.outcomes import count, final_status
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.row_index import IndexSorter, Scratch
from adjustments.batches.states import Outcome, SendAs
from adjustments.batches.store import BatchStore
from adjustments.batches.work_files import PlannedRow
from adjustments.core import exact_json
from adjustments.core.decimals import exact_sum, plain
from adjustments.core.errors import WrongState
from adjustments.core.printable import visible
from adjustments.core.runtime import Clock, Ids
from adjustments.polling.dry_run import PredictedOutcome
from adjustments.polling.settlement import ChunkSettler
from adjustments.results.report_html.page import render_report
from adjustments.results.report_html.view_model import ExampleRow, RowsView
from adjustments.results.result_rows import ResultRow, ResultRows, UnappliedRows
from adjustments.results.summary import summary_of
from adjustments.submission.csv.writer import CsvWriter, InputRowsWriter

RESULT_COLUMNS: Final = ("line", "customerId", "amount", "reason", "status", "message", "jobId")
"""The columns of results.csv."""

TRANSACTION_COLUMNS: Final = ("transactionId", "gameballTransactionId")
"""The columns after them, where the rows are sent as transactions."""

_COMMA_AMOUNT: Final = r"[+-]?[0-9]+,[0-9]{1,2}"

_CONTENT_TYPES: Final = {
    "results.csv": "text/csv",
    "fix-me.csv": "text/csv",
    "summary.json": "application/json",
    "report.html": "text/html; charset=utf-8",
}

RESOLUTIONS_MAX: Final = 50
"""Resolutions that a batch keeps; results.csv says of each row who resolved it."""


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
    send_as: SendAs = SendAs.BATCH,
) -> Counts:
    """Write each row to results.csv, and those that can be dropped again to fix-me.csv as well.

    Args:
        rows: every row, in the order of the file.
        header: the input's own header.
        dialect: how the input was written; both files are written likewise.
        results: results.csv.
        to_fix: fix-me.csv.
        send_as: how the rows are sent.

    Returns:
        The rows by outcome.
    """
    results_csv, to_fix_csv = CsvWriter(results, dialect), InputRowsWriter(to_fix, dialect, header)
    has_ids = send_as is SendAs.TRANSACTIONS
    results_csv.write_header([*RESULT_COLUMNS, *(TRANSACTION_COLUMNS if has_ids else ())])
    counts = count(_outcomes_of_written(rows, dialect, results_csv, to_fix_csv, has_ids))
    results_csv.flush()
    to_fix_csv.flush()
    return counts


def _outcomes_of_written(
    rows: Iterable[ResultRow],
    dialect: CsvDialect,
    results: CsvWriter,
    to_fix: InputRowsWriter,
    has_ids: bool,
) -> Iterator[Outcome]:
    has_decimal_commas = dialect.delimiter == ";"
    for result in rows:
        row = result.row
        amount = _amount_as_in_file(row) if has_decimal_commas and "." in row.amount else row.amount
        texts = map(results.escape, (row.customer_id, amount, row.reason))
        message = result.message and results.escape(visible(result.message))
        ids = map(results.escape, (result.transaction_id, result.gameball_id)) if has_ids else ()
        results.write([row.line, *texts, result.outcome, message, result.job_id or "", *ids])
        if result.is_to_fix:
            to_fix.write(row, result.message)
        yield result.outcome


def _amount_as_in_file(row: PlannedRow) -> str:
    """The amount with a decimal comma where the row has one: a spreadsheet would make a date of ``12.5``."""
    is_comma_amount = re.compile(_COMMA_AMOUNT).fullmatch
    commas = (cell.strip() for cell in row.cells if is_comma_amount(cell.strip()))
    is_written_so = any(Decimal(text.replace(",", ".")) == Decimal(row.amount) for text in commas)
    return row.amount.replace(".", ",") if is_written_so and not row.rejection_message else row.amount


@dataclass(kw_only=True, eq=False)
class ReportWriter:
    """Writes the four result files, and then lets the batch end.

    Two runs may work at once, and one may outlive its time. So that no file disagrees with the stored batch,
    each run first claims the files in the batch, then notes the tags of the files, then checks that its claim
    still stands, and overwrites a file only while it has the noted tag. A run that claims later sees what an
    earlier run wrote, and the earlier run finds the files changed. Only the run whose claim is in the stored
    batch can save the batch's end (docs/reliability.md, "Result files").
    """

    store: BatchStore
    files: Files
    settler: ChunkSettler
    clock: Clock
    ids: Ids
    scratch: Scratch

    def report(self, batch_id: str) -> Batch:
        """Write the results of a batch whose chunks are all over; calling it twice gives the same files.

        Returns:
            The batch in its final status.

        Raises:
            WrongState: a chunk is still open; or another run writes the results or changes the batch at this
                moment, and the caller may try again.
        """
        batch = self.store.batch(batch_id)
        if batch.status.is_final and not batch.report_run_id:
            return batch
        return self._write(batch)

    def report_again(self, batch: Batch, resolution: Resolution | None = None) -> Batch:
        """Regenerate the results of a batch after rows in doubt were resolved or looked up.

        Raises:
            WrongState: as in ``report``; the next sweep then completes the work.
        """
        added = [resolution] if resolution else []
        resolutions = (*batch.resolutions, *added)[-RESOLUTIONS_MAX:]
        return self._write(batch, resolutions=resolutions)

    def _write(self, batch: Batch, **changes: Any) -> Batch:
        # The chunks are read between reading the batch and claiming it, so that a later claim cannot have
        # read an earlier state of them.
        chunks = self.store.chunks(batch.batch_id, batch.plan_id)
        if not batch.status.is_final and not batch.dry_run and not all(c.state.is_over for c in chunks):
            raise WrongState(f"batch {batch.batch_id} has open chunks")
        batch, out = self._claim(batch.changed(report_started_at=self.clock.now(), **changes))
        with closing(IndexSorter(self.scratch)) as sorter:
            unapplied = UnappliedRows(sorter)
            counts, prediction, rows = self._write_rows(out, batch, chunks, unapplied)
            unapplied_key = unapplied.write_index(batch, self.files)
        ended = self._ended(batch, counts, _applied_total(chunks), prediction)
        ended = ended.replaced(unapplied_key=unapplied_key)
        _write_overview(out, ended, chunks, rows)
        self.store.save_batch(ended)
        what = "batch resolved" if batch.status.is_final else "batch ended"
        log_event(what, ended, status=ended.status.value, **dict(counts))
        return ended

    def _claim(self, batch: Batch) -> tuple[Batch, ResultFiles]:
        """Claim the files for this run, and note their tags."""
        claimed = batch.replaced(report_run_id=self.ids.fresh())
        self.store.save_batch(claimed)
        out = ResultFiles(self.files, batch)
        if self.store.batch(batch.batch_id).report_run_id != claimed.report_run_id:
            raise WrongState(f"another run writes the results of batch {batch.batch_id}")
        return claimed, out

    def _write_rows(
        self, out: ResultFiles, batch: Batch, chunks: Sequence[Chunk], unapplied: UnappliedRows
    ) -> tuple[Counts, Prediction | None, RowsView]:
        """Stream results.csv and fix-me.csv; the counts must add up, or the batch is not called done."""
        result_rows, view = ResultRows(self.files, self.settler, batch, chunks), RowsView()
        rows = _viewed(result_rows.rows(), view)
        if not batch.dry_run:
            rows = unapplied.collected_from(rows)
        with out.writer("results.csv") as results, out.writer("fix-me.csv") as to_fix:
            counts = write_rows(
                rows,
                result_rows.header(),
                batch.csv_dialect,
                results=results,
                to_fix=to_fix,
                send_as=batch.send_as,
            )
        if counts.rows != batch.counts.rows:
            raise RuntimeError(
                f"batch {batch.batch_id}: {counts.rows} rows reported, {batch.counts.rows} planned"
            )
        return counts, result_rows.prediction(), view

    def _ended(
        self, batch: Batch, counts: Counts, applied_total: str, prediction: Prediction | None
    ) -> Batch:
        """The batch with its results: it ends, or, where it had ended, some of its rows were resolved."""
        known: dict[str, Any] = {"counts": counts, "applied_total": applied_total}
        done: dict[str, Any] = {"report_run_id": "", "report_started_at": None}
        if batch.status.is_final:
            status = final_status(batch.replaced(past_deadline=False), counts)
            return batch.resolved(status, **known, **done)
        paused = batch.pause_reason if batch.past_deadline else ""
        known["prediction"] = prediction
        status = final_status(batch, counts)
        return batch.moved(status, finished_at=self.clock.now(), pause_reason=paused, **known, **done)


def _write_overview(out: ResultFiles, batch: Batch, chunks: Sequence[Chunk], rows: RowsView) -> None:
    """Write the two files that state the status."""
    summary = exact_json.write(summary_of(batch, chunks), indent=2)
    page = render_report(batch, chunks, rows)
    for name, text in (("report.html", page), ("summary.json", summary)):
        with out.writer(name) as file:
            file.write(text.encode())


def _applied_total(chunks: Iterable[Chunk]) -> str:
    return plain(exact_sum(Decimal(chunk.applied_total) for chunk in chunks))


def _viewed(rows: Iterable[ResultRow], view: RowsView) -> Iterator[ResultRow]:
    """Pass rows on, and add each to what the page shows."""
    for result in rows:
        row = result.row
        if result.outcome is Outcome.APPLIED or result.forecast is PredictedOutcome.WOULD_APPLY:
            view.add_amount(row.amount)
        elif result.is_to_fix or result.outcome is Outcome.IN_DOUBT:
            example = ExampleRow(row.line, row.customer_id, row.amount, result.message)
            view.add_problem(result.outcome, example)
        yield result
