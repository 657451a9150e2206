"""Input of others: JSON within our bounds, and fields checked by a pydantic model.

What is wrong is said by field, in words for the sender. No value of the input gets into a message: it may be
a customer's.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from adjustments.core import limits
from adjustments.core.errors import RequestRefused, RequestTooLarge

_NAME_CHARS_SHOWN: Final = 40
_PROBLEMS_SHOWN: Final = 10
_INT_DIGITS_MAX: Final = 40

_MESSAGES: Final[Mapping[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "unknown field",
    "string_type": "must be a string",
    "string_unicode": "has characters that can't be sent",
    "string_too_long": "must have at most {max_length} characters",
    "less_than_equal": "must be at most {le}",
    "greater_than_equal": "must be at least {ge}",
    "int_parsing": "must be an integer",
    "enum": "must be one of {expected}",
    "model_type": "must be an object",
    "list_type": "must be an array",
    "tuple_type": "must be an array",
    "int_type": "must be an integer",
}
"""Of pydantic's types of errors, what is said of them; others keep pydantic's own words."""

Model = TypeVar("Model", bound=BaseModel)


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


def validate(
    model: type[Model], fields: Mapping[str, Any], context: Mapping[str, Any] | None = None
) -> Model:
    """Read fields into a model.

    Args:
        model: what the fields have to be.
        fields: names and values, as JSON has them.
        context: what the model's validators are given (pydantic, "Validation context").

    Raises:
        RequestRefused: its message names each field with its problem.
    """
    try:
        return model.model_validate(_sendable(fields), context=context)
    except ValidationError as invalid:
        details = invalid.errors(include_url=False, include_input=False)
        raise RequestRefused("invalid_field", _joined(map(_told, details))) from None


def _sendable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, with names that an answer can carry: JSON can escape one half of a character."""
    return {name.encode(errors="replace").decode(): value for name, value in fields.items()}


def _joined(problems: Iterable[str]) -> str:
    """The problems in the order of the fields, unknown ones last."""
    told = list(problems)
    more = len(told) - _PROBLEMS_SHOWN
    return "; ".join([*told[:_PROBLEMS_SHOWN], *([f"and {more} more"] if more > 0 else [])])


def _told(detail: ErrorDetails) -> str:
    message = _MESSAGES.get(detail["type"], "{msg}").format(msg=detail["msg"], **detail.get("ctx", {}))
    place = _place(detail["loc"])
    return f"{place}: {message}" if place else message


def _place(loc: tuple[int | str, ...]) -> str:
    """Where a problem is: ``body[0]: customerId``."""
    place = ""
    for part in loc:
        if isinstance(part, int):
            place += f"[{part}]"
        else:
            shown = part[:_NAME_CHARS_SHOWN] or "the name of a field"
            place += f": {shown}" if place else shown
    return place
