"""The client and answers that no documented Gameball gives: each is an error of the right class, in time."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from adjustments.core.errors import (
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnavailable,
    OutcomeUnknown,
)
from adjustments.gameball.client import RETRY_AFTER_S_MAX, GameballClient
from adjustments.gameball.credentials import Credentials
from adjustments.gameball.transport import RESPONSE_BYTES_MAX
from tests.functional.conftest import SettableCredentials

Answering = Callable[[socket.socket], None]


def _read_request(connection: socket.socket) -> bool:
    """Take one request off a connection; False when it is closed instead."""
    with connection.makefile("rb") as stream:
        length, line = 0, stream.readline()
        if not line:
            return False
        while line not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            line = stream.readline()
        stream.read(length)
    return True


@contextmanager
def odd_gameball(answering: Answering) -> Iterator[str]:
    """A server that answers the requests of each connection as it is told."""
    opened: list[socket.socket] = []

    def talk(connection: socket.socket) -> None:
        with suppress(OSError):  # the client, or the test, has gone
            while _read_request(connection):
                answering(connection)

    def serve() -> None:
        with suppress(OSError):
            while True:
                opened.append(server.accept()[0])
                threading.Thread(target=talk, args=(opened[-1],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    for connection in opened:
        connection.close()


def saying(status: int, body: bytes, *headers: str) -> Answering:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return lambda connection: connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)


def failing(answering: Answering, within_s: float = 5) -> GameballError:
    """What the client makes of an answer."""
    with odd_gameball(answering) as url, pytest.raises(GameballError) as raised:
        GameballClient(url, "v4.0", SettableCredentials()).add_manual_transaction(b"{}", within_s)
    return raised.value


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7),
        ("0", 0),
        (" 7 ", 7),
        ("999999999", RETRY_AFTER_S_MAX),
        ("9" * 400, RETRY_AFTER_S_MAX),
        ("-7", None),
        ("7.5", None),
        ("\xb2", None),
        ("soon", None),
        ("", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_S_MAX),
        ("Fri, 99 Dec 2026 23:59:59 GMT", RETRY_AFTER_S_MAX),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(header: str, wait_s: float | None):
    error = failing(saying(429, b"{}", f"Retry-After: {header}"))
    assert isinstance(error, GameballThrottled)
    assert error.retry_after_s == wait_s


def test_retry_after_as_a_date_is_counted_from_now():
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert failing(saying(429, b"{}", f"Retry-After: {at}")).retry_after_s == pytest.approx(29, abs=2)


@pytest.mark.parametrize("code", [None, True, 1.5, "", "x", "\xb2", "9" * 5_000, [], {}])
def test_code_that_is_no_number_is_none(code: object):
    error = failing(saying(422, json.dumps({"code": code, "message": "no"}).encode()))
    assert isinstance(error, GameballRefused)
    assert error.code is None


@pytest.mark.parametrize("code", [9004, "9004"])
def test_code_is_read_from_a_number_or_a_text(code: object):
    assert failing(saying(422, json.dumps({"code": code}).encode())).code == 9004


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"points": ' + b"9" * 5_000 + b"}",
        b'{"points": 1e99999999999999999999}',
        b'{"points": NaN}',
        b"\xff\xfe",
        b"[]",
        b"",
        b'{"a": "' + b"x" * (RESPONSE_BYTES_MAX + 1) + b'"}',
    ],
    ids=["deep", "long number", "large exponent", "NaN", "no text", "no object", "empty", "too large"],
)
def test_unreadable_200_leaves_the_outcome_unknown(body: bytes):
    assert isinstance(failing(saying(200, body)), OutcomeUnknown)


def test_response_that_is_too_large_closes_its_connection():
    answers = [saying(200, b"x" * (RESPONSE_BYTES_MAX + 1)), saying(200, b'{"a": 1}')]
    with odd_gameball(lambda connection: answers.pop(0)(connection)) as url:
        client = GameballClient(url, "v4.0", SettableCredentials())
        with pytest.raises(OutcomeUnknown):
            client.add_manual_transaction(b"{}", 5)
        assert client.add_manual_transaction(b"{}", 5) == {"a": 1}


def test_compressed_response_is_decompressed():
    packed = gzip.compress(b'{"a": 1}')
    with odd_gameball(saying(200, packed, "Content-Encoding: gzip")) as url:
        assert GameballClient(url, "v4.0", SettableCredentials()).add_manual_transaction(b"{}", 5) == {"a": 1}


def test_slow_response_is_not_waited_for_beyond_the_time():
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.05)

    before = time.monotonic()
    assert isinstance(failing(drip, within_s=0.4), OutcomeUnknown)
    assert time.monotonic() - before < 3


class SlowCredentials(SettableCredentials):
    """A secret that takes its time."""

    def current(self) -> Credentials:
        time.sleep(0.1)
        return super().current()

    def fresh(self) -> Credentials:
        time.sleep(0.4)
        self.stored = Credentials("another", "key")
        return super().fresh()


@pytest.mark.parametrize(("within_s", "requests"), [(0.1, 0), (0.5, 1)])
def test_request_without_time_left_is_not_sent(within_s: float, requests: int):
    """Its answer would come too late, and the outcome be unknown for nothing."""
    heard: list[int] = []

    def refuse(connection: socket.socket) -> None:
        heard.append(1)
        saying(401, b"{}")(connection)

    with odd_gameball(refuse) as url:
        client = GameballClient(url, "v4.0", SlowCredentials())
        with pytest.raises(GameballUnavailable):
            client.add_manual_transaction(b"{}", within_s)
    assert len(heard) == requests
