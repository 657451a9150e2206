"""JSON with exact numbers: Decimals are written, and read, digit by digit. The standard library reads them
(``parse_float``) but has no way to write them."""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring_ascii
from typing import Any, Final

from adjustments.core.decimals import plain

Pairs = Callable[[list[tuple[str, Any]]], Any]
"""Makes an object of its names and values; raises ValueError to refuse it."""


def read(text: str | bytes, pairs: Pairs | None = None) -> Any:
    """Parse JSON; numbers with a fraction or an exponent become Decimals.

    Raises ValueError, for NaN too, and for numbers and depths that no reader of ours can take.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    try:
        return _plain_decoder.decode(text) if pairs is None else _decoder(pairs).decode(text)
    except (InvalidOperation, RecursionError) as beyond:
        raise ValueError("a number or a depth is beyond what can be read") from beyond


def write(value: Any, indent: int | None = None, _depth: int = 1) -> str:
    """Write JSON.

    Args:
        value: mappings, sequences, text, numbers, booleans and None; no floats, which would not be exact.
        indent: spaces a level, None for one line.
    """
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, Decimal):
        return plain(value)
    if value is None or isinstance(value, int):
        return json.dumps(value)
    if isinstance(value, Mapping):
        named = ((encode_basestring_ascii(str(key)), item) for key, item in value.items())
        return _wrap(
            "{", [f"{name}: {write(item, indent, _depth + 1)}" for name, item in named], "}", indent, _depth
        )
    if isinstance(value, Sequence):
        return _wrap("[", [write(item, indent, _depth + 1) for item in value], "]", indent, _depth)
    raise TypeError(f"{type(value).__name__} can't be written exactly: use a Decimal for a number")


def _wrap(opening: str, parts: list[str], closing: str, indent: int | None, depth: int) -> str:
    if indent is None or not parts:
        return opening + ", ".join(parts) + closing
    inner = "\n" + " " * indent * depth
    return opening + inner + f",{inner}".join(parts) + "\n" + " " * indent * (depth - 1) + closing


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _decoder(pairs: Pairs | None) -> json.JSONDecoder:
    return json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=pairs)


_plain_decoder: Final = _decoder(None)
"""Made once: json.loads would make one with each call, which takes longer than to read a row."""
