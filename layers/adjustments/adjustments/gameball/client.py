"""The client of Gameball: its endpoints, and the keys of each call.

A call makes one request. It is made once more only where Gameball refuses the keys and newer ones are in the
secret; any other repetition is for the caller to decide (``retry_policy``).
"""

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from adjustments.core.errors import GameballError, GameballUnauthorized
from adjustments.gameball.credentials import Credentials, CredentialSource
from adjustments.gameball.port import Dialect
from adjustments.gameball.responses import read_job_id, read_response
from adjustments.gameball.transport import CALL_TIMEOUT_S, READ_TIMEOUT_S, Transport

CallObserver = Callable[[float, GameballError | None], None]
"""Called after each call, with its duration in seconds and the error that it failed with."""


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
    """

    def __init__(
        self,
        base_url: str,
        version: str,
        credentials: CredentialSource,
        read_timeout_s: float = READ_TIMEOUT_S,
        call_timeout_s: float = CALL_TIMEOUT_S,
        observe: CallObserver = _ignore,
    ) -> None:
        self._transport = Transport(f"{base_url.rstrip('/')}/api/{version}/integrations", read_timeout_s)
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
        began_s = time.monotonic()
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
            self._observe(time.monotonic() - began_s, error)
            raise
        self._observe(time.monotonic() - began_s, None)
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
