"""One Gameball account: ledger, jobs, rate limits, faults, settings and log, with one lock."""

import threading
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from local.standin.clock import Clock
from local.standin.faults import FaultList
from local.standin.jobs import JobList
from local.standin.ledger import Ledger
from local.standin.rate_limits import SlidingWindows
from local.standin.request_log import RequestLog
from local.standin.settings import Settings


class Account:
    """All state that a request may change; hold `lock` while reading or changing it."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.settings = settings
        self.ledger = Ledger()
        self.jobs = JobList(self.ledger)
        self.limits = SlidingWindows()
        self.faults = FaultList()
        self.log = RequestLog()
        self._first_settings = settings

    def settle(self) -> int:
        """Settle all jobs that are due.

        Returns:
            The time of the steady clock, in nanoseconds.
        """
        now_ns = self.clock.steady_ns()
        self.jobs.settle(now_ns)
        return now_ns

    def open_customers(self, customers: Iterable[tuple[str, Decimal]]) -> None:
        """Create customers, or set the balances of existing ones."""
        for customer_id, balance in customers:
            self.ledger.open_customer(customer_id, balance)

    def reset(self) -> None:
        """Remove everything and restore the first settings; the current keys stay.

        Ids continue: a client that still polls an old job gets a 404, not the rows of another job.
        """
        self.settle()
        next_gameball_id = self.ledger.first_gameball_id + len(self.ledger.entries)
        self.ledger = Ledger(next_gameball_id)
        self.jobs = JobList(self.ledger, self.jobs.next_job_id)
        self.limits = SlidingWindows()
        self.faults = FaultList()
        self.log = RequestLog()
        keys = self.settings
        self.settings = replace(self._first_settings, api_key=keys.api_key, secret_key=keys.secret_key)
