"""Describes a planned file to people: what an approver sees of its rows; how it was read and will be sent."""

from collections import Counter
from collections.abc import Iterator, Set
from datetime import timedelta
from decimal import Decimal
from typing import Final

from adjustments.batches.batch_parts import Preview, PreviewReason, PreviewRow
from adjustments.batches.work_files import ValidatedRows
from adjustments.core.decimals import plain
from adjustments.core.printable import shown
from adjustments.submission.csv.reader import FileFormat, ReadOptions
from adjustments.submission.guards import LookAlikes, Totals
from adjustments.submission.plan import PlanRules

ROWS_MAX: Final = 5
"""First rows, largest rows, and reasons that are shown."""

REASONS_COUNTED_MAX: Final = 10_000
"""Different reasons that are counted: bounds memory in a file where each row has its own."""

IGNORED_COLUMNS_SHOWN_MAX: Final = 20
"""Ignored columns that the summary names."""

_REASON_CHARS_MAX: Final = 120
_MINUTE_S: Final = 60
_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


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

    def preview(self, totals: Totals, customers: int) -> Preview:
        """All of it.

        Args:
            totals: what the rows add up to.
            customers: how many customers they are for.
        """
        return Preview(
            added=plain(totals.added),
            deducted=plain(totals.deducted),
            customers=customers,
            first=tuple(self.first),
            largest=tuple(self.largest),
            reasons=tuple(self.reasons),
            has_more_reasons=self.has_more_reasons,
        )

    def _count(self, part: ValidatedRows) -> None:
        if len(self._reasons) < REASONS_COUNTED_MAX:
            self._reasons.update(part.reasons)
            return
        known = [reason for reason in part.reasons if reason in self._reasons]
        self._has_more_reasons |= len(known) < len(part.reasons)
        self._reasons.update(known)

    def _find_largest(self, part: ValidatedRows) -> None:
        """Compare each different amount once: most rows have few, and most parts nothing that is larger."""
        wanted = {amount for amount in set(part.amounts) if abs(float(amount)) > self._smallest_shown}
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


def notes_on_format(file_format: FileFormat, options: ReadOptions) -> Iterator[str]:
    """What a person should know of how the file was read."""
    encoding = file_format.encoding
    if encoding == options.encoding and encoding != "utf-8":
        encoding += (
            " (DefaultEncoding)" if encoding == options.default_encoding else " (as the metadata says)"
        )
    else:
        encoding = encoding.upper()
    yield f"encoding: {encoding}; delimiter: {_DELIMITERS[file_format.delimiter]}"
    if options.columns:
        named = ", ".join(f"{role} = {shown(heading)}" for role, heading in options.columns.items())
        yield f"columns as the metadata names them: {named}"
    if file_format.ignored_columns:
        names = ", ".join(map(shown, file_format.ignored_columns[:IGNORED_COLUMNS_SHOWN_MAX]))
        more = len(file_format.ignored_columns) - IGNORED_COLUMNS_SHOWN_MAX
        yield f"ignored columns: {names}" + (f" and {more} more" if more > 0 else "")


def notes_on_rows(repeated_rows: int, look_alikes: LookAlikes) -> Iterator[str]:
    """What a person should know of the rows.

    Args:
        repeated_rows: rows with the customer, amount and reason of an earlier one.
        look_alikes: the customer ids that look alike.
    """
    if repeated_rows:
        rows = "1 row has" if repeated_rows == 1 else f"{repeated_rows:,} rows have"
        yield f"{rows} the same customer, amount and reason as an earlier row of the file"
    yield from look_alikes.notes()


def sending_note(
    options: ReadOptions, file_format: FileFormat, rows: int, requests: int, rules: PlanRules
) -> str:
    """How a file is sent, how long that takes at the rate limit, and what its amounts are.

    Args:
        options: how it was read.
        file_format: how it was found to be.
        rows: rows that would be sent.
        requests: requests in which they are, if sent as a batch.
        rules: the rate limit.
    """
    counted = _number_of(rows, "row")
    if not options.are_transactions:
        time = _describe_time(rules.time_at_limit(requests))
        return (
            f"sent as a batch: {counted} in {_number_of(requests, 'request')}, about {time} at the rate limit"
        )
    why = ""
    if options.because:
        columns = "column" if len(options.because) == 1 else "columns"
        why = f" because of the {columns} {', '.join(map(shown, options.because))}"
    time = _describe_time(rules.time_at_limit(rows))
    return f"sent as transactions{why}: {counted}, about {time} at the rate limit; {file_format.units}"


def _describe_time(time: timedelta) -> str:
    """A duration as people say it: "20 seconds", "6 minutes", "2 hours 10 minutes"."""
    seconds = max(1, round(time.total_seconds()))
    if seconds < _MINUTE_S:
        return _number_of(seconds, "second")
    hours, minutes = divmod(round(seconds / _MINUTE_S), _MINUTE_S)
    parts = [_number_of(count, unit) for count, unit in ((hours, "hour"), (minutes, "minute")) if count]
    return " ".join(parts)


def _number_of(count: int, unit: str) -> str:
    return f"{count:,} {unit}" if count == 1 else f"{count:,} {unit}s"
