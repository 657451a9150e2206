"""What the records of batches and chunks are made of, and the form in which the table stores them."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class StoredModel(BaseModel):
    """The base of stored records: immutable, with camelCase names in storage.

    Fields that a newer version of this package has added are ignored when read, and fields that an older
    version did not write get their defaults, so that both can work on one table during a deployment.

    Validators are built at the first use (pydantic, "defer_build"), as not every function that imports these
    models reads batches.
    """

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="ignore",
        defer_build=True,
    )

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Validate a stored record, and share what is the same in many of its kind.

        Of a large batch, ten thousand chunks are held at once. The names of the fields that were set, and
        counts that most chunks have, took more than half of their memory.

        Args:
            stored: the record by the names that it has in storage.
        """
        valid = {
            name: _shared(value) if isinstance(value, Counts) else value
            for name, value in cls.model_validate(stored)
        }
        return cast(Self, cls.model_construct(_field_names(cls), **valid))

    def replaced(self, **changes: Any) -> Self:
        """Copy this record with other values.

        Raises:
            TypeError: a name is no field.
        """
        if unknown := changes.keys() - type(self).model_fields.keys():
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        return self.model_copy(update=changes)


Record = TypeVar("Record", bound=StoredModel)


@cache
def default_of(model: type[Record]) -> Record:
    """The record with all defaults: one for all, made at its first use, which builds its validator."""
    return model()


class Submitter(StoredModel):
    """Who submitted a batch, as far as it is known; what is empty is not known.

    Attributes:
        trigger: what brought the batch: ``api``, ``drop`` or ``schedule``.
        identity: the IAM identity (ARN) that called the API. AWS has proven it.
        claimed_identity: the identity that the metadata of the object names as its uploader's. Whoever
            uploads an object may write anything into its metadata.
        account: the AWS account, or the AWS service, that stored the object (S3's event).
        source_ip: the address from which it was stored (S3's event).
        request_id: S3's id of that request, by which CloudTrail's record of it is found.
    """

    trigger: str = ""
    identity: str = ""
    claimed_identity: str = ""
    account: str = ""
    source_ip: str = ""
    request_id: str = ""

    def is_by(self, identity: str) -> bool:
        """Whether an IAM identity submitted the batch, or is claimed to have done so."""
        return bool(identity) and identity in (self.identity, self.claimed_identity)


class Source(StoredModel):
    """The thing that was dropped: one version of one object.

    ``sha256`` is the hash of the file's normalised rows, not of its bytes.
    """

    bucket: str
    key: str
    version_id: str = ""
    sha256: str = ""


class CsvDialect(StoredModel):
    """How a file was written, so that its result files are written likewise.

    ``encoding`` is ``utf-16`` for a file in UTF-16, and ``utf-8`` for any other; ``has_mark`` says that a
    byte-order mark comes first.
    """

    delimiter: str = ","
    line_end: str = "\r\n"
    encoding: str = "utf-8"
    has_mark: bool = False


class Counts(StoredModel):
    """Rows by outcome; they add up to ``rows`` once a batch is final."""

    rows: int = 0
    applied: int = 0
    failed: int = 0
    rejected: int = 0
    not_submitted: int = 0
    in_doubt: int = 0


@cache
def _field_names(model: type[StoredModel]) -> set[str]:
    return set(model.model_fields)


@lru_cache(maxsize=1_024)
def _shared(counts: Counts) -> Counts:
    return counts


class Prediction(StoredModel):
    """Predicted outcomes of the accepted rows of a dry run; ``not_predicted`` counts those without one."""

    would_apply: int = 0
    would_overdraw: int = 0
    unknown_customer: int = 0
    not_predicted: int = 0


class Resolution(StoredModel):
    """Who settled rows in doubt, how many, and why."""

    at: datetime
    by: str
    note: str
    rows: int


class Checkpoint(StoredModel):
    """The leading chunks that are final, so that they need not be read again.

    ``through`` is the id of the last of them; ``rows`` and ``failed`` count their rows; ``sent_at`` is when
    one of them was last sent.
    """

    through: str = ""
    chunks: int = 0
    rows: int = 0
    failed: int = 0
    sent_at: datetime | None = None


class Reconciliation(StoredModel):
    """The progress of the search for evidence on a batch's rows in doubt (batches/lookup_rounds.py).

    ``round`` counts the rounds; each looks up every row in doubt once. ``begun_at`` is when this round began,
    ``looked_up_at`` when the last row was looked up; ``rows_looked_up`` and ``rows_left`` count rows of this
    round; ``jobs_polled`` says that the status of the jobs was fetched in this round. ``lookup_progress_key``
    is the key of the work file with the customers that were looked up. ``lease_token`` names the one run that
    may look up rows, until ``lease_until``.
    """

    round: int = 0
    begun_at: datetime | None = None
    looked_up_at: datetime | None = None
    rows_looked_up: int = 0
    rows_left: int = 0
    jobs_polled: bool = False
    lookup_progress_key: str = ""
    lease_token: str = ""
    lease_until: datetime | None = None


class OverlappedBatch(StoredModel):
    """An earlier batch with rows that a later one repeats: how many, and where it stood then."""

    batch_id: str
    rows: int
    planned_at: datetime
    status: str = ""


class Overlap(StoredModel):
    """How many rows of a batch earlier ones applied, or may yet apply; the batches with the most of them.

    ``new_rows`` counts the rows in new-rows.csv, which is written where the batch is held for its overlap.
    """

    rows: int
    new_rows: int | None = None
    batches: tuple[OverlappedBatch, ...] = ()


class PreviewRow(StoredModel):
    """A row as an approver sees it; the amount is decimal text."""

    line: int
    customer_id: str
    amount: str
    reason: str = ""


class PreviewReason(StoredModel):
    """A reason, and how many accepted rows have it."""

    reason: str
    rows: int


class Preview(StoredModel):
    """What an approver sees of a batch that waits.

    ``added`` and ``deducted`` are exact sums as decimal text. ``new_customers`` counts those that no batch of
    the last 30 days has; None where that was not counted. ``reasons`` are the most frequent ones;
    ``has_more_reasons`` says that there are others.
    """

    added: str = "0"
    deducted: str = "0"
    customers: int = 0
    new_customers: int | None = None
    first: tuple[PreviewRow, ...] = ()
    largest: tuple[PreviewRow, ...] = ()
    reasons: tuple[PreviewReason, ...] = ()
    has_more_reasons: bool = False
