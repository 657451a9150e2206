"""The records of manual transactions, in memory and on the table: the same promises."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from adjustments.adapters.idempotency import TableOnce
from adjustments.core.errors import (
    GameballRefused,
    GameballThrottled,
    IdTaken,
    OutcomeUnknown,
    StillInProgress,
    TableUnavailable,
)
from adjustments.core.runtime import RandomIds, SystemClock
from adjustments.manual.transaction import read_manual_transaction
from adjustments.ports import Asking, Attempt, Once
from local.emulator import REGION, start_emulator
from local.waiting import wait_for
from tests.fakes.transacting import Killed, MemoryOnce

TABLE = "records"
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
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
        yield client


@pytest.fixture(params=["memory", "table"])
def once(request: pytest.FixtureRequest) -> Iterator[Once]:
    if request.param == "memory":
        yield MemoryOnce(SystemClock())
        return
    client = request.getfixturevalue("dynamodb")
    yield TableOnce(client, TABLE, RandomIds())
    for item in items(client):
        client.delete_item(TableName=TABLE, Key={"pk": item["pk"], "sk": item["sk"]})


@pytest.fixture
def table(dynamodb: Any) -> Iterator[TableOnce]:
    yield TableOnce(dynamodb, TABLE, RandomIds())
    for item in items(dynamodb):
        dynamodb.delete_item(TableName=TABLE, Key={"pk": item["pk"], "sk": item["sk"]})


def items(client: Any) -> list[dict[str, Any]]:
    return list(client.scan(TableName=TABLE)["Items"])


def do(
    once: Once, act: Callable[[Attempt], str], remaining_ms: int = 60_000, request: str = "r1", **fields: Any
) -> tuple[str, bool]:
    transaction = read_manual_transaction({**BODY, **fields}, SystemClock().now())
    return once.do(transaction, Asking("arn:me", request, lambda: remaining_ms), act)


def answering(text: str, seen: list[bool] | None = None) -> Callable[[Attempt], str]:
    def act(attempt: Attempt) -> str:
        if seen is not None:
            seen.append(attempt.in_doubt)
        return text

    return act


def raising(error: BaseException, in_doubt: bool = False) -> Callable[[Attempt], str]:
    def act(attempt: Attempt) -> str:
        attempt.in_doubt |= in_doubt
        raise error

    return act


def test_the_first_call_acts_and_the_next_is_replayed(once: Once):
    assert do(once, answering('{"points": 1.10}')) == ('{"points": 1.10}', False)
    assert do(once, answering("never"), request="r2") == ('{"points": 1.10}', True)


def test_another_body_is_refused(once: Once):
    do(once, answering("{}"))
    with pytest.raises(IdTaken):
        do(once, answering("never"), request="r2", points=6)


def test_while_it_is_acted_on_it_is_in_progress(once: Once):
    def act(attempt: Attempt) -> str:
        with pytest.raises(StillInProgress):
            do(once, answering("never"), request="r2")
        with pytest.raises(IdTaken):
            do(once, answering("never"), request="r3", points=6)
        return "{}"

    assert do(once, act) == ("{}", False)


def test_two_calls_of_one_request_id_are_two_calls(once: Once):
    """A caller of API Gateway may choose the request id."""

    def act(attempt: Attempt) -> str:
        with pytest.raises(StillInProgress):
            do(once, answering("never"), request="r1")
        with pytest.raises(IdTaken):
            do(once, answering("never"), request="r1", points=6)
        return "{}"

    assert do(once, act, request="r1") == ("{}", False)
    assert do(once, answering("never"), request="r1") == ("{}", True)


def late(once: Once, next_act: Callable[[Attempt], str], outcome: Callable[[Attempt], str]) -> None:
    """A call whose time is up before it ends, so that the next one takes over and ends first."""

    def act(attempt: Attempt) -> str:
        time.sleep(0.01)
        with ThreadPoolExecutor(1) as another:
            another.submit(do, once, next_act, request="r2").exception()
        return outcome(attempt)

    with suppress(GameballRefused):
        do(once, act, remaining_ms=1)


def test_a_late_refusal_does_not_remove_the_record_of_the_call_that_took_over(once: Once):
    late(once, raising(OutcomeUnknown("reset")), raising(GameballRefused("404")))
    time.sleep(0.005)
    with pytest.raises(IdTaken):
        do(once, answering("never"), request="r3", points=6)


def test_a_late_answer_is_kept_all_the_same(once: Once):
    late(once, raising(OutcomeUnknown("reset")), answering("{}"))
    assert do(once, answering("never"), request="r3") == ("{}", True)


def test_a_late_failure_does_not_open_the_record_of_the_call_that_took_over(once: Once):
    begun, taken_over = Event(), Event()

    def act(attempt: Attempt) -> str:
        begun.set()
        assert taken_over.wait(5)
        raise OutcomeUnknown("reset")

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(do, once, act, 1)
        assert begun.wait(5)
        time.sleep(0.01)

        def take_over(attempt: Attempt) -> str:
            taken_over.set()
            assert isinstance(slow.exception(5), OutcomeUnknown)
            with pytest.raises(StillInProgress):
                do(once, answering("never"), request="r3")
            return "{}"

        assert do(once, take_over, request="r2") == ("{}", False)


@pytest.mark.parametrize("error", [GameballRefused("404"), GameballThrottled("429")])
def test_after_a_certain_failure_nothing_is_left(once: Once, error: Exception):
    seen: list[bool] = []
    with pytest.raises(type(error)):
        do(once, raising(error))
    assert do(once, answering("{}", seen), request="r2", points=6) == ("{}", False)
    assert seen == [False]


@pytest.mark.parametrize(
    ("error", "in_doubt"),
    [(OutcomeUnknown("reset"), False), (GameballRefused("404"), True), (KeyError("a bug"), False)],
)
def test_after_an_uncertain_one_the_next_begins_in_doubt_with_the_same_body(
    once: Once, error: Exception, in_doubt: bool
):
    seen: list[bool] = []
    with pytest.raises(type(error)):
        do(once, raising(error, in_doubt))
    time.sleep(0.005)
    with pytest.raises(IdTaken):
        do(once, answering("never"), request="r2", points=6)
    assert do(once, answering("{}", seen), request="r3") == ("{}", False)
    assert seen == [True]


def test_after_a_crash_the_next_waits_and_begins_in_doubt(once: Once):
    seen: list[bool] = []
    with pytest.raises(Killed):
        do(once, raising(Killed()), remaining_ms=300)
    with pytest.raises(StillInProgress):
        do(once, answering("never"), request="r2")
    time.sleep(0.31)
    with pytest.raises(IdTaken):
        do(once, answering("never"), request="r3", points=6)
    assert do(once, answering("{}", seen), request="r4") == ("{}", False)
    assert seen == [True]


def test_a_call_writes_twice_and_records_who_asked(table: TableOnce, dynamodb: Any):
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
    assert days == pytest.approx(30, abs=0.01)


def test_an_answer_that_is_not_kept_is_given_all_the_same_and_found_again(
    table: TableOnce, monkeypatch: pytest.MonkeyPatch
):
    seen: list[bool] = []
    with monkeypatch.context() as broken:
        broken.setattr(table._records.client, "update_item", _lost)
        assert do(table, answering("{}"), remaining_ms=1) == ("{}", False)
    time.sleep(0.01)
    assert do(table, answering("{}", seen), request="r2") == ("{}", False)
    assert seen == [True]


def test_a_failed_call_whose_record_stays_begins_in_doubt(table: TableOnce, monkeypatch: pytest.MonkeyPatch):
    seen: list[bool] = []
    with monkeypatch.context() as broken, pytest.raises(GameballRefused):
        broken.setattr(table._records.client, "delete_item", _lost)
        do(table, raising(GameballRefused("404")), remaining_ms=1)
    time.sleep(0.01)
    assert do(table, answering("{}", seen), request="r2") == ("{}", False)
    assert seen == [True]


def test_without_a_record_of_it_nothing_is_sent(table: TableOnce, monkeypatch: pytest.MonkeyPatch):
    seen: list[bool] = []
    with monkeypatch.context() as broken, pytest.raises(TableUnavailable, match="sent nothing"):
        broken.setattr(table._records.client, "put_item", _lost)
        do(table, answering("{}", seen))
    assert seen == []
    assert do(table, answering("{}", seen), request="r2") == ("{}", False)
    assert seen == [False]


def test_a_first_write_whose_answer_is_lost_leaves_the_next_call_to_wait_and_to_begin_in_doubt(
    table: TableOnce, monkeypatch: pytest.MonkeyPatch
):
    seen: list[bool] = []
    put = table._records.client.put_item

    def write_and_lose(**request: Any) -> Any:
        put(**request)
        _lost()

    with monkeypatch.context() as broken, pytest.raises(TableUnavailable):
        broken.setattr(table._records.client, "put_item", write_and_lose)
        do(table, answering("{}", seen), remaining_ms=3_000)
    with pytest.raises(StillInProgress):
        do(table, answering("{}", seen), request="r2")
    wait_for(lambda: _ends(table, answering("{}", seen)), 10, "the time of the first call to be over")
    assert seen == [True]


def _ends(table: TableOnce, act: Callable[[Attempt], str]) -> bool:
    try:
        return do(table, act, request="r3") == ("{}", False)
    except StillInProgress:
        return False


def test_a_first_write_that_boto3_repeats_is_known_as_our_own(
    table: TableOnce, monkeypatch: pytest.MonkeyPatch
):
    seen: list[bool] = []
    put = table._records.client.put_item

    def twice(**request: Any) -> Any:
        put(**request)
        return put(**request)

    monkeypatch.setattr(table._records.client, "put_item", twice)
    assert do(table, answering("{}", seen)) == ("{}", False)
    assert seen == [True]


def test_a_removal_that_boto3_repeats_leaves_alone_what_began_in_between(
    table: TableOnce, dynamodb: Any, monkeypatch: pytest.MonkeyPatch
):
    client = table._records.client
    delete, other = client.delete_item, TableOnce(dynamodb, TABLE, RandomIds())

    def twice(**request: Any) -> Any:
        delete(**request)
        with pytest.raises(Killed):
            do(other, raising(Killed()), request="r2", points=6)
        return delete(**request)

    with monkeypatch.context() as repeating, pytest.raises(GameballRefused):
        repeating.setattr(client, "delete_item", twice)
        do(table, raising(GameballRefused("404")))
    with pytest.raises(StillInProgress):
        do(table, answering("never"), request="r3", points=6)


@pytest.mark.parametrize("kept", [None, '"text"', '{"statusCode": 200}', '{"body": 5}'])
def test_an_answer_that_another_version_kept_is_asked_for_again_in_doubt(
    table: TableOnce, dynamodb: Any, kept: str | None
):
    do(table, answering("{}"))
    [item] = items(dynamodb)
    item.pop("answer")
    dynamodb.put_item(TableName=TABLE, Item=item | ({} if kept is None else {"answer": {"S": kept}}))
    seen: list[bool] = []
    assert do(table, answering('{"points": 5}', seen), request="r2") == ('{"points": 5}', False)
    assert seen == [True]


def _lost(**request: Any) -> Any:
    raise ConnectionClosedError(endpoint_url="http://dynamodb", request=SimpleNamespace())
