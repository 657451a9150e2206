"""One Gameball account: ledger, jobs, limits, faults, settings and log behind one lock."""

import threading
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from local.standin.clock import Clock
from local.standin.faults import FaultBook
from local.standin.jobs import JobBook
from local.standin.ledger import Ledger
from local.standin.rate_limits import SlidingWindows
from local.standin.request_log import RequestLog
from local.standin.settings import Settings


class Account:
    """Everything that a request may change; hold `lock` round each decision."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.settings = settings
        self.ledger = Ledger()
        self.jobs = JobBook(self.ledger)
        self.limits = SlidingWindows()
        self.faults = FaultBook()
        self.log = RequestLog()
        self._first_settings = settings

    def settle(self) -> int:
        """Let every job that is due do its work first; answer the time at which that was."""
        now_ns = self.clock.steady_ns()
        self.jobs.settle(now_ns)
        return now_ns

    def open_customers(self, customers: Iterable[tuple[str, Decimal]]) -> None:
        """Create customers, or set their balances anew."""
        for customer_id, balance in customers:
            self.ledger.open_customer(customer_id, balance)

    def reset(self) -> None:
        """Back to empty, with the settings of the start and the keys of now.

        Ids go on growing: a client that still polls an old job must get a 404, not another job's rows.
        """
        self.settle()
        next_gameball_id = self.ledger.first_gameball_id + len(self.ledger.entries)
        self.ledger = Ledger(next_gameball_id)
        self.jobs = JobBook(self.ledger, self.jobs.next_job_id)
        self.limits = SlidingWindows()
        self.faults = FaultBook()
        self.log = RequestLog()
        keys = self.settings
        self.settings = replace(self._first_settings, api_key=keys.api_key, secret_key=keys.secret_key)
