"""What the services need of the world. Each port has an adapter, and a fake that passes the same contract
tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:  # so that nobody who needs one port loads what only others speak of
    from adjustments.manual.transaction import ManualTransaction


class Asking(NamedTuple):
    """Who asks for a manual transaction, in which request, and how long the function still runs."""

    caller: str
    request_id: str
    remaining_ms: Callable[[], int]


class Attempt:
    """``in_doubt``: an earlier request of ours with this transactionId may have been applied."""

    def __init__(self) -> None:
        self.in_doubt = False


class Once(Protocol):
    """Does what a transactionId asks for once."""

    def do(
        self, transaction: ManualTransaction, asking: Asking, act: Callable[[Attempt], str]
    ) -> tuple[str, bool]:
        """Act, and keep the answer; or give the answer kept, with True.

        Where an error ends the act, it may be tried again at once with the same transaction. Unless the
        error and the attempt say for certain that nothing was applied, the next attempt begins in doubt,
        and so does one after a crash.

        Raises:
            IdTaken: the same transactionId came with another body before.
            StillInProgress: it is being acted on.
        """


class FailureQueue(Protocol):
    """Where requests end up that failed for good."""

    def put(self, text: str, attributes: Mapping[str, str]) -> None:
        """Keep a request as it came, with the reason of its failure in the attributes."""


class Bus(Protocol):
    """Where machines hear of outcomes."""

    def announce(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Tell machines."""
