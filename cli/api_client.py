"""Signed calls of the bundle's API."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from adjustments.core import exact_json
from cli.errors import AccessDenied, RequestRefused, ServiceError
from cli.stack import Stack

TRIES_MAX: Final = 4
"""Of a call that only looks; one that does something is made once."""

_FIRST_PAUSE_S: Final = 0.5
_TIMEOUT: Final = urllib3.Timeout(connect=5, read=35)
"""API Gateway answers within 29 seconds."""

_PAGE_ROWS: Final = 100
_BLOCK_BYTES: Final = 1 << 18
Json = dict[str, Any]


class ApiClient:
    """The batch API, and manual transactions.

    Args:
        stack: whose API.
        sleep: waits between two tries.
    """

    def __init__(self, stack: Stack, sleep: Callable[[float], None] = time.sleep) -> None:
        self._stack = stack
        self._sleep = sleep
        self._http = urllib3.PoolManager(timeout=_TIMEOUT, retries=False, ca_certs=stack.ca_bundle)

    def batches(self, status: str | None, limit: int) -> Iterator[Json]:
        """The newest batches, page by page."""
        left, after = limit, None
        while left > 0:
            query = {"status": status, "limit": min(left, _PAGE_ROWS), "after": after}
            page = self.get("/batches", {name: value for name, value in query.items() if value is not None})
            yield from page["batches"][:left]
            left -= len(page["batches"])
            after = page.get("next")
            if not after or not page["batches"]:
                return

    def batch(self, batch_id: str) -> Json:
        """One batch; raises RequestRefused when there is none."""
        return self.get(_path(batch_id))

    def decide(self, batch_id: str, what: str, fields: Mapping[str, Any]) -> Json:
        """Approve, stop, resolve or reverse a batch."""
        return self.post(f"{_path(batch_id)}/{what}", fields)

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Json:
        """Look at something; tried again where the network or the service fails."""
        target = f"{path}?{urlencode(sorted((query or {}).items()), quote_via=quote)}" if query else path
        for tried in range(1, TRIES_MAX):
            try:
                return self._call("GET", target, b"")
            except AccessDenied:
                raise
            except ServiceError:
                self._sleep(_FIRST_PAUSE_S * 2**tried)
        return self._call("GET", target, b"")

    def post(self, path: str, fields: Mapping[str, Any]) -> Json:
        """Do something, once."""
        return self._call("POST", path, exact_json.write(fields).encode())

    def download(self, url: str, target: Path) -> int:
        """Copy a presigned link's file; it is there whole or not at all. Its size in bytes."""
        draft = target.with_name(f".{target.name}.part")
        try:
            answer = self._http.request("GET", url, preload_content=False, retries=False)
            if answer.status != 200:
                raise ServiceError(f"{target.name} can't be downloaded: S3 answered {answer.status}")
            with draft.open("wb") as out:
                for block in answer.stream(_BLOCK_BYTES):
                    out.write(block)
            answer.release_conn()
            draft.replace(target)
        except urllib3.exceptions.HTTPError as error:
            raise ServiceError(f"{target.name} can't be downloaded: {error}") from None
        finally:
            draft.unlink(missing_ok=True)
        return target.stat().st_size

    def _call(self, method: str, target: str, body: bytes) -> Json:
        url = f"{self._stack.api_url}{target}"
        try:
            answer = self._http.request(method, url, body=body, headers=self._signed(method, url, body))
        except urllib3.exceptions.HTTPError as error:
            raise ServiceError(f"the API can't be reached: {type(error).__name__}") from None
        return _read(answer.status, answer.data)

    def _signed(self, method: str, url: str, body: bytes) -> dict[str, str]:
        credentials = self._stack.session.get_credentials()
        if credentials is None:
            raise ServiceError("no AWS credentials: log in, or give --profile")
        request = AWSRequest(method, url, headers={"Content-Type": "application/json"}, data=body)
        frozen = credentials.get_frozen_credentials()
        SigV4Auth(frozen, "execute-api", self._stack.region).add_auth(request)
        return dict(request.headers.items())


def _path(batch_id: str) -> str:
    return f"/batches/{quote(batch_id, safe='')}"


def _read(status: int, data: bytes) -> Json:
    """The answer's fields; raises RequestRefused or ServiceError where it is no 2xx."""
    try:
        fields = exact_json.read(data)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        fields = {}
    if 200 <= status < 300:
        return fields
    # API Gateway itself writes "message" (or "Message") as well.
    message = str(fields.get("message") or fields.get("Message") or f"the API answered {status}")
    if status in (401, 403):
        raise AccessDenied(f"your AWS identity may not do this: {message}")
    if status == 429 or status >= 500:
        raise ServiceError(message)
    raise RequestRefused(message, status)


def plain_name(name: str) -> str:
    """A name that the API gave, if it is one and no path."""
    if not name or Path(name).name != name:
        raise ServiceError(f"the API names a file {name!r}, which is no plain name")
    return name
