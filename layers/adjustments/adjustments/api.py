"""Answers of the API: JSON with exact numbers, and errors in the seed's shape, from one table."""

from collections.abc import Mapping
from typing import Any, Final

from adjustments import exact_json
from adjustments.errors import (
    AdjustmentsError,
    ConfigurationError,
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    GameballUnavailable,
    InputError,
    NotFound,
    OutcomeUnknown,
    RequestRefused,
    WrongState,
)

_STATUSES: Final[tuple[tuple[type[AdjustmentsError], int], ...]] = (
    (InputError, 400),
    (NotFound, 404),
    (WrongState, 409),
    (GameballThrottled, 503),
    (GameballUnavailable, 503),
    (GameballUnauthorized, 502),
    (OutcomeUnknown, 504),
    (ConfigurationError, 500),
)
"""Which HTTP status tells of which error; GameballRefused keeps Gameball's own."""

_MESSAGES: Final[Mapping[type[AdjustmentsError], str]] = {
    GameballUnauthorized: "Gameball refuses the keys that this service is set up with; nothing was applied",
    GameballUnavailable: "Gameball can't be reached; nothing was applied: try again later",
    GameballThrottled: "Gameball is busy; nothing was applied: try again later",
    ConfigurationError: "this service is not set up: its secret is missing or malformed; nothing was applied",
    OutcomeUnknown: "Gameball gave no answer in time, so the outcome is unknown: "
    "send the same transactionId and body again, which is safe",
}
"""What callers are told where the error's own words are not for them."""

RETRY_AFTER_S: Final = 5


def read_body(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read the JSON object in an API event's body; raises RequestRefused."""
    try:
        fields = exact_json.read(event.get("body") or "")
    except (ValueError, RecursionError):
        raise RequestRefused("no_json", "the body is no JSON") from None
    if not isinstance(fields, dict):
        raise RequestRefused("no_object", "the body must be a JSON object")
    return fields


def answer(
    status: int, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Put an answer into the form that the gateway wants."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **(headers or {})},
        "body": exact_json.write(fields),
    }


def error_answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Put an error into the seed's shape."""
    return answer(status, {"error": status, "message": message}, headers)


def answer_to(error: AdjustmentsError) -> dict[str, Any]:
    """Tell a caller of an error."""
    status = _status_of(error)
    message = _MESSAGES.get(type(error)) or _own_message(error)
    headers = {}
    if status == 503:
        wait_s = error.retry_after_s if isinstance(error, GameballError) else None
        headers["retry-after"] = str(int(wait_s or RETRY_AFTER_S))
    return error_answer(status, message, headers)


def _status_of(error: AdjustmentsError) -> int:
    if isinstance(error, GameballRefused) and error.status:
        return error.status
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def _own_message(error: AdjustmentsError) -> str:
    return str(getattr(error, "message", error))
