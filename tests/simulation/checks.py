"""The promises, checked at every step and at the end. Nothing here uses the code that it checks.

Each check has a name; a broken one is a ``Violation`` of that name.
"""

import csv
import hashlib
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

from adjustments.batches.files import StoredObject
from adjustments.batches.records import Batch, Chunk
from adjustments.core import exact_json
from adjustments.core.errors import GameballError
from tests.simulation.approvals import Approvals
from tests.simulation.canaries import CANARIES_MAX, Canaries, canaries_of
from tests.simulation.fault_injection import Answer, RowAnswer
from tests.simulation.model import Entry, ModelGameball
from tests.simulation.repeated_rows import RepeatedRows, is_repetition
from tests.simulation.scenario import File, InputRow, Scenario, accepted
from tests.simulation.scheduler import Scheduler, Violation, Worker
from tests.simulation.transactions import MOVES, TransactionChecks

LEASE_S = 120.0
DEADLINE_MAX = timedelta(hours=6)
FINAL = {"completed", "completed_with_errors", "validated", "rejected", "stopped", "needs_attention"}
OVER = {"settled", "split", "refused", "in_doubt", "not_submitted"}
OPEN = {"planned", "submitting", "submitted"}
BATCH_MOVES = {
    "planned": {"submitting", "polling"} | FINAL,
    "awaiting_approval": {"submitting", "stopped"},
    "submitting": {"polling"} | FINAL,
    "polling": FINAL,
    "needs_attention": FINAL - {"validated", "rejected"},
}
CHUNK_MOVES = {
    "planned": {"submitting", "not_submitted"},
    "submitting": {"planned", "submitted", "split", "refused", "in_doubt"},
    "submitted": {"settled", "in_doubt"},
    "in_doubt": {"submitted", "settled"},
    "settled": {"settled"},
}
"""The states of docs/architecture.md, written down once more: who changes the code's table breaks a check."""

ROW_TIME = timedelta(seconds=2 * 30 / 350)
"""What a row that is sent as a transaction adds to the deadline: twice its time at the rate limit."""

UNSENT_PAUSE_S = 0.4
THROTTLED_PAUSE_S = 1.0

Key = tuple[str, str]
"""A batch and one of its chunks."""


