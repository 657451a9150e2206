"""Dry runs: looks up balances, sends no adjustments, and predicts what a real run would do to each row."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from adjustments.batches.files import Files
from adjustments.batches.payloads import customers_and_amounts, rows_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.store import BatchStore
from adjustments.batches.work_files import WorkKeys
from adjustments.core import exact_json
from adjustments.core.decimals import exact_sum, plain
from adjustments.core.errors import ConfigurationError, GameballError, NotFound
from adjustments.core.runtime import Clock
from adjustments.gameball.port import Dialect, Gameball
from adjustments.gameball.rate_limiter import Priority, RateLimiter, Resource, wait_for_slot
from adjustments.polling.job_client import JobClient, listed_rows, read_status

_BALANCE_FIELDS: Final = ("availablePointsBalance", "totalPointsBalance", "pointsBalance", "balance")
"""Fields of a balance inquiry that may have the balance; they are not documented (docs/decisions.md)."""

TIME_MAX: Final = timedelta(minutes=30)
"""How long a dry run waits for balances; rows without one are not predicted."""


class PredictedOutcome(StrEnum):
    """What a real run would probably do to a row."""

    WOULD_APPLY = "would_apply"
    WOULD_OVERDRAW = "would_overdraw"
    UNKNOWN_CUSTOMER = "unknown_customer"
    NOT_PREDICTED = "not_predicted"


Balance = Decimal | PredictedOutcome
"""A customer's balance, or why there is none: unknown_customer or not_predicted."""


def read_balances(dialect: Dialect, answer: Mapping[str, Any]) -> dict[str, Balance]:
    """Read an ended balance inquiry: the balance of each customer that is listed."""
    good, bad = listed_rows(dialect, answer)
    balances: dict[str, Balance] = {str(row["customerId"]): _balance_in(row) for row in good}
    return balances | {str(row["customerId"]): PredictedOutcome.UNKNOWN_CUSTOMER for row in bad}


def _balance_in(row: Mapping[str, Any]) -> Balance:
    value = next((row[name] for name in _BALANCE_FIELDS if name in row), None)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return PredictedOutcome.NOT_PREDICTED
    return Decimal(value)


def store_balance(balance: Balance) -> str:
    """Write a balance as text; a customer without one has the predicted outcome in its place."""
    return balance.value if isinstance(balance, PredictedOutcome) else plain(balance)


def restore_balance(text: str) -> Balance:
    """Read what ``store_balance`` wrote."""
    return PredictedOutcome(text) if text in set(PredictedOutcome) else Decimal(text)


class Predictor:
    """Predicts the outcomes of the rows of a file, in order.

    Args:
        repeated: the customers with more than one row, whose balance is carried from row to row.
    """

    def __init__(self, repeated: set[str]) -> None:
        self.repeated = repeated
        self.carried: dict[str, Balance] = {}
        self.counts = dict.fromkeys(PredictedOutcome, 0)

    def predict(self, customer_id: str, amount: Decimal, balance: Balance) -> tuple[PredictedOutcome, str]:
        """Predict the outcome of a row.

        Args:
            customer_id: the customer.
            amount: the signed amount.
            balance: the customer's balance at Gameball; earlier rows of the customer change it.

        Returns:
            The outcome, and a message for people.
        """
        before = self.carried.get(customer_id, balance)
        outcome = _predict(before, amount)
        self.counts[outcome] += 1
        if customer_id in self.repeated:
            self.carried[customer_id] = _after(before, amount, outcome)
        return outcome, _message(outcome, before, amount)


def _predict(before: Balance, amount: Decimal) -> PredictedOutcome:
    if isinstance(before, PredictedOutcome):
        return before
    return (
        PredictedOutcome.WOULD_OVERDRAW
        if amount < 0 and before + amount < 0
        else PredictedOutcome.WOULD_APPLY
    )


def _after(before: Balance, amount: Decimal, outcome: PredictedOutcome) -> Balance:
    if outcome is PredictedOutcome.WOULD_APPLY and isinstance(before, Decimal):
        return exact_sum([before, amount])
    return before


def _message(outcome: PredictedOutcome, before: Balance, amount: Decimal) -> str:
    match outcome:
        case PredictedOutcome.WOULD_OVERDRAW if isinstance(before, Decimal):
            return f"would fail: {plain(amount)} overdraws the balance of {plain(before)}"
        case PredictedOutcome.UNKNOWN_CUSTOMER:
            return "would fail: Gameball does not know this customer"
        case PredictedOutcome.NOT_PREDICTED:
            return "dry run: nothing was sent, and the balance could not be looked up"
        case _:
            return "dry run: nothing was sent; would be applied"


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """Sends balance inquiries and collects the balances, one step at a time."""

    store: BatchStore
    files: Files
    gameball: Gameball
    jobs: JobClient
    rate_limiter: RateLimiter
    clock: Clock

    def advance(self, batch: Batch, until: datetime) -> bool:
        """Send the inquiries that are missing, and collect the balances of those that have ended.

        The first wave has each customer once, so an inquiry for each of its chunks is enough.

        Args:
            batch: the dry run.
            until: when to stop, UTC.

        Returns:
            Whether there is nothing left to wait for.
        """
        keys = WorkKeys(batch.batch_id, batch.plan_id)
        chunks = [c for c in self.store.chunks(batch.batch_id, batch.plan_id) if c.wave == 1]
        jobs = self._read(keys.inquiries)
        try:
            for chunk in chunks:
                if self.clock.now() >= until:
                    break
                self._advance_chunk(batch, chunk, keys, jobs, until)
        finally:
            self.files.put(keys.inquiries, json.dumps(jobs).encode(), "application/json")
        is_done = all(jobs.get(chunk.chunk_id) == "done" for chunk in chunks)
        return is_done or self.clock.now() >= batch.created_at + TIME_MAX

    def _advance_chunk(
        self, batch: Batch, chunk: Chunk, keys: WorkKeys, jobs: dict[str, Any], until: datetime
    ) -> None:
        job = jobs.get(chunk.chunk_id)
        try:
            if job is None:
                jobs[chunk.chunk_id] = self._inquire(chunk, until)
            elif job != "done" and self._collect(batch, chunk, keys, job, until):
                jobs[chunk.chunk_id] = "done"
        except (GameballError, ConfigurationError):
            return  # the next step tries again, until TIME_MAX

    def _inquire(self, chunk: Chunk, until: datetime) -> int | None:
        if not wait_for_slot(self.rate_limiter, self.clock, Resource.OTHERS, Priority.BULK, until):
            return None
        rows = [{"customerId": customer} for customer in self._customers(chunk)]
        return self.gameball.inquire_balances(exact_json.write({"body": rows}).encode())

    def _collect(self, batch: Batch, chunk: Chunk, keys: WorkKeys, job_id: int, until: datetime) -> bool:
        answer = self.jobs.fetch_status(batch, job_id, until)
        if answer is None or not read_status(*answer).has_ended:
            return False
        balances = read_balances(*answer)
        stored = [
            store_balance(balances.get(c, PredictedOutcome.NOT_PREDICTED)) for c in self._customers(chunk)
        ]
        self.files.put(keys.balances(chunk.chunk_id), json.dumps(stored).encode(), "application/json")
        return True

    def _customers(self, chunk: Chunk) -> list[str]:
        rows = rows_of(self.files.get(chunk.payload_key))[chunk.first : chunk.last]
        return [customer for customer, _ in customers_and_amounts(rows)]

    def _read(self, key: str) -> dict[str, Any]:
        try:
            return dict(json.loads(self.files.get(key)))
        except NotFound:
            return {}
