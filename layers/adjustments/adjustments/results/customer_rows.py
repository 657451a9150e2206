"""Reads the rows of one customer in one batch, each with what became of it, without reading the others."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

from adjustments.batches.files import Files
from adjustments.batches.payloads import request_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import Outcome, SendAs
from adjustments.batches.store import BatchStore
from adjustments.batches.work_files import PlannedRow, WorkKeys, read_first_row, read_rows
from adjustments.core import exact_json
from adjustments.polling.settlement import ChunkSettler
from adjustments.results.result_rows import TOO_OFTEN, ChunksByWave

UNDER_WAY: Final = "under_way"
"""What is said of a row whose outcome is not known yet, and may still come by itself."""


class CustomerRow(NamedTuple):
    """One row of a customer. ``outcome`` is that of results.csv, or ``under_way``.

    ``at`` is when it was sent, or else when its batch was planned; ``unit`` is ``points`` or ``amount``.
    """

    at: datetime
    line: int
    amount: str
    unit: str
    reason: str
    outcome: str
    message: str
    job_id: int | None = None
    transaction_id: str = ""
    gameball_id: str = ""


class CustomerRowReader:
    """Reads the rows of a customer in one batch.

    Args:
        store: the chunks.
        files: the bucket.
        settler: reads the outcomes of a chunk.
    """

    def __init__(self, store: BatchStore, files: Files, settler: ChunkSettler) -> None:
        self._store = store
        self._files = files
        self._settler = settler

    def rows(self, batch: Batch, parts: Iterable[int], customer_id: str) -> list[CustomerRow]:
        """The customer's rows, in the order of the file.

        Args:
            batch: the batch.
            parts: the parts of its input that may have some.
            customer_id: the customer.
        """
        found = list(self._planned(batch, parts, customer_id))
        if not found:
            return []
        chunks = [] if batch.refusal else self._store.chunks(batch.batch_id, batch.plan_id)
        by_wave, repeats = ChunksByWave(chunks), self._repeats(batch)
        return [self._row(batch, row, number, by_wave, repeats) for row, number in found]

    def _planned(
        self, batch: Batch, parts: Iterable[int], customer_id: str
    ) -> Iterator[tuple[PlannedRow, int | None]]:
        """The rows as they were planned, with their numbers among the accepted rows."""
        keys = WorkKeys(batch.batch_id, batch.plan_id)
        for part in parts:
            kept = self._files.get(keys.rows(part))
            number = read_first_row(kept)
            for row in read_rows(kept):
                if row.customer_id == customer_id:
                    yield row, None if row.rejection_message else number
                number += not row.rejection_message

    def _repeats(self, batch: Batch) -> tuple["array[int]", "array[int]"]:
        """The numbers and waves of the rows that are not the first of their customer."""
        pairs = array("I")
        if batch.has_repeats:
            pairs.frombytes(self._files.get(WorkKeys(batch.batch_id, batch.plan_id).repeats))
        return pairs[::2], pairs[1::2]

    def _row(
        self,
        batch: Batch,
        row: PlannedRow,
        number: int | None,
        chunks: ChunksByWave,
        repeats: tuple["array[int]", "array[int]"],
    ) -> CustomerRow:
        known = CustomerRow(
            batch.created_at, row.line, row.amount, "points", row.reason, Outcome.REJECTED, ""
        )
        if number is None:
            return known._replace(message=row.rejection_message)
        if batch.refusal:
            return known._replace(outcome=Outcome.NOT_SUBMITTED, message=batch.refusal)
        place = _chunk_of(number, chunks, *repeats)
        if place is None:
            return known._replace(message=TOO_OFTEN)
        chunk, position = place
        known = known._replace(at=chunk.intent_at or batch.created_at, job_id=chunk.job_id)
        if batch.send_as is SendAs.TRANSACTIONS:
            sent = exact_json.read(request_of(self._settler.rows(chunk)[position]))
            unit = "points" if "points" in sent else "amount"
            known = known._replace(unit=unit, transaction_id=sent["transactionId"])
        outcome = self._settler.known_outcomes(batch, chunk)[position]
        if outcome is None:
            waits = "; ".join(batch.held_by) if not (batch.approved_by or batch.stop_reason) else ""
            return known._replace(outcome=UNDER_WAY, message=waits and f"waits for approval: {waits}")
        return known._replace(
            outcome=outcome.outcome, message=outcome.message, gameball_id=outcome.gameball_id
        )


def _chunk_of(
    number: int, chunks: ChunksByWave, rows: "array[int]", waves: "array[int]"
) -> tuple[Chunk, int] | None:
    """The chunk of an accepted row, and its position there; None for a row that went nowhere."""
    before = bisect_left(rows, number)
    is_repeat = before < len(rows) and rows[before] == number
    wave = waves[before] if is_repeat else 1
    if not wave:
        return None
    return chunks.find(wave, waves[:before].count(wave) + (0 if wave > 1 else number - before))
