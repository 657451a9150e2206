"""A manual transaction as the seed defines it, and the refusals that the seed words."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, TypeGuard

from pydantic import AfterValidator, ConfigDict, Field, StrictInt, StrictStr, ValidationError, field_validator
from pydantic_core import ErrorDetails

from adjustments import exact_json, limits
from adjustments.errors import RequestRefused
from adjustments.record import Record

EXPIRY_NEGATIVE: Final = "Expiry cannot be negative"
DEDUCTION_WITH_EXPIRY: Final = "Deduction cannot have expiry"
TWO_METHODS: Final = "Only one rewarding method may be specified"
NO_METHOD: Final = "A rewarding criteria is required"

UTC_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|\+00:00)"
)
_UNREADABLE: Final = frozenset({"Cc", "Cs"})
"""Unicode's categories of control characters, and of halves of characters that no UTF-8 can carry."""

_NAME_CHARS_SHOWN: Final = 40
_PROBLEMS_SHOWN: Final = 10
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "is no field of a manual transaction",
    "string_type": "must be a string",
    "string_unicode": "has characters that can't be sent",
    "string_too_long": "must have at most {max_length} characters",
    "int_type": "must be an integer",
    "less_than_equal": "must be at most {le}",
    "value_error": "{error}",
}
"""What we say of each kind of pydantic's problems, to stand after the name of the field."""


def _check_text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    if any(unicodedata.category(char) in _UNREADABLE for char in text):
        raise ValueError("must have no control characters")
    return text


_Name = Annotated[StrictStr, Field(max_length=limits.MANUAL_TEXT_CHARS_MAX), AfterValidator(_check_text)]
_Reason = Annotated[StrictStr, Field(max_length=limits.REASON_CHARS_MAX), AfterValidator(_check_text)]
_Email = Annotated[StrictStr, Field(max_length=limits.EMAIL_CHARS_MAX), AfterValidator(_check_text)]
_Mobile = Annotated[StrictStr, Field(max_length=limits.MOBILE_CHARS_MAX), AfterValidator(_check_text)]
_Days = Annotated[StrictInt, Field(le=limits.EXPIRY_DAYS_MAX)]


class ManualTransaction(Record):
    """One adjustment with its own ``transactionId``; exactly one of ``points`` and ``amount`` is set."""

    # Only the seed's own names are taken, and no value of a customer gets into an error's text.
    model_config = ConfigDict(extra="forbid", populate_by_name=False, hide_input_in_errors=True)

    customer_id: _Name
    transaction_id: _Name
    username: _Name
    reason: _Reason
    email: _Email | None = None
    mobile: _Mobile | None = None
    transaction_time: StrictStr | None = None
    points: StrictInt | None = None
    amount: Decimal | None = None
    expiry_after: _Days | None = None

    @field_validator("points", "expiry_after", mode="before")
    @classmethod
    def _take_whole_numbers(cls, value: object) -> object:
        """JSON writes 5 also as 5.0 and 5e0."""
        if not isinstance(value, Decimal) or not value.is_finite():
            return value
        if not value:
            return 0
        _check_size(value)
        return int(value) if value == int(value) else value

    @field_validator("amount", mode="before")
    @classmethod
    def _refuse_what_is_no_number(cls, value: object) -> object:
        if value is not None and not _is_number(value):
            raise ValueError("must be a number")
        return value

    @field_validator("points", "amount")
    @classmethod
    def _check_number(cls, value: int | Decimal | None) -> int | Decimal | None:
        if value is not None:
            _check_digits(Decimal(value))
        return value

    @field_validator("transaction_time")
    @classmethod
    def _check_instant(cls, text: str | None) -> str | None:
        if text is not None:
            _instant(text)
        return text

    @property
    def change(self) -> Decimal:
        """What it adds, or with a minus deducts; points or money."""
        return Decimal(self.points if self.points is not None else self.amount or 0)

    def body(self) -> bytes:
        """The request to Gameball: what is absent, and an expiry of 0, which means the same, are left out."""
        fields = self.model_dump(by_alias=True, exclude_none=True)
        if not self.expiry_after:
            fields.pop("expiryAfter", None)
        return exact_json.write(fields).encode()


