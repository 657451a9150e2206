"""Lists the rows of a batch that has not ended, page by page, as far as their outcomes are known, for the
API.

The plan is read in the order of the input: each row is in a part of the input, and the waves of the rows
before it say where in which chunk it is. The cursor of a page holds these counts. So a page begins where the
one before ended, whatever was settled in between, and costs the same wherever it is in the file. No page
reads more than ``PAGE_OBJECTS_MAX`` work files: where few rows are known, or have the wanted status, a page
may have few rows or none, and a next one.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

from adjustments.batches.files import Files
from adjustments.batches.outcomes import RowOutcome
from adjustments.batches.payloads import request_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import ChunkState, Outcome, SendAs
from adjustments.batches.work_files import REPEAT, PlannedRow, WorkKeys, read_rows
from adjustments.core import exact_json
from adjustments.core.errors import RequestRefused
from adjustments.core.limits import PAGE_OBJECTS_MAX
from adjustments.core.printable import visible
from adjustments.polling.settlement import ChunkSettler
from adjustments.results.result_rows import FILE_REFUSED, TOO_OFTEN, ChunksByWave

_CURSOR: Final = re.compile("(?:[0-9]{1,9}-){4,54}[0-9a-f]{16}")
_BAD_CURSOR: Final = 'after: must be the value of "next" in the page before'
_REPEATS_BYTES: Final = 1 << 16
"""Bytes of the waves of repeated customers that are read at once: of 8,192 rows."""


class _Place(NamedTuple):
    """The row at which a page begins: its part of the input, from 1, and its number there, from 0.

    ``before`` counts the accepted rows before it by wave, from wave 0 on, whose rows are in no chunk.
    """

    part: int
    row: int
    before: tuple[int, ...]

    @classmethod
    def read(cls, cursor: str, plan_id: str) -> Self:
        """Read a cursor; raises RequestRefused where it is none of this plan."""
        if is_cursor(cursor):
            part, row, *before = map(int, cursor.split("-")[:-1])
            place = cls(part, row, tuple(before))
            if place.cursor(plan_id) == cursor:
                return place
        raise RequestRefused("bad_cursor", _BAD_CURSOR)

    def cursor(self, plan_id: str) -> str:
        """The text by which the page that begins here is asked for."""
        numbers = "-".join(map(str, (self.part, self.row, *self.before)))
        return f"{numbers}-{hashlib.sha256(f'{numbers} {plan_id}'.encode()).hexdigest()[:16]}"


def is_cursor(text: str) -> bool:
    """Whether a cursor is of the kind that ``list_known_rows`` gives."""
    return bool(_CURSOR.fullmatch(text))


def list_known_rows(
    batch: Batch,
    chunks: Sequence[Chunk],
    files: Files,
    settler: ChunkSettler,
    status: Outcome | None,
    limit: int,
    after: str | None,
) -> Mapping[str, Any]:
    """List a page of the rows whose outcomes are known so far, in the order of the input.

    A row in doubt is listed as such, although its answer may still come late. Of a dry run, only rejected
    rows are known before its end.

    Args:
        batch: the batch.
        chunks: all its chunks.
        files: the bucket.
        settler: reads the outcomes of a chunk.
        status: the outcome of the rows; None for any.
        limit: rows in the page at most.
        after: the cursor of the page before, None for the first page.

    Raises:
        RequestRefused: the cursor is not that of a page of this list.
    """
    place = _Place(1, 0, (0, 0)) if after is None else _Place.read(after, batch.plan_id)
    walk = _InputWalk(batch, chunks, files, settler, status, place)
    rows: list[Mapping[str, Any]] = []
    for row in walk.rows():
        if row is not None and status in (None, row["status"]):
            rows.append(row)
        if len(rows) == limit or walk.objects_read >= PAGE_OBJECTS_MAX:
            break
    following = walk.place.cursor(batch.plan_id) if walk.place.part <= batch.row_parts else None
    counts = {"knownRows": count_known_rows(batch, chunks), "totalRows": batch.counts.rows}
    return {"rows": rows, "next": following, "isComplete": False, **counts}


def count_known_rows(batch: Batch, chunks: Sequence[Chunk]) -> int:
    """How many rows of a batch have an outcome by now."""
    if batch.refusal or batch.status.is_final:
        return batch.counts.rows
    if batch.dry_run:
        return batch.counts.rejected
    return batch.counts.rejected + sum(map(_known_rows, chunks))


def _known_rows(chunk: Chunk) -> int:
    """The rows of a chunk with an outcome; of one that is not over, those that were sent as transactions."""
    if chunk.state is ChunkState.SPLIT:
        return 0
    return chunk.rows if chunk.state.is_over else chunk.counts.rows - chunk.counts.in_doubt


class _InputWalk:
    """Reads the input from one row on, each row with its outcome, and counts the work files that it reads.

    Args:
        status: only rows with this outcome are wanted: chunks without any are not read.
        place: the row to begin at; ``place`` is then the row behind the last one that was read.
    """

    def __init__(
        self,
        batch: Batch,
        chunks: Sequence[Chunk],
        files: Files,
        settler: ChunkSettler,
        status: Outcome | None,
        place: _Place,
    ) -> None:
        self.objects_read = 0
        self._batch, self._files, self._settler, self._status = batch, files, settler, status
        self._keys = WorkKeys(batch.batch_id, batch.plan_id)
        self._chunks = ChunksByWave(chunks)
        self._part, self._row, self._before = place.part, place.row, [*place.before]
        self._repeats = self._read_repeats(sum(self._before) - self._before[1])
        self._next_repeat = next(self._repeats, None)
        self._outcomes: dict[str, Sequence[RowOutcome | None]] = {}
        self._requests: dict[str, Sequence[str]] = {}

    @property
    def place(self) -> _Place:
        """Where the next page begins."""
        return _Place(self._part, self._row, tuple(self._before))

    def rows(self) -> Iterator[Mapping[str, Any] | None]:
        """Every row, as the API describes it; None where its outcome is not known or not wanted."""
        while self._part <= self._batch.row_parts:
            rows = read_rows(self._get(self._keys.rows(self._part)))
            last = len(rows) - 1
            for row in rows[self._row :]:
                found = self._described(row)
                self._part, self._row = (
                    (self._part, self._row + 1) if self._row < last else (self._part + 1, 0)
                )
                yield found

    def _described(self, row: PlannedRow) -> Mapping[str, Any] | None:
        if row.rejection_message:
            return self._fields(row, RowOutcome(Outcome.REJECTED, row.rejection_message))
        wave, position = self._next_accepted()
        if not wave:
            return self._fields(row, RowOutcome(Outcome.REJECTED, TOO_OFTEN))
        if self._batch.refusal:
            return self._fields(row, RowOutcome(Outcome.NOT_SUBMITTED, FILE_REFUSED))
        if self._batch.dry_run:
            return None
        chunk, position = self._chunks.find(wave, position)
        outcome = self._outcomes_of(chunk)[position]
        return outcome and self._fields(row, outcome, chunk, position)

    def _next_accepted(self) -> tuple[int, int]:
        """The wave of the next accepted row, and how many rows of that wave are before it."""
        wave = 1
        if self._next_repeat and self._next_repeat[0] == sum(self._before):
            wave = self._next_repeat[1]
            self._next_repeat = next(self._repeats, None)
        self._before += [0] * (wave + 1 - len(self._before))
        self._before[wave] += 1
        return wave, self._before[wave] - 1

    def _read_repeats(self, first: int) -> Iterator[tuple[int, int]]:
        """The accepted rows that are not the first of their customer, with their waves, from the n-th on."""
        if not self._batch.has_repeats:
            return
        end = self._files.describe(self._keys.repeats, None).size_bytes
        for start in range(first * REPEAT.size, end, _REPEATS_BYTES):
            self.objects_read += 1
            piece = self._files.get_range(self._keys.repeats, start, min(start + _REPEATS_BYTES, end))
            yield from REPEAT.iter_unpack(piece)

    def _outcomes_of(self, chunk: Chunk) -> Sequence[RowOutcome | None]:
        if chunk.chunk_id not in self._outcomes:
            if chunk.state is ChunkState.SETTLED and self._status and not _has(chunk, self._status):
                return [None] * chunk.rows
            self.objects_read += bool(chunk.outcomes_key)
            self._outcomes[chunk.chunk_id] = self._settler.known_outcomes(self._batch, chunk)
        return self._outcomes[chunk.chunk_id]

    def _transaction_id(self, chunk: Chunk, position: int) -> str:
        if chunk.chunk_id not in self._requests:
            self.objects_read += 1
            self._requests[chunk.chunk_id] = self._settler.rows(chunk)
        return str(exact_json.read(request_of(self._requests[chunk.chunk_id][position]))["transactionId"])

    def _fields(
        self, row: PlannedRow, outcome: RowOutcome, chunk: Chunk | None = None, position: int = 0
    ) -> Mapping[str, Any]:
        """A row as ``row_pages`` describes it once the batch has ended."""
        fields = {
            "line": row.line,
            "customerId": row.customer_id,
            "amount": row.amount,
            "reason": row.reason,
            "status": outcome.outcome.value,
            "message": visible(outcome.message),
            "jobId": chunk and chunk.job_id,
        }
        if self._batch.send_as is SendAs.TRANSACTIONS:
            fields["transactionId"] = self._transaction_id(chunk, position) if chunk else ""
            fields["gameballTransactionId"] = outcome.gameball_id
        return fields

    def _get(self, key: str) -> bytes:
        self.objects_read += 1
        return self._files.get(key)


def _has(chunk: Chunk, status: Outcome) -> bool:
    return bool(getattr(chunk.counts, status.value))
