"""Plans a dropped file: reads it once, decides every row, and keeps what would be sent. Sends nothing.

A plan is repeatable: nothing counts until the batch itself is created, which only one planning run can do.
What a run that was killed or came second has written lies under its own ``plan_id`` and is never looked at.
"""

import gc
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from itertools import chain, islice
from types import MappingProxyType
from typing import Final, NamedTuple

from adjustments.aws.event_log import tell
from adjustments.batches.chunk_cursor import UNTOUCHED_MAX, Seen
from adjustments.batches.chunking import PackedChunk, Packer, waves
from adjustments.batches.files import Files, Put, StoredObject, Writing
from adjustments.batches.payloads import (
    body_of,
    content_of,
    customers_and_amounts,
    rows_json,
    rows_of,
    sha256_of,
)
from adjustments.batches.records import Batch, Chunk, Counts, Source
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchStore
from adjustments.batches.work_files import REPEAT, ValidatedRows, WorkKeys, rows_part
from adjustments.core.decimals import exact_sum, exact_sum_of_many, plain
from adjustments.core.errors import FileRefused, NotFound, NotUtf8
from adjustments.core.ids import chunk_id
from adjustments.core.limits import BAD_ROWS_COUNTED_FROM, BAD_ROWS_PERCENT_MAX, CUSTOMER_ROWS_MAX, ROWS_MAX
from adjustments.core.runtime import Clock, Ids
from adjustments.submission.csv.printable import shown
from adjustments.submission.csv.reader import CsvReader, FileFormat
from adjustments.submission.duplicates import DuplicateFinder, Scratch
from adjustments.submission.reason_token import with_token

PART_BYTES: Final = 192 * 1024
"""Input worked on at a time, and kept in one object of ``work/``: few objects, and little memory."""

DEADLINE: Final = timedelta(hours=6)
"""How long a batch may take before a person has to look: Gameball's own limit lets 10 million rows through in
15 minutes, so whatever is open after hours will not end by itself."""


COLUMNS_TOLD_MAX: Final = 20
"""Ignored columns that the summary names."""

_FIRST: Final = chunk_id(1, 1)

_KEPT_AS: Final = "text/plain; charset=utf-8"
"""The content type of kept rows."""

_ENCODINGS: Final = {"cp1252": "Windows-1252, because its bytes are no UTF-8"}
_DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

REPEAT_REFUSED: Final = timedelta(days=30)
"""How long the same content is refused, whatever its name."""

_REPEATED: Final = (
    "the same rows were accepted before, as batch {}: nothing of this file was sent. If they are really "
    "meant to be applied again, drop the file with the object metadata allow-duplicate: true (adjust submit "
    "--allow-duplicate)"
)

_REVERSED: Final = (
    "the batch that this file reverses was reversed already, by batch {}: nothing of it was sent"
)


class PlanRules(NamedTuple):
    """The settings that decide what may be sent.

    ``approval_above_total`` compares with the sum of the amounts' magnitudes; 0 turns a rule off.
    ``adds_token`` adds a token to each reason (ReasonToken).
    """

    amount_max: Decimal
    canary_rows: int
    approval_above_rows: int
    approval_above_total: Decimal
    adds_token: bool = False


class Drop(NamedTuple):
    """One thing to plan: an object's version, and the batch that it always becomes.

    ``is_named`` says that the drop has a name of its own, the due time of a schedule or an idempotency key:
    it is meant to be another one, whatever it holds. ``blocks`` are its bytes where reading has begun.
    """

    stored: StoredObject
    batch_id: str
    is_named: bool = False
    blocks: Iterator[bytes] | None = None

    @property
    def allows_duplicate(self) -> bool:
        """Whether the dropper says that the same content may be accepted again."""
        return _says_true(self.stored, "allow-duplicate")

    @property
    def is_dry_run(self) -> bool:
        """Whether the dropper asked to validate only (object metadata ``dry-run: true``)."""
        return _says_true(self.stored, "dry-run")


class _Tally:
    """What one reading of a file adds up to."""

    def __init__(self) -> None:
        self.rows = 0
        self.rejected = 0
        self.parts = 0
        self.total = Decimal(0)
        self.absolute = Decimal(0)
        self.digest = hashlib.sha256()

    def add(self, amounts: Sequence[str], rows: Sequence[bytes]) -> None:
        """Count adjustments."""
        times = Counter(amounts)  # the same few amounts stand in most rows: each is read once
        total = exact_sum_of_many(times)
        deducted = exact_sum_of_many({amount: n for amount, n in times.items() if amount.startswith("-")})
        self.total = exact_sum([self.total, total])
        self.absolute = exact_sum([self.absolute, total, -deducted, -deducted])
        self.digest.update(content_of(rows))

    def leave_out(self, rows: Sequence[bytes]) -> None:
        """Count adjustments as rejected after all."""
        numbers = [amount for _, amount in customers_and_amounts(rows)]
        self.rejected += len(numbers)
        self.total -= exact_sum(numbers)
        self.absolute -= exact_sum(map(abs, numbers))


