"""The manual-transaction handler and the real client against the stand-in over a socket."""

import importlib
import io
import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import urllib3
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

from adjustments import bootstrap
from adjustments.aws.metrics import Meter, function_metrics
from adjustments.bootstrap import Application
from adjustments.core import exact_json, limits
from adjustments.core.errors import StillInProgress, TableUnavailable
from adjustments.core.runtime import RandomIds, SystemClock
from adjustments.core.settings import Settings
from adjustments.gameball.client import GameballClient
from adjustments.manual_transactions.call import DOUBTS_TIME
from adjustments.manual_transactions.event_consumer import DETAIL_TYPE as REQUESTED
from adjustments.manual_transactions.ledger import CallerContext
from adjustments.manual_transactions.model import read_manual_transaction
from adjustments.manual_transactions.redaction import mask
from local.standin.server import StandIn
from tests.fakes.gateway import headers_of, proxy_event
from tests.fakes.manual_transactions import MemoryFailures, MemoryLedger
from tests.fakes.memory import FailingRateLimiter, GrantingRateLimiter, MemoryNotifications
from tests.fakes.world import ENVIRONMENT, FakePorts
from tests.functional.adjusting.test_client import control
from tests.functional.conftest import SettableCredentials

EVENTS = Path(__file__).parents[3] / "events"
BODY = {"customerId": "c1", "transactionId": "t1", "username": "ops", "reason": "goodwill", "points": 5}
MANUAL = {"method": "POST", "path": "transactions/manual"}
ROLE = "arn:aws:sts::111122223333:assumed-role/SupportDesk/jane@shop.example"
PRIVATE = (
    "jo@customer.example",
    "+491701234567",
    "jane@shop.example",
    "standin-secret-key",
    "standin-api-key",
)


class Desk:
    """The handler, with all that it reaches."""

    def __init__(self, client: GameballClient, gameball: StandIn) -> None:
        self.gameball = gameball
        self.client = client
        self.environment = dict(ENVIRONMENT)
        self.clock = SystemClock()
        self.ledger = MemoryLedger(self.clock)
        self.failures = MemoryFailures()
        self.bus = MemoryNotifications()
        self.rate_limiter = GrantingRateLimiter()

    def application(self) -> Application:
        """The function, put together from its settings and ports as they are now."""
        ports = FakePorts(
            gameball=self.client,
            clock=self.clock,
            ledger=self.ledger,
            rate_limiter=self.rate_limiter,
            failures=self.failures,
            event_bus=self.bus,
            ids=RandomIds(),
        )
        return Application(Settings(self.environment), ports, Meter(function_metrics))

    def handle(self, event: Mapping[str, Any], remaining_ms: int = 28_000) -> Any:
        bootstrap.install(self.application())
        ends_at = time.monotonic() + remaining_ms / 1000
        context = SimpleNamespace(
            function_name="f",
            memory_limit_in_mb=512,
            invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:f",
            aws_request_id="lambda-request",
            get_remaining_time_in_millis=lambda: int((ends_at - time.monotonic()) * 1000),
        )
        return importlib.import_module("functions.manual_transaction.app").handler(event, context)

    def post(self, body: Any, remaining_ms: int = 28_000) -> tuple[int, dict[str, Any], dict[str, str]]:
        event = json.loads((EVENTS / "manual-api-call.json").read_text())
        event["requestContext"]["identity"]["userArn"] = ROLE
        event["body"] = body if isinstance(body, str | None) else json.dumps(body)
        answer = self.handle(event, remaining_ms)
        return answer["statusCode"], json.loads(answer["body"]), headers_of(answer)

    def find(self, transaction_id: str, caller: str = ROLE) -> tuple[int, dict[str, Any]]:
        event = proxy_event("GET", f"/transactions/{transaction_id}")
        event["requestContext"]["identity"]["userArn"] = caller
        answer = self.handle(event)
        return answer["statusCode"], json.loads(answer["body"])

    def take(self, body: Any, receives: int = 1) -> list[Any]:
        event = json.loads((EVENTS / "manual-queue-messages.json").read_text())
        event["Records"][0]["body"] = body if isinstance(body, str) else json.dumps(body)
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(receives)
        try:
            return list(self.handle(event)["batchItemFailures"])
        except BatchProcessingError as broken:  # so that Lambda counts an error, and the message comes again
            assert not [value for value in PRIVATE if value in str(broken)], "Lambda writes it down"
            return [{"itemIdentifier": record["messageId"]} for record in event["Records"]]

    def fault(self, **fault: Any) -> None:
        control(self.gameball, "faults", {**MANUAL, **fault})

    @property
    def applied(self) -> list[tuple[str, Any]]:
        return [(e["transactionId"], e["amount"]) for e in control(self.gameball, "audit")["applied"]]

    @property
    def requests(self) -> int:
        return len(control(self.gameball, "requests")["requests"])


