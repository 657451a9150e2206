"""Reads a batch's input rows back, in the order of the file, each with its one outcome, and indexes those
that were not applied, for the comparison with later batches.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import accumulate, chain
from typing import Final, NamedTuple

from adjustments.batches.batch_parts import Prediction
from adjustments.batches.files import Files
from adjustments.batches.outcomes import RowOutcome
from adjustments.batches.payloads import customers_and_amounts, identity, request_of, rows_of, waves
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.row_index import Fingerprinter, IndexSorter, customer_digests, write_index
from adjustments.batches.states import ChunkState, Outcome, SendAs
from adjustments.batches.work_files import REPEAT, PlannedRow, WorkKeys, read_header, read_rows
from adjustments.core import exact_json
from adjustments.core.errors import NotFound
from adjustments.core.limits import CUSTOMER_ROWS_MAX
from adjustments.polling.dry_run import Balance, PredictedOutcome, Predictor, restore_balance
from adjustments.polling.settlement import ChunkSettler

REPEATED_CUSTOMERS_MAX: Final = 100_000
"""Customers with several rows whose balance a dry run carries from row to row: bounds its memory."""

TOO_OFTEN: Final = (
    f"the customer appears more than {CUSTOMER_ROWS_MAX} times in this file, which looks like a mistake: "
    "add the amounts up, or drop the rows in several files"
)
_MONEY: Final = (
    "dry run: nothing was sent; whether a balance of points covers an amount of money is not known"
)
FILE_REFUSED: Final = "not sent, because the whole file was refused"
_CAN_BE_DROPPED_AGAIN: Final = frozenset({Outcome.FAILED, Outcome.REJECTED, Outcome.NOT_SUBMITTED})
_WOULD_FAIL: Final = frozenset({PredictedOutcome.WOULD_OVERDRAW, PredictedOutcome.UNKNOWN_CUSTOMER})


class ResultRow(NamedTuple):
    """One input row with its outcome, the job that it was sent in, and whether it belongs into fix-me.csv.

    ``chunk_id`` and ``position`` (counted from 0) say where in which chunk the row is; ``forecast`` is set in
    a dry run only. ``request`` and ``gameball_id``, Gameball's own id, are those of a row that is sent as a
    transaction.
    """

    row: PlannedRow
    outcome: Outcome
    message: str
    job_id: int | None
    is_to_fix: bool
    chunk_id: str = ""
    position: int = 0
    forecast: PredictedOutcome | None = None
    request: str = ""
    gameball_id: str = ""

    @property
    def transaction_id(self) -> str:
        """The transactionId of a row that is sent as a transaction; empty for any other."""
        return str(exact_json.read(self.request)["transactionId"]) if self.request else ""


class _Sent(NamedTuple):
    outcome: RowOutcome
    chunk: Chunk
    position: int
    request: str


class ResultRows:
    """The input rows of one batch with their outcomes.

    Args:
        files: the bucket.
        settler: reads the outcomes of a chunk.
        batch: the batch.
        chunks: all its chunks, in the order of sending.
    """

    def __init__(self, files: Files, settler: ChunkSettler, batch: Batch, chunks: Sequence[Chunk]) -> None:
        self._files = files
        self._settler = settler
        self._batch = batch
        self._chunks = [chunk for chunk in chunks if chunk.state is not ChunkState.SPLIT]
        self._keys = WorkKeys(batch.batch_id, batch.plan_id)

    def rows(self) -> Iterator[ResultRow]:
        """Every input row; each wave's rows are in its chunks in the same order as in the file."""
        by_wave = {wave: self._results_of_wave(wave) for wave in range(1, self._batch.waves + 1)}
        wave_of_row = self._waves()
        for row in self._input_rows():
            if row.rejection_message:
                yield ResultRow(row, Outcome.REJECTED, row.rejection_message, None, is_to_fix=True)
            elif not (wave := next(wave_of_row)):
                yield ResultRow(row, Outcome.REJECTED, TOO_OFTEN, None, is_to_fix=True)
            elif self._batch.refusal:
                yield ResultRow(row, Outcome.NOT_SUBMITTED, FILE_REFUSED, None, is_to_fix=False)
            else:
                yield self._result(row, next(by_wave[wave]))

    def header(self) -> list[str]:
        """The input's own header; empty when the file was refused before it was read."""
        try:
            return read_header(self._files.get(self._keys.rows(1)))
        except NotFound:
            return []

    def prediction(self) -> Prediction | None:
        """What a dry run predicts for the rows read so far; None for any other batch."""
        if not self._batch.dry_run or self._batch.refusal:
            return None
        counts = self._predictor.counts
        return Prediction(**{forecast.value: rows for forecast, rows in counts.items()})

    @cached_property
    def _predictor(self) -> Predictor:
        """What predicts the rows of a dry run, which are read once."""
        return Predictor(self._repeated_customers())

    def _result(self, row: PlannedRow, known: "_Sent | Balance | None") -> ResultRow:
        if isinstance(known, _Sent):
            (outcome, message, gameball_id), chunk = known.outcome, known.chunk
            is_to_fix = outcome in _CAN_BE_DROPPED_AGAIN
            place = chunk.chunk_id, known.position
            sent = known.request, gameball_id
            return ResultRow(row, outcome, message, chunk.job_id, is_to_fix, *place, None, *sent)
        if known is None:
            self._predictor.counts[PredictedOutcome.NOT_PREDICTED] += 1
            forecast = PredictedOutcome.NOT_PREDICTED
            return ResultRow(row, Outcome.NOT_SUBMITTED, _MONEY, None, is_to_fix=False, forecast=forecast)
        forecast, message = self._predictor.predict(row.customer_id, Decimal(row.amount), known)
        is_to_fix = forecast in _WOULD_FAIL
        return ResultRow(row, Outcome.NOT_SUBMITTED, message, None, is_to_fix, forecast=forecast)

    def _input_rows(self) -> Iterator[PlannedRow]:
        for part in range(1, self._batch.row_parts + 1):
            yield from read_rows(self._files.get(self._keys.rows(part)))

    def _waves(self) -> Iterator[int]:
        repeats: Iterator[tuple[int, int]] = iter(())
        if self._batch.has_repeats:
            repeats = REPEAT.iter_unpack(self._files.get(self._keys.repeats))
        return waves(self._batch.counts.rows, repeats)

    def _results_of_wave(self, wave: int) -> "Iterator[_Sent | Balance | None]":
        """The outcomes of a wave's rows, in order; in a dry run their customers' balances.

        A dry run has None for money, which is not compared with a balance of points.
        """
        for chunk in self._chunks:
            if chunk.wave != wave:
                continue
            requests = self._requests(chunk)
            if self._batch.dry_run:
                for balance, request in zip(self._balances(chunk), requests, strict=True):
                    is_money = (
                        request and isinstance(balance, Decimal) and "amount" in exact_json.read(request)
                    )
                    yield None if is_money else balance
            else:
                sent = zip(self._settler.outcomes(self._batch, chunk), requests, strict=True)
                yield from (_Sent(row, chunk, at, request) for at, (row, request) in enumerate(sent))

    def _requests(self, chunk: Chunk) -> list[str]:
        """The request of each row of a chunk; empty where it is sent with others in one request."""
        if self._batch.send_as is SendAs.BATCH:
            return [""] * chunk.rows
        return list(map(request_of, self._settler.rows(chunk)))

    def _balances(self, chunk: Chunk) -> list[Balance]:
        """The balances that were looked up; the predictor carries those of a later wave's customers."""
        try:
            stored = json.loads(self._files.get(self._keys.balances(chunk.chunk_id)))
        except NotFound:
            return [PredictedOutcome.NOT_PREDICTED] * chunk.rows
        return [restore_balance(text) for text in stored]

    def _repeated_customers(self) -> set[str]:
        """The customers of the later waves; empty when they are too many for the memory."""
        later = (chunk for chunk in self._chunks if chunk.wave == 2)
        bodies = (rows_of(self._files.get(chunk.payload_key)) for chunk in later)
        names: set[str] = set()
        for customer, _ in chain.from_iterable(map(customers_and_amounts, bodies)):
            names.add(customer)
            if len(names) > REPEATED_CUSTOMERS_MAX:
                return set()
        return names


