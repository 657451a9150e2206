"""All services on in-memory ports, with one Gameball of the test's choice: a batch from drop to report."""

from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from adjustments.administration.reversal import Reverser
from adjustments.administration.service import Steering
from adjustments.administration.sweeper import Sweeper
from adjustments.batches.records import Batch
from adjustments.gameball.circuit_breaker import GuardedGameball
from adjustments.gameball.dialects import Dialect
from adjustments.gameball.port import Gameball
from adjustments.polling.dry_run import Inquirer, Predictor
from adjustments.polling.job_client import JobAsker
from adjustments.polling.job_collector import Collector
from adjustments.polling.job_stopper import Stopper
from adjustments.polling.poller import Poller
from adjustments.polling.settlement import Settler
from adjustments.reconciliation.reconciler import Investigator, SearchParts
from adjustments.reconciliation.resolution import Resolver
from adjustments.reconciliation.transaction_lists import ListReader, TransactionList
from adjustments.results.emails import ResultsLocation
from adjustments.results.notifications import Notifier
from adjustments.results.report_writer import ReportWriter
from adjustments.submission.api_submission import Acceptor
from adjustments.submission.plan import PlanRules
from adjustments.submission.planner import PlannerPorts
from adjustments.submission.sender import Submitter
from adjustments.submission.starter import Starter
from adjustments.submission.triggers import Intake
from tests.fakes import memory

PLACE = ResultsLocation("memory", "eu-central-1")


class AnyGameball(Gameball, Inquirer, TransactionList, Protocol):
    """Every call that the package makes to Gameball."""


class World:
    """One bucket, one table, one state machine, and a clock that a test moves."""

    def __init__(
        self,
        gameball: AnyGameball,
        *,
        canary_rows: int = 0,
        failure_percent_max: int = 100,
        approval_above_rows: int = 0,
        approval_above_total: int = 0,
        dialect: Dialect | None = None,
        adds_token: bool = False,
        quiet_minutes: int = 60,
        requests_per_30_s: int = 0,
    ) -> None:
        self.clock = memory.ManualClock()
        self.ids = memory.CountingIds()
        self.store = memory.MemoryStore()
        self.files = memory.MemoryFiles(self.clock)
        self.rate_limiter: memory.GrantingRateLimiter | memory.MemoryRateLimiter = (
            memory.GrantingRateLimiter()
        )
        if requests_per_30_s:
            self.rate_limiter = memory.MemoryRateLimiter({}, self.clock, self.ids, requests_per_30_s)
        self.executions = memory.MemoryExecutions()
        self.notices = memory.MemoryNotices()
        rules = PlanRules(
            amount_max=Decimal(1_000_000),
            canary_rows=canary_rows,
            approval_above_rows=approval_above_rows,
            approval_above_total=Decimal(approval_above_total),
            adds_token=adds_token,
        )
        gameball = GuardedGameball(gameball, memory.MemoryCircuitBreaker(), self.clock)
        sending = (
            self.store,
            self.files,
            gameball,
            self.rate_limiter,
            self.clock,
            self.ids,
            memory.one_by_one,
        )
        self.planner_ports = PlannerPorts(
            files=self.files,
            store=self.store,
            clock=self.clock,
            ids=self.ids,
            scratch=memory.scratch,
            rules=rules,
        )
        self.settler = Settler(self.store, self.files, self.ids)
        asker = JobAsker(self.store, gameball, self.rate_limiter, self.clock, dialect)
        collector = Collector(self.store, self.settler, asker, self.clock)
        self.submitter = Submitter(*sending, failure_percent_max, collector)
        predictor = Predictor(self.store, self.files, gameball, asker, self.rate_limiter, self.clock)
        self.stopper = Stopper(self.store, gameball, self.rate_limiter, self.clock, dialect)
        self.poller = Poller(
            self.store,
            collector,
            predictor,
            self.stopper,
            self.clock,
            memory.one_by_one,
            failure_percent_max,
        )
        self.reporter = ReportWriter(
            store=self.store, files=self.files, settler=self.settler, clock=self.clock, ids=self.ids
        )
        self.notifier = Notifier(store=self.store, notices=self.notices, clock=self.clock, location=PLACE)
        starter = Starter(self.store, Submitter(*sending, failure_percent_max), self.executions, self.clock)
        self.intake = Intake(self.files, self.store, self.planner_ports, starter, self.notifier, self.clock)
        self.resolver = Resolver(self.store, self.files, self.settler, self.reporter, self.clock)
        parts = SearchParts(
            store=self.store,
            files=self.files,
            settler=self.settler,
            resolver=self.resolver,
            asker=asker,
            reader=ListReader(gameball, self.rate_limiter, self.clock, memory.one_by_one),
            clock=self.clock,
            ids=self.ids,
            quiet=timedelta(minutes=quiet_minutes),
        )
        self.investigator = Investigator(parts)
        self.sweeper = Sweeper(
            self.store,
            self.files,
            self.executions,
            self.intake,
            lambda: self.investigator,
            self.notifier,
            self.clock,
        )

        self.reverser = Reverser(self.store, self.files, self.settler)
        self.steering = Steering(self.store, self.files, starter, self.stopper, self.clock)
        self.acceptor = Acceptor(self.store, self.files, self.intake, self.ids)

    def drop(self, text: str, name: str = "file.csv", **metadata: str) -> Batch:
        """Drop a CSV into the inbox and take it; ``dry_run="true"`` for object metadata ``dry-run``."""
        key = f"inbox/{name}"
        self.files.drop(key, text.encode(), {k.replace("_", "-"): v for k, v in metadata.items()})
        batch = self.intake.take_object(key, None)
        assert batch is not None
        return batch

    def run(self, batch: Batch, ticks_max: int = 500) -> Batch:
        """Do what the state machine does, until the batch has ended."""
        for _ in range(ticks_max):
            until = self.clock.now() + timedelta(minutes=5)
            polled, step = self.poller.poll(batch.batch_id, until)
            if step.is_over or polled.status.is_final:
                self.reporter.report(batch.batch_id)
                return self.notifier.notify(batch.batch_id)
            if step.more_to_send:
                self.submitter.submit(batch.batch_id, until)
            self.clock.sleep(step.wait_s)
        raise AssertionError(f"batch {batch.batch_id} did not end within {ticks_max} ticks")

    def sweep(self) -> dict[str, list[str]]:
        """Let the sweep run, with a quarter of an hour to do so."""
        return self.sweeper.sweep(self.clock.now() + timedelta(minutes=15))

    def result(self, batch: Batch, name: str) -> str:
        """One of the result files, as text."""
        return self.files.get(f"results/{batch.batch_id}/{name}").decode()
