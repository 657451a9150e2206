"""The idempotency ledger of manual transactions, in memory and on the table: the same promises."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Event
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from adjustments.core.errors import IdTaken, StillInProgress, TableUnavailable
from adjustments.core.runtime import RandomIds, SystemClock
from adjustments.manual_transactions.ledger import (
    CallerContext,
    Completed,
    IdempotencyLedger,
    LedgerEntry,
    LedgerStatus,
)
from adjustments.manual_transactions.model import read_manual_transaction
from adjustments.manual_transactions.table_ledger import TableLedger
from local.emulator import start_emulator
from local.environment import REGION
from local.processes import wait_for
from tests.fakes.manual_transactions import Killed, MemoryLedger

TABLE = "records"
DOUBTED_AT = datetime(2026, 11, 21, 12, 0, 0, 123_000, UTC)
BODY: dict[str, Any] = {"customerId": "c", "transactionId": "t", "username": "u", "reason": "r", "points": 5}


@pytest.fixture(scope="module")
def dynamodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A table of the template's form, on the emulator."""
    child, endpoint = start_emulator(tmp_path_factory.mktemp("emulator"))
    with child:
        config = Config(max_pool_connections=60, retries={"total_max_attempts": 1})
        client = boto3.client("dynamodb", REGION, endpoint_url=endpoint, config=config)
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "listing", "batchId")
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "listing",
                    "KeySchema": [
                        {"AttributeName": "listing", "KeyType": "HASH"},
                        {"AttributeName": "batchId", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        yield client


class NotApplied(Exception):
    """The attempt was surely not applied."""


class Unknown(Exception):
    """The attempt may have been applied."""


@pytest.fixture(params=["memory", "table"])
def ledger(request: pytest.FixtureRequest) -> Iterator[IdempotencyLedger]:
    if request.param == "memory":
        yield MemoryLedger(SystemClock())
        return
    client = request.getfixturevalue("dynamodb")
    yield TableLedger(client, TABLE, SystemClock(), RandomIds())
    for item in items(client):
        client.delete_item(TableName=TABLE, Key={"pk": item["pk"], "sk": item["sk"]})


@pytest.fixture
def table(dynamodb: Any) -> Iterator[TableLedger]:
    yield TableLedger(dynamodb, TABLE, SystemClock(), RandomIds())
    for item in items(dynamodb):
        dynamodb.delete_item(TableName=TABLE, Key={"pk": item["pk"], "sk": item["sk"]})


def items(client: Any) -> list[dict[str, Any]]:
    return list(client.scan(TableName=TABLE)["Items"])


Act = Callable[[datetime | None], str]
"""What is done between the two writes; it is told since when it is in doubt."""


def do(
    ledger: IdempotencyLedger, act: Act, remaining_ms: int = 60_000, request: str = "r1", **fields: Any
) -> tuple[str, bool]:
    """One call: its answer, and whether it is replayed."""
    transaction = read_manual_transaction({**BODY, **fields}, SystemClock().now())
    begun = ledger.begin(transaction, CallerContext("arn:me", request, lambda: remaining_ms))
    if isinstance(begun, Completed):
        return begun.answer, True
    try:
        answer = act(begun.doubted_at)
    except NotApplied:
        ledger.forget(begun)
        raise
    except Unknown:
        ledger.reopen(begun, DOUBTED_AT)
        raise
    ledger.complete(begun, answer)
    return answer, False


def answering(text: str, seen: list[datetime | None] | None = None) -> Act:
    def act(doubted_at: datetime | None) -> str:
        if seen is not None:
            seen.append(doubted_at)
        return text

    return act


def raising(error: BaseException) -> Act:
    def act(doubted_at: datetime | None) -> str:
        raise error

    return act


def test_the_first_call_acts_and_the_next_is_replayed(ledger: IdempotencyLedger):
    assert do(ledger, answering('{"points": 1.10}')) == ('{"points": 1.10}', False)
    assert do(ledger, answering("never"), request="r2") == ('{"points": 1.10}', True)


def test_another_body_is_refused(ledger: IdempotencyLedger):
    do(ledger, answering("{}"))
    with pytest.raises(IdTaken):
        do(ledger, answering("never"), request="r2", points=6)


def test_while_it_is_acted_on_it_is_in_progress(ledger: IdempotencyLedger):
    def act(doubted_at: datetime | None) -> str:
        with pytest.raises(StillInProgress):
            do(ledger, answering("never"), request="r2")
        with pytest.raises(IdTaken):
            do(ledger, answering("never"), request="r3", points=6)
        return "{}"

    assert do(ledger, act) == ("{}", False)


def test_two_calls_of_one_request_id_are_two_calls(ledger: IdempotencyLedger):
    """A caller of API Gateway may choose the request id."""

    def act(doubted_at: datetime | None) -> str:
        with pytest.raises(StillInProgress):
            do(ledger, answering("never"), request="r1")
        with pytest.raises(IdTaken):
            do(ledger, answering("never"), request="r1", points=6)
        return "{}"

    assert do(ledger, act, request="r1") == ("{}", False)
    assert do(ledger, answering("never"), request="r1") == ("{}", True)


def late(ledger: IdempotencyLedger, next_act: Act, outcome: Act) -> None:
    """A call whose time is up before it ends, so that the next one takes over and ends first."""

    def act(doubted_at: datetime | None) -> str:
        time.sleep(0.01)
        with ThreadPoolExecutor(1) as another:
            another.submit(do, ledger, next_act, request="r2").exception()
        return outcome(doubted_at)

    with suppress(NotApplied):
        do(ledger, act, remaining_ms=1)


def test_a_late_refusal_does_not_remove_the_record_of_the_call_that_took_over(ledger: IdempotencyLedger):
    late(ledger, raising(Unknown()), raising(NotApplied()))
    time.sleep(0.005)
    with pytest.raises(IdTaken):
        do(ledger, answering("never"), request="r3", points=6)


def test_a_late_answer_is_kept_all_the_same(ledger: IdempotencyLedger):
    late(ledger, raising(Unknown()), answering("{}"))
    assert do(ledger, answering("never"), request="r3") == ("{}", True)


def test_a_late_failure_does_not_open_the_record_of_the_call_that_took_over(ledger: IdempotencyLedger):
    begun, taken_over = Event(), Event()

    def act(doubted_at: datetime | None) -> str:
        begun.set()
        assert taken_over.wait(5)
        raise Unknown

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(do, ledger, act, 1)
        assert begun.wait(5)
        time.sleep(0.01)

        def take_over(doubted_at: datetime | None) -> str:
            taken_over.set()
            assert isinstance(slow.exception(5), Unknown)
            with pytest.raises(StillInProgress):
                do(ledger, answering("never"), request="r3")
            return "{}"

        assert do(ledger, take_over, request="r2") == ("{}", False)


def test_after_an_attempt_that_was_not_applied_nothing_is_left(ledger: IdempotencyLedger):
    seen: list[datetime | None] = []
    with pytest.raises(NotApplied):
        do(ledger, raising(NotApplied()))
    assert do(ledger, answering("{}", seen), request="r2", points=6) == ("{}", False)
    assert seen == [None]


def test_after_an_attempt_that_may_have_been_applied_the_same_body_begins_in_doubt(ledger: IdempotencyLedger):
    seen: list[datetime | None] = []
    with pytest.raises(Unknown):
        do(ledger, raising(Unknown()))
    time.sleep(0.005)
    with pytest.raises(IdTaken):
        do(ledger, answering("never"), request="r2", points=6)
    assert do(ledger, answering("{}", seen), request="r3") == ("{}", False)
    assert seen == [DOUBTED_AT]


def test_after_a_crash_the_next_waits_and_begins_in_doubt(ledger: IdempotencyLedger):
    """What a crashed attempt has sent may have been under way as long as its function had time."""
    seen: list[datetime | None] = []
    until = SystemClock().now() + timedelta(milliseconds=300)
    with pytest.raises(Killed):
        do(ledger, raising(Killed()), remaining_ms=300)
    with pytest.raises(StillInProgress):
        do(ledger, answering("never"), request="r2")
    time.sleep(0.31)
    with pytest.raises(IdTaken):
        do(ledger, answering("never"), request="r3", points=6)
    assert do(ledger, answering("{}", seen), request="r4") == ("{}", False)
    [doubted_at] = seen
    assert doubted_at is not None
    assert timedelta(milliseconds=-2) < doubted_at - until < timedelta(seconds=5)


def test_the_transactions_of_a_customer_are_found_with_what_became_of_them(ledger: IdempotencyLedger):
    begin = SystemClock().now() - timedelta(seconds=1)
    do(ledger, answering('{"gameballTransactionId":7}'), points=5, reason="sorry")
    for remaining_ms, name in ((60_000, "t2"), (-1_000, "t3")):
        with pytest.raises(Killed):
            do(ledger, raising(Killed()), remaining_ms, transactionId=name, points=-3)
    with pytest.raises(NotApplied):
        do(ledger, raising(NotApplied()), transactionId="t4")
    do(ledger, answering("{}"), transactionId="t5", customerId="another")
    end = SystemClock().now() + timedelta(seconds=1)
    found = ledger.of_customer("c", begin, end)
    assert [record.at for record in found] == sorted((record.at for record in found), reverse=True)
    known = {record.transaction_id: record for record in found}
    assert {name: record.outcome for name, record in known.items()} == {
        "t": "applied",
        "t2": "under_way",
        "t3": "in_doubt",
    }
    first = known["t"]
    assert first.change == 5
    assert (first.unit, first.reason, first.gameball_id) == ("points", "sorry", "7")
    assert (first.username, first.caller) == ("u", "arn:me")
    assert known["t2"].change == -3
    assert ledger.of_customer("c", end, end) == []


def test_the_item_of_a_transaction_does_not_name_the_customer(table: TableLedger, dynamodb: Any):
    do(table, answering("{}"), customerId="ada@example.com")
    assert "ada@example.com" not in str(items(dynamodb))


def test_a_late_answer_is_part_of_the_history_all_the_same(table: TableLedger):
    begin = SystemClock().now() - timedelta(seconds=1)

    def taken_over(doubted_at: datetime | None) -> str:
        with pytest.raises(NotApplied):
            do(table, raising(NotApplied()))
        return "{}"

    do(table, taken_over, remaining_ms=-1_000)
    end = SystemClock().now() + timedelta(seconds=1)
    assert [record.outcome for record in table.of_customer("c", begin, end)] == ["applied"]


def test_a_call_writes_twice_and_records_who_asked(table: TableLedger, dynamodb: Any):
    calls: list[str] = []
    dynamodb.meta.events.register(
        "before-call.dynamodb", lambda model, **_: calls.append(model.name), "count"
    )
    do(table, answering("{}"), username="ops.admin")
    dynamodb.meta.events.unregister("before-call.dynamodb", unique_id="count")
    assert calls == ["PutItem", "UpdateItem"]
    [item] = items(dynamodb)
    kept = {name: value["S"] for name, value in item.items() if "S" in value}
    assert (kept["transactionId"], kept["status"]) == ("t", "COMPLETED")
    assert (kept["username"], kept["caller"], kept["requestId"]) == ("ops.admin", "arn:me", "r1")
    days = (int(item["expiresAt"]["N"]) - time.time()) / 86_400
    assert days == pytest.approx(400, abs=0.01)


def test_an_answer_that_is_not_kept_is_given_all_the_same_and_found_again(
    table: TableLedger, monkeypatch: pytest.MonkeyPatch
):
    seen: list[datetime | None] = []
    with monkeypatch.context() as broken:
        broken.setattr(table._client, "update_item", _lost)
        assert do(table, answering("{}"), remaining_ms=1) == ("{}", False)
    time.sleep(0.01)
    assert do(table, answering("{}", seen), request="r2") == ("{}", False)
    assert [bool(doubted_at) for doubted_at in seen] == [True]


def test_a_failed_call_whose_record_stays_begins_in_doubt(
    table: TableLedger, monkeypatch: pytest.MonkeyPatch
):
    seen: list[datetime | None] = []
    with monkeypatch.context() as broken, pytest.raises(NotApplied):
        broken.setattr(table._client, "delete_item", _lost)
        do(table, raising(NotApplied()), remaining_ms=1)
    time.sleep(0.01)
    assert do(table, answering("{}", seen), request="r2") == ("{}", False)
    assert [bool(doubted_at) for doubted_at in seen] == [True]


def test_without_a_record_of_it_nothing_is_sent(table: TableLedger, monkeypatch: pytest.MonkeyPatch):
    seen: list[datetime | None] = []
    with monkeypatch.context() as broken, pytest.raises(TableUnavailable, match="nothing was sent"):
        broken.setattr(table._client, "put_item", _lost)
        do(table, answering("{}", seen))
    assert seen == []
    assert do(table, answering("{}", seen), request="r2") == ("{}", False)
    assert seen == [None]


def test_a_first_write_whose_answer_is_lost_leaves_the_next_call_to_wait_and_to_begin_in_doubt(
    table: TableLedger, monkeypatch: pytest.MonkeyPatch
):
    seen: list[datetime | None] = []
    put = table._client.put_item

    def write_and_lose(**request: Any) -> Any:
        put(**request)
        _lost()

    with monkeypatch.context() as broken, pytest.raises(TableUnavailable):
        broken.setattr(table._client, "put_item", write_and_lose)
        do(table, answering("{}", seen), remaining_ms=3_000)
    with pytest.raises(StillInProgress):
        do(table, answering("{}", seen), request="r2")
    wait_for(lambda: _ends(table, answering("{}", seen)), 10, "the time of the first call to be over")
    assert [bool(doubted_at) for doubted_at in seen] == [True]


def _ends(table: TableLedger, act: Act) -> bool:
    try:
        return do(table, act, request="r3") == ("{}", False)
    except StillInProgress:
        return False


def test_a_first_write_that_boto3_repeats_is_known_as_our_own(
    table: TableLedger, monkeypatch: pytest.MonkeyPatch
):
    seen: list[datetime | None] = []
    put = table._client.put_item

    def twice(**request: Any) -> Any:
        put(**request)
        return put(**request)

    monkeypatch.setattr(table._client, "put_item", twice)
    assert do(table, answering("{}", seen)) == ("{}", False)
    assert [bool(doubted_at) for doubted_at in seen] == [True]


def test_a_removal_that_boto3_repeats_leaves_alone_what_began_in_between(
    table: TableLedger, dynamodb: Any, monkeypatch: pytest.MonkeyPatch
):
    client = table._client
    delete, other = client.delete_item, TableLedger(dynamodb, TABLE, SystemClock(), RandomIds())

    def twice(**request: Any) -> Any:
        delete(**request)
        with pytest.raises(Killed):
            do(other, raising(Killed()), request="r2", points=6)
        return delete(**request)

    with monkeypatch.context() as repeating, pytest.raises(NotApplied):
        repeating.setattr(client, "delete_item", twice)
        do(table, raising(NotApplied()))
    with pytest.raises(StillInProgress):
        do(table, answering("never"), request="r3", points=6)


@pytest.mark.parametrize("kept", [None, '"text"', "5", "[]", "text"])
def test_an_answer_that_another_version_kept_is_asked_for_again_in_doubt(
    table: TableLedger, dynamodb: Any, kept: str | None
):
    do(table, answering("{}"))
    [item] = items(dynamodb)
    item.pop("answer")
    dynamodb.put_item(TableName=TABLE, Item=item | ({} if kept is None else {"answer": {"S": kept}}))
    seen: list[datetime | None] = []
    assert do(table, answering('{"points": 5}', seen), request="r2") == ('{"points": 5}', False)
    assert [bool(doubted_at) for doubted_at in seen] == [True]


def test_what_is_known_of_a_transaction_is_found(ledger: IdempotencyLedger):
    assert ledger.find("t") is None
    seen: list[LedgerEntry | None] = []

    def looking(_: datetime | None) -> str:
        seen.append(ledger.find("t"))
        return '{"points": 5}'

    do(ledger, looking)
    assert [entry.status for entry in seen if entry] == [LedgerStatus.UNDER_WAY]
    found = ledger.find("t")
    assert found is not None
    assert (found.status, found.answer) == (LedgerStatus.APPLIED, '{"points": 5}')
    assert ledger.find("other") is None


def test_a_transaction_that_may_have_been_applied_is_unknown_and_a_refused_one_is_not_known(
    ledger: IdempotencyLedger,
):
    with pytest.raises(Unknown):
        do(ledger, raising(Unknown()))
    found = ledger.find("t")
    assert found is not None
    assert (found.status, found.answer) == (LedgerStatus.IN_DOUBT, "")
    with pytest.raises(NotApplied):
        do(ledger, raising(NotApplied()), request="r2")
    assert ledger.find("t") is None


def test_what_is_past_its_time_is_not_known(table: TableLedger, dynamodb: Any):
    do(table, answering("{}"))
    [item] = items(dynamodb)
    dynamodb.put_item(TableName=TABLE, Item={**item, "expiresAt": {"N": "1"}})
    assert table.find("t") is None


def _lost(**request: Any) -> Any:
    raise ConnectionClosedError(endpoint_url="http://dynamodb", request=SimpleNamespace())
