"""Divides rows into chunks, and writes the bodies of their requests with exactly the digits of the file
(Gameball API, "Balance Adjustment Batch Job").

A chunk has at most 1,000 rows and no customer twice; a customer's rows are in successive waves.

Each row is on a line of its own. JSON escapes line breaks within strings, so a body can be split into its
rows, and a refused chunk into its halves, without parsing numbers.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from adjustments.core import exact_json
from adjustments.core.decimals import plain
from adjustments.core.ids import chunk_id
from adjustments.core.limits import CANARIES_MAX, CHUNK_ROWS_MAX

_HEAD, _SEPARATOR, _TAIL = '{"body":[\n', ",\n", "\n]}"

_REQUEST: Final = ',"request":'

# With ReasonToken each reason ends with a token, so that a row can be found again at Gameball. Off by
# default: customers may see the reason (docs/decisions.md).
_REASON_TOKEN: Final = re.compile(r" ?\[#[0-9a-z]{10}\]$")
_REASON_TOKEN_OF_ROW: Final = re.compile(r' ?\[#[0-9a-z]{10}\]"\}$')
_BASE32: Final = "0123456789abcdefghjkmnpqrstvwxyz"

_NEVER_ESCAPED: Final = bytes(set(range(0x20, 0x7F)) - set(b'"\\'))
"""What stands in JSON as it is: printable ASCII, but for the quote and the backslash."""

_quote = json.encoder.encode_basestring_ascii


def rows_json(
    customer_ids: Sequence[str], amounts: Iterable[str], reasons: Sequence[str], own_ids: Sequence[str] = ()
) -> list[str]:
    """Write adjustments as JSON, one each; JSON is ASCII here.

    Args:
        customer_ids: the customers.
        amounts: the amounts, as text of JSON numbers.
        reasons: the reasons; an empty one is left out.
        own_ids: the transactionIds that the file has for them; an empty one is left out.
    """
    # Most rows share few reasons, so each is quoted once; and most ids have nothing to escape.
    tails = {reason: f',"reason":{_quote(reason)}}}' if reason else "}" for reason in set(reasons)}
    if "".join(customer_ids).encode("ascii", "backslashreplace").translate(None, _NEVER_ESCAPED):
        customer_ids = [_quote(customer_id)[1:-1] for customer_id in customer_ids]
    rows = [
        f'{{"customerId":"{customer_id}","amount":{amount}{tails[reason]}'
        for customer_id, amount, reason in zip(customer_ids, amounts, reasons, strict=True)
    ]
    if not own_ids:
        return rows
    pairs = zip(rows, own_ids, strict=True)
    return [f'{row[:-1]},"id":{_quote(own_id)}}}' if own_id else row for row, own_id in pairs]


def identity(reason: str, own_id: str) -> str:
    """What tells rows of the same customer and amount apart: the reason, and the file's own transactionId."""
    return f"{reason}\x1f{own_id}" if own_id else reason


def transaction_rows(contents: Iterable[str], requests: Iterable[str]) -> list[str]:
    """Write rows that are sent as transactions: what each says, as in a batch, and its exact request.

    Args:
        contents: the rows as ``rows_json`` writes them.
        requests: the body of each row's own request, one line of JSON.
    """
    pairs = zip(contents, requests, strict=True)
    return [f"{content[:-1]}{_REQUEST}{request}}}" for content, request in pairs]


def request_of(row: str) -> str:
    """The request of a row that is sent as a transaction, character for character.

    No text within a row can look like the beginning of a request, since JSON escapes its quotes.
    """
    return row.partition(_REQUEST)[2][:-1]


def content_part(row: str) -> str:
    """What a row that is sent as a transaction says, as in a batch and without its request."""
    return row.partition(_REQUEST)[0] + "}"


def own_id_of(row: str) -> str:
    """The transactionId that the file has for a row; empty where the row was given one."""
    return str(exact_json.read(content_part(row)).get("id", ""))


def content_of(rows: Iterable[str]) -> bytes:
    """Join rows to the text that is hashed as a file's content."""
    return "\n".join([*rows, ""]).encode()


def body_of(rows: Iterable[str]) -> bytes:
    """Join rows to a request body."""
    return f"{_HEAD}{_SEPARATOR.join(rows)}{_TAIL}".encode()


def rows_of(body: bytes) -> list[str]:
    """Split a request body into its rows, character for character."""
    return body.decode()[len(_HEAD) : -len(_TAIL)].split(_SEPARATOR)


