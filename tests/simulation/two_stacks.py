"""What must not happen when each function runs twice at once."""

from adjustments.batches.records import Batch
from tests.simulation.checks import Checker, fail
from tests.simulation.scheduler import Scheduler, Worker


class LookupsAreExclusive:
    """Two undisturbed runs must not reconcile the same batch at the same time."""

    def __init__(self, checker: Checker, scheduler: Scheduler) -> None:
        self._checker = checker
        self._scheduler = scheduler
        self._runs_of: dict[str, list[Worker]] = {}

    def looked_up(self, customer_id: str) -> None:
        """Check a look-up of a customer that is about to be made; manual transactions look up their own."""
        worker = self._scheduler.current
        batch = self._only_batch(customer_id)
        if worker is None or batch is None or worker.name.startswith("manual_transaction"):
            return
        runs = self._runs_of.setdefault(batch.batch_id, [])
        if runs and runs[-1] is worker.process:
            return
        if worker.process in runs and not any(run.is_disturbed for run in (*runs, worker)):
            fail(
                "one run at a time looks for evidence", f"{worker.name} and {runs[-1].name}: {batch.batch_id}"
            )
        runs.append(worker.process)

    def _only_batch(self, customer_id: str) -> Batch | None:
        """The one batch that can be meant: with rows of this customer, and rows in doubt."""
        found = [
            batch
            for batch in self._checker.batches.values()
            if batch.status == "needs_attention"
            and any(row.customer == customer_id for row in self._checker.file_of(batch).rows)
        ]
        return found[0] if len(found) == 1 else None
