"""Plans a dropped file: reads it once, validates every row, and writes what would be sent. Sends nothing.

A plan is repeatable: nothing counts until the batch itself is created, which only one planning run can do.
What a run that was killed or came second has written lies under its own ``plan_id`` and is never read.
"""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Final, TypeVar

from adjustments.aws.event_log import log_event
from adjustments.batches.batch_parts import Counts, Source
from adjustments.batches.files import Files
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.row_index import IndexSorter
from adjustments.batches.states import BatchStatus, SendAs
from adjustments.batches.store import UNTOUCHED_MAX, BatchStore, Snapshot
from adjustments.batches.unapproved import Unapproved
from adjustments.batches.work_files import ValidatedRows
from adjustments.core.decimals import exact_sum, plain
from adjustments.core.errors import FileRefused, FileUnreadable, NotFound, WrongState
from adjustments.core.runtime import Clock, Ids
from adjustments.submission import chunk_builder
from adjustments.submission.chunk_builder import BuiltChunks, ChunkBuilder
from adjustments.submission.csv.reader import CsvReader, FileFormat, ReadAgain, ReadOptions
from adjustments.submission.csv.transaction_validator import TransactionRules
from adjustments.submission.description import notes_on_format, notes_on_rows, sending_note
from adjustments.submission.duplicates import Scratch
from adjustments.submission.guards import Totals, approval_reasons, sum_reasons
from adjustments.submission.overlap_guard import GuardPorts, claim_content, guard_overlap, hold_repetition
from adjustments.submission.plan import Drop, IndexedRows, PlannedChunks, PlanRules, options_of

DEADLINE: Final = timedelta(hours=6)
"""How long a batch may take before a person has to look: Gameball's own limit lets 10 million rows through in
15 minutes, so whatever is open after hours will not end by itself."""

TIMES_AT_LIMIT: Final = 2
"""How much longer than at the rate limit transactions may take, on top of the deadline: others use it too."""

PLANNING_TIME_MAX: Final = timedelta(minutes=12)
"""How long one file may be planned: the largest takes two minutes (docs/benchmarks.md), and the function is
killed after 15, which says nothing to anybody.
"""

_Piece = TypeVar("_Piece", bytes, ValidatedRows)

_TOO_SLOW: Final = (
    "the file took more than {} minutes to read, and nothing of it was sent. Split it into smaller files, "
    "and remove columns that no row needs"
)

_RECURRING_IDS: Final = (
    "the file is submitted at each tick of a schedule, and has transactionIds of its own, which Gameball "
    "applies once: from the second tick on nothing would be applied. Remove the column, so that each tick "
    "has new ids"
)

DELETED_MESSAGE: Final = (
    "the file was deleted before it could be read, so this batch sent nothing. If no other batch shows it as "
    "done, upload it again"
)

READINGS_MAX: Final = 3
"""How often a file is read again: for its encoding, for decimal commas, and as transactions."""

CREATE_TRIES_MAX: Final = 20
"""Tries to create a batch while others change the sums that it is judged by; some ten seconds."""

CREATE_PAUSE_S: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class PlannerPorts:
    """What planning needs of the outside world, and the rules that it follows."""

    files: Files
    store: BatchStore
    clock: Clock
    ids: Ids
    scratch: Scratch
    rules: PlanRules


def plan_batch(drop: Drop, ports: PlannerPorts) -> Snapshot:
    """Plan a drop, or find the batch that it became before.

    Args:
        drop: what is planned.
        ports: the outside world.

    Returns:
        The batch, which says so where the file is refused; of a new batch its first chunks too.
    """
    # A small one is planned sooner than found; but of a tick's files, each must come to its turn.
    if drop.is_named or drop.stored.size_bytes > chunk_builder.PART_BYTES:
        with suppress(NotFound):
            return Snapshot(ports.store.batch(drop.batch_id))
    blank = _blank(drop, ports)
    indexed = IndexedRows(IndexSorter(ports.scratch), IndexSorter(ports.scratch), set())
    try:
        batch, chunks = _read(blank, drop, indexed, ports)
        if not batch.refusal:
            batch = _guarded(blank, batch, drop, indexed, ports)
            chunks = PlannedChunks() if batch.refusal else chunks
        return _create(batch, chunks, drop, ports)
    except FileRefused as refused:
        return _create(blank.replaced(refusal=refused.message), PlannedChunks(), drop, ports)
    finally:
        indexed.close()


