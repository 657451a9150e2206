"""A batch in numbers: its rate and expected end are told only while rows settle."""

from datetime import timedelta

import pytest

from adjustments.batches.records import Counts
from adjustments.batches.states import BatchStatus, ChunkState
from adjustments.results.summary import instant, progress_of
from tests.fakes.memory import START
from tests.unit.making import make_batch, make_chunk

CHUNKS = [
    make_chunk(state=ChunkState.SETTLED, last=100, intent_at=START),
    make_chunk(chunk_id="001-00002", state=ChunkState.PLANNED, last=300),
]
NOW = START + timedelta(seconds=50)


def test_progress_of_a_moving_batch_has_a_rate_and_an_expected_end():
    progress = progress_of(make_batch(status=BatchStatus.POLLING, counts=Counts(rows=400)), CHUNKS, NOW)
    assert progress["rowsPerSecond"] == 2
    assert progress["expectedEnd"] == instant(START + timedelta(seconds=200))


@pytest.mark.parametrize(
    "values", [{"paused": "Gameball refuses the keys"}, {"status": BatchStatus.COMPLETED_WITH_ERRORS}]
)
def test_progress_of_a_batch_that_does_not_move_has_neither(values: dict[str, object]):
    defaults: dict[str, object] = {"status": BatchStatus.POLLING, "counts": Counts(rows=400)}
    progress = progress_of(make_batch(**{**defaults, **values}), CHUNKS, NOW)
    assert progress["settledRows"] == 100
    assert {"rowsPerSecond", "expectedEnd"} & progress.keys() == set()