class _Cut(NamedTuple):
    """A chunk of a plan, with as little as needed: of the largest file there are ten thousand."""

    chunk_id: str
    wave: int
    key: str
    rows: int
    sha256: str


class _Planned:
    """The chunks of a plan, each made when it is asked for; of the first one the body as well."""

    def __init__(self, cuts: Sequence[_Cut], bodies: Mapping[str, bytes] = MappingProxyType({})) -> None:
        self._cuts = cuts
        self.first_body = bodies.get(cuts[0].key, b"") if cuts else b""

    def __iter__(self) -> Iterator[Chunk]:
        for cut in self._cuts:
            yield Chunk(
                chunk_id=cut.chunk_id, wave=cut.wave, payload_key=cut.key, last=cut.rows, sha256=cut.sha256
            )


class Planner:
    """Makes a batch of a dropped file."""

    def __init__(
        self,
        files: Files,
        store: BatchStore,
        clock: Clock,
        ids: Ids,
        scratch: Scratch,
        rules: PlanRules,
    ) -> None:
        self._files = files
        self._store = store
        self._clock = clock
        self._ids = ids
        self._scratch = scratch
        self._rules = rules

    def plan(self, drop: Drop) -> Seen:
        """Plan a drop, or find the batch that it became before; a file that is refused becomes a batch as
        well. Of a new batch the first chunks are told too.
        """
        if drop.stored.size_bytes > PART_BYTES:  # a smaller one is planned sooner than looked for
            with suppress(NotFound):
                return Seen(self._store.batch(drop.batch_id))
        batch, chunks = self._read(drop, self._ids.fresh())
        if not (batch.refusal or batch.dry_run):
            batch, chunks = self._check_content(batch, chunks, drop)
        return self._create(batch, chunks)

    def _create(self, batch: Batch, chunks: _Planned) -> Seen:
        """Create a batch, of which there may be one by now, and of few chunks in one write with them."""
        first = list(islice(chunks, UNTOUCHED_MAX))
        if batch.chunks > len(first):
            self._store.add_chunks(batch.batch_id, batch.plan_id, chunks)
            is_new = self._store.create_batch(batch)
        else:
            is_new = self._store.create_batch(batch, first)
        if not is_new:
            return Seen(self._store.batch(batch.batch_id))
        tell("batch planned", batch, **_numbers(batch))
        return Seen(batch, first, chunks.first_body)

    def _check_content(self, batch: Batch, chunks: _Planned, drop: Drop) -> tuple[Batch, _Planned]:
        """Refuse what was accepted under another name already; note which batch it reverses."""
        sha256 = batch.source.sha256
        reverses = self._store.reversal_of(sha256)
        if reverses:
            batch = batch.replaced(reverses=reverses)
            earlier, why = self._claim_reversal(reverses, batch.batch_id), _REVERSED
        elif drop.is_named:
            return batch, chunks
        else:
            earlier, why = self._claim_content(sha256, batch.batch_id), _REPEATED
            if drop.allows_duplicate:  # it was claimed all the same, so that the next one is refused
                earlier = None
        if earlier is None:
            return batch, chunks
        blank = self._blank(drop, batch.plan_id)
        return blank.replaced(source=batch.source, refusal=why.format(earlier)), _Planned([])

    def _claim_content(self, sha256: str, batch_id: str) -> str | None:
        """Claim a content; the id of a batch that has it, unless surely nothing of that was applied."""
        now = self._clock.now()
        earlier = self._store.claim_content(sha256, batch_id, now, now + REPEAT_REFUSED)
        if earlier is None or not self._left_no_trace(earlier):
            return earlier
        return self._store.claim_content(sha256, batch_id, now, now + REPEAT_REFUSED, instead_of=earlier)

    def _left_no_trace(self, batch_id: str) -> bool:
        try:
            return self._store.batch(batch_id).left_no_trace
        except NotFound:
            return False  # it is being planned at this moment

    def _claim_reversal(self, reverses: str, batch_id: str) -> str | None:
        """Link the reversed batch to the one that does it; the id of another one that did so before."""
        reversed_batch = self._store.batch(reverses)
        earlier = reversed_batch.reversed_by
        if earlier == batch_id:
            return None
        if earlier and not self._left_no_trace(earlier):
            return earlier
        self._store.save_batch(reversed_batch.changed(reversed_by=batch_id))
        return None

    def _read(self, drop: Drop, plan_id: str) -> tuple[Batch, _Planned]:
        try:
            with _collector_off():
                try:
                    return _Reading(self, drop, plan_id, encoding=None).finish()
                except NotUtf8:
                    anew = drop._replace(blocks=None)
                    return _Reading(self, anew, plan_id, encoding="cp1252").finish()
        except FileRefused as refused:
            return self._blank(drop, plan_id).replaced(refusal=refused.message), _Planned([])

    def _blank(self, drop: Drop, plan_id: str) -> Batch:
        now = self._clock.now()
        stored = drop.stored
        return Batch(
            batch_id=drop.batch_id,
            status=BatchStatus.PLANNED,
            plan_id=plan_id,
            source=Source(bucket=stored.bucket, key=stored.key, version_id=stored.version_id),
            dry_run=drop.is_dry_run,
            created_at=now,
            deadline_at=now + DEADLINE,
        )


