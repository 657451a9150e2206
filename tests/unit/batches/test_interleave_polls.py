"""While chunks wait to be sent, jobs are asked for in between: each takes its turn, and none too early."""

from datetime import timedelta

import pytest

from adjustments.batches.next_step import POLL_AFTER, interleave_polls
from adjustments.batches.states import ChunkState
from adjustments.core.ids import chunk_id
from tests.fakes.memory import START
from tests.unit.making import make_chunk

OLD, YOUNG = START - POLL_AFTER, START - POLL_AFTER + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("waiting", "jobs", "after", "expected"),
    [
        ([5, 6], [], 0, [5, 6]),
        ([5, 6], [1], 0, [5, 1, 6]),
        ([5, 6, 7], [1, 2], 0, [5, 1, 6, 2, 7]),
        ([5, 6], [1, 2, 3], 0, [5, 1, 6, 2]),  # as many questions as requests, and no more
        ([5, 6], [1, 2, 3], 2, [5, 3, 6, 1]),  # where the last look ended, and from the start again
        ([5, 6], [1, 2, 3], 3, [5, 1, 6, 2]),
        ([5, 6], [2, 3], 1, [5, 2, 6, 3]),  # the one that was asked for last has ended meanwhile
        ([], [1, 2], 0, []),  # nothing waits: the poll asks for all of them
    ],
)
def test_interleave_polls_alternates_sending_and_polling(
    waiting: list[int], jobs: list[int], after: int, expected: list[int]
):
    sent = [
        make_chunk(chunk_id=chunk_id(1, n), state=ChunkState.SUBMITTED, intent_at=OLD, job_id=n) for n in jobs
    ]
    to_send = [make_chunk(chunk_id=chunk_id(1, n)) for n in waiting]
    found = interleave_polls(to_send, [*sent, *to_send], START, chunk_id(1, after) if after else "")
    assert [chunk.chunk_id for chunk in found] == [chunk_id(1, n) for n in expected]


@pytest.mark.parametrize(
    ("state", "intent_at", "is_asked"),
    [
        (ChunkState.SUBMITTED, OLD, True),
        (ChunkState.SUBMITTED, YOUNG, False),
        (ChunkState.SUBMITTED, None, False),
        (ChunkState.SUBMITTING, OLD, False),
        (ChunkState.SETTLED, OLD, False),
        (ChunkState.IN_DOUBT, OLD, False),
    ],
)
def test_interleave_polls_leaves_young_jobs_out(state: ChunkState, intent_at: object, is_asked: bool):
    job = make_chunk(chunk_id=chunk_id(1, 1), state=state, intent_at=intent_at, job_id=1)
    to_send = [make_chunk(chunk_id=chunk_id(1, 2))]
    assert (job in interleave_polls(to_send, [job, *to_send], START, "")) == is_asked
