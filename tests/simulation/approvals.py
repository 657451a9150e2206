"""Which batches need an approval: for their size, alone and together with those of the last 24 hours.

Nothing here uses the code that it checks.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from adjustments.batches.records import Batch
from tests.simulation.repeated_rows import RepeatedRows, is_enough, rows_of
from tests.simulation.scenario import File
from tests.simulation.scheduler import Violation

DAY: Final = timedelta(hours=24)


class Approvals:
    """Sees each batch that is created, in the order of their writes.

    Args:
        rows_max: rows above which a person has to approve; 0 for any number.
        repeated_rows: the rows that batches have in common.
    """

    def __init__(self, rows_max: int, repeated_rows: RepeatedRows) -> None:
        self._rows_max = rows_max
        self._repeated_rows = repeated_rows
        self._unapproved: list[tuple[datetime, int]] = []

    def is_needed(self, batch: Batch, file: File) -> bool:
        """Whether a batch needs an approval; one that needs none counts for a day."""
        is_held = self._repeated_rows.is_held(batch, file)
        if not self._rows_max or file.is_dry_run:
            return is_held
        rows = rows_of(file).total()
        if self._is_held_repetition(batch, file) or is_held or rows > self._rows_max:
            return True
        at = _planned_at(batch, file)
        earlier = sum(one for time, one in self._unapproved if time > at - DAY)
        if rows and rows + earlier > self._rows_max:
            return True
        self._unapproved.append((at, rows))
        return False

    def _is_held_repetition(self, batch: Batch, file: File) -> bool:
        """Whether it waits though its metadata allow duplicates; it must where it has enough of them."""
        is_told = any(why.startswith("allow-duplicate: ") for why in batch.held_by)
        is_allowed = file.metadata.get("allow-duplicate") == "true" and not file.is_copy
        is_named = file.is_named or file.key.startswith("recurring/") or bool(file.reverses)
        if is_told and (is_named or not is_allowed):
            raise Violation("named repetitions are not held", batch.batch_id)
        if is_told and not self._repeated_rows.in_common(batch, file):
            raise Violation("a hold is true", f"{batch.batch_id} has no row of another file")
        overlap = batch.overlap.rows if batch.overlap else 0
        if is_allowed and not is_named and overlap and is_enough(overlap, rows_of(file).total()):
            return is_told or self._repeated_rows.is_missed(batch)
        return is_told


def _planned_at(batch: Batch, file: File) -> datetime:
    """When a batch was planned; a tick counts from the time when it was due, which is in its id."""
    if not file.key.startswith("recurring/"):
        return batch.created_at
    return datetime.strptime(batch.batch_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
