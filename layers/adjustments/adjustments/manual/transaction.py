"""A manual transaction as the seed defines it, and the refusals that the seed words."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeGuard

from adjustments.core import exact_json, limits
from adjustments.core.errors import RequestRefused
from adjustments.record import Record, camel

EXPIRY_NEGATIVE: Final = "Expiry cannot be negative"
DEDUCTION_WITH_EXPIRY: Final = "Deduction cannot have expiry"
TWO_METHODS: Final = "Only one rewarding method may be specified"
NO_METHOD: Final = "A rewarding criteria is required"

UTC_INSTANT: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|\+00:00)"
_NAME_CHARS_SHOWN: Final = 40
_PROBLEMS_SHOWN: Final = 10

_Read = Callable[[object], Any]


class ManualTransaction(Record):
    """One adjustment with its own ``transactionId``; exactly one of ``points`` and ``amount`` is set."""

    customer_id: str
    transaction_id: str
    username: str
    reason: str
    email: str | None = None
    mobile: str | None = None
    transaction_time: str | None = None
    points: int | None = None
    amount: Decimal | None = None
    expiry_after: int | None = None

    @property
    def change(self) -> Decimal:
        """What it adds, or with a minus deducts; points or money."""
        return Decimal(self.points if self.points is not None else self.amount or 0)

    def body(self) -> bytes:
        """The request to Gameball: what is absent, and an expiry of 0, which means the same, are left out."""
        fields = {camel(name): value for name, value in self.values().items() if value is not None}
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
    transaction = _read(fields)
    latest = now + timedelta(seconds=limits.TIME_AHEAD_S_MAX)
    if transaction.transaction_time and _instant(transaction.transaction_time) > latest:
        raise RequestRefused("future_time", "transactionTime: must not lie in the future")
    return transaction


def _read(fields: Mapping[str, Any]) -> ManualTransaction:
    """Read the fields one by one; no value of a customer gets into what is said of them."""
    values, problems = {}, []
    for name, (outside, read) in _READERS.items():
        try:
            if outside in fields:
                values[name] = read(fields[outside])
            elif name in _REQUIRED:
                raise ValueError("is required")
        except ValueError as bad:
            problems.append(f"{outside}: {bad}")
    problems += [
        f"{_shown(name)}: is no field of a manual transaction" for name in fields if name not in _NAMES
    ]
    if problems:
        raise RequestRefused("invalid_field", _told(problems))
    return ManualTransaction(**values)


def _shown(name: str) -> str:
    """A name that somebody made up; it may have halves of characters, which no event can carry."""
    return name[:_NAME_CHARS_SHOWN].encode(errors="replace").decode() or "the name of a field"


def _told(problems: Sequence[str]) -> str:
    """The problems in the order of the fields, unknown ones last."""
    more = len(problems) - _PROBLEMS_SHOWN
    return "; ".join([*problems[:_PROBLEMS_SHOWN], *([f"and {more} more"] if more > 0 else [])])


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
        if re.fullmatch(UTC_INSTANT, text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        pass
    raise ValueError("must be a UTC instant such as 2026-06-01T12:00:00Z")


def _text(chars_max: int) -> _Read:
    def read(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("must be a string")
        if not value.isascii() and any(unicodedata.category(char) == "Cs" for char in value):
            raise ValueError("has characters that can't be sent")
        if len(value) > chars_max:
            raise ValueError(f"must have at most {chars_max} characters")
        if not value.strip():
            raise ValueError("must not be empty")
        if not value.isprintable() and any(unicodedata.category(char) == "Cc" for char in value):
            raise ValueError("must have no control characters")
        return value

    return read


def _utc_instant(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    _instant(value)
    return value


def _whole_number(value: object) -> int:
    """JSON writes 5 also as 5.0 and 5e0."""
    if not _is_number(value):
        raise ValueError("must be an integer")
    if not value:
        return 0
    _check_size(Decimal(value))
    if value != int(value):
        raise ValueError("must be an integer")
    return int(value)


def _points(value: object) -> int:
    points = _whole_number(value)
    _check_digits(Decimal(points))
    return points


def _days(value: object) -> int:
    days = _whole_number(value)
    if days > limits.EXPIRY_DAYS_MAX:
        raise ValueError(f"must be at most {limits.EXPIRY_DAYS_MAX}")
    return days


def _amount(value: object) -> Decimal:
    if not _is_number(value):
        raise ValueError("must be a number")
    amount = Decimal(value)
    _check_digits(amount)
    return amount


def _or_none(read: _Read) -> _Read:
    return lambda value: None if value is None else read(value)


_REQUIRED: Final[dict[str, _Read]] = {
    "customer_id": _text(limits.MANUAL_TEXT_CHARS_MAX),
    "transaction_id": _text(limits.MANUAL_TEXT_CHARS_MAX),
    "username": _text(limits.MANUAL_TEXT_CHARS_MAX),
    "reason": _text(limits.REASON_CHARS_MAX),
}
_OPTIONAL: Final[Mapping[str, _Read]] = {
    "email": _text(limits.EMAIL_CHARS_MAX),
    "mobile": _text(limits.MOBILE_CHARS_MAX),
    "transaction_time": _utc_instant,
    "points": _points,
    "amount": _amount,
    "expiry_after": _days,
}
_READERS: Final = {
    name: (camel(name), read)
    for name, read in (_REQUIRED | {name: _or_none(read) for name, read in _OPTIONAL.items()}).items()
}
"""Of each field the seed's own name, and how it is read: by hand, since pydantic would be a third of a cold
start, which a caller waits for (docs/decisions.md).
"""

_NAMES: Final = frozenset(outside for outside, _ in _READERS.values())
