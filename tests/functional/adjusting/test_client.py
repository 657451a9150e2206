"""What the client says of each thing that can happen on the wire: nothing was sent, or it may have been."""

import json
import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import urllib3

from adjustments.batches.payloads import body_of, rows_json
from adjustments.batches.states import Outcome
from adjustments.core.errors import (
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    GameballUnavailable,
    OutcomeUnknown,
)
from adjustments.gameball.client import GameballClient
from adjustments.gameball.port import Dialect
from adjustments.polling.job_client import read_status
from local.certificate import make_certificate
from local.processes import wait_for
from local.standin.server import StandIn
from tests.functional.conftest import SettableCredentials

ONE_ROW = body_of(rows_json(["c1"], ["12.5"], ["x"]))
BATCH = "batch/balance-adjustment"


def control(gameball: StandIn, path: str, body: Mapping[str, Any] | None = None) -> Any:
    method = "GET" if body is None else "POST"
    answer = urllib3.request(method, f"{gameball.base_url}/_standin/{path}", json=body)
    assert answer.status < 300, answer.data
    return json.loads(answer.data)


def applied(gameball: StandIn) -> int:
    return len(control(gameball, "audit")["applied"])


@pytest.mark.parametrize("dialect", Dialect)
def test_running_job_is_stopped_in_either_dialect(
    gameball: StandIn, client: GameballClient, dialect: Dialect
):
    control(gameball, "settings", {"job_delay_s": 60})
    job_id = client.adjust_balances(ONE_ROW)
    client.stop_job(dialect, job_id)
    assert read_status(dialect, client.job_status(dialect, job_id)).has_ended
    assert applied(gameball) == 0


def test_request_is_applied_and_brings_a_job_id(gameball: StandIn, client: GameballClient):
    job_id = client.adjust_balances(ONE_ROW)
    assert applied(gameball) == 1
    for dialect in Dialect:
        job = read_status(dialect, client.job_status(dialect, job_id))
        assert job.has_ended
        assert job.rows["c1"].outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    ("fault", "error", "rows"),
    [
        ({"kind": "status", "status": 400, "code": 3003}, GameballRefused, 0),
        ({"kind": "status", "status": 404}, GameballRefused, 0),
        ({"kind": "status", "status": 412, "code": 2000}, GameballRefused, 0),
        ({"kind": "status", "status": 413}, GameballRefused, 0),
        ({"kind": "status", "status": 415}, GameballRefused, 0),
        ({"kind": "status", "status": 422, "code": 9008}, GameballRefused, 0),
        ({"kind": "status", "status": 429}, GameballThrottled, 0),
        ({"kind": "status", "status": 422, "code": 2001}, GameballThrottled, 0),
        ({"kind": "status", "status": 401, "code": 1000, "times": 2}, GameballUnauthorized, 0),
        ({"kind": "status", "status": 403, "code": 1002, "times": 2}, GameballUnauthorized, 0),
        ({"kind": "status", "status": 403, "code": 8000, "times": 2}, GameballUnauthorized, 0),
        ({"kind": "status", "status": 422, "code": 6000, "times": 2}, GameballUnauthorized, 0),
        ({"kind": "status", "status": 408}, OutcomeUnknown, 0),
        ({"kind": "status", "status": 500, "code": 5000}, OutcomeUnknown, 0),
        ({"kind": "status", "status": 503, "envelope": "html"}, OutcomeUnknown, 0),
        ({"kind": "status_after", "status": 502}, OutcomeUnknown, 1),
        ({"kind": "reset_before"}, OutcomeUnknown, 0),
        ({"kind": "reset_after"}, OutcomeUnknown, 1),
        ({"kind": "half_answer"}, OutcomeUnknown, 1),
        ({"kind": "not_json"}, OutcomeUnknown, 1),
        ({"kind": "no_job_id"}, OutcomeUnknown, 1),
    ],
    ids=lambda value: "-".join(str(v) for v in value.values()) if isinstance(value, dict) else None,
)
def test_response_is_classified(
    gameball: StandIn, keys: SettableCredentials, fault: dict[str, Any], error: type[GameballError], rows: int
):
    client = GameballClient(gameball.base_url, "v4.0", keys)
    control(gameball, "faults", {"method": "POST", "path": BATCH, **fault})
    keys.stored = type(keys.stored)("another", "pair")  # so that keys read anew are tried, and refused again
    with pytest.raises(error) as raised:
        client.adjust_balances(ONE_ROW)
    assert type(raised.value) is error
    assert applied(gameball) == rows


@pytest.mark.parametrize("rows", [0, 1])
def test_silence_leaves_the_outcome_unknown(gameball: StandIn, keys: SettableCredentials, rows: int):
    client = GameballClient(gameball.base_url, "v4.0", keys, read_timeout_s=0.5)
    black_hole = {"kind": "black_hole", "hold_s": 5, "applied": bool(rows)}
    control(gameball, "faults", {"method": "POST", "path": BATCH, **black_hole})
    with pytest.raises(OutcomeUnknown):
        client.adjust_balances(ONE_ROW)
    # A busy machine may come to the request later than the client gives up.
    wait_for(lambda: control(gameball, "faults")["faults"][0]["fired"], 10, "the request to arrive")
    wait_for(lambda: applied(gameball) == rows, 10, f"{rows} rows to be applied")


