"""What every function is put together from; nothing but metrics is built at import."""

import os
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Metrics

from adjustments.aws.metrics import NAMESPACE, MeasuredRateLimiter, Meter
from adjustments.core.runtime import RandomIds, SystemClock
from adjustments.core.settings import Settings, read_settings
from adjustments.gameball.client import GameballClient
from adjustments.gameball.credentials import SecretCredentials
from adjustments.gameball.rate_limiter import RateLimiter, TableRateLimiter

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

clock: Final = SystemClock()
ids: Final = RandomIds()


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this function."""
    return read_settings(os.environ)


metrics: Final = Metrics(namespace=NAMESPACE, service=os.environ.get("STACK_NAME"))
metered: Final = metrics.log_metrics(capture_cold_start_metric=True)
warnings.filterwarnings("ignore", "No application metrics to publish*")  # as in many a run


@lru_cache(maxsize=1)
def meter() -> Meter:
    """Counts what alarms and the dashboard show."""
    return Meter(metrics)


def make_gameball(secrets: Any) -> GameballClient:
    """The client of Gameball, with keys from the secret.

    Args:
        secrets: boto3's client of Secrets Manager.
    """
    keys = SecretCredentials(secrets, settings().secret)
    base_url, version = settings().gameball_base_url, settings().gameball_api_version
    return GameballClient(base_url, version, keys, watch=meter().watch_call)


def make_rate_limiter(dynamodb: "DynamoDBClient") -> RateLimiter:
    """The shared rate limiter, measured."""
    requests_per_30_s = settings().requests_per_30_s
    rate_limiter = TableRateLimiter(dynamodb, settings().table, clock, ids, requests_per_30_s)
    return MeasuredRateLimiter(rate_limiter, meter())
