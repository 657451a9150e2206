"""The client of Gameball: its endpoints, the keys of each call, and what a response means.

A call makes one request. It is made once more only where Gameball refuses the keys and newer ones are in the
secret; any other repetition is for the caller to decide (``retry_policy``).

Both documented error envelopes are read. An error is classified by Gameball's code where there is one, then
by HTTP status (docs/gameball-api.md, "Errors").
"""

import re
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, urlencode

from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

from adjustments.core import exact_json
from adjustments.core.errors import (
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    OutcomeUnknown,
)
from adjustments.gameball.credentials import Credentials, CredentialSource
from adjustments.gameball.port import Dialect
from adjustments.gameball.transport import CALL_TIMEOUT_S, READ_TIMEOUT_S, Transport

RETRY_AFTER_S_MAX: Final = 3_600.0
"""Longest Retry-After that is believed; a request after that time does no harm."""

_RETRY_AFTER: Final = Retry(retry_after_max=int(RETRY_AFTER_S_MAX))
"""Parses Retry-After; urllib3's own retries are off."""

_UNAUTHORIZED_STATUSES: Final = frozenset({401, 403})
_ACCOUNT_CODES: Final = frozenset({1000, 1001, 1002, 6000, 6001, 8000})
"""Codes that refuse the keys or the account, not the request: keys, disabled account, missing feature."""

_CUSTOMER_BUSY_CODE: Final = 2001
"""Another request for the same customer is in progress: not applied, try again after a pause."""

_DIGITS: Final = r"[0-9]{1,9}"
_JOB_ID_DIGITS_MAX: Final = 18
_JOB_ID_DIGITS: Final = rf"[0-9]{{1,{_JOB_ID_DIGITS_MAX}}}"
_PROXY_STATUSES: Final = frozenset({408, 425, 499})
"""Client errors that a proxy answers with when it doesn't know what the server behind it did."""

CallObserver = Callable[[float, GameballError | None], None]
"""Called after each call, with its duration in seconds and the error that it failed with."""


