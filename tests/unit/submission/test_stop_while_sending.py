"""A person stops a batch while it is being sent: a second's requests still go out, not a round's."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import cast

import pytest

from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchStore
from adjustments.submission.work_queue import StopCheck
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

CHUNKS = 60
REQUESTS_PER_SECOND = 12
ROWS = "".join(f"c{number},5\n" for number in range(CHUNKS * 1_000))


class StoppingGameball(MemoryGameball):
    """Takes a twelfth of a second for each request; a person stops the batch during one of them."""

    def __init__(self, stops_at: int) -> None:
        super().__init__()
        self.stops_at = stops_at
        self.world: World | None = None
        self.batch_id = ""

    def adjust_balances(self, body: bytes) -> int:
        job_id = super().adjust_balances(body)
        assert self.world
        self.world.clock.sleep(1 / REQUESTS_PER_SECOND)
        if len(self.requests) == self.stops_at:
            self.world.administration.stop(self.batch_id, "ann", "", keep_jobs=True)
        return job_id


@pytest.mark.parametrize("stops_at", [3, 20, 47])
def test_at_most_a_seconds_requests_go_out_after_a_stop(stops_at: int):
    gameball = StoppingGameball(stops_at)
    world = gameball.world = World(gameball, approval_above_rows=1)
    held = world.drop(f"customerId,amount\n{ROWS}")
    gameball.batch_id = held.batch_id
    world.store.save_batch(held.moved(BatchStatus.SUBMITTING, approved_by="bob"))
    world.sender.submit(held.batch_id, world.clock.now() + timedelta(minutes=5))
    overshoot = len(gameball.requests) - stops_at
    print(f"requests after a stop at request {stops_at}: {overshoot}")
    assert overshoot <= REQUESTS_PER_SECOND
    ended = world.run(world.store.batch(held.batch_id))
    assert ended.status is BatchStatus.STOPPED
    assert ended.counts.not_submitted == (CHUNKS - len(gameball.requests)) * 1_000
    assert len({customer for _, customer, _ in gameball.applied}) == len(gameball.applied)


class SlowReads:
    """A table whose first read takes a while."""

    def __init__(self, batch: Batch) -> None:
        self.batch_read = batch
        self.begun, self.may_end = Event(), Event()

    def batch(self, batch_id: str) -> Batch:
        batch = self.batch_read
        if not self.begun.is_set():
            self.begun.set()
            assert self.may_end.wait(10)
        return batch


@pytest.mark.parametrize(("waits_s", "reads_itself"), [(0.3, False), (0.6, True)])
def test_worker_waits_for_no_slow_read_of_another_one(waits_s: float, reads_itself: bool):
    world = World(MemoryGameball(), approval_above_rows=1)
    batch = world.drop("customerId,amount\nc1,5\n").moved(BatchStatus.SUBMITTING, approved_by="bob")
    store = SlowReads(batch)
    check = StopCheck(cast("BatchStore", store), batch.batch_id, world.clock)
    world.clock.sleep(0.5)
    with ThreadPoolExecutor(1) as another:
        slow = another.submit(check.is_stopped)
        assert store.begun.wait(10)
        store.batch_read = batch.changed(stop_reason="by a person")
        world.clock.sleep(waits_s)
        assert check.is_stopped() is reads_itself
        store.may_end.set()
        assert slow.result(10) is reads_itself
