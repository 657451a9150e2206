"""Adds one manual transaction: once, within the caller's time, and to the true answer."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from adjustments.core import exact_json
from adjustments.core.errors import (
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    IdTaken,
    IdUnclear,
    OutcomeUnknown,
)
from adjustments.core.runtime import Clock, Ids
from adjustments.gameball import chunk_retry as answers
from adjustments.gameball.rate_limiter import Lane, RequestBudget, Resource, wait_for_turn
from adjustments.manual import lookup
from adjustments.manual.repeating import ID_EXISTS, TIME_EXISTS, Next, next_step, says_no_customer
from adjustments.manual.transaction import ManualTransaction
from adjustments.ports import Asking, Attempt, Once

TIME_MAX: Final = timedelta(seconds=20)
"""For all calls to Gameball, of the 29 s that API Gateway gives a caller (quota "integration timeout"). A
cold start takes up to 3 s, and the function is stopped after 26 s, which leaves 6 s for the records.
"""

TIME_KEPT: Final = timedelta(seconds=4)
"""Kept of the function's own time for the records before and after."""

REQUEST_S_MAX: Final = 10.0
"""Longest wait for one answer: an unanswered request leaves time for another one, which brings the truth."""

REQUEST_S_MIN: Final = 1.0
"""Less than this is not worth a request: it would hardly be answered."""

PAGES_MAX: Final = 50
"""Pages of 200 transactions of one customer that are looked through."""

LAG_PAUSE_S: Final = 2.0
"""Before a second look for an id that Gameball has, should its list come after its ledger."""


_NOT_OURS: Final = (
    "transactionId: Gameball has a transaction of this id that was not made here; this call applied nothing"
)
_TAKEN: Final = "transactionId: belongs to another transaction at Gameball; this one was not applied"
_UNCLEAR: Final = (
    "transactionId: Gameball has it, and does not show (yet) whether for this transaction: send the same body"
    " again later, which is safe, and no other transactionId before that is known"
)


class Transactions(Protocol):
    """The calls to Gameball; each raises GameballError of the fitting class."""

    def add_manual_transaction(self, body: bytes, within_s: float | None = None) -> Mapping[str, Any]:
        """Send one manual transaction; Gameball's answer."""

    def transactions(
        self, customer_id: str, start_after: str | None = None, within_s: float | None = None
    ) -> Mapping[str, Any]:
        """A page of a customer's transactions."""


class Added(NamedTuple):
    """A transaction that is applied: the answer's body, and whether an earlier call gave it already."""

    body: str
    is_replayed: bool


