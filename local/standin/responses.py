"""Answers, and the two formats of errors (docs/gameball-api.md, "Errors")."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import uuid4

from local.standin import exact_json

DOCUMENTATION_URL = "https://docs.gameball.co/api-reference/overview/status-error-codes"

UNAUTHORIZED = 1000
SECRET_REQUIRED = 1001
FORBIDDEN = 1002
BAD_PAYLOAD = 3000
NO_ROWS = 3001
TOO_MANY_ROWS = 3002
BAD_ROW = 3003
FIELD_MISSING = 3004
BAD_FIELD = 3005
BAD_AMOUNT = 3006
BAD_QUERY = 3007
REFUSED_CUSTOMER = 3008
TOO_LARGE = 3009
FAILED = 4000
NOT_FOUND = 4004
SERVER_TROUBLE = 5000
NO_SUCH_CUSTOMER = 7000
TIME_EXISTS = 9003
ID_EXISTS = 9004
TIME_NOT_VALID = 9007
INSUFFICIENT_POINTS = 9008

_STATUS_OF_CODE: Mapping[int, int] = MappingProxyType(
    {
        UNAUTHORIZED: 401,
        SECRET_REQUIRED: 401,
        FORBIDDEN: 403,
        REFUSED_CUSTOMER: 422,
        TOO_LARGE: 413,
        FAILED: 400,
        NOT_FOUND: 404,
        SERVER_TROUBLE: 500,
        NO_SUCH_CUSTOMER: 404,
        TIME_EXISTS: 422,
        ID_EXISTS: 422,
        TIME_NOT_VALID: 422,
        INSUFFICIENT_POINTS: 422,
    }
)
_TYPE_OF_CLASS: Mapping[int, str] = MappingProxyType(
    {
        1: "Authentication Error",
        2: "Request Error",
        3: "Payload Error",
        4: "General Error",
        5: "Server Error",
        6: "Configuration Error",
        7: "Customer Error",
        8: "Subscription Error",
        9: "Transaction Error",
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; `blocks` replaces `body` where the body is too long for memory."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    blocks: Iterator[bytes] | None = None


class RefusedError(Exception):
    """The request is refused with an error; nothing was applied."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"HTTP {answer.status}")
        self.answer = answer


def ok(value: object) -> Answer:
    """200 with a JSON body."""
    return Answer(200, exact_json.dumps(value).encode())


def plain_error(status: int, message: str) -> Answer:
    """An error in the plain format: `error` and `message`."""
    return Answer(status, exact_json.dumps({"error": status, "message": message}).encode())


def coded_error(code: int, message: str, status: int | None = None) -> Answer:
    """An error in the coded format, with Gameball's error code."""
    body = {
        "code": code,
        "type": _TYPE_OF_CLASS.get(code // 1000, "Error"),
        "message": message,
        "documentationUrl": DOCUMENTATION_URL,
        "requestId": str(uuid4()),
    }
    return Answer(status or status_of(code), exact_json.dumps(body).encode())


def html_error(status: int) -> Answer:
    """An error page in HTML, as a gateway in front of the API sends it."""
    return Answer(
        status, b"<html><body><h1>Error</h1></body></html>", content_type="text/html; charset=utf-8"
    )


def status_of(code: int) -> int:
    """The HTTP status of an error code; 400 where none is listed."""
    return _STATUS_OF_CODE.get(code, 400)


def refuse(code: int, message: str) -> RefusedError:
    """Make a refusal in the coded format, to be raised."""
    return RefusedError(coded_error(code, message))


def refuse_plain(message: str, status: int = 400) -> RefusedError:
    """Make a refusal in the plain format, to be raised."""
    return RefusedError(plain_error(status, message))
