"""Each request to Gameball is told to X-Ray's daemon; here the daemon is a socket, as in Lambda."""

import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import pytest

from adjustments import base_wiring, manual_wiring, wiring
from adjustments.aws.tracing import DaemonTrace
from adjustments.core.errors import GameballError, GameballUnavailable
from adjustments.gameball.client import GameballClient
from local.standin.server import StandIn
from tests.functional.adjusting.test_client import control
from tests.functional.conftest import SettableKeys

ROOT, PARENT = "1-6741f0a1-0123456789abcdef01234567", "53995c3f42cd8ad8"
SAMPLED = f"Root={ROOT};Parent={PARENT};Sampled=1"
HEX16 = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
SUBSEGMENT: dict[str, Any] = {
    # X-Ray developer guide, "Amazon X-Ray segment documents": "Subsegment fields" and "HTTP request data"
    "type": "object",
    "required": ["id", "name", "start_time", "end_time", "parent_id", "trace_id", "type"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "subsegment"},
        "namespace": {"enum": ["aws", "remote"]},
        "id": HEX16,
        "parent_id": HEX16,
        "trace_id": {"type": "string", "pattern": "^1-[0-9a-f]{8}-[0-9a-f]{24}$"},
        "name": {"type": "string", "pattern": r"^[\w _.:/%&#=+\\\-@]{1,200}$"},
        "start_time": {"type": "number", "minimum": 1.7e9},
        "end_time": {"type": "number", "minimum": 1.7e9},
        "error": {"type": "boolean"},
        "throttle": {"type": "boolean"},
        "fault": {"type": "boolean"},
        "http": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "request": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"method": {"type": "string"}, "url": {"type": "string"}},
                },
                "response": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"status": {"type": "integer"}},
                },
            },
        },
    },
}


