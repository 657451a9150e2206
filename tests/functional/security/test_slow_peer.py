"""A Gameball that answers drop by drop, or with far more than it announced, costs bounded time and memory."""

import gzip
import itertools
import socket
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from adjustments.core.errors import OutcomeUnknown
from adjustments.gameball.client import GameballClient
from adjustments.gameball.port import Dialect
from adjustments.gameball.transport import RESPONSE_BYTES_MAX
from local.standin.server import StandIn
from tests.functional.adjusting.test_client import BATCH, ONE_ROW, applied, control
from tests.functional.adjusting.test_odd_answers import Answering, odd_gameball
from tests.functional.conftest import SettableCredentials

CALL_READINGS = 8
"""How often a call looks at the clock until its time is over: a few times to send, the rest for pieces of the
answer. No test waits for real time, so a busy machine changes nothing.
"""

CALL_S = 2.0
WAITED_S_MAX = 12.0
"""Of the tests by the real clock: far more than ``CALL_S``, and less than a silence of Gameball may last."""

CALLS: dict[str, Callable[[GameballClient], object]] = {
    "adjust balances": lambda client: client.adjust_balances(ONE_ROW),
    "inquire balances": lambda client: client.inquire_balances(ONE_ROW),
    "job status": lambda client: client.job_status(Dialect.GUIDE, 1),
    "stop job": lambda client: client.stop_job(Dialect.GUIDE, 1),
    "manual transaction": lambda client: client.add_manual_transaction(b"{}"),
    "transactions": lambda client: client.transactions("c1"),
}


def counting(url: str) -> GameballClient:
    """A client for whom a second passes with each look at the clock."""
    readings = itertools.count()
    return GameballClient(
        url,
        "v4.0",
        SettableCredentials(),
        call_timeout_s=CALL_READINGS,
        steady_clock=lambda: float(next(readings)),
    )


def impatient(url: str) -> GameballClient:
    """A client by the real clock."""
    return GameballClient(url, "v4.0", SettableCredentials(), call_timeout_s=CALL_S)


@pytest.mark.parametrize("part", ["head", "body"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_call_ends_in_time_when_the_answer_drips(
    gameball: StandIn, call: Callable[[GameballClient], object], part: str
):
    control(gameball, "faults", {"kind": "drip", "delay_s": 0.05, "part": part})
    with pytest.raises(OutcomeUnknown, match="Timeout"):
        call(counting(gameball.base_url))


def test_a_request_whose_answer_drips_may_have_been_applied(gameball: StandIn):
    control(gameball, "faults", {"kind": "drip", "path": BATCH, "delay_s": 0.05})
    with pytest.raises(OutcomeUnknown, match="Timeout"):
        counting(gameball.base_url).adjust_balances(ONE_ROW)
    assert applied(gameball) == 1


DROPS = 400
"""Of an answer, 20 seconds' worth: far more than a call takes."""


def _dripping(head: bytes, drop: bytes) -> Answering:
    def answer(connection: socket.socket) -> None:
        with suppress(OSError):  # the client has gone
            connection.sendall(head)
            for _ in range(DROPS):
                connection.sendall(drop)
                time.sleep(0.05)
            connection.shutdown(socket.SHUT_RDWR)  # an end that is no time-out

    return answer


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"HTTP/1.1 200 ", b"O"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(b"")),
    ],
    ids=["status line", "header", "headers", "continue", "chunks", "chunk head", "empty gzips"],
)
def test_a_call_ends_in_time_wherever_the_answer_drips(head: bytes, drop: bytes):
    with odd_gameball(_dripping(head, drop)) as url, pytest.raises(OutcomeUnknown, match="Timeout"):
        counting(url).adjust_balances(ONE_ROW)


def test_a_call_ends_in_time_by_the_real_clock():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    began_s = time.monotonic()
    with odd_gameball(_dripping(head, b" ")) as url, pytest.raises(OutcomeUnknown, match="Timeout"):
        impatient(url).adjust_balances(ONE_ROW)
    assert CALL_S <= time.monotonic() - began_s < WAITED_S_MAX


def test_a_call_ends_in_time_when_the_request_is_not_read():
    """The peer takes the connection and nothing more: its buffers are full before the request is sent."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client = impatient(f"http://127.0.0.1:{server.getsockname()[1]}")
        began_s = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            client.adjust_balances(b" " * (32 << 20))
        assert time.monotonic() - began_s < WAITED_S_MAX


def _bomb(layers: int) -> bytes:
    bomb = b" " * (256 << 20)
    for _ in range(layers):
        bomb = gzip.compress(bomb, 9)
    return bomb


@pytest.mark.parametrize("layers", [1, 2])
def test_an_answer_is_bounded_after_decompression(layers: int):
    bomb = _bomb(layers)
    head = f"Content-Encoding: {', '.join(['gzip'] * layers)}\r\nContent-Length: {len(bomb)}\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\n" + head.encode() + bomb

    def send(connection: socket.socket) -> None:
        connection.sendall(answer)

    def peak_bytes(client: Any) -> int:
        tracemalloc.start()
        with pytest.raises(OutcomeUnknown):
            client.adjust_balances(ONE_ROW)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    with odd_gameball(send) as url:
        assert peak_bytes(GameballClient(url, "v4.0", SettableCredentials())) < 3 * RESPONSE_BYTES_MAX
