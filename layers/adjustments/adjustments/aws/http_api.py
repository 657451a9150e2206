"""The HTTP API: JSON bodies with exact numbers, and one table from errors to responses for all functions.

Errors have the shape of Gameball's, and a code of ours: ``{"error": <status>, "message": "…",
"errorCode": "…"}``.
"""

import base64
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from adjustments.aws.function_log import failure_facts, refusal_facts
from adjustments.core import exact_json, limits
from adjustments.core.errors import (
    AdjustmentsError,
    ConfigurationError,
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    GameballUnavailable,
    IdTaken,
    IdUnclear,
    InputError,
    KeyTaken,
    NotFound,
    OutcomeUnknown,
    RequestRefused,
    RequestTooLarge,
    RewardRuleBroken,
    RowsRepeated,
    SettingRefused,
    StillInProgress,
    TableUnavailable,
    WrongState,
)
from adjustments.core.printable import visible
from adjustments.core.validation import NO_JSON, Model, read_json, validate


class _Kind(NamedTuple):
    status: int
    code: str


_FAILURE: Final = _Kind(500, "internal_error")
_KINDS: Final[Mapping[type[AdjustmentsError], _Kind]] = {
    RequestTooLarge: _Kind(413, "body_too_large"),
    RewardRuleBroken: _Kind(400, "reward_rule_broken"),
    InputError: _Kind(400, "invalid_request"),
    NotFound: _Kind(404, "not_found"),
    RowsRepeated: _Kind(409, "rows_repeated"),
    KeyTaken: _Kind(409, "idempotency_key_taken"),
    IdTaken: _Kind(409, "transaction_id_taken"),
    IdUnclear: _Kind(409, "transaction_id_unclear"),
    StillInProgress: _Kind(409, "still_in_progress"),
    WrongState: _Kind(409, "wrong_state"),
    TableUnavailable: _Kind(503, "table_unavailable"),
    GameballRefused: _Kind(422, "gameball_refused"),
    GameballThrottled: _Kind(503, "gameball_busy"),
    GameballUnavailable: _Kind(503, "gameball_unreachable"),
    GameballUnauthorized: _Kind(502, "gameball_keys_refused"),
    OutcomeUnknown: _Kind(504, "outcome_unknown"),
    ConfigurationError: _Kind(500, "not_configured"),
    AdjustmentsError: _FAILURE,
}
"""The HTTP status and the ``errorCode`` of each kind of error; of two kinds that fit, the first one counts.
GameballRefused keeps Gameball's own status.
"""

CODES: Final = tuple(dict.fromkeys(kind.code for kind in _KINDS.values()))
"""Every ``errorCode`` of a function; the gateway's own are in template.yaml."""

CODE_HEADER: Final = "x-error-code"
"""Has the code of every error, also of those whose body is Gameball's word by word."""

_MESSAGES: Final[Mapping[type[AdjustmentsError], str]] = {
    GameballUnauthorized: "Gameball refuses the keys or the account that this service is set up with; "
    "its operator is notified: try again later, with the same transactionId where there is one",
    GameballUnavailable: "Gameball can't be reached; nothing was applied: try again later",
    GameballThrottled: "Gameball is busy; nothing was applied: try again later",
    ConfigurationError: "this service is not set up: its secret is missing or malformed; tell its operator",
    SettingRefused: "this service is not set up: one of its settings is missing or malformed; tell its "
    "operator, whose log names the setting",
    TableUnavailable: "the table of this service can't be reached, so this call has sent nothing: "
    "send the same transactionId and body again, which is safe",
    OutcomeUnknown: "Gameball gave no answer in time, so the outcome is unknown: "
    "send the same transactionId and body again, which is safe",
}
"""Messages for callers, where the message of the error itself is not for them."""

RETRY_AFTER_S: Final = 5
IN_PROGRESS_RETRY_AFTER_S: Final = 2

_BASE_PATH: Final = re.compile(
    r"^/(?!batch|transactions|health|customers)[^/]+(?=/(?:batch|batches|transactions|health|customers)(?:/|$))"
)
"""The base path that a custom domain may add (Powertools, "Custom Domain API Mappings")."""

_JSON: Final = "application/json"

Report = Callable[[Exception], None]
"""Logs an error before it becomes a response."""


def create_api(report: Report, failure_message: str) -> APIGatewayRestResolver:
    """Create the resolver of a function, which maps each error to a response by the table of this module.

    Args:
        report: called with each error.
        failure_message: the message to callers for an unforeseen error.
    """
    api = APIGatewayRestResolver(serializer=exact_json.write, strip_prefixes=[_BASE_PATH])

    @api.not_found
    def answer_unknown_path(error: NotFoundError) -> Response[str]:
        unknown = NotFound("there is nothing at this path")
        report(unknown)
        return error_response(unknown)

    @api.exception_handler(AdjustmentsError)
    def answer_error(error: AdjustmentsError) -> Response[str]:
        report(error)
        return error_response(error)

    @api.exception_handler(Exception)
    def answer_failure(error: Exception) -> Response[str]:
        report(error)
        fields = {"error": _FAILURE.status, "message": failure_message, "errorCode": _FAILURE.code}
        return json_response(fields, _FAILURE.status, {CODE_HEADER: _FAILURE.code})

    return api


