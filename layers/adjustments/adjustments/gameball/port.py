"""The port to Gameball, and the two dialects in which it documents a job's status."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol


class Dialect(StrEnum):
    """Which of the two documented status calls an account answers (docs/gameball-api.md, "Job status")."""

    GUIDE = "guide"
    OPENAPI = "openapi"


class Gameball(Protocol):
    """The calls to Gameball. Each ends in bounded time; ``within_s`` bounds it further, in seconds.

    Raises:
        GameballError: the call did not succeed; its class says what is known of the outcome.
    """

    def adjust_balances(self, body: bytes) -> int:
        """Send one balance-adjustment request; returns the jobId."""

    def inquire_balances(self, body: bytes) -> int:
        """Request the balances of customers; returns the jobId. Safe to repeat."""

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        """Fetch the status of a job."""

    def stop_job(self, dialect: Dialect, job_id: int) -> None:
        """Request that a job is stopped."""

    def add_manual_transaction(self, body: bytes, within_s: float | None = None) -> Mapping[str, Any]:
        """Send one manual transaction; returns Gameball's answer."""

    def customer_balance(self, customer_id: str, within_s: float | None = None) -> Mapping[str, Any]:
        """Fetch a customer's balance."""

    def transactions(
        self, customer_id: str, start_after: str | None = None, within_s: float | None = None
    ) -> Mapping[str, Any]:
        """Fetch a page of a customer's transactions.

        Args:
            customer_id: the customer.
            start_after: the last id of the page before; None for the first page.
            within_s: seconds that the call may take.
        """
