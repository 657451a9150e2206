"""A manual transaction as the seed defines it, and the refusals that the seed words (seed, manual-
transaction).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, TypeGuard

from pydantic import ConfigDict, Field, StrictInt, StrictStr, ValidationError, field_validator

from adjustments import exact_json
from adjustments.errors import RequestRefused
from adjustments.model import Record

EXPIRY_NEGATIVE: Final = "Expiry cannot be negative"
DEDUCTION_WITH_EXPIRY: Final = "Deduction cannot have expiry"
TWO_METHODS: Final = "Only one rewarding method may be specified"
NO_METHOD: Final = "A rewarding criteria is required"

_Text = Annotated[StrictStr, Field(min_length=1, max_length=500)]


class ManualTransaction(Record):
    """One adjustment with its own ``transactionId``; exactly one of ``points`` and ``amount`` is set."""

    model_config = ConfigDict(extra="forbid")

    customer_id: _Text
    transaction_id: _Text
    username: _Text
    reason: _Text
    email: StrictStr | None = None
    mobile: StrictStr | None = None
    transaction_time: StrictStr | None = None
    points: StrictInt | None = None
    amount: Decimal | None = None
    expiry_after: StrictInt | None = None

    @field_validator("amount", mode="before")
    @classmethod
    def _refuse_what_is_no_number(cls, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | Decimal | None):
            raise ValueError("must be a number")
        return value

    def body(self) -> bytes:
        """The request to Gameball: what is absent, and an expiry of 0, which means the same, are left out."""
        fields = self.model_dump(by_alias=True, exclude_none=True)
        if not self.expiry_after:
            fields.pop("expiryAfter", None)
        return exact_json.write(fields).encode()


def read_manual_transaction(fields: Mapping[str, Any]) -> ManualTransaction:
    """Read a body in the seed's form; raises RequestRefused, in the seed's own words where it has them."""
    _check_method(fields)
    try:
        return ManualTransaction.model_validate(fields)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise RequestRefused("invalid_field", f"{name}: {first['msg']}") from None


def _check_method(fields: Mapping[str, Any]) -> None:
    """Refuse in the order of the seed's table."""
    points, amount, expiry = fields.get("points"), fields.get("amount"), fields.get("expiryAfter")
    if _is_number(expiry) and expiry < 0:
        raise RequestRefused("expiry_negative", EXPIRY_NEGATIVE)
    if expiry and any(_is_number(value) and value < 0 for value in (points, amount)):
        raise RequestRefused("deduction_with_expiry", DEDUCTION_WITH_EXPIRY)
    if points is not None and amount is not None:
        raise RequestRefused("two_methods", TWO_METHODS)
    if points is None and amount is None:
        raise RequestRefused("no_method", NO_METHOD)


def _is_number(value: object) -> TypeGuard[int | Decimal]:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)