def report_to(logger: Logger, refused: str) -> Report:
    """Create the function that logs errors: without messages, which may quote a customer or Gameball.

    Args:
        logger: the logger of the function.
        refused: the message of the line for a refused call.
    """

    def report(error: Exception) -> None:
        if isinstance(error, NotFound):  # clients that wait for a batch poll until it exists
            logger.info(refused, **refusal_facts(error))
        elif isinstance(error, AdjustmentsError):
            logger.warning(refused, **refusal_facts(error))
        else:
            logger.error("call failed", **failure_facts(error))

    return report


def caller(event: APIGatewayProxyEvent) -> str:
    """The caller's IAM identity (ARN)."""
    return event.request_context.identity.user_arn or ""


def path_parameter(event: APIGatewayProxyEvent, name: str, otherwise: str) -> str:
    """Read a parameter of the path that may hold any character: API Gateway decodes no escapes.

    Args:
        event: the event of API Gateway.
        name: the parameter's name there.
        otherwise: its value where the event has none.
    """
    return unquote((event.path_parameters or {}).get(name, otherwise))


def read_body(
    event: Mapping[str, Any], bytes_max: int = limits.MANUAL_BODY_BYTES_MAX, *, may_be_empty: bool = False
) -> Mapping[str, Any]:
    """Read the JSON object in an API event's body.

    Args:
        event: the event of API Gateway.
        bytes_max: the largest body that is read.
        may_be_empty: whether a missing body counts as an empty object.

    Raises:
        RequestRefused: the body is larger, or no JSON object, or has a name twice.
    """
    text = event.get("body") or ""
    if may_be_empty and not text:
        return {}
    if event.get("isBase64Encoded"):
        try:
            text = base64.b64decode(text, validate=True).decode()
        except ValueError:
            raise RequestRefused("no_json", NO_JSON) from None
    return read_json(text, bytes_max)


def read_decision(event: APIGatewayProxyEvent, model: type[Model]) -> tuple[Model, str]:
    """Read what a call decides about a batch, and who calls; the body may be empty.

    Raises:
        RequestRefused: the body is not what the model describes.
    """
    body = read_body(event, limits.ADMINISTRATION_BODY_BYTES_MAX, may_be_empty=True)
    return validate(model, body), caller(event)


def json_response(
    fields: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[str]:
    """Make a response of fields."""
    return text_response(exact_json.write(fields), status, headers)


def text_response(body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[str]:
    """Make a response of JSON text."""
    return Response(status_code=status, content_type=_JSON, body=body, headers=dict(headers or {}))


def error_response(error: AdjustmentsError) -> Response[str]:
    """Make the response to an error, with its code in the header, and in the body unless Gameball's
    documentation gives that body word by word.
    """
    fields, code = describe_error(error), _kind_of(error).code
    if not isinstance(error, RewardRuleBroken):
        fields["errorCode"] = code
    headers = {CODE_HEADER: code}
    if fields["error"] == 503:
        wait_s = error.retry_after_s if isinstance(error, GameballError) else None
        headers["retry-after"] = str(math.ceil(wait_s or RETRY_AFTER_S))
    if isinstance(error, StillInProgress | IdUnclear):
        headers["retry-after"] = str(IN_PROGRESS_RETRY_AFTER_S)
    return json_response(fields, fields["error"], headers)


def describe_error(error: AdjustmentsError) -> dict[str, Any]:
    """Make the fields of the response to an error; a refusal has Gameball's code and request id."""
    fields: dict[str, Any] = {
        "error": _status_of(error),
        "message": _MESSAGES.get(type(error)) or _own_message(error),
    }
    if isinstance(error, GameballRefused) and error.code is not None:
        fields["code"] = error.code
    if isinstance(error, GameballRefused) and error.request_id:
        fields["requestId"] = error.request_id
    if isinstance(error, RowsRepeated):
        fields["batchId"] = error.batch_id
    return fields


def _status_of(error: AdjustmentsError) -> int:
    if isinstance(error, GameballRefused) and error.status:
        return error.status
    return _kind_of(error).status


def _kind_of(error: AdjustmentsError) -> _Kind:
    return next(kind for type_, kind in _KINDS.items() if isinstance(error, type_))


def _own_message(error: AdjustmentsError) -> str:
    return visible(str(getattr(error, "gameball_message", None) or getattr(error, "message", error)))
