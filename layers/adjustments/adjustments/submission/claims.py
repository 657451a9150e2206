"""Claims: the same rows are accepted once, and a batch is reversed once."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from adjustments.batches.store import BatchStore
from adjustments.core.errors import NotFound
from adjustments.submission.plan import Drop

CONTENT_CLAIM: Final = timedelta(days=30)
"""How long the same content is refused, whatever its name."""

_DUPLICATE: Final = "the same rows were accepted before, as batch {}: nothing of this {} was sent. {}"

_LET_FILE_THROUGH: Final = (
    "If they are really meant to be applied again, drop the file with the object metadata "
    "allow-duplicate: true (adjust submit --allow-duplicate)"
)
_LET_COPY_THROUGH: Final = (
    "The object is a copy, and a copy takes no permission over: if the rows are really meant to be applied "
    "once more, upload the file anew with the object metadata allow-duplicate: true (adjust submit "
    "--allow-duplicate)"
)
LET_BODY_THROUGH: Final = (
    "If they are really meant to be applied again, send the body with a new Idempotency-Key, or with "
    '"allowDuplicate": true in it'
)
"""What lets a body of the API through whose rows were accepted before."""

PLANNING_MAX: Final = timedelta(hours=1)
"""How long a claim without a batch stands: its planner was killed by then, since no function runs for longer
than a quarter of it.
"""

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
    ``duplicate_of`` is the batch that has the same rows; each is empty where that is not so.
    """

    reverses: str = ""
    refusal: str = ""
    duplicate_of: str = ""


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
        # The same rows may have been dropped before the reversal was made, when nobody knew it for one.
        holder = _claim_rows(sha256, drop.batch_id, store, now) or drop.batch_id
        if holder != drop.batch_id and not _exists(holder, store):
            return Claim(reverses, _IN_PLANNING.format(holder, "file"))
        reverser = _claim_reversal(reverses, holder, store) or holder
        return Claim(reverses, "" if reverser == drop.batch_id else _REVERSED.format(reverser))
    if drop.is_named:
        return Claim()
    earlier = _claim_rows(sha256, drop.batch_id, store, now)
    # With allow-duplicate the content is claimed all the same, so that the next file is refused.
    if earlier is None or drop.allows_duplicate:
        return Claim()
    return Claim(refusal=_refusal(drop, earlier, store), duplicate_of=earlier)


def _refusal(drop: Drop, earlier: str, store: BatchStore) -> str:
    what = "body" if drop.is_body else "file"
    if not _exists(earlier, store):
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
    if not _exists(earlier, store):  # only a claim of the last hour still stands
        return store.claim_content(sha256, batch_id, until - PLANNING_MAX, until)
    if not _left_no_trace(earlier, store):
        return earlier
    return store.claim_content(sha256, batch_id, now, until, replaces=earlier)


def _claim_reversal(reverses: str, batch_id: str, store: BatchStore) -> str | None:
    """Link the reversed batch to the one that reverses it; the id of another batch that did so before."""
    reversed_batch = store.batch(reverses)
    earlier = reversed_batch.reversed_by
    if earlier == batch_id:
        return None
    if earlier and not _left_no_trace(earlier, store):
        return earlier
    store.save_batch(reversed_batch.changed(reversed_by=batch_id))
    return None


def _exists(batch_id: str, store: BatchStore) -> bool:
    try:
        store.batch(batch_id)
    except NotFound:
        return False
    return True


def _left_no_trace(batch_id: str, store: BatchStore) -> bool:
    try:
        return store.batch(batch_id).changed_no_balance
    except NotFound:
        return False  # another run is planning it at this moment
