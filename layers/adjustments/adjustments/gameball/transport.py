"""HTTP requests to Gameball: connections, time-outs, and whether a request may have been sent.

Each request is made once; urllib3's own retries are off. The connection notes the moment before the first
byte of a request goes out. An error before that is ``GameballUnavailable`` (nothing was sent), an error after
it is ``OutcomeUnknown``.
"""

import ssl
import threading
import time
from collections.abc import Mapping
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

REQUEST_S_MIN: Final = 0.1
"""With less time left a request is not sent: its response could not be waited for."""

CONNECTIONS_MAX: Final = 16
RESPONSE_BYTES_MAX: Final = 8 << 20
"""More than any documented response: the status of 1,000 rows is some 200 KiB."""

_PIECE_BYTES: Final = 1 << 16


class _SendMark(threading.local):
    """Whether the current request of this thread may have left the machine."""

    sent = False


_mark = _SendMark()


class _MarkingConnection(HTTPConnection):
    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _mark.sent = True
        super().send(data)


class _MarkingTlsConnection(HTTPSConnection):
    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _mark.sent = True
        super().send(data)


class _MarkingPool(HTTPConnectionPool):
    ConnectionCls = _MarkingConnection


class _MarkingTlsPool(HTTPSConnectionPool):
    ConnectionCls = _MarkingTlsConnection


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
    """

    def __init__(self, root: str, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        self._root = root
        self._root_path = urlsplit(root).path
        self._read_timeout_s = read_timeout_s
        self._tls = _tls_context()
        self._kept_alive = self._open_pool()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        new_connection: bool = False,
        ends_at_s: float | None = None,
    ) -> Response:
        """Make one request and read its response.

        Args:
            method: HTTP method.
            path: path and query below the root.
            body: the request's body, None for none.
            headers: the request's headers.
            new_connection: whether the request gets a connection of its own, in place of a kept-alive one.
            ends_at_s: when the response must be complete, on the monotonic clock; None for no bound.

        Raises:
            GameballUnavailable: nothing was sent.
            OutcomeUnknown: the request may have been sent, and no complete response came.
        """
        timeout = _timeout(self._read_timeout_s, ends_at_s)
        pool = self._open_pool() if new_connection else self._kept_alive
        _mark.sent = False
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
            return Response(response.status, response.headers, _read_body(response, ends_at_s))
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
        manager.pool_classes_by_scheme = {"http": _MarkingPool, "https": _MarkingTlsPool}
        return manager.connection_from_url(self._root)


def _tls_context() -> ssl.SSLContext:
    """Load the certificate authorities once, not with each connection."""
    context = create_urllib3_context()
    context.load_default_certs()
    return context


def _timeout(read_timeout_s: float, ends_at_s: float | None) -> urllib3.Timeout:
    """Compute the time-outs of one request.

    Raises:
        GameballUnavailable: no time is left.
    """
    if ends_at_s is None:
        return urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=read_timeout_s)
    left_s = ends_at_s - time.monotonic()
    if left_s < REQUEST_S_MIN:
        raise GameballUnavailable("no time was left for a request: nothing was sent")
    # A host may have several addresses, and the connect time-out holds for each of them.
    return urllib3.Timeout(total=left_s, connect=min(CONNECT_TIMEOUT_S, left_s / 4), read=read_timeout_s)


def _read_body(response: urllib3.BaseHTTPResponse, ends_at_s: float | None) -> bytes:
    """Read a response to its end, and give its connection back only then.

    The socket's time-out bounds the wait for each piece, not for all pieces together.
    """
    body = bytearray()
    try:
        while piece := response.read1(_PIECE_BYTES, decode_content=True):
            body += piece
            if len(body) > RESPONSE_BYTES_MAX:
                raise OSError("the response is too large")
            if ends_at_s is not None and time.monotonic() > ends_at_s:
                raise TimeoutError("the response takes too long")
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return bytes(body)


def _connection_error(error: Exception) -> GameballError:
    name = type(error).__name__
    if _mark.sent:
        return OutcomeUnknown(
            f"no complete answer came from Gameball ({name}): the request may have been applied"
        )
    return GameballUnavailable(f"no connection to Gameball ({name}): nothing was sent")
