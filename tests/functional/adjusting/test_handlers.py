"""Real handlers and the real client against the stand-in over a socket; AWS is in memory."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adjustments import wiring
from adjustments.adapters.gameball import GameballClient
from adjustments.settings import Settings
from local.standin.server import StandIn
from tests.fakes.world import World
from tests.functional.adjusting.test_client import BATCH, applied, control

EVENTS = Path(__file__).parents[3] / "events"
CONTEXT = SimpleNamespace(
    function_name="f",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:f",
    aws_request_id="request-1",
    get_remaining_time_in_millis=lambda: 300_000,
)
GOOD = {"customerId": "c1", "transactionId": "t1", "username": "ops", "reason": "goodwill"}


@pytest.fixture
def world(client: GameballClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The handlers' wiring, led to in-memory ports."""
    built = World(client)
    for name, port in {
        "_store": built.store, "_files": built.files, "_gameball": client, "_budget": built.budget,
        "_executions": built.executions, "clock": built.clock, "build_notifier": built.notifier,
        "settings": Settings(bucket=built.files.bucket, amount_max="1000000"),
    }.items():  # fmt: skip
        monkeypatch.setattr(wiring, name, port if name == "clock" else lambda port=port: port)
    yield built
    for name in dir(wiring):
        getattr(getattr(wiring, name), "cache_clear", lambda: None)()


def call(name: str, event: Any) -> Any:
    return importlib.import_module(f"functions.{name}.app").handler(event, CONTEXT)


def post(body: Any) -> tuple[int, dict[str, Any]]:
    text = body if isinstance(body, str) else json.dumps(body)
    answer = call("manual_transaction", {"httpMethod": "POST", "path": "/transactions/manual", "body": text})
    return answer["statusCode"], json.loads(answer["body"])


def message(**body: Any) -> dict[str, Any]:
    return {"Records": [{"messageId": "m1", "eventSource": "aws:sqs", "body": json.dumps(body)}]}


def dropped(key: str, bucket: str = "memory") -> dict[str, Any]:
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return message(source="aws.s3", **{"detail-type": "Object Created", "detail": detail})


def test_file_goes_from_the_queue_to_the_results(world: World, gameball: StandIn):
    world.files.drop("inbox/f.csv", b"customerId,amount\nc1,5\nc2,-7.25\nnobody,1\n")
    assert call("submit_batch", dropped("inbox/f.csv")) == {"batchItemFailures": []}
    [(name, batch_id)] = world.executions.started
    assert name == batch_id
    step = call("poll_jobs", {"batchId": batch_id})
    assert step == {
        "batchId": batch_id,
        "isOver": True,
        "moreToSend": False,
        "waitSeconds": step["waitSeconds"],
    }
    assert call("submit_more", {"batchId": batch_id}) == {"batchId": batch_id}
    assert call("write_report", {"batchId": batch_id})["status"] == "completed_with_errors"
    assert call("notify", {"batchId": batch_id})["status"] == "completed_with_errors"
    entries = control(gameball, "audit")["applied"]
    assert [(entry["customerId"], entry["amount"]) for entry in entries] == [("c1", 5), ("c2", -7.25)]


@pytest.mark.parametrize(
    "event",
    [
        dropped("inbox/f.csv", bucket="somebody-elses"),
        message(source="aws.s3", detail={}),
        message(source="aws.ec2"),
        message(),
        message(source="aws.scheduler", time="yesterday"),
    ],
)
def test_message_that_does_not_belong_here_stays_in_the_queue(world: World, event: dict[str, Any]):
    assert call("submit_batch", event) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_tick_submits_what_recurs(world: World, gameball: StandIn):
    world.files.drop("recurring/monthly.csv", b"customerId,amount\nc1,5\n")
    for _ in range(2):
        tick = message(source="aws.scheduler", time="2026-11-01T06:00:00Z", detail="{}")
        assert call("submit_batch", tick) == {"batchItemFailures": []}
    assert applied(gameball) == 1


