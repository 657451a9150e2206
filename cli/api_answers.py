"""What the API's answers must look like before a command shows or follows them.

An answer may come from a stack of another version, from a proxy that answers in the API's place, or from
somebody who can change what the API says. So nothing in it is taken for granted: each answer is compared with
its model, and one that differs ends the command with one line.
"""

from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError
from pydantic.alias_generators import to_camel

from cli.errors import ServiceError

NUMBER_DIGITS_MAX: Final = 40
"""Digits of a number that is shown: written out, one such as 1e999999999 would fill the memory."""

_NUMBER_BITS_MAX: Final = (10**NUMBER_DIGITS_MAX).bit_length()

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$", max_length=100)]
"""A batch id: it is in command lines that people copy."""

_Status = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
_Moment = Annotated[str, Field(pattern=r"^[0-9T:.Z+-]{1,40}$")]
_Counts = dict[str, StrictInt]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, defer_build=True)


class _Source(_Answer):
    key: str = ""
    sha256: str = ""


class _Jobs(_Answer):
    total: StrictInt = 0
    settled: StrictInt = 0
    running: StrictInt = 0


class _Progress(_Answer):
    settled_rows: StrictInt = 0
    accepted_rows: StrictInt = 0
    sent_rows: StrictInt = 0
    running_rows: StrictInt = 0
    rows_per_second: StrictInt | Decimal = 0
    expected_end: str = ""
    jobs: _Jobs | None = None


class _Reconciliation(_Answer):
    rows_looked_up: StrictInt = 0
    rows_left: StrictInt = 0
    looked_up_at: str | None = None
    next_round_at: str | None = None
    expected_end: str | None = None


class _Resolution(_Answer):
    at: str
    by: str
    note: str
    rows: StrictInt


class _PreviewRow(_Answer):
    line: StrictInt
    customer_id: str
    amount: StrictInt | Decimal
    reason: str


class _PreviewReason(_Answer):
    reason: str
    rows: StrictInt


class _DryRun(_Answer):
    batch_id: _Name
    at: _Moment
    prediction: _Counts


class _Preview(_Answer):
    added: StrictInt | Decimal
    deducted: StrictInt | Decimal
    customers: StrictInt
    new_customers: StrictInt | None = None
    first_rows: list[_PreviewRow]
    largest_rows: list[_PreviewRow]
    reasons: list[_PreviewReason]
    has_more_reasons: StrictBool = False
    dry_run: _DryRun | None = None


class BatchAnswer(_Answer):
    """One batch, as far as the commands use it."""

    batch_id: _Name
    status: _Status
    dry_run: StrictBool = False
    message: str = ""
    source: _Source = _Source()
    counts: _Counts = {}
    totals: dict[str, StrictInt | Decimal] = {}
    prediction: _Counts | None = None
    progress: _Progress = _Progress()
    reconciliation: _Reconciliation | None = None
    resolutions: list[_Resolution] = []
    held_by: list[str] = []
    notes: list[str] = []
    preview: _Preview | None = None
    approved_by: str | None = None
    approved_at: _Moment | None = None
    stopped_by: str | None = None
    stopped_at: _Moment | None = None
    duplicate_of: _Name | None = None
    reverses: _Name | None = None
    reversed_by: _Name | None = None
    submitted_by: dict[str, str] | None = None
    created_at: _Moment | None = None
    finished_at: _Moment | None = None
    links: dict[str, str] = {}


class PageAnswer(_Answer):
    """A page of the list of batches."""

    batches: list[BatchAnswer]
    next: str | None = None


class _HistoryRow(_Answer):
    kind: str
    time: _Moment
    amount: StrictInt | Decimal | None
    unit: str
    reason: str
    outcome: _Status
    message: str
    batch_id: _Name | None = None
    file: str | None = None
    line: StrictInt | None = None
    transaction_id: str | None = None
    by: str | None = None
    approved_by: str | None = None


class _Searched(_Answer):
    batches: StrictInt
    without_index: StrictInt
    since: _Moment


class _Live(_Answer):
    error: str = ""
    balance: dict[str, Any] = {}
    transactions: list[dict[str, Any]] = []
    is_whole: StrictBool = True


class HistoryAnswer(_Answer):
    """A page of what was done for a customer."""

    rows: list[_HistoryRow]
    next: str | None = None
    searched: _Searched
    gameball: _Live | None = None


class DecisionAnswer(_Answer):
    """A batch after a decision about it."""

    batch_id: _Name
    status: _Status
    rows: StrictInt | None = None


class ReversalAnswer(_Answer):
    """The file that reverses a batch."""

    key: str
    rows: StrictInt
    total: StrictInt | Decimal
    url: str


def _name_of_gameball(value: object) -> object:
    if value is not None and not isinstance(value, str | int):
        raise ValueError("must be a string or an integer")
    return value


class TransactionAnswer(_Answer):
    """A manual transaction that was applied."""

    gameball_transaction_id: Annotated[Any, AfterValidator(_name_of_gameball)] = None


def check_answer(model: type[BaseModel], fields: dict[str, Any]) -> dict[str, Any]:
    """Return an answer as it came; raise ServiceError where it is not what the model says."""
    try:
        model.model_validate(fields)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))[:100]
        raise ServiceError(
            f"the API's answer can't be used ({place}: {first['msg']}): run adjust doctor, which compares "
            "the versions of this command and of the stack"
        ) from None
    return fields


def has_endless_number(value: object) -> bool:
    """Whether a number in an answer has more digits than can be shown."""
    if isinstance(value, Decimal):
        return bool(abs(value.adjusted()) > NUMBER_DIGITS_MAX)
    if isinstance(value, int):
        return bool(value.bit_length() > _NUMBER_BITS_MAX)
    if isinstance(value, dict):
        return any(map(has_endless_number, value.values()))
    return isinstance(value, list) and any(map(has_endless_number, value))