class ChunksByWave:
    """Finds the chunk of a row: a wave's rows are in its chunks in the same order as in the file.

    Args:
        chunks: the chunks of a batch; one that was split has its rows in others.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._chunks: dict[int, list[Chunk]] = {}
        for chunk in chunks:
            if chunk.state is not ChunkState.SPLIT:
                self._chunks.setdefault(chunk.wave, []).append(chunk)
        self._firsts = {
            wave: [0, *accumulate(chunk.rows for chunk in of_wave)] for wave, of_wave in self._chunks.items()
        }

    def find(self, wave: int, position: int) -> tuple[Chunk, int]:
        """The chunk of the n-th row of a wave, and its position there; both count from 0."""
        firsts = self._firsts[wave]
        number = bisect_right(firsts, position) - 1
        return self._chunks[wave][number], position - firsts[number]


class UnappliedRows:
    """Collects the rows that were planned and, as is known by now, not applied.

    Rejected rows are in no index, so they need not be taken off one.

    Args:
        sorter: holds their fingerprints.
    """

    def __init__(self, sorter: IndexSorter) -> None:
        self._sorter = sorter
        self._fingerprinter = Fingerprinter()

    def collected_from(self, rows: Iterable[ResultRow]) -> Iterator[ResultRow]:
        """Pass rows on, and collect those that were not applied."""
        for result in rows:
            row = result.row
            if result.outcome in (Outcome.FAILED, Outcome.NOT_SUBMITTED):
                customers, said = customer_digests([row.customer_id]), identity(row.reason, row.own_id)
                self._sorter.add(self._fingerprinter.fingerprints(customers, [row.amount], [said]))
            yield result

    def write_index(self, batch: Batch, files: Files) -> str:
        """Write their index under a key of this run's own.

        Returns:
            The key, which counts once the batch names it; empty where there is no such row.
        """
        if not self._sorter.rows:
            return ""
        key = WorkKeys(batch.batch_id, batch.plan_id).unapplied(batch.report_run_id)
        with files.writer(key, "application/octet-stream") as out:
            write_index(self._sorter, out)
        return key
