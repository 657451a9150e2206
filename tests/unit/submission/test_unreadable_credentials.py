"""A malformed secret is like refused keys: nothing was sent, and the batch waits for an operator."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from adjustments.batches.states import BatchStatus
from adjustments.core.errors import ConfigurationError
from adjustments.gameball.port import Dialect
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

THREE = "customerId,amount\na,1\nb,2\nc,3\n"


class KeylessGameball(MemoryGameball):
    """Can't read its keys for some calls."""

    def __init__(self, sends: int = 0, polls: int = 0) -> None:
        super().__init__()
        self.sends = sends
        self.polls = polls
        self.is_readable = True

    def _read_keys(self) -> None:
        if not self.is_readable:
            raise ConfigurationError("the secret must be JSON")

    def stop_job(self, dialect: Dialect, job_id: int) -> None:
        self._read_keys()
        super().stop_job(dialect, job_id)

    def inquire_balances(self, body: bytes) -> int:
        self._read_keys()
        return super().inquire_balances(body)

    def adjust_balances(self, body: bytes) -> int:
        if self.sends:
            self.sends -= 1
            raise ConfigurationError("the secret must be JSON")
        return super().adjust_balances(body)

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        self._read_keys()
        if self.polls:
            self.polls -= 1
            raise ConfigurationError("the secret must be JSON")
        return super().job_status(dialect, job_id)


def test_chunk_whose_keys_can_not_be_read_is_not_in_doubt_and_goes_when_they_can():
    world = World(KeylessGameball(sends=2))
    batch = world.drop(THREE)
    assert batch.pause_reason == "the secret must be JSON"
    [chunk] = world.store.chunks(batch.batch_id, batch.plan_id)
    assert (chunk.state.value, chunk.intent_at) == ("planned", None)
    ended = world.run(batch)
    assert (ended.status, ended.counts.applied, ended.pause_reason) == (BatchStatus.COMPLETED, 3, "")


def test_poll_without_readable_keys_pauses_the_batch_until_they_are():
    world = World(KeylessGameball(polls=1))
    batch = world.drop(THREE)
    world.poller.poll(batch.batch_id, world.clock.now())
    assert world.store.batch(batch.batch_id).pause_reason == "the secret must be JSON"
    ended = world.run(batch)
    assert (ended.status, ended.pause_reason) == (BatchStatus.COMPLETED, "")


def test_stop_is_taken_without_readable_keys_and_its_jobs_are_asked_later():
    gameball = KeylessGameball()
    world = World(gameball)
    batch = world.drop(THREE)
    gameball.is_readable = False
    world.administration.stop(batch.batch_id, "ann", "")
    world.poller.poll(batch.batch_id, world.clock.now() + timedelta(minutes=1))
    [chunk] = world.store.chunks(batch.batch_id, batch.plan_id)
    assert (chunk.state.value, chunk.stop_requested) == ("submitted", False)
    gameball.is_readable = True
    world.run(batch)
    [chunk] = world.store.chunks(batch.batch_id, batch.plan_id)
    assert chunk.stop_requested


def test_stopped_batch_ends_at_its_deadline_without_readable_keys():
    gameball = KeylessGameball()
    world = World(gameball)
    batch = world.drop(THREE)
    gameball.is_readable = False
    world.administration.stop(batch.batch_id, "ann", "")
    ended = world.run(batch)
    assert (ended.status, ended.counts.in_doubt) == (BatchStatus.NEEDS_ATTENTION, 3)


def test_dry_run_ends_without_readable_keys():
    gameball = KeylessGameball()
    gameball.is_readable = False
    world = World(gameball)
    assert world.run(world.drop(THREE, dry_run="true")).status is BatchStatus.VALIDATED


def test_sweep_looks_for_evidence_later_where_the_keys_can_not_be_read():
    gameball = KeylessGameball()
    world = World(gameball)
    batch = world.drop(THREE)
    gameball.is_readable = False
    assert world.run(batch).counts.in_doubt == 3
    world.clock.sleep(3600)
    world.sweep()
    gameball.is_readable = True
    world.clock.sleep(24 * 3600)
    world.sweep()
    assert world.store.batch(batch.batch_id).counts.in_doubt == 0
