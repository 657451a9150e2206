"""Accepts the same rows once, and a reversal once: claims a file's content, holds or refuses a batch whose
rows were applied before, and writes which of its rows are new.
"""

import hashlib
from collections.abc import Set
from datetime import datetime
from typing import Final, NamedTuple

from adjustments.batches.batch_parts import Overlap
from adjustments.batches.files import NEW_ROWS, Files
from adjustments.batches.payloads import content_of, identity, rows_json
from adjustments.batches.records import Batch
from adjustments.batches.row_index import (
    INLINE_ROWS_MAX,
    Fingerprinter,
    IndexReader,
    IndexSorter,
    customer_digests,
    write_index,
)
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import (
    BatchStore,
    IndexEntry,
    find_batch,
    update_batch,
)
from adjustments.batches.work_files import PlannedRow, WorkKeys, read_header, read_rows
from adjustments.core.errors import NotFound, WrongState
from adjustments.core.runtime import Clock
from adjustments.submission.csv.writer import InputRowsWriter
from adjustments.submission.guards import is_overlap_held
from adjustments.submission.overlap import (
    LOOK_BACK,
    PLANNING_MAX,
    EarlierRows,
    Found,
    OverlapSearch,
    describe,
    new_rows_advice,
)
from adjustments.submission.plan import Drop, IndexedRows, PlanRules

CONTENT_CLAIM: Final = LOOK_BACK
"""How long the same content is refused, whatever its name."""

_DUPLICATE: Final = "the same rows were accepted before, as batch {}: nothing of this {} was sent. {}"

_LET_FILE_THROUGH: Final = (
    "If they are really meant to be applied again, drop the file with the object metadata "
    "allow-duplicate: true (adjust submit --allow-duplicate)"
)
_LET_COPY_THROUGH: Final = (
    "The object is a copy, and a copy takes no permission over: if the rows are really meant to be applied "
    "once more, upload the file again with the object metadata allow-duplicate: true (adjust submit "
    "--allow-duplicate)"
)
LET_BODY_THROUGH: Final = (
    "If they are really meant to be applied again, send the body with a new Idempotency-Key, or with "
    '"allowDuplicate": true in it'
)
"""What lets a body of the API through whose rows were accepted before."""

_IN_PLANNING: Final = (
    "the same rows are being planned at this moment, as batch {}: nothing of this {} was sent. If there is "
    "no such batch in an hour, send it again"
)

_REVERSED: Final = (
    "the batch that this file reverses was reversed already, by batch {}: nothing of it was sent"
)


class Claim(NamedTuple):
    """The result of a claim.

    ``reverses`` is the id of the batch that the file reverses, ``refusal`` says why the file is refused;
    ``duplicate_of`` is the batch for whose rows that is so, and ``repeats`` the one whose rows may be applied
    again; each is empty where that is not so.
    """

    reverses: str = ""
    refusal: str = ""
    duplicate_of: str = ""
    repeats: str = ""


def claim_content(drop: Drop, sha256: str, store: BatchStore, now: datetime) -> Claim:
    """Claim a file's content for its batch, so that no other batch applies the same rows.

    Claiming again for the same batch gives the same result, so a killed planning run can be repeated.

    Args:
        drop: what is planned.
        sha256: the hash of its accepted rows.
        store: where claims are kept.
        now: the time from which the claim counts.
    """
    if reverses := store.reversed_batch(sha256):
        # The same rows may have been dropped before the reversal was made, when it was not known to be one.
        holder = _claim_rows(sha256, drop.batch_id, store, now) or drop.batch_id
        if holder != drop.batch_id and not find_batch(store, holder):
            return Claim(reverses, _IN_PLANNING.format(holder, "file"))
        reverser = _claim_reversal(reverses, holder, store) or holder
        return Claim(reverses, "" if reverser == drop.batch_id else _REVERSED.format(reverser))
    if drop.is_named:
        return Claim()
    earlier = _claim_rows(sha256, drop.batch_id, store, now)
    # With allow-duplicate the content is claimed all the same, so that the next file is refused.
    if earlier is None or drop.allows_duplicate:
        return Claim(repeats=earlier or "")
    return Claim(refusal=_refusal(drop, earlier, store), duplicate_of=earlier)


def _refusal(drop: Drop, earlier: str, store: BatchStore) -> str:
    what = "body" if drop.is_body else "file"
    if not find_batch(store, earlier):
        return _IN_PLANNING.format(earlier, what)
    if drop.is_body:
        return _DUPLICATE.format(earlier, what, LET_BODY_THROUGH)
    return _DUPLICATE.format(
        earlier, what, _LET_COPY_THROUGH if drop.is_copied_permission else _LET_FILE_THROUGH
    )


