"""The HTTP client of Gameball.

A request is made once: urllib3's own retries are off, and whether it may be made again is for others to
decide. What they need to know is whether anything was sent. The connection itself tells: it notes the moment
before the first byte of a request goes out, so that an error before it is ``GameballUnavailable``, and one
after it ``OutcomeUnknown``.
"""

import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util.retry import Retry
from urllib3.util.ssl_ import create_urllib3_context

from adjustments.core import exact_json
from adjustments.core.errors import (
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    GameballUnavailable,
    OutcomeUnknown,
)
from adjustments.gameball.credentials import Credentials, CredentialSource
from adjustments.gameball.port import Dialect

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 20.0
"""Longest silence of Gameball that we wait for; an answer that comes later is in doubt."""

REQUEST_S_MIN: Final = 0.1
"""With less time left a request is not sent: its answer could not be waited for."""

RETRY_AFTER_S_MAX: Final = 3_600.0
"""Longest pause that is believed; after it, asking again does no harm."""

_RETRY_AFTER: Final = Retry(retry_after_max=int(RETRY_AFTER_S_MAX))
"""Reads Retry-After; urllib3's own retries are off."""

CONNECTIONS_MAX: Final = 16
ANSWER_BYTES_MAX: Final = 8 << 20
"""More than any documented answer: the status of 1,000 rows is some 200 KiB."""

_PIECE_BYTES: Final = 1 << 16

_UNAUTHORIZED: Final = frozenset({401, 403})
_ACCOUNT_CODES: Final = frozenset({1000, 1001, 1002, 6000, 6001, 8000})
"""Codes that refuse us, not the request: keys, disabled account, missing feature (docs/gameball-api.md)."""

_BUSY_CODE: Final = 2001
"""Another request for the same customer is in progress: not applied, try again after a pause."""

_DIGITS: Final = r"[0-9]{1,9}"
_NO_PROOF: Final = frozenset({408, 425, 499})
"""Client errors that a proxy gives when it can't tell what the server behind it did."""


CallWatch = Callable[[float, GameballError | None], None]
"""Hears of each call how many seconds it took, and how it failed."""


def _unwatched(seconds: float, error: GameballError | None) -> None:
    pass


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


class GameballClient:
    """Talks to one Gameball account.

    Args:
        base_url: scheme and host (GameballBaseUrl).
        version: v4.0 or v4.1 (GameballApiVersion).
        keys: where the two keys come from; they are read anew once when Gameball refuses them.
        read_timeout_s: longest silence to wait for, in seconds.
        watch: hears of each call.
    """

    def __init__(
        self,
        base_url: str,
        version: str,
        keys: CredentialSource,
        read_timeout_s: float = READ_TIMEOUT_S,
        watch: CallWatch = _unwatched,
    ) -> None:
        self._root = f"{base_url.rstrip('/')}/api/{version}/integrations"
        self._root_path = urlsplit(self._root).path
        self._credentials = keys
        self._read_timeout_s = read_timeout_s
        self._watch = watch
        self._tls = _tls_context()
        self._kept_alive = _pool(self._root, read_timeout_s, self._tls)

    def adjust_balances(self, body: bytes) -> int:
        """See ``Gameball``.

        Each request has a connection of its own. On one that is kept alive, the server's closing may cross
        with our sending, which would put a thousand rows in doubt that nobody has seen; a handshake costs
        much less.
        """
        return _job_id(self._call("POST", "/batch/balance-adjustment", body, once=True))

    def inquire_balances(self, body: bytes) -> int:
        """See ``Gameball``."""
        return _job_id(self._call("POST", "/batch/balance-inquiry", body))

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        """See ``Gameball``."""
        path = f"/batch/{job_id}" if dialect is Dialect.GUIDE else f"/batches/{job_id}/status"
        return self._call("GET", path)

    def stop_job(self, dialect: Dialect, job_id: int) -> None:
        """See ``Gameball``."""
        if dialect is Dialect.GUIDE:
            self._call("DELETE", f"/batch/{job_id}")
        else:
            self._call("POST", f"/batches/{job_id}/stop", b"{}")

    def add_manual_transaction(self, body: bytes, within_s: float | None = None) -> Mapping[str, Any]:
        """See ``Gameball``; ``within_s`` bounds the whole call."""
        return self._call("POST", "/transactions/manual", body, within_s=within_s)

    def transactions(
        self, customer_id: str, start_after: str | None = None, within_s: float | None = None
    ) -> Mapping[str, Any]:
        """See ``Gameball``; ``within_s`` bounds the whole call."""
        query = {"customerId": customer_id, "limit": "200"}
        if start_after:
            query["startAfter"] = start_after
        return self._call("GET", f"/transactions?{urlencode(query)}", within_s=within_s)

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        once: bool = False,
        within_s: float | None = None,
    ) -> Mapping[str, Any]:
        """Make one call, and tell who watches."""
        began_s = time.monotonic()
        ends_at_s = None if within_s is None else began_s + within_s
        try:
            answer = self._call_with_credentials(method, path, body, once, ends_at_s)
        except GameballError as error:
            self._watch(time.monotonic() - began_s, error)
            raise
        self._watch(time.monotonic() - began_s, None)
        return answer

    def _call_with_credentials(
        self, method: str, path: str, body: bytes | None, once: bool, ends_at_s: float | None
    ) -> Mapping[str, Any]:
        """Make one call; when our keys are refused, read them anew once and make it once more."""
        credentials = self._credentials.current()
        try:
            return self._request(method, path, body, credentials, once, ends_at_s)
        except GameballUnauthorized:
            fresh = self._credentials.fresh()
            if fresh == credentials:
                raise
        return self._request(method, path, body, fresh, once, ends_at_s)

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        credentials: Credentials,
        once: bool,
        ends_at_s: float | None,
    ) -> Mapping[str, Any]:
        headers = {
            "apikey": credentials.api_key,
            "secretkey": credentials.secret_key,
            "accept": "application/json",
        }
        if body is not None:
            headers["content-type"] = "application/json"
        timeout = _timeout(self._read_timeout_s, ends_at_s)
        pool = _pool(self._root, self._read_timeout_s, self._tls) if once else self._kept_alive
        _mark.sent = False
        try:
            answer = pool.request(
                method,
                self._root_path + path,
                body=body,
                headers=headers,
                timeout=timeout,
                redirect=False,
                preload_content=False,
            )
            text = _read_body(answer, ends_at_s)
        except (HTTPError, OSError) as error:
            raise _no_answer(error) from error
        finally:
            if once:
                pool.close()
        return _read_answer(answer.status, answer.headers, text)


