"""Optimistic updates: changes of a batch that several workers may make at the same time."""

from collections.abc import Callable
from typing import Final

from adjustments.batches.records import Batch
from adjustments.batches.store import BatchStore
from adjustments.core.errors import WrongState
from adjustments.core.limits import ERROR_CHARS_MAX

CHANGE_TRIES_MAX: Final = 8
"""Tries of an update that must not be lost; each takes one read and one write."""


def storable_text(message: str) -> str:
    """Shorten a message of Gameball for a record, and replace characters that UTF-8 can't encode."""
    return message[:ERROR_CHARS_MAX].encode(errors="replace").decode()


def try_save(store: BatchStore, batch: Batch) -> bool:
    """Save the next version of a batch; False where another worker has saved one meanwhile."""
    try:
        store.save_batch(batch)
    except WrongState:
        return False
    return True


def save_or_reread(store: BatchStore, batch: Batch) -> Batch:
    """Save the next version of a batch; returns the stored one where another worker was quicker."""
    return batch if try_save(store, batch) else store.batch(batch.batch_id)


def update_batch(store: BatchStore, batch_id: str, changed: Callable[[Batch], Batch]) -> Batch:
    """Update a batch; read it again and repeat where another worker was quicker.

    Args:
        store: where the batch is stored.
        batch_id: the batch.
        changed: makes the next version from the stored one; what it raises ends the update.

    Raises:
        WrongState: other workers were quicker each time.
    """
    for _ in range(CHANGE_TRIES_MAX):
        after = changed(store.batch(batch_id))
        if try_save(store, after):
            return after
    raise WrongState("other workers kept changing the batch: try again")