def test_refused_connection_sent_nothing(keys: SettableCredentials):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        client = GameballClient(f"http://127.0.0.1:{held.getsockname()[1]}", "v4.0", keys)
        with pytest.raises(GameballUnavailable):
            client.adjust_balances(ONE_ROW)


def test_name_that_does_not_resolve_sent_nothing(keys: SettableCredentials):
    with pytest.raises(GameballUnavailable):
        GameballClient("http://gameball.invalid", "v4.0", keys).adjust_balances(ONE_ROW)


def test_failed_tls_handshake_sent_nothing(gameball: StandIn, keys: SettableCredentials):
    client = GameballClient(gameball.base_url.replace("http:", "https:"), "v4.0", keys)
    with pytest.raises(GameballUnavailable):
        client.adjust_balances(ONE_ROW)
    assert applied(gameball) == 0


def test_each_batch_request_has_a_connection_of_its_own(gameball: StandIn, client: GameballClient):
    """So that a server's closing of an idle connection can never cross with the sending of points."""
    control(gameball, "faults", {"method": "POST", "path": BATCH, "kind": "close_after", "times": 20})
    for _ in range(20):
        client.adjust_balances(ONE_ROW)
    assert applied(gameball) == 20


@pytest.mark.parametrize("once", [False, True])
def test_tls_host_needs_a_trusted_certificate(
    keys: SettableCredentials, once: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def call() -> object:
        client = GameballClient(base_url, "v4.0", keys)
        return client.adjust_balances(ONE_ROW) if once else client.job_status(Dialect.GUIDE, 7)["jobId"]

    certificate = make_certificate(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate.path, certificate.key)
    listening, counted = socket.create_server(("127.0.0.1", 0)), list[int]()
    with serving.wrap_socket(listening, server_side=True) as server:
        base_url = f"https://127.0.0.1:{server.getsockname()[1]}"
        thread = threading.Thread(target=_answer_at_last, args=(server, counted), daemon=True)
        thread.start()
        with pytest.raises(GameballUnavailable):
            call()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
        assert call() == 7
        thread.join(timeout=10)
    assert counted == [1]


def _answer_at_last(server: ssl.SSLSocket, counted: list[int]) -> None:
    """Answer one request over the first connection whose handshake the client does not break off."""
    while True:
        try:
            return _answer(server, 1, counted, requests=1)
        except ssl.SSLError:
            continue


@pytest.mark.parametrize(("once", "connections"), [(False, 1), (True, 3)])
def test_other_calls_keep_their_connection(keys: SettableCredentials, once: bool, connections: int):
    with socket.create_server(("127.0.0.1", 0)) as server:
        counted: list[int] = []
        thread = threading.Thread(target=_answer, args=(server, connections, counted), daemon=True)
        thread.start()
        client = GameballClient(f"http://127.0.0.1:{server.getsockname()[1]}", "v4.0", keys)
        for _ in range(3):
            client.adjust_balances(ONE_ROW) if once else client.job_status(Dialect.GUIDE, 7)
        thread.join(timeout=10)
        assert not thread.is_alive()
    assert (len(counted), sum(counted)) == (connections, 3)


def _answer(server: socket.socket, connections: int, counted: list[int], requests: int = 3) -> None:
    """Answer requests over so many connections, and count how many each had."""
    for _ in range(connections):
        connection, _ = server.accept()
        counted.append(0)
        with connection, connection.makefile("rb") as stream:
            while counted[-1] < requests // connections:
                length = 0
                while (line := stream.readline()) not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                stream.read(length)
                counted[-1] += 1
                connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"jobId":7}')


def test_rotated_keys_are_read_again_once(
    gameball: StandIn, client: GameballClient, keys: SettableCredentials
):
    control(gameball, "settings", {"secret_key": "rotated-secret"})
    keys.stored = type(keys.stored)("standin-api-key", "rotated-secret")
    assert client.adjust_balances(ONE_ROW) > 0
    assert (keys.fresh_reads, applied(gameball)) == (1, 1)


def test_keys_that_stay_wrong_are_not_tried_again(
    gameball: StandIn, client: GameballClient, keys: SettableCredentials
):
    control(gameball, "settings", {"secret_key": "rotated-secret"})
    with pytest.raises(GameballUnauthorized) as raised:
        client.adjust_balances(ONE_ROW)
    assert keys.fresh_reads == 1
    assert "rotated-secret" not in str(raised.value)
    assert "standin-secret-key" not in repr(vars(raised.value))


def test_error_carries_code_request_id_and_time_to_wait(gameball: StandIn, client: GameballClient):
    control(gameball, "settings", {"retry_after_s": 7})
    control(gameball, "faults", {"method": "POST", "path": BATCH, "kind": "status", "status": 429,
                                 "retry_after_s": 7, "envelope": "code", "code": 2001})  # fmt: skip
    with pytest.raises(GameballThrottled) as raised:
        client.adjust_balances(ONE_ROW)
    assert (raised.value.status, raised.value.code, raised.value.retry_after_s) == (429, 2001, 7.0)
    assert raised.value.request_id


@pytest.mark.parametrize("version", ["v4.0", "v4.1"])
def test_client_calls_both_api_versions(gameball: StandIn, keys: SettableCredentials, version: str):
    assert GameballClient(gameball.base_url, version, keys).adjust_balances(ONE_ROW) > 0
