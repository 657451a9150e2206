"""The audit of the ledger as JSON or HTML, in blocks, since it may be long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice

from local.standin.exact_json import quoted, scalar
from local.standin.ledger import Entry, Ledger, RefusedRow

ROWS_PER_BLOCK = 2_000
_APPLIED_COLUMNS = (
    "sequence",
    "at",
    "kind",
    "jobId",
    "transactionId",
    "customerId",
    "amount",
    "points",
    "reason",
    "balanceBefore",
    "balanceAfter",
    "expiryAfter",
)
_REFUSED_COLUMNS = (
    "at",
    "kind",
    "jobId",
    "transactionId",
    "customerId",
    "amount",
    "reason",
    "code",
    "message",
)
_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2rem}table{border-collapse:collapse}"
    "th,td{border:1px solid #999;padding:.25rem .5rem;text-align:left}"
    "caption{text-align:left;font-weight:600;margin-top:1rem}"
)


@dataclass(frozen=True, slots=True)
class AuditView:
    """The ledger at one moment, with filters; entries are only appended, never changed."""

    ledger: Ledger
    entry_count: int
    refused_count: int
    job_id: int | None = None
    customer_id: str | None = None

    def applied(self) -> Iterator[tuple[int, Entry, int | None]]:
        """The applied adjustments with their sequence and the days of their expiry, oldest first."""
        for position, entry in enumerate(islice(self.ledger.entries, self.entry_count)):
            if self._wanted(entry):
                details = self.ledger.manual_details.get(position)
                yield position + 1, entry, details.expiry_after_days if details else None

    def refused(self) -> Iterator[RefusedRow]:
        """The refused adjustments, oldest first."""
        return (row for row in islice(self.ledger.refused, self.refused_count) if self._wanted(row))

    def _wanted(self, row: Entry | RefusedRow) -> bool:
        is_job = self.job_id is None or row.job_id == self.job_id
        return is_job and self.customer_id in (None, row.adjustment.customer_id)


def as_json(view: AuditView) -> Iterator[bytes]:
    """The audit as one JSON object, in blocks."""
    yield b'{"applied":['
    yield from _blocks((_applied_json(*found) for found in view.applied()), ",")
    yield b'],"refusedRows":['
    yield from _blocks((_refused_json(row) for row in view.refused()), ",")
    yield b"]}"


def _blocks(rows: Iterator[str], separator: str) -> Iterator[bytes]:
    lead = ""
    while block := list(islice(rows, ROWS_PER_BLOCK)):
        yield (lead + separator.join(block)).encode("utf-8", "xmlcharrefreplace")
        lead = separator


def _applied_json(sequence: int, entry: Entry, expiry_after_days: int | None) -> str:
    # Written out by hand: an audit has hundreds of thousands of rows.
    adjustment = entry.adjustment
    return (
        f'{{"sequence":{sequence},"at":{quoted(entry.at)},"kind":{quoted(entry.kind)},'
        f'"jobId":{scalar(entry.job_id)},"transactionId":{scalar(entry.transaction_id)},'
        f'"customerId":{quoted(adjustment.customer_id)},"amount":{adjustment.amount:f},'
        f'"points":{adjustment.amount:f},"reason":{scalar(adjustment.reason)},'
        f'"balanceBefore":{entry.balance_before:f},"balanceAfter":{entry.balance_after:f},'
        f'"expiryAfter":{scalar(expiry_after_days)}}}'
    )


def _refused_json(row: RefusedRow) -> str:
    values = zip(_REFUSED_COLUMNS, _refused_cells(row), strict=True)
    return "{" + ",".join(f'"{name}":{scalar(value)}' for name, value in values) + "}"


def _applied_cells(sequence: int, entry: Entry, expiry_after_days: int | None) -> Sequence[object]:
    customer_id, amount, reason = entry.adjustment
    head = (sequence, entry.at, entry.kind, entry.job_id, entry.transaction_id, customer_id)
    balances = entry.balance_before, entry.balance_after
    return (*head, amount, amount, reason, *balances, expiry_after_days)


def _refused_cells(row: RefusedRow) -> Sequence[object]:
    customer_id, amount, reason = row.adjustment
    head = (row.at, row.kind, row.job_id, row.transaction_id, customer_id, amount, reason)
    return (*head, row.code, row.message)


def as_page(view: AuditView) -> Iterator[bytes]:
    """The audit as an HTML page; all values are escaped."""
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Ledger of the Gameball stand-in'
        f"</title><style>{_STYLE}</style></head><body><h1>Ledger of the Gameball stand-in</h1>"
    ).encode()
    applied = (_applied_cells(*found) for found in view.applied())
    yield from _table("Applied", _APPLIED_COLUMNS, applied)
    yield from _table("Refused", _REFUSED_COLUMNS, (_refused_cells(row) for row in view.refused()))
    yield b"</body></html>"


def _table(caption: str, columns: tuple[str, ...], rows: Iterator[Sequence[object]]) -> Iterator[bytes]:
    heads = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    yield f"<table><caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>".encode()
    yield from _blocks((_table_row(cells) for cells in rows), "\n")
    yield b"</tbody></table>"


def _table_row(cells: Sequence[object]) -> str:
    return "<tr>" + "".join(f"<td>{escape(_cell_text(cell))}</td>" for cell in cells) + "</tr>"


def _cell_text(cell: object) -> str:
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else scalar(cell)
