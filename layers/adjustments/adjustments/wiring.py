"""Puts services and adapters together, once per function and environment; nothing is built at import.

Services that only some functions need are loaded where they are built: what plans a file and what draws a
report took a tenth of every other function's start. A function that does need one loads it at its own start,
in which Lambda gives it a whole processor; but what only a rare call of the API needs, with the first one.
"""

import tempfile
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import boto3
from botocore.config import Config

from adjustments.aws.bucket import BucketFiles
from adjustments.aws.logs import facts_of_break, function_logger, telling_breaks
from adjustments.aws.notifications import TopicAndBusNotices
from adjustments.aws.step_functions import StateMachineExecutions
from adjustments.aws.table import TableBatchStore
from adjustments.base_wiring import (
    clock,
    ids,
    make_gameball,
    make_rate_limiter,
    meter,
    metered,
    metrics,
    settings,
)
from adjustments.core.runtime import run_in_threads
from adjustments.gameball.circuit_breaker import GuardedGameball, TableCircuitBreaker
from adjustments.gameball.dialects import Dialect
from adjustments.gameball.rate_limiter import RateLimiter
from adjustments.polling.job_client import JobAsker
from adjustments.polling.job_collector import Collector
from adjustments.polling.job_stopper import Stopper
from adjustments.polling.settlement import Settler
from adjustments.submission.sender import Submitter
from adjustments.submission.starter import Starter

if TYPE_CHECKING:
    from adjustments.administration.reversal import Reverser
    from adjustments.administration.service import Steering
    from adjustments.administration.sweeper import Sweeper
    from adjustments.polling.poller import Poller
    from adjustments.reconciliation.reconciler import Investigator
    from adjustments.reconciliation.resolution import Resolver
    from adjustments.results.notifications import Notifier
    from adjustments.results.report_writer import ReportWriter
    from adjustments.submission.api_submission import Acceptor
    from adjustments.submission.triggers import Intake

_CLIENT_CONFIG: Final = Config(
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 5},
    max_pool_connections=16,
)
"""Bounds for AWS's own services; their calls are all safe to repeat, being conditional or idempotent."""

_S3_CONFIG: Final = _CLIENT_CONFIG.merge(
    Config(
        signature_version="s3v4",
        s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
    )
)
"""For links: by itself boto3 signs them in version 2 in the older regions, which no new bucket takes, and for
a host from which S3 leads away (boto/boto3#2680).
"""

__all__ = [
    "clock",
    "facts_of_break",
    "function_logger",
    "meter",
    "metered",
    "metrics",
    "settings",
    "telling_breaks",
]


@lru_cache
def _client(service: str) -> Any:
    return boto3.client(cast(Any, service), config=_CLIENT_CONFIG)


@lru_cache(maxsize=1)
def _store() -> TableBatchStore:
    return TableBatchStore(_client("dynamodb"), settings().table)


@lru_cache(maxsize=1)
def _files() -> BucketFiles:
    return BucketFiles(boto3.client("s3", config=_S3_CONFIG), settings().bucket)


@lru_cache(maxsize=1)
def _gameball() -> GuardedGameball:
    breaker = TableCircuitBreaker(_client("dynamodb"), settings().table)
    return GuardedGameball(make_gameball(_client("secretsmanager")), breaker, clock)


@lru_cache(maxsize=1)
def _rate_limiter() -> RateLimiter:
    return make_rate_limiter(_client("dynamodb"))


@lru_cache(maxsize=1)
def _executions() -> StateMachineExecutions:
    return StateMachineExecutions(_client("stepfunctions"), settings().state_machine_arn)


@lru_cache(maxsize=1)
def build_submitter() -> Submitter:
    """Sends chunks, and asks for jobs meanwhile."""
    return _submitter(_collector())


def _submitter(collector: Collector | None = None) -> Submitter:
    return Submitter(
        _store(),
        _files(),
        _gameball(),
        _rate_limiter(),
        clock,
        ids,
        run_in_threads,
        settings().failure_percent_max,
        collector,
    )


@lru_cache(maxsize=1)
def _starter() -> Starter:
    return Starter(_store(), _submitter(), _executions(), clock)


@lru_cache(maxsize=1)
def _collector() -> Collector:
    return Collector(_store(), _settler(), _asker(), clock)


@lru_cache(maxsize=1)
def _asker() -> JobAsker:
    return JobAsker(_store(), _gameball(), _rate_limiter(), clock, _dialect())


