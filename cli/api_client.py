"""Client of the stack's API: signs requests, repeats reads that failed, downloads files."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from pydantic import BaseModel

from adjustments.core import exact_json
from cli.api_answers import (
    BatchAnswer,
    DecisionAnswer,
    HistoryAnswer,
    PageAnswer,
    ReversalAnswer,
    TransactionAnswer,
    check_answer,
    has_endless_number,
)
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

ANSWER_BYTES_MAX: Final = 16 * 1024**2
"""Bytes of an answer that are read; API Gateway lets 10 MB through (Amazon API Gateway, "Quotas")."""

FILE_BYTES_MAX: Final = 8 * 1024**3
"""Bytes of a file that are downloaded: results.csv of the largest file takes some 2 GB."""

MESSAGE_CHARS_MAX: Final = 1_000
"""Characters of the API's message that are shown."""

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
        given = {name: value for name, value in query.items() if value is not None}
        return check_answer(PageAnswer, self.get("/batches", given))

    def batch(self, batch_id: str) -> Json:
        """Get one batch; raises RequestRefused (404) where there is none."""
        return check_answer(BatchAnswer, self.get(_path(batch_id)))

    def page_of_customer(self, customer_id: str, after: str | None = None, *, live: bool = False) -> Json:
        """Get one page of what was done for a customer; its ``next`` is the following page's ``after``.

        Args:
            customer_id: the customer.
            after: the ``next`` of the page before; None for the newest.
            live: whether Gameball's own balance and transactions come with it.
        """
        query = {"after": after} if after else {}
        path = f"/customers/{quote(customer_id, safe='')}/adjustments"
        return check_answer(HistoryAnswer, self.get(path, {**query, **({"live": "true"} if live else {})}))

    def decide(self, batch_id: str, what: str, fields: Mapping[str, Any]) -> Json:
        """Approve, stop or resolve a batch."""
        return self._after_change(DecisionAnswer, f"{_path(batch_id)}/{what}", fields)

    def reverse(self, batch_id: str) -> Json:
        """Let the file be created that reverses a batch."""
        return self._after_change(ReversalAnswer, f"{_path(batch_id)}/reversal", {})

    def transact(self, fields: Mapping[str, Any]) -> Json:
        """Add a manual transaction."""
        return check_answer(TransactionAnswer, self.post("/transactions/manual", fields))

    def _after_change(self, model: type[BaseModel], path: str, fields: Mapping[str, Any]) -> Json:
        try:
            return check_answer(model, self.post(path, fields))
        except ServiceError as error:
            raise ServiceError(f"{error}. It may have taken effect: `adjust show` says so") from None

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

    def server_time(self, address: str) -> str:
        """The header `date` of the service behind an address; empty where its answer has none."""
        try:
            answer = self._http.request("GET", f"{address}/health", retries=False, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise ServiceError(f"the API can't be reached: {type(error).__name__}") from None
        return str(answer.headers.get("date", ""))

    def check_link(self, url: str, key: str) -> None:
        """Raise ServiceError where a link from the API leads anywhere but to an object of this stack."""
        if not self._stack.is_link_to(url, key):
            raise ServiceError(
                f"the API's link for {key} does not lead to it in this stack's bucket: nothing was downloaded"
            )

    def download(self, url: str, target: Path) -> int:
        """Download the file behind a presigned link that was checked; a failure leaves no part of it.

        Args:
            url: the link.
            target: the file to write; there is none yet.

        Returns:
            The size of the file in bytes.
        """
        try:
            with target.open("xb") as out:
                out.writelines(self.blocks(url, target.name))
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return target.stat().st_size

    def blocks(self, url: str, name: str) -> Iterator[bytes]:
        """Read the file behind a presigned link that was checked, block by block.

        Args:
            url: the link.
            name: the name of the file, for messages.

        Raises:
            ServiceError: it can't be downloaded, or breaks off.
        """
        try:
            answer = self._http.request(
                "GET", url, preload_content=False, decode_content=False, retries=False, redirect=False
            )
            try:
                _check_download(name, answer)
                yield from answer.stream(_BLOCK_BYTES, decode_content=False)
            finally:
                # A reader that stops before the end leaves a connection that no other request can use.
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise ServiceError(f"{name} can't be downloaded: {type(error).__name__}") from None

    def _call(self, method: str, target: str, body: bytes, retries: urllib3.Retry | Literal[False]) -> Json:
        url = f"{self._stack.api_url}{target}"
        headers = self._signed(method, url, body)
        try:
            answer = self._http.request(
                method,
                url,
                body=body,
                headers=headers,
                retries=retries,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            data = answer.read(ANSWER_BYTES_MAX + 1, decode_content=False)
        except urllib3.exceptions.HTTPError as error:
            cause = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
            raise ServiceError(f"the API can't be reached: {type(cause).__name__}") from None
        if len(data) > ANSWER_BYTES_MAX:
            answer.close()
            raise ServiceError(f"the API's answer has more than {ANSWER_BYTES_MAX:,} bytes")
        return _read(answer.status, data)

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


def _check_download(name: str, answer: urllib3.BaseHTTPResponse) -> None:
    """Raise ServiceError where no whole file will come; its length tells later whether it came whole."""
    if answer.status != 200:
        raise ServiceError(f"{name} can't be downloaded: S3 answered {answer.status}")
    length = answer.headers.get("Content-Length", "")
    if not (length.isascii() and length.isdecimal()):
        raise ServiceError(f"{name} can't be downloaded: S3 did not say how long it is")
    if len(length) > len(str(FILE_BYTES_MAX)) or int(length) > FILE_BYTES_MAX:
        raise ServiceError(f"{name} can't be downloaded: it has more than {FILE_BYTES_MAX:,} bytes")


def _read(status: int, data: bytes) -> Json:
    """Read the fields of a 2xx answer; raise the error that any other status stands for."""
    try:
        fields = exact_json.read(data)
    except ValueError:
        fields = None
    if 200 <= status < 300:
        if not isinstance(fields, dict) or has_endless_number(fields):
            raise ServiceError(f"the API answered {status} with something that is not its JSON")
        return fields
    said = fields if isinstance(fields, dict) else {}
    # API Gateway's own errors have "message" or "Message".
    message = str(said.get("message") or said.get("Message") or f"the API answered {status}")
    message = message[:MESSAGE_CHARS_MAX]
    if status in (401, 403):
        raise AccessDenied(f"your AWS identity is not allowed to do this: {message}")
    if status == 429 or not 400 <= status < 500:
        raise ServiceError(message)
    raise RequestRefused(message, status)