class Transactor:
    """Adds manual transactions, within the shared request budget."""

    def __init__(
        self, gameball: Transactions, once: Once, budget: RequestBudget, clock: Clock, ids: Ids
    ) -> None:
        self._gameball = gameball
        self._once = once
        self._budget = budget
        self._clock = clock
        self._ids = ids

    def add(self, transaction: ManualTransaction, asking: Asking) -> Added:
        """Apply a transaction, or find that it is applied.

        Raises:
            IdTaken: the transactionId belongs to another transaction, of ours or of somebody else's.
            IdUnclear: Gameball has it, and does not show for which transaction.
            StillInProgress: another call with it has not ended.
            GameballError: of the class that says what is known. After each but GameballRefused the same
                transaction may be sent again.
        """
        left = timedelta(milliseconds=asking.remaining_ms()) - TIME_KEPT
        until = self._clock.now() + min(TIME_MAX, left)

        def act(attempt: Attempt) -> str:
            return exact_json.write(self._apply(transaction, attempt, until))

        return Added(*self._once.do(transaction, asking, act))

    def _apply(self, transaction: ManualTransaction, attempt: Attempt, until: datetime) -> Mapping[str, Any]:
        def send(within_s: float) -> Mapping[str, Any]:
            answer = self._gameball.add_manual_transaction(transaction.body(), within_s)
            return _checked(answer, transaction)

        has_time = transaction.transaction_time is not None
        try:
            return self._ask(send, lambda error: next_step(error, has_time), attempt, until)
        except GameballRefused as refusal:
            return self._settle(refusal, transaction, attempt, until)

    def _ask(
        self,
        request: Callable[[float], Mapping[str, Any]],
        decide: Callable[[GameballError], Next],
        attempt: Attempt,
        until: datetime,
    ) -> Mapping[str, Any]:
        """Make a request again and again until it is answered, or the time is up."""
        tries = 0
        while True:  # each round takes time, and none begins after `until`
            tries += 1
            try:
                return request(self._turn(until))
            except GameballError as error:
                attempt.in_doubt |= isinstance(error, OutcomeUnknown)
                if decide(error) is not Next.AGAIN:
                    raise
                pause = answers.pause(error, tries, self._ids.jitter())
                if self._clock.now() + pause + timedelta(seconds=REQUEST_S_MIN) >= until:
                    raise _out_of_time(error, attempt) from error
                self._clock.sleep(pause.total_seconds())

    def _turn(self, until: datetime) -> float:
        """Wait for a place in the budget; how many seconds the request may take."""
        latest = until - timedelta(seconds=REQUEST_S_MIN)
        if not wait_for_turn(self._budget, self._clock, Resource.TRANSACTIONS, Lane.PROMPT, latest):
            raise GameballThrottled("the request budget is used up for now")
        left_s = (until - self._clock.now()).total_seconds()
        if left_s < REQUEST_S_MIN:
            raise GameballThrottled("no time is left for a request")
        return min(REQUEST_S_MAX, left_s)

    def _settle(
        self, refusal: GameballRefused, transaction: ManualTransaction, attempt: Attempt, until: datetime
    ) -> Mapping[str, Any]:
        """Say what a refusal means: our own transaction stands in the list, or it is refused indeed."""
        is_there = refusal.code == ID_EXISTS
        if attempt.in_doubt:
            entry = self._find_twice(refusal, transaction, until)
            is_ours = entry and lookup.is_same(entry, transaction)
            if entry and is_ours:
                return lookup.answer(entry)
            if is_ours is None and (entry or is_there):
                raise IdUnclear(_UNCLEAR) from refusal
        if is_there:
            raise IdTaken(_TAKEN if attempt.in_doubt else _NOT_OURS) from refusal
        raise _collision(refusal, transaction) if refusal.code == TIME_EXISTS else refusal

    def _find_twice(
        self, refusal: GameballRefused, transaction: ManualTransaction, until: datetime
    ) -> Mapping[str, Any] | None:
        """Look again where nothing is found: the list may come after the ledger."""
        entry = self._find(refusal, transaction, until)
        if entry is None:
            self._clock.sleep(LAG_PAUSE_S)
            entry = self._find(refusal, transaction, until)
        return entry

    def _find(
        self, refusal: GameballRefused, transaction: ManualTransaction, until: datetime
    ) -> Mapping[str, Any] | None:
        """Look through the customer's list; raises OutcomeUnknown when it can't be read to the end."""
        start_after: str | None = None
        for _ in range(PAGES_MAX):
            page = self._page(refusal, transaction.customer_id, start_after, until)
            entry = lookup.find(page, transaction)
            start_after = lookup.next_page(page)
            if entry is not None or (start_after is None and not page.get("hasMore")):
                return entry
            if start_after is None:
                break
        raise OutcomeUnknown("the customer's list of transactions could not be read to the end")

    def _page(
        self, refusal: GameballRefused, customer_id: str, start_after: str | None, until: datetime
    ) -> Mapping[str, Any]:
        def look(within_s: float) -> Mapping[str, Any]:
            return self._gameball.transactions(customer_id, start_after, within_s)

        try:
            # looking changes nothing, so that what becomes of it puts nothing in doubt
            return self._ask(look, lambda error: next_step(error, True), Attempt(), until)
        except GameballUnauthorized:
            raise
        except GameballError as error:
            if says_no_customer(error, refusal):
                return {"transactions": []}
            raise OutcomeUnknown("the customer's list of transactions could not be read") from error


def _checked(answer: Mapping[str, Any], transaction: ManualTransaction) -> Mapping[str, Any]:
    """The seed's fields of an answer; one that does not name our transaction says nothing of it."""
    named = answer.get("transactionId")
    if named is None and answer.get("gameballTransactionId") is None:
        raise OutcomeUnknown("Gameball's answer names no transaction", status=200)
    if named not in (None, transaction.transaction_id):
        raise OutcomeUnknown("Gameball's answer names another transaction", status=200)
    return lookup.seed_fields(answer)


def _out_of_time(error: GameballError, attempt: Attempt) -> GameballError:
    """The last request may surely not have been applied; an earlier one may."""
    if attempt.in_doubt and not isinstance(error, OutcomeUnknown):
        return OutcomeUnknown("no request was answered in time, and an earlier one may have been applied")
    return error


def _collision(refusal: GameballRefused, transaction: ManualTransaction) -> GameballError:
    """Say what a collision of times is; it proves nothing about this transaction."""
    facts: dict[str, Any] = {
        "status": refusal.status,
        "code": refusal.code,
        "request_id": refusal.request_id,
    }
    if transaction.transaction_time is None:
        # Gameball chose the time, again and again: it was not applied, and may well be in a while.
        return GameballThrottled(refusal.message, **facts)
    told = (
        f"{refusal.told or 'Transaction time already exists'}: the customer has another transaction "
        "of this very transactionTime; send another time, or none"
    )
    return GameballRefused(refusal.message, **facts, told=told)
