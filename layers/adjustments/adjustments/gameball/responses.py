"""What a response of Gameball means: its fields, or an error of the fitting class.

Both documented error envelopes are read. An error is classified by Gameball's code where there is one, then
by HTTP status (docs/gameball-api.md, "Errors").
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

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