class _Reading:
    """One reading of one file from its first byte to its last."""

    def __init__(self, planner: Planner, drop: Drop, plan_id: str, encoding: str | None) -> None:
        self._files = planner._files
        self._rules = planner._rules
        self._blank = planner._blank(drop, plan_id)
        self._scratch = planner._scratch
        self._keys = WorkKeys(drop.batch_id, plan_id)
        self._reader = CsvReader(
            drop.blocks or self._files.blocks(drop.stored),
            amount_max=planner._rules.amount_max,
            gzipped=drop.stored.key.lower().endswith(".gz"),
            encoding=encoding,
            block_bytes=PART_BYTES,
        )
        self._tally = _Tally()
        self._bodies: dict[str, bytes] = {}

    def finish(self) -> tuple[Batch, _Planned]:
        """Read everything, check the file as a whole, and give the batch and its chunks."""
        occurrences = DuplicateFinder(self._scratch)
        try:
            with self._files.putting() as put:
                segments = self._cut(occurrences, put)
            repeats = occurrences.repeats(CUSTOMER_ROWS_MAX)
            first = next(repeats, None)
            chunks = segments
            if first:
                with self._files.putting() as put:
                    chunks = self._repack(segments, chain([first], repeats), put)
        finally:
            occurrences.close()
        self._check_bad_share()
        return self._batch(chunks, has_repeats=first is not None), _Planned(chunks, self._bodies)

    def _cut(self, occurrences: DuplicateFinder, put: Put) -> list[_Cut]:
        """Stream the rows into parts and, as long as no customer repeats, chunks."""
        packer = Packer(self._rules.canary_rows)
        segments: list[_Cut] = []
        for part in self._reader.parts:
            rows = rows_json(part.customer_ids, part.amounts, part.reasons)
            self._keep_rows(part, put)
            self._tally.add(part.amounts, rows)
            occurrences.add(part.customer_ids)
            if self._rules.adds_token:
                rows = rows_json(part.customer_ids, part.amounts, self._with_tokens(part))
            segments += (
                self._keep(cut, self._keys.segment(cut.chunk_id), put) for cut in packer.add(1, rows)
            )
        segments += (self._keep(rest, self._keys.segment(rest.chunk_id), put) for rest in packer.rest())
        return segments

    def _keep(self, packed: PackedChunk, key: str, put: Put) -> _Cut:
        """Keep a chunk's body, and that of the first one at hand as well: it is sent at once."""
        body = body_of(packed.rows)
        if packed.chunk_id == _FIRST:
            self._bodies[key] = body
        put(key, body, "application/json")
        return _Cut(packed.chunk_id, packed.wave, key, len(packed.rows), sha256_of(body))

    def _with_tokens(self, part: ValidatedRows) -> list[str]:
        batch_id = self._blank.batch_id
        numbered = zip(part.reasons, part.lines, strict=True)
        return [with_token(reason, batch_id, line) for reason, line in numbered]

    def _keep_rows(self, part: ValidatedRows, put: Put) -> None:
        """Keep a part of the input as it was read."""
        tally = self._tally
        tally.rows += len(part.lines) + len(part.rejections)
        tally.parts += 1
        tally.rejected += len(part.rejections)
        if tally.rows > ROWS_MAX:
            raise FileRefused("too_many_rows", f"the file has more than {ROWS_MAX:,} rows: split it")
        put(self._keys.rows(tally.parts), rows_part(self._reader.format.header, part), _KEPT_AS)

    def _repack(self, segments: list[_Cut], repeats: Iterable[tuple[int, int]], put: Put) -> list[_Cut]:
        """Cut the chunks anew, with repeated customers in waves of their own, or nowhere when they repeat too
        often.
        """
        packer = Packer(self._rules.canary_rows)
        chunks: list[_Cut] = []
        accepted = self._tally.rows - self._tally.rejected
        with self._files.writing(self._keys.repeats, "application/octet-stream") as kept:
            wave_of_row = waves(accepted, _copied(repeats, kept))
            for segment in segments:
                rows = rows_of(self._files.get(segment.key))
                by_wave: dict[int, list[bytes]] = {}
                for wave, row in zip(islice(wave_of_row, len(rows)), rows, strict=True):
                    by_wave.setdefault(wave, []).append(row)
                self._tally.leave_out(by_wave.pop(0, ()))
                packed = chain.from_iterable(packer.add(wave, by_wave[wave]) for wave in by_wave)
                chunks += (self._keep(cut, self._keys.chunk(cut.chunk_id), put) for cut in packed)
        chunks += (self._keep(rest, self._keys.chunk(rest.chunk_id), put) for rest in packer.rest())
        return sorted(chunks)

    def _check_bad_share(self) -> None:
        rows, rejected = self._tally.rows, self._tally.rejected
        if rows >= BAD_ROWS_COUNTED_FROM and rejected * 100 > BAD_ROWS_PERCENT_MAX * rows:
            raise FileRefused(
                "too_many_bad_rows",
                f"{rejected} of {rows} rows are bad, more than {BAD_ROWS_PERCENT_MAX} %: the file was "
                "probably exported wrongly. Correct it and drop it again; nothing of it was sent",
            )

    def _batch(self, chunks: list[_Cut], has_repeats: bool) -> Batch:
        tally = self._tally
        held_by = tuple(self._guards())
        return self._blank.replaced(
            status=BatchStatus.AWAITING_APPROVAL if held_by else BatchStatus.PLANNED,
            source=self._blank.source.replaced(sha256=tally.digest.hexdigest()),
            counts=Counts(rows=tally.rows, rejected=tally.rejected),
            total=plain(tally.total),
            absolute_total=plain(tally.absolute),
            notes=tuple(_told(self._reader.format)),
            chunks=len(chunks),
            waves=max((chunk.wave for chunk in chunks), default=0),
            row_parts=tally.parts,
            has_canary=self._rules.canary_rows > 0 and len(chunks) > 1,
            has_repeats=has_repeats,
            held_by=held_by,
        )

    def _guards(self) -> Iterator[str]:
        """Why a person has to approve the batch first."""
        if self._blank.dry_run:
            return
        rules, tally = self._rules, self._tally
        accepted = tally.rows - tally.rejected
        if rules.approval_above_rows and accepted > rules.approval_above_rows:
            yield f"{accepted} rows are more than ApprovalAboveRows ({rules.approval_above_rows})"
        if rules.approval_above_total and tally.absolute > rules.approval_above_total:
            limit = plain(rules.approval_above_total)
            yield f"amounts of {plain(tally.absolute)} in all are more than ApprovalAboveTotal ({limit})"


