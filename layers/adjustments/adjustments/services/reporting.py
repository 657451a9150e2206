"""Writes a batch's results: every input row with its one outcome, in the order of the file."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from pydantic.alias_generators import to_camel

from adjustments import exact_json
from adjustments.batches.outcomes import RowOutcome, count, final_status
from adjustments.batches.summary import summary_of
from adjustments.errors import WrongState
from adjustments.intake import neutralise
from adjustments.model import Batch, Chunk, Counts, Outcome, Prediction, Resolution
from adjustments.ports import BatchStore, Clock, Files, Writing
from adjustments.report_page import Example, RowDigest, report_page
from adjustments.services.results import ResultRow, Results
from adjustments.services.saving import try_save
from adjustments.services.settling import Settler
from adjustments.services.telling import tell
from adjustments.totals import exact_sum, plain

RESULT_COLUMNS: Final = ("line", "customerId", "amount", "reason", "status", "message", "jobId")
"""The columns of results.csv (DESIGN.md, "Names that must not change")."""


RESOLUTIONS_MAX: Final = 50
"""Resolutions that a batch remembers; the results say of each row who settled it."""

_PIECE_CHARS: Final = 1 << 16
"""Characters of a file held before they are passed on: encoding each row alone took a tenth of the time."""

WRITES_MAX: Final = 5
"""Times that a late writer writes results before it leaves them to the next run."""


class Reporter:
    """Writes the four result files, and then lets the batch end."""

    def __init__(self, store: BatchStore, files: Files, settler: Settler, clock: Clock) -> None:
        self._store = store
        self._files = files
        self._settler = settler
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
        counts, prediction, digest = self._write_rows(batch, chunks)
        ended = batch.moved(
            final_status(batch, counts),
            counts=counts,
            applied_total=_applied_total(chunks),
            prediction=Prediction.model_validate(prediction) if prediction else None,
            finished_at=self._clock.now(),
            paused=batch.paused if batch.past_deadline else "",
        )
        self._write_status(ended, chunks, prediction, digest)
        if try_save(self._store, ended):
            tell("batch ended", ended, status=ended.status.value, **counts.model_dump())
            return ended
        return self._write_over(self._store.batch(batch_id))

    def report_again(self, batch: Batch, resolution: Resolution) -> Batch:
        """Write the results of a batch anew, some of whose rows are no longer in doubt.

        Raises WrongState where the batch was changed meanwhile.
        """
        chunks = self._store.chunks(batch.batch_id, batch.plan_id)
        counts, prediction, digest = self._write_rows(batch, chunks)
        resolved = batch.resolved(
            final_status(batch.model_copy(update={"past_deadline": False}), counts),
            counts=counts,
            applied_total=_applied_total(chunks),
            resolutions=(*batch.resolutions, resolution)[-RESOLUTIONS_MAX:],
        )
        self._write_status(resolved, chunks, prediction, digest)
        self._store.save_batch(resolved)
        tell("batch resolved", resolved, status=resolved.status.value, **counts.model_dump())
        return resolved

    def _write_over(self, batch: Batch) -> Batch:
        """Write the results that belong to the record: another run ended the batch, and ours lie over its.

        Whoever comes late looks again after writing, so that the last writer is never wrong.

        Raises WrongState where the batch has not ended: its results are to be written anew.
        """
        for _ in range(WRITES_MAX):
            if not batch.status.is_final:
                break
            chunks = self._store.chunks(batch.batch_id, batch.plan_id)
            _, prediction, digest = self._write_rows(batch, chunks)
            self._write_status(batch, chunks, prediction, digest)
            stored = self._store.batch(batch.batch_id)
            if stored.resolutions == batch.resolutions:
                return stored
            batch = stored
        raise WrongState(f"batch {batch.batch_id} was changed while its results were written")

    def _write_status(
        self, batch: Batch, chunks: Sequence[Chunk], prediction: Mapping[str, int], digest: RowDigest
    ) -> None:
        """Write the two files that tell the status."""
        summary = exact_json.write(summary_of(batch, chunks), indent=2)
        self._put(batch, "summary.json", summary, "application/json")
        page = report_page(batch, chunks, digest, prediction)
        self._put(batch, "report.html", page, "text/html; charset=utf-8")

    def _put(self, batch: Batch, name: str, text: str, content_type: str) -> None:
        self._files.put(f"results/{batch.batch_id}/{name}", text.encode(), content_type)

    def _write_rows(
        self, batch: Batch, chunks: Sequence[Chunk]
    ) -> tuple[Counts, Mapping[str, int], RowDigest]:
        """Stream results.csv and fix-me.csv; the counts must add up, or the batch is not called done."""
        results = Results(self._files, self._settler, batch, chunks)
        digest = RowDigest()
        rows = _digested(results.rows(), digest)
        folder = f"results/{batch.batch_id}"
        with (
            self._files.writing(f"{folder}/results.csv", "text/csv") as every_row,
            self._files.writing(f"{folder}/fix-me.csv", "text/csv") as to_fix,
        ):
            counts = count(_written(rows, _CsvFile(every_row), _CsvFile(to_fix), results.header()))
        if counts.rows != batch.counts.rows:
            raise RuntimeError(
                f"batch {batch.batch_id}: {counts.rows} rows reported, {batch.counts.rows} planned"
            )
        if not batch.dry_run or batch.refusal:
            return counts, {}, digest
        return counts, {to_camel(name): rows for name, rows in results.forecaster.counts.items()}, digest


def _applied_total(chunks: Iterable[Chunk]) -> str:
    return plain(exact_sum(Decimal(chunk.applied_total) for chunk in chunks))


def _digested(rows: Iterable[ResultRow], digest: RowDigest) -> Iterator[ResultRow]:
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
    every_row.flush()
    to_fix.flush()


class _CsvFile:
    """Writes CSV records to an object as they come."""

    def __init__(self, out: Writing) -> None:
        self._out = out
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)

    def write(self, record: Sequence[object]) -> None:
        self._writer.writerow(record)
        if self._text.tell() >= _PIECE_CHARS:
            self.flush()

    def flush(self) -> None:
        """Pass on what is held."""
        # Gameball's JSON may hold halves of characters, which no file can.
        self._out.write(self._text.getvalue().encode(errors="replace"))
        self._text.seek(0)
        self._text.truncate()
