"""The port to Gameball."""

from collections.abc import Mapping
from typing import Any, Protocol

from adjustments.gameball.dialects import Dialect


class Gameball(Protocol):
    """The calls to Gameball; each raises GameballError of the fitting class.

    ``within_s`` bounds the whole call, in seconds.
    """

    def adjust_balances(self, body: bytes) -> int:
        """Send one request of adjustments; the jobId."""

    def inquire_balances(self, body: bytes) -> int:
        """Ask for the balances of customers; the jobId. Asking twice does no harm."""

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        """Ask for the status of a job."""

    def stop_job(self, dialect: Dialect, job_id: int) -> None:
        """Ask Gameball to stop a job."""

    def add_manual_transaction(self, body: bytes, within_s: float | None = None) -> Mapping[str, Any]:
        """Send one manual transaction; Gameball's answer."""

    def transactions(
        self, customer_id: str, start_after: str | None = None, within_s: float | None = None
    ) -> Mapping[str, Any]:
        """A page of a customer's transactions."""
