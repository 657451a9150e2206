"""A Gameball in memory: a ledger, jobs that end at once, and answers that the test sets."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from adjustments.core import exact_json
from adjustments.core.errors import GameballError, GameballRefused
from adjustments.gameball.port import Dialect

Applied = tuple[int, str, Decimal]
"""A job, a customer, and the amount that was added."""


class MemoryGameball:
    """Applies every row of every request that it accepts; ``script`` says what else happens.

    ``script`` holds, for the next requests of adjustments in turn, None (accept it), an error (raise it and
    apply nothing), or (error,) (apply it and raise the error: the answer was lost).
    """

    def __init__(self, script: list[GameballError | tuple[GameballError] | None] | None = None) -> None:
        self.script = script or []
        self.applied: list[Applied] = []
        self.requests: list[bytes] = []
        self.stopped: list[int] = []
        self.unknown_customers: set[str] = set()
        self.refuses: Callable[[list[str]], bool] = lambda customers: False
        self.job_state = "completed"
        self.dialect = Dialect.GUIDE
        self.unlisted: set[str] = set()
        self.poll_error: GameballError | None = None
        self.inquiries = 0
        self.looked_up: list[str] = []
        self.listed: list[dict[str, Any]] = []
        self.page_rows = 200
        self.inquiry_error: GameballError | None = None
        self.balance = 100
        self._jobs: list[list[dict[str, Any]]] = []

    def adjust_balances(self, body: bytes) -> int:
        self.requests.append(body)
        step = self.script.pop(0) if self.script else None
        if isinstance(step, GameballError):
            raise step
        rows = exact_json.read(body)["body"]
        if self.refuses([row["customerId"] for row in rows]):
            raise GameballRefused("Gameball answered 422: no", status=422)
        self._jobs.append(rows)
        job_id = len(self._jobs)
        self.applied += [
            (job_id, row["customerId"], Decimal(row["amount"]))
            for row in rows
            if row["customerId"] not in self.unknown_customers
        ]
        if isinstance(step, tuple):
            raise step[0]
        return job_id

    def inquire_balances(self, body: bytes) -> int:
        self.inquiries += 1
        if self.inquiry_error:
            raise self.inquiry_error
        rows = exact_json.read(body)["body"]
        self._jobs.append([{**row, "availablePointsBalance": self.balance} for row in rows])
        return len(self._jobs)

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        if self.poll_error:
            raise self.poll_error
        if dialect is not self.dialect:
            raise GameballRefused("Gameball answered 404", status=404, code=4004)
        rows = [row for row in self._jobs[job_id - 1] if row["customerId"] not in self.unlisted]
        good = [row for row in rows if row["customerId"] not in self.unknown_customers]
        bad = [{**row, "error": "Customer not found"} for row in rows if row not in good]
        if dialect is Dialect.OPENAPI:
            return {"status": self.job_state, "results": good, "errors": bad}
        return {"status": self.job_state, "response": {"successful": good, "failed": bad}}

    def customer_balance(self, customer_id: str, within_s: float | None = None) -> Mapping[str, Any]:
        if self.poll_error:
            raise self.poll_error
        return {"availablePointsBalance": self.balance, "totalPointsBalance": self.balance}

    def transactions(
        self, customer_id: str, start_after: str | None = None, within_s: float | None = None
    ) -> Mapping[str, Any]:
        self.looked_up.append(customer_id)
        found = [entry for entry in self.listed if entry["customerId"] == customer_id]
        if start_after is not None:
            found = [entry for entry in found if int(entry["gameballTransactionId"]) > int(start_after)]
        page = found[: self.page_rows]
        return {"transactions": page, "count": len(page), "hasMore": len(found) > len(page)}

    def list_transaction(self, customer_id: str, amount: str, reason: str, at: datetime, **more: Any) -> None:
        """Put an entry into a customer's list, in the form that Gameball publishes."""
        value = Decimal(amount)
        entry = {
            "gameballTransactionId": str(len(self.listed) + 1),
            "customerId": customer_id,
            "direction": "-" if value < 0 else "+",
            "amount": abs(value),
            "reason": reason or None,
            "transactionTime": at.isoformat().removesuffix("+00:00"),
        }
        self.listed.append({**entry, **more})

    def stop_job(self, dialect: Dialect, job_id: int) -> None:
        self.stopped.append(job_id)

    def add_manual_transaction(self, body: bytes, within_s: float | None = None) -> Mapping[str, Any]:
        fields: Mapping[str, Any] = exact_json.read(body)
        return fields