@pytest.fixture
def desk(client: GameballClient, gameball: StandIn) -> Iterator[Desk]:
    yield Desk(client, gameball)
    bootstrap.install(None)


def test_the_example_of_an_api_call_is_answered_in_gameballs_form(desk: Desk, gameball: StandIn):
    control(gameball, "customers", {"customers": [{"customerId": "player-00325", "balance": 0}]})
    answer = desk.handle(json.loads((EVENTS / "manual-api-call.json").read_text()))
    assert answer["statusCode"] == 200
    assert headers_of(answer) == {
        "content-type": "application/json",
        "x-request-id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
    }
    body = json.loads(answer["body"])
    assert {**body, "gameballTransactionId": 1} == {
        "customerId": "player-00325", "gameballTransactionId": 1, "transactionId": "goodwill-2026-0001",
        "points": 500, "amount": 500,
    }  # fmt: skip
    assert desk.ledger.callers == {
        "goodwill-2026-0001": "arn:aws:sts::111122223333:assumed-role/SupportDesk/support-desk"
    }


def test_caller_is_recorded_beside_the_username_that_the_body_gives(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    """A program may speak for a person; whoever signed the call is on record all the same."""
    log = io.StringIO()
    app = importlib.import_module("functions.manual_transaction.app")
    monkeypatch.setattr(app.logger.registered_handler, "stream", log)
    assert desk.post({**BODY, "username": "somebody.else"})[0] == 200
    assert desk.ledger.callers == {BODY["transactionId"]: ROLE}
    lines = map(json.loads, log.getvalue().splitlines())
    [line] = [line for line in lines if line.get("message") == "manual transaction added"]
    assert (line["username"], line["caller"]) == ("somebody.else", ROLE)


@pytest.mark.parametrize("change", [{"points": 1_000_001}, {"points": -1_000_001}, {"amount": 1_000_000.01}])
def test_transaction_beyond_max_manual_amount_is_refused_by_api_and_queue(
    desk: Desk, change: dict[str, float]
):
    body = {**{name: value for name, value in BODY.items() if name != "points"}, **change}
    status, answer, _ = desk.post(body)
    assert (status, "MaxManualAmount (1000000)" in answer["message"]) == (400, True)
    assert desk.take({"detail-type": REQUESTED, "source": "x", "detail": body}) == []
    assert [told["outcome"] for _, told in desk.bus.events] == ["not_applied"]
    assert desk.applied == []


NO_JSON = "the body is not valid JSON; send a JSON object"

FIELDS = [
    *("customerId", "transactionId", "username", "reason", "email", "mobile", "transactionTime"),
    *("points", "amount", "expiryAfter"),
]
"""The fields, in the order of Gameball's documentation."""


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({**BODY, "expiryAfter": -1}, 400, "Expiry cannot be negative"),
        ({**BODY, "points": -5, "expiryAfter": 3}, 400, "Deduction cannot have expiry"),
        ({**BODY, "amount": 5}, 400, "Only one rewarding method may be specified"),
        ({**BODY, "points": None}, 400, "A rewarding criteria is required"),
        ("{", 400, NO_JSON),
        ("[]", 400, "the body must be a JSON object"),
        (None, 400, NO_JSON),
        ('{"points": ' + "[" * 20_000 + "]" * 20_000 + "}", 400, NO_JSON),
        ('{"points": 5, "points": 500}', 400, "points: is given twice; send it once"),
        ({**BODY, "reason": "x" * limits.MANUAL_BODY_BYTES_MAX}, 413, "the body has more than 65536 bytes"),
        ({**BODY, "customerId": ""}, 400, "customerId: must not be empty"),
        ({**BODY, "surprise": 1, "other": 2}, 400,
         f"surprise: unknown field; other: unknown field (known fields: {', '.join(FIELDS)})"),
        (json.dumps({**BODY, "points": 0}).replace("0}", "NaN}"), 400, "points: must be an integer"),
    ],
)  # fmt: skip
def test_bad_call_is_refused_before_gameball_hears_of_it(desk: Desk, body: Any, status: int, told: str):
    found, answer, headers = desk.post(body)
    code = headers["x-error-code"]
    fixed = {"error": status, "message": told}
    coded = {} if code == "reward_rule_broken" else {"errorCode": code}
    assert (found, answer) == (status, {**fixed, **coded})
    assert headers["x-request-id"]
    assert (desk.requests, desk.ledger.items) == (0, {})


