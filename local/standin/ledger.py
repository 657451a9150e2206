"""The ledger: customers, exact balances, and all adjustments that were applied or refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from local.standin.exact_json import EXACT
from local.standin.responses import ID_EXISTS, INSUFFICIENT_POINTS, NO_SUCH_CUSTOMER, TIME_EXISTS

Kind = Literal["batch", "manual"]
ZERO = Decimal(0)


class Adjustment(NamedTuple):
    """One signed change for one customer, as requested."""

    customer_id: str
    amount: Decimal
    reason: str | None


class Entry(NamedTuple):
    """One applied adjustment; its sequence is its position in the ledger, counted from 1."""

    at: str
    kind: Kind
    job_id: int | None
    transaction_id: str | None
    adjustment: Adjustment
    balance_before: Decimal
    balance_after: Decimal


class RefusedRow(NamedTuple):
    """One refused adjustment, with the error code."""

    at: str
    kind: Kind
    job_id: int | None
    transaction_id: str | None
    adjustment: Adjustment
    code: int
    message: str


class Objection(NamedTuple):
    """The reason why an adjustment is refused."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class ManualTransaction:
    """A manual transaction after validation: an adjustment with an id of its own."""

    adjustment: Adjustment
    transaction_id: str
    transaction_time: datetime | None
    expiry_after_days: int | None


class ManualDetails(NamedTuple):
    """What only a manual transaction has, kept beside its entry."""

    transaction_time: str
    expiry_date: str | None
    expiry_after_days: int | None


class Ledger:
    """Balances only change through `apply_row` and `apply_manual`; each change leaves one entry."""

    def __init__(self, first_gameball_id: int = 1) -> None:
        self.entries: list[Entry] = []
        self.refused: list[RefusedRow] = []
        self.manual_details: dict[int, ManualDetails] = {}
        # Ids continue after a reset, so that an old id never names a new transaction.
        self.first_gameball_id = first_gameball_id
        self._balances: dict[str, Decimal] = {}
        self._positions: dict[str, list[int]] = {}
        self._position_of_transaction: dict[str, int] = {}
        self._times: set[tuple[str, datetime]] = set()

    def open_customer(self, customer_id: str, balance: Decimal) -> None:
        """Create a customer with a balance, or set the balance of an existing one."""
        self._balances[customer_id] = balance

    def balance(self, customer_id: str) -> Decimal | None:
        """The exact balance, or None for an unknown customer."""
        return self._balances.get(customer_id)

    def balances(self) -> dict[str, Decimal]:
        """A copy of all balances."""
        return dict(self._balances)

    def objection(self, adjustment: Adjustment) -> Objection | None:
        """Unknown customer (7000) or overdraft (9008); additions are never an overdraft."""
        balance = self._balances.get(adjustment.customer_id)
        if balance is None:
            return Objection(NO_SUCH_CUSTOMER, "Customer not found")
        if adjustment.amount < 0 and EXACT.add(balance, adjustment.amount) < 0:
            return Objection(INSUFFICIENT_POINTS, "Insufficient points")
        return None

    def apply_row(self, at: str, job_id: int, adjustment: Adjustment) -> Objection | None:
        """Apply one row of a batch or record why not; rows have no id, so none is de-duplicated."""
        objection = self.objection(adjustment)
        if objection is None:
            self._append(at, "batch", job_id, None, adjustment)
        else:
            self.refused.append(RefusedRow(at, "batch", job_id, None, adjustment, *objection))
        return objection

    def apply_manual(
        self, at: str, transaction: ManualTransaction, details: ManualDetails
    ) -> tuple[int, Entry] | Objection:
        """Apply a manual transaction once per transactionId; answer its Gameball id and entry."""
        objection = self._manual_objection(transaction)
        if objection is not None:
            self.refuse_manual(at, transaction, objection)
            return objection
        position = self._append(at, "manual", None, transaction.transaction_id, transaction.adjustment)
        self._position_of_transaction[transaction.transaction_id] = position
        self.manual_details[position] = details
        if transaction.transaction_time is not None:
            self._times.add((transaction.adjustment.customer_id, transaction.transaction_time))
        return self.gameball_id(position), self.entries[position]

    def refuse_manual(self, at: str, transaction: ManualTransaction, objection: Objection) -> None:
        """Record a manual transaction that was not applied."""
        row = RefusedRow(at, "manual", None, transaction.transaction_id, transaction.adjustment, *objection)
        self.refused.append(row)

    def _manual_objection(self, transaction: ManualTransaction) -> Objection | None:
        # The id is checked first: a repeated deduction that was applied gets 9004, not 9008 or 9003.
        if transaction.transaction_id in self._position_of_transaction:
            return Objection(ID_EXISTS, "Transaction id already exists")
        customer_id, time = transaction.adjustment.customer_id, transaction.transaction_time
        if time is not None and (customer_id, time) in self._times:
            return Objection(TIME_EXISTS, "Transaction time already exists")
        return self.objection(transaction.adjustment)

    def _append(
        self, at: str, kind: Kind, job_id: int | None, transaction_id: str | None, adjustment: Adjustment
    ) -> int:
        position, before = len(self.entries), self._balances[adjustment.customer_id]
        after = EXACT.add(before, adjustment.amount)
        self.entries.append(Entry(at, kind, job_id, transaction_id, adjustment, before, after))
        self._balances[adjustment.customer_id] = after
        self._positions.setdefault(adjustment.customer_id, []).append(position)
        return position

    def gameball_id(self, position: int) -> int:
        """The id that Gameball gives the entry at a position."""
        return self.first_gameball_id + position

    def positions(self, customer_id: str | None, after_gameball_id: int) -> Iterator[int]:
        """The positions of one customer's entries, or of all, after a cursor, oldest first."""
        first = max(0, after_gameball_id - self.first_gameball_id + 1)
        if customer_id is None:
            return iter(range(first, len(self.entries)))
        return (position for position in self._positions.get(customer_id, []) if position >= first)
