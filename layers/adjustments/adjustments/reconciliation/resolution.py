"""Settles rows in doubt by a verdict, of the evidence or of a person, and writes the results anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from adjustments.batches.files import Files
from adjustments.batches.outcomes import RowOutcome, settlement_of
from adjustments.batches.records import Batch, Chunk, Outcome, Reconciliation, Resolution
from adjustments.batches.store import BatchStore
from adjustments.core.errors import WrongState
from adjustments.core.runtime import Clock
from adjustments.polling.settlement import ChunkSettler
from adjustments.reconciliation.evidence import Evidence
from adjustments.results.report_writer import ReportWriter
from adjustments.results.result_rows import ResultRows

if TYPE_CHECKING:
    from adjustments.reconciliation.decisions import Resolve

_OUTCOMES: Final = {Evidence.APPLIED: Outcome.APPLIED, Evidence.NOT_APPLIED: Outcome.FAILED}

Verdicts = Mapping[int, Evidence]
"""What is now known of a chunk's rows, by their place in the chunk."""


@dataclass(frozen=True, kw_only=True)
class Resolver:
    """Turns rows in doubt into rows that are known."""

    store: BatchStore
    files: Files
    settler: ChunkSettler
    reporter: ReportWriter
    clock: Clock

    def settle_rows(self, batch: Batch, chunk: Chunk, verdicts: Verdicts, message: str) -> int:
        """Settle the rows of a chunk that are in doubt and on which there is a verdict; how many those were.

        Args:
            batch: the batch, which needs attention.
            chunk: one of its chunks.
            verdicts: what is known; a row that is not in doubt is left alone.
            message: why it is known, for the results.
        """
        before = self.settler.outcomes(batch, chunk)
        after = [
            RowOutcome(_OUTCOMES[verdict], message)
            if row.outcome is Outcome.IN_DOUBT and (verdict := verdicts.get(place)) in _OUTCOMES
            else row
            for place, row in enumerate(before)
        ]
        changed = sum(old != new for old, new in zip(before, after, strict=True))
        if changed:
            settlement = settlement_of(self.settler.rows(chunk), after)
            self.settler.settle(batch, chunk, settlement, chunk.job_state)
        return changed

    def resolve(self, batch_id: str, verdict: "Resolve") -> tuple[Batch, int]:
        """Settle rows in doubt by a person's word; the batch as it stands then, and how many rows those were.

        Raises WrongState where the batch has nothing to resolve, or a line is named that is not in doubt.
        """
        batch = self.store.batch(batch_id)
        batch.check_resolvable()
        rows = self._settle_lines(batch, verdict, self.clock.now())
        return self.finish(batch_id, verdict.by, verdict.note, rows), rows

    def _settle_lines(self, batch: Batch, verdict: "Resolve", now: datetime) -> int:
        """Settle the rows that a person speaks of, all in doubt or the lines named; how many those were.

        Raises WrongState, and settles nothing, where a line is named that is not in doubt.
        """
        found = self._in_doubt(batch, verdict.lines)
        if missing := sorted(verdict.lines - {line for lines in found.values() for line in lines.values()}):
            named = ", ".join(map(str, missing[:10]))
            raise WrongState(f"lines: these are not in doubt: {named}; results.csv says which are")
        message = message_for(verdict.by, now, verdict.note)
        chunks = {chunk.chunk_id: chunk for chunk in self.store.chunks(batch.batch_id, batch.plan_id)}
        return sum(
            self.settle_rows(batch, chunks[chunk_id], dict.fromkeys(places, verdict.finding), message)
            for chunk_id, places in found.items()
        )

    def _in_doubt(self, batch: Batch, lines: frozenset[int]) -> dict[str, dict[int, int]]:
        """The places in their chunks, and the lines, of the rows in doubt that are meant."""
        chunks = self.store.chunks(batch.batch_id, batch.plan_id)
        found: dict[str, dict[int, int]] = {}
        for result in ResultRows(self.files, self.settler, batch, chunks).rows():
            if result.outcome is Outcome.IN_DOUBT and (not lines or result.row.line in lines):
                found.setdefault(result.chunk_id, {})[result.place] = result.row.line
        return found

    def finish(
        self, batch_id: str, by: str, note: str, rows: int, reconciliation: Reconciliation | None = None
    ) -> Batch:
        """Write the results anew after rows were settled, and note who settled them and why.

        ``reconciliation`` says how far the search for evidence is, where that has changed.
        """
        batch = self._resolvable(batch_id, reconciliation)
        resolution = Resolution(at=self.clock.now(), by=by, note=note, rows=rows)
        return self.reporter.report_again(batch, resolution)

    def write_progress(self, batch_id: str, reconciliation: Reconciliation) -> Batch:
        """Write the results anew where only the search for evidence has come further."""
        return self.reporter.report_again(self._resolvable(batch_id, reconciliation))

    def _resolvable(self, batch_id: str, reconciliation: Reconciliation | None) -> Batch:
        batch = self.store.batch(batch_id)
        batch.check_resolvable()
        return batch if reconciliation is None else batch.replaced(reconciliation=reconciliation)


def message_for(by: str, at: datetime, note: str) -> str:
    """Say in the results who settled a row."""
    told = f"resolved by {by} on {at:%Y-%m-%d}"
    return f"{told}: {note}" if note else told
