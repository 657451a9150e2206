"""The wire: keep-alive, framing, hostile bytes, many callers, a clean end."""

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.standin import StandIn

from .caller import Caller, row

ROOT = Path(__file__).parents[3]
HEAD = "POST /api/v4.0/integrations/batch/balance-adjustment HTTP/1.1\r\nHost: x\r\n"
KEY_LINES = "apikey: standin-api-key\r\nsecretkey: standin-secret-key\r\n"


def _exchange(standin: StandIn, raw: bytes) -> bytes:
    """Send bytes as they are, and read until the server hangs up."""
    with socket.create_connection(("127.0.0.1", standin.port), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_connection_serves_many_requests_refused_ones_included(caller: Caller) -> None:
    caller.control("GET", "health")
    first = caller.connection.sock
    statuses = [
        caller.batch(row("ann", 1)).status,
        caller.batch(row("ann", "x")).status,
        caller.call("POST", "nothing", {"a": "b" * 100_000}).status,
        caller.request("POST", "/api/v4.0/integrations/transactions/manual", "{}", headers={}).status,
        caller.call("POST", "batch/balance-adjustment", "{" * 100_000).status,
        caller.call("POST", "batch/balance-adjustment", b"\xff\xfe").status,
        caller.control("GET", "audit").status,
        caller.batch(row("ann", 1)).status,
    ]
    assert statuses == [200, 400, 404, 401, 400, 400, 200, 200]
    assert caller.connection.sock is first


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (HEAD + KEY_LINES + "\r\n", 400),
        (HEAD + KEY_LINES + "Content-Length: x\r\n\r\n{}", 400),
        (HEAD + KEY_LINES + "Content-Length: -1\r\n\r\n{}", 400),
        (HEAD + KEY_LINES + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (HEAD + KEY_LINES + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 411),
        ("BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        ("nonsense\r\n\r\n", 400),
        ("GET http://[bad/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /api/%ff%00/integrations/x HTTP/1.1\r\nHost: x\r\n" + KEY_LINES + "\r\n", 404),
    ],
)
def test_invalid_request_is_answered_without_a_stack_trace(
    standin: StandIn, request_text: str, status: int
) -> None:
    answer = _exchange(standin, request_text.encode())
    assert b"Traceback" not in answer
    body = json.loads(answer.rpartition(b"\r\n\r\n")[2])
    assert status in (body.get("error"), {3000: 400, 4004: 404}.get(body.get("code", 0)))


def test_incomplete_body_is_not_processed(standin: StandIn, caller: Caller) -> None:
    body = '{"body":[{"customerId":"ann","amount":5}]}'
    assert _exchange(standin, f"{HEAD}{KEY_LINES}Content-Length: 99\r\n\r\n{body}".encode()) == b""
    assert caller.audit() == {"applied": [], "refusedRows": []}


def test_two_requests_in_one_packet_get_two_answers(standin: StandIn) -> None:
    one = "GET /_standin/health HTTP/1.1\r\nHost: x\r\n\r\n"
    assert _exchange(standin, (one + one).encode()).count(b'{"status":"ok"}') == 2


def test_body_over_10_mb_is_413_and_keeps_the_connection(caller: Caller) -> None:
    reply = caller.call("POST", "batch/balance-adjustment", b"x" * (10 * 1024 * 1024 + 1))
    assert reply.status == 413
    assert caller.batch(row("ann", 1)).status == 200


def test_head_and_http_1_0_are_served(standin: StandIn) -> None:
    assert _exchange(standin, b"HEAD /_standin/nothing HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n")
    assert _exchange(standin, b"GET /_standin/audit HTTP/1.0\r\n\r\n").endswith(
        b'{"applied":[],"refusedRows":[]}'
    )


def test_latency_comes_before_every_answer(caller: Caller) -> None:
    caller.set(latency_s=0.1)
    began_s = time.monotonic()
    caller.call("GET", "customers/ann/balance")
    assert time.monotonic() - began_s >= 0.1


def test_concurrent_callers_keep_exact_balances(standin: StandIn) -> None:
    def add(number: int) -> None:
        caller = Caller(standin)
        for turn in range(20):
            caller.batch(row("ann", 1), row("bob", 0.1))
            caller.manual(transactionId=f"t-{turn}", points=1)  # the same id from each caller
        caller.close()

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    caller = Caller(standin)
    entries = caller.audit()["applied"]
    assert (caller.balance("ann"), caller.balance("bob")) == (100 + 160 + 20, 21)
    assert [entry["sequence"] for entry in entries] == list(range(1, 341))
    assert all(entry["balanceAfter"] == entry["balanceBefore"] + entry["amount"] for entry in entries)
    caller.close()


def test_stop_ends_all_threads_also_with_idle_connections() -> None:
    before = threading.active_count()
    with StandIn(limits=False) as standin:
        callers = [Caller(standin) for _ in range(5)]
        for caller in callers:
            caller.control("GET", "health")
        port = standin.port
    assert threading.active_count() == before
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    for caller in callers:
        caller.close()


def test_200_000_rows_are_processed(caller: Caller) -> None:
    caller.control("POST", "customers", {"generate": {"count": 1000, "balance": 10}})
    body = json.dumps({"body": [row(f"cust-{number:05d}", 1, "volume") for number in range(1, 1001)]})
    began_s = time.monotonic()
    for _ in range(200):
        assert caller.call("POST", "batch/balance-adjustment", body).status == 200
    text = caller.control("GET", "audit").text
    assert time.monotonic() - began_s < 60  # a generous bound: it takes a few seconds
    assert text.count('"sequence"') == 200_000
    assert text.endswith('"balanceBefore":209,"balanceAfter":210,"expiryAfter":null}],"refusedRows":[]}')


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The stand-in as people start it, with customers from a file."""
    customers = tmp_path / "customers.json"
    customers.write_text('{"customers":[{"customerId":"ann","balance":1.50}]}')
    command = [sys.executable, "-m", "local.standin", "--customers-file", str(customers), "--limits", "off"]
    command += ["--job-delay-s", "0", "--dialect", "guide", "--api-key", "k-api", "--secret-key", "k-secret"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        yield running
        running.terminate()


def test_command_prints_its_address_and_stops_on_a_signal(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    assert line.startswith("standin listening on http://127.0.0.1:")
    connection = http.client.HTTPConnection(line.split("//")[1].strip(), timeout=10)
    keys = {"apikey": "k-api", "secretkey": "k-secret"}
    connection.request("GET", "/api/v4.0/integrations/customers/ann/balance", headers=keys)
    assert b'"totalPointsBalance":1.50,' in connection.getresponse().read()
    connection.close()
    process.terminate()
    assert process.wait(timeout=10) == 0
    assert process.stderr.read() == ""


def test_command_refuses_an_invalid_file(tmp_path: Path) -> None:
    bad = tmp_path / "customers.json"
    bad.write_text('{"customers":[{"balance":1}]}')
    command = [sys.executable, "-m", "local.standin", "--customers-file", str(bad)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "customerId must be a non-empty string" in ended.stderr
