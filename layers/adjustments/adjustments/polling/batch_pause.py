"""The pause of a batch while Gameball refuses the keys: whoever sends or polls begins it, and ends it."""

from adjustments.aws.event_log import log_event, log_warning
from adjustments.batches.store import BatchStore, try_save


def pause_batch(store: BatchStore, batch_id: str, reason: str) -> None:
    """Pause a batch while Gameball refuses the keys; no row fails for it.

    Args:
        store: where the batch is stored.
        batch_id: the batch.
        reason: what the refused call got, for people.
    """
    batch = store.batch(batch_id)
    if not batch.pause_reason and not batch.status.is_final:
        try_save(store, batch.changed(pause_reason=reason))
        log_warning("batch paused: keys refused", batch)


def resume_batch(store: BatchStore, batch_id: str) -> None:
    """Resume a paused batch, once a call with the keys has succeeded."""
    batch = store.batch(batch_id)
    if batch.pause_reason:
        try_save(store, batch.changed(pause_reason=""))
        log_event("batch unpaused: keys accepted", batch)
