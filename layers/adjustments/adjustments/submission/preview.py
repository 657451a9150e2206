"""Collects what the approver of a batch sees of its rows, while they are read: first, largest, reasons."""

from collections import Counter
from collections.abc import Iterator, Set
from decimal import Decimal
from typing import Final

from adjustments.batches.records import PreviewReason, PreviewRow
from adjustments.batches.work_files import ValidatedRows

ROWS_MAX: Final = 5
"""First rows, largest rows, and reasons that are shown."""

REASONS_COUNTED_MAX: Final = 10_000
"""Different reasons that are counted: bounds memory in a file where each row has its own."""

_REASON_CHARS_MAX: Final = 120


class PreviewCollector:
    """Collects of the accepted rows of one file what its approver sees."""

    def __init__(self) -> None:
        self.first: list[PreviewRow] = []
        self._largest: list[tuple[Decimal, PreviewRow]] = []
        self._smallest_shown = -1.0
        self._reasons = Counter[str]()
        self._has_more_reasons = False

    def add(self, part: ValidatedRows) -> None:
        """Add the accepted rows of the next part."""
        if len(self.first) < ROWS_MAX:
            more = min(ROWS_MAX - len(self.first), len(part.lines))
            self.first += [_row_at(part, place) for place in range(more)]
        self._count(part)
        self._find_largest(part)

    @property
    def largest(self) -> list[PreviewRow]:
        """The rows with the largest amounts, whatever their signs; of equal ones, the first."""
        return [row for _, row in self._largest]

    @property
    def reasons(self) -> list[PreviewReason]:
        """The most frequent reasons."""
        most = self._reasons.most_common(ROWS_MAX)
        return [PreviewReason(reason=reason[:_REASON_CHARS_MAX], rows=rows) for reason, rows in most]

    @property
    def has_more_reasons(self) -> bool:
        """Whether there are others than ``reasons``."""
        return self._has_more_reasons or len(self._reasons) > ROWS_MAX

    def _count(self, part: ValidatedRows) -> None:
        if len(self._reasons) < REASONS_COUNTED_MAX:
            self._reasons.update(part.reasons)
            return
        known = [reason for reason in part.reasons if reason in self._reasons]
        self._has_more_reasons |= len(known) < len(part.reasons)
        self._reasons.update(known)

    def _find_largest(self, part: ValidatedRows) -> None:
        """Compare each different amount once: most rows have few, and most parts nothing that is larger."""
        sizes = {amount: abs(float(amount)) for amount in set(part.amounts)}
        wanted = {amount for amount, size in sizes.items() if size > self._smallest_shown}
        if not wanted:
            return
        places = _first_places(part, wanted)
        more = [(abs(Decimal(part.amounts[place])), _row_at(part, place)) for place in places]
        found = [*self._largest, *more]
        found.sort(key=lambda pair: (-pair[0], pair[1].line))
        self._largest = found[:ROWS_MAX]
        if len(self._largest) == ROWS_MAX:
            # A row that is only as large comes later in the file, and is not shown.
            self._smallest_shown = float(self._largest[-1][0])


def _row_at(part: ValidatedRows, place: int) -> PreviewRow:
    return PreviewRow(
        line=part.lines[place],
        customer_id=part.customer_ids[place],
        amount=part.amounts[place],
        reason=part.reasons[place][:_REASON_CHARS_MAX],
    )


def _first_places(part: ValidatedRows, wanted: Set[str]) -> Iterator[int]:
    """The first places of each wanted amount: no more of one are shown."""
    shown = Counter[str]()
    for place, amount in enumerate(part.amounts):
        if amount in wanted and shown[amount] < ROWS_MAX:
            shown[amount] += 1
            yield place
