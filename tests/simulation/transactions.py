"""What rows promise that are sent as transactions: nothing here uses the code that it checks.

Each row has a request of its own since the plan. It is on record before anything is sent, it is the same each
time, and what is said of a row is true by what Gameball has under its transactionId.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NoReturn

from adjustments.batches.records import Batch, Chunk
from adjustments.core import exact_json
from adjustments.core.errors import GameballError, GameballRefused
from tests.simulation.fault_injection import RowAnswer
from tests.simulation.model import Entry, ModelGameball
from tests.simulation.scenario import CLIENT, DEFAULT_REASON, File, InputRow
from tests.simulation.scheduler import Scheduler, Violation, Worker

LEASE_S: Final = 120.0
AFTER_LEASE_S: Final = 20.0
"""How long a row may take that was begun within the lease."""

ROW_S: Final = 20.0
"""How long a row is sent again and again before it is left to the next sender."""

STOP_S: Final = 1.0
"""How long after a person's stop a row may be begun."""

THROTTLED_PAUSE_S: Final = 1.0

BACK_BEFORE: Final = timedelta(hours=2)
"""A Gameball that answers for so long before the deadline leaves no row in doubt."""

ID_EXISTS: Final = 9004

MOVES: Final = {
    "planned": {"submitting", "not_submitted", "settled"},
    "submitting": {"planned", "submitting", "settled"},
    "settled": {"settled"},
}
"""The states of a chunk whose rows are sent as transactions."""

Key = tuple[str, str]


@dataclass(eq=False)
class PlannedRow:
    """One row of one plan, and what is known of its requests.

    ``doubt_since`` is when the last request got an answer that leaves open what became of it; ``begun_by``
    holds the processes that have sent it.
    """

    key: Key
    row: InputRow
    transaction_id: str
    amount: Decimal
    doubt_since: datetime | None = None
    pause_until: datetime | None = None
    refused_code: int | None = None
    begun_by: set[Worker] = field(default_factory=set)

    def is_same(self, entry: Entry | None) -> bool:
        """Whether an entry of its id is this very transaction."""
        return entry is not None and (entry.customer, entry.amount) == (self.row.customer, self.amount)


