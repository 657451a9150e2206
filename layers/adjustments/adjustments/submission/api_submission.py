"""Takes a batch from the API: the seed's body becomes a file, which goes the way of every file."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    StrictBool,
    StrictStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from adjustments.batches.files import Files, StoredObject
from adjustments.batches.records import Batch, Submitter
from adjustments.batches.store import BatchStore
from adjustments.core.decimals import plain
from adjustments.core.errors import NotFound, WrongState
from adjustments.core.ids import batch_id
from adjustments.core.runtime import Ids
from adjustments.core.validation import validate
from adjustments.submission.csv.csv_injection import escape_formula
from adjustments.submission.plan import Drop
from adjustments.submission.triggers import SubmissionTriggers

FOLDER: Final = "work/api/"
AMOUNT_CHARS_MAX: Final = 60
"""Digits of an amount written out; intake says which of those it takes, this bounds what 1e9999999 costs."""


def _read_amount(value: object) -> Decimal:
    """Read a number; whether it may be sent is for intake to say."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise PydanticCustomError("amount", "must be a number")
    _, digits, exponent = Decimal(value).as_tuple()
    if len(digits) + abs(int(exponent)) > AMOUNT_CHARS_MAX:
        raise PydanticCustomError("amount", "has too many digits")
    return Decimal(value)


class Adjustment(BaseModel):
    """A row of a body."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    customer_id: StrictStr = Field(alias="customerId")
    amount: Annotated[Decimal, BeforeValidator(_read_amount)]
    reason: StrictStr = ""


class AdjustmentsBody(BaseModel):
    """A body; of bad rows the first one is named."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    body: Annotated[list[Adjustment], FailFast()]
    allow_duplicate: StrictBool = Field(alias="allowDuplicate", default=False)

    @model_validator(mode="before")
    @classmethod
    def _check_form(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        rows = fields.get("body")
        is_known = fields.keys() <= {"body", "allowDuplicate"}
        if not is_known or not isinstance(rows, list) or not rows:
            problem = 'the body must be {"body": [{"customerId", "amount", "reason"?}, …], "allowDuplicate"?}'
            raise PydanticCustomError("form", "{problem}", {"problem": problem})
        return fields


@dataclass(frozen=True, kw_only=True)
class ApiSubmission:
    """Makes batches of API bodies."""

    store: BatchStore
    files: Files
    triggers: SubmissionTriggers
    ids: Ids

    def accept(self, body: Mapping[str, Any], idempotency_key: str | None, caller: str = "") -> Batch:
        """Plan a body and send what may be sent at once.

        Args:
            body: the seed's body, ``{"body": [{customerId, amount, reason?}, …]}``, and perhaps
                ``"allowDuplicate": true``, by which rows may be applied again that were applied before.
            idempotency_key: names the request; the same key and body give the same batch.
            caller: the IAM identity of the caller.

        Raises:
            RequestRefused: the body is not of the seed's form.
            WrongState: the key came with another body before.
        """
        request = validate(AdjustmentsBody, body)
        content = _as_csv(request.body)
        name = hashlib.sha256((idempotency_key or self.ids.fresh()).encode()).hexdigest()[:32]
        key = f"{FOLDER}{name}.csv"
        stored = self._keep(key, content)
        identity = (stored.bucket, stored.key, stored.version_id)
        # who names a request means each name to be another one; without a name, rows that were accepted
        # before are refused
        drop = Drop(
            stored,
            batch_id("api", stored.modified_at, identity),
            is_named=bool(idempotency_key),
            is_body=True,
            allows_again=request.allow_duplicate,
            submitter=Submitter(trigger="api", identity=caller),
        )
        return self.triggers.submit(drop)

    def only_job(self, batch: Batch) -> int | None:
        """The job of a batch that fits one chunk and was sent; None otherwise."""
        chunks = self.store.chunks(batch.batch_id, batch.plan_id)
        return chunks[0].job_id if len(chunks) == 1 else None

    def _keep(self, key: str, content: bytes) -> StoredObject:
        """Keep a body under its key; the one that was there first stays."""
        try:
            if self.files.get(key) != content:
                raise WrongState("this Idempotency-Key came with another body before: use a new key")
        except NotFound:
            if not self.files.put_new(key, content, "text/csv"):
                return self._keep(key, content)
        return self.files.describe(key, None)


def _as_csv(rows: Sequence[Adjustment]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["customerId", "amount", "reason"])
    for row in rows:
        amount = plain(row.amount)
        writer.writerow([escape_formula(row.customer_id), amount, escape_formula(row.reason)])
    return text.getvalue().encode()
