"""Writes a batch's results: every input row with its one outcome, in the order of the file."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from adjustments import exact_json
from adjustments.chunking import waves
from adjustments.intake import neutralise
from adjustments.limits import CUSTOMER_ROWS_MAX
from adjustments.model import Batch, Chunk, Counts, Outcome
from adjustments.outcomes import RowOutcome, count, final_status, shared_outcome
from adjustments.ports import BatchStore, Clock, Files, Writing
from adjustments.report_page import report_page
from adjustments.services.saving import save_or_reread
from adjustments.states import ChunkState
from adjustments.summary import summary_of
from adjustments.totals import exact_sum, plain
from adjustments.workfiles import REPEAT, WorkKeys

RESULT_COLUMNS: Final = ("line", "customerId", "amount", "reason", "status", "message", "jobId")
"""The columns of results.csv (DESIGN.md, "Names that must not change")."""

_CAN_BE_DROPPED_AGAIN: Final = frozenset({Outcome.FAILED, Outcome.REJECTED, Outcome.NOT_SUBMITTED})
_REPEATED: Final = (
    f"the customer appears more than {CUSTOMER_ROWS_MAX} times in this file, which is surely a mistake: "
    "add the amounts up, or drop the rows in several files"
)


@dataclass(frozen=True, slots=True)
class InputRow:
    """One row of the input as it was planned; ``rejected_for`` is empty for an adjustment."""

    line: int
    customer_id: str
    amount: str
    reason: str
    cells: list[str]
    rejected_for: str


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One input row with its outcome, and the job that brought it."""

    row: InputRow
    outcome: Outcome
    message: str
    job_id: int | None


class Reporter:
    """Writes the four result files, and then lets the batch end."""

    def __init__(self, store: BatchStore, files: Files, clock: Clock) -> None:
        self._store = store
        self._files = files
        self._clock = clock

    def report(self, batch_id: str) -> Batch:
        """Write the results of a batch whose chunks are all over; twice gives the same files."""
        batch = self._store.batch(batch_id)
        if batch.status.is_final:
            return batch
        chunks = self._store.chunks(batch_id, batch.plan_id)
        counts = self._write_rows(batch, chunks)
        ended = batch.moved(
            final_status(batch, counts),
            counts=counts,
            applied_total=plain(exact_sum(Decimal(chunk.applied_total) for chunk in chunks)),
            finished_at=self._clock.now(),
        )
        self._put(
            ended, "summary.json", exact_json.write(summary_of(ended, chunks), indent=2), "application/json"
        )
        self._put(ended, "report.html", report_page(ended, chunks), "text/html; charset=utf-8")
        return save_or_reread(self._store, ended)

    def _put(self, batch: Batch, name: str, text: str, content_type: str) -> None:
        self._files.put(f"results/{batch.batch_id}/{name}", text.encode(), content_type)

    def _write_rows(self, batch: Batch, chunks: Sequence[Chunk]) -> Counts:
        """Stream results.csv and fix-me.csv; the counts must add up, or the batch is not called done."""
        with ExitStack() as stack:
            results, fix_me = (
                _CsvFile(
                    stack.enter_context(self._files.writing(f"results/{batch.batch_id}/{name}", "text/csv"))
                )
                for name in ("results.csv", "fix-me.csv")
            )
            results.write(RESULT_COLUMNS)
            fix_me.write([*map(neutralise, batch.header), "error"])
            counts = count(self._write(batch, chunks, results, fix_me))
        if counts.rows != batch.counts.rows:
            raise RuntimeError(
                f"batch {batch.batch_id}: {counts.rows} rows reported, {batch.counts.rows} planned"
            )
        return counts

    def _write(
        self, batch: Batch, chunks: Sequence[Chunk], results: "_CsvFile", fix_me: "_CsvFile"
    ) -> Iterator[RowOutcome]:
        for result in self._results(batch, chunks):
            row = result.row
            texts = map(neutralise, (row.customer_id, row.amount, row.reason))
            message = neutralise(result.message)
            results.write([row.line, *texts, result.outcome.value, message, result.job_id or ""])
            if result.outcome in _CAN_BE_DROPPED_AGAIN:
                fix_me.write([*map(neutralise, row.cells), message])
            yield RowOutcome(result.outcome, result.message)

    def _results(self, batch: Batch, chunks: Sequence[Chunk]) -> Iterator[ResultRow]:
        """Walk the input's rows; each wave's rows lie in its chunks in the same order."""
        keys = WorkKeys(batch.batch_id, batch.plan_id)
        accepted = sum(chunk.rows for chunk in chunks if chunk.state is not ChunkState.SPLIT)
        repeats = self._repeats(keys) if batch.has_repeats else iter(())
        wave_of_row = waves(max(accepted, batch.counts.rows), repeats)
        sent = {wave: self._sent(batch, chunks, wave) for wave in range(1, batch.waves + 1)}
        for row in self._input(keys, batch.row_parts):
            if row.rejected_for:
                yield ResultRow(row, Outcome.REJECTED, row.rejected_for, None)
            elif wave := next(wave_of_row):
                outcome, job_id = next(sent[wave])
                yield ResultRow(row, outcome.outcome, outcome.message, job_id)
            else:
                yield ResultRow(row, Outcome.REJECTED, _REPEATED, None)

    def _input(self, keys: WorkKeys, parts: int) -> Iterator[InputRow]:
        for part in range(1, parts + 1):
            for line in self._files.get(keys.rows(part)).split(b"\n"):
                number, customer_id, amount, reason, cells, *rejection = json.loads(line)
                rejected_for = rejection[-1] if rejection else ""
                yield InputRow(number, customer_id, amount, reason, cells, rejected_for)

    def _repeats(self, keys: WorkKeys) -> Iterator[tuple[int, int]]:
        return REPEAT.iter_unpack(self._files.get(keys.repeats))

    def _sent(
        self, batch: Batch, chunks: Sequence[Chunk], wave: int
    ) -> Iterator[tuple[RowOutcome, int | None]]:
        """The outcomes of a wave's rows, in order."""
        for chunk in chunks:
            if chunk.wave != wave or chunk.state is ChunkState.SPLIT:
                continue
            for row in self._chunk_outcomes(batch, chunk):
                yield row, chunk.job_id

    def _chunk_outcomes(self, batch: Batch, chunk: Chunk) -> list[RowOutcome]:
        if chunk.state is not ChunkState.SETTLED:
            return [shared_outcome(batch, chunk)] * chunk.rows
        stored = json.loads(self._files.get(chunk.outcomes_key))
        return [RowOutcome(Outcome(outcome), message) for outcome, message in stored]


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
