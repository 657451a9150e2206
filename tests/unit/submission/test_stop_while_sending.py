"""A person stops a batch while it is being sent: a second's requests still go out, not a round's."""

from datetime import timedelta

import pytest

from adjustments.batches.states import BatchStatus
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
            until = self.world.clock.now() + timedelta(seconds=1)
            self.world.administration.stop(self.batch_id, "ann", "", until, keep_jobs=True)
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
