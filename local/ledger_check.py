"""Compares the stand-in's ledger with results.csv, row by row.

It shares no code with what it checks: it reads the stand-in's audit, results.csv and the input only.
"""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

RESULT_COLUMNS = ["line", "customerId", "amount", "reason", "status", "message", "jobId"]
TRANSACTION_COLUMNS = ["transactionId", "gameballTransactionId"]
"""What follows these columns where each row was sent as a transaction."""
OUTCOMES = ("applied", "failed", "rejected", "not_submitted", "in_doubt")
NEVER_SENT = frozenset({"rejected", "not_submitted"})
_LINES_MAX = 10


class Posting(NamedTuple):
    """One change in the ledger, identified by its job or by its transaction."""

    document: str
    customer_id: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One row of results.csv."""

    line: int
    customer_id: str
    amount: Decimal
    """Zero in a row that was never sent, whose amount need not be a number."""
    status: str
    message: str
    job_id: str
    transaction_id: str = ""
    gameball_id: str = ""

    @property
    def posting(self) -> Posting:
        """The posting of this row in the ledger, if it was applied."""
        document = f"transaction {self.transaction_id}" if self.transaction_id else f"job {self.job_id}"
        return Posting(document, self.customer_id, self.amount)


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a comparison, with all differences."""

    rows: int
    postings: int
    differences: Sequence[str]

    @property
    def agrees(self) -> bool:
        """Whether ledger and results agree."""
        return not self.differences

    def first_lines(self) -> list[str]:
        """The first differences, for people."""
        rest = len(self.differences) - _LINES_MAX
        return [*self.differences[:_LINES_MAX], *([f"… and {rest} more"] if rest > 0 else [])]


class ResultsUnreadable(Exception):
    """results.csv is not valid; the message says where."""


def read_results(content: bytes) -> list[ResultRow]:
    """Read a results.csv, in whatever dialect it came; in one with semicolons, amounts may have a comma."""
    text = _text_of(content)
    delimiter = text[len(RESULT_COLUMNS[0]) : len(RESULT_COLUMNS[0]) + 1] or ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    head = next(reader, [])
    if head not in (RESULT_COLUMNS, [*RESULT_COLUMNS, *TRANSACTION_COLUMNS]):
        raise ResultsUnreadable(f"the header is {head}, not {RESULT_COLUMNS}")
    return [_result_row(cells, len(head)) for cells in reader]


def _text_of(content: bytes) -> str:
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf_16 else "utf-8-sig")


def _result_row(cells: Sequence[str], columns: int) -> ResultRow:
    if len(cells) != columns:
        raise ResultsUnreadable(f"a row has {len(cells)} cells: {cells}")
    line, customer_id, amount, _, status, message, job_id, *ids = cells
    if status not in OUTCOMES:
        raise ResultsUnreadable(f"line {line} has the status {status!r}")
    exact = Decimal(0) if status in NEVER_SENT else _amount(line, amount)
    return ResultRow(int(line), customer_id, exact, status, message, job_id, *ids)


def _amount(line: str, text: str) -> Decimal:
    try:
        return Decimal(text.replace(",", "."))
    except InvalidOperation as error:
        raise ResultsUnreadable(f"line {line} was sent with the amount {text!r}") from error


def input_rows(content: bytes) -> int:
    """The number of data rows of an input, without blank lines."""
    return sum(any(cells) for cells in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))) - 1


def compare(
    results: Mapping[str, Sequence[ResultRow]],
    inputs: Mapping[str, int],
    manual: Iterable[Mapping[str, Any]],
    audit: Mapping[str, Any],
) -> Findings:
    """Compare all results with the whole ledger.

    Args:
        results: rows of results.csv by batch id.
        inputs: number of rows of the input by batch id.
        manual: bodies of the manual transactions that were answered with 200.
        audit: audit of the stand-in, which was empty at first.
    """
    rows = [row for batch in results.values() for row in batch]
    entries = Counter(_posting_of(entry) for entry in audit["applied"])
    expected = Counter(row.posting for row in rows if row.status == "applied")
    expected += Counter(_posting_of(body) for body in manual)
    differences = [
        *_wrong_rows(results, inputs),
        *(f"{_text(posting)}: reported as applied, not in the ledger" for posting in (expected - entries)),
        *_unexplained(entries - expected, rows),
    ]
    return Findings(len(rows), entries.total(), differences)


def _posting_of(entry: Mapping[str, Any]) -> Posting:
    """The posting of an audit entry, or of a manual transaction's body."""
    amount = entry["amount"] if entry.get("amount") is not None else entry["points"]
    is_batch = entry.get("jobId") is not None
    document = f"job {entry['jobId']}" if is_batch else f"transaction {entry['transactionId']}"
    return Posting(document, entry["customerId"], Decimal(amount))


def _wrong_rows(results: Mapping[str, Sequence[ResultRow]], inputs: Mapping[str, int]) -> Iterable[str]:
    """Errors within the results: lines missing or repeated, a job for a row that was never sent."""
    for batch, rows in results.items():
        lines = [row.line for row in rows]
        if len(rows) != inputs[batch]:
            yield f"{batch}: {len(rows)} rows in results.csv, {inputs[batch]} in the input"
        if lines != sorted(set(lines)):
            yield f"{batch}: the lines of results.csv are not in input order, each once"
        yield from (
            f"{batch}, line {row.line}: never sent, yet it has a job" for row in rows if _sent_unsent(row)
        )


def _sent_unsent(row: ResultRow) -> bool:
    return row.status in NEVER_SENT and bool(row.job_id)


def _unexplained(surplus: Counter[Posting], rows: Iterable[ResultRow]) -> Iterable[str]:
    """Postings without an applied row; a row in doubt may account for one."""
    in_doubt = Counter((row.customer_id, row.amount) for row in rows if row.status == "in_doubt")
    for posting in surplus.elements():
        if in_doubt[posting.customer_id, posting.amount] > 0:
            in_doubt[posting.customer_id, posting.amount] -= 1
        else:
            yield f"{_text(posting)}: in the ledger, not reported as applied"


def _text(posting: Posting) -> str:
    return f"{posting.document}, {posting.customer_id}, {posting.amount:+f}"
