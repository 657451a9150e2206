"""While Gameball refuses the keys, one probe a minute goes out for the whole stack."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.core.errors import (
    AdjustmentsError,
    ConfigurationError,
    GameballRefused,
    GameballUnauthorized,
    OutcomeUnknown,
)
from adjustments.gameball.circuit_breaker import PROBE_EVERY, GuardedGameball
from adjustments.gameball.port import Dialect
from tests.fakes.gameball import MemoryGameball
from tests.fakes.memory import ManualClock, MemoryCircuitBreaker
from tests.fakes.world import World

KEYS_REFUSED = GameballUnauthorized("Gameball answered 401", status=401)
FEATURE_MISSING = GameballUnauthorized("Gameball answered 403", status=403, code=8000)
LOST = OutcomeUnknown("connection lost after the request was sent")


class Door(MemoryGameball):
    """A Gameball that may refuse all calls, and notes which ones reach it, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses_with: AdjustmentsError | None = None
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> object:
        if name in ("adjust_balances", "job_status", "stop_job", "inquire_balances", "transactions"):
            self.calls.append(name)
            if self.refuses_with:
                return _raise(self.refuses_with)
        return super().__getattribute__(name)


def _raise(error: AdjustmentsError) -> Callable[..., object]:
    def call(*_: object) -> object:
        raise error

    return call


def test_circuit_breaker_lets_one_call_a_minute_through():
    door = Door()
    world = World(door)
    door.script = [LOST]
    rows = "".join(f"d{number},1\n" for number in range(700))
    doubtful = world.run(world.drop(f"customerId,amount\n{rows}", name="doubtful.csv"))
    door.job_state = "running"
    polled = world.drop("customerId,amount\nb,1\n", name="polled.csv")
    door.refuses_with = KEYS_REFUSED
    door.calls.clear()
    sent = world.drop("customerId,amount\nc,1\n", name="sent.csv")
    for _ in range(75):
        for batch in (polled, sent):
            tick(world, batch)
        world.sweep()
        world.clock.sleep(1)
    assert len(door.calls) == 2
    door.refuses_with, door.job_state = None, "completed"
    began = world.clock.now()
    while world.store.batch(sent.batch_id).pause_reason:
        tick(world, sent)
        world.clock.sleep(1)
    assert world.clock.now() - began <= timedelta(minutes=1)
    for batch in (polled, sent):
        assert world.run(world.store.batch(batch.batch_id)).status is BatchStatus.COMPLETED
    world.sweep()
    assert set(door.looked_up) == {f"d{number}" for number in range(700)}
    assert world.store.batch(doubtful.batch_id).reconciliation.rows_left == 0


def test_blocked_chunk_stays_planned():
    door = Door()
    world = World(door)
    door.refuses_with = KEYS_REFUSED
    first = world.drop("customerId,amount\na,1\n", name="first.csv")
    second = world.drop("customerId,amount\nb,1\n", name="second.csv")
    assert door.calls == ["adjust_balances"]
    [tried] = world.store.chunks(first.batch_id, first.plan_id)
    [put_off] = world.store.chunks(second.batch_id, second.plan_id)
    assert (tried.attempts, put_off.attempts, put_off.version) == (1, 0, 1)
    assert "the next call is made after" in world.store.batch(second.batch_id).pause_reason


def tick(world: World, batch: Batch) -> None:
    """One round of the state machine."""
    until = world.clock.now() + timedelta(minutes=5)
    _, step = world.poller.poll(batch.batch_id, until)
    if step.more_to_send:
        world.sender.submit(batch.batch_id, until)


def guarded(door: Door) -> tuple[GuardedGameball, ManualClock]:
    clock = ManualClock()
    return GuardedGameball(door, MemoryCircuitBreaker(), clock), clock


def attempt(gameball: GuardedGameball) -> None:
    with pytest.raises((GameballUnauthorized, ConfigurationError)):
        gameball.job_status(Dialect.GUIDE, 1)


@pytest.mark.parametrize("error", [KEYS_REFUSED, ConfigurationError("no secret")])
def test_refused_keys_and_an_unreadable_secret_block_all_kinds_of_calls(error: AdjustmentsError):
    door = Door()
    gameball, _ = guarded(door)
    door.refuses_with = error
    attempt(gameball)
    with pytest.raises(GameballUnauthorized, match="nothing was sent, the next call is made after 12:00:55"):
        gameball.transactions("a")
    with pytest.raises(GameballUnauthorized):
        gameball.adjust_balances(b"{}")
    assert door.calls == ["job_status"]


def test_missing_feature_blocks_no_other_kind_of_call():
    door = Door()
    gameball, _ = guarded(door)
    door.refuses_with = FEATURE_MISSING
    with pytest.raises(GameballUnauthorized):
        gameball.transactions("a")
    door.refuses_with = None
    assert gameball.inquire_balances(b'{"body": []}') == 1


def test_probe_that_is_refused_for_its_request_closes_the_circuit():
    door = Door()
    gameball, clock = guarded(door)
    door.refuses_with = KEYS_REFUSED
    attempt(gameball)
    clock.sleep(PROBE_EVERY.total_seconds())
    door.refuses_with = GameballRefused("Gameball answered 404", status=404)
    for _ in range(2):
        with pytest.raises(GameballRefused):
            gameball.job_status(Dialect.GUIDE, 1)


def test_probe_without_an_answer_changes_nothing():
    door = Door()
    gameball, clock = guarded(door)
    door.refuses_with = KEYS_REFUSED
    attempt(gameball)
    clock.sleep(PROBE_EVERY.total_seconds())
    door.refuses_with = LOST
    with pytest.raises(OutcomeUnknown):
        gameball.job_status(Dialect.GUIDE, 1)
    attempt(gameball)


def test_manual_transaction_of_a_file_is_blocked_while_keys_are_refused():
    door = Door()
    gameball, _ = guarded(door)
    door.refuses_with = KEYS_REFUSED
    attempt(gameball)
    with pytest.raises(GameballUnauthorized, match="nothing was sent"):
        gameball.add_manual_transaction(b'{"transactionId": "t"}')
