"""Writes a batch's results: every input row with its one outcome, in the order of the file."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any, Final

from adjustments.aws.event_log import tell
from adjustments.batches.files import Files, Writing
from adjustments.batches.outcomes import count, final_status
from adjustments.batches.records import Batch, Chunk, Counts, Outcome, Prediction, Resolution
from adjustments.batches.store import BatchStore
from adjustments.core import exact_json
from adjustments.core.decimals import exact_sum, plain
from adjustments.core.errors import WrongState
from adjustments.core.runtime import Clock, Ids
from adjustments.polling.settlement import Settler
from adjustments.record import camel
from adjustments.results.report_html.page import render_report
from adjustments.results.report_html.view_model import Example, RowsView
from adjustments.results.result_rows import ResultRow, ResultRows
from adjustments.results.summary import summary_of
from adjustments.submission.csv.csv_injection import escape_formula

RESULT_COLUMNS: Final = ("line", "customerId", "amount", "reason", "status", "message", "jobId")
"""The columns of results.csv (DESIGN.md, "Names that must not change")."""


RESOLUTIONS_MAX: Final = 50
"""Resolutions that a batch remembers; the results say of each row who settled it."""

_PIECE_CHARS: Final = 1 << 16
"""Characters of a file held before they are passed on: encoding each row alone took a tenth of the time."""

_CONTENT_TYPES: Final = {
    "results.csv": "text/csv",
    "fix-me.csv": "text/csv",
    "summary.json": "application/json",
    "report.html": "text/html; charset=utf-8",
}


class ReportWriter:
    """Writes the four result files, and then lets the batch end.

    So that a run which outlives its time, or a second one at once, leaves no file that disagrees with the
    record, each run claims the files in the record; then looks at what they hold; then makes sure that its
    claim still stands; and replaces only what it has looked at. Whoever claims later sees what an earlier run
    wrote, and whoever claimed earlier finds the files changed. Only the run whose claim stands in the record
    can save the batch's end (docs/reliability.md, "Result files").
    """

    def __init__(self, store: BatchStore, files: Files, settler: Settler, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._files = files
        self._settler = settler
        self._clock = clock
        self._ids = ids

    def report(self, batch_id: str) -> Batch:
        """Write the results of a batch whose chunks are all over; twice gives the same files.

        Raises WrongState while a chunk is open, since what could still change is no result; and where another
        run writes the results, or the batch is changed, at this moment: whoever asked may ask again.
        """
        batch = self._store.batch(batch_id)
        if batch.status.is_final and not batch.reporting:
            return batch
        return self._write(batch)

    def report_again(self, batch: Batch, resolution: Resolution | None = None) -> Batch:
        """Write the results of a batch anew, some of whose rows are no longer in doubt, or were looked up.

        Raises WrongState as ``report`` does; the next sweep then writes what is left to write.
        """
        added = [resolution] if resolution else []
        resolutions = (*batch.resolutions, *added)[-RESOLUTIONS_MAX:]
        return self._write(batch, resolutions=resolutions)

    def _write(self, batch: Batch, **changes: Any) -> Batch:
        # between the look at the batch and the claim: so a later claim has seen no earlier state of them
        chunks = self._store.chunks(batch.batch_id, batch.plan_id)
        if not batch.status.is_final and not batch.dry_run and not all(c.state.is_over for c in chunks):
            raise WrongState(f"batch {batch.batch_id} has open chunks")
        batch, out = self._claim(batch.changed(reporting_since=self._clock.now(), **changes))
        counts, prediction, digest = self._write_rows(out, batch, chunks)
        ended = self._ended(batch, counts, _applied_total(chunks), prediction)
        self._write_status(out, ended, chunks, prediction, digest)
        self._store.save_batch(ended)
        what = "batch resolved" if batch.status.is_final else "batch ended"
        tell(what, ended, status=ended.status.value, **counts.values())
        return ended

    def _claim(self, batch: Batch) -> tuple[Batch, "_ResultFiles"]:
        """Claim the files for this run, and look at what they hold."""
        claimed = batch.replaced(reporting=self._ids.fresh())
        self._store.save_batch(claimed)
        out = _ResultFiles(self._files, batch)
        if self._store.batch(batch.batch_id).reporting != claimed.reporting:
            raise WrongState(f"another run writes the results of batch {batch.batch_id}")
        return claimed, out

    def _ended(
        self, batch: Batch, counts: Counts, applied_total: str, prediction: Mapping[str, int]
    ) -> Batch:
        """A batch with its results: it ends, or, where it had ended, some of its rows were resolved."""
        known: dict[str, Any] = {"counts": counts, "applied_total": applied_total}
        done: dict[str, Any] = {"reporting": "", "reporting_since": None}
        if batch.status.is_final:
            status = final_status(batch.replaced(past_deadline=False), counts)
            return batch.resolved(status, **known, **done)
        paused = batch.paused if batch.past_deadline else ""
        known["prediction"] = Prediction.from_json(prediction) if prediction else None
        status = final_status(batch, counts)
        return batch.moved(status, finished_at=self._clock.now(), paused=paused, **known, **done)

    def _write_status(
        self,
        out: "_ResultFiles",
        batch: Batch,
        chunks: Sequence[Chunk],
        prediction: Mapping[str, int],
        digest: RowsView,
    ) -> None:
        """Write the two files that tell the status."""
        summary = exact_json.write(summary_of(batch, chunks), indent=2)
        page = render_report(batch, chunks, digest, prediction)
        for name, text in (("report.html", page), ("summary.json", summary)):
            with out.writing(name) as file:
                file.write(text.encode())

    def _write_rows(
        self, out: "_ResultFiles", batch: Batch, chunks: Sequence[Chunk]
    ) -> tuple[Counts, Mapping[str, int], RowsView]:
        """Stream results.csv and fix-me.csv; the counts must add up, or the batch is not called done."""
        results = ResultRows(self._files, self._settler, batch, chunks)
        digest = RowsView()
        rows = _digested(results.rows(), digest)
        with out.writing("results.csv") as every_row, out.writing("fix-me.csv") as to_fix:
            counts = count(_written(rows, _CsvFile(every_row), _CsvFile(to_fix), results.header()))
        if counts.rows != batch.counts.rows:
            raise RuntimeError(
                f"batch {batch.batch_id}: {counts.rows} rows reported, {batch.counts.rows} planned"
            )
        if not batch.dry_run or batch.refusal:
            return counts, {}, digest
        return counts, {camel(name): rows for name, rows in results.forecaster.counts.items()}, digest


class _ResultFiles:
    """The public files of a batch, each as it was when this was made: what was changed since stays."""

    def __init__(self, files: Files, batch: Batch) -> None:
        self._files = files
        self._folder = f"results/{batch.batch_id}"
        self._tags = {name: files.tag(f"{self._folder}/{name}") for name in _CONTENT_TYPES}

    def writing(self, name: str) -> AbstractContextManager[Writing]:
        """Write one of them; raises WrongState where it was changed."""
        return self._files.writing(f"{self._folder}/{name}", _CONTENT_TYPES[name], self._tags[name])


def _applied_total(chunks: Iterable[Chunk]) -> str:
    return plain(exact_sum(Decimal(chunk.applied_total) for chunk in chunks))


def _digested(rows: Iterable[ResultRow], digest: RowsView) -> Iterator[ResultRow]:
    """Pass rows on, and let the digest see them on the way."""
    for result in rows:
        row = result.row
        if result.outcome is Outcome.APPLIED:
            digest.add_applied(row.amount)
        elif result.is_to_fix or result.outcome is Outcome.IN_DOUBT:
            example = Example(row.line, row.customer_id, row.amount, result.message)
            digest.add_problem(result.outcome, example)
        yield result


def _written(
    rows: Iterable[ResultRow], every_row: "_CsvFile", to_fix: "_CsvFile", header: Sequence[str]
) -> Iterator[Outcome]:
    """Write each row where it belongs, and pass its outcome on."""
    every_row.write(RESULT_COLUMNS)
    to_fix.write([*map(escape_formula, header), "error"])
    for result in rows:
        row = result.row
        texts = map(escape_formula, (row.customer_id, row.amount, row.reason))
        message = escape_formula(result.message)
        every_row.write([row.line, *texts, result.outcome, message, result.job_id or ""])
        if result.is_to_fix:
            missing = [""] * (len(header) - len(row.cells))
            to_fix.write([*map(escape_formula, row.cells), *missing, message])
        yield result.outcome
    every_row.flush()
    to_fix.flush()


class _Lines(list[str]):
    """Takes the place of a file: io.StringIO took longer for a line than everything before it."""

    write = list[str].append


class _CsvFile:
    """Writes CSV records to an object as they come."""

    def __init__(self, out: Writing) -> None:
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
        # Gameball's JSON may hold halves of characters, which no file can.
        self._out.write("".join(self._lines).encode(errors="replace"))
        self._lines.clear()
        self._chars = 0