def test_manual_transaction_is_added(world: World, gameball: StandIn):
    status, body = post({**GOOD, "points": 5, "expiryAfter": 30})
    assert (status, set(body)) == (
        200,
        {"customerId", "gameballTransactionId", "transactionId", "points", "amount"},
    )
    assert (body["transactionId"], body["points"]) == ("t1", 5)
    assert applied(gameball) == 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({**GOOD, "points": 5, "expiryAfter": -1}, "Expiry cannot be negative"),
        ({**GOOD, "points": -5, "expiryAfter": 3}, "Deduction cannot have expiry"),
        ({**GOOD, "points": 5, "amount": 5}, "Only one rewarding method may be specified"),
        (GOOD, "A rewarding criteria is required"),
        ("{", "the body is no JSON"),
        ("[]", "the body must be a JSON object"),
        ("", "the body is no JSON"),
    ],
)
def test_bad_call_is_refused_before_gameball_hears_of_it(
    world: World, gameball: StandIn, body: Any, told: str
):
    assert post(body) == (400, {"error": 400, "message": told})
    assert control(gameball, "requests")["requests"] == []


def test_gameballs_refusal_comes_back_with_its_status_and_message(world: World, gameball: StandIn):
    status, body = post({**GOOD, "customerId": "nobody", "points": 5})
    assert (status, body["error"]) == (404, 404)
    assert "nobody" in body["message"] or "ustomer" in body["message"]


def test_unknown_outcome_says_that_repeating_is_safe_and_it_is(world: World, gameball: StandIn):
    control(gameball, "faults", {"method": "POST", "path": "transactions/manual", "kind": "reset_after"})
    status, body = post({**GOOD, "points": 5})
    assert (status, body["error"]) == (504, 504)
    assert "safe" in body["message"]
    post({**GOOD, "points": 5})
    assert applied(gameball) == 1


def test_busy_gameball_is_asked_again(world: World, gameball: StandIn):
    control(gameball, "faults", {"path": "transactions/manual", "kind": "status", "status": 429, "times": 2})
    assert post({**GOOD, "points": 5})[0] == 200
    assert applied(gameball) == 1


def test_wrong_keys_are_our_fault(world: World, gameball: StandIn):
    control(gameball, "settings", {"secret_key": "rotated-secret"})
    status, body = post({**GOOD, "points": 5})
    assert (status, body["error"]) == (502, 502)


def test_event_on_the_bus_adds_a_manual_transaction(world: World, gameball: StandIn):
    event = message(**{"detail-type": "Manual Transaction Requested", "detail": {**GOOD, "points": 5}})
    assert call("manual_transaction", event) == {"batchItemFailures": []}
    assert applied(gameball) == 1


def test_batches_are_listed_shown_and_approved(world: World, gameball: StandIn):
    world.files.drop("inbox/f.csv", b"customerId,amount\nc1,5\n")
    call("submit_batch", dropped("inbox/f.csv"))
    [(_, batch_id)] = world.executions.started
    assert [batch["batchId"] for batch in get("/batches")[1]["batches"]] == [batch_id]
    assert get(f"/batches/{batch_id}")[1]["jobs"][0]["jobId"] == 1
    assert get("/batches/none")[0] == 404
    assert get("/batches", status="nonsense")[0] == 400
    assert get("/nowhere")[0] == 404
    status, body = request("POST", f"/batches/{batch_id}/approve")
    assert (status, body["error"]) == (409, 409)


def get(path: str, **query: str) -> tuple[int, dict[str, Any]]:
    return request("GET", path, **query)


def request(method: str, path: str, **query: str) -> tuple[int, dict[str, Any]]:
    event = {"httpMethod": method, "path": path, "queryStringParameters": query or None, "headers": {},
             "requestContext": {"requestId": "r", "identity": {"userArn": "arn:ann"}}, "body": None}  # fmt: skip
    answer = call("batch_api", event)
    return answer["statusCode"], json.loads(answer["body"])


def test_sweep_answers_what_it_did(world: World):
    assert call("sweep", {}) == {"resumed": [], "found": [], "resolved": []}


def test_bad_request_of_a_batch_is_split_over_the_socket(world: World, gameball: StandIn):
    control(gameball, "settings", {"refuse_request_customers": ["c3"]})
    rows = "".join(f"c{n},1\n" for n in range(8))
    world.files.drop("inbox/f.csv", f"customerId,amount\n{rows}".encode())
    call("submit_batch", dropped("inbox/f.csv"))
    [(_, batch_id)] = world.executions.started
    ended = world.run(world.store.batch(batch_id))
    assert (ended.counts.applied, ended.counts.failed) == (7, 1)
    assert len(control(gameball, f"requests?path={BATCH}")["requests"]) == 7
