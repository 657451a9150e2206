"""What the application reaches: its ports, and those of a deployed function, which are AWS and Gameball.

An adapter is imported where it is made: a caller waits while an API function starts, and a manual transaction
needs neither the records of batches nor the bucket.
"""

from __future__ import annotations

import tempfile
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol, cast

import boto3
from botocore.config import Config

from adjustments.core.runtime import Clock, Ids, Parallel, RandomIds, SystemClock, run_in_threads

if TYPE_CHECKING:
    from adjustments.aws.bucket import BucketFiles
    from adjustments.aws.health import AwsStackParts, StackParts
    from adjustments.aws.messaging import (
        BusNotifications,
        SqsFailureQueue,
        SqsIntakeQueue,
        StateMachineExecutions,
        TopicAndBusNotifications,
    )
    from adjustments.aws.metrics import Meter
    from adjustments.aws.table import TableBatchStore
    from adjustments.batches.files import Files
    from adjustments.batches.store import BatchStore
    from adjustments.core.settings import Settings
    from adjustments.gameball.circuit_breaker import CircuitBreaker, TableCircuitBreaker
    from adjustments.gameball.client import GameballClient
    from adjustments.gameball.credentials import CredentialSource, SecretCredentials
    from adjustments.gameball.port import Gameball
    from adjustments.gameball.rate_limiter import MeasuredRateLimiter, RateLimiter
    from adjustments.manual_transactions.event_consumer import EventBus, FailureQueue
    from adjustments.manual_transactions.ledger import IdempotencyLedger
    from adjustments.manual_transactions.table_ledger import TableLedger
    from adjustments.results.emails import ResultsLocation
    from adjustments.results.notifications import Notifications
    from adjustments.submission.duplicates import Scratch
    from adjustments.submission.sender import Executions
    from adjustments.submission.triggers import IntakeQueue

BACKGROUND: Final = Config(
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 5},
    max_pool_connections=16,
)
"""For calls to AWS of functions that nobody waits for; all of them are conditional or idempotent."""

PROMPT: Final = Config(
    connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2}
)
"""For calls to AWS while a caller waits: one that hangs must leave time to answer."""

_S3: Final = Config(
    signature_version="s3v4",
    s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
)
"""For links: in older regions boto3 would sign them in version 2, which new buckets refuse, and for a host
that S3 redirects.
"""


_HEALTH: Final = Config(
    connect_timeout=2,
    read_timeout=18,
    retries={"mode": "standard", "total_max_attempts": 1},
    max_pool_connections=16,
)
"""For calls of a health check, which has 28 s: a cold start fits in, a second try would not."""

_HEALTH_SERVICES: Final = ("lambda", "sns", "scheduler", "sqs")


class Ports(Protocol):
    """What the application reaches."""

    @property
    def clock(self) -> Clock: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def parallel(self) -> Parallel: ...
    @property
    def scratch(self) -> Scratch: ...
    @property
    def store(self) -> BatchStore: ...
    @property
    def files(self) -> Files: ...
    @property
    def gameball(self) -> Gameball: ...
    @property
    def rate_limiter(self) -> RateLimiter: ...
    @property
    def circuit_breaker(self) -> CircuitBreaker: ...
    @property
    def executions(self) -> Executions: ...
    @property
    def notifications(self) -> Notifications: ...
    @property
    def location(self) -> ResultsLocation: ...
    @property
    def ledger(self) -> IdempotencyLedger: ...
    @property
    def intake(self) -> IntakeQueue: ...
    @property
    def failures(self) -> FailureQueue: ...
    @property
    def event_bus(self) -> EventBus: ...
    @property
    def credentials(self) -> CredentialSource: ...
    @property
    def stack_parts(self) -> StackParts: ...


