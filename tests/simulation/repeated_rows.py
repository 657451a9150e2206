"""Rows of one batch that another one has: none is applied twice unless a person said so, or its name does.

Nothing here uses the code that it checks: rows are compared as they stand in the files.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from adjustments.batches.records import Batch
from tests.simulation.model import Entry
from tests.simulation.scenario import File
from tests.simulation.scheduler import Violation

HELD_FROM_PERCENT, HELD_FROM_ROWS = 5, 50
TOKEN: Final = re.compile(r" ?\[#[0-9a-z]{10}\]$")

Row = tuple[str, Decimal, str]
"""Customer, amount and reason, with the file's own transactionId where it has one."""


def rows_of(file: File) -> Counter[Row]:
    """The rows of a file that may be sent."""
    if file.is_refused:
        return Counter()
    return Counter((row.customer, Decimal(row.amount), row.identity) for row in file.rows if not row.is_bad)


def is_repetition(file: File) -> bool:
    """Whether a file is named as one whose rows are meant to be applied again."""
    is_named = file.is_named or file.key.startswith("recurring/")
    allows = file.metadata.get("allow-duplicate") == "true" and not file.is_copy
    return is_named or allows or bool(file.reverses)


class RepeatedRows:
    """Sees each batch that is created, and each line of the ledger.

    Args:
        batches: the batches as they stand, in the order in which they were created.
        file_of: the file that a batch was made of.
        files: every file that was dropped so far.
    """

    def __init__(
        self,
        batches: Mapping[str, Batch],
        file_of: Callable[[Batch], File],
        files: Mapping[tuple[str, str], File],
    ) -> None:
        self._batches = batches
        self._file_of = file_of
        self._files = files
        self._applied: dict[Row, list[str]] = {}
        self.missed: set[tuple[str, str]] = set()
        """Objects, by key and version, that the sweep found. Without their event nobody knows whether they
        are copies, so they carry no permission to repeat rows.
        """

    def is_held(self, batch: Batch, file: File) -> bool:
        """Whether a batch says that it waits for its rows; they must be rows of other files, and enough."""
        if batch.overlap is None or batch.overlap.new_rows is None:
            return False
        if is_repetition(file) and not self.is_missed(batch):
            raise Violation("named repetitions are not held", batch.batch_id)
        if batch.overlap.rows > self._rows_of_others(batch, file).total():
            raise Violation(
                "a hold is true", f"{batch.batch_id}: {batch.overlap.rows} rows are in no other file"
            )
        if not is_enough(batch.overlap.rows, rows_of(file).total()):
            raise Violation("a hold is true", f"{batch.batch_id} waits for {batch.overlap.rows} rows")
        return True

    def is_missed(self, batch: Batch) -> bool:
        """Whether the sweep found the object of a batch, and perhaps planned it without its permission."""
        return (batch.source.key, batch.source.version_id) in self.missed

    def in_common(self, batch: Batch, file: File) -> int:
        """How many rows a file has in common with all others."""
        return self._rows_of_others(batch, file).total()

    def check_new_rows(self, batch: Batch, new: File, *, is_fault_free: bool) -> None:
        """What new-rows.csv leaves out has to be in other files, and it holds nothing else.

        With faults, a planner that came second may have written it with what it saw itself.
        """
        file = self._file_of(batch)
        left_out = rows_of(file) - rows_of(new)
        expected = rows_of(file).total() - (batch.overlap.rows if batch.overlap else 0)
        if is_fault_free and rows_of(new).total() != expected:
            raise Violation(
                "new rows are all there", f"{batch.batch_id}: {expected}, not {rows_of(new).total()}"
            )
        if rows_of(new) - rows_of(file) or left_out - self._rows_of_others(batch, file):
            raise Violation("new rows are all there", f"{batch.batch_id}: {rows_of(new)}")

    def applied(self, entry: Entry, identity: str) -> None:
        """A row was applied: those that applied it before, or this one, must be allowed to repeat it."""
        row = (entry.customer, entry.amount, TOKEN.sub("", identity))
        earlier = self._applied.setdefault(row, [])
        for batch_id in earlier:
            if batch_id != entry.batch_id:
                self._check_pair(batch_id, entry.batch_id, row)
        earlier.append(entry.batch_id)

    def _check_pair(self, one: str, other: str, row: Row) -> None:
        order = [batch_id for batch_id in self._batches if batch_id in (one, other)]
        first, second = (self._batches[batch_id] for batch_id in order)
        saw_second = first.overlap is not None and any(
            seen.batch_id == second.batch_id for seen in first.overlap.batches
        )
        if not (self._may_repeat(second) or (saw_second and self._may_repeat(first))):
            raise Violation("no row is applied twice unnoticed", f"{row} by {order[0]} and {order[1]}")

    def _may_repeat(self, batch: Batch) -> bool:
        file = self._file_of(batch)
        if is_repetition(file) or (
            batch.overlap and batch.overlap.new_rows is not None and batch.approved_by
        ):
            return True
        return batch.overlap is not None and not is_enough(batch.overlap.rows, rows_of(file).total())

    def _rows_of_others(self, batch: Batch, file: File) -> Counter[Row]:
        """What a file has in common with all others together; each drop of a file counts."""
        place = (batch.source.key, batch.source.version_id)
        others: Counter[Row] = Counter()
        for key, other in self._files.items():
            if key != place:
                times = 2 if other.key.startswith("recurring/") else 1
                others.update({row: count * times for row, count in rows_of(other).items()})
        own = rows_of(file)
        if file.key.startswith("recurring/"):
            others.update(own)
        return own & others


def is_enough(overlap: int, rows: int) -> bool:
    return overlap >= HELD_FROM_ROWS or overlap * 100 >= HELD_FROM_PERCENT * rows
