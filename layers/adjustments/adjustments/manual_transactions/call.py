"""Sends one manual transaction to Gameball, with the same id each time, until its outcome is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from adjustments.core.errors import (
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
from adjustments.manual_transactions import matching
from adjustments.manual_transactions.model import ManualTransaction

REQUEST_S_MAX: Final = 10.0
"""Longest wait for one answer: an unanswered request leaves time for another one, which brings the truth."""

REQUEST_S_MIN: Final = 1.0
"""Less than this is not worth a request: it would hardly be answered."""

PAGES_MAX: Final = 50
"""Pages of 200 transactions of one customer that are searched."""

LIST_LAG_S: Final = 2.0
"""Pause before a second search for an id that Gameball has, should its list lag behind its ledger."""

DOUBTS_TIME: Final = timedelta(seconds=60)
"""After a request without an answer: how long Gameball's list may take to show that it was applied. Until
then a refusal of the same transaction proves nothing, as it may be for what the first one has changed.
"""

_NOT_OURS: Final = (
    "transactionId: Gameball has a transaction of this id that was not made here; this call applied nothing"
)
_TAKEN: Final = "transactionId: belongs to another transaction at Gameball; this one was not applied"
_UNCLEAR: Final = (
    "transactionId: Gameball has it, and does not show (yet) whether for this transaction: send the same body"
    " again later, which is safe, and no other transactionId before that is known"
)


@dataclass(frozen=True, kw_only=True)
class CallPorts:
    """What a call needs of the outside world.

    Args:
        add: sends a transaction (``Gameball.add_manual_transaction``).
        list_page: lists the transactions of a customer (``Gameball.transactions``).
        wait_for_slot: waits for a slot of the rate limiter until a time, and raises where there is none.
        clock: the time, and waits.
        ids: the chance in a back-off.
    """

    add: Callable[[bytes, float], Mapping[str, Any]]
    list_page: Callable[[str, str | None, float], Mapping[str, Any]]
    wait_for_slot: Callable[[datetime], None]
    clock: Clock
    ids: Ids


@dataclass(kw_only=True)
class GameballCall:
    """One transaction's way to Gameball.

    Args:
        ports: the outside world.
        transaction: what is to be applied.
        body: the request, the same each time.
        until: when the last answer must be there.
        doubts_until: until when the customer's list may fail to show an earlier request of ours with this
            transactionId; None where there surely was none.
        looks_up_taken_id: whether a transactionId that Gameball has counts as ours where the transaction is
            the same, though no request of ours is known.

    Attributes:
        is_in_doubt: whether a request of ours with this transactionId may have been applied. It is so after
            each request whose outcome is unknown.
        lost_at: when the last request of this call ended that was perhaps applied, and brought no answer.
        is_looking_up: whether the transaction is not sent any more, and only looked up.
        may_be_listed: whether the customer's list has an entry of its id that does not say whether it is this
            transaction.
    """

    ports: CallPorts
    transaction: ManualTransaction
    body: bytes
    until: datetime
    doubts_until: datetime | None
    looks_up_taken_id: bool = False
    is_in_doubt: bool = field(init=False)
    lost_at: datetime | None = field(init=False, default=None)
    is_looking_up: bool = field(init=False, default=False)
    may_be_listed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.is_in_doubt = self.doubts_until is not None

    def run(self) -> Mapping[str, Any]:
        """Send the transaction; where Gameball refuses it, find out what the refusal means.

        Returns:
            Gameball's answer, or what it would have been.

        Raises:
            IdTaken: the transactionId belongs to another transaction.
            IdUnclear: Gameball has it, and does not show for which transaction.
            GameballError: of the class that says what is known; ``is_in_doubt`` says whether an earlier
                request may have been applied.
        """
        try:
            return self._request(self._send, has_time=self.transaction.transaction_time is not None)
        except GameballRefused as refusal:
            return self._settle_refusal(refusal)

    def is_surely_refused(self, error: GameballRefused | IdTaken | IdUnclear) -> bool:
        """Whether a transaction that is refused at last was surely not applied by an earlier request.

        Where there may have been one of ours, it has to be so old that Gameball's list would show it by now;
        so has a transaction of this id that is not listed, which may be this very one, sent by someone else.

        Args:
            error: what ``run`` has raised.
        """
        if self.may_be_listed or self.lost_at:
            return False
        if self.doubts_until is None:
            return not isinstance(error, IdUnclear)
        return self.ports.clock.now() >= self.doubts_until

    def _request(self, request: Callable[[float], Mapping[str, Any]], has_time: bool) -> Mapping[str, Any]:
        """Make a request, again where that may help, until it is answered, refused, or the time is up."""
        tries = 0
        last_error: GameballError | None = None
        while True:  # each round takes time, and none begins after `until`
            tries += 1
            try:
                return request(self._wait_for_slot())
            except TableUnavailable:
                if last_error is None:
                    raise
                raise self._out_of_time(last_error) from None  # the last request's error says what is known
            except GameballError as error:
                last_error = error
                if not retry_policy.may_retry(error, has_time):
                    raise
                pause = retry_policy.back_off(error, tries, self.ports.ids.jitter())
                if self.ports.clock.now() + pause + timedelta(seconds=REQUEST_S_MIN) >= self.until:
                    raise self._out_of_time(error) from error
            self.ports.clock.sleep(pause.total_seconds())

    def _wait_for_slot(self) -> float:
        """Wait for a slot of the rate limiter; how many seconds the request may take."""
        self.ports.wait_for_slot(self.until - timedelta(seconds=REQUEST_S_MIN))
        left_s = (self.until - self.ports.clock.now()).total_seconds()
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
            answer = self.ports.add(self.body, within_s)
            named = answer.get("transactionId")
            if named is None and answer.get("gameballTransactionId") is None:
                raise OutcomeUnknown("Gameball's answer names no transaction", status=200)
            if named not in (None, self.transaction.transaction_id):
                raise OutcomeUnknown("Gameball's answer names another transaction", status=200)
        except OutcomeUnknown:
            self.is_in_doubt = True
            self.lost_at = self.ports.clock.now()
            raise
        return matching.answer_from_response(answer)

    def _settle_refusal(self, refusal: GameballRefused) -> Mapping[str, Any]:
        """Say what a refusal means: our own transaction is in the list, or it is refused indeed."""
        self.is_looking_up = True
        is_there = refusal.code == retry_policy.ID_EXISTS
        self.is_in_doubt = self.is_in_doubt or (is_there and self.looks_up_taken_id)
        if self.is_in_doubt:
            entry = self._find_entry(refusal)
            is_ours = entry and matching.is_same(entry, self.transaction)
            self.may_be_listed = entry is not None and is_ours is None
            if entry and is_ours:
                return matching.answer_from_entry(entry)
            if is_ours is None and (entry or is_there):
                unclear = IdUnclear(_UNCLEAR)
                if not self.is_surely_refused(unclear):
                    raise unclear from refusal
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
        message = (
            f"{refusal.gameball_message or 'Transaction time already exists'}: "
            "the customer has another transaction of this very transactionTime; send another time, or none"
        )
        return GameballRefused(refusal.message, **facts, gameball_message=message)

    def _find_entry(self, refusal: GameballRefused) -> Mapping[str, Any] | None:
        """Find the transaction in the customer's list, which is searched twice: it may lag behind."""
        entry = self._search_list(refusal)
        if entry is None:
            self.ports.clock.sleep(LIST_LAG_S)
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
            return self._request(partial(self.ports.list_page, customer_id, start_after), has_time=True)
        except GameballUnauthorized:
            raise
        except (GameballError, TableUnavailable) as error:
            if isinstance(error, GameballError) and retry_policy.proves_no_customer(error, refusal):
                return {"transactions": []}
            raise OutcomeUnknown("the customer's list of transactions could not be read") from error
