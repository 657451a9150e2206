"""Small changes of a batch that several workers may make at once; who comes second need not care."""

from collections.abc import Callable
from typing import Final

from adjustments.batches.records import Batch
from adjustments.batches.store import BatchStore
from adjustments.core.errors import WrongState
from adjustments.core.limits import ERROR_CHARS_MAX

CHANGE_TRIES_MAX: Final = 8
"""How often a change that must not be lost is tried; each try takes one read and one write."""


def storable_text(message: str) -> str:
    """What is kept of Gameball's words: short enough for a record, and characters that a record can hold."""
    return message[:ERROR_CHARS_MAX].encode(errors="replace").decode()


def try_save(store: BatchStore, batch: Batch) -> bool:
    """Save a batch's next version; False when somebody else has saved one meanwhile."""
    try:
        store.save_batch(batch)
    except WrongState:
        return False
    return True


def save_or_reread(store: BatchStore, batch: Batch) -> Batch:
    """Save a batch's next version; give the stored one when somebody else was quicker."""
    return batch if try_save(store, batch) else store.batch(batch.batch_id)


def update_batch(store: BatchStore, batch_id: str, changed: Callable[[Batch], Batch]) -> Batch:
    """Change a batch as it stands, and again as it stands then when somebody else was quicker.

    ``changed`` says what to make of the batch, or raises; raises WrongState when others keep being quicker.
    """
    for _ in range(CHANGE_TRIES_MAX):
        after = changed(store.batch(batch_id))
        if try_save(store, after):
            return after
    raise WrongState("the batch is being changed by somebody else all the time: try again")