class AwsPorts:
    """AWS and Gameball, as the template sets them up.

    Args:
        settings: the settings of this function.
        config: bounds of calls to AWS.
        meter: counts calls to Gameball and waits for the rate limiter.
        clock: the machine's own unless another one is given.
    """

    def __init__(self, settings: Settings, config: Config, meter: Meter, clock: Clock | None = None) -> None:
        self._settings = settings
        self._config = config
        self._meter = meter
        self._session = boto3.Session()
        self.clock: Clock = clock or SystemClock()
        self.ids = RandomIds()

    parallel = staticmethod(run_in_threads)

    @staticmethod
    def scratch() -> BinaryIO:
        """Open a scratch file."""
        return cast(BinaryIO, tempfile.TemporaryFile())

    @cached_property
    def store(self) -> TableBatchStore:
        """The table."""
        from adjustments.aws.table import TableBatchStore

        return TableBatchStore(self._dynamodb, self._settings.table.name, self.clock, self.ids)

    @cached_property
    def files(self) -> BucketFiles:
        """The bucket."""
        from adjustments.aws.bucket import BucketFiles

        client = self._session.client("s3", config=self._config.merge(_S3))
        return BucketFiles(client, self._settings.bucket.name)

    @cached_property
    def gameball(self) -> GameballClient:
        """Gameball, with the keys of the secret."""
        from adjustments.gameball.client import GameballClient

        settings = self._settings.gameball
        return GameballClient(
            settings.base_url, settings.api_version, self.credentials, observe=self._meter.observe_call
        )

    @cached_property
    def credentials(self) -> SecretCredentials:
        """The keys of Gameball, from the secret."""
        from adjustments.gameball.credentials import SecretCredentials

        return SecretCredentials(self._client("secretsmanager"), self._settings.gameball.secret_id)

    @cached_property
    def rate_limiter(self) -> MeasuredRateLimiter:
        """The rate limiter that all functions share."""
        from adjustments.gameball.rate_limiter import MeasuredRateLimiter, TableRateLimiter

        limiter = TableRateLimiter(
            self._dynamodb,
            self._settings.table.name,
            self.clock,
            self.ids,
            self._settings.gameball.requests_per_30_s,
        )
        return MeasuredRateLimiter(limiter, self._meter.observe_slot)

    @cached_property
    def circuit_breaker(self) -> TableCircuitBreaker:
        """The circuit breaker that all functions share."""
        from adjustments.gameball.circuit_breaker import TableCircuitBreaker

        return TableCircuitBreaker(self._dynamodb, self._settings.table.name)

    @cached_property
    def executions(self) -> StateMachineExecutions:
        """The state machine."""
        from adjustments.aws.messaging import StateMachineExecutions

        return StateMachineExecutions(self._client("stepfunctions"), self._settings.state_machine.arn)

    @cached_property
    def notifications(self) -> TopicAndBusNotifications:
        """The topic and the event bus."""
        from adjustments.aws.messaging import TopicAndBusNotifications

        settings = self._settings
        return TopicAndBusNotifications(
            self._client("sns"), settings.topic.arn, self._client("events"), settings.event_bus.name
        )

    @cached_property
    def location(self) -> ResultsLocation:
        """Where people find results."""
        from adjustments.results.emails import ResultsLocation

        settings = self._settings
        return ResultsLocation(settings.bucket.name, settings.topic.region, settings.topic.partition)

    @cached_property
    def ledger(self) -> TableLedger:
        """The idempotency ledger of manual transactions."""
        from adjustments.manual_transactions.table_ledger import TableLedger

        return TableLedger(self._dynamodb, self._settings.table.name, self.clock, self.ids)

    @cached_property
    def intake(self) -> SqsIntakeQueue:
        """The intake queue."""
        from adjustments.aws.messaging import SqsIntakeQueue

        return SqsIntakeQueue(self._client("sqs"), self._settings.intake.queue_url)

    @cached_property
    def failures(self) -> SqsFailureQueue:
        """The failure queue of manual transactions."""
        from adjustments.aws.messaging import SqsFailureQueue

        return SqsFailureQueue(self._client("sqs"), self._settings.manual_transactions.failure_queue_url)

    @cached_property
    def event_bus(self) -> BusNotifications:
        """The event bus alone."""
        from adjustments.aws.messaging import BusNotifications

        return BusNotifications(self._client("events"), self._settings.event_bus.name)

    @cached_property
    def stack_parts(self) -> AwsStackParts:
        """What a health check looks at. Its clients are made here, since making them is not thread-safe."""
        from adjustments.aws.health import AwsStackParts

        clients = (self._session.client(cast(Any, service), config=_HEALTH) for service in _HEALTH_SERVICES)
        functions, sns, scheduler, sqs = clients
        return AwsStackParts(functions=functions, sns=sns, scheduler=scheduler, sqs=sqs)

    @cached_property
    def _dynamodb(self) -> Any:
        return self._client("dynamodb")

    def _client(self, service: str) -> Any:
        return self._session.client(cast(Any, service), config=self._config)
