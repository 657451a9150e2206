"""The names of columns, and the role that each of them claims.

Names are compared without letter case, spaces, ``_``, ``-``, ``.``, compatibility forms and invisible
characters: ``Customer ID``, ``customer_id`` and ``CUSTOMERID`` are one name. Nothing else is dropped:
``amount (old)`` is another column.

The metadata of an object may name the heading of a role, in any language; then no other one has that role.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from adjustments.core import limits


class Role(StrEnum):
    """What a column is for, named as in Gameball's requests (Gameball API, "Balance Adjustment Batch Job" and
    "Add Manual Transaction"). ``fix-me.csv`` has the errors.
    """

    CUSTOMER_ID = "customerId"
    AMOUNT = "amount"
    REASON = "reason"
    ERROR = "error"
    POINTS = "points"
    USERNAME = "username"
    EXPIRY_AFTER = "expiryAfter"
    TRANSACTION_ID = "transactionId"
    TRANSACTION_TIME = "transactionTime"
    EMAIL = "email"
    MOBILE = "mobile"


NAMES: Final[Mapping[Role, tuple[str, ...]]] = {
    # Gameball's words of now and of its older API. Not "id", "user id", "member id", "customer": they stand
    # beside the real id in too many exports.
    Role.CUSTOMER_ID: (
        "customer id",
        "customer unique id",
        "player id",
        "player unique id",
        "unique id",
    ),
    # The dashboard's "bonus points" included. Not "balance" or "total", which are no change, and not
    # "points to deduct", whose sign would have to be guessed.
    Role.AMOUNT: (
        "amount",
        "points",
        "bonus points",
        "points amount",
        "adjustment",
        "adjustment amount",
        "adjustment points",
        "points adjustment",
        "balance adjustment",
    ),
    # Not "note" or "comment": they are written for colleagues, and the reason may be shown to the customer.
    Role.REASON: ("reason", "adjustment reason", "reason for adjustment"),
    # The last column of fix-me.csv.
    Role.ERROR: ("error",),
}
"""The names by which each role is known; a column of any other name is ignored and named in the notes."""

TRANSACTION_NAMES: Final[Mapping[Role, tuple[str, ...]]] = {
    **{role: NAMES[role] for role in (Role.CUSTOMER_ID, Role.REASON, Role.ERROR)},
    # Here an amount is money, and points are points: what could be either is refused.
    Role.AMOUNT: ("amount",),
    Role.POINTS: ("points", "bonus points", "points amount", "adjustment points", "points adjustment"),
    Role.USERNAME: ("username", "user name"),
    # Days, not a date: a date in such a column is rejected row by row.
    Role.EXPIRY_AFTER: (
        *("expiry after", "expiry", "expiry days", "expiry in days", "expiry after days", "expire after"),
        *("expires after", "expires after days", "expires in", "expires in days", "expire in days"),
        *("expiration days", "expiration in days", "days to expiry", "days until expiry", "points expiry"),
    ),
    Role.TRANSACTION_ID: ("transaction id",),
    Role.TRANSACTION_TIME: ("transaction time",),
    Role.EMAIL: ("email", "e-mail", "email address"),
    Role.MOBILE: ("mobile", "mobile number"),
}
"""The names by which each role is known in a file that is sent as transactions."""

TRANSACTIONS_ONLY: Final = (Role.EXPIRY_AFTER, Role.TRANSACTION_ID, Role.TRANSACTION_TIME)
"""What only a manual transaction can carry, so that a file with a value of one is sent as transactions."""

NEEDED: Final = (Role.CUSTOMER_ID, Role.AMOUNT)
"""The roles that each header has; of a file that is sent as transactions, points count as an amount."""

_DROPPED_FROM_NAMES: Final = r"[\s_.\-\u00ad\u200b-\u200f\u2060\ufeff]+"


class ColumnNames:
    """Which role a column's name claims.

    Args:
        columns: the heading of each role for which the metadata names one.
        ignored: the headings that the metadata lets be ignored.
        are_transactions: whether the file is sent as transactions.
    """

    def __init__(
        self,
        columns: Mapping[str, str] | None = None,
        ignored: Iterable[str] = (),
        *,
        are_transactions: bool = False,
    ) -> None:
        self.are_transactions = are_transactions
        self._roles = _TRANSACTION_ROLES if are_transactions else _ROLES
        self.columns = dict(columns or {})
        if not are_transactions and Role.POINTS in self.columns:
            self.columns[Role.AMOUNT] = self.columns.pop(Role.POINTS)
        self._named = {_squeezed(heading): Role(role) for role, heading in self.columns.items()}
        self._ignored = frozenset(map(_squeezed, ignored))

    def role_of(self, name: str) -> Role | None:
        """The role that a column's name claims, None for a column that is ignored."""
        squeezed = _squeezed(name)
        if squeezed in self._named:
            return self._named[squeezed]
        role = None if squeezed in self._ignored else self._roles.get(squeezed)
        return None if role is not None and role in self.columns else role

    def may_be_ignored(self, name: str) -> bool:
        """Whether the metadata lets this column be ignored whatever it holds."""
        return _squeezed(name) in self._ignored

    def is_unclear(self, name: str) -> bool:
        """Whether a column may hold points or money, in a file where that makes a difference."""
        squeezed = _squeezed(name)
        is_number = _ROLES.get(squeezed) is Role.AMOUNT and not self.may_be_ignored(name)
        return self.are_transactions and is_number and self.role_of(name) is None

    def count_needed(self, names: Iterable[str]) -> int:
        """How many of the needed roles are claimed."""
        roles = {Role.AMOUNT if role is Role.POINTS else role for role in map(self.role_of, names)}
        return len(roles.intersection(NEEDED))

    def is_header(self, cells: Sequence[str]) -> bool:
        """Whether a record is a header: it claims every needed role, as no row does."""
        return self.count_needed(cell.strip('\ufeff"') for cell in cells[: limits.COLUMNS_MAX]) == len(NEEDED)


def _squeezed(name: str) -> str:
    return re.sub(_DROPPED_FROM_NAMES, "", unicodedata.normalize("NFKC", name).casefold())


def transaction_role(name: str) -> Role | None:
    """The role that a column's name claims in a file that is sent as transactions."""
    return _TRANSACTION_ROLES.get(_squeezed(name))


_ROLES: Final[Mapping[str, Role]] = {_squeezed(name): role for role, names in NAMES.items() for name in names}
_TRANSACTION_ROLES: Final[Mapping[str, Role]] = {
    _squeezed(name): role for role, names in TRANSACTION_NAMES.items() for name in names
}
