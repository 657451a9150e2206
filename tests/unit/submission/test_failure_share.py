"""How much of a large batch is still sent after too many of its rows have failed (docs/reliability.md)."""

from datetime import datetime, timedelta

import pytest

from adjustments.batches import payloads
from adjustments.batches.states import BatchStatus
from tests.fakes.gameball import MemoryGameball
from tests.fakes.memory import MemoryRateLimiter
from tests.fakes.world import World

LIMIT = 350
CHUNKS, GOOD = 900, 400
"""A file whose first chunks are good and all others bad, as when two exports were put together."""

PERCENT_MAX = 10
PASSED = GOOD * PERCENT_MAX // (100 - PERCENT_MAX) + 1
"""So many bad chunks pass the share, once their jobs have ended."""

KNOWN_WITHIN_S = 30
"""What docs/reliability.md promises, of jobs that end within seconds."""


class TimedGameball(MemoryGameball):
    """Notes when each request came."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World
        self.sent_at: list[datetime] = []

    def adjust_balances(self, body: bytes) -> int:
        self.sent_at.append(self.world.clock.now())
        return super().adjust_balances(body)


@pytest.fixture
def gameball(monkeypatch: pytest.MonkeyPatch) -> TimedGameball:
    monkeypatch.setattr(payloads, "CHUNK_ROWS_MAX", 1)  # a chunk is a chunk, and a row is quick
    gameball = TimedGameball()
    gameball.unknown_customers = {f"c{number}" for number in range(GOOD, CHUNKS)}
    world = gameball.world = World(gameball, failure_percent_max=PERCENT_MAX)
    rate_limiter = MemoryRateLimiter({}, world.clock, world.ids, LIMIT)
    world.rate_limiter.take_slot = rate_limiter.take_slot  # type: ignore[method-assign]
    return gameball


def test_past_the_share_sending_ends_within_half_a_minute(gameball: TimedGameball):
    world = gameball.world
    rows = "".join(f"c{number},1\n" for number in range(CHUNKS))
    ended = world.run(world.drop(f"customerId,amount\n{rows}"))
    assert ended.status is BatchStatus.STOPPED
    assert "MaxFailurePercent" in ended.stop_reason
    passed_at = gameball.sent_at[GOOD + PASSED - 1]
    still_sent = [at for at in gameball.sent_at if at > passed_at]
    assert max(still_sent) - passed_at <= timedelta(seconds=KNOWN_WITHIN_S)
    assert len(still_sent) <= KNOWN_WITHIN_S * LIMIT / 30 / 2  # every second request asks for a job


def test_the_budget_is_used_while_sending_and_asking_take_turns(gameball: TimedGameball):
    gameball.unknown_customers = set()
    world = gameball.world
    rows = "".join(f"c{number},1\n" for number in range(CHUNKS))
    calls: list[datetime] = []
    status = gameball.job_status

    def asked(*args: object) -> object:
        calls.append(world.clock.now())
        return status(*args)  # type: ignore[arg-type]

    gameball.job_status = asked  # type: ignore[assignment, method-assign]
    world.run(world.drop(f"customerId,amount\n{rows}"))
    end = max(gameball.sent_at)
    used = sum(at <= end for at in [*gameball.sent_at, *calls])
    assert used / ((end - min(gameball.sent_at)).total_seconds() * LIMIT / 30) >= 0.95
