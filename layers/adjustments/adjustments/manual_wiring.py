"""Puts manual transactions together, apart from ``wiring``: a caller waits, so nothing of batches is loaded,
and AWS's own services have less time to answer.
"""

import os
from functools import lru_cache
from typing import Any, Final, cast

import boto3
from botocore.config import Config

from adjustments.adapters.budget import TableRequestBudget
from adjustments.adapters.failures import SqsFailureQueue
from adjustments.adapters.gameball import GameballClient
from adjustments.adapters.idempotency import TableOnce
from adjustments.adapters.keys import SecretKeys
from adjustments.adapters.logs import function_logger
from adjustments.adapters.metrics import Meter, WatchedBudget, publishing
from adjustments.adapters.notices import BusNotices
from adjustments.adapters.runtime import RandomIds, SystemClock
from adjustments.adapters.tracing import DaemonTrace
from adjustments.ports import Bus, FailureQueue, Once, RequestBudget
from adjustments.services.requesting import Requester
from adjustments.services.transacting import Transactions, Transactor
from adjustments.settings import Settings, read_settings

_CLIENT_CONFIG: Final = Config(
    connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2}
)
"""A call to AWS takes milliseconds; one that hangs must leave time for an answer to the caller."""

__all__ = ["function_logger"]

clock: Final = SystemClock()
_ids: Final = RandomIds()


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this function."""
    return read_settings(os.environ)


@lru_cache(maxsize=1)
def meter() -> Meter:
    """Counts what alarms and the dashboard show."""
    return Meter(settings().stack)


metered: Final = publishing(meter)


@lru_cache
def _client(service: str) -> Any:
    return boto3.client(cast(Any, service), config=_CLIENT_CONFIG)


@lru_cache(maxsize=1)
def _gameball() -> Transactions:
    keys = SecretKeys(_client("secretsmanager"), settings().secret)
    base_url, version = settings().gameball_base_url, settings().gameball_api_version
    return GameballClient(base_url, version, keys, watch=meter().watch_call, trace=DaemonTrace())


@lru_cache(maxsize=1)
def _once() -> Once:
    return TableOnce(_client("dynamodb"), settings().table, _ids)


@lru_cache(maxsize=1)
def _budget() -> RequestBudget:
    requests_per_30_s = settings().requests_per_30_s
    budget = TableRequestBudget(_client("dynamodb"), settings().table, clock, _ids, requests_per_30_s)
    return WatchedBudget(budget, meter())


@lru_cache(maxsize=1)
def build_transactor() -> Transactor:
    """Adds manual transactions."""
    return Transactor(_gameball(), _once(), _budget(), clock, _ids)


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
