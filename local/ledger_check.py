"""Whether Gameball's ledger and our results say the same, row by row.

Compares what the stand-in says it applied with what results.csv says was applied. It shares no code with
what it checks, and reads nothing but those two and the input.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

RESULT_COLUMNS = ["line", "customerId", "amount", "reason", "status", "message", "jobId"]
OUTCOMES = ("applied", "failed", "rejected", "not_submitted", "in_doubt")
NEVER_SENT = frozenset({"rejected", "not_submitted"})
_SHOWN_AT_MOST = 10


class Posting(NamedTuple):
    """What identifies one change in the ledger: a batch's row by its job, a manual one by its transaction."""

    document: str
    customer_id: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One row of results.csv."""

    line: int
    customer_id: str
    amount: Decimal
    """Zero in a row that was never sent: what stands there need not be a number."""
    status: str
    message: str
    job_id: str

    @property
    def posting(self) -> Posting:
        """What this row put into the ledger, if it did."""
        return Posting(f"job {self.job_id}", self.customer_id, self.amount)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was compared, and everything that does not agree; agreement is an empty list."""

    rows: int
    postings: int
    disagreements: Sequence[str]

    @property
    def agrees(self) -> bool:
        """Whether ledger and results say the same."""
        return not self.disagreements

    def shown(self) -> list[str]:
        """The first disagreements, for people."""
        rest = len(self.disagreements) - _SHOWN_AT_MOST
        return [*self.disagreements[:_SHOWN_AT_MOST], *([f"… and {rest} more"] if rest > 0 else [])]


class ResultsUnreadable(Exception):
    """results.csv is not what it should be; the message says where."""


def read_results(content: bytes) -> list[ResultRow]:
    """Read a results.csv."""
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    head = next(reader, [])
    if head != RESULT_COLUMNS:
        raise ResultsUnreadable(f"the header is {head}, not {RESULT_COLUMNS}")
    return [_result_row(cells) for cells in reader]


def _result_row(cells: Sequence[str]) -> ResultRow:
    if len(cells) != len(RESULT_COLUMNS):
        raise ResultsUnreadable(f"a row has {len(cells)} cells: {cells}")
    line, customer_id, amount, _, status, message, job_id = cells
    if status not in OUTCOMES:
        raise ResultsUnreadable(f"line {line} has the status {status!r}")
    exact = Decimal(0) if status in NEVER_SENT else _amount(line, amount)
    return ResultRow(int(line), customer_id, exact, status, message, job_id)


def _amount(line: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ResultsUnreadable(f"line {line} was sent with the amount {text!r}") from error


def input_rows(content: bytes) -> int:
    """How many data rows an input has; blank lines are none."""
    return sum(any(cells) for cells in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))) - 1


def compare(
    results: Mapping[str, Sequence[ResultRow]],
    inputs: Mapping[str, int],
    manual: Iterable[Mapping[str, Any]],
    audit: Mapping[str, Any],
) -> Findings:
    """Compare all that was asked for since the ledger was empty with all that is in it.

    Args:
        results: the rows of each results.csv by batch.
        inputs: how many rows each batch's input has.
        manual: the bodies of the manual transactions that were answered with 200.
        audit: the stand-in's audit.
    """
    rows = [row for batch in results.values() for row in batch]
    entries = Counter(_posting_of(entry) for entry in audit["applied"])
    expected = Counter(row.posting for row in rows if row.status == "applied")
    expected += Counter(_posting_of(body) for body in manual)
    disagreements = [
        *_wrong_rows(results, inputs),
        *(f"{_text(posting)}: reported as applied, not in the ledger" for posting in (expected - entries)),
        *_unexplained(entries - expected, rows),
    ]
    return Findings(len(rows), entries.total(), disagreements)


def _posting_of(entry: Mapping[str, Any]) -> Posting:
    """The posting of an audit entry, or of a manual transaction's body."""
    amount = entry["amount"] if entry.get("amount") is not None else entry["points"]
    is_batch = entry.get("jobId") is not None
    document = f"job {entry['jobId']}" if is_batch else f"transaction {entry['transactionId']}"
    return Posting(document, entry["customerId"], Decimal(amount))


def _wrong_rows(results: Mapping[str, Sequence[ResultRow]], inputs: Mapping[str, int]) -> Iterable[str]:
    """Results that are wrong by themselves: lines missing or twice, a job where none can be."""
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
    """Postings that no applied row explains. A row in doubt may have been applied: it explains one."""
    in_doubt = Counter((row.customer_id, row.amount) for row in rows if row.status == "in_doubt")
    for posting in surplus.elements():
        if in_doubt[posting.customer_id, posting.amount] > 0:
            in_doubt[posting.customer_id, posting.amount] -= 1
        else:
            yield f"{_text(posting)}: in the ledger, not reported as applied"


def _text(posting: Posting) -> str:
    return f"{posting.document}, {posting.customer_id}, {posting.amount:+f}"
