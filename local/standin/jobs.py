"""Batch jobs: accepted at once, applied later (docs/gameball-api.md, "Job status")."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from local.standin.clock import nanoseconds, timestamp
from local.standin.ledger import Adjustment, Ledger

Operation = Literal["BalanceAdjustment", "BalanceInquiry"]

QUEUED = "queued"
RUNNING = "running"
COMPLETED = "completed"
FAILED = "failed"
STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class JobPlan:
    """How long a job takes, how it ends, and how many of its first rows it applies and lists."""

    delay_s: Decimal = Decimal(0)
    end_state: str = COMPLETED
    apply_rows: int | None = None
    list_rows: int | None = None


@dataclass(slots=True)
class Job:
    """One job; `end_state` is None while it is open, and `failures` maps a row's index to its message."""

    job_id: int
    operation: Operation
    rows: Sequence[Adjustment]
    plan: JobPlan
    accepted_at: datetime
    accepted_ns: int
    end_state: str | None = None
    done_rows: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    balances: dict[int, Decimal] = field(default_factory=dict)

    @property
    def due_ns(self) -> int:
        """When the rows are applied and the job ends."""
        return self.accepted_ns + nanoseconds(self.plan.delay_s)

    @property
    def running_ns(self) -> int:
        """When the job leaves the queue. Assumption: half way through its time."""
        return self.accepted_ns + nanoseconds(self.plan.delay_s) // 2

    def state(self, now_ns: int) -> str:
        """The state in the guide's terms."""
        if self.end_state is not None:
            return self.end_state
        return QUEUED if now_ns < self.running_ns else RUNNING

    def started_at(self, now_ns: int) -> str | None:
        """When the job left the queue; None where it has not."""
        if now_ns < self.running_ns or (self.end_state == STOPPED and self.done_rows == 0):
            return None
        return timestamp(
            self.accepted_at + timedelta(microseconds=(self.running_ns - self.accepted_ns) // 1000)
        )

    def ended_at(self) -> str:
        """When the job was due, as the time stamp of its entries."""
        return timestamp(self.accepted_at + timedelta(microseconds=(self.due_ns - self.accepted_ns) // 1000))


class JobList:
    """All jobs. They are settled when a request comes, in the order in which they are due."""

    def __init__(self, ledger: Ledger, first_job_id: int = 1) -> None:
        self._ledger = ledger
        self._jobs: dict[int, Job] = {}
        self._due: list[tuple[int, int]] = []
        self.next_job_id = first_job_id

    def accept(
        self, operation: Operation, rows: Sequence[Adjustment], plan: JobPlan, now_ns: int, utc: datetime
    ) -> Job:
        """Accept a job; nothing is applied yet."""
        job = Job(self.next_job_id, operation, rows, plan, utc, now_ns)
        self.next_job_id += 1
        self._jobs[job.job_id] = job
        heapq.heappush(self._due, (job.due_ns, job.job_id))
        return job

    def find(self, job_id: int) -> Job | None:
        """Find a job by id."""
        return self._jobs.get(job_id)

    def settle(self, now_ns: int) -> None:
        """Complete every job that is due, in order, as if each had run on time."""
        while self._due and self._due[0][0] <= now_ns:
            _, job_id = heapq.heappop(self._due)
            job = self._jobs[job_id]
            if job.end_state is None:
                self._run(job, job.plan.apply_rows, job.ended_at())
                job.end_state = job.plan.end_state

    def stop(self, job: Job, apply_rows: int, utc: datetime) -> None:
        """Stop an open job after applying its first rows."""
        self._run(job, apply_rows, timestamp(utc))
        job.end_state = STOPPED

    def _run(self, job: Job, apply_rows: int | None, at: str) -> None:
        job.done_rows = len(job.rows) if apply_rows is None else min(apply_rows, len(job.rows))
        for index in range(job.done_rows):
            if job.operation == "BalanceAdjustment":
                self._adjust(job, index, at)
            else:
                self._inquire(job, index)

    def _adjust(self, job: Job, index: int, at: str) -> None:
        objection = self._ledger.apply_row(at, job.job_id, job.rows[index])
        if objection is not None:
            job.failures[index] = objection.message

    def _inquire(self, job: Job, index: int) -> None:
        balance = self._ledger.balance(job.rows[index].customer_id)
        if balance is None:
            job.failures[index] = "Customer not found"
        else:
            job.balances[index] = balance
