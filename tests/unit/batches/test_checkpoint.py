"""How far the chunks of a batch are certain: only behind that do looks begin."""

from datetime import timedelta
from typing import Any

import pytest

from adjustments.batches.batch_parts import Checkpoint, Counts
from adjustments.batches.next_step import advance_checkpoint, next_step
from adjustments.batches.records import Chunk
from adjustments.batches.states import ChunkState
from tests.fakes.memory import START
from tests.unit.making import make_batch, make_chunk


def chunk(name: str, state: str, **values: Any) -> Chunk:
    return make_chunk(chunk_id=name, state=ChunkState(state), **values)


def settled(name: str, failed: int = 0, in_doubt: int = 0, **values: Any) -> Chunk:
    return chunk(name, "settled", counts=Counts(rows=10, failed=failed, in_doubt=in_doubt), **values)


def test_checkpoint_moves_behind_the_leading_final_chunks():
    later = START + timedelta(seconds=9)
    chunks = [
        settled("001-00001", failed=3, intent_at=later),
        chunk("001-00002", "refused", intent_at=START),
        chunk("001-00003", "not_submitted"),
        chunk("001-00004", "submitted"),
        settled("001-00005"),
    ]
    expected = Checkpoint(through="001-00003", chunks=3, rows=20, failed=13, sent_at=later)
    assert advance_checkpoint(make_batch(), chunks) == expected


@pytest.mark.parametrize("state", ["planned", "submitting", "submitted", "in_doubt"])
def test_checkpoint_stops_at_a_chunk_that_is_not_final(state: str):
    assert advance_checkpoint(make_batch(), [chunk("001-00001", state), settled("001-00002")]) == Checkpoint()


def test_checkpoint_stops_at_a_settled_chunk_with_rows_in_doubt():
    assert advance_checkpoint(make_batch(), [settled("001-00001", in_doubt=1)]) == Checkpoint()


def test_checkpoint_passes_a_split_chunk_with_all_its_parts_or_not_at_all():
    parts = [chunk("001-00001", "split"), settled("001-00001.0"), chunk("001-00001.1", "submitted")]
    assert advance_checkpoint(make_batch(), parts) == Checkpoint()
    parts[2] = chunk("001-00001.1", "refused")
    assert advance_checkpoint(make_batch(), parts).through == "001-00001.1"


def test_checkpoint_adds_to_the_one_before():
    before = Checkpoint(through="001-00007", chunks=9, rows=70, failed=1, sent_at=START)
    after = advance_checkpoint(make_batch(checkpoint=before), [settled("001-00008", failed=2)])
    assert after == Checkpoint(through="001-00008", chunks=10, rows=80, failed=3, sent_at=START)
    assert advance_checkpoint(make_batch(checkpoint=before), []) == before


def test_next_step_counts_failed_rows_before_the_checkpoint():
    batch = make_batch(checkpoint=Checkpoint(through="001-00001", chunks=1, rows=10, failed=3))
    step = next_step(batch, [settled("001-00002"), chunk("001-00003", "planned")], START, 14)
    assert step.stop_reason.startswith("3 of the first 20 rows failed or are in doubt")
    assert not next_step(batch, [settled("001-00002"), chunk("001-00003", "planned")], START, 15).stop_reason


def test_next_step_sends_the_rest_of_the_wave_behind_the_canary():
    batch = make_batch(has_canary=True, checkpoint=Checkpoint(through="001-00001", chunks=1, rows=10))
    waiting = [chunk("001-00002", "planned"), chunk("001-00003", "planned")]
    assert next_step(batch, waiting, START, 20).to_send == waiting


def test_next_step_waits_by_the_last_sending_even_before_the_checkpoint():
    batch = make_batch(
        checkpoint=Checkpoint(through="001-00001", chunks=1, sent_at=START + timedelta(seconds=500))
    )
    waiting = [chunk("001-00002", "submitted", intent_at=START)]
    assert next_step(batch, waiting, START + timedelta(seconds=600), 20).wait_s == 10
