"""Builds the chunks of a file: reads it once, validates every row, and writes what would be sent.

The rows go into chunks of the first wave as they are read. Only a file in which customers repeat is then cut
anew, with the n-th row of a customer in wave n, so that no chunk holds a customer twice.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple

from adjustments.batches import customer_index
from adjustments.batches.files import Files, ObjectWriter, Put
from adjustments.batches.payloads import (
    PackedChunk,
    Packer,
    body_of,
    content_part,
    customers_and_amounts,
    identity,
    own_id_of,
    read_rows,
    rows_json,
    rows_of,
    sha256_of,
    transaction_rows,
    waves,
    with_reason_token,
    without_reason_token,
)
from adjustments.batches.row_index import Fingerprinter, customer_digests
from adjustments.batches.states import SendAs
from adjustments.batches.work_files import REPEAT, ValidatedRows, WorkKeys, write_rows_part
from adjustments.core.errors import FileRefused
from adjustments.core.ids import chunk_id
from adjustments.core.limits import CUSTOMER_ROWS_MAX, ROWS_MAX, TRANSACTION_CHUNK_ROWS_MAX
from adjustments.core.printable import shown
from adjustments.submission.csv.problems import FileProblem
from adjustments.submission.csv.reader import CsvReader
from adjustments.submission.description import PreviewCollector
from adjustments.submission.duplicates import DuplicateFinder, Scratch, hashes_of
from adjustments.submission.guards import LookAlikes, Totals, check_row_count, without_total_row
from adjustments.submission.plan import IndexedRows, PlannedChunk, PlanRules

PART_BYTES: Final = 192 * 1024
"""Input processed at a time, and kept in one object of ``work/``: few objects, and little memory."""

SUSPECTS_MAX: Final = 1 << 16
"""Customers who may repeat, up to which only their rows are looked at."""

_FIRST: Final = chunk_id(1, 1)

_ROWS_TYPE: Final = "text/plain; charset=utf-8"
"""The content type of kept rows."""


class BuiltChunks(NamedTuple):
    """The chunks of a file, and the body of the first one.

    ``has_repeats``: whether any customer is in the file twice. ``repeated_rows``: rows with the customer,
    amount and reason of an earlier one. ``has_own_ids``: whether any row has a transactionId of its own.
    """

    chunks: list[PlannedChunk]
    first_body: bytes
    has_repeats: bool
    repeated_rows: int
    has_own_ids: bool = False


class ChunkBuilder:
    """Builds the chunks of one file.

    ``totals`` says what its rows add up to, ``preview`` what an approver sees of them, ``look_alikes`` which
    of its ids look alike.

    Args:
        reader: the file.
        batch_id: the batch that it becomes.
        plan_id: the planning run, under whose name everything is written.
        files: where bodies and rows are written.
        scratch: opens scratch files.
        rules: the settings that decide what may be sent.
        indexed: takes the accepted rows for their index.
        send_as: how the rows are sent.
    """

    def __init__(
        self,
        reader: CsvReader,
        *,
        batch_id: str,
        plan_id: str,
        files: Files,
        scratch: Scratch,
        rules: PlanRules,
        indexed: IndexedRows,
        send_as: SendAs = SendAs.BATCH,
    ) -> None:
        self._send_as = send_as
        self._indexed = indexed
        self.totals = Totals()
        self.preview_collector = PreviewCollector()
        self.look_alikes = LookAlikes()
        self._reader = reader
        self._batch_id = batch_id
        self._keys = WorkKeys(batch_id, plan_id)
        self._files = files
        self._scratch = scratch
        self._rules = rules
        self._own_ids = DuplicateFinder(scratch)
        self._has_own_ids = False
        self._first_bodies: dict[str, bytes] = {}

    def build(self) -> BuiltChunks:
        """Read the whole file, and write its rows and the bodies of its chunks.

        Raises:
            FileRefused: the file as a whole cannot be used; what was written does not count.
        """
        duplicates, repeated = DuplicateFinder(self._scratch), DuplicateFinder(self._scratch)
        try:
            with self._files.put_many() as put:
                segments = self._cut(duplicates, put)
            self._check_own_ids(segments)
            suspects = customer_index.repeated_customers(self._indexed.customers.parts(), SUSPECTS_MAX)
            repeats = duplicates.repeats(CUSTOMER_ROWS_MAX, suspects)
            first = next(repeats, None)
            chunks = segments
            if first:
                with self._files.put_many() as put:
                    chunks = self._cut_by_wave(segments, chain([first], repeats), repeated, put)
            repeated_rows = sum(1 for _ in repeated.repeats(ROWS_MAX))
        finally:
            duplicates.close()
            repeated.close()
            self._own_ids.close()
        if self.look_alikes.has_odd_ids:
            self._compare_ids(segments)
        first_body = self._first_bodies.get(chunks[0].key, b"") if chunks else b""
        return BuiltChunks(chunks, first_body, first is not None, repeated_rows, self._has_own_ids)

    def _cut(self, duplicates: DuplicateFinder, put: Put) -> list[PlannedChunk]:
        """Stream the rows into parts, and into segments: chunks, as long as no customer repeats."""
        packer, fingerprinter = self._packer(), Fingerprinter()
        segments: list[PlannedChunk] = []
        for part, is_last in _with_last(self._reader.parts):
            if is_last:
                part = without_total_row(part, self.totals)
            rows = rows_json(part.customer_ids, part.amounts, part.reasons, part.own_ids)
            self._keep_rows(part, put)
            self.totals.add(part.amounts, rows)
            self.look_alikes.add(part.customer_ids)
            self.preview_collector.add(part)
            customers = customer_digests(part.customer_ids)
            duplicates.add(customers)
            self._index_customers(part, customers)
            identities = list(map(identity, part.reasons, part.own_ids)) if part.own_ids else part.reasons
            self._indexed.sorter.add(fingerprinter.fingerprints(customers, part.amounts, identities))
            if self._send_as is SendAs.TRANSACTIONS:
                self._has_own_ids = self._has_own_ids or bool(part.own_ids)
                self._own_ids.add(hashes_of(filter(None, part.own_ids)))
                rows = transaction_rows(rows, part.requests)
            elif self._rules.adds_token:
                rows = rows_json(part.customer_ids, part.amounts, self._with_tokens(part))
            segments += self._write(packer.add(1, rows), self._keys.segment, put)
        segments += self._write(packer.rest(), self._keys.segment, put)
        return segments

    def _index_customers(self, part: ValidatedRows, customers: "array[int]") -> None:
        """Add in which part the rows of each customer are, whatever becomes of them."""
        rejected = customer_digests(filter(None, (rejection.customer_id for rejection in part.rejections)))
        self._indexed.customers.add(customer_index.entries(customers + rejected, self.totals.parts))

    def _packer(self) -> Packer:
        if (
            self._send_as is SendAs.TRANSACTIONS
        ):  # sent until its outcomes are known: no second canary is needed
            return Packer(self._rules.canary_rows, TRANSACTION_CHUNK_ROWS_MAX, canaries=1)
        return Packer(self._rules.canary_rows)

    def _check_own_ids(self, segments: Sequence[PlannedChunk]) -> None:
        """Refuse a file with a transactionId in two rows: Gameball would apply the first, and both would seem
        to be applied.
        """
        repeat = next(self._own_ids.repeats(0), None)
        if repeat is None:
            return
        bodies = (rows_of(self._files.get(segment.key)) for segment in segments)
        own_ids = filter(None, map(own_id_of, chain.from_iterable(bodies)))
        own_id = next(islice(own_ids, repeat[0], None))
        raise FileRefused(
            FileProblem.REPEATED_TRANSACTION_ID,
            f'the transactionId "{shown(own_id)}" is in more than one row, and Gameball applies each '
            "transactionId once; nothing of the file was sent. Give each row one of its own, or leave the "
            "cell empty",
        )

    def _keep_rows(self, part: ValidatedRows, put: Put) -> None:
        """Keep a part of the input as it was read."""
        totals, first_row = self.totals, self.totals.accepted
        totals.rows += len(part.lines) + len(part.rejections)
        totals.rejected += len(part.rejections)
        totals.bad_rows.add(part.rejections)
        totals.parts += 1
        check_row_count(totals.rows, self._send_as is SendAs.TRANSACTIONS)
        kept = write_rows_part(self._reader.format.header, part, first_row)
        put(self._keys.rows(totals.parts), kept, _ROWS_TYPE)

    def _with_tokens(self, part: ValidatedRows) -> list[str]:
        numbered = zip(part.reasons, part.lines, strict=True)
        return [with_reason_token(reason, self._batch_id, line) for reason, line in numbered]

    def _cut_by_wave(
        self,
        segments: list[PlannedChunk],
        repeats: Iterable[tuple[int, int]],
        repeated: DuplicateFinder,
        put: Put,
    ) -> list[PlannedChunk]:
        """Cut the segments anew: repeats of a customer go to later waves, or nowhere if too many.

        All rows that go anywhere are added to ``repeated``: only here can one be like another.
        """
        packer = self._packer()
        chunks: list[PlannedChunk] = []
        with self._files.writer(self._keys.repeats, "application/octet-stream") as kept:
            wave_of_row = waves(self.totals.accepted, _copied(repeats, kept))
            for segment in segments:
                by_wave = _rows_by_wave(rows_of(self._files.get(segment.key)), wave_of_row)
                self._reject(by_wave.pop(0, []))
                for wave, wave_rows in by_wave.items():
                    repeated.add(hashes_of(self._without_tokens(wave_rows)))
                    chunks += self._write(packer.add(wave, wave_rows), self._keys.chunk, put)
        chunks += self._write(packer.rest(), self._keys.chunk, put)
        return sorted(chunks)

    def _without_tokens(self, rows: list[str]) -> list[str]:
        if self._send_as is SendAs.TRANSACTIONS:
            return list(map(content_part, rows))
        return list(map(without_reason_token, rows)) if self._rules.adds_token else rows

    def _compare_ids(self, segments: list[PlannedChunk]) -> None:
        for segment in segments:
            rows = rows_of(self._files.get(segment.key))
            self.look_alikes.compare(customer for customer, _ in customers_and_amounts(rows))

    def _reject(self, rows: list[str]) -> None:
        """Take rows for rejected that were added before: their customer is in the file too often."""
        self.totals.reject(rows)
        customers, amounts, reasons = (
            zip(*read_rows(self._without_tokens(rows)), strict=True) if rows else ((),) * 3
        )
        self._indexed.rejected_customers.update(customers)
        self._indexed.sorter.remove(
            Fingerprinter().fingerprints(customer_digests(customers), amounts, reasons)
        )

    def _write(
        self, packed_chunks: Iterable[PackedChunk], key_of: Callable[[str], str], put: Put
    ) -> Iterator[PlannedChunk]:
        """Write the bodies of chunks; the first one stays in memory too, because it is sent at once."""
        for packed in packed_chunks:
            key, body = key_of(packed.chunk_id), body_of(packed.rows)
            if packed.chunk_id == _FIRST:
                self._first_bodies[key] = body
            put(key, body, "application/json")
            yield PlannedChunk(packed.chunk_id, packed.wave, key, len(packed.rows), sha256_of(body))


def _with_last(parts: Iterable[ValidatedRows]) -> Iterator[tuple[ValidatedRows, bool]]:
    """Each part, and whether it is the last."""
    held: ValidatedRows | None = None
    for part in parts:
        if held is not None:
            yield held, False
        held = part
    if held is not None:
        yield held, True


def _rows_by_wave(rows: list[str], wave_of_row: Iterator[int]) -> dict[int, list[str]]:
    by_wave: dict[int, list[str]] = {}
    for wave, row in zip(islice(wave_of_row, len(rows)), rows, strict=True):
        by_wave.setdefault(wave, []).append(row)
    return by_wave


def _copied(pairs: Iterable[tuple[int, int]], kept: ObjectWriter) -> Iterator[tuple[int, int]]:
    for pair in pairs:
        kept.write(REPEAT.pack(*pair))
        yield pair
