"""Guards: what a whole file adds up to, and pure checks of it before anything of it is sent."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from adjustments.batches.payloads import content_of, customers_and_amounts
from adjustments.batches.rows import Rejection
from adjustments.batches.work_files import ValidatedRows
from adjustments.core.decimals import exact_sum, exact_sum_of_many, plain
from adjustments.core.errors import FileRefused
from adjustments.core.limits import (
    BAD_ROWS_COUNTED_FROM,
    BAD_ROWS_PERCENT_MAX,
    OVERLAP_ROWS_HELD_FROM,
    ROWS_MAX,
    TRANSACTION_ROWS_MAX,
)
from adjustments.core.printable import code_point, shown
from adjustments.submission.csv.problems import RowProblem
from adjustments.submission.plan import PlanRules

BAD_ROWS_SHOWN_MAX: Final = 3
"""Bad rows that the message on a refused file names."""

TOTAL_ROW_FROM: Final = 10
TOTAL_ROW_LABELLED_FROM: Final = 3
"""Rows above the last one from which it is a total row if it is their sum; and if its id is a label, too."""

ODD_IDS_MAX: Final = 10_000
"""Odd ids that are compared: bounds memory in a file of nothing else."""

EXAMPLES_MAX: Final = 3

_AMOUNTS_MAX: Final = 10_000
"""Different amounts that are counted before they are added up."""

_NO_BREAK_SPACES: Final = str.maketrans("\u00a0\u2007\u202f", "   ")


def check_row_count(rows: int, are_transactions: bool) -> None:
    """Refuse a file with more rows than one batch may have.

    Raises:
        FileRefused: there are more than ``ROWS_MAX``, or ``TRANSACTION_ROWS_MAX`` if sent as transactions.
    """
    if rows > (TRANSACTION_ROWS_MAX if are_transactions else ROWS_MAX):
        sent = "is sent as transactions and " if are_transactions else ""
        most = TRANSACTION_ROWS_MAX if are_transactions else ROWS_MAX
        raise FileRefused("too_many_rows", f"the file {sent}has more than {most:,} rows; split it")


class BadRows:
    """The bad rows of a file: how many of each kind, and the messages of the first ones."""

    def __init__(self) -> None:
        self.by_problem: Counter[str] = Counter()
        self.first_messages: list[str] = []

    def add(self, rejections: Sequence[Rejection]) -> None:
        """Add rows that were rejected as they were read."""
        self.by_problem.update(rejection.problem for rejection in rejections)
        more = BAD_ROWS_SHOWN_MAX - len(self.first_messages)
        self.first_messages += [rejection.message for rejection in rejections[:more]]

    def add_too_frequent(self, rows: int) -> None:
        """Add rows of customers that are in the file too often, which is known only after reading it."""
        self.by_problem[RowProblem.CUSTOMER_TOO_OFTEN] += rows

    def refusal(self, rows: int) -> str:
        """Say why a file with so many bad rows is refused; nothing where it is not.

        Small files are never refused for it.

        Args:
            rows: rows of the file, bad ones included.
        """
        bad = self.by_problem.total()
        if rows < BAD_ROWS_COUNTED_FROM or bad * 100 <= BAD_ROWS_PERCENT_MAX * rows:
            return ""
        kinds = ", ".join(
            f"{times:,} {problem.replace('_', ' ')}" for problem, times in self.by_problem.most_common()
        )
        examples = f"The first: {'; '.join(self.first_messages)}. " if self.first_messages else ""
        return (
            f"{bad} of {rows} rows are bad, more than {BAD_ROWS_PERCENT_MAX} %: the file was probably "
            f"exported wrongly, and nothing of it was sent. By kind: {kinds}. {examples}fix-me.csv lists all "
            "bad rows. Correct them in the file itself, and drop the whole file again"
        )


@dataclass
class Totals:
    """What the rows of a file add up to: ``rows`` includes rejected ones, amounts are of accepted rows."""

    rows: int = 0
    rejected: int = 0
    parts: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    bad_rows: BadRows = field(default_factory=BadRows)
    _amount: Decimal = Decimal(0)
    _absolute: Decimal = Decimal(0)
    _times: Counter[str] = field(default_factory=Counter)

    @property
    def accepted(self) -> int:
        """Rows that would be sent."""
        return self.rows - self.rejected

    @property
    def amount(self) -> Decimal:
        """The sum of the amounts."""
        self._add_up()
        return self._amount

    @property
    def added(self) -> Decimal:
        """The sum of the positive amounts."""
        self._add_up()
        return (self._amount + self._absolute) / 2

    @property
    def deducted(self) -> Decimal:
        """The sum of the negative amounts, which is negative."""
        return self.amount - self.added

    @property
    def absolute(self) -> Decimal:
        """The sum of the amounts without their signs."""
        self._add_up()
        return self._absolute

    def add(self, amounts: Sequence[str], rows: Sequence[str]) -> None:
        """Add accepted rows.

        Args:
            amounts: their amounts.
            rows: the same rows as JSON, for the hash of the content.
        """
        self._times.update(amounts)  # the same few amounts stand in most rows: each is parsed once
        if len(self._times) > _AMOUNTS_MAX:
            self._add_up()
        self.digest.update(content_of(rows))

    def reject(self, rows: Sequence[str]) -> None:
        """Count rows that were added as rejected after all."""
        amounts = [amount for _, amount in customers_and_amounts(rows)]
        self.rejected += len(amounts)
        self.bad_rows.add_too_frequent(len(amounts))
        self._amount -= exact_sum(amounts)
        self._absolute -= exact_sum(map(abs, amounts))

    def _add_up(self) -> None:
        total = exact_sum_of_many(self._times)
        deducted = exact_sum_of_many({one: n for one, n in self._times.items() if one.startswith("-")})
        self._amount = exact_sum([self._amount, total])
        self._absolute = exact_sum([self._absolute, total, -deducted, -deducted])
        self._times.clear()


def without_total_row(part: ValidatedRows, above: Totals) -> ValidatedRows:
    """Reject the last row of a file if its amount is the sum of all rows above it.

    In a short file that may be chance, so there it must look like a label, without a digit or an @.

    Args:
        part: the last rows of the file.
        above: what the parts before add up to.
    """
    if not part.lines or (part.rejections and part.rejections[-1].line > part.lines[-1]):
        return part
    rows_above = above.accepted + len(part.lines) - 1
    customer_id, amount = part.customer_ids[-1], part.amounts[-1]
    is_label = not any(char.isdecimal() or char == "@" for char in customer_id)
    if rows_above < (TOTAL_ROW_LABELLED_FROM if is_label else TOTAL_ROW_FROM):
        return part
    if exact_sum([above.amount, *map(Decimal, part.amounts[:-1])]) != Decimal(amount):
        return part
    line = part.lines[-1]
    total = Rejection(
        line=line,
        customer_id=customer_id,
        amount=amount,
        reason=part.reasons[-1],
        cells=[column[-1] for column in part.cells],
        problem=RowProblem.TOTAL_ROW,
        column="",
        text=amount,
        message=f"line {line}: {amount} is the sum of all {rows_above:,} rows above, so this looks like a "
        "total row; remove it, or drop it as a file of its own if the customer is to get it",
    )
    return ValidatedRows(
        part.lines[:-1],
        part.customer_ids[:-1],
        part.amounts[:-1],
        part.reasons[:-1],
        [column[:-1] for column in part.cells],
        [*part.rejections, total],
        part.requests[:-1],
        part.own_ids[:-1],
    )


def is_overlap_held(overlap_rows: int, accepted_rows: int, percent: int) -> bool:
    """Whether so many rows that were applied before need a person's approval.

    Args:
        overlap_rows: rows that earlier batches have.
        accepted_rows: rows that would be sent.
        percent: the share from which on they do (HoldOverlapPercent); 0 for never.
    """
    if not (percent and overlap_rows):
        return False
    return overlap_rows >= OVERLAP_ROWS_HELD_FROM or overlap_rows * 100 >= percent * accepted_rows


def approval_reasons(accepted_rows: int, absolute_total: Decimal, rules: PlanRules) -> Iterator[str]:
    """Say why a person has to approve the batch first; nothing when it may be sent at once.

    Args:
        accepted_rows: rows that would be sent.
        absolute_total: the sum of their amounts' magnitudes.
        rules: the limits above which approval is needed.
    """
    if rules.approval_above_rows and accepted_rows > rules.approval_above_rows:
        yield f"{accepted_rows} rows are more than ApprovalAboveRows ({rules.approval_above_rows})"
    if rules.approval_above_total and absolute_total > rules.approval_above_total:
        limit = plain(rules.approval_above_total)
        yield f"amounts of {plain(absolute_total)} in all are more than ApprovalAboveTotal ({limit})"


def sum_reasons(rows: int, total: Decimal, rules: PlanRules) -> Iterator[str]:
    """Say why a batch has to be approved that earlier ones lift above a limit.

    Args:
        rows: rows of the batch, and of those of the last 24 hours that nobody approved.
        total: the sum of their amounts' magnitudes.
        rules: the limits above which approval is needed.
    """
    together = "together with the batches of the last 24 hours that nobody approved"
    if rules.approval_above_rows and rows > rules.approval_above_rows:
        yield f"{rows} rows, {together}, are more than ApprovalAboveRows ({rules.approval_above_rows})"
    if rules.approval_above_total and total > rules.approval_above_total:
        limit = plain(rules.approval_above_total)
        yield f"amounts of {plain(total)} in all, {together}, are more than ApprovalAboveTotal ({limit})"


class LookAlikes:
    """Finds customer ids that look alike in one file: whoever checks the file takes them for one customer.

    Two ids look alike when they differ only in the letter case of an e-mail address, in no-break spaces, or
    in how accented letters are put together. At least one of them is then *odd*: it differs from its plain
    form. So only odd ids are kept, and most files have none. All ids are added, and then, where
    ``has_odd_ids``, compared in a second pass.
    """

    def __init__(self) -> None:
        self._odd: dict[str, str] = {}
        self._pairs: dict[str, tuple[str, str]] = {}

    @property
    def has_odd_ids(self) -> bool:
        """Whether any id differs from its plain form."""
        return bool(self._odd)

    def add(self, customer_ids: Sequence[str]) -> None:
        """Look for odd ids, and for two odd ones that look alike."""
        text = "".join(customer_ids)
        if text.isascii() and ("@" not in text or text == text.lower()):
            return
        for customer_id in customer_ids:
            form = plain_form(customer_id)
            if form == customer_id:
                continue
            if form in self._odd:
                self._note(form, customer_id)
            elif len(self._odd) < ODD_IDS_MAX:
                self._odd[form] = customer_id

    def compare(self, customer_ids: Iterable[str]) -> None:
        """Find the ids that look like an odd one and are plain themselves."""
        for customer_id in self._odd.keys() & set(customer_ids):
            self._note(customer_id, customer_id)

    def notes(self) -> list[str]:
        """What a person should know of it: both forms of some."""
        if not self._pairs:
            return []
        pairs = [f"{_visible(one)} and {_visible(other)}" for one, other in self._pairs.values()]
        more = f", and {len(pairs) - EXAMPLES_MAX:,} more" if len(pairs) > EXAMPLES_MAX else ""
        return [f"customer ids that look alike and are not the same: {'; '.join(pairs[:EXAMPLES_MAX])}{more}"]

    def _note(self, form: str, customer_id: str) -> None:
        if self._odd[form] != customer_id:
            self._pairs.setdefault(form, (self._odd[form], customer_id))


def plain_form(customer_id: str) -> str:
    """What a person sees of an id: e-mail addresses without letter case, ordinary spaces, whole letters."""
    form = unicodedata.normalize("NFC", customer_id.translate(_NO_BREAK_SPACES))
    return form.lower() if "@" in form else form


def _visible(customer_id: str) -> str:
    """The id as a message shows it, with invisible characters named."""
    named = "".join(
        code_point(char) if unicodedata.combining(char) or char in "\u00a0\u2007\u202f" else char
        for char in shown(customer_id)
    )
    return f'"{named}"'
