"""State only moves forward."""

import pytest

from adjustments.batches.states import BATCH_MOVES, CHUNK_MOVES, BatchStatus, ChunkState
from adjustments.core.errors import WrongState
from tests.unit.making import make_batch, make_chunk

FINAL = [
    BatchStatus.COMPLETED,
    BatchStatus.COMPLETED_WITH_ERRORS,
    BatchStatus.VALIDATED,
    BatchStatus.REJECTED,
    BatchStatus.STOPPED,
    BatchStatus.NEEDS_ATTENTION,
]


@pytest.mark.parametrize("status", FINAL)
def test_final_status_never_changes(status: BatchStatus):
    assert status.is_final
    for other in set(BatchStatus) - {status}:
        with pytest.raises(WrongState):
            make_batch(status=status).moved(other)


@pytest.mark.parametrize("status", sorted(set(BatchStatus) - set(FINAL)))
def test_every_other_status_can_end(status: BatchStatus):
    assert not status.is_final
    assert BATCH_MOVES[status] & set(FINAL)


@pytest.mark.parametrize(
    ("state", "following"),
    [
        (ChunkState.PLANNED, {"submitting", "not_submitted", "settled"}),
        (ChunkState.SUBMITTING, {"planned", "submitted", "settled", "split", "refused", "in_doubt"}),
        (ChunkState.SUBMITTED, {"settled", "in_doubt"}),
        (ChunkState.IN_DOUBT, {"submitted", "settled"}),
        (ChunkState.SETTLED, set()),
        (ChunkState.SPLIT, set()),
        (ChunkState.REFUSED, set()),
        (ChunkState.NOT_SUBMITTED, set()),
    ],
)
def test_chunk_moves_only_to_allowed_states(state: ChunkState, following: set[str]):
    assert {move.value for move in CHUNK_MOVES[state]} == following
    for other in ChunkState:
        if other.value in following:
            assert make_chunk(state=state).moved(other).version == 2
        else:
            with pytest.raises(WrongState):
                make_chunk(state=state).moved(other)


@pytest.mark.parametrize("state", list(ChunkState))
def test_chunk_in_doubt_or_submitted_never_becomes_planned(state: ChunkState):
    """Planned means that it may be sent: only an intent that surely sent nothing may go back there."""
    assert (ChunkState.PLANNED in CHUNK_MOVES[state]) == (state is ChunkState.SUBMITTING)