def read_response(status: int, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    """Read a response.

    Args:
        status: HTTP status.
        headers: the response's headers.
        body: the response's body.

    Returns:
        The fields of a successful response.

    Raises:
        GameballError: of the class that says what is known of the outcome.
    """
    try:
        fields = exact_json.read(body)
    except ValueError:
        fields = None
    if status == 200 and isinstance(fields, dict):
        return fields
    raise _to_error(status, headers, fields if isinstance(fields, dict) else {})


def read_job_id(fields: Mapping[str, Any]) -> int:
    """Read the jobId of an accepted batch request: a whole number, however JSON writes it (12, "12", 12.0).

    Raises:
        OutcomeUnknown: there is none, though the request was accepted.
    """
    job_id = fields.get("jobId")
    if isinstance(job_id, str) and re.fullmatch(_JOB_ID_DIGITS, job_id):
        return int(job_id)
    if isinstance(job_id, Decimal) and job_id.is_finite() and 0 <= job_id.adjusted() < _JOB_ID_DIGITS_MAX:
        job_id = int(job_id) if job_id == int(job_id) else None
    if isinstance(job_id, bool) or not isinstance(job_id, int):
        raise OutcomeUnknown("Gameball accepted the request and named no jobId", status=200)
    return job_id


def _to_error(status: int, headers: Mapping[str, str], fields: Mapping[str, Any]) -> GameballError:
    code = _to_int(fields.get("code"))
    words = fields.get("message")
    message = f"Gameball answered {status}: {words}" if words else f"Gameball answered {status}"
    return _classify(status, code)(
        message,
        status=status,
        code=code,
        request_id=str(fields["requestId"]) if fields.get("requestId") else None,
        retry_after_s=_parse_retry_after(headers.get("retry-after")),
        gameball_message=str(words) if words else None,
    )


def _classify(status: int, code: int | None) -> type[GameballError]:
    is_client_error = 400 <= status < 500
    if status in _UNAUTHORIZED_STATUSES or (code in _ACCOUNT_CODES and is_client_error):
        return GameballUnauthorized
    if status == 429 or (status == 422 and code == _CUSTOMER_BUSY_CODE):
        return GameballThrottled
    if is_client_error and status not in _PROXY_STATUSES:
        return GameballRefused
    return OutcomeUnknown


def _to_int(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(_DIGITS, value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _parse_retry_after(value: str | None) -> float | None:
    """Parse a number of seconds or a date (RFC 9110, 10.2.3) to seconds; None where it is neither."""
    if value is None:
        return None
    try:
        return float(_RETRY_AFTER.parse_retry_after(value))
    except InvalidHeader:
        return None
    except (ValueError, OverflowError):  # more digits, or a later year, than Python reads
        return RETRY_AFTER_S_MAX


def _ignore(duration_s: float, error: GameballError | None) -> None:
    pass


class GameballClient:
    """Calls the endpoints of one Gameball account.

    Args:
        base_url: scheme and host (GameballBaseUrl).
        version: v4.0 or v4.1 (GameballApiVersion).
        credentials: source of the two keys; they are read again, once, when Gameball refuses them.
        read_timeout_s: longest silence to wait for, in seconds.
        call_timeout_s: longest time of a whole call, in seconds.
        observe: called after each call.
        steady_clock: seconds that only grow, by which calls are bounded and measured.
    """

    def __init__(
        self,
        base_url: str,
        version: str,
        credentials: CredentialSource,
        read_timeout_s: float = READ_TIMEOUT_S,
        call_timeout_s: float = CALL_TIMEOUT_S,
        observe: CallObserver = _ignore,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        root = f"{base_url.rstrip('/')}/api/{version}/integrations"
        self._transport = Transport(root, read_timeout_s, steady_clock)
        self._steady_clock = steady_clock
        self._credentials = credentials
        self._call_timeout_s = call_timeout_s
        self._observe = observe

    def adjust_balances(self, body: bytes) -> int:
        """See ``Gameball``.

        Each request has a connection of its own. On a kept-alive one, the server may close while the request
        is being sent, and a thousand rows would be in doubt that the server has never seen; a handshake costs
        much less.
        """
        return read_job_id(self._call("POST", "/batch/balance-adjustment", body, new_connection=True))

    def inquire_balances(self, body: bytes) -> int:
        """See ``Gameball``."""
        return read_job_id(self._call("POST", "/batch/balance-inquiry", body))

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        """See ``Gameball``."""
        path = f"/batch/{job_id}" if dialect is Dialect.GUIDE else f"/batches/{job_id}/status"
        return self._call("GET", path)

    def stop_job(self, dialect: Dialect, job_id: int) -> None:
        """See ``Gameball``."""
        if dialect is Dialect.GUIDE:
            self._call("DELETE", f"/batch/{job_id}")
        else:
            self._call("POST", f"/batches/{job_id}/stop")

    def add_manual_transaction(self, body: bytes, within_s: float | None = None) -> Mapping[str, Any]:
        """See ``Gameball``."""
        return self._call("POST", "/transactions/manual", body, within_s=within_s)

    def customer_balance(self, customer_id: str, within_s: float | None = None) -> Mapping[str, Any]:
        """See ``Gameball``."""
        return self._call("GET", f"/customers/{quote(customer_id, safe='')}/balance", within_s=within_s)

    def transactions(
        self, customer_id: str, start_after: str | None = None, within_s: float | None = None
    ) -> Mapping[str, Any]:
        """See ``Gameball``."""
        query = {"customerId": customer_id, "limit": "200"}
        if start_after:
            query["startAfter"] = start_after
        return self._call("GET", f"/transactions?{urlencode(query)}", within_s=within_s)

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        new_connection: bool = False,
        within_s: float | None = None,
    ) -> Mapping[str, Any]:
        """Make one call, and report its duration."""
        began_s = self._steady_clock()
        allowed_s = self._call_timeout_s if within_s is None else min(within_s, self._call_timeout_s)

        def request(credentials: Credentials) -> Mapping[str, Any]:
            response = self._transport.request(
                method,
                path,
                body,
                _headers(credentials, body),
                ends_at_s=began_s + allowed_s,
                new_connection=new_connection,
            )
            return read_response(*response)

        try:
            fields = self._with_credentials(request)
        except GameballError as error:
            self._observe(self._steady_clock() - began_s, error)
            raise
        self._observe(self._steady_clock() - began_s, None)
        return fields

    def _with_credentials(self, request: Callable[[Credentials], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Make a request; when the keys are refused, read them again and make it once more if they differ."""
        credentials = self._credentials.current()
        try:
            return request(credentials)
        except GameballUnauthorized:
            fresh = self._credentials.fresh()
            if fresh == credentials:
                raise
        return request(fresh)


def _headers(credentials: Credentials, body: bytes | None) -> Mapping[str, str]:
    headers = {
        "apikey": credentials.api_key,
        "secretkey": credentials.secret_key,
        "accept": "application/json",
    }
    return headers if body is None else {**headers, "content-type": "application/json"}
