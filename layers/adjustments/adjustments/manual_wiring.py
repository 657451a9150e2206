"""Puts manual transactions together. A caller waits, so AWS's own services have less time to answer."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast

import boto3
from botocore.config import Config

from adjustments.aws.failure_queue import SqsFailureQueue
from adjustments.aws.logs import function_logger
from adjustments.aws.notifications import BusNotices
from adjustments.base_wiring import clock, ids, make_gameball, make_rate_limiter, meter, metrics, settings
from adjustments.core.runtime import Clock, Ids
from adjustments.core.settings import Settings
from adjustments.gameball.rate_limiter import RateLimiter
from adjustments.manual_transactions.event_consumer import EventBus, EventConsumer, FailureQueue
from adjustments.manual_transactions.ledger import IdempotencyLedger, TableLedger
from adjustments.manual_transactions.service import GameballTransactions, ManualTransactionService

__all__ = ["Application", "Ports", "application", "function_logger", "make_application", "meter", "metrics"]

_CLIENT_CONFIG: Final = Config(
    connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2}
)
"""A call to AWS takes milliseconds; one that hangs must leave time for an answer to the caller."""


@dataclass(frozen=True)
class Ports:
    """What the function reaches."""

    gameball: GameballTransactions
    ledger: IdempotencyLedger
    rate_limiter: RateLimiter
    failures: FailureQueue
    bus: EventBus
    clock: Clock
    ids: Ids


@dataclass(frozen=True)
class Application:
    """The function, put together."""

    settings: Settings
    clock: Clock
    service: ManualTransactionService
    consumer: EventConsumer


def make_application(settings: Settings, ports: Ports) -> Application:
    """Put the function together from its settings and ports."""
    service = ManualTransactionService(
        ports.gameball, ports.ledger, ports.rate_limiter, ports.clock, ports.ids
    )
    consumer = EventConsumer(service, ports.failures, ports.bus, ports.clock)
    return Application(settings, ports.clock, service, consumer)


@lru_cache(maxsize=1)
def application() -> Application:
    """The function as the template deploys it."""
    found = settings()
    dynamodb = _client("dynamodb")
    ports = Ports(
        gameball=make_gameball(_client("secretsmanager")),
        ledger=TableLedger(dynamodb, found.table, clock, ids),
        rate_limiter=make_rate_limiter(dynamodb),
        failures=SqsFailureQueue(_client("sqs"), found.failure_queue_url),
        bus=BusNotices(_client("events"), found.event_bus),
        clock=clock,
        ids=ids,
    )
    return make_application(found, ports)


def _client(service: str) -> Any:
    return boto3.client(cast(Any, service), config=_CLIENT_CONFIG)