def _job_id(fields: Mapping[str, Any]) -> int:
    job_id = fields.get("jobId")
    if isinstance(job_id, bool) or not isinstance(job_id, int):
        raise OutcomeUnknown("Gameball accepted the request and named no jobId", status=200)
    return job_id


def _tls_context() -> ssl.SSLContext:
    """Load the certificate authorities once, and not with each connection."""
    context = create_urllib3_context()
    context.load_default_certs()
    return context


def _pool(root: str, read_timeout_s: float, tls: ssl.SSLContext) -> HTTPConnectionPool:
    """The connections to one host: a manager of hosts would look for it anew with each request."""
    manager = urllib3.PoolManager(
        maxsize=CONNECTIONS_MAX,
        retries=False,
        ssl_context=tls,
        timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=read_timeout_s),
    )
    manager.pool_classes_by_scheme = {"http": _MarkingPool, "https": _MarkingTlsPool}
    return manager.connection_from_url(root)


def _timeout(read_timeout_s: float, ends_at_s: float | None) -> urllib3.Timeout:
    """The bounds of one request, which may have to end at a time of the steady clock.

    Raises GameballUnavailable where that time has come.
    """
    if ends_at_s is None:
        return urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=read_timeout_s)
    left_s = ends_at_s - time.monotonic()
    if left_s < REQUEST_S_MIN:
        raise GameballUnavailable("no time was left for a request: nothing was sent")
    # A host may have several addresses, each of which is tried for as long as this.
    return urllib3.Timeout(total=left_s, connect=min(CONNECT_TIMEOUT_S, left_s / 4), read=read_timeout_s)


def _read_body(answer: urllib3.BaseHTTPResponse, ends_at_s: float | None) -> bytes:
    """Read an answer to its end; its connection is kept only after that.

    The socket's time-out bounds the wait for each piece, and not for all of them together.
    """
    text = bytearray()
    try:
        while piece := answer.read1(_PIECE_BYTES, decode_content=True):
            text += piece
            if len(text) > ANSWER_BYTES_MAX:
                raise OSError("the answer is too large")
            if ends_at_s is not None and time.monotonic() > ends_at_s:
                raise TimeoutError("the answer takes too long")
    except BaseException:
        answer.close()
        raise
    answer.release_conn()
    return bytes(text)


def _no_answer(error: Exception) -> GameballError:
    what = type(error).__name__
    if _mark.sent:
        return OutcomeUnknown(
            f"no complete answer came from Gameball ({what}): the request may have been applied"
        )
    return GameballUnavailable(f"no connection to Gameball ({what}): nothing was sent")


def _read_answer(status: int, headers: Mapping[str, str], text: bytes) -> Mapping[str, Any]:
    """Read an answer in either envelope; raises the error of the fitting class."""
    try:
        fields = exact_json.read(text)
    except ValueError:
        fields = None
    if status == 200 and isinstance(fields, dict):
        return fields
    raise _error_of(status, headers, fields if isinstance(fields, dict) else {})


def _error_of(status: int, headers: Mapping[str, str], fields: Mapping[str, Any]) -> GameballError:
    """Classify by code where there is one, then by HTTP status (docs/gameball-api.md, "Errors")."""
    code = _whole_number(fields.get("code"))
    told = fields.get("message")
    message = f"Gameball answered {status}: {told}" if told else f"Gameball answered {status}"
    return _class_of(status, code)(
        message,
        status=status,
        code=code,
        request_id=str(fields["requestId"]) if fields.get("requestId") else None,
        retry_after_s=_seconds(headers.get("retry-after")),
        gameball_message=str(told) if told else None,
    )


def _class_of(status: int, code: int | None) -> type[GameballError]:
    if status in _UNAUTHORIZED or (code in _ACCOUNT_CODES and 400 <= status < 500):
        return GameballUnauthorized
    if status == 429 or (status == 422 and code == _BUSY_CODE):
        return GameballThrottled
    if 400 <= status < 500 and status not in _NO_PROOF:
        return GameballRefused
    return OutcomeUnknown


def _whole_number(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(_DIGITS, value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(value: str | None) -> float | None:
    """How long to wait, from a number of seconds or a date (RFC 9110, 10.2.3); None where it is neither."""
    if value is None:
        return None
    try:
        return float(_RETRY_AFTER.parse_retry_after(value))
    except InvalidHeader:
        return None
    except (ValueError, OverflowError):  # more digits, or a later year, than Python reads
        return RETRY_AFTER_S_MAX