def _guarded(blank: Batch, batch: Batch, drop: Drop, indexed: IndexedRows, ports: PlannerPorts) -> Batch:
    """Look whether the same content, or some of its rows, were accepted before."""
    repeats = ""
    if batch.dry_run:
        ports.store.record_dry_run(batch.source.sha256, batch.batch_id)
    elif batch.counts.rejected < batch.counts.rows:  # without an accepted row there is nothing to repeat
        claim = claim_content(drop, batch.source.sha256, ports.store, ports.clock.now())
        if claim.refusal:
            known = {"source": batch.source, "csv_dialect": batch.csv_dialect, "send_as": batch.send_as}
            return blank.replaced(refusal=claim.refusal, duplicate_of=claim.duplicate_of, **known)
        batch, repeats = batch.replaced(reverses=claim.reverses), claim.repeats
    guard_ports = GuardPorts(ports.files, ports.store, ports.clock)
    held_before = batch.held_by
    batch = guard_overlap(batch, drop, indexed, ports.rules, guard_ports)
    if repeats and batch.held_by == held_before:  # all its rows are those of another batch, however many
        said = f"the same rows were accepted before, as batch {repeats}"
        batch = hold_repetition(batch, said, drop, ports.rules)
    if not batch.refusal:
        return batch
    return blank.replaced(
        source=batch.source,
        send_as=batch.send_as,
        csv_dialect=batch.csv_dialect,
        refusal=batch.refusal,
        duplicate_of=batch.duplicate_of,
        overlap=batch.overlap,
    )


def _read(blank: Batch, drop: Drop, indexed: IndexedRows, ports: PlannerPorts) -> tuple[Batch, PlannedChunks]:
    """Read a file, again where its content shows that it must be read in another way."""
    defaults = ports.rules.read_defaults
    if drop.send_as:
        defaults = defaults._replace(send_as=drop.send_as)
    options = options_of(drop.stored.metadata, defaults)
    with _garbage_collector_off():
        for _ in range(READINGS_MAX):
            try:
                return _read_with(options, blank, drop, indexed, ports)
            except ReadAgain as again:
                indexed.clear()
                options, drop = again.options, drop._replace(blocks=None)
        return _read_with(options, blank, drop, indexed, ports)


def _read_with(
    options: ReadOptions, blank: Batch, drop: Drop, indexed: IndexedRows, ports: PlannerPorts
) -> tuple[Batch, PlannedChunks]:
    send_as = SendAs.TRANSACTIONS if options.are_transactions else SendAs.BATCH
    reader = CsvReader(
        _in_time(drop.blocks or _blocks(drop, ports), blank, ports),
        amount_max=ports.rules.amount_max,
        gzipped=drop.stored.key.lower().endswith(".gz"),
        options=options,
        block_bytes=chunk_builder.PART_BYTES,
        transactions=_transaction_rules(options, blank) if options.are_transactions else None,
    )
    reader.parts = _in_time(reader.parts, blank, ports)
    builder = ChunkBuilder(
        reader,
        batch_id=blank.batch_id,
        plan_id=blank.plan_id,
        files=ports.files,
        scratch=ports.scratch,
        rules=ports.rules,
        indexed=indexed,
        send_as=send_as,
    )
    built = builder.build()
    if drop.due_at and built.has_own_ids:
        raise FileRefused("recurring_transaction_ids", _RECURRING_IDS)
    notes = [
        *notes_on_format(reader.format, options),
        *notes_on_rows(built.repeated_rows, builder.look_alikes),
    ]
    as_read = _read_batch(blank, builder.totals, built, reader.format)
    note = sending_note(options, reader.format, builder.totals.accepted, len(built.chunks), ports.rules)
    as_read = as_read.replaced(send_as=send_as, sending_note=note, notes=tuple(notes))
    if refusal := builder.totals.bad_rows.refusal(builder.totals.rows):
        return as_read.replaced(refusal=refusal), PlannedChunks()
    batch = _planned(as_read, builder.totals, built, ports.rules)
    customers = sum(chunk.rows for chunk in built.chunks if chunk.wave == 1)  # each has one row there
    batch = batch.replaced(preview=builder.preview_collector.preview(builder.totals, customers))
    return batch, PlannedChunks(built.chunks, built.first_body)


def _in_time(pieces: Iterator[_Piece], blank: Batch, ports: PlannerPorts) -> Iterator[_Piece]:
    """Raise FileRefused where there is a further piece, and planning has taken too long by now."""
    for piece in pieces:
        if ports.clock.now() >= blank.created_at + PLANNING_TIME_MAX:
            minutes = int(PLANNING_TIME_MAX.total_seconds()) // 60
            raise FileRefused("planning_too_slow", _TOO_SLOW.format(minutes))
        yield piece


def _blocks(drop: Drop, ports: PlannerPorts) -> Iterator[bytes]:
    """Read the object from its beginning; raises FileUnreadable where it was deleted meanwhile."""
    try:
        yield from ports.files.blocks(drop.stored)
    except NotFound as absent:
        raise FileUnreadable("file_unreadable", DELETED_MESSAGE) from absent