def read_manual_transaction(fields: Mapping[str, Any], now: datetime) -> ManualTransaction:
    """Read a body in the seed's form; raises RequestRefused, in the seed's own words where it has them.

    Args:
        fields: the body.
        now: the time, UTC; a ``transactionTime`` may not lie after it.
    """
    _check_method(fields)
    try:
        transaction = ManualTransaction.model_validate(fields)
    except ValidationError as invalid:
        raise RequestRefused("invalid_field", _in_our_words(invalid)) from None
    latest = now + timedelta(seconds=limits.TIME_AHEAD_S_MAX)
    if transaction.transaction_time and _instant(transaction.transaction_time) > latest:
        raise RequestRefused("future_time", "transactionTime: must not lie in the future")
    return transaction


def _check_method(fields: Mapping[str, Any]) -> None:
    """Refuse in the order of the seed's table."""
    points, amount, expiry = fields.get("points"), fields.get("amount"), fields.get("expiryAfter")
    if _is_number(expiry) and expiry < 0:
        raise RequestRefused("expiry_negative", EXPIRY_NEGATIVE)
    if _is_number(expiry) and expiry and any(_is_number(value) and value < 0 for value in (points, amount)):
        raise RequestRefused("deduction_with_expiry", DEDUCTION_WITH_EXPIRY)
    if points is not None and amount is not None:
        raise RequestRefused("two_methods", TWO_METHODS)
    if points is None and amount is None:
        raise RequestRefused("no_method", NO_METHOD)


def _is_number(value: object) -> TypeGuard[int | Decimal]:
    is_finite = value.is_finite() if isinstance(value, Decimal) else isinstance(value, int)
    return is_finite and not isinstance(value, bool)


def _check_digits(number: Decimal) -> None:
    """Hold a number to what the intake takes of a file; bounded before it is written out."""
    if not number:
        raise ValueError("must not be 0, which would change nothing")
    _check_size(number)
    whole, _, fraction = f"{number.copy_abs():f}".partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > limits.DECIMALS_MAX:
        raise ValueError(f"must have at most {limits.DECIMALS_MAX} decimals")
    if len((whole + fraction).lstrip("0")) > limits.SIGNIFICANT_DIGITS_MAX:
        raise ValueError(f"must have at most {limits.SIGNIFICANT_DIGITS_MAX} digits")


def _check_size(number: Decimal) -> None:
    """Refuse a number that would take much room to write out, such as 1e999999999."""
    if not number:
        return
    if number.adjusted() >= limits.SIGNIFICANT_DIGITS_MAX:
        raise ValueError(f"must have at most {limits.SIGNIFICANT_DIGITS_MAX} digits")
    if number.adjusted() < -limits.DECIMALS_MAX:
        raise ValueError(f"must have at most {limits.DECIMALS_MAX} decimals")


def _instant(text: str) -> datetime:
    try:
        if UTC_INSTANT.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        pass
    raise ValueError("must be a UTC instant such as 2026-06-01T12:00:00Z")


def _in_our_words(invalid: ValidationError) -> str:
    """The problems with the names of their fields, in the order of the fields, unknown ones last."""
    problems = invalid.errors(include_url=False, include_input=False)
    told = [_told(problem) for problem in problems[:_PROBLEMS_SHOWN]]
    if len(problems) > len(told):
        told.append(f"and {len(problems) - len(told)} more")
    return "; ".join(told)


def _told(problem: ErrorDetails) -> str:
    name = ".".join(str(part) for part in problem["loc"])[:_NAME_CHARS_SHOWN] or "the name of a field"
    words = _WORDS.get(problem["type"], "is not valid")
    return f"{name}: {words.format(**problem.get('ctx', {}))}"
