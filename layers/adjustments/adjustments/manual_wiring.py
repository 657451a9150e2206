"""Puts manual transactions together, apart from ``wiring``: a caller waits, so nothing of batches is loaded,
and AWS's own services have less time to answer.
"""

from functools import lru_cache
from typing import Any, Final, cast

import boto3
from botocore.config import Config

from adjustments.adapters.idempotency import TableOnce
from adjustments.aws.failure_queue import SqsFailureQueue
from adjustments.aws.logs import function_logger
from adjustments.aws.notifications import BusNotices
from adjustments.base_wiring import clock, ids, make_budget, make_gameball, meter, metered, settings
from adjustments.gameball.rate_limiter import RequestBudget
from adjustments.ports import Bus, FailureQueue, Once
from adjustments.services.requesting import Requester
from adjustments.services.transacting import Transactions, Transactor

_CLIENT_CONFIG: Final = Config(
    connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2}
)
"""A call to AWS takes milliseconds; one that hangs must leave time for an answer to the caller."""

__all__ = ["clock", "function_logger", "meter", "metered", "settings"]


@lru_cache
def _client(service: str) -> Any:
    return boto3.client(cast(Any, service), config=_CLIENT_CONFIG)


@lru_cache(maxsize=1)
def _gameball() -> Transactions:
    return make_gameball(_client("secretsmanager"))


@lru_cache(maxsize=1)
def _once() -> Once:
    return TableOnce(_client("dynamodb"), settings().table, ids)


@lru_cache(maxsize=1)
def _budget() -> RequestBudget:
    return make_budget(_client("dynamodb"))


@lru_cache(maxsize=1)
def build_transactor() -> Transactor:
    """Adds manual transactions."""
    return Transactor(_gameball(), _once(), _budget(), clock, ids)


@lru_cache(maxsize=1)
def _failures() -> FailureQueue:
    return SqsFailureQueue(_client("sqs"), settings().failure_queue_url)


@lru_cache(maxsize=1)
def _bus() -> Bus:
    return BusNotices(_client("events"), settings().event_bus)


@lru_cache(maxsize=1)
def build_requester() -> Requester:
    """Takes requests that came as events."""
    return Requester(build_transactor(), _failures(), _bus(), clock)
