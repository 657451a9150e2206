"""Pausing of batches while Gameball refuses our keys; no row fails for it."""

from adjustments.aws.event_log import log_event, log_warning
from adjustments.batches.optimistic_update import try_save
from adjustments.batches.store import BatchStore


def pause(store: BatchStore, batch_id: str, reason: str) -> None:
    """Hold a batch because our keys are refused; no row fails for it."""
    batch = store.batch(batch_id)
    if not batch.pause_reason and not batch.status.is_final:
        try_save(store, batch.changed(pause_reason=reason))
        log_warning("batch paused: keys refused", batch)


def resume(store: BatchStore, batch_id: str) -> None:
    """Let a held batch go on, once a call with our keys has succeeded."""
    batch = store.batch(batch_id)
    if batch.pause_reason:
        try_save(store, batch.changed(pause_reason=""))
        log_event("batch goes on: keys accepted", batch)