class Daemon:
    """What X-Ray's daemon hears, and the environment that names it."""

    def __init__(self, heard: socket.socket) -> None:
        self._heard = heard
        host, port = heard.getsockname()
        self.environment = {"_X_AMZN_TRACE_ID": SAMPLED, "AWS_XRAY_DAEMON_ADDRESS": f"{host}:{port}"}

    def documents(self) -> list[dict[str, Any]]:
        """The documents that have come; what was sent on this machine is there when sending returns."""
        found: list[dict[str, Any]] = []
        while True:
            try:
                header, document = self._heard.recv(65_536).split(b"\n", 1)
            except BlockingIOError:
                return found
            assert json.loads(header) == {"format": "json", "version": 1}
            found.append(json.loads(document))


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with socket.socket(type=socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        heard.setblocking(False)
        yield Daemon(heard)


@pytest.fixture
def traced(gameball: StandIn, keys: SettableKeys, daemon: Daemon) -> GameballClient:
    return GameballClient(gameball.base_url, "v4.0", keys, trace=DaemonTrace(daemon.environment))


def test_a_request_is_one_subsegment_of_the_functions_own_segment(
    traced: GameballClient, gameball: StandIn, daemon: Daemon
):
    traced.transactions("c1")
    [document] = daemon.documents()
    jsonschema.validate(document, SUBSEGMENT)
    assert (document["trace_id"], document["parent_id"], document["namespace"]) == (ROOT, PARENT, "remote")
    url = f"{gameball.base_url}/api/v4.0/integrations/transactions"
    assert document["http"] == {"request": {"method": "GET", "url": url}, "response": {"status": 200}}
    assert document["start_time"] < document["end_time"] < document["start_time"] + 30
    assert {name: document[name] for name in ("error", "throttle", "fault")} == dict.fromkeys(
        ("error", "throttle", "fault"), False
    )


def test_it_tells_nothing_of_customers_and_keys(traced: GameballClient, daemon: Daemon):
    body = {"customerId": "c1-private", "transactionId": "t1", "username": "u", "reason": "r", "points": 5}
    with pytest.raises(GameballError):
        traced.add_manual_transaction(json.dumps(body).encode())
    traced.transactions("c1-private")
    told = json.dumps(daemon.documents())
    assert told.count("/transactions") == 2
    assert not re.findall("c1-private|standin-api-key|standin-secret-key|customerId", told)


@pytest.mark.parametrize(
    ("status", "flags"),
    [(404, {"error"}), (429, {"error", "throttle"}), (500, {"fault"}), (503, {"fault"})],
)
def test_what_went_wrong_is_flagged_as_x_ray_has_it(
    traced: GameballClient, gameball: StandIn, daemon: Daemon, status: int, flags: set[str]
):
    control(gameball, "faults", {"kind": "status", "status": status})
    with pytest.raises(GameballError):
        traced.transactions("c1")
    [document] = daemon.documents()
    jsonschema.validate(document, SUBSEGMENT)
    assert document["http"]["response"] == {"status": status}
    assert {name for name in ("error", "throttle", "fault") if document[name]} == flags


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_request_without_an_answer_is_a_fault(
    traced: GameballClient, gameball: StandIn, daemon: Daemon, kind: str
):
    control(gameball, "faults", {"kind": kind})
    with pytest.raises(GameballError):
        traced.adjust_balances(b'{"body": [{"customerId": "c1", "amount": 1}]}')
    [document] = daemon.documents()
    jsonschema.validate(document, SUBSEGMENT)
    assert (document["fault"], document["http"].keys()) == (True, {"request"})


def test_both_tries_are_told_when_the_keys_were_changed(
    traced: GameballClient, gameball: StandIn, keys: SettableKeys, daemon: Daemon
):
    control(gameball, "settings", {"secret_key": "rotated"})
    keys.stored = type(keys.stored)("standin-api-key", "rotated")
    traced.transactions("c1")
    assert [document["http"]["response"]["status"] for document in daemon.documents()] == [401, 200]


def test_each_invocation_has_ids_of_its_own(traced: GameballClient, daemon: Daemon):
    other = "1-6741f0a2-76543210abcdef0123456789"
    traced.transactions("c1")
    daemon.environment["_X_AMZN_TRACE_ID"] = f"Root={other};Parent={PARENT[::-1]};Sampled=1;Lineage=1:a:0"
    traced.transactions("c1")
    assert [document["trace_id"] for document in daemon.documents()] == [ROOT, other]


@pytest.mark.parametrize(
    "header",
    [
        "",
        SAMPLED.replace("Sampled=1", "Sampled=0"),
        f"Root={ROOT};Parent={PARENT}",
        f"Root={ROOT};Sampled=1",
        "=;;",
    ],
)
def test_what_is_not_sampled_is_not_told(traced: GameballClient, daemon: Daemon, header: str):
    daemon.environment["_X_AMZN_TRACE_ID"] = header
    traced.transactions("c1")
    assert daemon.documents() == []


@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:port", "127.0.0.1:99999", "127.0.0.1:1", "a.name:2000",
     "256.1.1.1:2000", "0.0.0.0:0"],
)  # fmt: skip
def test_a_daemon_that_is_not_there_does_no_harm(traced: GameballClient, daemon: Daemon, address: str):
    daemon.environment["AWS_XRAY_DAEMON_ADDRESS"] = address
    assert traced.transactions("c1")


def test_gameball_is_not_told_of_our_traces(keys: SettableKeys, daemon: Daemon):
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        heard = pool.submit(answer_once, server)
        base_url = "http://{}:{}".format(*server.getsockname())
        GameballClient(base_url, "v4.0", keys, trace=DaemonTrace(daemon.environment)).transactions("c1")
    assert b"secretkey: standin-secret-key" in heard.result()
    assert ROOT.encode() not in heard.result()
    assert daemon.documents()


def answer_once(server: socket.socket) -> bytes:
    """Answer one request; what it was, word for word."""
    connection, _ = server.accept()
    with connection:
        request = connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
    return request


@pytest.mark.parametrize("wired", [wiring, manual_wiring])
def test_batches_and_manual_transactions_are_traced_as_they_are_wired(
    wired: Any, gameball: StandIn, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {**daemon.environment, "GAMEBALL_BASE_URL": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(base_wiring, "SecretKeys", lambda *_: SettableKeys())
    forget(base_wiring, wired)
    try:
        with pytest.raises(GameballUnavailable):
            wired._gameball().transactions("c1")
    finally:
        forget(base_wiring, wired)
    [document] = daemon.documents()
    assert document["http"]["request"]["url"] == "http://127.0.0.1:1/api/v4.0/integrations/transactions"


def forget(*modules: Any) -> None:
    """Let what was built once be built anew."""
    for module in modules:
        for name in dir(module):
            getattr(getattr(module, name), "cache_clear", lambda: None)()