@contextmanager
def _collector_off() -> Iterator[None]:
    """Rows hold no cycles, and looking for them took a fifth of all planning (docs/benchmarks.md)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _numbers(batch: Batch) -> dict[str, str | int]:
    counts = batch.counts
    numbers = {"rows": counts.rows, "rejected": counts.rejected, "chunks": batch.chunks, "waves": batch.waves}
    return {**numbers, "status": batch.status.value, "refused": bool(batch.refusal)}


def _says_true(stored: StoredObject, name: str) -> bool:
    return stored.metadata.get(name, "").strip().lower() == "true"


def _told(notes: FileFormat) -> Iterator[str]:
    """What a person should know of how the file was read."""
    encoding = _ENCODINGS.get(notes.encoding, notes.encoding.upper())
    yield f"read as {encoding}, columns divided by {_DELIMITERS[notes.delimiter]}"
    if notes.ignored_columns:
        named = ", ".join(shown(name) for name in notes.ignored_columns[:COLUMNS_TOLD_MAX])
        more = len(notes.ignored_columns) - COLUMNS_TOLD_MAX
        yield f"ignored columns: {named}" + (f" and {more} more" if more > 0 else "")


def _copied(pairs: Iterable[tuple[int, int]], kept: Writing) -> Iterator[tuple[int, int]]:
    for pair in pairs:
        kept.write(REPEAT.pack(*pair))
        yield pair
