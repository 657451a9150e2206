"""JSON with exact numbers: Decimals are read and written digit by digit. The standard library can read them
(``parse_float``) but not write them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring_ascii
from typing import Any, Final

from adjustments.core.decimals import plain

Pairs = Callable[[list[tuple[str, Any]]], Any]
"""Makes an object from its names and values (``object_pairs_hook``); raises ValueError to refuse it."""


def read(text: str | bytes, pairs: Pairs | None = None) -> Any:
    """Parse JSON; numbers with a fraction or an exponent become Decimals.

    Args:
        text: the JSON.
        pairs: makes each object; None for dictionaries.

    Raises:
        ValueError: no JSON; or NaN, or a number or depth beyond what Python reads.
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
        value: mappings, sequences, strings, Decimals, integers, booleans and None; floats are not exact.
        indent: spaces of each level, None for one line.

    Raises:
        TypeError: a float, or another type.
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
"""Made once: json.loads makes one with each call, which takes longer than to parse a row."""
