"""The port to Gameball."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from adjustments.gameball.dialects import Dialect


class Gameball(Protocol):
    """The calls to Gameball; each raises GameballError of the fitting class."""

    def adjust_balances(self, body: bytes) -> int:
        """Send one request of adjustments; the jobId."""

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        """Ask for a job."""

    def stop_job(self, dialect: Dialect, job_id: int) -> None:
        """Ask Gameball to stop a job."""

    def add_manual_transaction(self, body: bytes) -> Mapping[str, Any]:
        """Send one manual transaction; Gameball's answer."""