class Checker:
    """Sees every write, request, answer, ledger entry and notification of a run."""

    def __init__(self, scenario: Scenario, scheduler: Scheduler) -> None:
        self._scenario = scenario
        self._scheduler = scheduler
        self.model: ModelGameball
        self.rows: TransactionChecks
        self.read_file: Callable[[str], bytes]
        self.files: dict[tuple[str, str], File] = {}
        self._dropped_at: dict[tuple[str, str], datetime] = {}
        self.batches: dict[str, Batch] = {}
        self.earlier: dict[str, Batch] = {}
        self.plans: dict[Key, dict[str, Chunk]] = {}
        self.is_fault_free = False
        self.skew_max = timedelta(0)
        self.on_created: list[Callable[[Batch, File], None]] = []
        self.on_applied: list[Callable[[Entry], None]] = []
        self.at_end: list[Callable[[], None]] = []
        self._rows: dict[Key, list[tuple[str, Decimal]]] = {}
        self._ever_over: set[Key] = set()
        self._ever_doubted: set[Key] = set()
        self._tokens: dict[str, int] = {}
        self._pauses: dict[Key, datetime] = {}
        self._doubt_causes: set[Key] = set()
        self._last_answer: dict[Key, str] = {}
        self._applied: Counter[tuple[str, Decimal]] = Counter()
        self._order: dict[tuple[str, str], list[Decimal]] = {}
        self._reported: dict[str, dict[Decimal, str]] = {}
        self._digests: dict[str, str] = {}
        self._open_at_end: defaultdict[str, set[str]] = defaultdict(set)
        self._announced: Counter[tuple[str, str]] = Counter()
        self._mailed: set[tuple[str, str]] = set()
        self._statuses: dict[str, set[str]] = {}
        self._contents: dict[str, list[str]] = {}
        self.repeated_rows = RepeatedRows(self.batches, self._file, self.files)
        self._approvals = Approvals(scenario.approval_above_rows, self.repeated_rows)

    # --- what is written ---------------------------------------------------------------------------------

    def created(self, batch: Batch) -> None:
        """A batch counts from now on: its plan must hold every row of its file once."""
        if batch.batch_id in self.batches:
            fail("one batch a drop", f"batch {batch.batch_id} was created twice")
        self.batches[batch.batch_id] = batch
        self._statuses[batch.batch_id] = {batch.status.value}
        file = self._file(batch)
        deadline_max = DEADLINE_MAX + len(file.rows) * ROW_TIME if file.is_transactions else DEADLINE_MAX
        if batch.deadline_at > self._scheduler.now + deadline_max + self.skew_max:
            fail("deadlines are kept", f"{batch.batch_id} has until {batch.deadline_at}")
        chunks = self.chunks(batch)
        if batch.refusal:
            if not (file.is_refused or self._is_repeated(batch, file)) or chunks:
                fail("every row is planned", f"{batch.batch_id} was refused for nothing: {batch.refusal}")
            return
        if (batch.send_as == "transactions") != file.is_transactions:
            fail("files go the way they have to", f"{batch.batch_id} is sent as {batch.send_as}")
        self._check_plan(batch, file, chunks)
        if file.is_transactions:
            self.rows.planned(batch, file, chunks.values())
        self._check_guards(batch, file)
        for created in self.on_created:
            created(batch, file)

    def _is_repeated(self, batch: Batch, file: File) -> bool:
        """Whether a batch is refused for another one, which there must be."""
        if re.search(r"are being planned at this moment, as batch \S+:", batch.refusal):
            return True
        if "minutes to read" in batch.refusal:  # only a frozen planner takes so long for a few rows
            return self._worker().is_disturbed
        if batch.overlap is not None:
            return batch.overlap.rows <= self.repeated_rows.in_common(batch, file)
        named = re.search(r"(accepted|reversed) (?:before, as|already, by) batch (\S+):", batch.refusal)
        if named is None:
            return False
        if named[1] == "accepted" and named[2] not in self.batches:
            fail("a refusal is true", f"{batch.batch_id} is refused for {named[2]}, which does not exist")
        return named[1] == "accepted" or bool(file.reverses)

    def saved_batch(self, batch: Batch) -> None:
        """A batch has a next version."""
        before = self.batches.get(batch.batch_id)
        if before is None or batch.version != before.version + 1:
            fail("versions go one by one", f"{batch.batch_id} {before and before.version} → {batch.version}")
        if batch.status != before.status and batch.status not in BATCH_MOVES.get(before.status, ()):
            fail("state moves forward", f"{batch.batch_id}: {before.status} → {batch.status}")
        is_changed = _result(before) != _result(batch)
        if before.status in FINAL and is_changed and not _is_resolved(before, batch):
            fail("final states are immutable", f"{batch.batch_id} changed after its end")
        self._check_deadline(before, batch)
        self._check_share_stop(before, batch)
        if _plan(before) != _plan(batch):
            fail("a plan never changes", f"{batch.batch_id} has another plan")
        if batch.dialect and batch.dialect != self.model.account.dialect:
            fail(
                "what is stored is true", f"{batch.batch_id} speaks {batch.dialect}, and its account does not"
            )
        if batch.stop_reason and not before.stop_reason:
            self.rows.stopped(batch)
        self.earlier[batch.batch_id] = before
        self._statuses[batch.batch_id].add(batch.status.value)
        self.batches[batch.batch_id] = batch
        if batch.status in FINAL and is_changed:
            self._check_end(batch)
            self._open_at_end[batch.batch_id] |= {
                name for name, chunk in self.chunks(batch).items() if chunk.state in ("in_doubt", "submitted")
            }
            self._digests[batch.batch_id] = self._digest(batch)

    def _check_deadline(self, before: Batch, batch: Batch) -> None:
        """Only an approval moves it, and nothing is called late before it."""
        if batch.deadline_at != before.deadline_at and before.status != "awaiting_approval":
            fail("deadlines are kept", f"{batch.batch_id}: moved to {batch.deadline_at} without an approval")
        if batch.past_deadline and self._scheduler.now < batch.deadline_at - self.skew_max:
            fail("deadlines are kept", f"{batch.batch_id} is called late before its deadline")

    def added_chunks(self, batch_id: str, plan_id: str, chunks: Iterable[Chunk]) -> None:
        """A planning run keeps its chunks."""
        known = self.plans.setdefault((batch_id, plan_id), {})
        stored = self.batches.get(batch_id)
        for chunk in chunks:
            if chunk.chunk_id in known and stored and stored.plan_id == plan_id:
                fail("state moves forward", f"chunk {chunk.chunk_id} of {batch_id} was planned again")
            known[chunk.chunk_id] = chunk

    def saved_chunk(self, batch: Batch, chunk: Chunk) -> None:
        """A chunk has a next version."""
        known = self.plans[(batch.batch_id, batch.plan_id)]
        before = known[chunk.chunk_id]
        key = (batch.batch_id, chunk.chunk_id)
        is_row_by_row = batch.send_as == "transactions"
        _check_move(before, chunk, key, MOVES if is_row_by_row else CHUNK_MOVES)
        if self.batches[batch.batch_id].plan_id != batch.plan_id:
            fail("a plan never changes", f"chunk {key} of a plan that does not count was changed")
        known[chunk.chunk_id] = chunk
        if chunk.state in OVER:
            self._ever_over.add(key)
        check = {
            "submitting": self._check_intent,
            "submitted": self._check_job,
            "settled": self._check_settled,
            "refused": self._check_refused,
            "planned": self._check_released,
            "in_doubt": self._note_doubt,
        }.get(chunk.state.value)
        if is_row_by_row and chunk.state == "planned":
            check = self._check_rows_released
        if check:
            check(batch, before, chunk, key)

    def split(self, batch: Batch, whole: Chunk, halves: Sequence[Chunk]) -> None:
        """A chunk was replaced by its halves: together they hold what it held."""
        key = (batch.batch_id, whole.chunk_id)
        if self._last_answer.get(key) != "refused":
            fail("only a refusal splits", f"chunk {key} was split after {self._last_answer.get(key)}")
        spans = [(half.first, half.last) for half in halves]
        if spans[0][0] != whole.first or spans[-1][1] != whole.last or spans[0][1] != spans[-1][0]:
            fail("none is lost", f"chunk {key}: {whole.first} to {whole.last} was split into {spans}")
        for half in halves:
            rows = self._chunk_rows(batch.batch_id, batch.plan_id, half)
            if len(rows) != half.rows or half.wave != whole.wave:
                fail("none is lost", f"half {half.chunk_id} of {key} is not a part of it")

    # --- what is sent ------------------------------------------------------------------------------------

    def requested(self, body: bytes) -> Key:
        """A request is about to go out: it needs its intent on record, and a slot of the rate limiter."""
        worker = self._worker()
        if worker.intent is None:
            fail("no request without an intent", "a request without any intent")
        batch_id, chunk_id = key = worker.intent
        batch = self.batches.get(batch_id)
        chunk = self.plans.get((batch_id, batch.plan_id), {}).get(chunk_id) if batch else None
        if batch is None or chunk is None or chunk.state != "submitting" or chunk.token != worker.token:
            fail("no request without an intent", f"{key} is {chunk and chunk.state}, not this worker's")
        if hashlib.sha256(body).hexdigest() != chunk.sha256:
            fail("no request without an intent", f"{key}: the body is not the one on record")
        self._tokens[chunk.token] = self._tokens.get(chunk.token, 0) + 1
        if self._tokens[chunk.token] > 1:
            fail(
                "one request an intent", f"{key}: token {chunk.token} sent {self._tokens[chunk.token]} times"
            )
        if batch.status in FINAL or batch.status == "awaiting_approval" or batch.dry_run:
            fail("nothing is sent that may not be", f"{batch_id} is {batch.status}, dry run: {batch.dry_run}")
        if chunk.intent_at is None or self._scheduler.now >= chunk.intent_at + timedelta(seconds=LEASE_S):
            fail("the lease holds", f"{key}: sent after its lease")
        if self._scheduler.now < self._pauses.get(key, self._scheduler.now) - 2 * self.skew_max:
            fail("pauses are kept", f"{key}: sent before its pause was over")
        self.called()
        return key

    def row_requested(self, body: bytes, within_s: float | None = None) -> Key:
        """A manual transaction is about to go out, of a file or of a client of the API."""
        worker = self._worker()
        key = self.rows.requested(worker, body)
        self.called()
        return key

    def sent_by(self) -> Key:
        """Whose request reaches Gameball now."""
        return self._worker().request

    def called(self) -> None:
        """Gameball is called: there must be a slot for it."""
        worker = self._worker()
        if worker.slots < 1 and worker.process.block_slots > 0:
            worker.process.block_slots -= 1
            return
        worker.slots -= 1
        if worker.slots < 0:
            fail("calls keep to the rate limit", f"{worker.name} called Gameball without a slot")

    def answered(self, batch_id: str, chunk_id: str, answer: str, error: GameballError | None) -> None:
        """Gameball has answered, or not."""
        key = (batch_id, chunk_id)
        self._last_answer[key] = answer
        if answer in (Answer.THROTTLED, Answer.BUSY):
            pause_s = (error.retry_after_s if error else None) or THROTTLED_PAUSE_S
            self._pauses[key] = self._scheduler.now + timedelta(seconds=pause_s)
        elif answer == Answer.NO_CONNECTION:
            self._pauses[key] = self._scheduler.now + timedelta(seconds=UNSENT_PAUSE_S)
        elif answer != "refused" and Answer(answer).is_unknown:
            self._doubt_causes.add(key)

    def row_answered(self, key: Key, body: bytes, answer: RowAnswer, error: GameballError | None) -> None:
        """Gameball has answered a manual transaction, or not."""
        self.rows.answered(key, body, answer, error)

    def listed(self, customer: str) -> None:
        """Gameball has listed a customer's transactions."""
        self.rows.listed(customer)

    def disturbed(self, worker: Worker) -> None:
        """A fault hit a worker: what it was sending may be in doubt."""
        worker.is_disturbed = True
        if worker.intent:
            self._doubt_causes.add(worker.intent)

    def stop_requested(self, batch_id: str) -> None:
        """A stop of a batch's job was requested at Gameball."""
        batch = self.batches[batch_id]
        if not batch.stopped_by or batch.keeps_jobs:
            fail(
                "jobs are stopped only where a person wants it",
                f"a stop of a job of {batch_id} was requested",
            )

    def applied(self, entry: Entry) -> None:
        """Gameball has really added an amount."""
        if entry.transaction_id:
            self._row_applied(entry)
            return
        row = (entry.batch_id, entry.amount)
        self._applied[row] += 1
        if self._applied[row] > 1:
            fail("nothing is applied twice", f"{entry.customer} {entry.amount} of {entry.batch_id}")
        reported = self._reported.get(entry.batch_id, {}).get(entry.amount)
        if reported not in (None, "in_doubt"):
            fail(
                "outcomes are true",
                f"{entry.amount} of {entry.batch_id} is {reported}, and was applied later",
            )
        self.repeated_rows.applied(entry, entry.reason)
        self._order.setdefault((entry.batch_id, entry.customer), []).append(entry.amount)
        for applied in self.on_applied:
            applied(entry)

    def _row_applied(self, entry: Entry) -> None:
        if not entry.batch_id:
            return  # a client's own, which no file is compared with
        self.rows.check_applied(entry, self._reported)
        self.repeated_rows.applied(entry, self.rows.identity_of(entry))
        self._order.setdefault((entry.batch_id, entry.customer), []).append(entry.amount)
        for applied in self.on_applied:
            applied(entry)

    # --- notifications -----------------------------------------------------------------------------------

    def mailed(self, subject: str) -> None:
        """A mail was sent: it must be true, and say something new."""
        if subject == "recurring schedule missed":
            return
        reported, _, batch_id = subject.partition(": ")
        batch = next((b for name, b in self.batches.items() if name.startswith(batch_id)), None)
        fact = reported.replace(" ", "_")
        if batch is None or (fact not in FINAL and fact != "awaiting_approval"):
            fail("notifications are true", subject)
        if fact not in self._statuses[batch.batch_id]:
            fail("notifications are true", f"{subject}, but it is {batch.status}")
        known = (self._worker().last_batch or batch).notifications_sent
        if fact in known or f"{fact} (mail)" in known:
            fail("notifications come once", f"{subject} was sent and recorded before")
        self._mailed.add((batch.batch_id, fact))

    def announced(self, detail_type: str, detail: Any) -> None:
        """An event was put: it must say how the batch ended."""
        batch = self.batches[detail["batchId"]]
        fact = detail["status"]
        wanted = "Batch Needs Attention" if fact == "needs_attention" else "Batch Settled"
        if detail_type != wanted or fact not in FINAL & self._statuses[batch.batch_id]:
            fail("notifications are true", f"{detail_type} {fact} of a batch that is {batch.status}")
        if f"{fact} (event)" in (self._worker().last_batch or batch).notifications_sent:
            fail("notifications come once", f"{detail_type} {fact} was sent and recorded before")
        self._announced[(batch.batch_id, fact)] += 1

    def logged(self, text: str) -> None:
        """A line reaches a log."""
        for needle in ("cust-", "77700", "secret-key-"):
            if needle in text:
                fail("logs hold no secrets", text)

    def dropped(self, stored: StoredObject, file: File) -> None:
        """A file is dropped."""
        self.files[(stored.key, stored.version_id)] = file
        self._dropped_at[(stored.key, stored.version_id)] = self._scheduler.now

    # --- the end -----------------------------------------------------------------------------------------

    def check_progress(self, faults_end: datetime, slack: timedelta) -> None:
        """Once faults have stopped, everything ends within its deadline."""
        now = self._scheduler.now
        for batch in self.batches.values():
            if batch.status in FINAL or batch.status == "awaiting_approval":
                continue
            if now > max(batch.deadline_at, faults_end) + slack:
                fail("everything ends", f"{batch.batch_id} is {batch.status} past its deadline")
        taken = {(batch.source.key, batch.source.version_id) for batch in self.batches.values()}
        for key, version in self.files:
            # a tick that failed for good lies in the failure queue; of the inbox, nothing stays behind
            if (key, version) in taken or not key.startswith("inbox/"):
                continue
            since = max(self._dropped_at[(key, version)], faults_end)
            if now > since + timedelta(minutes=30) + slack:
                fail("everything ends", f"{key} never became a batch")

    def check_all(self, faults_end: datetime, slack: timedelta) -> None:
        """Everything has happened that ever will: each batch has ended in time, or waits for a person."""
        for batch in self.batches.values():
            self._check_notified(batch)
            self._check_ended(batch, max(batch.deadline_at, faults_end) + slack)
            if batch.status not in FINAL:
                continue
            self._check_files(batch)
            self._check_order(batch)
            if batch.report_run_id:
                fail("everything ends", f"the results of {batch.batch_id} were never written to their end")
            if self.is_fault_free and (batch.counts.in_doubt or batch.past_deadline):
                fail(
                    "no doubt without a cause", f"{batch.batch_id} ended as {batch.status} without any fault"
                )
            if batch.pause_reason and not batch.past_deadline:
                fail(
                    "outcomes are true",
                    f"{batch.batch_id} is {batch.status} and paused: {batch.pause_reason}",
                )
        for check in self.at_end:
            check()

    def _check_ended(self, batch: Batch, until: datetime) -> None:
        if batch.status not in FINAL and batch.status != "awaiting_approval":
            fail("everything ends", f"{batch.batch_id} is {batch.status} for good")
        if batch.finished_at and batch.finished_at > until:
            fail("everything ends", f"{batch.batch_id} ended at {batch.finished_at}, past its deadline")

    def _check_notified(self, batch: Batch) -> None:
        fact = batch.status.value
        if fact not in batch.notifications_sent:
            fail("everybody is notified", f"{batch.batch_id} is {fact}, and nobody was notified")
        # a recurring file that was checked, and of which nothing is to be said, is mailed to nobody
        is_quiet = fact == "validated" and batch.source.key.startswith("recurring/")
        is_quiet = is_quiet and not batch.counts.rejected
        if (batch.batch_id, fact) not in self._mailed and not is_quiet:
            fail("everybody is notified", f"{batch.batch_id} is {fact}, and no mail says so")
        if fact in FINAL and not self._announced[(batch.batch_id, fact)]:
            fail("everybody is notified", f"{batch.batch_id} is {fact}, and no event says so")

    def _check_files(self, batch: Batch) -> None:
        if self._digest(batch) != self._digests[batch.batch_id]:
            fail("final states are immutable", f"the results of {batch.batch_id} changed after its end")
        self._check_end(batch)
        self._check_doubts(batch)

    def actual_outcomes(self, batch: Batch) -> dict[str, frozenset[int]]:
        """What really became of the rows in doubt of a batch, by line."""
        reported = self._reported.get(batch.batch_id, {})
        good = [row for row in self._file(batch).rows if not row.is_bad]
        lines = [
            (row.line, Decimal(row.amount)) for row in good if reported.get(Decimal(row.amount)) == "in_doubt"
        ]
        found: dict[str, set[int]] = {}
        for line, amount in lines:
            name = "applied" if self._times(batch, amount) else "not_applied"
            found.setdefault(name, set()).add(line)
        return {name: frozenset(lines) for name, lines in found.items()}

    def may_still_settle(self, batch: Batch) -> bool:
        """Whether rows are in doubt whose jobs, known by their jobIds, are at work yet."""
        jobs = (self.model.jobs.get(chunk.job_id or 0) for chunk in self.chunks(batch).values())
        is_at_work = any(job and self._scheduler.now < job.ends_at for job in jobs)
        return bool(batch.counts.in_doubt) and is_at_work

    def chunks(self, batch: Batch) -> dict[str, Chunk]:
        """A batch's chunks as they stand."""
        return self.plans.get((batch.batch_id, batch.plan_id), {})

    def file_of(self, batch: Batch) -> File:
        """What a batch was made of."""
        return self._file(batch)

    def times_applied(self, batch_id: str, amount: Decimal) -> int:
        """How often Gameball has added an amount of a batch."""
        return self._times(self.batches[batch_id], amount)

    def _times(self, batch: Batch, amount: Decimal) -> int:
        if batch.send_as == "transactions":
            return self.rows.times(batch.batch_id, amount)
        return self._applied[(batch.batch_id, amount)]

    def _is_false(self, batch: Batch, amount: Decimal, outcome: str) -> bool:
        """Whether an outcome is not what Gameball has; a row may fail that another batch applies later."""
        if outcome == "in_doubt":
            return False
        times = self._times(batch, amount)
        if batch.send_as == "transactions" and outcome != "applied":
            return self.rows.is_own(batch.batch_id, amount)
        return times != (outcome == "applied")

    # --- inside ------------------------------------------------------------------------------------------

    def _worker(self) -> Worker:
        worker = self._scheduler.current
        assert worker is not None
        return worker

    def _file(self, batch: Batch) -> File:
        return self.files[(batch.source.key, batch.source.version_id)]

    def _chunk_rows(self, batch_id: str, plan_id: str, chunk: Chunk) -> list[tuple[str, Decimal]]:
        """What a chunk's request says, read from the very bytes that are sent."""
        key = (plan_id, chunk.payload_key)
        if key not in self._rows:
            body = exact_json.read(self.read_file(chunk.payload_key))["body"]
            self._rows[key] = [(row["customerId"], Decimal(row["amount"])) for row in body]
        return self._rows[key][chunk.first : chunk.last]

    def _check_plan(self, batch: Batch, file: File, chunks: dict[str, Chunk]) -> None:
        if file.is_refused:
            fail("every row is planned", f"{file.key} should have been refused")
        planned: Counter[tuple[str, Decimal]] = Counter()
        waves: dict[str, dict[int, Decimal]] = {}
        for chunk in chunks.values():
            rows = self._chunk_rows(batch.batch_id, batch.plan_id, chunk)
            self._check_chunk(batch, chunk, rows)
            planned.update(rows)
            for customer, amount in rows:
                waves.setdefault(customer, {})[chunk.wave] = amount
        wanted = accepted(file)
        if planned != Counter(wanted):
            fail("every row is planned", f"{batch.batch_id}: {planned} instead of {wanted}")
        if (batch.counts.rows, batch.counts.rejected) != (len(file.rows), len(file.rows) - len(wanted)):
            fail("sums are conserved", f"{batch.batch_id}: {batch.counts}")
        if Decimal(batch.total) != sum((amount for _, amount in wanted), Decimal(0)):
            fail("sums are conserved", f"{batch.batch_id}: total {batch.total}")
        self._check_waves(batch, waves, wanted)
        self._check_canaries(batch, chunks)

    def _check_canaries(self, batch: Batch, chunks: dict[str, Chunk]) -> None:
        if not self._has_canary(batch):
            return
        # rows that are sent as transactions are asked again until they are known: one canary is enough
        canaries = 1 if batch.send_as == "transactions" else CANARIES_MAX
        for name in sorted(chunks)[:canaries]:
            if chunks[name].rows > self._scenario.canary_rows:
                fail("canaries are small", f"{name} of {batch.batch_id} has {chunks[name].rows} rows")

    def _check_chunk(self, batch: Batch, chunk: Chunk, rows: list[tuple[str, Decimal]]) -> None:
        if not 0 < len(rows) == chunk.rows <= self._scenario.chunk_rows_max:
            fail("every row is planned", f"chunk {chunk.chunk_id} holds {len(rows)} rows")
        if len({customer for customer, _ in rows}) < len(rows):
            fail("no customer twice in a chunk", f"chunk {chunk.chunk_id} of {batch.batch_id}")

    def _check_waves(
        self, batch: Batch, waves: dict[str, dict[int, Decimal]], wanted: list[tuple[str, Decimal]]
    ) -> None:
        """The n-th row of a customer goes to wave n."""
        for customer, by_wave in waves.items():
            order = [amount for name, amount in wanted if name == customer]
            if [by_wave[wave] for wave in sorted(by_wave)] != order:
                fail("rows go in the order of the file", f"{customer} of {batch.batch_id}: {by_wave}")

    def _check_guards(self, batch: Batch, file: File) -> None:
        is_needed = self._approvals.is_needed(batch, file)
        if (batch.status == "awaiting_approval") != is_needed or batch.dry_run != file.is_dry_run:
            fail("guards hold", f"{batch.batch_id} is {batch.status}, dry run: {batch.dry_run}")
        is_named = file.is_named or "recurring" in file.key
        if accepted(file) and not (file.is_dry_run or is_repetition(file) or is_named):
            self._check_content(batch, self._contents.setdefault(file.text, []))

    def _check_content(self, batch: Batch, earlier: list[str]) -> None:
        """The same content is taken again only when surely nothing of it was applied."""
        for other in (self.batches[batch_id] for batch_id in earlier):
            if other.status not in FINAL or other.counts.applied or other.counts.in_doubt:
                fail("the same content is taken once", f"{batch.batch_id}, and {other.batch_id} before")
        earlier.append(batch.batch_id)

    def _note_doubt(self, batch: Batch, before: Chunk, chunk: Chunk, key: Key) -> None:
        self._ever_doubted.add(key)

    def _check_intent(self, batch: Batch, before: Chunk, chunk: Chunk, key: Key) -> None:
        worker = self._worker()
        worker.intent, worker.token = key, chunk.token
        if batch.send_as == "transactions":
            self._check_held(before, chunk, key, worker)
        if not chunk.token or chunk.token in self._tokens:
            fail("a token is used once", f"{key}: {chunk.token!r}")
        self._tokens[chunk.token] = 0
        if (
            chunk.intent_at != self._scheduler.now + worker.skew
        ):  # it was frozen between reading the clock and here
            self._doubt_causes.add(key)
        seen, chunks = worker.snapshot
        if seen is None or seen.batch_id != batch.batch_id:
            fail("decisions rest on what was read", f"{key} was sent without reading its batch")
        if seen.stop_reason or seen.status in FINAL or seen.status == "awaiting_approval":
            fail("a stop holds", f"{key} was sent although its batch is {seen.status}, {seen.stop_reason}")
        self._check_share(batch, chunks, key)
        self._check_sending_order(batch, chunk, key)

    def _check_held(self, before: Chunk, chunk: Chunk, key: Key, worker: Worker) -> None:
        """A chunk is taken over from a sender that has disappeared only when its lease is over."""
        held_at = before.intent_at
        if before.state == "submitting" and held_at:
            free_at = held_at + timedelta(seconds=LEASE_S) - 2 * self.skew_max
            if self._scheduler.now < free_at:
                fail("the lease holds", f"{key} was taken over {free_at - self._scheduler.now} too early")
        worker.process.held[key] = chunk.intent_at or self._scheduler.now

    def _check_share(self, batch: Batch, chunks: Sequence[Chunk], key: Key) -> None:
        """Past MaxFailurePercent nothing more is sent; a chunk is judged once all its parts are over.

        Rows in doubt of a canary of which too little is known are no judgement: the second canary is.
        """
        canaries = self._canaries(batch, chunks)
        if why := canaries.why_not(key[1], self._scheduler.now + 2 * self.skew_max):
            fail("a canary in doubt is followed by one more", f"{key} was sent, and {why}")
        if canaries.lost and any(seen.state in OPEN for seen in canaries.following):
            return
        rows = bad = -canaries.rows_in_doubt
        being_split = {seen.chunk_id.split(".")[0] for seen in chunks if seen.state in OPEN}
        for seen in chunks:
            if seen.chunk_id.split(".")[0] in being_split:
                continue
            if seen.state == "settled":
                rows += seen.counts.rows
                bad += seen.counts.failed + seen.counts.in_doubt
            elif seen.state in ("refused", "in_doubt"):
                rows += seen.rows
                bad += seen.rows
        if rows and bad * 100 > rows * self._scenario.failure_percent_max:
            fail("the failure share holds", f"{key} was sent after {bad} of {rows} rows went wrong")

    def _check_sending_order(self, batch: Batch, chunk: Chunk, key: Key) -> None:
        """Waves go one after another, the canary before everything else."""
        chunks = self.chunks(batch)
        canary = next(iter(sorted(chunks)))
        for other in chunks.values():
            other_key = (batch.batch_id, other.chunk_id)
            if other_key in self._ever_over or other.chunk_id == chunk.chunk_id:
                continue
            if other.wave < chunk.wave:
                fail("waves go one after another", f"{key} was sent before {other.chunk_id} was over")
            is_canary = other.chunk_id.split(".")[0] == canary
            if self._has_canary(batch) and is_canary and chunk.chunk_id.split(".")[0] != canary:
                fail("the canary goes alone", f"{key} was sent before {other.chunk_id} was over")

    def _canaries(self, batch: Batch, chunks: Iterable[Chunk]) -> Canaries:
        if not self._has_canary(batch):
            return Canaries((), ())
        return canaries_of(chunks, self._scenario.failure_percent_max)

    def _check_share_stop(self, before: Batch, batch: Batch) -> None:
        """One canary of which too little is known stops nothing."""
        is_by_share = batch.stop_reason and not (
            before.stop_reason or batch.stopped_by or batch.past_deadline
        )
        if is_by_share and self._canaries(batch, self.chunks(batch).values()).is_second_due:
            fail("a canary in doubt is followed by one more", f"{batch.batch_id}: {batch.stop_reason}")

    def _has_canary(self, batch: Batch) -> bool:
        whole = [name for name in self.chunks(batch) if "." not in name]
        return self._scenario.canary_rows > 0 and len(whole) > 1

    def _check_job(self, batch: Batch, before: Chunk, chunk: Chunk, key: Key) -> None:
        job = self.model.jobs.get(chunk.job_id or 0)
        if job is None or (job.batch_id, job.chunk_id) != key:
            fail("a job is its chunk's", f"{key} was given job {chunk.job_id}")

    def _check_settled(self, batch: Batch, before: Chunk, chunk: Chunk, key: Key) -> None:
        """An outcome is true; of a job, it is what Gameball lists; and only a doubt is ever changed."""
        known = json.loads(self.read_file(chunk.outcomes_key))
        stored = [outcome[0] for outcome in known]
        if batch.send_as == "transactions":
            self.rows.settled(self.batches[key[0]], key, known)
        rows = self._chunk_rows(batch.batch_id, batch.plan_id, chunk)
        if len(stored) != chunk.rows:
            fail("every row has one outcome", f"{key}: {len(stored)} outcomes for {chunk.rows} rows")
        for (customer, amount), outcome in zip(rows, stored, strict=True):
            if self._is_false(batch, amount, outcome):
                fail("outcomes are true", f"{key}: {customer} {amount} is not {outcome}")
            if outcome == "failed":
                self._reported.setdefault(key[0], {})[amount] = outcome
        if "in_doubt" in stored:
            self._ever_doubted.add(key)
        self._check_grounds(before, chunk, key, stored)

    def _check_grounds(self, before: Chunk, chunk: Chunk, key: Key, stored: list[str]) -> None:
        # of a batch that has ended, rows are settled by the customers' lists as well
        is_evidence = self.batches[key[0]].status in FINAL and not chunk.job_state
        if before.state == "submitted" and not is_evidence:
            self._check_listed(chunk, key, stored)
        elif before.state == "settled":
            self._check_settled_again(before, key, stored)

    def _check_settled_again(self, before: Chunk, key: Key, stored: list[str]) -> None:
        known = [outcome[0] for outcome in json.loads(self.read_file(before.outcomes_key))]
        if any(old not in ("in_doubt", new) for old, new in zip(known, stored, strict=True)):
            fail("final states are immutable", f"{key}: {known} became {stored}")

    def _check_listed(self, chunk: Chunk, key: Key, stored: list[str]) -> None:
        job = self.model.jobs.get(chunk.job_id or 0)
        if job is None or self._scheduler.now < job.ends_at:
            fail("only an ended job settles", f"{key}: job {chunk.job_id} is still at work")
        for row, outcome in zip(job.rows, stored, strict=True):
            is_listed = row.is_listed and row.is_applied is not None and not row.is_listed_twice
            if outcome == "in_doubt" and is_listed and not job.hides_lists:
                fail("no doubt without a cause", f"{key}: {row.customer} was listed")
            if outcome != "in_doubt" and not is_listed:
                fail("outcomes are true", f"{key}: {row.customer} {row.amount} is {outcome} without proof")

    def _check_refused(self, batch: Batch, before: Chunk, chunk: Chunk, key: Key) -> None:
        if chunk.rows != 1 or self._last_answer.get(key) != "refused":
            fail(
                "only the row to blame is refused", f"{key}: {chunk.rows} rows, {self._last_answer.get(key)}"
            )

    def _check_released(self, batch: Batch, before: Chunk, chunk: Chunk, key: Key) -> None:
        answer = self._last_answer.get(key)
        if answer is not None and (answer == "refused" or Answer(answer).is_unknown):
            fail("what may be applied is not sent again", f"{key} was released after {answer}")

    def _check_rows_released(self, batch: Batch, before: Chunk, chunk: Chunk, key: Key) -> None:
        self.rows.released(chunk, key)

    def _check_end(self, batch: Batch) -> None:
        """Every row has exactly one outcome, it is true, and the sums add up."""
        file = self._file(batch)
        results = list(csv.DictReader(io.StringIO(self._text(batch, "results.csv"))))
        _check_counts(batch, results)
        if batch.refusal:
            return
        if len(results) != len(file.rows):
            fail("every row has one outcome", f"{batch.batch_id}: {len(results)} of {len(file.rows)} rows")
        reported: dict[Decimal, str] = {}
        for row, result in zip(file.rows, results, strict=True):
            if (int(result["line"]), result["customerId"]) != (row.line, row.customer):
                fail("every row has one outcome", f"{batch.batch_id}: {result} for line {row.line}")
            self._check_outcome(batch, row, result["status"])
            if file.is_transactions and not row.is_bad:
                self._check_ids(batch, row, result)
            if not row.is_bad:
                reported[Decimal(row.amount)] = result["status"]
        self._check_totals(batch, reported)
        self._check_fix_me(batch, file, results)
        self._reported[batch.batch_id] = reported

    def _check_ids(self, batch: Batch, row: InputRow, result: dict[str, str]) -> None:
        """The results name each transaction that was sent, as it is here and at Gameball."""
        if result["status"] == "not_submitted" and not result["transactionId"]:
            return
        name = self.rows.id_of(batch.batch_id, Decimal(row.amount))
        if result["transactionId"] != name:
            fail("results name their transactions", f"line {row.line}: {result['transactionId']}, not {name}")
        found = result["gameballTransactionId"]
        if found and self.model.ledger[int(found)].transaction_id != name:
            fail("results name their transactions", f"line {row.line} of {batch.batch_id}: {found}")

    def _check_outcome(self, batch: Batch, row: InputRow, outcome: str) -> None:
        where = f"line {row.line} of {batch.batch_id} is {outcome}"
        if row.is_bad or outcome == "rejected":
            if not (row.is_bad and outcome == "rejected"):
                fail("outcomes are true", where)
            return
        amount = Decimal(row.amount)
        if self._is_false(batch, amount, outcome):
            fail("outcomes are true", f"{where}, and was applied {self._times(batch, amount)} times")
        if outcome == "not_submitted" and not (batch.stop_reason or batch.dry_run):
            fail("none is lost", f"{where}, and nothing stopped it")
        if outcome in ("in_doubt", "not_submitted") and not batch.dry_run:
            self._check_cause(batch, amount, outcome, where)

    def _check_cause(self, batch: Batch, amount: Decimal, outcome: str, where: str) -> None:
        for chunk in self.chunks(batch).values():
            rows = self._chunk_rows(batch.batch_id, batch.plan_id, chunk)
            if chunk.state == "split" or all(amount != other for _, other in rows):
                continue
            key = (batch.batch_id, chunk.chunk_id)
            if outcome == "in_doubt" and chunk.state != "settled":
                if key not in self._doubt_causes and not batch.past_deadline:
                    fail("no doubt without a cause", where)
            elif outcome == "not_submitted" and self._is_sent(key):
                fail("outcomes are true", f"{where}, and was sent")

    def _is_sent(self, key: Key) -> bool:
        answer = self._last_answer.get(key)
        return answer is not None and (
            answer == Answer.ACCEPTED or (answer in set(Answer) and Answer(answer).is_applied)
        )

    def _check_totals(self, batch: Batch, reported: dict[Decimal, str]) -> None:
        total = sum((amount for amount, outcome in reported.items() if outcome == "applied"), Decimal(0))
        summary = json.loads(self._text(batch, "summary.json"), parse_float=Decimal)
        in_summary = Decimal(summary["totals"]["applied"])
        if total != Decimal(batch.applied_total) or in_summary != total or summary["status"] != batch.status:
            fail(
                "sums are conserved",
                f"{batch.batch_id}: applied {total}, record {batch.applied_total}, {in_summary}",
            )
        if summary["counts"] != batch.counts.model_dump(mode="json"):
            fail("sums are conserved", f"{batch.batch_id}: summary.json has {summary['counts']}")

    def _check_fix_me(self, batch: Batch, file: File, results: list[dict[str, str]]) -> None:
        if batch.dry_run:
            return
        again = {"failed", "rejected", "not_submitted"}
        wanted = [
            row.text for row, result in zip(file.rows, results, strict=True) if result["status"] in again
        ]
        records = list(csv.reader(io.StringIO(self._text(batch, "fix-me.csv"))))[1:]
        columns = file.header.count(",") + 1
        if [",".join(record[:columns]) for record in records] != wanted:
            fail("fix-me.csv holds what can be dropped again", f"{batch.batch_id}: {records} not {wanted}")

    def _check_order(self, batch: Batch) -> None:
        """A customer's rows are applied in the order of the file, as far as nothing was in doubt."""
        is_row_by_row = batch.send_as == "transactions"
        doubted = not is_row_by_row and any(key[0] == batch.batch_id for key in self._ever_doubted)
        if doubted or batch.counts.in_doubt or (is_row_by_row and batch.stop_reason):
            return
        order = {Decimal(row.amount): row.line for row in self._file(batch).rows if not row.is_bad}
        for (batch_id, customer), amounts in self._order.items():
            lines = [order[amount] for amount in amounts] if batch_id == batch.batch_id else []
            if lines != sorted(lines):
                fail("rows go in the order of the file", f"{customer} of {batch_id}: lines {lines}")

    def _doubtful_rows(self, batch: Batch) -> Iterator[InputRow]:
        """The rows of a batch that its report calls in doubt."""
        reported = self._reported.get(batch.batch_id, {})
        for row in self._file(batch).rows:
            if reported.get(Decimal(0) if row.is_bad else Decimal(row.amount)) == "in_doubt":
                yield row

    def is_left_to_sweep(self) -> bool:
        """Whether a batch is open, or has rows in doubt."""
        return any(batch.is_open or batch.counts.in_doubt for batch in self.batches.values())

    def is_looked_up_since(self, at: datetime) -> bool:
        """Whether each customer with a row in doubt was looked up after a time."""
        return all(
            self.rows.is_listed_since(row.customer, at)
            for batch in self.batches.values()
            if batch.counts.in_doubt
            for row in self._doubtful_rows(batch)
        )

    def _check_doubts(self, batch: Batch) -> None:
        """A row in doubt that was applied, and like which there is no other, is found by the sweep.

        One that was sent as a transaction is found, or found missing, in any case.
        """
        if batch.send_as == "transactions" and batch.counts.in_doubt:
            fail("doubts are cleared by evidence", f"{batch.counts.in_doubt} rows of {batch.batch_id}")
        for row in self._doubtful_rows(batch):
            if self._is_listed_now(batch, Decimal(row.amount)):
                fail("doubts are cleared by evidence", f"line {row.line} of {batch.batch_id} is in its job")
            twins = sum(row.text == other.text for file in self.files.values() for other in file.rows)
            if self._applied[(batch.batch_id, Decimal(row.amount))] and twins == 1:
                fail("doubts are cleared by evidence", f"line {row.line} of {batch.batch_id} was applied")

    def _is_listed_now(self, batch: Batch, amount: Decimal) -> bool:
        """Whether a row's job, whose jobId is on record, has ended and lists the row."""
        for chunk in self.chunks(batch).values():
            job = self.model.jobs.get(chunk.job_id or 0)
            if job is None or (job.odd_until and self._scheduler.now < job.odd_until) or job.hides_lists:
                continue
            for row in job.rows:
                if row.amount == amount:
                    return row.is_listed and row.is_applied is not None and not row.is_listed_twice
        return False

    def _text(self, batch: Batch, name: str) -> str:
        return self.read_file(f"results/{batch.batch_id}/{name}").decode()

    def _digest(self, batch: Batch) -> str:
        names = ("results.csv", "fix-me.csv", "summary.json", "report.html")
        texts = [self._text(batch, name) for name in names]
        summary = json.loads(texts[2])
        summary.pop("reconciliation", None)  # how far the search for evidence is may change after the end
        # what was open at the end may be settled later: its jobId comes on record, and its job's status
        summary["jobs"] = [
            job for job in summary["jobs"] if job["chunk"] not in self._open_at_end[batch.batch_id]
        ]
        texts[0] = json.dumps([_without_changeable(row) for row in csv.DictReader(io.StringIO(texts[0]))])
        texts[2] = json.dumps(summary)
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _without_changeable(row: dict[str, str]) -> dict[str, str]:
    """What never changes of a row in the results: one in doubt may get a jobId, and a better reason."""
    return row if row["status"] != "in_doubt" else {**row, "jobId": "", "message": ""}