def _claim_rows(sha256: str, batch_id: str, store: BatchStore, now: datetime) -> str | None:
    """Claim rows; the id of the batch that has them, unless nothing of that batch was applied for certain."""
    until = now + CONTENT_CLAIM
    earlier = store.claim_content(sha256, batch_id, now, until)
    if earlier is None:
        return None
    holder = find_batch(store, earlier)
    if holder is None:  # only a claim of the last hour still stands
        return store.claim_content(sha256, batch_id, until - PLANNING_MAX, until)
    if not holder.changed_no_balance:
        return earlier
    return store.claim_content(sha256, batch_id, now, until, replaces=earlier)


def _claim_reversal(reverses: str, batch_id: str, store: BatchStore) -> str | None:
    """Link the reversed batch to the one that reverses it; the id of another batch that did so before."""
    reversed_batch = store.batch(reverses)
    earlier = reversed_batch.reversed_by
    if earlier == batch_id:
        return None
    reverser = find_batch(store, earlier) if earlier else None
    if earlier and not (reverser and reverser.changed_no_balance):
        return earlier
    store.save_batch(reversed_batch.changed(reversed_by=batch_id))
    return None


class GuardPorts(NamedTuple):
    """What the guard needs of the outside world."""

    files: Files
    store: BatchStore
    clock: Clock


def guard_overlap(
    batch: Batch, drop: Drop, indexed: IndexedRows, rules: PlanRules, ports: GuardPorts
) -> Batch:
    """Register a batch's rows, and compare them with those of earlier batches.

    Args:
        batch: the batch as it is planned so far.
        drop: what is planned.
        indexed: its accepted rows.
        rules: the share of earlier rows from which on a batch is held.
        ports: the outside world.

    Returns:
        The batch with a note on earlier rows; held or refused where the rules say so.
    """
    entry = _keep_index(batch, indexed.sorter, ports.files)
    if not batch.dry_run:
        entry = _keep_customers(entry, batch, indexed.customers, ports.files)
        ports.store.register_rows(entry)  # before the others are read: of two at once, one sees the other
    instead_of = _superseded_batch(batch, ports.store)
    search = OverlapSearch(
        batch_id=batch.batch_id,
        files=ports.files,
        store=ports.store,
        now=ports.clock.now(),
        instead_of=instead_of,
        counts_customers=bool(batch.held_by),
    )
    found = search.find(_own_index(entry, ports.files))
    batch = batch.replaced(supersedes="" if batch.dry_run else instead_of)
    if batch.preview:
        batch = batch.replaced(preview=batch.preview.replaced(new_customers=found.new_customers))
    if not found.rows:
        return batch
    batch = batch.replaced(overlap=Overlap(rows=found.rows, batches=found.batches))
    return _hold_or_refuse(batch, found, drop, indexed.rejected_customers, rules, ports)


def _keep_index(batch: Batch, sorter: IndexSorter, files: Files) -> IndexEntry:
    """Keep the index of a batch's rows: beside its entry in the table where they are few."""
    if sorter.rows <= INLINE_ROWS_MAX:
        fingerprints = b"".join(part.tobytes() for part in sorter.parts())
        return IndexEntry(batch.batch_id, batch.created_at, sorter.rows, fingerprints=fingerprints)
    key = WorkKeys(batch.batch_id, batch.plan_id).row_index
    with files.writer(key, "application/octet-stream") as out:
        write_index(sorter, out)
    return IndexEntry(batch.batch_id, batch.created_at, sorter.rows, key=key)


def _keep_customers(entry: IndexEntry, batch: Batch, sorter: IndexSorter, files: Files) -> IndexEntry:
    """Keep the index of a batch's customers: beside its entry in the table where they are few."""
    if sorter.rows <= INLINE_ROWS_MAX:
        customers = b"".join(part.tobytes() for part in sorter.parts())
        return entry._replace(customers_rows=sorter.rows, customers=customers)
    key = WorkKeys(batch.batch_id, batch.plan_id).customer_index
    with files.writer(key, "application/octet-stream") as out:
        write_index(sorter, out)
    return entry._replace(customers_rows=sorter.rows, customers_key=key)


def _own_index(entry: IndexEntry, files: Files) -> IndexReader:
    return IndexReader.of_object(files, entry.key) if entry.key else IndexReader([entry.fingerprints])


def _superseded_batch(batch: Batch, store: BatchStore) -> str:
    """The held batch whose new rows these are, stopped by now; empty where there is none that waits.

    A dry run stops nothing.
    """
    held_id = store.remainder_of(batch.source.sha256)
    if not held_id or held_id == batch.batch_id:
        return ""
    if batch.dry_run:
        return held_id if store.batch(held_id).status is BatchStatus.AWAITING_APPROVAL else ""
    try:
        update_batch(store, held_id, lambda held: _stopped_instead(held, batch.batch_id))
    except (WrongState, NotFound):  # it was approved or has ended: its rows count
        return ""
    return held_id


