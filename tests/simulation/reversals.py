"""A person who reverses batches: requests the file, perhaps while the batch is reconciled, and drops it."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from adjustments.batches.records import Batch
from adjustments.core.errors import WrongState
from tests.simulation.checks import FINAL, fail
from tests.simulation.clients import Invoke
from tests.simulation.model import Entry
from tests.simulation.scenario import File, InputRow, read_columns
from tests.simulation.world import SimulatedWorld

REVERSES_AT_S: Final = (100.0, 2000.0, 8000.0, 20_000.0)
"""When the person looks for batches to reverse: some are being reconciled, some were reversed before."""

FILES_MAX: Final = 6
"""Reversals that are dropped in one life."""


@dataclass
class Reverser:
    """Requests reversals and drops them, some twice, and checks their effect."""

    world: SimulatedWorld
    invoke: Invoke
    drop: Callable[[File], None]
    wait: Callable[[int], None]
    files: int = 0
    _reversed: Counter[tuple[str, str, Decimal]] = field(default_factory=Counter)

    def begin(self) -> None:
        """Schedule when the person looks for batches."""
        for at_s in REVERSES_AT_S:
            self.wait(+1)
            self.world.scheduler.after(
                at_s * (0.5 + self.world.injector.random.random()), self._reverse_and_end
            )

    def _reverse_and_end(self) -> None:
        self.reverse_batches()
        self.wait(-1)

    def reverse_batches(self) -> None:
        """Request a reversal."""
        for batch in list(self.world.checker.batches.values()):
            is_reversal = bool(self.world.checker.file_of(batch).reverses)
            if batch.status.value in FINAL and batch.counts.applied and not is_reversal:
                self._request(batch.batch_id)

    def _request(self, batch_id: str) -> None:
        self.wait(+1)

        def request() -> Mapping[str, Any] | None:
            with suppress(WrongState):  # it was reversed meanwhile: the person is answer so
                return self.world.services.administration.reverse(batch_id)
            return None

        def done(is_good: bool, answer: Mapping[str, Any] | None) -> None:
            if is_good and answer is not None:
                rng = self.world.injector.random
                for _ in range(rng.choice((1, 1, 2))):
                    self.wait(+1)
                    delay_s = rng.choice((0.0, 0.0, 3.0, 60.0, 6000.0))
                    self.world.scheduler.after(delay_s, lambda: self._drop(batch_id, answer["key"]))
            self.wait(-1)

        self.invoke("batch_api", request, 30.0, done)

    def _drop(self, batch_id: str, key: str) -> None:
        """Fetch the file by its link, as it is by now, and drop it."""
        self.wait(-1)
        if self.files == FILES_MAX:
            return
        self.files += 1
        records = list(csv.reader(io.StringIO(self.world.checker.read_file(key).decode())))
        name = f"inbox/reversal-{self.files}.csv"
        self.world.injector.record("reversal dropped")
        if self.world.checker.batches[batch_id].send_as == "transactions":
            self.drop(self._of_transactions(name, batch_id, records))
            return
        rows = tuple(
            InputRow(line, customer, amount, reason, is_bad=False)
            for line, (customer, amount, reason) in enumerate(records[1:], start=2)
        )
        self.drop(File(name, rows, reverses=batch_id))

    def _of_transactions(self, name: str, batch_id: str, records: list[list[str]]) -> File:
        """The reversal of transactions: in their unit, with ids that follow from theirs."""
        checker, (columns, *rows) = self.world.checker, records
        reversed_file = checker.file_of(checker.batches[batch_id])
        made = tuple(read_columns(line, columns, row) for line, row in enumerate(rows, start=2))
        for row in made:
            wanted = f"{checker.rows.id_of(batch_id, -Decimal(row.amount))}-reversal"
            if row.own_id != wanted:
                fail("a reversal has ids that follow from those it reverses", f"{row.own_id}, not {wanted}")
        unit = "points" if reversed_file.has_points else "amount"
        return File(name, made, ",".join(columns), reverses=batch_id, unit=unit)

    # --- checks -------------------------------------------------------------------------------------------

    def created(self, batch: Batch, file: File) -> None:
        """Check a batch that was made from a reversal file: it must be recorded as a reversal."""
        if file.reverses and not batch.refusal and batch.reverses != file.reverses:
            fail("a reversal is known as one", f"{batch.batch_id} reverses {batch.reverses!r}")

    def applied(self, entry: Entry) -> None:
        """Check an applied amount: a reversal adds only what was applied before, and once."""
        checker = self.world.checker
        reverses = checker.file_of(checker.batches[entry.batch_id]).reverses
        if not reverses:
            return
        taken = (reverses, entry.customer, -entry.amount)
        self._reversed[taken] += 1
        if self._reversed[taken] > 1:
            fail("a reversal is applied once", f"{entry.customer} {entry.amount} for {reverses}")
        if not checker.times_applied(reverses, -entry.amount):
            fail("only what was applied is taken back", f"{entry.customer} {entry.amount} for {reverses}")
