"""Adds one manual transaction: once, within the caller's time, and to the true answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from adjustments.core import exact_json
from adjustments.core.errors import (
    AdjustmentsError,
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    IdTaken,
    IdUnclear,
    OutcomeUnknown,
    TableUnavailable,
)
from adjustments.core.runtime import Clock, Ids
from adjustments.gameball import retry_policy
from adjustments.gameball.port import Gameball
from adjustments.gameball.rate_limiter import (
    Priority,
    RateLimiter,
    RateLimiterUnavailable,
    Resource,
    wait_for_slot,
)
from adjustments.manual_transactions import matching
from adjustments.manual_transactions.ledger import CallerContext, Completed, IdempotencyLedger
from adjustments.manual_transactions.model import ManualTransaction

GAMEBALL_TIME_MAX: Final = timedelta(seconds=20)
"""For all calls to Gameball, of the 29 s that API Gateway gives a caller (quota "integration timeout"). A
cold start takes up to 3 s, and the function is stopped after 26 s, which leaves 6 s for the ledger.
"""

LEDGER_TIME: Final = timedelta(seconds=4)
"""Kept of the function's own time for the ledger's writes before and after."""

REQUEST_S_MAX: Final = 10.0
"""Longest wait for one answer: an unanswered request leaves time for another one, which brings the truth."""

REQUEST_S_MIN: Final = 1.0
"""Less than this is not worth a request: it would hardly be answered."""

PAGES_MAX: Final = 50
"""Pages of 200 transactions of one customer that are searched."""

LIST_LAG_S: Final = 2.0
"""Pause before a second search for an id that Gameball has, should its list lag behind its ledger."""


_NOT_OURS: Final = (
    "transactionId: Gameball has a transaction of this id that was not made here; this call applied nothing"
)
_TAKEN: Final = "transactionId: belongs to another transaction at Gameball; this one was not applied"
_UNCLEAR: Final = (
    "transactionId: Gameball has it, and does not show (yet) whether for this transaction: send the same body"
    " again later, which is safe, and no other transactionId before that is known"
)


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
            IdTaken: the transactionId belongs to another transaction, of ours or of somebody else's.
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
        call = _Call(self, transaction, until, begun.is_in_doubt)
        try:
            answer = exact_json.write(call.run())
        except Exception as error:
            if call.is_in_doubt or not _proves_not_applied(error):
                self.ledger.reopen(begun)
            else:
                self.ledger.forget(begun)
            raise
        self.ledger.complete(begun, answer)
        return Added(answer, is_replayed=False)


def _proves_not_applied(error: Exception) -> bool:
    """An error that nobody foresaw proves nothing."""
    return isinstance(error, AdjustmentsError) and not isinstance(error, OutcomeUnknown)


@dataclass
class _Call:
    """One call's work at Gameball.

    Args:
        service: what it works with.
        transaction: what is to be applied.
        until: when the last answer must be there.
        is_in_doubt: whether a request of ours with this transactionId may have been applied.
    """

    service: ManualTransactionService
    transaction: ManualTransaction
    until: datetime
    is_in_doubt: bool

    def run(self) -> Mapping[str, Any]:
        """Send the transaction; where Gameball refuses it, find out what the refusal means."""
        try:
            return self._request(self._send, has_time=self.transaction.transaction_time is not None)
        except GameballRefused as refusal:
            return self._settle_refusal(refusal)

    def _request(self, request: Callable[[float], Mapping[str, Any]], has_time: bool) -> Mapping[str, Any]:
        """Make a request again and again until it is answered, refused, or the time is up."""
        tries = 0
        last_error: GameballError | None = None
        while True:  # each round takes time, and none begins after `until`
            tries += 1
            try:
                return request(self._wait_for_slot())
            except TableUnavailable:
                if last_error is None:
                    raise
                raise self._out_of_time(last_error) from None  # what is known is what the last request said
            except GameballError as error:
                last_error = error
                if not retry_policy.may_retry(error, has_time):
                    raise
                pause = retry_policy.back_off(error, tries, self.service.ids.jitter())
                if self.service.clock.now() + pause + timedelta(seconds=REQUEST_S_MIN) >= self.until:
                    raise self._out_of_time(error) from error
            self.service.clock.sleep(pause.total_seconds())

    def _wait_for_slot(self) -> float:
        """Wait for a slot of the rate limiter; how many seconds the request may take."""
        latest = self.until - timedelta(seconds=REQUEST_S_MIN)
        limiter, clock = self.service.rate_limiter, self.service.clock
        try:
            has_slot = wait_for_slot(limiter, clock, Resource.TRANSACTIONS, Priority.PROMPT, latest)
        except RateLimiterUnavailable as error:
            raise TableUnavailable(f"{error}; nothing was sent") from error
        if not has_slot:
            raise GameballThrottled("no slot of the rate limiter is free in time")
        left_s = (self.until - clock.now()).total_seconds()
        if left_s < REQUEST_S_MIN:
            raise GameballThrottled("no time is left for a request")
        return min(REQUEST_S_MAX, left_s)

    def _out_of_time(self, error: GameballError) -> GameballError:
        """The last request may surely not have been applied; an earlier one may."""
        if self.is_in_doubt and not isinstance(error, OutcomeUnknown):
            return OutcomeUnknown("no request was answered in time, and an earlier one may have been applied")
        return error

    def _send(self, within_s: float) -> Mapping[str, Any]:
        """Send the transaction; an answer that does not name it says nothing of it."""
        try:
            answer = self.service.gameball.add_manual_transaction(self.transaction.body(), within_s)
            named = answer.get("transactionId")
            if named is None and answer.get("gameballTransactionId") is None:
                raise OutcomeUnknown("Gameball's answer names no transaction", status=200)
            if named not in (None, self.transaction.transaction_id):
                raise OutcomeUnknown("Gameball's answer names another transaction", status=200)
        except OutcomeUnknown:
            self.is_in_doubt = True
            raise
        return matching.answer_from_response(answer)

    def _settle_refusal(self, refusal: GameballRefused) -> Mapping[str, Any]:
        """Say what a refusal means: our own transaction stands in the list, or it is refused indeed."""
        is_there = refusal.code == retry_policy.ID_EXISTS
        if self.is_in_doubt:
            entry = self._find_entry(refusal)
            is_ours = entry and matching.is_same(entry, self.transaction)
            if entry and is_ours:
                return matching.answer_from_entry(entry)
            if is_ours is None and (entry or is_there):
                raise IdUnclear(_UNCLEAR) from refusal
        if is_there:
            raise IdTaken(_TAKEN if self.is_in_doubt else _NOT_OURS) from refusal
        if refusal.code == retry_policy.TIME_EXISTS:
            raise self._time_collision(refusal)
        raise refusal

    def _time_collision(self, refusal: GameballRefused) -> GameballError:
        """Say what a collision of times is; it proves nothing about this transaction."""
        facts: dict[str, Any] = {
            "status": refusal.status,
            "code": refusal.code,
            "request_id": refusal.request_id,
        }
        if self.transaction.transaction_time is None:
            # Gameball chose the time, again and again: it was not applied, and may well be in a while.
            return GameballThrottled(refusal.message, **facts)
        told = (
            f"{refusal.gameball_message or 'Transaction time already exists'}: "
            "the customer has another transaction of this very transactionTime; send another time, or none"
        )
        return GameballRefused(refusal.message, **facts, gameball_message=told)

    def _find_entry(self, refusal: GameballRefused) -> Mapping[str, Any] | None:
        """Find the transaction in the customer's list, which is searched twice: it may lag behind."""
        entry = self._search_list(refusal)
        if entry is None:
            self.service.clock.sleep(LIST_LAG_S)
            entry = self._search_list(refusal)
        return entry

    def _search_list(self, refusal: GameballRefused) -> Mapping[str, Any] | None:
        """Search the customer's list page by page; raises OutcomeUnknown when it can't be read to the end."""
        start_after: str | None = None
        for _ in range(PAGES_MAX):
            page = self._read_page(refusal, start_after)
            entry = matching.find_entry(page, self.transaction)
            start_after = matching.next_page(page)
            if entry is not None or (start_after is None and not page.get("hasMore")):
                return entry
            if start_after is None:
                break
        raise OutcomeUnknown("the customer's list of transactions could not be read to the end")

    def _read_page(self, refusal: GameballRefused, start_after: str | None) -> Mapping[str, Any]:
        customer_id = self.transaction.customer_id
        try:
            return self._request(
                partial(self.service.gameball.transactions, customer_id, start_after), has_time=True
            )
        except GameballUnauthorized:
            raise
        except (GameballError, TableUnavailable) as error:
            if isinstance(error, GameballError) and retry_policy.proves_no_customer(error, refusal):
                return {"transactions": []}
            raise OutcomeUnknown("the customer's list of transactions could not be read") from error
