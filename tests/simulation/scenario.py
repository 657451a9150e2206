"""What is dropped in a run, by whom, and with which settings: all drawn from the run's seed."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from adjustments.gameball.port import Dialect
from tests.fakes.memory import START
from tests.simulation.model import Account

CUSTOMER_ROWS_MAX = 4
"""Rows of one customer in one file, in a simulated run: few, so that the limit is met."""

TOTAL_ROW_FROM = 10
"""Rows of which the last one's amount may be the sum by chance: with more, it is taken for a total."""

QUIET_MINUTES = 300
"""How long Gameball may apply late, in a simulated run; the model never takes longer."""

DEFAULT_REASON, DEFAULT_USERNAME = "the reason of the stack", "operations"
"""What rows get that are sent as transactions and have no reason or username."""

CLIENT = "a client of the API"
"""The username of manual transactions that are posted to the API."""

TRANSACTIONS_HEADER = "customerId,{unit},reason,expiryAfter,transactionId,transactionTime"

BAD_ROWS_COUNTED_FROM, BAD_ROWS_PERCENT_MAX = 25, 20


@dataclass(frozen=True, slots=True)
class InputRow:
    """One row of a file; its amount is no other row's, so that the ledger distinguishes them.

    The rest is of rows that are sent as transactions: ``has_more`` says whether the file has columns for it;
    ``columns`` names them where they are others than those of a dropped file, and then ``unit`` the one of
    ``amount``.
    """

    line: int
    customer: str
    amount: str
    reason: str
    is_bad: bool
    has_more: bool = False
    expiry: str = ""
    own_id: str = ""
    time: str = ""
    username: str = ""
    unit: str = ""
    columns: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The row as it stands in the file."""
        if self.columns:
            cells = {
                "customerId": self.customer,
                self.unit: self.amount,
                "reason": self.reason,
                "username": self.username,
                "expiryAfter": self.expiry,
                "transactionId": self.own_id,
                "transactionTime": self.time,
            }
            return ",".join(cells.get(name, "") for name in self.columns)
        more = f",{self.expiry},{self.own_id},{self.time}" if self.has_more else ""
        return f"{self.customer},{self.amount},{self.reason}{more}"

    @property
    def identity(self) -> str:
        """What tells it apart from rows of the same customer and amount."""
        return f"{self.reason} / {self.own_id}" if self.own_id else self.reason


@dataclass(frozen=True)
class File:
    """One object to drop, and what must become of its rows.

    ``is_named`` says that a key names it, so that it is another one whatever it holds; ``reverses`` names the
    batch that it takes back; ``is_copy`` says that it is a copy of another object, metadata and all; ``unit``
    is of one whose columns don't say that its rows are sent as transactions, or in which unit.
    """

    key: str
    rows: tuple[InputRow, ...]
    header: str = "customerId,amount,reason"
    metadata: Mapping[str, str] = field(default_factory=dict)
    dropped_at_s: float = 0.0
    is_named: bool = False
    is_copy: bool = False
    reverses: str = ""
    unit: str = ""

    @property
    def content(self) -> tuple[tuple[str, str, str], ...]:
        """The rows that may be sent, by which files of the same content are found."""
        return tuple((row.customer, row.amount, row.identity) for row in self.rows if not row.is_bad)

    @property
    def text(self) -> str:
        """The file's content."""
        return "\n".join([self.header, *(row.text for row in self.rows)]) + "\n"

    @property
    def is_transactions(self) -> bool:
        """Whether its rows are sent as manual transactions."""
        return bool(self.unit) or "expiryAfter" in self.header

    @property
    def has_points(self) -> bool:
        """Whether its rows hold points, and not money."""
        return self.unit == "points" if self.unit else ",points," in self.header

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing may be sent."""
        return self.metadata.get("dry-run") == "true"

    @property
    def is_refused(self) -> bool:
        """Whether the file is refused as a whole for what it is."""
        bad = sum(row.is_bad for row in self.rows)
        too_bad = len(self.rows) >= BAD_ROWS_COUNTED_FROM and bad * 100 > BAD_ROWS_PERCENT_MAX * len(
            self.rows
        )
        return not (self.has_points or "amount" in self.header) or not self.rows or too_bad


@dataclass(frozen=True)
class Scenario:
    """One run: its files, its settings, and what is true of the account."""

    files: tuple[File, ...]
    account: Account
    chunk_rows_max: int
    canary_rows: int
    failure_percent_max: int
    approval_above_rows: int
    dialect_setting: Dialect | None
    faults_end_s: float
    sweep_every_s: float
    person_approves: bool
    person_stops_at_s: float | None
    person_resolves: bool
    tick_times: int
    adds_token: bool

    @property
    def answers_from_s(self) -> float:
        """From when on Gameball answers everything."""
        times = (*self.account.unreachable, *self.account.key_outages)
        ends = [(end - START).total_seconds() for _, end in times]
        return max([self.faults_end_s, *ends])


def make_scenario(rng: random.Random, has_faults: bool) -> Scenario:
    """Draw a scenario."""
    first = _file(rng, "inbox/a.csv")
    files = [first]
    if rng.random() < 0.15:
        files.append(_again(rng, first))
    elif rng.random() < 0.1:
        files.append(_file(rng, "inbox/b.csv", dropped_at_s=rng.choice((0.0, 300.0))))
    recurring = rng.random() < 0.04
    if recurring:
        files = [_file(rng, "recurring/monthly.csv")]
    customers = sorted({row.customer for file in files for row in file.rows if row.customer})
    faults_end_s = rng.choice((120.0, 900.0, 5000.0, 15000.0)) if has_faults else 0.0
    account = _account(rng, customers, faults_end_s)
    return Scenario(
        files=tuple(files),
        account=account,
        chunk_rows_max=rng.randint(2, 8),
        canary_rows=rng.choice((0, 0, 1, 2, 3)),
        failure_percent_max=rng.choice((0, 20, 50, 100, 100, 100)),
        approval_above_rows=rng.choice((0, 0, 0, 0, 3)),
        dialect_setting=None if rng.random() < 0.6 else account.dialect,
        faults_end_s=faults_end_s,
        sweep_every_s=rng.choice((900.0, 1800.0, 3600.0)),
        person_approves=rng.random() < 0.85,
        person_stops_at_s=rng.choice((1.0, 30.0, 600.0)) if rng.random() < 0.08 else None,
        person_resolves=rng.random() < 0.3,
        tick_times=rng.randint(1, 2) if recurring else 0,
        adds_token=rng.random() < 0.3,
    )


def _account(rng: random.Random, customers: list[str], faults_end_s: float) -> Account:
    def some(share: float) -> frozenset[str]:
        if rng.random() >= share:
            return frozenset()
        return frozenset(
            rng.sample(customers, rng.randint(1, max(1, len(customers) // 3))) if customers else ()
        )

    outages = []
    if faults_end_s and rng.random() < 0.12:
        start = START + timedelta(seconds=rng.choice((0.0, 5.0, 100.0)))
        outages.append((start, start + timedelta(seconds=rng.choice((30.0, 900.0, faults_end_s)))))
    return Account(
        dialect=rng.choice((Dialect.GUIDE, Dialect.GUIDE, Dialect.OPENAPI)),
        unknown=some(0.25),
        refused=some(0.15),
        poor=some(0.2),
        request_rows_max=rng.choice((1000, 1000, 1000, 1000, 2)),
        page_rows=rng.choice((1, 3, 200)),
        key_outages=tuple(outages),
    )


def _file(rng: random.Random, key: str, dropped_at_s: float = 0.0) -> File:
    metadata = {"dry-run": "true"} if rng.random() < 0.07 else {}
    header = "customerId,amount,reason" if rng.random() < 0.98 else "customerId,balance,reason"
    return File(key, _rows(rng), header, metadata, dropped_at_s)


def _again(rng: random.Random, file: File) -> File:
    """The same content once more: as a new version, or under another name."""
    key = rng.choice((file.key, "inbox/copy.csv"))
    metadata = dict(file.metadata) | ({"allow-duplicate": "true"} if rng.random() < 0.4 else {})
    return File(key, file.rows, file.header, metadata, rng.choice((0.0, 20.0, 2000.0)))


def _rows(rng: random.Random) -> tuple[InputRow, ...]:
    count = rng.choice((rng.randint(1, 4), rng.randint(2, 7), rng.randint(3, 10), rng.randint(6, 28)))
    count = min(count, rng.randint(1, 60))
    names = [_name(number) for number in range(max(1, int(count * rng.choice((0.3, 0.8, 2.0)))))]
    bad_share = rng.choice((0.0, 0.0, 0.1, 0.25))
    drawn = []
    for number in range(1, count + 1):
        sign = "-" if rng.random() < 0.2 else ""
        decimals = rng.choice(("", "", ".5", ".25", ".000001"))
        amount = f"{sign}{number}{decimals}"
        customer, is_bad = rng.choice(names), rng.random() < bad_share
        if is_bad:
            customer, amount = rng.choice((("", amount), (customer, "nope"), (customer, "0")))
        drawn.append((customer, amount, rng.choice(("", "goodwill", "a reason")), is_bad))
    return judge_rows(InputRow(line, *row) for line, row in enumerate(drawn, start=2))


def as_transactions(rng: random.Random, file: File) -> File:
    """The file with columns of manual transactions: expiry, ids of its own, times."""
    unit = rng.choice(("points", "points", "amount"))
    header = file.header.replace("customerId,amount,reason", TRANSACTIONS_HEADER.format(unit=unit))
    if header == file.header:  # one that is refused
        return file
    expires, has_times = rng.random() < 0.5, rng.random() < 0.3
    has_ids = rng.random() < 0.3 and not file.key.startswith("recurring/")
    rows = []
    for row in file.rows:
        amount = row.amount.partition(".")[0] if unit == "points" else row.amount
        own_id = f"own-{row.line}" if has_ids and rng.random() < 0.8 else ""
        at = START - timedelta(days=1, seconds=row.line)
        time = f"{at:%Y-%m-%dT%H:%M:%SZ}" if has_times and rng.random() < 0.8 else ""
        expiry = rng.choice(("", "30", "365")) if expires else ""
        if not amount.startswith("-") and rng.random() < 0.02:
            expiry = rng.choice(("-1", "tomorrow", "2026-12-31"))
        elif amount.startswith("-") and rng.random() < 0.7:
            expiry = ""  # a deduction can't have one
        made = replace(row, amount=amount, has_more=True, expiry=expiry, own_id=own_id, time=time)
        rows.append(replace(made, is_bad=is_bad_alone(made)))
    is_shown = any(row.expiry or row.own_id or row.time for row in rows)
    metadata = dict(file.metadata)
    if not is_shown or rng.random() < 0.5:
        metadata["send-as"] = "transactions"
    return replace(file, header=header, rows=judge_rows(rows), metadata=metadata)


def as_body(file: File, rows: Sequence[InputRow]) -> File:
    """The rows of a file that is sent as transactions, as the API makes a file of them."""
    unit = "points" if file.has_points else "amount"
    rows = [replace(row, expiry="-1") if row.expiry and not row.expiry.isdigit() else row for row in rows]
    others = {
        "points": file.has_points,
        "expiryAfter": any(row.expiry for row in rows),
        "transactionId": any(row.own_id for row in rows),
        "transactionTime": any(row.time for row in rows),
    }
    columns = (
        "customerId",
        *(() if file.has_points else ("amount",)),
        "reason",
        *(name for name, is_there in others.items() if is_there),
    )
    made = tuple(replace(row, unit=unit, columns=columns) for row in rows)
    return File("", made, ",".join(columns), unit=unit)


def read_columns(line: int, columns: Sequence[str], record: Sequence[str]) -> InputRow:
    """A good row of a file with columns of its own."""
    cells = dict(zip(columns, record, strict=True))
    unit = "points" if cells.get("points") else "amount"
    return InputRow(
        line,
        cells["customerId"],
        cells[unit],
        cells["reason"],
        is_bad=False,
        has_more=True,
        expiry=cells.get("expiryAfter", ""),
        own_id=cells.get("transactionId", ""),
        time=cells.get("transactionTime", ""),
        username=cells.get("username", ""),
        unit=unit,
        columns=tuple(columns),
    )


def is_bad_alone(row: InputRow) -> bool:
    """Whether a row is bad whatever the rest of its file is."""
    if not row.customer or row.amount in ("nope", "0"):
        return True
    is_number = row.expiry.isdigit()
    return bool(row.expiry) and (not is_number or (row.amount.startswith("-") and row.expiry != "0"))


def judge_rows(rows: Iterable[InputRow]) -> tuple[InputRow, ...]:
    """Say of rows that are good each for itself which the rest of the file makes bad."""
    rows = list(rows)
    good = [row for row in rows if not row.is_bad]
    if good and rows[-1] is good[-1] and _is_total(good):
        rows[-1] = replace(rows[-1], is_bad=True)
        good.pop()
    per_customer = Counter(row.customer for row in good)
    return tuple(
        replace(row, is_bad=row.is_bad or per_customer[row.customer] > CUSTOMER_ROWS_MAX) for row in rows
    )


def _is_total(good: Sequence[InputRow]) -> bool:
    """Whether the last row looks like a total: a few seeds in a million draw the sum by chance."""
    *above, last = (Decimal(row.amount) for row in good)
    return len(above) >= TOTAL_ROW_FROM and sum(above) == last


def _name(number: int) -> str:
    """A customer's id: most are names, some are digits only."""
    return f"cust-{number:03d}x" if number % 5 else f"77700{number:03d}"


def accepted(file: File) -> list[tuple[str, Decimal]]:
    """The adjustments that a file must become, in order."""
    if file.is_refused:
        return []
    return [(row.customer, Decimal(row.amount)) for row in file.rows if not row.is_bad]
