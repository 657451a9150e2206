"""Small changes of a batch that several workers may make at once; who comes second need not care."""

from adjustments.errors import WrongState
from adjustments.model import Batch
from adjustments.ports import BatchStore
from adjustments.services.telling import tell, warn


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


def pause(store: BatchStore, batch_id: str, reason: str) -> None:
    """Hold a batch because our keys are refused; no row fails for it (DESIGN.md, "Submit")."""
    batch = store.batch(batch_id)
    if not batch.paused and not batch.status.is_final:
        try_save(store, batch.changed(paused=reason))
        warn("batch paused: keys refused", batch)


def resume(store: BatchStore, batch_id: str) -> None:
    """Let a held batch go on, once a call with our keys has succeeded."""
    batch = store.batch(batch_id)
    if batch.paused:
        try_save(store, batch.changed(paused=""))
        tell("batch goes on: keys accepted", batch)
