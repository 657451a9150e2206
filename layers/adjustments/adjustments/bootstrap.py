"""Puts the application together, for functions, tests, simulation and benchmarks alike.

An ``Application`` is made from settings and ports. Functions get theirs from ``application``, whose ports are
AWS and Gameball; tests pass in fakes. Services and clients are built at their first use, so that a
function needs neither settings nor rights for what it does not use; nothing is built at import.

A caller waits while an API function starts. So each service is imported where it is built.
"""

import logging
import os
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.config import Config

from adjustments.aws.health import describe_runtime, is_old
from adjustments.aws.metrics import Meter, function_metrics
from adjustments.core.runtime import Clock
from adjustments.core.settings import Settings
from adjustments.ports import BACKGROUND, AwsPorts, Ports

if TYPE_CHECKING:
    from adjustments.administration.customer_history import CustomerHistory
    from adjustments.administration.health import HealthCheck
    from adjustments.administration.service import BatchAdministration
    from adjustments.administration.sweeper import Sweeper
    from adjustments.batches.records import Batch
    from adjustments.gameball.circuit_breaker import GuardedGameball
    from adjustments.gameball.port import Dialect
    from adjustments.manual_transactions.event_consumer import EventConsumer
    from adjustments.manual_transactions.service import ManualTransactionService
    from adjustments.polling.dry_run import DryRun
    from adjustments.polling.job_client import JobClient, JobStopper
    from adjustments.polling.poller import Poller
    from adjustments.polling.settlement import ChunkSettler, JobCollector
    from adjustments.reconciliation.reconciler import Reconciler
    from adjustments.reconciliation.resolution import Resolver, ResolveRequest
    from adjustments.results.notifications import Notifier
    from adjustments.results.report_writer import ReportWriter
    from adjustments.submission.api_submission import ApiSubmission
    from adjustments.submission.recurring_files import RecurringFiles
    from adjustments.submission.sender import BatchSender, BatchStarter, ChunkSender
    from adjustments.submission.transaction_sender import TransactionSender
    from adjustments.submission.triggers import SubmissionTriggers