def fail(check: str, message: str) -> NoReturn:
    """Say which promise is broken, and where."""
    raise Violation(check, message)


def _result(batch: Batch) -> tuple[object, ...]:
    return (
        batch.status,
        batch.counts,
        batch.applied_total,
        batch.finished_at,
        batch.refusal,
        batch.stop_reason,
    )


def _plan(batch: Batch) -> tuple[object, ...]:
    return batch.plan_id, batch.source, batch.total


def _is_resolved(before: Batch, after: Batch) -> bool:
    """Whether rows in doubt, and nothing else, were settled."""
    old, new = before.counts, after.counts
    is_clearer = new.in_doubt < old.in_doubt and new.applied >= old.applied and new.failed >= old.failed
    same = (old.rows, old.rejected, old.not_submitted) == (new.rows, new.rejected, new.not_submitted)
    return is_clearer and same and before.status == "needs_attention" and bool(after.resolutions)


def _check_counts(batch: Batch, results: list[dict[str, str]]) -> None:
    """The record counts what the file says, and names the end accordingly."""
    tally = Counter(row["status"] for row in results)
    counts = dict(batch.counts)
    if any(tally[name] != counts[name] for name in counts if name != "rows"):
        fail("sums are conserved", f"{batch.batch_id}: {tally} in the file, {counts} in the record")
    if len(results) != counts["rows"] or sum(tally.values()) != counts["rows"]:
        fail("every row has one outcome", f"{batch.batch_id}: {len(results)} results, {counts}")
    if batch.status != _status(batch, counts):
        fail("outcomes are true", f"{batch.batch_id} is {batch.status} with {counts}")


