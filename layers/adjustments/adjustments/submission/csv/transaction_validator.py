"""Validates records that are sent as transactions: each becomes the exact request of a manual transaction.

What a batch's rows have is checked as for a batch. The rest is for the model of the API's own manual
transactions to judge, whose words are Gameball's where its documentation has some. Each row is validated by
itself: at a dozen rows a second, no file is so long that this would matter.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from adjustments.batches.rows import Rejection, Row
from adjustments.batches.work_files import ValidatedRows
from adjustments.core.errors import RequestRefused
from adjustments.core.id_checks import scientific_fault
from adjustments.core.ids import transaction_id
from adjustments.manual_transactions.model import ManualTransaction, read_manual_transaction
from adjustments.submission.csv.cell_checks import BadRow, check_controls, check_customer_id
from adjustments.submission.csv.column_names import Role
from adjustments.submission.csv.header import Layout
from adjustments.submission.csv.placeholders import is_machine_word, text_meant
from adjustments.submission.csv.problems import RowProblem
from adjustments.submission.csv.row_validator import RowValidator, is_blank

_WHOLE_NUMBER: Final = r"[+-]?[0-9]{1,15}(?:\.0+)?"
_DATE: Final = r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}.*"
_OPTIONAL: Final = (Role.TRANSACTION_TIME, Role.EMAIL, Role.MOBILE)


class TransactionRules(NamedTuple):
    """What rows need that are sent as transactions.

    Args:
        batch_id: the batch, after which rows without a transactionId of their own are named.
        now: the time of planning, UTC.
        reason: the reason of rows without one; empty to reject them.
        username: the username of rows without one; empty to reject them.
    """

    batch_id: str
    now: datetime
    reason: str = ""
    username: str = ""


class TransactionValidator(RowValidator):
    """Validates the records of one file that is sent as transactions.

    Args:
        layout: where the columns stand.
        rules: what rows need that are sent as transactions.
        amount_max: as for ``RowValidator``.
        has_decimal_commas: as for ``RowValidator``.
    """

    def __init__(
        self,
        layout: Layout,
        rules: TransactionRules,
        *,
        amount_max: Decimal,
        has_decimal_commas: bool = False,
    ) -> None:
        super().__init__(layout, amount_max=amount_max, has_decimal_commas=has_decimal_commas)
        self._rules = rules

    def _validate_columns(self, lines: Sequence[int], columns: Sequence[Sequence[str]]) -> None:
        """Nothing is sure before a row's request is made."""

    def _validate_rows(
        self, lines: Sequence[int], columns: Sequence[Sequence[str]], texts: Sequence[str]
    ) -> ValidatedRows:
        records = map(list, zip(*columns, strict=True))
        return ValidatedRows.of(map(self._validate_one, lines, records, texts))

    def _validate_one(self, line: int, cells: list[str], text: str) -> Row | Rejection | None:
        if is_blank(cells):
            return None
        try:
            check_controls(cells, self._layout.names)
            customer_id = text_meant(self._cell(cells, Role.CUSTOMER_ID))
            check_customer_id(customer_id, self._name(Role.CUSTOMER_ID))
            changes = dict(self._changes(cells))
            reason = self._reason(self._cell(cells, Role.REASON), text)
            own_id = self._own_id(cells)
            fields = {
                "customerId": customer_id,
                "transactionId": own_id or transaction_id(self._rules.batch_id, line),
                **dict(self._people(cells, reason)),
                **changes,
                **self._expiry(cells),
                **dict(self._optional(cells)),
            }
            transaction = self._transaction(fields)
        except BadRow as bad:
            return self._rejection(line, cells, bad)
        request = transaction.body().decode()
        return Row(line, customer_id, f"{transaction.change:f}", reason, cells, request, own_id)

    def _cell(self, cells: list[str], role: Role) -> str:
        place = self._layout.places.get(role)
        return "" if place is None else cells[place].strip()

    def _name(self, role: Role) -> str:
        return self._layout.names[self._layout.places[role]]

    def _changes(self, cells: list[str]) -> Iterator[tuple[str, int | Decimal]]:
        """The points and the amount of a row, as far as it has them; the model says what is one too many."""
        for role in (Role.POINTS, Role.AMOUNT):
            if text := self._cell(cells, role):
                number = Decimal(self._amount(text, self._name(role)))
                if role is Role.POINTS and number != int(number):
                    raise BadRow(
                        RowProblem.POINTS_NOT_WHOLE,
                        "is not a whole number; write whole points, or name the column amount if it is money",
                        self._name(role),
                        text,
                    )
                yield role, int(number) if role is Role.POINTS else number

    def _people(self, cells: list[str], reason: str) -> Iterator[tuple[str, str]]:
        """The reason and the username, each from its column, from the metadata, or from the parameter."""
        username = self._cell(cells, Role.USERNAME)
        if is_machine_word(username):
            username = ""
        defaults = (("reason", reason, self._rules.reason), ("username", username, self._rules.username))
        for name, given, default in defaults:
            if not (given or default):
                problem = RowProblem.REASON_MISSING if name == "reason" else RowProblem.USERNAME_MISSING
                raise BadRow(
                    problem,
                    f"the row has no {name}, which a transaction needs; write it into a column {name}, or "
                    f'give one for the whole file: metadata "{name}", or the parameter '
                    f"Default{name.capitalize()}",
                )
            yield name, given or default

    def _expiry(self, cells: list[str]) -> Mapping[str, int]:
        text = self._cell(cells, Role.EXPIRY_AFTER)
        if not text or is_machine_word(text):
            return {}
        if not re.fullmatch(_WHOLE_NUMBER, text):
            what = "is a date" if re.fullmatch(_DATE, text) else "is not a number of days"
            raise BadRow(
                RowProblem.EXPIRY_NOT_DAYS,
                f"{what}; write after how many whole days the points expire, such as 30",
                self._name(Role.EXPIRY_AFTER),
                text,
            )
        return {"expiryAfter": int(Decimal(text))}

    def _own_id(self, cells: list[str]) -> str:
        own_id = text_meant(self._cell(cells, Role.TRANSACTION_ID))
        if is_machine_word(own_id):
            return ""
        if fault := scientific_fault(own_id):
            name = self._name(Role.TRANSACTION_ID)
            raise BadRow(RowProblem.TRANSACTION_ID_SCIENTIFIC, fault, name, own_id)
        return own_id

    def _optional(self, cells: list[str]) -> Iterator[tuple[str, str]]:
        for role in _OPTIONAL:
            text = text_meant(self._cell(cells, role))
            if text and not is_machine_word(text):
                yield role, text

    def _transaction(self, fields: Mapping[str, Any]) -> ManualTransaction:
        try:
            return read_manual_transaction(fields, self._rules.now)
        except RequestRefused as refused:
            raise BadRow(RowProblem.INVALID_TRANSACTION, refused.message) from None
