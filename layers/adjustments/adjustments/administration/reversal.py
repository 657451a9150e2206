"""Creates the file that reverses a batch: the rows known to be applied, with negated amounts.

The file is only created here; a person submits it. It can't restore everything: points come back without
their first expiry date, and a customer who has spent points meanwhile can't give them back.
"""

import csv
import hashlib
import io
from collections.abc import Mapping
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
_REVERSIBLE = "completed, completed_with_errors, stopped, needs_attention"
"""The final states in which something may have been applied."""


def create_reversal(
    batch_id: str, *, store: BatchStore, files: Files, settler: ChunkSettler
) -> Mapping[str, Any]:
    """Create the reversal file of a batch.

    Returns:
        Where the file is, a link to it, the number of its rows, and the exact sum of its amounts.

    Raises:
        WrongState: the batch has not ended, nothing of it was applied, or a batch that may have applied
            something has reversed it.
    """
    batch = store.batch(batch_id)
    if not batch.status.is_final:
        raise WrongState(
            f"the batch is {batch.status}; only a batch that has ended can be reversed ({_REVERSIBLE})"
        )
    if batch.reversed_by and not _changed_no_balance(store, batch.reversed_by):
        raise WrongState(f"the batch was reversed already, by batch {batch.reversed_by}")
    if not batch.counts.applied:
        raise WrongState(
            f"the batch is {batch.status} and nothing of it was applied: there is nothing to reverse"
        )
    results = ResultRows(files, settler, batch, store.chunks(batch.batch_id, batch.plan_id))
    return _write(batch, results, store, files)


def _changed_no_balance(store: BatchStore, batch_id: str) -> bool:
    try:
        return store.batch(batch_id).changed_no_balance
    except NotFound:
        return False  # it is being planned at this moment


def _write(batch: Batch, results: ResultRows, store: BatchStore, files: Files) -> Mapping[str, Any]:
    key = f"results/{batch.batch_id}/{NAME}"
    reason = f"reversal of {batch.batch_id}"
    rows, total, digest = 0, Decimal(0), hashlib.sha256()
    with files.writer(key, "text/csv") as out:
        out.write(_line(["customerId", "amount", "reason"]))
        for result in results.rows():
            if result.outcome is Outcome.APPLIED:
                customer_id, amount = result.row.customer_id, -Decimal(result.row.amount)
                out.write(_line([escape_formula(customer_id), plain(amount), reason]))
                digest.update(content_of(rows_json([customer_id], [plain(amount)], [reason])))
                rows, total = rows + 1, exact_sum([total, amount])
        # recorded before the file appears, so that nobody can submit it before it is known as a reversal
        store.record_reversal(digest.hexdigest(), batch.batch_id)
    url = files.link(key, LINK_S)
    return {"batchId": batch.batch_id, "key": key, "rows": rows, "total": total, "url": url}


def _line(cells: list[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
