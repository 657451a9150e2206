"""The body of a manual transaction (Gameball API, Add Manual Transaction), checked before it is sent."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, TypeGuard

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from adjustments.core import exact_json, limits
from adjustments.core.decimals import plain
from adjustments.core.errors import RewardRuleBroken
from adjustments.core.id_checks import blanks_fault, invisible_fault, scientific_fault
from adjustments.core.validation import validate

EXPIRY_NEGATIVE: Final = "Expiry cannot be negative"
DEDUCTION_WITH_EXPIRY: Final = "Deduction cannot have expiry"
TWO_METHODS: Final = "Only one rewarding method may be specified"
NO_METHOD: Final = "A rewarding criteria is required"

UTC_INSTANT: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|\+00:00)"


def _problem(message: str) -> PydanticCustomError:
    return PydanticCustomError("manual_transaction", "{message}", {"message": message})


def _check_content(text: str) -> str:
    if not text.strip():
        raise _problem("must not be empty")
    if fault := invisible_fault(text, lambda char: unicodedata.category(char) == "Cc"):
        raise _problem(fault)
    return text


def _check_id(text: str) -> str:
    """Refuse invisible characters in an id, as files do."""
    if fault := invisible_fault(text) or blanks_fault(text):
        raise _problem(fault)
    return text


def _check_customer_id(text: str) -> str:
    if fault := scientific_fault(text):
        raise _problem(fault)
    return text


def _check_instant(text: str, info: "ValidationInfo[Mapping[str, Any]]") -> str:
    """Leave a time as its caller wrote it: Gameball gets it as it came."""
    latest = info.context["now"] + timedelta(seconds=limits.TIME_AHEAD_S_MAX)
    if read_instant(text) > latest:
        raise _problem("must not lie in the future")
    return text


def read_instant(text: str) -> datetime:
    """Read a UTC instant; raises PydanticCustomError for anything else."""
    try:
        if re.fullmatch(UTC_INSTANT, text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        pass
    raise _problem("must be a UTC instant such as 2026-06-01T12:00:00Z")


def _is_number(value: object) -> TypeGuard[int | Decimal]:
    is_finite = value.is_finite() if isinstance(value, Decimal) else isinstance(value, int)
    return is_finite and not isinstance(value, bool)


def _read_number(value: object) -> Decimal:
    if not _is_number(value):
        raise _problem("must be a number")
    return Decimal(value)


def _read_whole_number(value: object) -> int:
    """Read an integer, which JSON may write as 5, 5.0 or 5e0."""
    if not _is_number(value):
        raise _problem("must be an integer")
    if not value:
        return 0
    _check_size(Decimal(value))
    if value != int(value):
        raise _problem("must be an integer")
    return int(value)


def _check_size(number: Decimal) -> None:
    """Refuse a number that would take much room to write out, such as 1e999999999."""
    if number and number.adjusted() >= limits.SIGNIFICANT_DIGITS_MAX:
        raise _problem(f"must have at most {limits.SIGNIFICANT_DIGITS_MAX} digits")
    if number and number.adjusted() < -limits.DECIMALS_MAX:
        raise _problem(f"must have at most {limits.DECIMALS_MAX} decimals")


def _check_change(number: Decimal | int, info: "ValidationInfo[Mapping[str, Any]]") -> Decimal | int:
    """Hold a change to what a row of a file may have: its digits survive a reader that uses doubles."""
    exact = Decimal(number)
    if not exact:
        raise _problem("must not be 0, which would change nothing")
    _check_size(exact)
    whole, _, fraction = f"{exact.copy_abs():f}".partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > limits.DECIMALS_MAX:
        raise _problem(f"must have at most {limits.DECIMALS_MAX} decimals")
    if len((whole + fraction).lstrip("0")) > limits.SIGNIFICANT_DIGITS_MAX:
        raise _problem(f"must have at most {limits.SIGNIFICANT_DIGITS_MAX} digits")
    largest = info.context["amount_max"]
    if largest and exact.copy_abs() > largest:
        raise _problem(
            f"is larger than MaxManualAmount ({plain(largest)}), the most that one call may change"
        )
    return number


def _text_max(chars_max: int) -> StringConstraints:
    return StringConstraints(strict=True, max_length=chars_max)


_Content = AfterValidator(_check_content)
_Name = Annotated[str, _text_max(limits.MANUAL_TEXT_CHARS_MAX), _Content]
_Id = Annotated[_Name, AfterValidator(_check_id)]
_CustomerId = Annotated[_Id, AfterValidator(_check_customer_id)]
_Reason = Annotated[str, _text_max(limits.REASON_CHARS_MAX), _Content]
_Email = Annotated[str, _text_max(limits.EMAIL_CHARS_MAX), _Content]
_Mobile = Annotated[str, _text_max(limits.MOBILE_CHARS_MAX), _Content]
_Instant = Annotated[str, StringConstraints(strict=True), AfterValidator(_check_instant)]
_Points = Annotated[int, BeforeValidator(_read_whole_number), AfterValidator(_check_change)]
_Amount = Annotated[Decimal, BeforeValidator(_read_number), AfterValidator(_check_change)]
_Days = Annotated[int, BeforeValidator(_read_whole_number), Field(le=limits.EXPIRY_DAYS_MAX)]


class ManualTransaction(BaseModel):
    """One adjustment with its own ``transactionId``; exactly one of ``points`` and ``amount`` is set.

    A field that the API does not have is refused: a misspelt ``expiryAfter`` must not be left out silently.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, defer_build=True)

    customer_id: _CustomerId = Field(description="your own id of the customer")
    transaction_id: _Id = Field(description="an id of your own for this transaction, which is applied once")
    username: _Name = Field(description="who makes the adjustment")
    reason: _Reason = Field(description="why, for Gameball's dashboard")
    email: _Email | None = None
    mobile: _Mobile | None = None
    transaction_time: _Instant | None = None
    points: _Points | None = None
    amount: _Amount | None = None
    expiry_after: _Days | None = None

    @model_validator(mode="before")
    @classmethod
    def _check_method(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse what the API's own table of validations refuses, in its order and its words."""
        points, amount, expiry = fields.get("points"), fields.get("amount"), fields.get("expiryAfter")
        if _is_number(expiry) and expiry < 0:
            raise RewardRuleBroken("reward_rule_broken", EXPIRY_NEGATIVE)
        if _is_number(expiry) and expiry and any(_is_number(n) and n < 0 for n in (points, amount)):
            raise RewardRuleBroken("reward_rule_broken", DEDUCTION_WITH_EXPIRY)
        if points is not None and amount is not None:
            raise RewardRuleBroken("reward_rule_broken", TWO_METHODS)
        if points is None and amount is None:
            raise RewardRuleBroken("reward_rule_broken", NO_METHOD)
        return fields

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


def read_manual_transaction(
    fields: Mapping[str, Any], now: datetime, amount_max: Decimal = Decimal(0)
) -> ManualTransaction:
    """Read a body.

    Args:
        fields: the body, as JSON has it; its numbers are ``int`` and ``Decimal``.
        now: the time, UTC; a ``transactionTime`` may not lie after it.
        amount_max: the largest number of points, or amount, without its sign (MaxManualAmount); 0 for no
            limit.

    Raises:
        RewardRuleBroken: in Gameball's own words.
        RequestRefused: with each field and its problem.
    """
    return validate(ManualTransaction, fields, {"now": now, "amount_max": amount_max})