class TransactionChecks:
    """Sees the plans, requests and outcomes of rows that are sent as transactions.

    Args:
        scheduler: the time.
        model: Gameball.
        reads: reads a stored object.
        faults_end: when Gameball answers again for good.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        model: ModelGameball,
        reads: Callable[[str], bytes],
        faults_end: datetime,
        skew_max: timedelta,
    ) -> None:
        self._scheduler = scheduler
        self._model = model
        self._reads = reads
        self._faults_end = faults_end
        self._skew_max = skew_max
        self._by_request: defaultdict[bytes, list[PlannedRow]] = defaultdict(list)
        self._by_chunk: dict[Key, Sequence[PlannedRow]] = {}
        self._by_amount: dict[tuple[str, Decimal], PlannedRow] = {}
        self._by_id: defaultdict[str, list[PlannedRow]] = defaultdict(list)
        self._stopped_at: dict[str, datetime] = {}
        self._listed_at: dict[str, datetime] = {}
        self.slot_gap_s = 0.0
        self.posted: dict[str, Mapping[str, Any]] = {}
        """What clients of the API post, by client."""

    # --- plans --------------------------------------------------------------------------------------------

    def planned(self, batch: Batch, file: File, chunks: Iterable[Chunk]) -> None:
        """A plan counts from now on: each row has the request that the file asks for."""
        rows = {Decimal(row.amount): row for row in file.rows if not row.is_bad}
        names: set[str] = set()
        for chunk in chunks:
            key, planned = (batch.batch_id, chunk.chunk_id), []
            for request in self._requests(chunk):
                fields = exact_json.read(request.decode())
                row = rows[Decimal(fields.get("points", fields.get("amount")))]
                _check_request(batch, file, row, fields)
                name = fields["transactionId"]
                if name in names:
                    _fail("each row has an id of its own", f"{name} of {batch.batch_id}")
                names.add(name)
                planned.append(PlannedRow(key, row, name, Decimal(row.amount)))
                self._by_request[request].append(planned[-1])
                self._by_amount[(batch.batch_id, planned[-1].amount)] = planned[-1]
                self._by_id[name].append(planned[-1])
            self._by_chunk[key] = planned

    def _requests(self, chunk: Chunk) -> list[bytes]:
        """The requests of a chunk, byte for byte: the last value of each line of its payload."""
        lines = self._reads(chunk.payload_key).decode().split("\n")[1:-1][chunk.first : chunk.last]
        requests = [line.removesuffix(",").partition(',"request":')[2] for line in lines]
        return [request.removesuffix("}").encode() for request in requests]

    # --- requests -----------------------------------------------------------------------------------------

    def stopped(self, batch: Batch) -> None:
        """A batch was stopped."""
        self._stopped_at.setdefault(batch.batch_id, self._scheduler.now)

    def requested(self, worker: Worker, body: bytes) -> Key:
        """A request is about to go out: its chunk is held, and the row may be begun."""
        rows = self._by_request.get(body)
        if not rows and CLIENT.encode() in body:
            return "", self._client_of(exact_json.read(body))
        if not rows:
            _fail("a transaction is sent as it was planned", f"nothing is planned like {body.decode()}")
        row = next((row for row in rows if row.key in worker.process.held), None)
        if row is None:
            _fail("no request without an intent", f"{rows[0].transaction_id} of {rows[0].key}")
        now = self._scheduler.now
        held_s = (now - worker.process.held[row.key]).total_seconds()
        if held_s >= LEASE_S + AFTER_LEASE_S:
            _fail("the lease holds", f"{row.transaction_id} of {row.key}: sent {held_s} s after the intent")
        if row.pause_until and now < row.pause_until - 2 * self._skew_max:
            _fail("pauses are kept", f"{row.transaction_id}: sent before its pause was over")
        self._check_stop(worker, row, now)
        row.begun_by.add(worker.process)
        return row.key

    def _client_of(self, fields: Mapping[str, Any]) -> str:
        """Whose manual transaction a request is: it says what the client has posted."""
        name = next((name for name, posted in self.posted.items() if fields == posted), None)
        if name is None:
            _fail("a transaction is sent as it was posted", f"{fields}")
        return name

    def _check_stop(self, worker: Worker, row: PlannedRow, now: datetime) -> None:
        """After a stop no further row begins; one that was begun may go on."""
        stopped_at = self._stopped_at.get(row.key[0])
        if stopped_at is None or worker.process in row.begun_by or worker.is_disturbed:
            return
        if now > stopped_at + timedelta(seconds=STOP_S):
            _fail("a stop holds", f"{row.transaction_id} was begun {now - stopped_at} after the stop")

    def answered(self, key: Key, body: bytes, answer: RowAnswer, error: GameballError | None) -> None:
        """Gameball has answered, or not."""
        for row in self._by_request.get(body, ()):
            if row.key != key:
                continue
            now = self._scheduler.now
            if isinstance(error, GameballRefused):
                row.refused_code = error.code
            elif answer.is_unknown:
                row.doubt_since = now
            elif answer in (RowAnswer.THROTTLED, RowAnswer.BUSY):
                pause_s = (error.retry_after_s if error else None) or THROTTLED_PAUSE_S
                row.pause_until = now + timedelta(seconds=pause_s)

    def listed(self, customer: str) -> None:
        """A customer's transactions were listed."""
        self._listed_at[customer] = self._scheduler.now

    def is_listed_since(self, customer: str, at: datetime) -> bool:
        """Whether a customer's transactions were listed after a time."""
        return self._listed_at.get(customer, at) > at

    # --- outcomes -----------------------------------------------------------------------------------------

    def times(self, batch_id: str, amount: Decimal) -> int:
        """How often Gameball has a row's transaction: once, or never."""
        row = self._by_amount[(batch_id, amount)]
        return int(row.is_same(self._model.by_id.get(row.transaction_id)))

    def is_own(self, batch_id: str, amount: Decimal) -> bool:
        """Whether a row's transaction was applied by a request of its batch, and not by another one's."""
        row = self._by_amount[(batch_id, amount)]
        entry = self._model.by_id.get(row.transaction_id)
        return row.is_same(entry) and entry is not None and entry.batch_id == batch_id

    def id_of(self, batch_id: str, amount: Decimal) -> str:
        """The transactionId of a row."""
        return self._by_amount[(batch_id, amount)].transaction_id

    def identity_of(self, entry: Entry) -> str:
        """The reason of an entry as the file has it, by which rows are compared."""
        row = self._by_amount.get((entry.batch_id, entry.amount))
        return row.row.identity if row else entry.reason

    def released(self, chunk: Chunk, key: Key) -> None:
        """A chunk's sender ended before all its rows were known, and kept what it knew."""
        stored = json.loads(self._reads(chunk.outcomes_key)) if chunk.outcomes_key else [None] * chunk.rows
        for row, known in zip(self._by_chunk[key], stored, strict=True):
            if known is not None:
                self._check(row, known[0])
            elif row.doubt_since or self.is_own(key[0], row.amount):
                _fail("what may be applied is never forgotten", f"{row.transaction_id} of {key}")

    def settled(self, batch: Batch, key: Key, stored: Sequence[Sequence[Any]]) -> None:
        """The outcomes of a chunk are known."""
        for row, known in zip(self._by_chunk[key], stored, strict=True):
            self._check(row, known[0])
            if known[0] == "in_doubt":
                self._check_doubt(batch, row)

    def _check(self, row: PlannedRow, outcome: str) -> None:
        entry = self._model.by_id.get(row.transaction_id)
        where = f"{row.transaction_id} of {row.key} is {outcome}"
        if outcome == "applied" and not row.is_same(entry):
            _fail("outcomes are true", where)
        if outcome != "failed":
            return
        if self.is_own(row.key[0], row.amount):
            _fail("outcomes are true", f"{where}, and was applied")
        if row.refused_code == ID_EXISTS and row.is_same(entry):
            _fail("outcomes are true", f"{where}, and Gameball has this very transaction")
        looked_up_at = self._listed_at.get(row.row.customer)
        if row.doubt_since and (looked_up_at is None or looked_up_at < row.doubt_since):
            _fail("doubts are cleared by evidence", f"{where}, and nobody looked it up")

    def fits_row_time(self, customer: str) -> bool:
        """Whether the rate limit lets a transaction be sent, and its customer's list read, in a row's time.

        A list without the transaction is read twice.
        Pages of a single entry and a limit of 6 requests in 30 s are not of this world.
        """
        entries = sum(entry.customer == customer for entry in self._model.ledger)
        requests = 1 + 2 * math.ceil(entries / self._model.account.page_rows)
        return requests * self.slot_gap_s <= ROW_S

    def _check_doubt(self, batch: Batch, row: PlannedRow) -> None:
        """A row is in doubt only where the batch was stopped, or Gameball stayed away until the deadline.

        Or where the rate limit is too low for its request and its customer's list.
        """
        if not (batch.stop_reason or batch.past_deadline):
            _fail("no doubt without a cause", f"{row.transaction_id} of {row.key}")
        if not self.fits_row_time(row.row.customer):
            return
        if batch.past_deadline and batch.deadline_at > self._faults_end + BACK_BEFORE:
            _fail("no doubt without a cause", f"{row.transaction_id}: Gameball was back before the deadline")

    def check_applied(self, entry: Entry, reported: Mapping[str, Mapping[Decimal, str]]) -> None:
        """A transaction was applied: no row of it by whose request it was may have another outcome."""
        row = self._by_amount.get((entry.batch_id, entry.amount))
        outcome = reported.get(entry.batch_id, {}).get(entry.amount)
        if row and outcome not in (None, "in_doubt"):
            _fail("outcomes are true", f"{row.transaction_id} is {outcome}, and was applied later")


def _check_request(batch: Batch, file: File, row: InputRow, fields: Mapping[str, Any]) -> None:
    """A row's request says what the row says, and nothing else."""
    name = row.own_id or f"{batch.batch_id}-{row.line:06d}"
    unit = "points" if file.has_points else "amount"
    wanted: dict[str, object] = {
        "customerId": row.customer,
        "transactionId": name,
        unit: Decimal(row.amount),
        "reason": row.reason or DEFAULT_REASON,
    }
    if row.expiry:
        wanted["expiryAfter"] = int(row.expiry)
    if row.time:
        wanted["transactionTime"] = row.time
    found = {**fields, unit: Decimal(fields.get(unit, 0))}
    if not found.pop("username", None) or found != wanted:
        _fail("every row is planned", f"{batch.batch_id}: {fields} for line {row.line}: {wanted}")
    if Decimal(row.amount) < 0 and "expiryAfter" in found:
        _fail("every row is planned", f"{batch.batch_id}: line {row.line} is a deduction with an expiry")


def _fail(check: str, message: str) -> NoReturn:
    raise Violation(check, message)
