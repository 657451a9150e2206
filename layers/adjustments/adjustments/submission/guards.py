"""Guards: pure checks of a whole file before anything of it is sent."""

from collections.abc import Iterator
from decimal import Decimal

from adjustments.core.decimals import plain
from adjustments.core.errors import FileRefused
from adjustments.core.limits import BAD_ROWS_COUNTED_FROM, BAD_ROWS_PERCENT_MAX, ROWS_MAX
from adjustments.submission.plan import PlanRules


def check_row_count(rows: int) -> None:
    """Refuse a file with more rows than one batch may have.

    Raises:
        FileRefused: there are more than ``ROWS_MAX``.
    """
    if rows > ROWS_MAX:
        raise FileRefused("too_many_rows", f"the file has more than {ROWS_MAX:,} rows; split it")


def check_bad_rows(rows: int, rejected: int) -> None:
    """Refuse a file with so many bad rows that it was probably exported wrongly.

    Args:
        rows: rows of the file, rejected ones included.
        rejected: rows that were rejected.

    Raises:
        FileRefused: the share is above ``BAD_ROWS_PERCENT_MAX``; small files are never refused for it.
    """
    if rows >= BAD_ROWS_COUNTED_FROM and rejected * 100 > BAD_ROWS_PERCENT_MAX * rows:
        raise FileRefused(
            "too_many_bad_rows",
            f"{rejected} of {rows} rows are bad, more than {BAD_ROWS_PERCENT_MAX} %: the file was "
            "probably exported wrongly. Correct it and drop it again; nothing of it was sent",
        )


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
