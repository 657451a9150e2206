"""Settles rows in doubt whose outcome is known now, by evidence or from a person, and updates the results."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from adjustments.batches.batch_parts import Reconciliation, Resolution
from adjustments.batches.files import Files
from adjustments.batches.outcomes import RowOutcome, settlement_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import Outcome
from adjustments.batches.store import BatchStore
from adjustments.core.errors import WrongState
from adjustments.core.runtime import Clock
from adjustments.polling.settlement import ChunkSettler
from adjustments.results.result_rows import ResultRows

if TYPE_CHECKING:
    from adjustments.results.report_writer import ReportWriter

_LINES_SHOWN: Final = 10
_OUTCOMES: Final = {"applied": Outcome.APPLIED, "not_applied": Outcome.FAILED}


class ResolveRequest(BaseModel):
    """What a person says became of rows in doubt: of the given lines, or of all of them if there are none."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    outcome: Literal["applied", "not_applied"] = Field(description="applied or not_applied")
    lines: tuple[StrictInt, ...] = ()
    note: str = Field("", max_length=500)


@dataclass(frozen=True, kw_only=True)
class Resolver:
    """Settles rows in doubt of batches that need attention."""

    store: BatchStore
    files: Files
    settler: ChunkSettler
    reporter: "ReportWriter"
    clock: Clock

    def settle_rows(self, batch: Batch, chunk: Chunk, known: Mapping[int, RowOutcome]) -> int:
        """Settle those rows of a chunk that are in doubt and whose outcome is known now.

        Args:
            batch: the batch, which needs attention.
            chunk: one of its chunks.
            known: outcomes by the row's position in the chunk; rows that are not in doubt are left alone.

        Returns:
            How many rows were settled.
        """
        before = self.settler.outcomes(batch, chunk)
        after = [
            known[position] if row.outcome is Outcome.IN_DOUBT and position in known else row
            for position, row in enumerate(before)
        ]
        changed = sum(old != new for old, new in zip(before, after, strict=True))
        if changed:
            settlement = settlement_of(self.settler.rows(chunk), after)
            self.settler.settle(batch, chunk, settlement, chunk.job_state)
        return changed

    def resolve(self, batch_id: str, by: str, request: ResolveRequest) -> tuple[Batch, int]:
        """Settle rows in doubt as a person says.

        Args:
            batch_id: the batch.
            by: who says so.
            request: the rows, their outcome and why.

        Returns:
            The batch after that, and how many rows were settled.

        Raises:
            WrongState: nothing was settled: the batch has no row in doubt, or a given line is not in doubt.
        """
        batch = self.store.batch(batch_id)
        batch.check_resolvable()
        rows = self._settle_lines(batch, by, request)
        return self.finish(batch_id, by, request.note, rows), rows

    def _settle_lines(self, batch: Batch, by: str, request: ResolveRequest) -> int:
        lines = frozenset(request.lines)
        positions = self._in_doubt(batch, lines)
        found = {line for of_chunk in positions.values() for line in of_chunk.values()}
        if missing := sorted(lines - found):
            shown = ", ".join(map(str, missing[:_LINES_SHOWN]))
            raise WrongState(f"lines: these are not in doubt: {shown}; results.csv shows which lines are")
        message = _message_for(by, self.clock.now(), request.note)
        outcome = RowOutcome(_OUTCOMES[request.outcome], message)
        chunks = {chunk.chunk_id: chunk for chunk in self.store.chunks(batch.batch_id, batch.plan_id)}
        return sum(
            self.settle_rows(batch, chunks[chunk_id], dict.fromkeys(of_chunk, outcome))
            for chunk_id, of_chunk in positions.items()
        )

    def _in_doubt(self, batch: Batch, lines: frozenset[int]) -> dict[str, dict[int, int]]:
        """Find rows in doubt, all or those of some lines: their lines, by chunk and position in the chunk."""
        chunks = self.store.chunks(batch.batch_id, batch.plan_id)
        found: dict[str, dict[int, int]] = {}
        for result in ResultRows(self.files, self.settler, batch, chunks).rows():
            if result.outcome is Outcome.IN_DOUBT and (not lines or result.row.line in lines):
                found.setdefault(result.chunk_id, {})[result.position] = result.row.line
        return found

    def finish(
        self, batch_id: str, by: str, note: str, rows: int, reconciliation: Reconciliation | None = None
    ) -> Batch:
        """Regenerate the results after rows were settled, and record who settled them and why.

        Args:
            batch_id: the batch.
            by: who settled the rows.
            note: why.
            rows: how many rows were settled.
            reconciliation: the state of reconciliation, where it has changed.
        """
        batch = self._resolvable(batch_id, reconciliation)
        resolution = Resolution(at=self.clock.now(), by=by, note=note, rows=rows)
        return self.reporter.report_again(batch, resolution)

    def write_progress(self, batch_id: str, reconciliation: Reconciliation) -> Batch:
        """Regenerate the results after customers were looked up and no row was settled."""
        return self.reporter.report_again(self._resolvable(batch_id, reconciliation))

    def _resolvable(self, batch_id: str, reconciliation: Reconciliation | None) -> Batch:
        batch = self.store.batch(batch_id)
        batch.check_resolvable()
        return batch if reconciliation is None else batch.replaced(reconciliation=reconciliation)


def _message_for(by: str, at: datetime, note: str) -> str:
    """The message of a row that a person resolved, for the results."""
    message = f"resolved by {by} on {at:%Y-%m-%d}"
    return f"{message}: {note}" if note else message
