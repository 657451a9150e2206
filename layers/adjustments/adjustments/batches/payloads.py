"""The body of a balance-adjustment request, with exactly the digits of the file (seed,
balance-adjustment-batch).

Each row stands on a line of its own: JSON escapes line breaks within strings, so that a body can be cut into
its rows, and a refused chunk into its halves, without reading a number as a float.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal

from adjustments import exact_json

_HEAD, _SEPARATOR, _TAIL = b'{"body":[\n', b",\n", b"\n]}"

_quote = json.encoder.encode_basestring_ascii


def row_json(customer_id: str, amount: str, reason: str) -> str:
    """Write one adjustment; ``amount`` is JSON number text already, an empty reason is left out."""
    if reason:
        return f'{{"customerId":{_quote(customer_id)},"amount":{amount},"reason":{_quote(reason)}}}'
    return f'{{"customerId":{_quote(customer_id)},"amount":{amount}}}'


def content_line(customer_id: str, amount: str, reason: str) -> bytes:
    """One adjustment as it goes into the hash of a file's content."""
    return f"{customer_id}\0{amount}\0{reason}\n".encode()


def body_of(rows: Iterable[bytes]) -> bytes:
    """Put rows together to a request body."""
    return _HEAD + _SEPARATOR.join(rows) + _TAIL


def rows_of(body: bytes) -> list[bytes]:
    """Take a request body apart into its rows, byte for byte."""
    return body[len(_HEAD) : -len(_TAIL)].split(_SEPARATOR)


def sha256_of(body: bytes) -> str:
    """Name exactly what is sent."""
    return hashlib.sha256(body).hexdigest()


def customers_and_amounts(rows: Sequence[bytes]) -> list[tuple[str, Decimal]]:
    """Read back whom each row is for, and its exact amount."""
    return [(row["customerId"], Decimal(row["amount"])) for row in map(exact_json.read, rows)]
