"""Manual transactions in memory: the idempotency ledger, and Gameball's side of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from threading import Lock
from typing import Any

from adjustments.core import exact_json
from adjustments.core.errors import GameballRefused, IdTaken, StillInProgress
from adjustments.core.runtime import Clock
from adjustments.gameball.port import Dialect
from adjustments.manual_transactions.ledger import (
    Attempt,
    CallerContext,
    Completed,
    LedgerEntry,
    LedgerStatus,
    ManualRecord,
)
from adjustments.manual_transactions.model import ManualTransaction


class Killed(BaseException):
    """The function's process is gone."""


@dataclass
class _Item:
    body: bytes
    until: datetime
    attempt_id: str
    transaction: ManualTransaction
    context: CallerContext
    at: datetime
    answer: str | None = None
    doubted_at: datetime | None = None


class MemoryLedger:
    """See ``IdempotencyLedger``; ``loses_answers`` as when the function dies before the last write."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._numbers = count()
        self.items: dict[str, _Item] = {}
        self.callers: dict[str, str] = {}
        self.loses_answers = False

    def begin(self, transaction: ManualTransaction, context: CallerContext) -> Attempt | Completed:
        name = transaction.transaction_id
        with self._lock:
            before = self.items.get(name)
            if before and before.body != transaction.body():
                raise IdTaken("transactionId: was sent before with another body; nothing was applied")
            if before and before.answer is not None:
                return Completed(before.answer)
            if before and before.until >= self._clock.now():
                raise StillInProgress("transactionId: a call with it is in progress")
            until = self._clock.now() + timedelta(milliseconds=context.remaining_ms())
            attempt_id = str(next(self._numbers))
            self.items[name] = _Item(
                transaction.body(), until, attempt_id, transaction, context, self._clock.now()
            )
            self.callers[name] = context.caller
        return Attempt(
            attempt_id, name, "", doubted_at=(before.doubted_at or before.until) if before else None
        )

    def find(self, transaction_id: str) -> LedgerEntry | None:
        item, caller = self.items.get(transaction_id), self.callers.get(transaction_id, "")
        if item is None:
            return None
        if item.answer is not None:
            return LedgerEntry(LedgerStatus.APPLIED, caller, item.answer)
        is_over = item.until < self._clock.now()
        return LedgerEntry(LedgerStatus.IN_DOUBT if is_over else LedgerStatus.UNDER_WAY, caller)

    def complete(self, attempt: Attempt, answer: str) -> None:
        if not self.loses_answers:
            self.items[attempt.transaction_id].answer = answer

    def reopen(self, attempt: Attempt, doubted_at: datetime) -> None:
        with self._lock:
            if item := self._own(attempt):
                item.doubted_at = doubted_at
                item.until = self._clock.now() - timedelta(milliseconds=1)

    def forget(self, attempt: Attempt) -> None:
        with self._lock:
            if self._own(attempt):
                del self.items[attempt.transaction_id]

    def of_customer(self, customer_id: str, since: datetime, until: datetime) -> list[ManualRecord]:
        mine = [item for item in self.items.values() if item.transaction.customer_id == customer_id]
        found = sorted((item for item in mine if since <= item.at <= until), key=lambda item: item.at)
        return [self._record(item) for item in reversed(found)]

    def _record(self, item: _Item) -> ManualRecord:
        is_under_way, sent = item.until >= self._clock.now(), item.transaction
        answer = exact_json.read(item.answer) if item.answer else {}
        return ManualRecord(
            at=item.at.replace(microsecond=item.at.microsecond // 1_000 * 1_000),
            change=sent.change,
            unit="amount" if sent.points is None else "points",
            reason=sent.reason,
            outcome="applied" if item.answer else "under_way" if is_under_way else "in_doubt",
            transaction_id=sent.transaction_id,
            gameball_id=str(answer.get("gameballTransactionId") or ""),
            username=sent.username,
            caller=item.context.caller,
        )

    def _own(self, attempt: Attempt) -> _Item | None:
        item = self.items.get(attempt.transaction_id)
        return item if item and item.attempt_id == attempt.attempt_id else None


class NoBatches:
    """The calls to Gameball that manual transactions never make."""

    def adjust_balances(self, body: bytes) -> int:
        raise AssertionError("a manual transaction sends no batch")

    def inquire_balances(self, body: bytes) -> int:
        raise AssertionError("a manual transaction inquires no balances")

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        raise AssertionError("a manual transaction has no job")

    def stop_job(self, dialect: Dialect, job_id: int) -> None:
        raise AssertionError("a manual transaction has no job")

    def customer_balance(self, customer_id: str, within_s: float | None = None) -> Mapping[str, Any]:
        raise AssertionError("a manual transaction inquires no balance")


@dataclass
class MemoryTransactions(NoBatches):
    """Gameball's ledger of manual transactions; ``script`` says what happens to the next requests in turn.

    None: it goes well. An error: it is raised, and nothing is applied. (An error,): it is applied, and the
    error is raised all the same.
    """

    script: list[BaseException | tuple[BaseException] | None] = field(default_factory=list)
    by_customer: dict[str, list[BaseException | tuple[BaseException] | None]] = field(default_factory=dict)
    """As ``script``, for the requests of one customer each; it comes before ``script``."""
    lists: list[BaseException | None] = field(default_factory=list)
    stored: list[dict[str, Any]] = field(default_factory=list)
    sent: list[Mapping[str, Any]] = field(default_factory=list)
    within_s: list[float | None] = field(default_factory=list)
    answered: Mapping[str, Any] = field(default_factory=dict)
    listed: Mapping[str, Any] = field(default_factory=dict)
    """What answers and lists say instead of the truth."""
    takes_ids_twice: int = 0
    lookups: int = 0
    lag_lookups: int = 0
    page_rows: int = 200

    def add_manual_transaction(self, body: bytes, within_s: float | None = None) -> Mapping[str, Any]:
        fields: Mapping[str, Any] = exact_json.read(body)
        self.sent.append(fields)
        self.within_s.append(within_s)
        script = self.by_customer.get(fields["customerId"]) or self.script
        step = script.pop(0) if script else None
        if isinstance(step, BaseException):
            raise step
        answer = self.apply(fields)
        if isinstance(step, tuple):
            raise step[0]
        return {**answer, **self.answered}

    def apply(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        same = sum(entry["transactionId"] == fields["transactionId"] for entry in self.stored)
        if same > self.takes_ids_twice:
            raise GameballRefused(
                "422", status=422, code=9004, gameball_message="Transaction id already exists"
            )
        change = Decimal(fields.get("points", fields.get("amount", 0)))
        answer = {
            "customerId": fields["customerId"],
            "gameballTransactionId": len(self.stored) + 1,
            "transactionId": fields["transactionId"],
            "points": change,
            "amount": change,
        }
        listed = {"direction": "-" if change < 0 else "+", "points": abs(change), "amount": abs(change)}
        self.stored.append({**answer, **listed, "gameballTransactionId": str(len(self.stored) + 1)})
        return answer

    def transactions(
        self, customer_id: str, start_after: str | None = None, within_s: float | None = None
    ) -> Mapping[str, Any]:
        self.lookups += 1
        step = self.lists.pop(0) if self.lists else None
        if step is not None:
            raise step
        if self.lookups <= self.lag_lookups:
            return {"transactions": [], "count": 0, "hasMore": False}
        after = int(start_after or 0)
        mine = [entry for entry in self.stored if entry["customerId"] == customer_id]
        found = [entry for entry in mine if int(entry["gameballTransactionId"]) > after]
        page = [{**entry, **self.listed} for entry in found[: self.page_rows]]
        return {"transactions": page, "count": len(page), "hasMore": len(found) > len(page)}


@dataclass
class MemoryFailures:
    """See ``FailureQueue``."""

    messages: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    def put(self, text: str, attributes: Mapping[str, str]) -> None:
        self.messages.append((text, attributes))