@lru_cache(maxsize=1)
def _stopper() -> Stopper:
    return Stopper(_store(), _gameball(), _rate_limiter(), clock, _dialect())


def _dialect() -> Dialect | None:
    name = settings().gameball_status_dialect
    return None if name == "auto" else Dialect(name)


@lru_cache(maxsize=1)
def _settler() -> Settler:
    return Settler(_store(), _files(), ids)


@lru_cache(maxsize=1)
def build_poller() -> "Poller":
    """Asks for jobs."""

    from adjustments.polling.dry_run import Predictor
    from adjustments.polling.poller import Poller

    predictor = Predictor(_store(), _files(), _gameball(), _asker(), _rate_limiter(), clock)
    percent_max = settings().failure_percent_max
    return Poller(_store(), _collector(), predictor, _stopper(), clock, run_in_threads, percent_max)


@lru_cache(maxsize=1)
def build_report_writer() -> "ReportWriter":
    """Writes results."""

    from adjustments.results.report_writer import ReportWriter

    return ReportWriter(store=_store(), files=_files(), settler=_settler(), clock=clock, ids=ids)


@lru_cache(maxsize=1)
def build_notifier() -> "Notifier":
    """Tells people and machines."""

    from adjustments.results.emails import ResultsLocation
    from adjustments.results.notifications import Notifier

    notices = TopicAndBusNotices(
        _client("sns"), settings().topic_arn, _client("events"), settings().event_bus
    )
    _, partition, _, region, *_ = settings().topic_arn.split(":")
    location = ResultsLocation(settings().bucket, region, partition)
    return Notifier(store=_store(), notices=notices, clock=clock, location=location)


@lru_cache(maxsize=1)
def build_intake() -> "Intake":
    """Takes drops."""

    from adjustments.submission.plan import PlanRules
    from adjustments.submission.planner import PlannerPorts
    from adjustments.submission.triggers import Intake

    rules = PlanRules(
        amount_max=settings().amount_max,
        canary_rows=settings().canary_rows,
        approval_above_rows=settings().approval_above_rows,
        approval_above_total=settings().approval_above_total,
        adds_token=settings().adds_token,
    )
    planner_ports = PlannerPorts(
        files=_files(), store=_store(), clock=clock, ids=ids, scratch=_scratch, rules=rules
    )
    return Intake(_files(), _store(), planner_ports, _starter(), build_notifier(), clock)


@lru_cache(maxsize=1)
def build_steering() -> "Steering":
    """Shows batches, and lets people approve and stop them."""

    from adjustments.administration.service import Steering

    return Steering(_store(), _files(), _starter(), _stopper(), clock)


@lru_cache(maxsize=1)
def build_acceptor() -> "Acceptor":
    """Takes batches from the API."""

    from adjustments.submission.api_submission import Acceptor

    return Acceptor(_store(), _files(), build_intake(), ids)


@lru_cache(maxsize=1)
def build_resolver() -> "Resolver":
    """Settles rows in doubt."""

    from adjustments.reconciliation.resolution import Resolver

    return Resolver(_store(), _files(), _settler(), build_report_writer(), clock)


@lru_cache(maxsize=1)
def build_reverser() -> "Reverser":
    """Makes reversals."""

    from adjustments.administration.reversal import Reverser

    return Reverser(_store(), _files(), _settler())


@lru_cache(maxsize=1)
def build_sweeper() -> "Sweeper":
    """Resumes what stalled."""

    from adjustments.administration.sweeper import Sweeper

    return Sweeper(
        _store(), _files(), _executions(), build_intake(), build_investigator, build_notifier(), clock
    )


@lru_cache(maxsize=1)
def build_investigator() -> "Investigator":
    """Clears doubts by evidence."""

    from adjustments.reconciliation.reconciler import Investigator, SearchParts
    from adjustments.reconciliation.transaction_lists import ListReader

    parts = SearchParts(
        store=_store(),
        files=_files(),
        settler=_settler(),
        resolver=build_resolver(),
        asker=_asker(),
        reader=ListReader(_gameball(), _rate_limiter(), clock, run_in_threads),
        clock=clock,
        ids=ids,
        quiet=timedelta(minutes=settings().quiet_minutes),
    )
    return Investigator(parts)


def _scratch() -> BinaryIO:
    return cast(BinaryIO, tempfile.TemporaryFile())
