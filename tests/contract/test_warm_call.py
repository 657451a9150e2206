"""What a warm call for a manual transaction costs: the table is asked three times, and Gameball once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from adjustments.core.errors import IdTaken
from adjustments.core.runtime import RandomIds, SystemClock
from adjustments.gameball.rate_limiter import TableRateLimiter
from adjustments.manual_transactions.ledger import CallerContext
from adjustments.manual_transactions.model import read_manual_transaction
from adjustments.manual_transactions.service import Added, ManualTransactionService
from adjustments.manual_transactions.table_ledger import TableLedger
from local.aws import Aws
from tests.fakes.manual_transactions import MemoryTransactions
from tests.unit.manual_transactions.test_model import GOOD


class Desk:
    """A warm function on a table of its own."""

    def __init__(self, aws: Aws, table: str) -> None:
        clock, ids = SystemClock(), RandomIds()
        self.dynamodb = aws.dynamodb
        self.gameball = MemoryTransactions()
        ledger = TableLedger(aws.dynamodb, table, clock, ids)
        rate_limiter = TableRateLimiter(aws.dynamodb, table, clock, ids, 350)
        self._service = ManualTransactionService(self.gameball, ledger, rate_limiter, clock, ids)

    def add(self, **fields: Any) -> Added:
        transaction = read_manual_transaction({**GOOD, "points": 5, **fields}, SystemClock().now())
        return self._service.add(transaction, CallerContext("arn:me", "r", lambda: 26_000))

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """What the table is asked for meanwhile."""
        asked: list[str] = []
        events = self.dynamodb.meta.events
        events.register("before-call.dynamodb", lambda model, **_: asked.append(model.name), "count")
        yield asked
        events.unregister("before-call.dynamodb", unique_id="count")


@pytest.fixture
def desk(aws: Aws, make_table: Callable[[], str]) -> Desk:
    built = Desk(aws, make_table())
    built.add(transactionId="first")
    return built


def test_a_warm_call_writes_the_intent_takes_a_place_and_writes_the_answer(desk: Desk):
    with desk.counting() as asked:
        desk.add()
    assert asked == ["PutItem", "UpdateItem", "UpdateItem"]
    assert len(desk.gameball.sent) == 2


def test_a_call_that_is_replayed_or_refused_for_its_body_asks_once(desk: Desk):
    with desk.counting() as asked:
        assert desk.add(transactionId="first").is_replayed
        with pytest.raises(IdTaken):
            desk.add(transactionId="first", points=6)
    assert asked == ["PutItem", "PutItem"]
    assert len(desk.gameball.sent) == 1
