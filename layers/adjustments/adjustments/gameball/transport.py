"""HTTP requests to Gameball: connections, time-outs, and whether a request may have been sent.

Each request is made once; urllib3's own retries are off. The connection notes the moment before the first
byte of a request goes out. An error before that is ``GameballUnavailable`` (nothing was sent), an error after
it is ``OutcomeUnknown``.

Each request ends at a given time. A socket's own time-out bounds the wait for each piece only, so a server
that sends a byte now and then would hold a request for ever: the connection sets it anew before each piece.
"""

import http.client
import io
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from adjustments.core.errors import GameballError, GameballUnavailable, OutcomeUnknown

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 20.0
"""Longest silence of Gameball that is waited for; a response that comes later leaves the request in doubt."""

CALL_TIMEOUT_S: Final = 25.0
"""Longest time of a whole call, a second request with keys read again included: shorter than what a function
keeps at its end for a request under way (30 seconds), and than the lease of a chunk (two minutes).
"""

REQUEST_S_MIN: Final = 0.1
"""With less time left a request is not sent: its response could not be waited for."""

CONNECTIONS_MAX: Final = 16
RESPONSE_BYTES_MAX: Final = 8 << 20
"""More than any documented response: the status of 1,000 rows is some 200 KiB."""

_PIECE_BYTES: Final = 1 << 16
"""Bytes that are read, or decompressed, at once."""

_SENT_BYTES: Final = 1 << 14
"""Bytes that are sent at once: a TLS record. Over TLS the socket's time-out bounds each record."""


class _Request(threading.local):
    """The current request of this thread.

    ``is_sent`` says whether a byte of it may have left the machine, ``ends_at_s`` when the call has to be
    over, by the steady clock.
    """

    is_sent = False
    ends_at_s = math.inf
    steady_clock: Callable[[], float] = staticmethod(time.monotonic)

    def left_s(self) -> float:
        """The time left; raises TimeoutError where there is none."""
        left_s = self.ends_at_s - self.steady_clock()
        if left_s <= 0:
            raise TimeoutError("the call took too long")
        return left_s


_request = _Request()


class _BoundedStream(io.RawIOBase):
    """Reads a socket until the call has to be over, and waits for each piece as long as the socket says."""

    def __init__(self, sock: socket.socket, stream: io.RawIOBase) -> None:
        self._sock = sock
        self._stream = stream
        self._silence_s = sock.gettimeout() or math.inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(min(self._silence_s, _request.left_s()))
        return self._stream.readinto(buffer)

    def close(self) -> None:
        super().close()
        self._stream.close()


class _BoundedResponse(http.client.HTTPResponse):
    """A response whose head and body are read within the time of the call."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_BoundedStream(sock, self.fp.detach()))


def _send(connection: HTTPConnection, data: Any, send: Callable[[Any], None]) -> None:
    """Send a part of a request within the time of the call, and note that it may have left the machine."""
    if connection.sock is None:
        connection.connect()
    view = memoryview(data)
    for start in range(0, len(view), _SENT_BYTES):
        connection.sock.settimeout(_request.left_s())
        _request.is_sent = True
        send(view[start : start + _SENT_BYTES])


class _BoundedConnection(HTTPConnection):
    response_class = _BoundedResponse

    def send(self, data: Any) -> None:
        _send(self, data, super().send)


class _BoundedTlsConnection(HTTPSConnection):
    response_class = _BoundedResponse

    def send(self, data: Any) -> None:
        _send(self, data, super().send)


class _BoundedPool(HTTPConnectionPool):
    ConnectionCls = _BoundedConnection


class _BoundedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedTlsConnection


class Response(NamedTuple):
    """A complete response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Makes requests to one host.

    Args:
        root: scheme, host and the path that all requests begin with.
        read_timeout_s: longest silence to wait for, in seconds.
        steady_clock: seconds that only grow.
    """

    def __init__(
        self,
        root: str,
        read_timeout_s: float = READ_TIMEOUT_S,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._steady_clock = steady_clock
        self._root_path = urlsplit(root).path
        self._read_timeout_s = read_timeout_s

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Loaded for the first request, as not every function that has a client makes one."""
        return _tls_context()

    @cached_property
    def _kept_alive(self) -> HTTPConnectionPool:
        return self._open_pool()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        ends_at_s: float,
        new_connection: bool = False,
    ) -> Response:
        """Make one request and read its response.

        Args:
            method: HTTP method.
            path: path and query below the root.
            body: the request's body, None for none.
            headers: the request's headers.
            ends_at_s: when the response must be complete, by the steady clock.
            new_connection: whether the request gets a connection of its own, in place of a kept-alive one.

        Raises:
            GameballUnavailable: nothing was sent.
            OutcomeUnknown: the request may have been sent, and no complete response came.
        """
        timeout = _timeout(self._read_timeout_s, ends_at_s - self._steady_clock())
        pool = self._open_pool() if new_connection else self._kept_alive
        _request.is_sent = False
        _request.ends_at_s = ends_at_s
        _request.steady_clock = self._steady_clock
        try:
            response = pool.request(
                method,
                self._root_path + path,
                body=body,
                headers=headers,
                timeout=timeout,
                redirect=False,
                preload_content=False,
            )
            return Response(response.status, response.headers, _read_body(response))
        except (HTTPError, OSError) as error:
            raise _connection_error(error) from error
        finally:
            if new_connection:
                pool.close()

    def _open_pool(self) -> HTTPConnectionPool:
        """Open the connections to the host; a PoolManager would look the host up with each request."""
        manager = urllib3.PoolManager(
            maxsize=CONNECTIONS_MAX,
            retries=False,
            ssl_context=self._tls,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=self._read_timeout_s),
        )
        manager.pool_classes_by_scheme = {"http": _BoundedPool, "https": _BoundedTlsPool}
        return manager.connection_from_url(self._root)


def _tls_context() -> ssl.SSLContext:
    """Load the certificate authorities once, not with each connection."""
    context = create_urllib3_context()
    context.load_default_certs()
    return context


def _timeout(read_timeout_s: float, left_s: float) -> urllib3.Timeout:
    """Compute the time-outs of one request.

    Raises:
        GameballUnavailable: no time is left.
    """
    if left_s < REQUEST_S_MIN:
        raise GameballUnavailable("no time was left for a request: nothing was sent")
    # A host may have several addresses, and the connect time-out holds for each of them.
    return urllib3.Timeout(total=left_s, connect=min(CONNECT_TIMEOUT_S, left_s / 4), read=read_timeout_s)


def _read_body(response: urllib3.BaseHTTPResponse) -> bytes:
    """Read a response to its end, and give its connection back only then.

    urllib3 decompresses no more at once than it is asked for, so the limit holds for
    compressed responses, too.
    """
    body = bytearray()
    try:
        while piece := response.read1(_PIECE_BYTES, decode_content=True):
            body += piece
            if len(body) > RESPONSE_BYTES_MAX:
                raise OSError("the response is too large")
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return bytes(body)


def _connection_error(error: Exception) -> GameballError:
    name = type(error).__name__
    if _request.is_sent:
        return OutcomeUnknown(
            f"no complete answer came from Gameball ({name}): the request may have been applied"
        )
    return GameballUnavailable(f"no connection to Gameball ({name}): nothing was sent")
