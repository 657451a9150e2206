"""Chunks are handed out once each, and looked for anew while others go on."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from adjustments.batches.records import Chunk
from adjustments.batches.states import ChunkState
from adjustments.core.ids import chunk_id
from adjustments.submission.work_queue import Feed
from tests.unit.making import make_chunk


def chunks_of(*numbers: int) -> list[Chunk]:
    return [make_chunk(chunk_id=chunk_id(1, number)) for number in numbers]


def take_all(feed: Feed) -> list[str]:
    taken = []
    while (chunk := feed.take()) is not None:
        taken.append(chunk.chunk_id)
    return taken


def nothing(asked: str) -> list[Chunk]:
    return []


def names(*numbers: int) -> list[str]:
    return [chunk_id(1, number) for number in numbers]


def test_chunks_are_handed_out_in_order_once_each():
    assert take_all(Feed(chunks_of(1, 2, 3), 10, nothing)) == names(1, 2, 3)


def test_after_so_many_chunks_there_is_a_look_and_what_it_saw_goes_on():
    looks: list[Sequence[Chunk]] = [chunks_of(1, 2, 3, 4, 9), chunks_of(9, 10)]
    feed = Feed(chunks_of(1, 2, 3, 4), 2, lambda asked: looks.pop(0))
    assert take_all(feed) == names(1, 2, 3, 4, 9, 10)
    assert looks == []


def test_a_look_that_sees_nothing_ends_it():
    assert take_all(Feed(chunks_of(1, 2, 3, 4), 2, nothing)) == names(1, 2)


def test_a_chunk_that_came_back_is_handed_out_again_in_its_new_version_only():
    [chunk] = chunks_of(1)
    released = chunk.replaced(version=chunk.version + 2)
    looks = [[chunk, *chunks_of(2)], [released]]
    feed = Feed([chunk, *chunks_of(3)], 1, lambda asked: looks.pop(0) if looks else [])
    assert take_all(feed) == names(1, 2)
    feed = Feed([chunk, *chunks_of(2)], 1, lambda asked: [released])
    assert take_all(feed) == names(1, 1)


def test_nothing_is_handed_out_after_the_end_even_if_a_look_sees_more():
    def look(asked: str) -> list[Chunk]:
        feed.close()  # another worker's time is up
        return chunks_of(4)

    feed = Feed(chunks_of(1, 2, 3), 1, look)
    assert feed.take() is not None
    assert feed.take() is None


def test_a_job_is_handed_out_again_at_each_look_and_the_last_one_is_named():
    job = make_chunk(chunk_id=chunk_id(1, 7), state=ChunkState.SUBMITTED)
    asked: list[str] = []

    def look(last: str) -> list[Chunk]:
        asked.append(last)
        return [*chunks_of(3), job] if len(asked) == 1 else []

    assert take_all(Feed([*chunks_of(1), job, *chunks_of(2)], 2, look)) == names(1, 7, 3, 7)
    assert asked == [job.chunk_id]


def test_a_look_that_ends_after_a_newer_one_changes_nothing():
    feed: Feed
    results = [chunks_of(7), chunks_of(9)]

    def look(asked: str) -> list[Chunk]:
        mine = results.pop(0)
        if results:  # while this one stands still, another worker's look comes and goes
            assert [feed.take(), feed.take()] == chunks_of(2, 9)
        return mine

    feed = Feed(chunks_of(1, 2, 3), 1, look)
    assert feed.take() == chunks_of(1)[0]
    assert feed.take() is None


def test_others_go_on_while_one_looks():
    seen = Event()

    def look(asked: str) -> list[Chunk]:
        assert seen.wait(10)
        return chunks_of(*range(1, 9))

    feed = Feed(chunks_of(*range(1, 7)), 3, look)
    first = [feed.take() for _ in range(3)]
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(feed.take)
        while feed._left != 3:
            pass
        meanwhile = [feed.take(), feed.take()]
        seen.set()
        last = looking.result()
    taken = [chunk.chunk_id for chunk in [*first, *meanwhile, last] if chunk]
    assert taken == names(1, 2, 3, 4, 5, 6)


def test_many_workers_take_each_chunk_once():
    planned = chunks_of(*range(1, 500))
    feed = Feed(planned, 7, lambda asked: planned)
    with ThreadPoolExecutor(8) as pool:
        taken = [name for names in pool.map(lambda _: take_all(feed), range(8)) for name in names]
    assert sorted(taken) == [chunk.chunk_id for chunk in planned]
