"""While Gameball refuses the keys, hardly any call reaches it, and the secret is hardly read."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from adjustments.core.errors import GameballUnauthorized
from adjustments.gameball.circuit_breaker import GuardedGameball
from adjustments.gameball.client import GameballClient
from adjustments.gameball.credentials import Credentials
from adjustments.gameball.port import Dialect
from local.standin.server import StandIn
from tests.fakes.memory import ManualClock, MemoryCircuitBreaker
from tests.functional.adjusting.test_client import ONE_ROW, applied, control
from tests.functional.conftest import SECRET_KEY, SettableCredentials


def test_refused_keys_cost_one_call_and_one_reading_of_the_secret_a_minute(
    gameball: StandIn, client: GameballClient, keys: SettableCredentials
):
    clock, breaker = ManualClock(), MemoryCircuitBreaker()
    functions = [GuardedGameball(client, breaker, clock) for _ in range(3)]
    calls: list[Callable[[], object]] = [
        lambda: functions[0].adjust_balances(ONE_ROW),
        lambda: functions[1].job_status(Dialect.GUIDE, 1),
        lambda: functions[2].transactions("c1"),
    ]

    def call_all() -> None:
        for call in calls:
            with suppress(GameballUnauthorized):
                call()
        clock.sleep(1)

    control(gameball, "settings", {"api_key": "rotated"})
    for _ in range(75):
        call_all()
    assert len(control(gameball, "requests")["requests"]) == 2
    assert (keys.fresh_reads, applied(gameball)) == (2, 0)
    keys.stored, began = Credentials("rotated", SECRET_KEY), clock.now()
    while not applied(gameball):
        call_all()
    assert clock.now() - began <= timedelta(minutes=1)