def sha256_of(body: bytes) -> str:
    """Hash a request body."""
    return hashlib.sha256(body).hexdigest()


def customers_and_amounts(rows: Sequence[str]) -> list[tuple[str, Decimal]]:
    """Parse the customer and the exact amount of each row."""
    parsed = exact_json.read(f"[{','.join(rows)}]")
    return [(row["customerId"], Decimal(row["amount"])) for row in parsed]


def read_rows(rows: Sequence[str]) -> list[tuple[str, str, str]]:
    """Read back each row's customer, amount in canonical form, and ``identity``."""
    parsed = exact_json.read(f"[{','.join(rows)}]")
    return [
        (row["customerId"], plain(Decimal(row["amount"])), identity(row.get("reason", ""), row.get("id", "")))
        for row in parsed
    ]


def with_reason_token(reason: str, batch_id: str, row: int) -> str:
    """Append the token of a row to its reason; the same row always gets the same token.

    Args:
        reason: the reason in the file, perhaps empty.
        batch_id: the batch of the row.
        row: the line of the row in the file.

    Returns:
        The reason with a token such as ``[#7k2m9qx0ab]`` at its end.
    """
    number = int.from_bytes(hashlib.blake2b(f"{batch_id}\0{row}".encode(), digest_size=7).digest())
    token = "".join(_BASE32[(number >> shift) & 31] for shift in range(0, 50, 5))
    return f"{reason} [#{token}]".lstrip()


def without_reason_token(row: str) -> str:
    """Take the token off a row as it stands in a body."""
    return _REASON_TOKEN_OF_ROW.sub('"}', row)


def reason_as_in_file(reason: str) -> str:
    """Take the token off a reason, where it has one."""
    return _REASON_TOKEN.sub("", reason)


def has_reason_token(reason: str) -> bool:
    """Whether a reason ends with a token."""
    return bool(_REASON_TOKEN.search(reason))


class PackedChunk(NamedTuple):
    """The rows of one chunk, as JSON, in the order of the file."""

    chunk_id: str
    wave: int
    rows: list[str]


class Packer:
    """Collects rows by wave and returns each chunk that gets full.

    Args:
        canary_rows: rows of each of the first chunks, the canaries; 0 for none. A later wave needs none of
            its own: where the first wave has but one chunk, no later one has more rows than that.
        rows_max: rows of a chunk; 0 for as many as one request may have.
        canaries: how many canaries there are, where there are any; 0 for ``CANARIES_MAX``.
    """

    def __init__(self, canary_rows: int, rows_max: int = 0, canaries: int = 0) -> None:
        self._canary_rows = canary_rows
        self._canaries = canaries or CANARIES_MAX
        self._rows_max = rows_max or CHUNK_ROWS_MAX
        self._open: dict[int, list[str]] = {}
        self._numbers: dict[int, int] = {}

    def add(self, wave: int, rows: Iterable[str]) -> list[PackedChunk]:
        """Add the next rows of a wave; returns the chunks that got full."""
        waiting = self._open.setdefault(wave, [])
        waiting += rows
        full = []
        while len(waiting) >= (room := self._room(wave)):
            full.append(self._close(wave, waiting[:room]))
            del waiting[:room]
        return full

    def rest(self) -> Iterator[PackedChunk]:
        """Yield the chunks that are not full, after the last row."""
        for wave in sorted(wave for wave, rows in self._open.items() if rows):
            yield self._close(wave, self._open.pop(wave))

    def _room(self, wave: int) -> int:
        if self._canary_rows and wave == 1 and self._numbers.get(1, 0) < self._canaries:
            return min(self._canary_rows, self._rows_max)
        return self._rows_max

    def _close(self, wave: int, rows: list[str]) -> PackedChunk:
        number = self._numbers[wave] = self._numbers.get(wave, 0) + 1
        return PackedChunk(chunk_id(wave, number), wave, rows)


def waves(row_count: int, repeats: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Yield the wave of each row, in order; 0 for a row of a customer that appears too often.

    Args:
        row_count: accepted rows of the file.
        repeats: (row, n) in order, as ``DuplicateFinder.repeats`` yields them.
    """
    upcoming = iter(repeats)
    row, wave = next(upcoming, (row_count, 1))
    for ordinal in range(row_count):
        if ordinal < row:
            yield 1
            continue
        yield wave
        row, wave = next(upcoming, (row_count, 1))
