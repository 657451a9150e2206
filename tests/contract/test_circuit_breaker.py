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


def test_while_nothing_was_refused_every_call_may_be_made(breaker: CircuitBreaker):
    assert [breaker.permit(JOBS, START) for _ in range(3)] == [Permit()] * 3


def test_after_a_refusal_of_the_keys_calls_of_all_kinds_are_put_off(breaker: CircuitBreaker):
    breaker.open(Scope.KEYS, START)
    for scopes in (JOBS, TRANSACTIONS):
        assert breaker.permit(scopes, START + timedelta(seconds=1)) == Permit(blocked_until=DUE)


def test_one_caller_is_elected_when_a_probe_is_due_and_the_others_wait_for_the_next(
    breaker: CircuitBreaker,
):
    breaker.open(Scope.KEYS, START)
    assert breaker.permit(JOBS, DUE) == Permit(is_probe=True)
    assert breaker.permit(TRANSACTIONS, DUE) == Permit(blocked_until=DUE + PROBE_EVERY)
    # its result never came: it was killed, and another one probes in its turn
    assert breaker.permit(TRANSACTIONS, DUE + PROBE_EVERY) == Permit(is_probe=True)


def test_what_one_kind_of_call_is_refused_for_keeps_no_other_waiting(breaker: CircuitBreaker):
    breaker.open(Scope.TRANSACTIONS, START)
    assert breaker.permit(JOBS, START) == Permit()
    assert breaker.permit(TRANSACTIONS, START) == Permit(blocked_until=DUE)


def test_call_waits_for_the_later_of_two_probes_and_probes_for_both(breaker: CircuitBreaker):
    breaker.open(Scope.KEYS, START)
    breaker.open(Scope.JOBS, START + timedelta(seconds=5))
    late = DUE + timedelta(seconds=5)
    assert breaker.permit(JOBS, DUE) == Permit(blocked_until=late)
    assert breaker.permit(JOBS, late) == Permit(is_probe=True)
    assert breaker.permit(TRANSACTIONS, late) == Permit(blocked_until=late + PROBE_EVERY)


def test_once_it_is_closed_everybody_goes_on(breaker: CircuitBreaker):
    breaker.open(Scope.KEYS, START)
    breaker.open(Scope.JOBS, START)
    breaker.close(JOBS)
    assert breaker.permit(JOBS, START) == Permit()
    breaker.close(JOBS)
    assert breaker.permit(TRANSACTIONS, START) == Permit()


def test_of_many_callers_at_once_the_table_elects_one(aws: Aws, make_table: Callable[[], str]):
    table = make_table()

    def ask(scopes: Sequence[Scope]) -> Permit:
        return TableCircuitBreaker(aws.dynamodb, table).permit(scopes, DUE)

    TableCircuitBreaker(aws.dynamodb, table).open(Scope.KEYS, START)
    with ThreadPoolExecutor(max_workers=8) as pool:
        permits = list(pool.map(ask, [JOBS, TRANSACTIONS] * 12))
    assert sum(permit.is_probe for permit in permits) == 1
    assert all(permit.is_probe or permit.blocked_until for permit in permits)


def test_where_the_table_is_out_of_reach_calls_are_made_and_their_answers_kept():
    nowhere = TableCircuitBreaker(Aws("http://127.0.0.1:9", REGION).dynamodb, "any")
    assert nowhere.permit(JOBS, START) == Permit()
    nowhere.open(Scope.KEYS, START)
    nowhere.close(JOBS)
