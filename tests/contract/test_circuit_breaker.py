"""What every CircuitBreaker does: the fake in memory, and the table; and the table under fire."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from adjustments.gameball.circuit_breaker import (
    PROBE_EVERY,
    CircuitBreaker,
    Permit,
    Scope,
    TableCircuitBreaker,
)
from local.aws import Aws
from local.environment import REGION
from tests.fakes.memory import START, MemoryCircuitBreaker

JOBS = (Scope.KEYS, Scope.JOBS)
TRANSACTIONS = (Scope.KEYS, Scope.TRANSACTIONS)
DUE = START + PROBE_EVERY


@pytest.fixture
def breaker(kind: str, request: pytest.FixtureRequest) -> CircuitBreaker:
    if kind == "memory":
        return MemoryCircuitBreaker()
    aws: Aws = request.getfixturevalue("aws")
    make_table: Callable[[], str] = request.getfixturevalue("make_table")
    return TableCircuitBreaker(aws.dynamodb, make_table())


def test_closed_circuit_permits_every_call(breaker: CircuitBreaker):
    assert [breaker.permit(JOBS, START) for _ in range(3)] == [Permit()] * 3


def test_open_circuit_of_the_keys_blocks_all_kinds_of_calls(breaker: CircuitBreaker):
    breaker.open(Scope.KEYS, START)
    for scopes in (JOBS, TRANSACTIONS):
        assert breaker.permit(scopes, START + timedelta(seconds=1)) == Permit(blocked_until=DUE)


def test_due_probe_elects_one_caller(
    breaker: CircuitBreaker,
):
    breaker.open(Scope.KEYS, START)
    assert breaker.permit(JOBS, DUE) == Permit(is_probe=True)
    assert breaker.permit(TRANSACTIONS, DUE) == Permit(blocked_until=DUE + PROBE_EVERY)
    # its result never came: it was killed, and another one probes in its turn
    assert breaker.permit(TRANSACTIONS, DUE + PROBE_EVERY) == Permit(is_probe=True)


def test_open_circuit_of_one_kind_of_call_blocks_no_other(breaker: CircuitBreaker):
    breaker.open(Scope.TRANSACTIONS, START)
    assert breaker.permit(JOBS, START) == Permit()
    assert breaker.permit(TRANSACTIONS, START) == Permit(blocked_until=DUE)


def test_call_of_two_open_scopes_probes_for_both_at_the_later_time(breaker: CircuitBreaker):
    breaker.open(Scope.KEYS, START)
    breaker.open(Scope.JOBS, START + timedelta(seconds=5))
    late = DUE + timedelta(seconds=5)
    assert breaker.permit(JOBS, DUE) == Permit(blocked_until=late)
    assert breaker.permit(JOBS, late) == Permit(is_probe=True)
    assert breaker.permit(TRANSACTIONS, late) == Permit(blocked_until=late + PROBE_EVERY)


def test_closed_again_circuit_permits_every_call(breaker: CircuitBreaker):
    breaker.open(Scope.KEYS, START)
    breaker.open(Scope.JOBS, START)
    breaker.close(JOBS)
    assert breaker.permit(JOBS, START) == Permit()
    breaker.close(JOBS)
    assert breaker.permit(TRANSACTIONS, START) == Permit()


def test_table_elects_one_of_many_callers(aws: Aws, make_table: Callable[[], str]):
    table = make_table()

    def ask(scopes: Sequence[Scope]) -> Permit:
        return TableCircuitBreaker(aws.dynamodb, table).permit(scopes, DUE)

    TableCircuitBreaker(aws.dynamodb, table).open(Scope.KEYS, START)
    with ThreadPoolExecutor(max_workers=8) as pool:
        permits = list(pool.map(ask, [JOBS, TRANSACTIONS] * 12))
    assert sum(permit.is_probe for permit in permits) == 1
    assert all(permit.is_probe or permit.blocked_until for permit in permits)


def test_unreachable_table_permits_every_call():
    nowhere = TableCircuitBreaker(Aws("http://127.0.0.1:9", REGION).dynamodb, "any")
    assert nowhere.permit(JOBS, START) == Permit()
    nowhere.open(Scope.KEYS, START)
    nowhere.close(JOBS)
