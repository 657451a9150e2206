"""A malformed secret is like refused keys: nothing was sent, and the batch waits for an operator."""

from collections.abc import Mapping
from typing import Any

from adjustments.batches.states import BatchStatus
from adjustments.core.errors import ConfigurationError
from adjustments.gameball.dialects import Dialect
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

THREE = "customerId,amount\na,1\nb,2\nc,3\n"


class KeylessGameball(MemoryGameball):
    """Can't read its keys for some calls."""

    def __init__(self, sends: int = 0, polls: int = 0) -> None:
        super().__init__()
        self.sends = sends
        self.polls = polls

    def adjust_balances(self, body: bytes) -> int:
        if self.sends:
            self.sends -= 1
            raise ConfigurationError("the secret must be JSON")
        return super().adjust_balances(body)

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        if self.polls:
            self.polls -= 1
            raise ConfigurationError("the secret must be JSON")
        return super().job_status(dialect, job_id)


def test_chunk_whose_keys_can_not_be_read_is_not_in_doubt_and_goes_when_they_can():
    world = World(KeylessGameball(sends=2))
    batch = world.drop(THREE)
    assert batch.paused == "the secret must be JSON"
    [chunk] = world.store.chunks(batch.batch_id, batch.plan_id)
    assert (chunk.state.value, chunk.intent_at) == ("planned", None)
    ended = world.run(batch)
    assert (ended.status, ended.counts.applied, ended.paused) == (BatchStatus.COMPLETED, 3, "")


def test_poll_without_readable_keys_pauses_the_batch_until_they_are():
    world = World(KeylessGameball(polls=1))
    batch = world.drop(THREE)
    world.poller.poll(batch.batch_id, world.clock.now())
    assert world.store.batch(batch.batch_id).paused == "the secret must be JSON"
    ended = world.run(batch)
    assert (ended.status, ended.paused) == (BatchStatus.COMPLETED, "")