def test_same_call_again_is_replayed_and_marked(desk: Desk):
    first = desk.post(BODY)
    again = desk.post({**BODY, "expiryAfter": 0, "email": None})  # the same, said otherwise
    assert again[:2] == first[:2]
    assert (again[2].get("idempotent-replayed"), first[2].get("idempotent-replayed")) == ("true", None)
    assert desk.requests == 1


def test_a_transaction_is_found_and_its_answer_shown_to_its_sender_alone(desk: Desk):
    assert desk.find("t1")[0] == 404
    answer = desk.post(BODY)[1]
    status, found = desk.find("t1")
    assert (status, found["status"], found["answer"]) == (200, "applied", answer)
    status, found = desk.find("t1", caller="arn:aws:iam::1:user/another")
    assert (status, set(found)) == (200, {"transactionId", "status", "message"})


def test_a_transaction_of_unknown_outcome_is_said_to_be_in_doubt(desk: Desk):
    desk.fault(kind="reset_after", times=20)
    assert desk.post(BODY, remaining_ms=8_000)[0] == 504
    status, found = desk.find("t1")
    assert (status, found["status"], "answer" in found) == (200, "in_doubt", False)
    assert "send the same transactionId and body again" in found["message"]


def test_same_id_with_another_body_is_a_conflict(desk: Desk):
    desk.post(BODY)
    status, body, _ = desk.post({**BODY, "points": 6})
    assert (status, body["error"]) == (409, 409)
    assert desk.applied == [("t1", 5)]


def test_a_call_in_progress_is_a_conflict_that_says_when_to_come_again(desk: Desk):
    desk.fault(kind="delay", delay_s=0.6)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(desk.post, BODY)
        time.sleep(0.3)
        status, _, headers = desk.post(BODY)
        assert (status, headers["retry-after"]) == (409, "2")
        assert slow.result()[0] == 200


def test_an_id_that_is_unclear_is_a_conflict_that_says_when_to_come_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    desk.fault(kind="reset_after")
    with monkeypatch.context() as late:
        late.setattr(desk.client, "transactions", lambda *_: {"transactions": []})
        status, body, headers = desk.post(BODY)
    assert (status, headers["retry-after"], "safe" in body["message"]) == (409, "2", True)
    assert desk.post(BODY)[0] == 200
    assert desk.applied == [("t1", 5)]


@pytest.mark.parametrize("change", [{"customerId": "nobody"}, {"points": -1_000}])
def test_a_refusal_comes_back_as_it_is_a_minute_after_an_unknown_outcome(desk: Desk, change: dict[str, Any]):
    desk.fault(kind="reset_before")
    status, body, _ = desk.post({**BODY, **change})
    assert (status, body["errorCode"]) == (504, "outcome_unknown")
    [item] = desk.ledger.items.values()
    assert item.doubted_at is not None
    item.doubted_at -= DOUBTS_TIME
    status, body, _ = desk.post({**BODY, **change})
    assert (status, body["code"]) in ((404, 7000), (422, 9008))
    assert desk.applied == []


def test_fifty_calls_at_once_apply_once(desk: Desk):
    """Without the handler: Lambda gives each process one event at a time."""
    service = desk.application().manual_transactions
    transaction = read_manual_transaction(BODY, desk.clock.now())
    context = CallerContext(ROLE, "request", lambda: 28_000)

    def add(_: int) -> str:
        try:
            return service.add(transaction, context).body
        except StillInProgress:
            return ""

    with ThreadPoolExecutor(50) as pool:
        answers = set(pool.map(add, range(50)))
    assert desk.applied == [("t1", 5)]
    assert len(answers - {""}) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503, "envelope": "html"},
        {"kind": "status_after", "status": 502},
        {"kind": "reset_before"},
        {"kind": "reset_after"},
        {"kind": "half_answer"},
        {"kind": "not_json"},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
