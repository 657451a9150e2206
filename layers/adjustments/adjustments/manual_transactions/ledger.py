"""The idempotency ledger: what is known of each ``transactionId``, written before it is sent.

An attempt that ended in an error, or whose function died, may have been applied by Gameball. Its entry stays,
open for the same body only, and the next attempt begins in doubt. An attempt reopens or removes only the
entry that it began itself: another call may have taken over when its time was up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

from adjustments.manual_transactions.model import ManualTransaction


class CallerContext(NamedTuple):
    """Who sends a manual transaction, in which request, and how many milliseconds the function still has."""

    caller: str
    request_id: str
    remaining_ms: Callable[[], int]


@dataclass(frozen=True)
class Attempt:
    """An attempt that has begun.

    Args:
        attempt_id: its own name.
        transaction_id: what it attempts.
        payload_hash: the hash of the body.
        doubted_at: until when an earlier attempt at the same body may have had a request under way whose
            outcome is unknown; None where nothing of an earlier attempt may have been applied.
        history: what the customer's history says of it.
    """

    attempt_id: str
    transaction_id: str
    payload_hash: str
    doubted_at: datetime | None = None
    history: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Completed:
    """A transaction that was applied before, and the answer that it got then."""

    answer: str


class ManualRecord(NamedTuple):
    """One manual transaction in the history of its customer.

    ``outcome`` is ``applied``, ``under_way`` while a call with it has time left, and ``in_doubt`` after that.
    ``unit`` is ``points`` or ``amount``; ``gameball_id`` is empty where it is not known.
    """

    at: datetime
    change: Decimal
    unit: str
    reason: str
    outcome: str
    transaction_id: str
    gameball_id: str
    username: str
    caller: str


class LedgerStatus(StrEnum):
    """What the ledger knows of a transactionId."""

    APPLIED = "applied"
    UNDER_WAY = "under_way"
    IN_DOUBT = "in_doubt"


class LedgerEntry(NamedTuple):
    """What is known of one transactionId; ``answer`` is Gameball's where it is applied, empty elsewhere."""

    status: LedgerStatus
    caller: str
    answer: str = ""


class IdempotencyLedger(Protocol):
    """What is known of each transactionId."""

    def of_customer(self, customer_id: str, since: datetime, until: datetime) -> list[ManualRecord]:
        """The transactions of a customer that were begun between two times, newest first.

        Those that were surely not applied are not kept. What was begun within the last second may be missing.
        """

    def find(self, transaction_id: str) -> LedgerEntry | None:
        """Look up what is known; None where nothing is.

        Raises:
            TableUnavailable: it could not be read.
        """

    def begin(self, transaction: ManualTransaction, context: CallerContext) -> Attempt | Completed:
        """Write down the intent, unless the transaction is completed.

        Raises:
            IdTaken: the same transactionId came with another body before.
            StillInProgress: another attempt has not ended, and its time is not up.
            TableUnavailable: the intent could not be written.
        """

    def complete(self, attempt: Attempt, answer: str) -> None:
        """Keep the answer of a transaction that is applied; what fails is logged, not raised."""

    def reopen(self, attempt: Attempt, doubted_at: datetime) -> None:
        """After an attempt that may have been applied: let the next one begin at once, in doubt.

        Args:
            attempt: the one that ended.
            doubted_at: when the last request ended whose outcome is unknown, of this attempt or before it.
        """

    def forget(self, attempt: Attempt) -> None:
        """After an attempt that was surely not applied: let the transactionId be used for anything."""
