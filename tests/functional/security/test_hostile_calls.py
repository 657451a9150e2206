"""Calls of the API that mean harm: each is answered with a refusal in the API's form, and does nothing."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from adjustments.core import limits
from local.standin.server import StandIn
from tests.fakes.gateway import headers_of, proxy_event
from tests.fakes.world import World
from tests.functional.adjusting import test_handlers, test_manual
from tests.functional.adjusting.test_client import control
from tests.functional.adjusting.test_handlers import call
from tests.functional.adjusting.test_manual import Desk

world = test_handlers.world  # the fixtures
desk = test_manual.desk

BATCH_ID = "20261121-120000-f-0123456789ab"
STEERED = [f"/batches/{BATCH_ID}/{act}" for act in ("approve", "stop", "resolve")]
DEEP = "[" * 200_000
BODIES = {
    "deep array": DEEP,
    "deep object": '{"note":' * 200_000,
    "deep and closed": "[" * 200_000 + "]" * 200_000,
    "long digits": '{"rows": ' + "9" * 100_000 + "}",
    "long string": json.dumps({"note": "x" * 2_000_000}),
    "many fields": json.dumps({f"f{number}": 0 for number in range(100_000)}),
    "not a number": '{"rows": NaN, "requested": Infinity}',
    "half a character": '{"note": "\\ud800", "outcome": "\\ud800"}',
    "no object": '"text"',
    "no JSON": "\0\1",
    "two names": '{"outcome": "applied", "outcome": "not_applied", "x": 1}',
    "a field of a class": '{"__class__": "x", "__proto__": {}}',
    "base64": base64.b64encode(b'{"note": "x"}').decode(),
}


def post(function: str, path: str, body: str, headers: Mapping[str, Any] | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = call(function, proxy_event("POST", path, body, headers=headers))
    return answer


def assert_refused(answer: dict[str, Any], *statuses: int) -> None:
    assert answer["statusCode"] in statuses
    told = json.loads(answer["body"])
    assert told["error"] == answer["statusCode"]
    assert isinstance(told["message"], str)
    assert len(answer["body"]) < 1_000
    assert "Traceback" not in answer["body"]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("path", STEERED)
def test_body_that_steers_a_batch_is_bounded(world: World, gameball: StandIn, path: str, body: str):
    began_s = time.process_time()
    assert_refused(post("batch_api", path, body), 400, 413)
    assert time.process_time() - began_s < 2
    assert control(gameball, "requests")["requests"] == []


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_body_of_a_batch_is_bounded(world: World, gameball: StandIn, body: str):
    assert_refused(post("accept_batch", "/batch/balance-adjustment", body), 400)
    assert control(gameball, "requests")["requests"] == []


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_body_of_a_manual_transaction_is_bounded(desk: Desk, body: str):
    status, told, _ = desk.post(body)
    assert status in (400, 413)
    assert told["error"] == status
    assert desk.requests == 0


@pytest.mark.parametrize(
    ("function", "path", "bytes_max"),
    [
        ("accept_batch", "/batch/balance-adjustment", limits.BATCH_BODY_BYTES_MAX),
        *(("batch_api", path, limits.ADMINISTRATION_BODY_BYTES_MAX) for path in STEERED),
    ],
)
def test_body_over_its_limit_is_told_so(world: World, function: str, path: str, bytes_max: int):
    assert_refused(post(function, path, json.dumps({"note": "x" * bytes_max})), 413)


@pytest.mark.parametrize(
    "row",
    [
        {"customerId": "c1", "amount": "=1+1"},
        {"customerId": ["c1"], "amount": 1},
        {"customerId": "c1\r\nc2,5", "amount": 1},
        {"customerId": "c1", "amount": 1, "line": 0},
        {"customerId": "c1\0", "amount": 1},
    ],
    ids=range(5),
)
def test_row_of_a_batch_makes_no_other_row(world: World, gameball: StandIn, row: dict[str, Any]):
    answer = post("accept_batch", "/batch/balance-adjustment", json.dumps({"body": [row]}))
    assert control(gameball, "audit")["applied"] == []
    assert answer["statusCode"] in (202, 400)


HEADER_TRICKS = ["k\r\nx-injected: 1", "k\0", "../../results/x", "k" * 200, "'; drop table", "ключ"]


@pytest.mark.parametrize("key", HEADER_TRICKS)
def test_idempotency_key_is_a_name_and_no_more(world: World, gameball: StandIn, key: str):
    body = json.dumps({"body": [{"customerId": "c1", "amount": 1}]})
    answers = [
        post("accept_batch", "/batch/balance-adjustment", body, {"Idempotency-Key": key}) for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert len(control(gameball, "audit")["applied"]) == 1
    [stored] = [name for name in world.files.names("") if name.startswith("work/api/")]
    assert stored.removeprefix("work/api/").removesuffix(".csv").isalnum()
    assert_headers_are_clean(answers[0])


@pytest.mark.parametrize("name", ["transactionId", "customerId", "username", "reason"])
@pytest.mark.parametrize("text", ["x\r\nsecretkey: evil", "x\nx-injected: 1", "x\0y", "x\x7f\x85"])
def test_no_line_end_gets_into_a_header_by_a_field(desk: Desk, name: str, text: str):
    status, _, headers = desk.post({**test_manual.BODY, name: text})
    assert (status, desk.requests) == (400, 0)
    assert_headers_are_clean({"headers": headers})


@pytest.mark.parametrize("name", ["transactionId", "customerId"])
def test_id_with_a_line_separator_is_refused_as_in_files(desk: Desk, name: str):
    status, body, _ = desk.post({**test_manual.BODY, name: "x\u2028y"})
    assert (status, desk.requests) == (400, 0)
    assert body["message"].startswith(f"{name}: has the invisible character <U+2028>")


@pytest.mark.parametrize("text", ["x%0d%0ay", "x&secretkey=evil#?/../", "=1+1", "<b>"])
def test_odd_but_lawful_names_reach_gameball_as_they_are(desk: Desk, gameball: StandIn, text: str):
    control(gameball, "customers", {"customers": [{"customerId": text, "balance": 0}]})
    # so that Gameball's list is asked for, where the id is a part of the address
    desk.fault(kind="status_after", status=502)
    desk.fault(kind="status", status=422, code=9004)
    status, body, headers = desk.post({**test_manual.BODY, "customerId": text, "transactionId": f"t-{text}"})
    assert (status, body["customerId"], desk.applied) == (200, text, [(f"t-{text}", 5)])
    assert_headers_are_clean({"headers": headers})


def test_words_of_gameball_get_into_no_header(desk: Desk):
    words = "busy\r\nset-cookie: evil=1"
    desk.fault(kind="status", status=422, code=9008, message=words)
    status, told, headers = desk.post(test_manual.BODY)
    assert (status, told["message"]) == (422, "busy<U+000D><U+000A>set-cookie: evil=1")
    assert_headers_are_clean({"headers": headers})


def assert_headers_are_clean(answer: Mapping[str, Any]) -> None:
    headers = headers_of(answer) if "multiValueHeaders" in answer else answer["headers"]
    for header in headers.items():
        assert all(text.isascii() and text.isprintable() for text in header)
    assert "x-injected" not in json.dumps(headers)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/batches/../batches", {}),
        ("/batches/%2e%2e", {}),
        ("/batches/" + "x" * 5_000, {}),
        ("/batches/x\0y", {}),
        ("/batches/content%23abc", {}),
        ("/batches", {"limit": "1e3"}),
        ("/batches", {"limit": "-1"}),
        ("/batches", {"limit": "٣"}),
        ("/batches", {"status": "completed' or 1"}),
        ("/batches", {"after": "x" * 5_000}),
    ],
)
def test_address_leads_to_a_batch_or_nowhere(world: World, path: str, query: dict[str, str]):
    status, told = test_handlers.get(path, **query)
    assert status in (400, 404)
    assert told["error"] == status


NAMES = ["", "..", "a/b", "%2e%2e", f"{BATCH_ID}\nx", BATCH_ID.upper(), "x" * 5_000, "x\0", "\ud800", "٢"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize(
    ("method", "act"), [("GET", ""), ("POST", "/approve"), ("POST", "/stop"), ("POST", "/reversal")]
)
def test_name_that_no_batch_has_leads_nowhere(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str, act: str, name: str
):
    """Decoded or not: the table is not even asked, which would break on some of them."""
    monkeypatch.setattr(world.store, "batch", lambda batch_id: 1 // 0)
    event = proxy_event(method, f"/batches/b{act}")
    event["path"] = f"/batches/{name}{act}"
    event["pathParameters"] = {"batchId": name}
    if name or act:
        assert_refused(call("batch_api", event), 404)
    else:
        assert call("batch_api", event)["statusCode"] == 200, "the list, which has a slash more"


@pytest.mark.parametrize(
    "event",
    [
        proxy_event("DELETE", f"/batches/{BATCH_ID}"),
        proxy_event("GET", f"/batches/{BATCH_ID}/stop"),
        proxy_event("POST", f"/batches/{BATCH_ID}/nothing"),
        proxy_event("GET", "/batches/batches"),
        proxy_event("GET", f"/elsewhere/more/batches/{BATCH_ID}"),
        {**proxy_event("GET", "/nothing"), "resource": "/batches"},
    ],
    ids=range(6),
)
def test_call_that_is_none_of_ours_leads_nowhere(
    world: World, monkeypatch: pytest.MonkeyPatch, event: dict[str, Any]
):
    for asked in ("batch", "batches"):
        monkeypatch.setattr(world.store, asked, lambda *_: 1 // 0)
    assert_refused(call("batch_api", event), 404)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"httpMethod": "GET", "resource": "/batches/{batchId}"},
        {"httpMethod": "GET", "resource": "/batches/{batchId}", "pathParameters": None},
        {"httpMethod": "GET", "resource": f"/batches/{BATCH_ID}", "pathParameters": {"batchId": BATCH_ID}},
        {**proxy_event("GET", "/batches"), "httpMethod": None},
        {**proxy_event("GET", "/batches"), "requestContext": None},
    ],
    ids=range(6),
)
def test_event_that_is_no_call_makes_the_invocation_fail(
    world: World, monkeypatch: pytest.MonkeyPatch, event: dict[str, Any]
):
    """API Gateway makes none like it; whoever invokes the function itself is told so."""
    for asked in ("batch", "batches"):
        monkeypatch.setattr(world.store, asked, lambda *_: pytest.fail("the table was asked"))
    with pytest.raises((KeyError, TypeError, AttributeError)):
        call("batch_api", event)
