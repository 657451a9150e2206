"""Creates the file that reverses a batch: the rows known to be applied, with negated amounts.

The file is only created here; a person submits it. It can't restore everything: points come back without
their first expiry date, and a customer who has spent points meanwhile can't give them back.

A batch that was sent as transactions is reversed in the same way and unit. The file has a transactionId for
each row that follows from the one it reverses, so that dropping it twice reverses nothing twice.
"""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from adjustments.batches.files import Files
from adjustments.batches.payloads import content_of, rows_json
from adjustments.batches.records import Batch
from adjustments.batches.states import Outcome, SendAs
from adjustments.batches.store import BatchStore, find_batch
from adjustments.core import exact_json
from adjustments.core.decimals import exact_sum, plain
from adjustments.core.errors import WrongState
from adjustments.core.limits import LINK_S, MANUAL_TEXT_CHARS_MAX
from adjustments.polling.settlement import ChunkSettler
from adjustments.results.result_rows import ResultRow, ResultRows
from adjustments.submission.csv.csv_injection import escape_formula

NAME = "reversal.csv"
_COLUMNS: Final = ("customerId", "amount", "reason")
_TRANSACTION_COLUMNS: Final = ("customerId", "points", "amount", "reason", "username", "transactionId")
_REVERSED: Final = "-reversal"
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
    if reversed_by := batch.reversed_by:
        reverser = find_batch(store, reversed_by)
        if reverser is None or not reverser.changed_no_balance:
            raise WrongState(f"the batch was reversed already, by batch {reversed_by}")
    if not batch.counts.applied:
        raise WrongState(
            f"the batch is {batch.status} and nothing of it was applied: there is nothing to reverse"
        )
    results = ResultRows(files, settler, batch, store.chunks(batch.batch_id, batch.plan_id))
    return _write(batch, results, store, files)


def _write(batch: Batch, results: ResultRows, store: BatchStore, files: Files) -> Mapping[str, Any]:
    key = f"results/{batch.batch_id}/{NAME}"
    reason = f"reversal of {batch.batch_id}"
    are_transactions = batch.send_as is SendAs.TRANSACTIONS
    rows, total, digest = 0, Decimal(0), hashlib.sha256()
    with files.writer(key, "text/csv") as out:
        out.write(_line(_TRANSACTION_COLUMNS if are_transactions else _COLUMNS))
        for result in results.rows():
            if result.outcome is Outcome.APPLIED:
                customer_id, amount = result.row.customer_id, -Decimal(result.row.amount)
                cells, own_id = [plain(amount), reason], ""
                if are_transactions:
                    own_id = _reversing_id(result.transaction_id)
                    cells = _transaction_cells(result, plain(amount), reason, own_id)
                out.write(_line([escape_formula(cell) for cell in (customer_id, *cells)]))
                digest.update(content_of(rows_json([customer_id], [plain(amount)], [reason], [own_id])))
                rows, total = rows + 1, exact_sum([total, amount])
        # recorded before the file appears, so that nobody can submit it before it is known as a reversal
        store.record_reversal(digest.hexdigest(), batch.batch_id)
    url = files.link(key, LINK_S)
    return {"batchId": batch.batch_id, "key": key, "rows": rows, "total": total, "url": url}


def _transaction_cells(result: ResultRow, amount: str, reason: str, own_id: str) -> list[str]:
    """The cells behind the customer: points or money, as the row had them, and who made it."""
    request = exact_json.read(result.request)
    change = [amount, ""] if "points" in request else ["", amount]
    return [*change, reason, request["username"], own_id]


def _reversing_id(transaction_id: str) -> str:
    """The transactionId of a reversal: always the same for the same transaction."""
    own_id = f"{transaction_id}{_REVERSED}"
    if len(own_id) <= MANUAL_TEXT_CHARS_MAX:
        return own_id
    return f"{hashlib.sha256(transaction_id.encode()).hexdigest()}{_REVERSED}"


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