class Application:
    """Every service of the package, built at its first use.

    Args:
        settings: read when a service needs them.
        ports: what the services reach.
        meter: counts what alarms and the dashboard show.
    """

    def __init__(self, settings: Settings, ports: Ports, meter: Meter) -> None:
        self.settings = settings
        self.ports = ports
        self.meter = meter

    @property
    def clock(self) -> Clock:
        """The time."""
        return self.ports.clock

    @cached_property
    def gameball(self) -> "GuardedGameball":
        """Gameball as batches call it: put off while it refuses our keys."""
        from adjustments.gameball.circuit_breaker import GuardedGameball

        return GuardedGameball(self.ports.gameball, self.ports.circuit_breaker, self.ports.clock)

    @cached_property
    def triggers(self) -> "SubmissionTriggers":
        """Submits dropped files."""
        from adjustments.submission.csv.reader import ReadOptions
        from adjustments.submission.plan import PlanRules
        from adjustments.submission.planner import PlannerPorts
        from adjustments.submission.triggers import SubmissionTriggers

        ports, settings = self.ports, self.settings.planning
        rules = PlanRules(
            amount_max=settings.amount_max,
            canary_rows=settings.canary_rows,
            approval_above_rows=settings.approval_above_rows,
            approval_above_total=settings.approval_above_total,
            adds_token=settings.adds_token,
            read_defaults=ReadOptions(
                default_encoding=settings.default_encoding,
                send_as=settings.send_as,
                reason=settings.default_reason,
                username=settings.default_username,
            ),
            requests_per_30_s=self.settings.gameball.requests_per_30_s,
            hold_overlap_percent=settings.hold_overlap_percent,
        )
        planner_ports = PlannerPorts(
            files=ports.files,
            store=ports.store,
            clock=ports.clock,
            ids=ports.ids,
            scratch=ports.scratch,
            rules=rules,
        )
        return SubmissionTriggers(
            files=ports.files,
            store=ports.store,
            planner_ports=planner_ports,
            starter=self.starter,
            notify=self._notify,
        )

    def _notify(self, batch_id: str) -> "Batch":
        """Notify of a batch's status; what writes e-mails is imported for that alone."""
        return self.notifier.notify(batch_id)

    @cached_property
    def recurring_files(self) -> "RecurringFiles":
        """Queues and submits the recurring files of a tick."""
        from adjustments.submission.recurring_files import RecurringFiles

        ports = self.ports
        return RecurringFiles(
            files=ports.files,
            store=ports.store,
            intake=ports.intake,
            triggers=self.triggers,
            notify_missed_tick=self.notifier.notify_missed_tick,
            clock=ports.clock,
        )

    @cached_property
    def api_submission(self) -> "ApiSubmission":
        """Submits bodies of the API."""
        from adjustments.submission.api_submission import ApiSubmission

        ports = self.ports
        return ApiSubmission(store=ports.store, files=ports.files, triggers=self.triggers, ids=ports.ids)

    @cached_property
    def starter(self) -> "BatchStarter":
        """Starts batches; the first chunks are sent without polling in between."""
        from adjustments.submission.sender import BatchStarter

        return BatchStarter(
            store=self.ports.store,
            sender=self._sender(None),
            executions=self.ports.executions,
            clock=self.ports.clock,
        )

    @cached_property
    def sender(self) -> "BatchSender":
        """Sends what may be sent of a batch, and polls jobs meanwhile."""
        return self._sender(self.collector)

    def _sender(self, collector: "JobCollector | None") -> "BatchSender":
        from adjustments.submission.sender import BatchSender

        return BatchSender(
            store=self.ports.store,
            chunks=self._chunk_sender(collector),
            transactions=self._transaction_sender,
        )

    def _transaction_sender(self) -> "TransactionSender":
        return self.transaction_sender

    @cached_property
    def transaction_sender(self) -> "TransactionSender":
        """Sends the rows of batches that are sent as transactions."""
        from adjustments.submission.transaction_sender import TransactionSender

        ports = self.ports
        return TransactionSender(
            store=ports.store,
            settler=self.settler,
            gameball=self.gameball,
            rate_limiter=ports.rate_limiter,
            clock=ports.clock,
            ids=ports.ids,
            parallel=ports.parallel,
            failure_percent_max=self.settings.sending.failure_percent_max,
        )

    def _chunk_sender(self, collector: "JobCollector | None") -> "ChunkSender":
        from adjustments.submission.sender import ChunkSender

        ports = self.ports
        return ChunkSender(
            store=ports.store,
            files=ports.files,
            gameball=self.gameball,
            rate_limiter=ports.rate_limiter,
            clock=ports.clock,
            ids=ports.ids,
            parallel=ports.parallel,
            failure_percent_max=self.settings.sending.failure_percent_max,
            collector=collector,
        )

    @cached_property
    def poller(self) -> "Poller":
        """Polls the jobs of a batch."""
        from adjustments.polling.poller import Poller

        return Poller(
            store=self.ports.store,
            collector=self.collector,
            dry_run=self.dry_run,
            stopper=self.stopper,
            clock=self.ports.clock,
            parallel=self.ports.parallel,
            failure_percent_max=self.settings.sending.failure_percent_max,
        )

    @cached_property
    def collector(self) -> "JobCollector":
        """Collects the outcomes of jobs."""
        from adjustments.polling.settlement import JobCollector

        return JobCollector(
            store=self.ports.store, settler=self.settler, jobs=self.jobs, clock=self.ports.clock
        )

    @cached_property
    def jobs(self) -> "JobClient":
        """Asks for the status of jobs."""
        from adjustments.polling.job_client import JobClient

        ports = self.ports
        return JobClient(
            store=ports.store,
            gameball=self.gameball,
            rate_limiter=ports.rate_limiter,
            clock=ports.clock,
            dialect=self._dialect,
        )

    @cached_property
    def stopper(self) -> "JobStopper":
        """Asks Gameball to stop jobs."""
        from adjustments.polling.job_client import JobStopper

        ports = self.ports
        return JobStopper(
            store=ports.store,
            gameball=self.gameball,
            rate_limiter=ports.rate_limiter,
            clock=ports.clock,
            dialect=self._dialect,
        )

    @property
    def _dialect(self) -> "Dialect | None":
        from adjustments.gameball.port import Dialect

        name = self.settings.status_dialect.dialect
        return None if name == "auto" else Dialect(name)

    @cached_property
    def settler(self) -> "ChunkSettler":
        """Reads and writes the outcomes of chunks."""
        from adjustments.polling.settlement import ChunkSettler

        return ChunkSettler(store=self.ports.store, files=self.ports.files, ids=self.ports.ids)

    @cached_property
    def dry_run(self) -> "DryRun":
        """Looks balances up for dry runs."""
        from adjustments.polling.dry_run import DryRun

        ports = self.ports
        return DryRun(
            store=ports.store,
            files=ports.files,
            gameball=self.gameball,
            jobs=self.jobs,
            rate_limiter=ports.rate_limiter,
            clock=ports.clock,
        )

    @cached_property
    def report_writer(self) -> "ReportWriter":
        """Writes result files."""
        from adjustments.results.report_writer import ReportWriter

        ports = self.ports
        return ReportWriter(
            store=ports.store,
            files=ports.files,
            settler=self.settler,
            clock=ports.clock,
            ids=ports.ids,
            scratch=ports.scratch,
        )

    @cached_property
    def notifier(self) -> "Notifier":
        """Notifies people and programs."""
        from adjustments.results.notifications import Notifier

        ports = self.ports
        return Notifier(
            store=ports.store,
            notifications=ports.notifications,
            clock=ports.clock,
            location=ports.location,
        )

    @cached_property
    def resolver(self) -> "Resolver":
        """Settles rows in doubt whose outcome is known now."""
        from adjustments.reconciliation.resolution import Resolver

        return Resolver(
            store=self.ports.store,
            files=self.ports.files,
            settler=self.settler,
            reporter=self.report_writer,
            clock=self.ports.clock,
        )

    @cached_property
    def reconciler(self) -> "Reconciler":
        """Clears doubt by evidence."""
        from adjustments.reconciliation.reconciler import Reconciler
        from adjustments.reconciliation.transaction_lists import TransactionListReader

        ports = self.ports
        reader = TransactionListReader(
            gameball=self.gameball,
            rate_limiter=ports.rate_limiter,
            clock=ports.clock,
            parallel=ports.parallel,
        )
        return Reconciler(
            store=ports.store,
            files=ports.files,
            settler=self.settler,
            resolver=self.resolver,
            jobs=self.jobs,
            reader=reader,
            clock=ports.clock,
            ids=ports.ids,
            quiet_period=timedelta(minutes=self.settings.reconciliation.quiet_minutes),
        )

    @cached_property
    def administration(self) -> "BatchAdministration":
        """Shows batches, and carries out what people decide about them."""
        from adjustments.administration.service import BatchAdministration

        ports = self.ports
        return BatchAdministration(
            store=ports.store,
            files=ports.files,
            settler=self.settler,
            starter=self.starter,
            stopper=self.stopper,
            resolve_rows=self._resolve_rows,
            notifier=self.notifier,
            clock=ports.clock,
            ids=ports.ids,
            approver_may_be_uploader=self.settings.approval.approver_may_be_uploader,
        )

    def _resolve_rows(self, batch_id: str, by: str, request: "ResolveRequest") -> "tuple[Batch, int]":
        """Resolve rows; what writes the results is imported for that alone."""
        return self.resolver.resolve(batch_id, by, request)

    @cached_property
    def customer_history(self) -> "CustomerHistory":
        """Finds what was done for a customer."""
        from adjustments.administration.customer_history import CustomerHistory
        from adjustments.results.customer_rows import CustomerRowReader

        ports = self.ports
        return CustomerHistory(
            store=ports.store,
            files=ports.files,
            rows=CustomerRowReader(ports.store, ports.files, self.settler),
            ledger=ports.ledger,
            gameball=ports.gameball,
            rate_limiter=ports.rate_limiter,
            clock=ports.clock,
            parallel=ports.parallel,
        )

    @cached_property
    def health(self) -> "HealthCheck":
        """Checks whether the stack is well."""
        from adjustments.administration.health import HealthCheck

        ports = self.ports
        return HealthCheck(
            parts=ports.stack_parts,
            gameball=ports.gameball,
            credentials=ports.credentials,
            rate_limiter=ports.rate_limiter,
            clock=ports.clock,
            parallel=ports.parallel,
            resources=self.settings.health.resources,
            base_url=self.settings.gameball.base_url,
        )

    @cached_property
    def sweeper(self) -> "Sweeper":
        """Resumes stalled batches, queues missed files, reconciles rows in doubt."""
        from adjustments.administration.sweeper import Sweeper

        ports = self.ports
        return Sweeper(
            store=ports.store,
            files=ports.files,
            executions=ports.executions,
            intake=ports.intake,
            reconciler=self.reconciler,
            notifier=self.notifier,
            clock=ports.clock,
        )

    @cached_property
    def manual_transactions(self) -> "ManualTransactionService":
        """Adds manual transactions."""
        from adjustments.manual_transactions.service import ManualTransactionService

        ports = self.ports
        return ManualTransactionService(
            gameball=ports.gameball,
            ledger=ports.ledger,
            rate_limiter=ports.rate_limiter,
            clock=ports.clock,
            ids=ports.ids,
        )

    @cached_property
    def event_consumer(self) -> "EventConsumer":
        """Consumes requests for manual transactions from the queue."""
        from adjustments.manual_transactions.event_consumer import EventConsumer

        return EventConsumer(
            service=self.manual_transactions,
            failures=self.ports.failures,
            bus=self.ports.event_bus,
            clock=self.ports.clock,
            receives_max=self.settings.manual_transactions.receives_max,
            amount_max=self.settings.manual_transactions.amount_max,
        )


_installed: Application | None = None


def application(config: Config = BACKGROUND) -> Application:
    """The application of this function: built with its first call, or the one that was installed.

    Args:
        config: bounds of calls to AWS, for the first call.
    """
    global _installed
    if _installed is None:
        settings, meter = Settings(os.environ), Meter(function_metrics)
        _installed = Application(settings, AwsPorts(settings, config, meter), meter)
        _log_start()
    return _installed


def _log_start() -> None:
    """Log what runs here, once per start: Lambda's runtime brings its own boto3, and renews it."""
    runtime = describe_runtime()
    level = logging.WARNING if is_old(runtime["botocore"]) else logging.INFO
    facts = {name: runtime[name] for name in ("python", "boto3", "botocore")}
    logging.getLogger(__name__).log(level, "function started", extra=facts)


def install(made: Application | None) -> None:
    """Let the functions use this application, for example one on fakes; None to build it at the next call."""
    global _installed
    _installed = made
