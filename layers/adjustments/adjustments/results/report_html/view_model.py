"""What the page tells of a batch's rows, collected while they stream by: the memory that it takes is bounded
however large the file is.
"""

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from adjustments.batches.records import Outcome
from adjustments.core.decimals import exact_sum, exact_sum_of_many

KINDS_MAX: Final = 1_000
"""Reasons that are told apart; rows with yet another one are counted together."""

AMOUNTS_MAX: Final = 1_000
"""Different amounts that are counted before they are added up: equal ones are added at once."""

EXAMPLES_MAX: Final = 5
"""Rows of one reason that are shown."""

OTHER: Final = "other reasons"

_ORDER: Final = (Outcome.IN_DOUBT, Outcome.FAILED, Outcome.REJECTED, Outcome.NOT_SUBMITTED)
_PLACE: Final = r'^line \d+(?:, column ("[^"]*"))?: '
_QUOTED: Final = r'"[^"]*"'
_WITH_DIGIT: Final = r"[^\s()\[\];:,]*\d[^\s()\[\];:]*"
_PARTICULAR: Final = f"({_QUOTED}|{_WITH_DIGIT}|…)"
_TEXT_CHARS_MAX: Final = 300
"""Of a message; Gameball's may be of any length."""
_ID_CHARS_MIN: Final = 4


class Example(NamedTuple):
    """A row, as far as the page shows it."""

    line: int
    customer_id: str
    amount: str
    message: str


class Group:
    """Rows with one outcome and one reason.

    ``reason`` is the rows' own message where they share it, else what their messages have in common;
    ``common`` is that in pieces, of which each second one may be particular to a row.
    """

    def __init__(self, outcome: Outcome, reason: str, rows: int = 0, common: Sequence[str] = ()) -> None:
        self.outcome = outcome
        self.reason = reason
        self.rows = rows
        self.examples: list[Example] = []
        self.is_shared = True
        self.common = common


class RowsView:
    """What the page tells of the rows."""

    def __init__(self) -> None:
        self._added = Decimal(0)
        self._deducted = Decimal(0)
        self._applied: Counter[str] = Counter()
        self._groups: dict[tuple[Outcome, str], Group] = {}

    @property
    def added(self) -> Decimal:
        """The exact sum of the applied amounts above zero."""
        self._add_up()
        return self._added

    @property
    def deducted(self) -> Decimal:
        """The exact sum of the applied amounts below zero."""
        self._add_up()
        return self._deducted

    def add_applied(self, amount: str) -> None:
        """Take in a row that was applied."""
        self._applied[amount] += 1
        if len(self._applied) >= AMOUNTS_MAX:
            self._add_up()

    def _add_up(self) -> None:
        deducted = {amount: times for amount, times in self._applied.items() if amount.startswith("-")}
        total, below = exact_sum_of_many(self._applied), exact_sum_of_many(deducted)
        self._deducted = exact_sum([self._deducted, below])
        self._added = exact_sum([self._added, total, -below])
        self._applied.clear()

    def add_problem(self, outcome: Outcome, row: Example) -> None:
        """Take in a row that was not applied, or may not have been."""
        column, message = _place_and_rest(row.message[:_TEXT_CHARS_MAX])
        nameless = _without(row.customer_id, message)
        key = (outcome, column + kind_of(nameless))
        if key not in self._groups and len(self._groups) >= KINDS_MAX:
            key = (outcome, OTHER)
        pieces = re.split(_PARTICULAR, nameless)
        group = self._groups.setdefault(key, Group(outcome, column + message, common=pieces))
        group.rows += 1
        group.common = _in_common(group.common, pieces)
        if not group.is_shared or group.reason != column + message:
            group.reason = column + "".join(group.common) if group.common else key[1]
            group.is_shared = False
        if len(group.examples) < EXAMPLES_MAX:
            group.examples.append(row._replace(message=message))

    def groups(self, groups_max: int) -> list[Group]:
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
        return shown + [Group(outcome, OTHER, rest[outcome]) for outcome in _ORDER if rest[outcome]]


@lru_cache(maxsize=1_024)
def kind_of(message: str) -> str:
    """A message without what is particular to its row: quoted text and numbers."""
    return re.sub(_WITH_DIGIT, "…", re.sub(_QUOTED, "…", message))


def _in_common(some: Sequence[str], others: Sequence[str]) -> Sequence[str]:
    """The pieces that two messages share, dots for the others; none where they are not built alike."""
    if some == others:
        return some
    if len(some) != len(others) or some[::2] != others[::2]:
        return []
    return [one if one == other else "…" for one, other in zip(some, others, strict=True)]


def _place_and_rest(message: str) -> tuple[str, str]:
    """Take the place apart that intake puts before a complaint: its column, and the complaint."""
    found = re.match(_PLACE, message)
    if not found:
        return "", message
    return f"column {found[1]}: " if found[1] else "", message[found.end() :]


def _without(customer_id: str, message: str) -> str:
    """A message without the customer that it names; an id of few letters may be part of any word."""
    return message.replace(customer_id, "…") if len(customer_id) >= _ID_CHARS_MIN else message
