"""Answers of the API: JSON with exact numbers, and errors in the seed's shape, from one table."""

import base64
import json
import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from adjustments.core import exact_json, limits
from adjustments.core.errors import (
    AdjustmentsError,
    ConfigurationError,
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    GameballUnavailable,
    IdUnclear,
    InputError,
    NotFound,
    OutcomeUnknown,
    RequestRefused,
    RequestTooLarge,
    StillInProgress,
    TableUnavailable,
    WrongState,
)

_STATUSES: Final[tuple[tuple[type[AdjustmentsError], int], ...]] = (
    (RequestTooLarge, 413),
    (InputError, 400),
    (NotFound, 404),
    (WrongState, 409),
    (TableUnavailable, 503),
    (GameballThrottled, 503),
    (GameballUnavailable, 503),
    (GameballUnauthorized, 502),
    (OutcomeUnknown, 504),
    (ConfigurationError, 500),
)
"""Which HTTP status tells of which error; GameballRefused keeps Gameball's own."""

_MESSAGES: Final[Mapping[type[AdjustmentsError], str]] = {
    GameballUnauthorized: "Gameball refuses the keys or the account that this service is set up with; "
    "its operator is told: try again later, with the same transactionId where there is one",
    GameballUnavailable: "Gameball can't be reached; nothing was applied: try again later",
    GameballThrottled: "Gameball is busy; nothing was applied: try again later",
    ConfigurationError: "this service is not set up: its secret is missing or malformed",
    TableUnavailable: "the table of this service can't be reached, so this call has sent nothing: "
    "send the same transactionId and body again, which is safe",
    OutcomeUnknown: "Gameball gave no answer in time, so the outcome is unknown: "
    "send the same transactionId and body again, which is safe",
}
"""What callers are told where the error's own words are not for them."""

_INT_DIGITS_MAX: Final = 40
RETRY_AFTER_S: Final = 5
IN_PROGRESS_RETRY_AFTER_S: Final = 2


def request_id(event: Mapping[str, Any]) -> str:
    """The gateway's name for a call, which its caller is told as well."""
    return str((event.get("requestContext") or {}).get("requestId") or "")


def caller(event: Mapping[str, Any]) -> str:
    """Who calls, as IAM knows them."""
    return str(((event.get("requestContext") or {}).get("identity") or {}).get("userArn") or "")


def route(event: Mapping[str, Any]) -> tuple[str, str]:
    """What the gateway has matched a call with: a method, and a resource as the template writes its path."""
    return str(event.get("httpMethod") or ""), str(event.get("resource") or "")


def path_parameter(event: Mapping[str, Any], name: str) -> str:
    """What stands in the path for a ``{name}`` of the resource; for names that need no percent-encoding.

    AWS leaves that encoding as it came, and the emulator decodes it.
    """
    return str((event.get("pathParameters") or {}).get(name) or "")


def query(event: Mapping[str, Any]) -> Mapping[str, str]:
    """The values of the address's query by name."""
    return event.get("queryStringParameters") or {}


def read_body(event: Mapping[str, Any], bytes_max: int = limits.MANUAL_BODY_BYTES_MAX) -> Mapping[str, Any]:
    """Read the JSON object in an API event's body; raises RequestRefused."""
    text = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            text = base64.b64decode(text, validate=True).decode()
        except ValueError:
            raise RequestRefused("no_json", "the body is no JSON") from None
    return read_json(text, bytes_max)


def read_json(text: str, bytes_max: int = limits.MANUAL_BODY_BYTES_MAX) -> Mapping[str, Any]:
    """Read a JSON object within our bounds, whose names are all different; raises RequestRefused."""
    if len(text.encode(errors="surrogatepass")) > bytes_max:
        raise RequestTooLarge("too_large", f"the body has more than {bytes_max} bytes")
    try:
        # Numbers of any size, and NaN, are read, so that the one who looks at the fields can name them.
        fields = json.loads(
            text,
            parse_float=_number,
            parse_int=_whole_number,
            parse_constant=Decimal,
            object_pairs_hook=_distinct,
        )
    except (ValueError, RecursionError):
        raise RequestRefused("no_json", "the body is no JSON") from None
    if not isinstance(fields, dict):
        raise RequestRefused("no_object", "the body must be a JSON object")
    return fields


def _whole_number(digits: str) -> int | Decimal:
    """A whole number; one that is too long for any use stays a Decimal, which takes no time to read."""
    return int(digits) if len(digits) <= _INT_DIGITS_MAX else Decimal(digits)


def _number(text: str) -> Decimal:
    """A number; one whose exponent is beyond a Decimal's is none that the fields could have."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that has a name twice: readers differ on which of the two values counts."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RequestRefused("twice", f"{twice[:40]}: is given twice")
    return fields


def answer(
    status: int, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Put an answer into the form that the gateway wants."""
    return text_answer(status, exact_json.write(fields), headers)


def text_answer(status: int, body: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Put an answer whose JSON is written already into the form that the gateway wants."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **(headers or {})},
        "body": body,
    }


def error_answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Put an error into the seed's shape."""
    return answer(status, {"error": status, "message": message}, headers)


def answer_to(error: AdjustmentsError) -> dict[str, Any]:
    """Tell a caller of an error."""
    told = told_of(error)
    headers = {}
    if told["error"] == 503:
        wait_s = error.retry_after_s if isinstance(error, GameballError) else None
        headers["retry-after"] = str(math.ceil(wait_s or RETRY_AFTER_S))
    if isinstance(error, StillInProgress | IdUnclear):
        headers["retry-after"] = str(IN_PROGRESS_RETRY_AFTER_S)
    return answer(told["error"], told, headers)


def told_of(error: AdjustmentsError) -> dict[str, Any]:
    """An error in the seed's shape; with a refusal, Gameball's own code and request id are passed on."""
    told: dict[str, Any] = {
        "error": _status_of(error),
        "message": _MESSAGES.get(type(error)) or _own_message(error),
    }
    if isinstance(error, GameballRefused) and error.code is not None:
        told["code"] = error.code
    if isinstance(error, GameballRefused) and error.request_id:
        told["requestId"] = error.request_id
    return told


def _status_of(error: AdjustmentsError) -> int:
    if isinstance(error, GameballRefused) and error.status:
        return error.status
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def _own_message(error: AdjustmentsError) -> str:
    return str(getattr(error, "told", None) or getattr(error, "message", error))
