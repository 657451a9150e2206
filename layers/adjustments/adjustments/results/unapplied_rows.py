"""The index of a batch's rows that were not applied, for the comparison with rows of later batches."""

from collections.abc import Iterable, Iterator

from adjustments.batches.files import Files
from adjustments.batches.records import Batch, Outcome
from adjustments.batches.row_index import Fingerprinter, FingerprintSorter, write_index
from adjustments.batches.work_files import WorkKeys
from adjustments.results.result_rows import ResultRow


class UnappliedRows:
    """Collects the rows that were planned and, as is known by now, not applied.

    Rejected rows are in no index, so they need not be taken off one.

    Args:
        sorter: holds their fingerprints.
    """

    def __init__(self, sorter: FingerprintSorter) -> None:
        self._sorter = sorter
        self._fingerprinter = Fingerprinter()

    def collected_from(self, rows: Iterable[ResultRow]) -> Iterator[ResultRow]:
        """Pass rows on, and collect those that were not applied."""
        for result in rows:
            row = result.row
            if result.outcome in (Outcome.FAILED, Outcome.NOT_SUBMITTED):
                self._sorter.add(
                    self._fingerprinter.fingerprints([row.customer_id], [row.amount], [row.reason])
                )
            yield result

    def write_index(self, batch: Batch, files: Files) -> str:
        """Write their index under a key of this run's own.

        Returns:
            The key, which counts once the batch names it; empty where there is no such row.
        """
        if not self._sorter.rows:
            return ""
        key = WorkKeys(batch.batch_id, batch.plan_id).unapplied(batch.report_run_id)
        with files.writer(key, "application/octet-stream") as out:
            write_index(self._sorter, out)
        return key
