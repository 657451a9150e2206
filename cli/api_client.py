"""Client of the stack's API: signs requests, repeats reads that failed, downloads files."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from adjustments.core import exact_json
from cli.errors import AccessDenied, RequestRefused, ServiceError
from cli.stack import Stack

RETRY: Final = urllib3.Retry(
    total=3,
    allowed_methods={"GET"},
    status_forcelist={429, 500, 502, 503, 504},
    backoff_factor=0.5,
    backoff_jitter=0.5,
    raise_on_status=False,
)
"""For reads. A call that changes something is made once: its answer may be lost after it took effect.

The signature is made once for all attempts. AWS accepts it for five minutes, which they never take.
"""

_TIMEOUT: Final = urllib3.Timeout(connect=5, read=35)
"""API Gateway answers within 29 seconds."""

_PAGE_ROWS: Final = 100
_BLOCK_BYTES: Final = 1 << 18
Json = dict[str, Any]


class ApiClient:
    """Client of the batch API and of manual transactions.

    Args:
        stack: the deployed stack whose API is called.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._http = urllib3.PoolManager(timeout=_TIMEOUT, retries=False, ca_certs=stack.ca_bundle)

    def batches(
        self,
        status: str | None,
        limit: int,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Json]:
        """List the newest batches, page by page; those dropped from one time up to another one."""
        left, after = limit, None
        wanted = {
            "status": status,
            "since": since and since.isoformat(),
            "until": until and until.isoformat(),
        }
        while left > 0:
            query = {**wanted, "limit": min(left, _PAGE_ROWS), "after": after}
            page = self.page_of_batches(query)
            yield from page["batches"][:left]
            left -= len(page["batches"])
            after = page.get("next")
            if not after or not page["batches"]:
                return

    def page_of_batches(self, query: Mapping[str, object]) -> Json:
        """Get one page of the list; its ``next`` is the following page's ``after``.

        Args:
            query: status, limit, after, since, until; None leaves one out.
        """
        return self.get("/batches", {name: value for name, value in query.items() if value is not None})

    def batch(self, batch_id: str) -> Json:
        """Get one batch; raises RequestRefused (404) where there is none."""
        return self.get(_path(batch_id))

    def decide(self, batch_id: str, what: str, fields: Mapping[str, Any]) -> Json:
        """Approve, stop, resolve or reverse a batch."""
        return self.post(f"{_path(batch_id)}/{what}", fields)

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Json:
        """Read something; repeated where the network or the service fails.

        Raises:
            RequestRefused: the API refuses the request.
            ServiceError: the network or the service failed, also at the last attempt.
        """
        target = f"{path}?{urlencode(sorted((query or {}).items()), quote_via=quote)}" if query else path
        return self._call("GET", target, b"", RETRY)

    def post(self, path: str, fields: Mapping[str, Any]) -> Json:
        """Change something, in one attempt.

        Raises:
            RequestRefused: the API refuses the request.
            ServiceError: the network or the service failed; the change may have been made.
        """
        return self._call("POST", path, exact_json.write(fields).encode(), False)

    def time_there(self, address: str) -> str:
        """The time of the service behind an address, as its answer tells it; empty where it does not."""
        try:
            answer = self._http.request("GET", f"{address}/health", retries=False, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise ServiceError(f"the API can't be reached: {type(error).__name__}") from None
        return str(answer.headers.get("date", ""))

    def download(self, url: str, target: Path) -> int:
        """Download the file behind a presigned link; a download that fails leaves no part of it.

        Args:
            url: the link.
            target: the file to write.

        Returns:
            The size of the file in bytes.
        """
        draft = target.with_name(f".{target.name}.part")
        try:
            with draft.open("wb") as out:
                out.writelines(self.blocks(url, target.name))
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return target.stat().st_size

    def blocks(self, url: str, name: str) -> Iterator[bytes]:
        """Read the file behind a presigned link block by block.

        Args:
            url: the link.
            name: the name of the file, for messages.

        Raises:
            ServiceError: it can't be downloaded, or breaks off.
        """
        try:
            answer = self._http.request("GET", url, preload_content=False, retries=False)
            try:
                if answer.status != 200:
                    raise ServiceError(f"{name} can't be downloaded: S3 answered {answer.status}")
                yield from answer.stream(_BLOCK_BYTES)
            finally:
                # A reader that stops before the end leaves a connection that no other request can use.
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise ServiceError(f"{name} can't be downloaded: {error}") from None

    def _call(self, method: str, target: str, body: bytes, retries: urllib3.Retry | Literal[False]) -> Json:
        url = f"{self._stack.api_url}{target}"
        headers = self._signed(method, url, body)
        try:
            answer = self._http.request(
                method, url, body=body, headers=headers, retries=retries, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            cause = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
            raise ServiceError(f"the API can't be reached: {type(cause).__name__}") from None
        return _read(answer.status, answer.data)

    def _signed(self, method: str, url: str, body: bytes) -> dict[str, str]:
        credentials = self._stack.session.get_credentials()
        if credentials is None:
            raise ServiceError("no AWS credentials found: log in, or name a profile with --profile")
        request = AWSRequest(method, url, headers={"Content-Type": "application/json"}, data=body)
        frozen = credentials.get_frozen_credentials()
        SigV4Auth(frozen, "execute-api", self._stack.region).add_auth(request)
        return dict(request.headers.items())


def _path(batch_id: str) -> str:
    return f"/batches/{quote(batch_id, safe='')}"


def _read(status: int, data: bytes) -> Json:
    """Read the fields of a 2xx answer; raise the error that any other status stands for."""
    try:
        fields = exact_json.read(data)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        fields = {}
    if 200 <= status < 300:
        return fields
    # API Gateway's own errors have "message" or "Message".
    message = str(fields.get("message") or fields.get("Message") or f"the API answered {status}")
    if status in (401, 403):
        raise AccessDenied(f"your AWS identity is not allowed to do this: {message}")
    if status == 429 or status >= 500:
        raise ServiceError(message)
    raise RequestRefused(message, status)


def plain_name(name: str) -> str:
    """Return a file name from the API; raise ServiceError where it contains a path."""
    if not name or Path(name).name != name:
        raise ServiceError(f"the API returned the file name {name!r}, which contains a path")
    return name
