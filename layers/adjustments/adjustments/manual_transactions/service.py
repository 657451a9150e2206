"""Adds one manual transaction: once, and within the caller's time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from adjustments.core import exact_json
from adjustments.core.errors import (
    AdjustmentsError,
    GameballRefused,
    GameballThrottled,
    IdTaken,
    IdUnclear,
    NotFound,
    OutcomeUnknown,
    TableUnavailable,
)
from adjustments.core.limits import HISTORY_DAYS
from adjustments.core.runtime import Clock, Ids
from adjustments.gameball.port import Gameball
from adjustments.gameball.rate_limiter import (
    Priority,
    RateLimiter,
    RateLimiterUnavailable,
    Resource,
    wait_for_slot,
)
from adjustments.manual_transactions.call import DOUBTS_TIME, CallPorts, GameballCall
from adjustments.manual_transactions.ledger import (
    CallerContext,
    Completed,
    IdempotencyLedger,
    LedgerStatus,
)
from adjustments.manual_transactions.model import ManualTransaction

GAMEBALL_TIME_MAX: Final = timedelta(seconds=20)
"""For all calls to Gameball, of the 29 s that API Gateway gives a caller (quota "integration timeout"). A
cold start takes up to 3 s, and the function is stopped after 26 s, which leaves 6 s for the ledger.
"""

LEDGER_TIME: Final = timedelta(seconds=4)
"""Kept of the function's own time for the ledger's writes before and after."""


_NOT_KNOWN: Final = (
    "no transaction with this transactionId is known here: in the last "
    f"{HISTORY_DAYS} days none was sent through this API, by an event or by a schedule, or it was refused "
    "and not applied. Rows of a batch are listed by GET /batches/{batchId}/rows"
)
_PERHAPS_APPLIED: Final = (
    "an earlier request with this transactionId may have been applied, and Gameball refuses it now, perhaps "
    "for that very reason: send the same body again in a minute, which is safe and finds out"
)
_MEANINGS: Final[Mapping[LedgerStatus, str]] = {
    LedgerStatus.APPLIED: "Gameball has applied it; its answer is shown to the caller who sent it",
    LedgerStatus.UNDER_WAY: "a call with it is in progress: ask again in a few seconds",
    LedgerStatus.IN_DOUBT: "it may have been applied or not: send the same transactionId and body again, "
    "which is safe and finds out",
}
"""What each status means to a caller."""


class Added(NamedTuple):
    """A transaction that is applied: the answer's body, and whether an earlier call gave it already."""

    body: str
    is_replayed: bool


@dataclass(frozen=True)
class ManualTransactionService:
    """Adds manual transactions, within the shared rate limit."""

    gameball: Gameball
    ledger: IdempotencyLedger
    rate_limiter: RateLimiter
    clock: Clock
    ids: Ids

    def add(self, transaction: ManualTransaction, context: CallerContext) -> Added:
        """Apply a transaction, or find that it is applied.

        Raises:
            IdTaken: the transactionId belongs to another transaction, of ours or of another program's.
            IdUnclear: Gameball has it, and does not show for which transaction.
            StillInProgress: another call with it has not ended.
            TableUnavailable: the ledger or the rate limiter could not be written; nothing was sent.
            GameballError: of the class that says what is known. After each but GameballRefused the same
                transaction may be sent again.
        """
        left = timedelta(milliseconds=context.remaining_ms()) - LEDGER_TIME
        until = self.clock.now() + min(GAMEBALL_TIME_MAX, left)
        begun = self.ledger.begin(transaction, context)
        if isinstance(begun, Completed):
            return Added(begun.answer, is_replayed=True)
        call = GameballCall(
            ports=CallPorts(
                add=self.gameball.add_manual_transaction,
                list_page=self.gameball.transactions,
                wait_for_slot=self._wait_for_slot,
                clock=self.clock,
                ids=self.ids,
            ),
            transaction=transaction,
            body=transaction.body(),
            until=until,
            doubts_until=begun.doubted_at and begun.doubted_at + DOUBTS_TIME,
        )
        try:
            answer = exact_json.write(call.run())
        except (GameballRefused, IdTaken, IdUnclear) as refusal:
            if call.is_surely_refused(refusal):
                self.ledger.forget(begun)
                raise
            self.ledger.reopen(begun, call.lost_at or begun.doubted_at or self.clock.now())
            if not isinstance(refusal, GameballRefused):
                raise
            raise OutcomeUnknown(_PERHAPS_APPLIED, status=refusal.status, code=refusal.code) from refusal
        except Exception as error:
            is_foreseen = isinstance(error, AdjustmentsError)
            if call.is_in_doubt or not is_foreseen or isinstance(error, OutcomeUnknown):
                known_at = (call.lost_at or begun.doubted_at) if is_foreseen else None
                self.ledger.reopen(begun, known_at or self.clock.now())
            else:
                self.ledger.forget(begun)
            raise
        self.ledger.complete(begun, answer)
        return Added(answer, is_replayed=False)

    def find(self, transaction_id: str, caller: str) -> Mapping[str, Any]:
        """What the ledger knows of a transaction, as JSON; Gameball's answer only for the caller who sent it.

        Args:
            transaction_id: its id.
            caller: the IAM identity that asks; empty if not known.

        Raises:
            NotFound: the ledger does not know it.
            TableUnavailable: the ledger could not be read.
        """
        entry = self.ledger.find(transaction_id)
        if entry is None:
            raise NotFound(_NOT_KNOWN)
        known: dict[str, Any] = {
            "transactionId": transaction_id,
            "status": entry.status.value,
            "message": _MEANINGS[entry.status],
        }
        if entry.answer and caller and entry.caller == caller:
            known["answer"] = exact_json.read(entry.answer)
        return known

    def _wait_for_slot(self, until: datetime) -> None:
        limiter, resource = self.rate_limiter, Resource.TRANSACTIONS
        try:
            has_slot = wait_for_slot(limiter, self.clock, resource, Priority.PROMPT, until)
        except RateLimiterUnavailable as error:
            raise TableUnavailable(f"{error}; nothing was sent") from error
        if not has_slot:
            raise GameballThrottled("no slot of the rate limiter is free in time")