@pytest.mark.parametrize("change", [{"points": 7}, {"points": -7}, {"points": None, "amount": -2.5}], ids=str)
def test_unknown_outcome_is_cleared_within_the_call(
    desk: Desk, fault: dict[str, Any], change: dict[str, Any]
):
    desk.fault(**fault)
    status, body, _ = desk.post({**BODY, **change})
    changed = change["points"] or change.get("amount")
    assert (status, body["points"], type(body["gameballTransactionId"])) == (200, changed, int)
    assert desk.applied == [("t1", changed)]


def test_silence_is_bounded_and_ends_in_the_truth(desk: Desk):
    desk.fault(kind="black_hole", hold_s=20, applied=True)
    before = time.monotonic()
    assert desk.post(BODY, remaining_ms=6_000)[0] == 504
    assert time.monotonic() - before < 5
    assert desk.post(BODY)[:2] == desk.post(BODY)[:2]
    assert desk.applied == [("t1", 5)]


def test_unknown_outcome_says_that_repeating_is_safe_and_it_is(desk: Desk):
    desk.fault(kind="reset_after")
    desk.fault(kind="status", status=500, times=20)
    status, body, _ = desk.post(BODY, remaining_ms=8_000)
    assert (status, "safe" in body["message"]) == (504, True)
    urllib3.request("DELETE", f"{desk.gameball.base_url}/_standin/faults")
    assert desk.post(BODY)[0] == 200
    assert desk.applied == [("t1", 5)]


def test_an_id_of_somebody_else_is_a_conflict(desk: Desk, client: GameballClient):
    client.add_manual_transaction(json.dumps({**BODY, "username": "else"}).encode())
    status, body, _ = desk.post(BODY)
    assert (status, body["error"]) == (409, 409)
    assert desk.applied == [("t1", 5)]


REFUSED = {"errorCode": "gameball_refused"}


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        ({"status": 404, "code": 7000, "message": "Customer not found"}, {"code": 7000}),
        ({"status": 422, "code": 9008, "message": "Insufficient points"}, {"code": 9008}),
        ({"status": 400, "message": "Expiry is odd", "envelope": "error"}, {}),
    ],
    ids=["404", "422", "400"],
)
def test_gameballs_refusal_comes_back_as_it_is(desk: Desk, fault: dict[str, Any], body: dict[str, Any]):
    desk.fault(kind="status", **fault)
    status, told, _ = desk.post(BODY)
    request_id = told.pop("requestId", None)
    assert told == {"error": fault["status"], "message": fault["message"], **body, **REFUSED}
    assert bool(request_id) == bool(body)
    assert status == fault["status"]
    assert desk.post(BODY)[0] == 200, "a refused transactionId may be used again"


def test_busy_gameball_is_asked_again(desk: Desk):
    desk.fault(kind="status", status=429, retry_after_s=1)
    desk.fault(kind="status", status=422, code=2001, retry_after_s=1)
    assert desk.post(BODY)[0] == 200
    assert desk.applied == [("t1", 5)]


def test_gameball_that_stays_busy_is_told_with_the_time_to_wait(desk: Desk):
    desk.fault(kind="status", status=429, retry_after_s=60)
    status, _, headers = desk.post(BODY)
    assert (status, headers["retry-after"]) == (503, "60")


def test_rotated_keys_are_read_again_once(desk: Desk, keys: SettableCredentials):
    control(desk.gameball, "settings", {"secret_key": "rotated-secret"})
    keys.stored = type(keys.stored)("standin-api-key", "rotated-secret")
    assert desk.post(BODY)[0] == 200
    assert keys.fresh_reads == 1


def test_wrong_keys_are_our_fault_and_ring_the_alarm(desk: Desk, capsys: pytest.CaptureFixture[str]):
    control(desk.gameball, "settings", {"secret_key": "rotated-secret"})
    status, body, _ = desk.post(BODY)
    assert (status, body["error"]) == (502, 502)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [metric] = [
        line["_aws"]["CloudWatchMetrics"][0] for line in lines if "_aws" in line and "ColdStart" not in line
    ]
    assert metric["Namespace"] == "GameballAdjustments"
    assert metric["Metrics"] == [{"Name": "KeysRefused", "Unit": "Count"}]


