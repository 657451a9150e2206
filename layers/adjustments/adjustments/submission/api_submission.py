"""Takes a batch from the API: its body, in Gameball's form, becomes a file like any other."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

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
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from adjustments.batches.batch_parts import Submitter
from adjustments.batches.files import Files, StoredObject
from adjustments.batches.records import Batch
from adjustments.batches.states import SendAs
from adjustments.batches.store import BatchStore
from adjustments.core.decimals import plain
from adjustments.core.errors import KeyTaken, NotFound
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


_Number = Annotated[Decimal, BeforeValidator(_read_amount)]


class Adjustment(BaseModel):
    """A row of a body."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    customer_id: StrictStr = Field(alias="customerId", description="your own id of the customer")
    amount: _Number | None = None
    points: _Number | None = None
    reason: StrictStr = ""
    username: StrictStr = ""
    expiry_after: _Number | None = Field(alias="expiryAfter", default=None)
    transaction_id: StrictStr = Field(alias="transactionId", default="")
    transaction_time: StrictStr = Field(alias="transactionTime", default="")
    email: StrictStr = ""
    mobile: StrictStr = ""

    @model_validator(mode="after")
    def _check_change(self) -> "Adjustment":
        """Gameball's body has an amount in each row; a row that is sent as a transaction may have points."""
        if self.amount is None and self.points is None:
            raise PydanticCustomError(
                "no_method", "amount: is required: what to add, or with a minus to deduct"
            )
        if self.amount is not None and self.points is not None:
            raise PydanticCustomError("two_methods", "points: Only one rewarding method may be specified")
        return self


_OTHERS: Final = (
    *("points", "username", "expiry_after", "transaction_id", "transaction_time"),
    *("email", "mobile"),
)
"""What a row may have besides the fields of Gameball's body."""


class AdjustmentsBody(BaseModel):
    """A body; of bad rows the first one is named."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    body: Annotated[list[Adjustment], FailFast()] = Field(description="the rows, one adjustment each")
    allow_duplicate: StrictBool = Field(alias="allowDuplicate", default=False)
    send_as: Literal["auto", "batch", "transactions"] | None = Field(alias="sendAs", default=None)
    dry_run: StrictBool = Field(alias="dryRun", default=False)

    @model_validator(mode="before")
    @classmethod
    def _check_form(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        rows = fields.get("body")
        is_known = fields.keys() <= {"body", "allowDuplicate", "sendAs", "dryRun"}
        if not is_known or not isinstance(rows, list) or not rows:
            form = (
                '{"body": [{"customerId", "amount", "reason"?}, …], "allowDuplicate"?, "sendAs"?, "dryRun"?}'
            )
            problem = f"the body must be {form}"
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
            body: Gameball's body, ``{"body": [{customerId, amount, reason?}, …]}``, and perhaps
                ``"allowDuplicate": true``, by which rows may be applied again that were applied before, and
                ``"sendAs"``; rows that are sent as transactions may have the other fields of those.
                ``"dryRun": true`` sends nothing.
            idempotency_key: names the request; the same key and body give the same batch. A dry run has a
                name of its own: the real request that follows it with the same key is not taken for it.
            caller: the IAM identity of the caller.

        Raises:
            RequestRefused: the body is not of that form.
            KeyTaken: the key came with another body before.
        """
        request = validate(AdjustmentsBody, body)
        content = _as_csv(request.body)
        name = hashlib.sha256((idempotency_key or self.ids.fresh()).encode()).hexdigest()[:32]
        key = f"{FOLDER}{name}{'-dry-run' if request.dry_run else ''}.csv"
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
            send_as=request.send_as or "",
            only_validates=request.dry_run,
        )
        batch = self.triggers.submit(drop)
        if request.send_as in set(SendAs) and not batch.refusal and batch.send_as != request.send_as:
            raise KeyTaken(
                f"this Idempotency-Key came before for rows that are sent as {batch.send_as}: use a new key"
            )
        return batch

    def only_job(self, batch: Batch) -> int | None:
        """The job of a batch that fits one chunk and was sent; None otherwise."""
        chunks = self.store.chunks(batch.batch_id, batch.plan_id)
        return chunks[0].job_id if len(chunks) == 1 else None

    def _keep(self, key: str, content: bytes) -> StoredObject:
        """Keep a body under its key; the one that was there first stays."""
        try:
            if self.files.get(key) != content:
                raise KeyTaken("this Idempotency-Key came with another body before: use a new key")
        except NotFound:
            if not self.files.put_new(key, content, "text/csv"):
                return self._keep(key, content)
        return self.files.describe(key, None)


def _as_csv(rows: Sequence[Adjustment]) -> bytes:
    """The rows as a file, with the columns of Gameball's body, and those others that any row has."""
    others = [name for name in _OTHERS if any(getattr(row, name) not in (None, "") for row in rows)]
    has_amount = any(row.amount is not None for row in rows)
    names = ["customer_id", *(["amount"] if has_amount else []), "reason", *others]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(map(to_camel, names))
    for row in rows:
        writer.writerow([_cell(getattr(row, name)) for name in names])
    return text.getvalue().encode()


def _cell(value: Decimal | str | None) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    return escape_formula(value or "")