def _check_move(before: Chunk, chunk: Chunk, key: Key, moves: Mapping[str, set[str]]) -> None:
    """A chunk goes forward, one version at a time, and stays what it is."""
    if chunk.version != before.version + 1:
        fail("versions go one by one", f"chunk {key}: {before.version} → {chunk.version}")
    is_same = chunk.state == before.state == "submitted" and chunk.job_id == before.job_id
    if not is_same and chunk.state not in moves.get(before.state, ()):
        fail("state moves forward", f"chunk {key}: {before.state} → {chunk.state}")
    if _payload(before) != _payload(chunk):
        fail("a plan never changes", f"chunk {key} has another payload")


def _payload(chunk: Chunk) -> tuple[object, ...]:
    return chunk.payload_key, chunk.first, chunk.last, chunk.sha256, chunk.wave


def _status(batch: Batch, counts: dict[str, int]) -> str:
    """How a batch ends (docs/operations.md, "Read the results")."""
    if batch.refusal:
        return "rejected"
    if batch.dry_run:
        return "validated"
    if counts["in_doubt"] or (batch.past_deadline and not batch.resolutions):
        return "needs_attention"
    if counts["not_submitted"]:
        return "stopped"
    return "completed" if counts["applied"] == counts["rows"] else "completed_with_errors"