def test_manual_transaction_with_a_setting_missing_blames_no_secret_and_logs_the_name(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    log = io.StringIO()
    app = importlib.import_module("functions.manual_transaction.app")
    monkeypatch.setattr(app.logger.registered_handler, "stream", log)
    del desk.environment["MAX_MANUAL_AMOUNT"]
    status, body, _ = desk.post(BODY)
    assert (status, "one of its settings is missing" in body["message"]) == (500, True)
    assert "secret" not in body["message"]
    [line] = [json.loads(text) for text in log.getvalue().splitlines()]
    assert line["error"] == "SettingRefused"
    assert line["problem"] == "environment variables of this function: MAX_MANUAL_AMOUNT: Field required"
    assert desk.applied == []


def test_what_breaks_inside_stays_inside(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(desk.ledger, "begin", lambda *_: 1 / 0)
    status, body, headers = desk.post(BODY)
    assert (status, "division" in body["message"], bool(headers["x-request-id"])) == (500, False, True)


def test_a_table_out_of_reach_is_told_with_the_time_to_wait_and_comes_again_from_the_queue(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(desk.ledger, "begin", Mock(side_effect=TableUnavailable("lost")))
    status, body, headers = desk.post(BODY)
    assert (status, headers["retry-after"], "sent nothing" in body["message"]) == (503, "5", True)
    event = {"detail-type": REQUESTED, "detail": BODY}
    assert len(desk.take(event, receives=2)) == 1
    assert (desk.failures.messages, desk.applied, desk.requests) == ([], [], 0)
    assert desk.take(event, receives=3) == []
    [(_, attributes)] = desk.failures.messages
    assert (attributes["status"], attributes["outcome"]) == ("503", "unknown")


def test_manual_transaction_answers_503_with_retry_after_when_the_rate_limiter_times_out(desk: Desk):
    desk.rate_limiter = FailingRateLimiter(True)
    status, body, headers = desk.post(BODY)
    assert (status, headers["retry-after"], "sent nothing" in body["message"]) == (503, "5", True)
    assert (desk.applied, desk.requests) == ([], 0)
    assert desk.post(BODY)[0] == 200


@pytest.mark.parametrize("breaks", [False, True])
def test_nothing_private_is_logged_and_the_request_id_is(
    desk: Desk, breaks: bool, monkeypatch: pytest.MonkeyPatch
):
    log = io.StringIO()
    app = importlib.import_module("functions.manual_transaction.app")
    monkeypatch.setattr(app.logger.registered_handler, "stream", log)
    email, mobile, *_ = PRIVATE
    elsewhere = "+49 (170) 765-4321"  # in a name, and not given as the customer's own number
    private = {
        "email": email,
        "mobile": mobile,
        "customerId": email,
        "username": f"desk {mobile} {elsewhere}",
        "transactionId": f"birthday-{email}",
        "reason": f"asked by {email}",
    }
    if breaks:
        monkeypatch.setattr(desk.ledger, "begin", lambda *_: int(email))
    for body in ({**BODY, **private}, {**BODY, **private, "points": "x"}, {**BODY, **private, "mobile": 5}):
        desk.post(body)
    desk.take({"detail-type": REQUESTED, "detail": {**BODY, **private}})
    desk.take({"detail-type": REQUESTED, "detail": {**BODY, **private, "points": []}})
    logged = log.getvalue().replace(ROLE, "")  # who called is no customer, and stays on record
    assert not [value for value in (*PRIVATE, elsewhere, "765") if value in logged]
    assert logged.count("manual transaction not added") == 5
    assert "c6af9ac6-7b61-11e6-9a41-93e8deadbeef" in logged


@pytest.mark.parametrize(
    ("is_masked", "shown"), [(True, mask("c1-customer", "stack-prod")), (False, "c1-customer")]
)
@pytest.mark.parametrize("way", ["call", "event", "schedule"])
def test_a_customers_transaction_is_found_in_the_log_whichever_way_it_came(
    desk: Desk, way: str, is_masked: bool, shown: str, monkeypatch: pytest.MonkeyPatch
):
    log = io.StringIO()
    app = importlib.import_module("functions.manual_transaction.app")
    monkeypatch.setattr(app.logger.registered_handler, "stream", log)
    desk.environment |= {"STACK_NAME": "stack-prod", "MASK_CUSTOMER_IDS": str(is_masked).lower()}
    control(desk.gameball, "customers", {"customers": [{"customerId": "c1-customer", "balance": 0}]})
    body = {**BODY, "customerId": "c1-customer", "transactionId": "gift-c1-customer"}
    if way == "call":
        desk.post(body)
    elif way == "event":
        desk.take({"detail-type": REQUESTED, "detail": body})
    else:
        desk.take({**body, "schedule": "s", "dueTime": "2026-11-22T06:00:00Z"})
    assert desk.applied == [("gift-c1-customer", 5)]
    [line] = [json.loads(line) for line in log.getvalue().splitlines()]
    assert (line["customer_id"], line["transaction_id"]) == (shown, f"gift-{shown}")
    assert line["request_id"]
    assert ("c1-customer" in log.getvalue()) is not is_masked


def test_no_name_of_a_transaction_forges_a_line(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    log = io.StringIO()
    app = importlib.import_module("functions.manual_transaction.app")
    monkeypatch.setattr(app.logger.registered_handler, "stream", log)
    forged = 'x","customer_id":"forged'
    desk.post({**BODY, "transactionId": forged, "username": f"{forged}\u2028\u0085"})
    desk.post({**BODY, "transactionId": "x\n{}"})
    desk.take({"detail-type": REQUESTED, "source": f"{forged}\r\n{{}}", "detail": BODY})
    lines = [json.loads(line) for line in log.getvalue().split("\n") if line]
    assert len(lines) == 3
    assert "forged" not in {line.get("customer_id") for line in lines}


@pytest.mark.parametrize("version", ["v4.0", "v4.1"])
def test_both_versions_of_gameball_work_by_parameter(
    version: str, desk: Desk, keys: SettableCredentials, gameball: StandIn
):
    client = desk.client = GameballClient(gameball.base_url, version, keys)
    first = desk.post(BODY)
    assert (first[0], desk.post(BODY)[:2]) == (200, first[:2])
    desk.fault(kind="reset_after")
    lost = {**BODY, "transactionId": "t2", "points": -3}
    assert desk.post(lost)[1]["points"] == -3  # looked up in the list
    status, told, _ = desk.post({**BODY, "transactionId": "t3", "customerId": "nobody"})
    assert (status, told["code"]) == (404, 7000)
    client.add_manual_transaction(json.dumps({**BODY, "transactionId": "t4"}).encode())
    assert desk.post({**BODY, "transactionId": "t4"})[0] == 409
    assert desk.take({"detail-type": REQUESTED, "detail": {**BODY, "transactionId": "t5"}}) == []
    assert desk.applied == [("t1", 5), ("t2", -3), ("t4", 5), ("t5", 5)]
    paths = [json.dumps(request) for request in control(gameball, "requests")["requests"]]
    assert len(paths) == 8
    assert all(f"/api/{version}/" in path for path in paths)


@pytest.mark.parametrize(
    ("example", "status", "told"),
    [("added", 200, 500), ("deducted", 200, -150), ("refused", 400, "Deduction cannot have expiry")],
)
def test_the_examples_of_bodies_get_the_answers_that_the_demo_shows(
    desk: Desk, gameball: StandIn, example: str, status: int, told: Any
):
    customers = [{"customerId": name, "balance": 200} for name in ("player-00325", "player-00337")]
    control(gameball, "customers", {"customers": customers})
    found, body, _ = desk.post((EVENTS / f"manual-{example}.json").read_text())
    assert (found, body.get("points", body.get("message"))) == (status, told)


def test_the_examples_of_a_call_and_of_a_message_hold_the_other_examples():
    call = json.loads((EVENTS / "manual-api-call.json").read_text())
    assert json.loads(call["body"]) == json.loads((EVENTS / "manual-added.json").read_text())
    [message] = json.loads((EVENTS / "manual-queue-messages.json").read_text())["Records"]
    assert json.loads(message["body"]) == json.loads((EVENTS / "manual-requested.json").read_text())


def test_the_example_of_a_queues_messages_is_applied(desk: Desk, gameball: StandIn):
    control(gameball, "customers", {"customers": [{"customerId": "player-00325", "balance": 500}]})
    event = json.loads((EVENTS / "manual-queue-messages.json").read_text())
    assert desk.handle(event) == {"batchItemFailures": []}
    assert desk.applied == [("return-2026-0815", -120)]


def test_of_several_messages_only_those_that_failed_come_again(desk: Desk):
    event = json.loads((EVENTS / "manual-queue-messages.json").read_text())
    [record] = event["Records"]
    desk.fault(kind="status", status=401, code=1000)
    event["Records"] = [
        {**record, "messageId": f"m{n}", "body": json.dumps({"detail-type": REQUESTED, "detail": detail})}
        for n, detail in enumerate([BODY, {**BODY, "transactionId": "t2"}, {}])
    ]
    assert desk.handle(event) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert desk.applied == [("t2", 5)]
    assert [kind for kind, _ in desk.bus.events] == [
        "Manual Transaction Settled",
        "Manual Transaction Refused",
    ]


def test_the_example_of_an_event_is_applied_and_told(desk: Desk, gameball: StandIn):
    control(gameball, "customers", {"customers": [{"customerId": "player-00325", "balance": 500}]})
    event = (EVENTS / "manual-requested.json").read_text()
    assert desk.take(event) == []
    assert desk.take(event) == []
    assert desk.applied == [("return-2026-0815", -120)]
    assert [(kind, told["points"], told["replayed"]) for kind, told in desk.bus.events] == [
        ("Manual Transaction Settled", -120, False),
        ("Manual Transaction Settled", -120, True),
    ]
    assert desk.ledger.callers == {"return-2026-0815": "event:111122223333:shop.returns"}
    origins = [told["requestedBy"] for _, told in desk.bus.events]
    assert origins == [{"account": "111122223333", "source": "shop.returns"}] * 2


def scheduled(due: str = "2026-11-22T06:00:00Z") -> dict[str, Any]:
    text = (EVENTS / "manual-scheduled.json").read_text()
    arn = "arn:aws:scheduler:eu-central-1:111122223333:schedule/default/birthday"
    text = text.replace("<aws.scheduler.schedule-arn>", arn).replace("<aws.scheduler.scheduled-time>", due)
    return {**json.loads(text), "customerId": "c1"}


def test_a_schedule_that_fires_twice_applies_once_and_its_next_time_again(desk: Desk):
    for due in ("2026-11-22T06:00:00Z", "2026-11-22T06:00:00.000Z", "2026-11-23T06:00:00Z"):
        assert desk.take(scheduled(due)) == []
    [first, second] = desk.applied
    assert first[0].startswith("default/birthday-20261122T060000Z-")
    assert second[0].startswith("default/birthday-20261123T060000Z-")


def test_a_schedule_may_go_over_the_bus_too(desk: Desk):
    event = {"detail-type": REQUESTED, "source": "x", "detail": scheduled()}
    assert desk.take(event) == desk.take(event) == []
    assert len(desk.applied) == 1


def test_a_program_that_names_the_schedule_of_another_takes_no_tick_of_it(desk: Desk):
    forged = {"detail-type": REQUESTED, "source": "x", "account": "1", "detail": scheduled()}
    assert desk.take(forged) == desk.take(scheduled()) == []
    assert len(desk.applied) == 2
    callers = sorted(caller.split(":arn:")[0] for caller in desk.ledger.callers.values())
    assert callers == ["event:1:x:schedule", "schedule"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "the body is not valid JSON; send a JSON object"),
        ({"detail-type": REQUESTED}, "detail: is required: the body of the manual transaction"),
        ({"detail-type": REQUESTED, "detail": {**BODY, "points": 0}}, "points: must not be 0"),
        ({"detail-type": REQUESTED, "detail": {**BODY, "customerId": "nobody"}}, "not found"),
        ({**BODY, "schedule": "s", "dueTime": "<aws.scheduler.scheduled-time>"}, "dueTime: must be"),
        ({**BODY, "dueTime": "2026-11-22T06:00:00Z"}, "schedule: is required: the name or"),
        ({"detail-type": REQUESTED, "detail": {**BODY, "a": "x" * 70_000}}, "more than 65536 bytes"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_to_the_sender_and_not_kept(desk: Desk, body: Any, reason: str):
    assert desk.take(body) == []
    [(kind, told)] = desk.bus.events
    assert (kind, told["outcome"]) == ("Manual Transaction Refused", "not_applied")
    assert reason in told["message"]
    assert 400 <= told["error"] < 500
    assert (desk.failures.messages, desk.applied) == ([], [])


@pytest.mark.parametrize(
    ("fault", "is_senders"),
    [
        ({"status": 404, "code": 7000}, True),  # no such customer
        ({"status": 422, "code": 9008}, True),  # points are missing
        ({"status": 404}, False),  # no such address: GameballBaseUrl is wrong
        ({"status": 405}, False),
        ({"status": 413, "code": 3000}, False),
        ({"status": 415, "code": 3000}, False),
    ],
)
def test_a_refusal_that_no_sender_can_mend_is_kept_for_us(
    desk: Desk, fault: dict[str, Any], is_senders: bool
):
    desk.fault(kind="status", **fault)
    event = json.dumps({"detail-type": REQUESTED, "detail": BODY})
    assert desk.take(event) == []
    [(kind, told)] = desk.bus.events
    assert (kind == "Manual Transaction Refused", told["outcome"]) == (is_senders, "not_applied")
    if is_senders:
        assert desk.failures.messages == []
    else:
        [(kept, attributes)] = desk.failures.messages
        assert (kind, kept) == ("Manual Transaction Failed", event)
        assert (attributes["reason"], attributes["outcome"]) == (told["message"], "not_applied")


def test_a_refusal_that_could_not_be_told_comes_again(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    """After the last try the queue itself keeps the message: it is never dropped untold."""
    event = {"detail-type": REQUESTED, "detail": {**BODY, "points": 0}}
    with monkeypatch.context() as broken:
        broken.setattr(desk.bus, "announce", lambda *_: 1 / 0)
        assert len(desk.take(event, receives=5)) == 1
    assert desk.take(event) == []
    assert [kind for kind, _ in desk.bus.events] == ["Manual Transaction Refused"]


@pytest.mark.parametrize(
    "odd", ["NaN", "1e999999999", "1e99999999999999999999", "[[]]", '"' + "x" * 60_000 + '"']
)
def test_an_id_that_is_none_is_told_of_as_far_as_it_can_be(desk: Desk, odd: str):
    """The event about a refusal must not fail for what was refused: it would come again and again."""
    text = json.dumps({"detail-type": REQUESTED, "detail": {**BODY, "transactionId": "?"}})
    assert desk.take(text.replace('"?"', odd)) == []
    [(kind, told)] = desk.bus.events
    assert (kind, told["customerId"], told["error"]) == ("Manual Transaction Refused", "c1", 400)
    assert len(exact_json.write(told)) < 1_000


def test_an_id_that_is_unclear_comes_again(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    event = {"detail-type": REQUESTED, "detail": BODY}
    desk.fault(kind="reset_after")
    with monkeypatch.context() as late:
        late.setattr(desk.client, "transactions", lambda *_: {"transactions": []})
        assert len(desk.take(event)) == 1
    assert (desk.failures.messages, desk.bus.events) == ([], [])
    assert desk.take(event) == []
    assert desk.applied == [("t1", 5)]


def test_what_may_pass_comes_again_and_the_last_time_is_kept_with_its_reason(desk: Desk):
    control(desk.gameball, "settings", {"secret_key": "rotated-secret"})
    event = {"detail-type": REQUESTED, "detail": BODY}
    assert desk.take(event, receives=2) == [{"itemIdentifier": "059f36b4-87a3-44ab-83d2-661975830a7d"}]
    assert (desk.failures.messages, desk.bus.events) == ([], [])
    assert desk.take(event, receives=3) == []
    [(_, attributes)] = desk.failures.messages
    assert (attributes["status"], attributes["outcome"]) == ("502", "unknown")


def test_an_event_that_could_not_be_told_comes_again_and_applies_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    event = {"detail-type": REQUESTED, "detail": BODY}
    with monkeypatch.context() as broken:
        broken.setattr(desk.bus, "announce", lambda *_: 1 / 0)
        assert len(desk.take(event)) == 1
    assert desk.take(event) == []
    assert desk.applied == [("t1", 5)]
    assert len(desk.bus.events) == 1
