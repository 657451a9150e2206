"""Validation of input: JSON within limits, and fields checked by a pydantic model.

Messages name each field with its problem, for the sender. They never quote a value, which may be a
customer's.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from adjustments.core import limits
from adjustments.core.errors import RequestRefused, RequestTooLarge

_NAME_CHARS_SHOWN: Final = 40
_PROBLEMS_SHOWN: Final = 10
_INT_DIGITS_MAX: Final = 40

NO_JSON: Final = "the body is not valid JSON; send a JSON object"

_A_TIME: Final = "must be a time such as 2026-11-21 or 2026-11-21T12:00:00Z"

_MESSAGES: Final[Mapping[str, str]] = {
    "missing": "is required{wanted}",
    "extra_forbidden": "unknown field",
    "string_type": "must be a string",
    "string_unicode": "has characters that can't be sent",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "less_than_equal": "must be at most {le}",
    "greater_than_equal": "must be at least {ge}",
    "int_parsing": "must be an integer",
    "int_from_float": "must be an integer",
    "bool_type": "must be true or false",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "enum": "must be one of {expected}",
    "literal_error": "must be {expected}",
    "model_type": "must be an object",
    "list_type": "must be an array",
    "tuple_type": "must be an array",
    "int_type": "must be an integer",
    "datetime_type": _A_TIME,
    "datetime_parsing": _A_TIME,
    "datetime_from_date_parsing": _A_TIME,
}
"""Messages by pydantic's type of error; other types keep pydantic's own message."""

Model = TypeVar("Model", bound=BaseModel)


def read_json(text: str, bytes_max: int = limits.MANUAL_BODY_BYTES_MAX) -> Mapping[str, Any]:
    """Parse a JSON object.

    Args:
        text: the JSON.
        bytes_max: largest size, in bytes.

    Raises:
        RequestTooLarge: it is larger.
        RequestRefused: it is not valid JSON, not an object, or an object has a name twice.
    """
    if len(text.encode(errors="surrogatepass")) > bytes_max:
        raise RequestTooLarge("too_large", f"the body has more than {bytes_max} bytes")
    try:
        # Numbers of any size, and NaN, are parsed, so that the message of the model names their field.
        fields = json.loads(
            text,
            parse_float=_number,
            parse_int=_whole_number,
            parse_constant=Decimal,
            object_pairs_hook=_distinct,
        )
    except (ValueError, RecursionError):
        raise RequestRefused("no_json", NO_JSON) from None
    if not isinstance(fields, dict):
        raise RequestRefused("no_object", "the body must be a JSON object")
    return fields


def _whole_number(digits: str) -> int | Decimal:
    """Parse an integer; one that is too long for any use becomes a Decimal, which is parsed in no time."""
    return int(digits) if len(digits) <= _INT_DIGITS_MAX else Decimal(digits)


def _number(text: str) -> Decimal:
    """Parse a number; one whose exponent is beyond a Decimal's becomes NaN, which no field allows."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that has a name twice: parsers differ on which of the two values counts."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RequestRefused("twice", f"{twice[:40]}: is given twice; send it once")
    return fields


def validate(
    model: type[Model], fields: Mapping[str, Any], context: Mapping[str, Any] | None = None
) -> Model:
    """Read fields into a model.

    Args:
        model: what the fields have to be.
        fields: names and values, as parsed from JSON.
        context: passed to the model's validators (pydantic, "Validation context").

    Raises:
        RequestRefused: its message names each field with its problem.
    """
    try:
        return model.model_validate(_sendable(fields), context=context)
    except ValidationError as invalid:
        details = invalid.errors(include_url=False, include_input=False)
        problems = _joined(_describe(detail, model) for detail in details)
        raise RequestRefused("invalid_field", problems + _known_fields(details, model)) from None


def _sendable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with names that can be encoded as UTF-8: JSON can escape half of a surrogate pair."""
    return {name.encode(errors="replace").decode(): value for name, value in fields.items()}


def _joined(problems: Iterable[str]) -> str:
    """Join messages, the first ten in full."""
    messages = list(problems)
    more = len(messages) - _PROBLEMS_SHOWN
    return "; ".join([*messages[:_PROBLEMS_SHOWN], *([f"and {more} more"] if more > 0 else [])])


def _describe(detail: ErrorDetails, model: type[BaseModel]) -> str:
    known = {"msg": detail["msg"], "wanted": _wanted(detail, model), **detail.get("ctx", {})}
    message = _MESSAGES.get(detail["type"], "{msg}").format(**known)
    place = _place(detail["loc"])
    return f"{place}: {message}" if place else message


def _wanted(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """Say what to send for a missing field, as the field's description has it."""
    field = _field_at(detail["loc"], model)
    return f": {field.description}" if field and field.description else ""


def _field_at(loc: tuple[int | str, ...], model: type[BaseModel]) -> FieldInfo | None:
    """The field at a location, in a model or in one of the models that it holds."""
    field: FieldInfo | None = None
    for name in (part for part in loc if isinstance(part, str)):
        holder = model if field is None else _model_in(field.annotation)
        fields = holder.model_fields if holder else {}
        field = next((one for key, one in fields.items() if name == (one.alias or key)), None)
        if field is None:
            return None
    return field


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model of the items, or of the value, that a field has."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation if issubclass(annotation, BaseModel) else None
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _known_fields(details: Sequence[ErrorDetails], model: type[BaseModel]) -> str:
    """Name the fields of a model, where one is unknown: mostly its name is misspelt."""
    if not any(detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1 for detail in details):
        return ""
    names = [field.alias or name for name, field in model.model_fields.items()]
    return f" (known fields: {', '.join(names)})"


def _place(loc: tuple[int | str, ...]) -> str:
    """Format the location of a problem, such as ``body[0]: customerId``."""
    place = ""
    for part in loc:
        if isinstance(part, int):
            place += f"[{part}]"
        else:
            shown = part[:_NAME_CHARS_SHOWN] or "the name of a field"
            place += f": {shown}" if place else shown
    return place