def _planned(batch: Batch, totals: Totals, built: BuiltChunks, rules: PlanRules) -> Batch:
    time_at_limit = timedelta(seconds=0)
    if batch.send_as is SendAs.TRANSACTIONS:
        time_at_limit = rules.time_at_limit(totals.accepted)
    held_by = () if batch.dry_run else tuple(approval_reasons(totals.accepted, totals.absolute, rules))
    return batch.replaced(
        status=BatchStatus.AWAITING_APPROVAL if held_by else BatchStatus.PLANNED,
        source=batch.source.replaced(sha256=totals.digest.hexdigest()),
        chunks=len(built.chunks),
        waves=max((chunk.wave for chunk in built.chunks), default=0),
        has_canary=rules.canary_rows > 0 and len(built.chunks) > 1,
        held_by=held_by,
        deadline_at=batch.deadline_at + TIMES_AT_LIMIT * time_at_limit,
    )


def _transaction_rules(options: ReadOptions, blank: Batch) -> TransactionRules:
    return TransactionRules(blank.batch_id, blank.created_at, options.reason, options.username)


def _read_batch(blank: Batch, totals: Totals, built: BuiltChunks, file_format: FileFormat) -> Batch:
    """The batch of a file that was read to its end: its rows are known, and no chunk is its own yet."""
    return blank.replaced(
        counts=Counts(rows=totals.rows, rejected=totals.rejected),
        total=plain(totals.amount),
        absolute_total=plain(totals.absolute),
        row_parts=totals.parts,
        has_repeats=built.has_repeats,
        csv_dialect=file_format.dialect,
    )


def _blank(drop: Drop, ports: PlannerPorts) -> Batch:
    """The batch of a drop before anything was read of it."""
    now = ports.clock.now()
    stored = drop.stored
    return Batch(
        batch_id=drop.batch_id,
        status=BatchStatus.PLANNED,
        plan_id=ports.ids.fresh(),
        source=Source(bucket=stored.bucket, key=stored.key, version_id=stored.version_id),
        submitted_by=drop.submitter,
        dry_run=drop.is_dry_run,
        created_at=now,
        deadline_at=now + DEADLINE,
    )


def _create(batch: Batch, chunks: PlannedChunks, drop: Drop, ports: PlannerPorts) -> Snapshot:
    """Create a batch, unless another run has done so by now; few chunks go into the same write."""
    first = list(islice(chunks, UNTOUCHED_MAX))
    together = first
    if batch.chunks > len(first):
        ports.store.add_chunks(batch.batch_id, batch.plan_id, chunks)
        together = []
    for tries in range(1, CREATE_TRIES_MAX + 1):
        counted, unapproved = _count(batch, drop, ports)
        if counted.status is not BatchStatus.AWAITING_APPROVAL:
            counted = counted.replaced(preview=None)
        if ports.store.create_batch(counted, together, unapproved):
            return _created(counted, first, chunks.first_body)
        with suppress(NotFound):
            return Snapshot(ports.store.batch(batch.batch_id))
        ports.clock.sleep(CREATE_PAUSE_S * (tries + ports.ids.jitter()))
    raise WrongState("many batches are being submitted at this moment: submit this one again")


def _count(batch: Batch, drop: Drop, ports: PlannerPorts) -> tuple[Batch, Unapproved | None]:
    """Count a batch that needs no approval among those of the last 24 hours; hold it if they are too many.

    A tick of the schedule counts from the time when it was due, so that the same file may come every day.
    """
    is_counted = batch.status is BatchStatus.PLANNED and batch.accepted_rows
    if batch.dry_run or batch.refusal or not (is_counted and ports.rules.needs_approval):
        return batch, None
    unapproved, at = ports.store.unapproved(), drop.due_at or batch.created_at
    rows, total = unapproved.sums(at)
    own = Decimal(batch.absolute_total)
    reasons = sum_reasons(rows + batch.accepted_rows, exact_sum([total, own]), ports.rules)
    if held_by := tuple(reasons):
        return batch.replaced(status=BatchStatus.AWAITING_APPROVAL, held_by=held_by), None
    return batch, unapproved.with_batch(at, batch.accepted_rows, own)


def _created(batch: Batch, first: Sequence[Chunk], first_body: bytes) -> Snapshot:
    log_event(
        "batch planned",
        batch,
        rows=batch.counts.rows,
        rejected=batch.counts.rejected,
        chunks=batch.chunks,
        waves=batch.waves,
        status=batch.status.value,
        refused=bool(batch.refusal),
        send_as=batch.send_as.value,
    )
    return Snapshot(batch, first, first_body)


@contextmanager
def _garbage_collector_off() -> Iterator[None]:
    """Rows hold no reference cycles, and looking for some took a fifth of planning (docs/benchmarks.md)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
