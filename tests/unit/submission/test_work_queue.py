"""Chunks are handed out once each, and looked for anew while others go on."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from adjustments.batches.records import Chunk
from adjustments.batches.states import ChunkState
from adjustments.core.ids import chunk_id
from adjustments.submission.work_queue import WorkQueue
from tests.unit.making import make_chunk


def chunks_of(*numbers: int) -> list[Chunk]:
    return [make_chunk(chunk_id=chunk_id(1, number)) for number in numbers]


def take_all(work_queue: WorkQueue) -> list[str]:
    taken = []
    while (chunk := work_queue.take()) is not None:
        taken.append(chunk.chunk_id)
    return taken


def nothing(asked: str) -> list[Chunk]:
    return []


def names(*numbers: int) -> list[str]:
    return [chunk_id(1, number) for number in numbers]


def test_work_queue_hands_out_each_chunk_once_in_order():
    assert take_all(WorkQueue(chunks_of(1, 2, 3), 10, nothing)) == names(1, 2, 3)


def test_work_queue_is_refreshed_after_some_chunks():
    looks: list[Sequence[Chunk]] = [chunks_of(1, 2, 3, 4, 9), chunks_of(9, 10)]
    work_queue = WorkQueue(chunks_of(1, 2, 3, 4), 2, lambda asked: looks.pop(0))
    assert take_all(work_queue) == names(1, 2, 3, 4, 9, 10)
    assert looks == []


def test_work_queue_ends_when_a_refresh_finds_nothing():
    assert take_all(WorkQueue(chunks_of(1, 2, 3, 4), 2, nothing)) == names(1, 2)


def test_work_queue_hands_out_a_chunk_again_in_a_new_version_only():
    [chunk] = chunks_of(1)
    released = chunk.replaced(version=chunk.version + 2)
    looks = [[chunk, *chunks_of(2)], [released]]
    work_queue = WorkQueue([chunk, *chunks_of(3)], 1, lambda asked: looks.pop(0) if looks else [])
    assert take_all(work_queue) == names(1, 2)
    work_queue = WorkQueue([chunk, *chunks_of(2)], 1, lambda asked: [released])
    assert take_all(work_queue) == names(1, 1)


def test_work_queue_hands_out_nothing_after_it_was_closed():
    def look(asked: str) -> list[Chunk]:
        work_queue.close()  # another worker's time is up
        return chunks_of(4)

    work_queue = WorkQueue(chunks_of(1, 2, 3), 1, look)
    assert work_queue.take() is not None
    assert work_queue.take() is None


def test_work_queue_hands_out_a_submitted_chunk_after_each_refresh_and_names_the_last_one():
    job = make_chunk(chunk_id=chunk_id(1, 7), state=ChunkState.SUBMITTED)
    asked: list[str] = []

    def look(last: str) -> list[Chunk]:
        asked.append(last)
        return [*chunks_of(3), job] if len(asked) == 1 else []

    assert take_all(WorkQueue([*chunks_of(1), job, *chunks_of(2)], 2, look)) == names(1, 7, 3, 7)
    assert asked == [job.chunk_id]


def test_work_queue_ignores_a_refresh_that_ends_after_a_newer_one():
    work_queue: WorkQueue
    results = [chunks_of(7), chunks_of(9)]

    def look(asked: str) -> list[Chunk]:
        mine = results.pop(0)
        if results:  # while this one stands still, another worker's look comes and goes
            assert [work_queue.take(), work_queue.take()] == chunks_of(2, 9)
        return mine

    work_queue = WorkQueue(chunks_of(1, 2, 3), 1, look)
    assert work_queue.take() == chunks_of(1)[0]
    assert work_queue.take() is None


def test_work_queue_serves_other_workers_during_a_refresh():
    seen = Event()

    def look(asked: str) -> list[Chunk]:
        assert seen.wait(10)
        return chunks_of(*range(1, 9))

    work_queue = WorkQueue(chunks_of(*range(1, 7)), 3, look)
    first = [work_queue.take() for _ in range(3)]
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(work_queue.take)
        while work_queue._left != 3:
            pass
        meanwhile = [work_queue.take(), work_queue.take()]
        seen.set()
        last = looking.result()
    taken = [chunk.chunk_id for chunk in [*first, *meanwhile, last] if chunk]
    assert taken == names(1, 2, 3, 4, 5, 6)


def test_work_queue_hands_out_each_chunk_once_to_many_workers():
    planned = chunks_of(*range(1, 500))
    work_queue = WorkQueue(planned, 7, lambda asked: planned)
    with ThreadPoolExecutor(8) as pool:
        taken = [name for names in pool.map(lambda _: take_all(work_queue), range(8)) for name in names]
    assert sorted(taken) == [chunk.chunk_id for chunk in planned]
