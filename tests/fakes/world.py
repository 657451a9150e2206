"""The application on in-memory ports, with a Gameball that the test passes in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adjustments.aws.health import StackParts
from adjustments.aws.metrics import Meter, function_metrics
from adjustments.batches.files import Files
from adjustments.batches.records import Batch
from adjustments.batches.store import BatchStore
from adjustments.bootstrap import Application
from adjustments.core.runtime import Clock, Ids, Parallel
from adjustments.core.settings import Settings
from adjustments.gameball.circuit_breaker import CircuitBreaker
from adjustments.gameball.credentials import CredentialSource
from adjustments.gameball.port import Dialect, Gameball
from adjustments.gameball.rate_limiter import RateLimiter
from adjustments.manual_transactions.event_consumer import EventBus, FailureQueue
from adjustments.manual_transactions.ledger import IdempotencyLedger
from adjustments.results.emails import ResultsLocation
from adjustments.results.notifications import Notifications
from adjustments.submission.duplicates import Scratch
from adjustments.submission.sender import Executions
from adjustments.submission.triggers import IntakeQueue
from tests.fakes import memory
from tests.fakes.manual_transactions import MemoryFailures, MemoryLedger

LOCATION = ResultsLocation("memory", "eu-central-1")
KEYS = '{"apiKey": "key-of-a-test", "secretKey": "secret-of-a-test"}'

ENVIRONMENT: Mapping[str, str] = {
    "STACK_NAME": "test",
    "TABLE_NAME": "table",
    "BUCKET_NAME": memory.MemoryFiles.bucket,
    "MAX_ABSOLUTE_AMOUNT": "1000000",
    "CANARY_ROWS": "0",
    "APPROVAL_ABOVE_ROWS": "0",
    "APPROVAL_ABOVE_TOTAL": "0",
    "HOLD_OVERLAP_PERCENT": "5",
    "REASON_TOKEN": "false",
    "DEFAULT_ENCODING": "",
    "SEND_AS": "auto",
    "DEFAULT_REASON": "",
    "DEFAULT_USERNAME": "",
    "MAX_FAILURE_PERCENT": "100",
    "APPROVER_MAY_BE_UPLOADER": "false",
    "QUIET_MINUTES": "60",
    "GAMEBALL_STATUS_DIALECT": "auto",
    "FAILURE_QUEUE_URL": "memory",
    "MASK_CUSTOMER_IDS": "true",
    "MAX_MANUAL_AMOUNT": "1000000",
    "RECEIVES_MAX": "3",
    "SECRET_ID": "secret",
    "GAMEBALL_BASE_URL": "https://api.gameball.co",
    "GAMEBALL_API_VERSION": "v4.0",
    "REQUESTS_PER_30_SECONDS": "350",
    "CHECKED_RESOURCES": json.dumps(
        {
            "functions": {"Notify": "notify", "Sweep": "sweep"},
            "topics": {"TopicArn": "topic"},
            "schedules": {"SweepTick": "sweep-tick"},
            "queues": {"IntakeQueue": "intake"},
            "failureQueues": {"IntakeFailureQueue": "intake-failures"},
        }
    ),
}
"""What the template would set."""


@dataclass(kw_only=True)
class FakePorts:
    """See ``Ports``."""

    gameball: Gameball
    clock: Clock
    ids: Ids
    ledger: IdempotencyLedger
    store: BatchStore = field(default_factory=memory.MemoryStore)
    files: Files = field(default_factory=lambda: memory.MemoryFiles(memory.ManualClock()))
    rate_limiter: RateLimiter = field(default_factory=memory.GrantingRateLimiter)
    circuit_breaker: CircuitBreaker = field(default_factory=memory.MemoryCircuitBreaker)
    executions: Executions = field(default_factory=memory.MemoryExecutions)
    notifications: Notifications = field(default_factory=memory.MemoryNotifications)
    event_bus: EventBus = field(default_factory=memory.MemoryNotifications)
    intake: IntakeQueue = field(default_factory=memory.MemoryIntakeQueue)
    failures: FailureQueue = field(default_factory=MemoryFailures)
    credentials: CredentialSource = field(default_factory=lambda: memory.MemoryCredentials(KEYS))
    stack_parts: StackParts = field(default_factory=memory.MemoryStackParts)
    parallel: Parallel = memory.one_by_one
    scratch: Scratch = memory.scratch
    location: ResultsLocation = LOCATION


class World(Application):
    """One bucket, one table, one state machine, and a clock that the test moves."""

    def __init__(
        self,
        gameball: Gameball,
        *,
        canary_rows: int = 0,
        failure_percent_max: int = 100,
        approval_above_rows: int = 0,
        approval_above_total: int = 0,
        hold_overlap_percent: int = 5,
        approver_may_be_uploader: bool = False,
        dialect: Dialect | None = None,
        adds_token: bool = False,
        default_encoding: str = "",
        quiet_minutes: int = 60,
        requests_per_30_s: int = 0,
        parallel: Parallel = memory.one_by_one,
        send_as: str = "auto",
        default_reason: str = "",
        default_username: str = "",
    ) -> None:
        self.manual_clock = memory.ManualClock()
        self.ids = memory.CountingIds()
        self.store = memory.MemoryStore()
        self.files = memory.MemoryFiles(self.clock)
        self.rate_limiter: memory.GrantingRateLimiter | memory.MemoryRateLimiter = (
            memory.GrantingRateLimiter()
        )
        if requests_per_30_s:
            self.rate_limiter = memory.MemoryRateLimiter({}, self.clock, self.ids, requests_per_30_s)
        self.executions = memory.MemoryExecutions()
        self.notifications = memory.MemoryNotifications()
        self.intake = memory.MemoryIntakeQueue()
        self.stack_parts = memory.MemoryStackParts()
        self.credentials = memory.MemoryCredentials(KEYS)
        settings = {
            "CANARY_ROWS": canary_rows,
            "MAX_FAILURE_PERCENT": failure_percent_max,
            "APPROVAL_ABOVE_ROWS": approval_above_rows,
            "APPROVAL_ABOVE_TOTAL": approval_above_total,
            "HOLD_OVERLAP_PERCENT": hold_overlap_percent,
            "APPROVER_MAY_BE_UPLOADER": str(approver_may_be_uploader).lower(),
            "GAMEBALL_STATUS_DIALECT": dialect.value if dialect else "auto",
            "REASON_TOKEN": str(adds_token).lower(),
            "DEFAULT_ENCODING": default_encoding,
            "QUIET_MINUTES": quiet_minutes,
            "SEND_AS": send_as,
            "DEFAULT_REASON": default_reason,
            "DEFAULT_USERNAME": default_username,
        }
        environment = {**ENVIRONMENT, **{name: str(value) for name, value in settings.items()}}
        ports = FakePorts(
            gameball=gameball,
            clock=self.clock,
            ids=self.ids,
            store=self.store,
            files=self.files,
            rate_limiter=self.rate_limiter,
            executions=self.executions,
            intake=self.intake,
            stack_parts=self.stack_parts,
            credentials=self.credentials,
            notifications=self.notifications,
            event_bus=self.notifications,
            ledger=MemoryLedger(self.clock),
            parallel=parallel,
        )
        super().__init__(Settings(environment), ports, Meter(function_metrics))

    @property
    def clock(self) -> memory.ManualClock:
        """The time, which the test moves."""
        return self.manual_clock

    def drop(self, text: str | bytes, name: str = "file.csv", **metadata: str) -> Batch:
        """Put a CSV into the inbox and submit it; ``dry_run="true"`` for object metadata ``dry-run``."""
        key = f"inbox/{name}"
        content = text.encode() if isinstance(text, str) else text
        self.files.drop(key, content, {k.replace("_", "-"): v for k, v in metadata.items()})
        batch = self.triggers.submit_object(key, None)
        assert batch is not None
        return batch

    def run(self, batch: Batch, ticks_max: int = 1000) -> Batch:
        """Do what the state machine does, until the batch has ended."""
        for _ in range(ticks_max):
            until = self.clock.now() + timedelta(minutes=5)
            polled, step = self.poller.poll(batch.batch_id, until)
            if step.is_over or polled.status.is_final:
                self.report_writer.report(batch.batch_id)
                return self.notifier.notify(batch.batch_id)
            if step.more_to_send:
                self.sender.submit(batch.batch_id, until)
            self.clock.sleep(step.wait_s)
        raise AssertionError(f"batch {batch.batch_id} did not end within {ticks_max} ticks")

    def deliver(self) -> list[Batch]:
        """Deliver what the sweep has queued; the batches that come of it."""
        objects, self.intake.objects = self.intake.objects, []
        taken = [
            self.triggers.submit_object(o.key, o.version_id, o.modified_at, is_copy=True) for o in objects
        ]
        return [batch for batch in taken if batch]

    def tick(self, due_at: datetime | None = None) -> list[Batch]:
        """Let the recurring schedule be due, and deliver what that queues; the batches that come of it."""
        self.recurring_files.queue(due_at or self.clock.now())
        queued, self.intake.recurring = self.intake.recurring, []
        taken = [self.recurring_files.submit(key, due) for key, due in queued]
        return [batch for batch in taken if batch]

    def sweep(self) -> dict[str, list[str]]:
        """Let the sweep run, with a quarter of an hour to do so."""
        return self.sweeper.sweep(self.clock.now() + timedelta(minutes=15))

    def result(self, batch: Batch, name: str) -> str:
        """One of the result files, as text."""
        return self.files.get(f"results/{batch.batch_id}/{name}").decode()
