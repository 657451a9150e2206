"""Takes a batch from the API: the seed's body becomes a file, which goes the way of every file."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from adjustments.batches.files import Files, StoredObject
from adjustments.batches.records import Batch
from adjustments.batches.store import BatchStore
from adjustments.core.decimals import plain
from adjustments.core.errors import NotFound, RequestRefused, WrongState
from adjustments.core.ids import batch_id
from adjustments.core.runtime import Ids
from adjustments.submission.csv.csv_injection import escape_formula
from adjustments.submission.plan import Drop
from adjustments.submission.triggers import Intake

FOLDER: Final = "work/api/"
AMOUNT_CHARS_MAX: Final = 60
"""Digits of an amount written out; intake says which of those it takes, this bounds what 1e9999999 costs."""

_FIELDS: Final = frozenset({"customerId", "amount", "reason"})


class Acceptor:
    """Makes batches of API bodies."""

    def __init__(self, store: BatchStore, files: Files, intake: Intake, ids: Ids) -> None:
        self._store = store
        self._files = files
        self._intake = intake
        self._ids = ids

    def accept(self, body: Mapping[str, Any], idempotency_key: str | None) -> Batch:
        """Plan a body and send what may be sent at once.

        Args:
            body: the seed's body, ``{"body": [{customerId, amount, reason?}, …]}``.
            idempotency_key: names the request; the same key and body give the same batch.

        Raises:
            RequestRefused: the body is not of the seed's form.
            WrongState: the key came with another body before.
        """
        content = _as_csv(_rows_of(body))
        name = hashlib.sha256((idempotency_key or self._ids.fresh()).encode()).hexdigest()[:32]
        key = f"{FOLDER}{name}.csv"
        stored = self._keep(key, content)
        identity = (stored.bucket, stored.key, stored.version_id)
        # who names a request means each name to be another one; without a name, the same content is refused
        drop = Drop(stored, batch_id("api", stored.modified_at, identity), is_named=bool(idempotency_key))
        return self._intake.take(drop)

    def only_job(self, batch: Batch) -> int | None:
        """The job of a batch that fits one chunk and was sent; None otherwise."""
        chunks = self._store.chunks(batch.batch_id, batch.plan_id)
        return chunks[0].job_id if len(chunks) == 1 else None

    def _keep(self, key: str, content: bytes) -> StoredObject:
        """Keep a body under its key; the one that was there first stays."""
        try:
            if self._files.get(key) != content:
                raise WrongState("this Idempotency-Key came with another body before: use a new key")
        except NotFound:
            if not self._files.put_new(key, content, "text/csv"):
                return self._keep(key, content)
        return self._files.describe(key, None)


def _rows_of(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    rows = body.get("body")
    if set(body) != {"body"} or not isinstance(rows, list) or not rows:
        raise RequestRefused("no_rows", 'the body must be {"body": [{"customerId", "amount", "reason"?}, …]}')
    for number, row in enumerate(rows):
        if problem := _problem_of(row):
            raise RequestRefused("bad_row", f"body[{number}]: {problem}")
    return rows


def _problem_of(row: object) -> str:
    """What is wrong with the form of a row; whether its values may be sent is for intake to say."""
    if not isinstance(row, Mapping):
        return "must be an object"
    if unknown := sorted(set(row) - _FIELDS):
        return f"{unknown[0][:40]}: unknown field"
    if not isinstance(row.get("customerId"), str):
        return "customerId: must be a string"
    if isinstance(row.get("amount"), bool) or not isinstance(row.get("amount"), int | Decimal):
        return "amount: must be a number"
    if _digits_written_out(Decimal(row["amount"])) > AMOUNT_CHARS_MAX:
        return "amount: has too many digits"
    if not isinstance(row.get("reason", ""), str):
        return "reason: must be a string"
    return ""


def _digits_written_out(amount: Decimal) -> int:
    """How many digits the plain form of a number has, without writing it."""
    _, digits, exponent = amount.as_tuple()
    return len(digits) + abs(int(exponent))


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["customerId", "amount", "reason"])
    for row in rows:
        amount = plain(Decimal(row["amount"]))
        writer.writerow([escape_formula(row["customerId"]), amount, escape_formula(row.get("reason", ""))])
    return text.getvalue().encode()
