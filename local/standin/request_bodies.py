"""Validation of request bodies of the Gameball API."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from local.standin.exact_json import BadJsonError, exact_number, loads
from local.standin.ledger import ZERO, Adjustment, ManualTransaction
from local.standin.responses import (
    BAD_AMOUNT,
    BAD_FIELD,
    BAD_PAYLOAD,
    BAD_ROW,
    FIELD_MISSING,
    NO_ROWS,
    TOO_MANY_ROWS,
    refuse,
    refuse_plain,
)

Rows = Sequence[Adjustment]

ROWS_MAX = 1_000
EXPIRY_DAYS_MAX = 100_000
_REQUIRED = ("customerId", "transactionId", "username", "reason")
_OPTIONAL_TEXTS = ("email", "mobile")


def manual_transaction(raw: bytes) -> ManualTransaction:
    """Read the body of a manual transaction; an invalid one is refused in the plain format."""
    body = _plain_object(raw)
    texts = {name: _required_text(body, name) for name in _REQUIRED}
    _check_optional_texts(body)
    change = _one_change(body)
    return ManualTransaction(
        Adjustment(texts["customerId"], change, texts["reason"]),
        texts["transactionId"],
        _transaction_time(body.get("transactionTime")),
        _expiry_after_days(body),
    )


def _plain_object(raw: bytes) -> Mapping[str, object]:
    try:
        body = loads(raw)
    except BadJsonError as error:
        raise refuse_plain(str(error)) from error
    if not isinstance(body, dict):
        raise refuse_plain("The body must be an object")
    return body


def _required_text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if value is None or value == "":
        raise refuse_plain(f"{name} is required")
    if not isinstance(value, str):
        raise refuse_plain(f"{name} must be a string")
    return value


def _check_optional_texts(body: Mapping[str, object]) -> None:
    for name in _OPTIONAL_TEXTS:
        if body.get(name) is not None and not isinstance(body[name], str):
            raise refuse_plain(f"{name} must be a string")


def _one_change(body: Mapping[str, object]) -> Decimal:
    """The signed change by the four documented rules, checked in the documented order.

    Assumptions: null counts as not provided; 0 counts as provided, for points, amount and expiryAfter
    alike; a unit of money is worth one point, since the account's rate is not documented.
    """
    points, amount = _points(body.get("points")), _amount(body.get("amount"))
    expiry_after = _expiry_number(body.get("expiryAfter"))
    if expiry_after is not None and expiry_after < 0:
        raise refuse_plain("Expiry cannot be negative")
    if expiry_after is not None and min(points or ZERO, amount or ZERO) < 0:
        raise refuse_plain("Deduction cannot have expiry")
    if points is not None and amount is not None:
        raise refuse_plain("Only one rewarding method may be specified")
    change = points if points is not None else amount
    if change is None:
        raise refuse_plain("A rewarding criteria is required")
    return change


def _points(value: object) -> Decimal | None:
    number = exact_number(value)
    if value is not None and (number is None or number != number.to_integral_value()):
        raise refuse_plain("points must be an integer")
    return number


def _amount(value: object) -> Decimal | None:
    number = exact_number(value)
    if value is not None and number is None:
        raise refuse_plain("amount must be a number")
    return number


def _expiry_number(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value > EXPIRY_DAYS_MAX:
        raise refuse_plain(f"expiryAfter must be an integer of at most {EXPIRY_DAYS_MAX}")
    return value


def _expiry_after_days(body: Mapping[str, object]) -> int | None:
    """The expiry in days; absent, null and 0 mean the default of the account."""
    return _expiry_number(body.get("expiryAfter")) or None


def _transaction_time(value: object) -> datetime | None:
    """An RFC 3339 date-time. Assumption: one without an offset is taken as UTC."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else None
        if moment is not None:
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise refuse_plain("transactionTime must be a date-time")


def adjustment_rows(raw: bytes) -> Rows:
    """The rows of a balance-adjustment batch; one bad row refuses the whole request."""
    return [_adjustment(row, index) for index, row in enumerate(_rows(raw))]


def inquiry_rows(raw: bytes) -> Rows:
    """The customers of a balance inquiry, as rows that change nothing."""
    rows = enumerate(_rows(raw))
    return [Adjustment(_row_customer(_row(row, index), index), ZERO, None) for index, row in rows]


def _rows(raw: bytes) -> list[object]:
    try:
        body = loads(raw)
    except BadJsonError as error:
        raise refuse(BAD_PAYLOAD, str(error)) from error
    rows = body.get("body") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise refuse(BAD_PAYLOAD, "body must be an array")
    if not rows:
        raise refuse(NO_ROWS, "body must hold at least one object")
    if len(rows) > ROWS_MAX:
        raise refuse(TOO_MANY_ROWS, f"body must hold at most {ROWS_MAX} objects")
    return rows


def _row(row: object, index: int) -> Mapping[str, object]:
    if not isinstance(row, dict):
        raise refuse(BAD_ROW, f"body[{index}] must be an object")
    return row


def _row_customer(row: Mapping[str, object], index: int) -> str:
    customer_id = row.get("customerId")
    if customer_id is None or customer_id == "":
        raise refuse(FIELD_MISSING, f"body[{index}].customerId is required")
    if not isinstance(customer_id, str):
        raise refuse(BAD_FIELD, f"body[{index}].customerId must be a string")
    return customer_id


def _adjustment(raw_row: object, index: int) -> Adjustment:
    row = _row(raw_row, index)
    customer_id, amount, reason = _row_customer(row, index), row.get("amount"), row.get("reason")
    if amount is None:
        raise refuse(FIELD_MISSING, f"body[{index}].amount is required")
    number = exact_number(amount)
    if number is None:
        raise refuse(BAD_AMOUNT, f"body[{index}].amount must be a number within bounds")
    if reason is not None and not isinstance(reason, str):
        raise refuse(BAD_FIELD, f"body[{index}].reason must be a string")
    return Adjustment(customer_id, number, reason)
