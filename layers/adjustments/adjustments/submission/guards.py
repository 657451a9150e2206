"""Guards: pure checks of a whole file before anything of it is sent."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from adjustments.batches.records import Rejection
from adjustments.core.decimals import plain
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

ODD_IDS_MAX: Final = 10_000
"""Odd ids that are compared: bounds memory in a file of nothing else."""

EXAMPLES_MAX: Final = 3

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