def _stopped_instead(held: Batch, batch_id: str) -> Batch:
    reason = f"{NEW_ROWS} was dropped instead, as batch {batch_id}"
    if held.stop_reason == reason:
        return held.changed()
    if held.status is not BatchStatus.AWAITING_APPROVAL:
        raise WrongState(f"batch {held.batch_id} does not wait for approval")
    return held.moved(BatchStatus.SUBMITTING, stop_reason=reason)


def _hold_or_refuse(
    batch: Batch, found: Found, drop: Drop, rejected_customers: Set[str], rules: PlanRules, ports: GuardPorts
) -> Batch:
    accepted = batch.accepted_rows
    note = describe(found, accepted)
    is_held = is_overlap_held(found.rows, accepted, rules.hold_overlap_percent)
    if batch.dry_run:
        waits = not drop.is_repetition or (drop.is_held_repetition and rules.needs_approval)
        if is_held and waits and not batch.reverses:
            note += ": a real run waits for approval"
        return batch.replaced(notes=(*batch.notes, note))
    if drop.is_repetition or batch.reverses or not is_held:
        noted = batch.replaced(notes=(*batch.notes, f"{note}: they are applied again"))
        return hold_repetition(noted, note, drop, rules) if is_held else noted
    if drop.is_body:
        refusal = f"{note}: nothing of this body was sent. {LET_BODY_THROUGH}"
        return batch.replaced(refusal=refusal, duplicate_of=found.batches[0].batch_id)
    new_rows = _NewRows(batch, rejected_customers, ports.files).write(EarlierRows(found.fingerprints))
    if new_rows.rows:
        ports.store.record_remainder(new_rows.sha256, batch.batch_id)
    why = f"{note}; {new_rows_advice(new_rows.rows)}"
    overlap = Overlap(rows=found.rows, new_rows=new_rows.rows, batches=found.batches)
    return batch.replaced(
        status=BatchStatus.AWAITING_APPROVAL, held_by=(*batch.held_by, why), overlap=overlap
    )


def hold_repetition(batch: Batch, said: str, drop: Drop, rules: PlanRules) -> Batch:
    """Hold a batch whose rows are applied again by its own permission, where batches need approvals."""
    if batch.reverses or not (drop.is_held_repetition and rules.needs_approval):
        return batch
    why = f"allow-duplicate: {said}; approve to apply them again"
    return batch.replaced(status=BatchStatus.AWAITING_APPROVAL, held_by=(*batch.held_by, why))


class _Written(NamedTuple):
    """How many new rows were written, and the hash of their content."""

    rows: int
    sha256: str


class _NewRows:
    """Writes new-rows.csv of one batch."""

    def __init__(self, batch: Batch, rejected_customers: Set[str], files: Files) -> None:
        self._batch = batch
        self._rejected_customers = rejected_customers
        self._files = files
        self._keys = WorkKeys(batch.batch_id, batch.plan_id)

    def write(self, earlier: EarlierRows) -> _Written:
        """Write the accepted rows that no earlier batch has, as they stood in the file."""
        count, digest, fingerprinter = 0, hashlib.sha256(), Fingerprinter()
        parts = [self._keys.rows(number) for number in range(1, self._batch.row_parts + 1)]
        header = read_header(self._files.get(parts[0]))
        with self._files.writer(f"results/{self._batch.batch_id}/{NEW_ROWS}", "text/csv") as out:
            writer = InputRowsWriter(out, self._batch.csv_dialect, header, has_errors=False)
            for key in parts:
                rows = self._new_rows(self._files.get(key), earlier, fingerprinter)
                for row in rows:
                    writer.write(row)
                digest.update(_content(rows) if rows else b"")
                count += len(rows)
            writer.flush()
        return _Written(count, digest.hexdigest())

    def _new_rows(self, part: bytes, earlier: EarlierRows, fingerprinter: Fingerprinter) -> list[PlannedRow]:
        accepted = (row for row in read_rows(part) if not row.rejection_message)
        rows = [row for row in accepted if row.customer_id not in self._rejected_customers]
        fingerprints = fingerprinter.fingerprints(
            customer_digests(row.customer_id for row in rows),
            [row.amount for row in rows],
            [identity(row.reason, row.own_id) for row in rows],
        )
        return [row for row, one in zip(rows, fingerprints, strict=True) if not earlier.has(one)]


def _content(rows: list[PlannedRow]) -> bytes:
    return content_of(
        rows_json(
            [row.customer_id for row in rows],
            [row.amount for row in rows],
            [row.reason for row in rows],
            [row.own_id for row in rows],
        )
    )
