"""What the page shows of a batch's rows: exact sums, and the problems grouped by reason.

It is collected while the rows stream by, in bounded memory however large the file is.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from adjustments.batches.states import Outcome
from adjustments.core.decimals import exact_sum, exact_sum_of_many

REASONS_MAX: Final = 1_000
"""Reasons that get a group of their own; rows with yet another reason are counted together."""

AMOUNTS_MAX: Final = 1_000
"""Different amounts that are counted before they are added up: equal ones are added in one step."""

EXAMPLES_MAX: Final = 5
"""Example rows per reason."""

OTHER: Final = "other reasons"

_ORDER: Final = (Outcome.IN_DOUBT, Outcome.FAILED, Outcome.REJECTED, Outcome.NOT_SUBMITTED)
_POSITION: Final = r'^line \d+(?:, column ("[^"]*"))?: '
_QUOTED: Final = r'"[^"]*"'
_WITH_DIGIT: Final = r"[^\s()\[\];:,]*\d[^\s()\[\];:]*"
_PARTICULAR: Final = f"({_QUOTED}|{_WITH_DIGIT}|…)"
_TEXT_CHARS_MAX: Final = 300
"""Of a message that is compared and shown; Gameball's may have any length."""
_ID_CHARS_MIN: Final = 4


class ExampleRow(NamedTuple):
    """The part of a row that the page shows."""

    line: int
    customer_id: str
    amount: str
    message: str


@dataclass
class ProblemGroup:
    """Rows with one outcome and one reason.

    ``reason`` is the message itself where all rows have the same (``is_shared``), else the part that their
    messages have in common; ``common`` is that part in pieces, of which every second one may differ by row.
    """

    outcome: Outcome
    reason: str
    rows: int = 0
    common: Sequence[str] = ()
    examples: list[ExampleRow] = field(default_factory=list)
    is_shared: bool = True


class RowsView:
    """Collects what the page shows of the rows."""

    def __init__(self) -> None:
        self._added = Decimal(0)
        self._deducted = Decimal(0)
        self._amounts: Counter[str] = Counter()
        self._groups: dict[tuple[Outcome, str], ProblemGroup] = {}

    @property
    def added(self) -> Decimal:
        """The exact sum of the amounts above zero."""
        self._add_up()
        return self._added

    @property
    def deducted(self) -> Decimal:
        """The exact sum of the amounts below zero."""
        self._add_up()
        return self._deducted

    def add_amount(self, amount: str) -> None:
        """Add the amount of a row that was applied, or, in a dry run, would be."""
        self._amounts[amount] += 1
        if len(self._amounts) >= AMOUNTS_MAX:
            self._add_up()

    def _add_up(self) -> None:
        deducted = {amount: times for amount, times in self._amounts.items() if amount.startswith("-")}
        total, below = exact_sum_of_many(self._amounts), exact_sum_of_many(deducted)
        self._deducted = exact_sum([self._deducted, below])
        self._added = exact_sum([self._added, total, -below])
        self._amounts.clear()

    def add_problem(self, outcome: Outcome, row: ExampleRow) -> None:
        """Add a row that was not applied, or may not have been."""
        column, message = _column_and_rest(row.message[:_TEXT_CHARS_MAX])
        nameless = _without_customer(row.customer_id, message)
        key = (outcome, column + _pattern_of(nameless))
        if key not in self._groups and len(self._groups) >= REASONS_MAX:
            key = (outcome, OTHER)
        pieces = re.split(_PARTICULAR, nameless)
        group = self._groups.setdefault(key, ProblemGroup(outcome, column + message, common=pieces))
        group.rows += 1
        group.common = _common_pieces(group.common, pieces)
        if not group.is_shared or group.reason != column + message:
            group.reason = column + "".join(group.common) if group.common else key[1]
            group.is_shared = False
        if len(group.examples) < EXAMPLES_MAX:
            group.examples.append(row._replace(message=message))

    def groups(self, groups_max: int) -> list[ProblemGroup]:
        """The groups, worst outcome and most rows first; those past the limit become one per outcome."""
        ordered = sorted(self._groups.values(), key=lambda group: (_ORDER.index(group.outcome), -group.rows))
        if len(ordered) <= groups_max:
            return ordered
        kept = {id(group) for group in sorted(ordered, key=lambda group: -group.rows)[:groups_max]}
        rest: Counter[Outcome] = Counter()
        for group in ordered:
            if id(group) not in kept:
                rest[group.outcome] += group.rows
        shown = [group for group in ordered if id(group) in kept]
        return shown + [ProblemGroup(outcome, OTHER, rest[outcome]) for outcome in _ORDER if rest[outcome]]


@lru_cache(maxsize=1_024)
def _pattern_of(message: str) -> str:
    """A message without what differs by row: quoted text and numbers."""
    return re.sub(_WITH_DIGIT, "…", re.sub(_QUOTED, "…", message))


def _common_pieces(some: Sequence[str], others: Sequence[str]) -> Sequence[str]:
    """The pieces that two messages share, dots for the others; empty where they are built differently."""
    if some == others:
        return some
    if len(some) != len(others) or some[::2] != others[::2]:
        return []
    return [one if one == other else "…" for one, other in zip(some, others, strict=True)]


def _column_and_rest(message: str) -> tuple[str, str]:
    """Split the position that intake puts before a message into its column and the message."""
    found = re.match(_POSITION, message)
    if not found:
        return "", message
    return f"column {found[1]}: " if found[1] else "", message[found.end() :]


def _without_customer(customer_id: str, message: str) -> str:
    """A message without the customer's id; an id of few letters is left, since it may be part of any word."""
    return message.replace(customer_id, "…") if len(customer_id) >= _ID_CHARS_MIN else message
