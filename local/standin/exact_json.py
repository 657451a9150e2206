"""JSON with exact numbers: int or Decimal, never float.

The standard library can't write a Decimal as a JSON number, so this module has its own writer.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from json.encoder import encode_basestring_ascii

# Assumption: the documents set no bounds. These keep every sum exact within the context below and
# refuse numbers such as 1e999999, whose digits would fill the memory.
INTEGER_DIGITS_MAX = 28
DECIMAL_PLACES_MAX = 20
EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])

quoted: Callable[[str], str] = encode_basestring_ascii


class BadJsonError(ValueError):
    """The bytes are not JSON in UTF-8."""


def loads(raw: bytes) -> object:
    """Read JSON with exact numbers; NaN and Infinity are refused, as JSON has neither."""
    try:
        return json.loads(raw.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise BadJsonError("The body is not valid JSON") from error


def _refuse_constant(name: str) -> object:
    raise BadJsonError(f"{name} is not JSON")


def dumps(value: object) -> str:
    """Write JSON with exact numbers; raises TypeError for a float."""
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts)


def _write(value: object, parts: list[str]) -> None:
    if isinstance(value, str):
        parts.append(quoted(value))
    elif isinstance(value, Mapping):
        _write_object(value, parts)
    elif isinstance(value, list | tuple):
        _write_array(value, parts)
    else:
        parts.append(scalar(value))


def _write_object(value: Mapping[str, object], parts: list[str]) -> None:
    separator = "{"
    for name, member in value.items():
        parts.append(f"{separator}{quoted(name)}:")
        _write(member, parts)
        separator = ","
    parts.append("}" if value else "{}")


def _write_array(value: list[object] | tuple[object, ...], parts: list[str]) -> None:
    separator = "["
    for member in value:
        parts.append(separator)
        _write(member, parts)
        separator = ","
    parts.append("]" if value else "[]")


def scalar(value: object) -> str:
    """One number, string, boolean or null as JSON text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, str):
        return quoted(value)
    raise TypeError(f"{type(value).__name__} has no exact JSON form")


def exact_number(value: object) -> Decimal | None:
    """The number as Decimal, or None when it is no JSON number or lies outside the exact bounds."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    if isinstance(value, int):
        return Decimal(value) if abs(value) < 10**INTEGER_DIGITS_MAX else None
    exponent = value.as_tuple().exponent
    in_bounds = isinstance(exponent, int) and exponent >= -DECIMAL_PLACES_MAX
    return value if in_bounds and value.adjusted() < INTEGER_DIGITS_MAX else None
