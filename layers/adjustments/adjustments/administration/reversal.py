"""Makes the file that takes a batch back: exactly the rows known to be applied, negated.

It is only made here; a person drops it. What it can't restore: points come back without their first expiry
date, and a customer who has spent them meanwhile can't give them back.
"""

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adjustments.batches.files import Files
from adjustments.batches.payloads import content_of, rows_json
from adjustments.batches.records import Batch, Outcome
from adjustments.batches.store import BatchStore
from adjustments.core.decimals import exact_sum, plain
from adjustments.core.errors import NotFound, WrongState
from adjustments.core.limits import LINK_S
from adjustments.polling.settlement import ChunkSettler
from adjustments.results.result_rows import ResultRows
from adjustments.submission.csv.csv_injection import escape_formula

NAME = "reversal.csv"
_ENDS = "completed, completed_with_errors, stopped, needs_attention"
"""The final states in which something may have been applied."""


@dataclass(frozen=True, kw_only=True)
class Reverser:
    """Makes reversals."""

    store: BatchStore
    files: Files
    settler: ChunkSettler

    def reverse(self, batch_id: str) -> Mapping[str, Any]:
        """Make the file, and tell where it lies, its rows, and the exact sum of its amounts.

        Raises WrongState while the batch is open, when nothing was applied, or when it was reversed before,
        by a batch that may have applied something.
        """
        batch = self.store.batch(batch_id)
        if not batch.status.is_final:
            raise WrongState(
                f"the batch is {batch.status}; only one that has ended can be reversed ({_ENDS})"
            )
        if batch.reversed_by and not self._left_no_trace(batch.reversed_by):
            raise WrongState(f"the batch was reversed already, by batch {batch.reversed_by}")
        if not batch.counts.applied:
            raise WrongState(
                f"the batch is {batch.status} and nothing of it was applied: there is nothing to reverse"
            )
        return self._write(batch)

    def _left_no_trace(self, batch_id: str) -> bool:
        try:
            return self.store.batch(batch_id).changed_no_balance
        except NotFound:
            return False  # it is being planned at this moment

    def _write(self, batch: Batch) -> Mapping[str, Any]:
        chunks = self.store.chunks(batch.batch_id, batch.plan_id)
        results = ResultRows(self.files, self.settler, batch, chunks)
        key = f"results/{batch.batch_id}/{NAME}"
        reason = f"reversal of {batch.batch_id}"
        rows, total, digest = 0, Decimal(0), hashlib.sha256()
        with self.files.writer(key, "text/csv") as out:
            out.write(_line(["customerId", "amount", "reason"]))
            for result in results.rows():
                if result.outcome is Outcome.APPLIED:
                    customer_id, amount = result.row.customer_id, -Decimal(result.row.amount)
                    out.write(_line([escape_formula(customer_id), plain(amount), reason]))
                    digest.update(content_of(rows_json([customer_id], [plain(amount)], [reason])))
                    rows, total = rows + 1, exact_sum([total, amount])
            # before the file appears, so that nobody ever drops one that is not known as a reversal
            self.store.record_reversal(digest.hexdigest(), batch.batch_id)
        url = self.files.link(key, LINK_S)
        return {"batchId": batch.batch_id, "key": key, "rows": rows, "total": total, "url": url}


def _line(cells: list[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
