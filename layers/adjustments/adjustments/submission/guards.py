"""Guards: pure checks of a whole file before anything of it is sent."""

from collections import Counter
from collections.abc import Iterator, Sequence
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
)
from adjustments.submission.csv.problems import RowProblem
from adjustments.submission.plan import PlanRules

BAD_ROWS_SHOWN_MAX: Final = 3
"""Bad rows that the message on a refused file names."""


def check_row_count(rows: int) -> None:
    """Refuse a file with more rows than one batch may have.

    Raises:
        FileRefused: there are more than ``ROWS_MAX``.
    """
    if rows > ROWS_MAX:
        raise FileRefused("too_many_rows", f"the file has more than {ROWS_MAX:,} rows; split it")


class BadRows:
    """The bad rows of a file: how many of each kind, and what is said of the first ones."""

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
        told = f"The first: {'; '.join(self.first_messages)}. " if self.first_messages else ""
        return (
            f"{bad} of {rows} rows are bad, more than {BAD_ROWS_PERCENT_MAX} %: the file was probably "
            f"exported wrongly, and nothing of it was sent. By kind: {kinds}. {told}fix-me.csv lists all bad "
            "rows. Correct them in the file itself, and drop the whole file again"
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
