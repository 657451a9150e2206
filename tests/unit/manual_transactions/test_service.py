"""A manual transaction ends in the true answer, wherever its function is killed, and is applied once."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from adjustments.core import exact_json
from adjustments.core.errors import (
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    GameballUnavailable,
    IdTaken,
    IdUnclear,
    NotFound,
    OutcomeUnknown,
    StillInProgress,
    TableUnavailable,
)
from adjustments.core.limits import HISTORY_DAYS
from adjustments.gameball.rate_limiter import Priority, Resource
from adjustments.manual_transactions.call import DOUBTS_TIME, CallPorts, GameballCall
from adjustments.manual_transactions.ledger import CallerContext
from adjustments.manual_transactions.model import read_manual_transaction
from adjustments.manual_transactions.service import ManualTransactionService
from tests.fakes.manual_transactions import Killed, MemoryLedger, MemoryTransactions
from tests.fakes.memory import START, CountingIds, FailingRateLimiter, GrantingRateLimiter, ManualClock

BODY: dict[str, Any] = {"customerId": "c", "transactionId": "t", "username": "u", "reason": "r", "points": 5}
ANSWER = {"customerId": "c", "gameballTransactionId": 1, "transactionId": "t", "points": 5, "amount": 5}
UNKNOWN = OutcomeUnknown("no answer")
FUNCTION_MS = 26_000
DOUBTS_S = DOUBTS_TIME.total_seconds()


def refused(code: int | None, status: int = 422) -> GameballRefused:
    return GameballRefused(f"Gameball answered {status}", status=status, code=code, gameball_message="no")


class Desk:
    """One function after another, on the same records and the same Gameball."""

    def __init__(self, *script: Any) -> None:
        self.clock = ManualClock()
        self.ledger = MemoryLedger(self.clock)
        self.gameball = MemoryTransactions(list(script))
        self.rate_limiter: GrantingRateLimiter = GrantingRateLimiter()

    @property
    def service(self) -> ManualTransactionService:
        return ManualTransactionService(
            self.gameball, self.ledger, self.rate_limiter, self.clock, CountingIds()
        )

    def add(self, remaining_ms: int = FUNCTION_MS, **fields: Any) -> tuple[dict[str, Any], bool]:
        transaction = read_manual_transaction({**BODY, **fields}, self.clock.now())
        added = self.service.add(transaction, CallerContext("arn:me", "request", lambda: remaining_ms))
        return exact_json.read(added.body), added.is_replayed

    def later(self) -> None:
        """Wait until a killed function's time is over."""
        self.clock.sleep(FUNCTION_MS / 1000 + 1)

    @property
    def applied(self) -> list[Decimal]:
        return [
            -entry["points"] if entry["direction"] == "-" else entry["points"]
            for entry in self.gameball.stored
        ]


def test_first_call_is_answered_in_gameballs_form():
    desk = Desk()
    assert desk.add() == (ANSWER, False)
    assert desk.rate_limiter.requested == [(Resource.TRANSACTIONS, Priority.PROMPT)]
    assert desk.ledger.callers == {"t": "arn:me"}


def test_same_id_and_body_is_replayed_without_a_second_call():
    desk = Desk()
    first, _ = desk.add()
    assert desk.add() == (first, True)
    assert len(desk.gameball.sent) == 1


def test_same_id_with_another_body_is_refused():
    desk = Desk()
    desk.add()
    with pytest.raises(IdTaken, match="transactionId"):
        desk.add(points=6)
    assert desk.applied == [5]


@pytest.mark.parametrize("points", [5, -5])
@pytest.mark.parametrize("lost", [UNKNOWN, (UNKNOWN,)], ids=["not applied", "applied"])
def test_unknown_outcome_is_cleared_within_the_call(lost: Any, points: int):
    desk = Desk(lost)
    answer, replayed = desk.add(points=points)
    assert (answer["points"], answer["gameballTransactionId"], replayed) == (points, 1, False)
    assert desk.applied == [points]


def test_the_looked_up_answer_is_the_one_that_was_lost():
    lost, direct = Desk((UNKNOWN,)), Desk()
    assert lost.add(points=None, amount=Decimal("-2.5")) == direct.add(points=None, amount=Decimal("-2.5"))


def crash_before_the_call(desk: Desk) -> None:
    desk.gameball.script = [Killed()]


def crash_after_the_call(desk: Desk) -> None:
    desk.gameball.script = [(Killed(),)]


def crash_after_the_answer(desk: Desk) -> None:
    desk.ledger.loses_answers = True


def crash_while_asking_again(desk: Desk) -> None:
    desk.gameball.script = [(UNKNOWN,), Killed()]


def crash_while_looking(desk: Desk) -> None:
    desk.gameball.script, desk.gameball.lists = [(UNKNOWN,)], [Killed()]


CRASHES = [
    crash_before_the_call,
    crash_after_the_call,
    crash_after_the_answer,
    crash_while_asking_again,
    crash_while_looking,
]


@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize("crashes", [1, 2])
def test_a_crash_ends_in_the_true_answer_at_the_next_try(crash: Callable[[Desk], None], crashes: int):
    desk = Desk()
    for _ in range(crashes):
        crash(desk)
        with suppress(Killed):
            desk.add()
        desk.later()
    desk.ledger.loses_answers, desk.gameball.script, desk.gameball.lists = False, [], []
    answer, _ = desk.add()
    assert (answer["transactionId"], answer["points"]) == ("t", 5)
    assert desk.applied == [5]
    assert desk.add() == (answer, True)


@pytest.mark.parametrize("crash", CRASHES)
def test_after_a_crash_another_body_is_refused(crash: Callable[[Desk], None]):
    desk = Desk()
    crash(desk)
    with suppress(Killed):
        desk.add()
    desk.later()
    with pytest.raises(IdTaken):
        desk.add(points=6)
    assert len(desk.applied) <= 1


def test_a_call_that_may_still_run_is_in_progress():
    desk = Desk((Killed(),))
    with pytest.raises(Killed):
        desk.add()
    with pytest.raises(StillInProgress):
        desk.add()
    assert desk.applied == [5]


def test_an_id_of_somebody_else_is_refused_on_a_first_try_however_alike():
    desk = Desk()
    desk.gameball.apply(BODY)
    for _ in range(2):  # the refusal leaves nothing behind that would make the next one look like ours
        with pytest.raises(IdTaken, match="applied nothing"):
            desk.add()
    assert desk.applied == [5]
    assert desk.gameball.lookups == 0


@pytest.mark.parametrize("other", [{"points": 6}, {"points": -5}])
def test_an_id_of_somebody_else_is_refused_after_an_unknown_outcome_too(other: dict[str, Any]):
    desk = Desk(UNKNOWN)
    desk.gameball.apply({**BODY, **other})
    with pytest.raises(IdTaken, match="another transaction"):
        desk.add()
    assert len(desk.applied) == 1


def test_an_id_that_is_listed_for_another_transaction_is_not_in_doubt_for_good():
    desk = Desk(UNKNOWN)
    desk.gameball.apply({**BODY, "points": 6})
    kept = []
    for _ in range(2):
        with pytest.raises(IdTaken, match="another transaction"):
            desk.add()
        kept.append(len(desk.ledger.items))
        desk.clock.sleep(DOUBTS_S)
    assert kept == [1, 0]


def test_an_id_of_somebody_else_is_refused_for_another_reason_too_once_a_list_would_show_ours():
    """Gameball may look at the balance before it looks at the id."""
    desk = Desk(UNKNOWN, refused(9008), refused(9008))
    desk.gameball.apply({**BODY, "points": 6})
    with pytest.raises(OutcomeUnknown, match="may have been applied"):
        desk.add()
    desk.clock.sleep(DOUBTS_S)
    with pytest.raises(GameballRefused) as raised:
        desk.add()
    assert raised.value.code == 9008
    assert desk.applied == [6]
    assert not desk.ledger.items


def test_an_id_that_gameball_has_and_the_list_does_not_show_is_unclear_and_asked_for_again():
    """The list may come late, or the id may be another customer's: "nothing was applied" might be wrong."""
    desk = Desk((UNKNOWN,))
    desk.gameball.lag_lookups = 3
    with pytest.raises(IdUnclear):
        desk.add()
    with pytest.raises(IdTaken):
        desk.add(points=6)
    assert desk.add() == (ANSWER, False)
    assert desk.applied == [5]


def test_an_id_of_another_customer_is_unclear_after_an_unknown_outcome_until_a_list_would_show_it():
    desk = Desk(UNKNOWN)
    desk.gameball.apply({**BODY, "customerId": "somebody"})
    for _ in range(3):  # asking again makes the doubt no younger
        with pytest.raises(IdUnclear):
            desk.add()
    desk.clock.sleep(DOUBTS_S)
    with pytest.raises(IdTaken, match="another transaction"):
        desk.add()
    assert len(desk.applied) == 1


@pytest.mark.parametrize(("age_s", "error"), [(DOUBTS_S - 10, IdUnclear), (DOUBTS_S, IdTaken)])
def test_the_call_itself_says_whether_an_id_that_is_not_listed_is_unclear_or_taken(
    age_s: float, error: type[Exception]
):
    desk = Desk()
    desk.gameball.apply({**BODY, "customerId": "somebody"})
    transaction, now = read_manual_transaction(BODY, START), desk.clock.now()
    ports = CallPorts(
        add=desk.gameball.add_manual_transaction,
        list_page=desk.gameball.transactions,
        wait_for_slot=lambda until: None,
        clock=desk.clock,
        ids=CountingIds(),
    )
    call = GameballCall(
        ports=ports,
        transaction=transaction,
        body=transaction.body(),
        until=now + timedelta(seconds=20),
        doubts_until=now + timedelta(seconds=DOUBTS_S - age_s),
    )
    with pytest.raises(error) as raised:
        call.run()
    assert call.is_surely_refused(raised.value) is (error is IdTaken)  # type: ignore[arg-type]


def test_an_id_that_is_not_known_is_answered_with_how_long_it_would_be():
    with pytest.raises(NotFound, match=f"in the last {HISTORY_DAYS} days"):
        Desk().service.find("t", "arn:me")


@pytest.mark.parametrize("refusal", [refused(9004), refused(9008)])
@pytest.mark.parametrize("number", [None, "5", True])
def test_a_stored_transaction_whose_points_cannot_be_read_is_unclear(refusal: GameballRefused, number: Any):
    desk = Desk((UNKNOWN,), refusal)
    desk.gameball.listed = {"points": number}
    with pytest.raises(IdUnclear):
        desk.add()


def test_among_entries_of_one_id_ours_counts():
    desk = Desk((UNKNOWN,))
    desk.gameball.apply({**BODY, "transactionId": "reward", "points": 1})
    desk.gameball.stored[0]["transactionId"] = "t"
    desk.gameball.takes_ids_twice = 1
    assert desk.add()[0]["points"] == 5


@pytest.mark.parametrize("listing", [refused(7000, 404), refused(None, 404)])
def test_a_customer_who_is_not_there_has_no_transactions(listing: GameballRefused):
    desk = Desk(UNKNOWN, refused(7000, 404), refused(7000, 404))
    desk.gameball.lists = [listing] * 4
    with pytest.raises(OutcomeUnknown):
        desk.add()
    desk.clock.sleep(DOUBTS_S)
    with pytest.raises(GameballRefused) as raised:
        desk.add()
    assert raised.value.code == 7000


def test_a_list_that_is_not_found_proves_nothing_where_the_customer_is_there():
    desk = Desk((UNKNOWN,), refused(9008))
    desk.gameball.lists = [refused(None, 404)]
    with pytest.raises(OutcomeUnknown):
        desk.add()


@pytest.mark.parametrize("refusal", [refused(9008), refused(7000, 404)])
def test_a_refusal_after_an_unknown_outcome_is_checked_against_a_list_that_comes_late_too(
    refusal: GameballRefused,
):
    desk = Desk((UNKNOWN,), refusal)
    desk.gameball.lag_lookups = 1
    assert desk.add()[0]["points"] == 5


def test_an_answer_that_names_another_transaction_is_no_answer_of_ours():
    desk = Desk()
    desk.gameball.answered = {"transactionId": "another"}
    assert desk.add()[0]["transactionId"] == "t"
    assert (len(desk.gameball.sent), desk.gameball.lookups) == (2, 1)
    assert desk.applied == [5]


def test_a_list_that_comes_late_is_read_once_more():
    desk = Desk((UNKNOWN,))
    desk.gameball.lag_lookups = 1
    assert desk.add()[0]["points"] == 5


def test_the_list_is_read_page_by_page():
    desk = Desk()
    desk.gameball.page_rows = 2
    for number in range(5):
        desk.gameball.apply({**BODY, "transactionId": f"other-{number}"})
    desk.gameball.script = [(UNKNOWN,)]
    assert desk.add()[0]["gameballTransactionId"] == 6
    assert desk.gameball.lookups == 3


@pytest.mark.parametrize("refusal", [refused(9008), refused(9003), refused(7000, 404), refused(None, 400)])
def test_a_refusal_after_an_unknown_outcome_is_checked_against_the_list(refusal: GameballRefused):
    applied, not_applied = Desk((UNKNOWN,), refusal), Desk(UNKNOWN, refusal, refusal)
    when = "2026-11-21T11:00:00Z"  # else a collision of times is tried again
    assert applied.add(transactionTime=when)[0]["points"] == 5
    with pytest.raises(OutcomeUnknown, match="send the same body again"):
        not_applied.add(transactionTime=when)
    not_applied.clock.sleep(DOUBTS_S)
    with pytest.raises(GameballRefused) as raised:
        not_applied.add(transactionTime=when)
    assert (raised.value.code, not_applied.applied) == (refusal.code, [])
    assert not_applied.ledger.items == {}


def test_a_refusal_is_no_proof_while_the_list_may_not_show_what_an_earlier_request_has_applied():
    """The first request took the last points, its answer was lost, and the list shows it a minute later."""
    desk = Desk((UNKNOWN,), *[refused(9008)] * 2)
    desk.gameball.lag_lookups = 4
    for _ in range(2):
        with pytest.raises(OutcomeUnknown, match="may have been applied"):
            desk.add(points=-5)
    desk.clock.sleep(DOUBTS_S)
    desk.gameball.script = [refused(9008)]
    assert desk.add(points=-5)[0]["points"] == -5
    assert desk.applied == [-5]


def test_a_function_that_died_leaves_doubt_until_its_time_was_up_and_a_list_would_show_it():
    desk = Desk(Killed(), *[refused(9008)] * 2)
    with pytest.raises(Killed):
        desk.add()
    desk.later()
    with pytest.raises(OutcomeUnknown):
        desk.add()
    desk.clock.sleep(DOUBTS_S)
    with pytest.raises(GameballRefused):
        desk.add()


def test_a_collision_of_times_is_tried_again_when_gameball_chose_the_time():
    desk = Desk(refused(9003), refused(9003))
    assert desk.add()[0]["points"] == 5
    assert len(desk.gameball.sent) == 3


def test_a_collision_of_times_is_refused_and_says_why_when_the_caller_chose_it():
    desk = Desk(refused(9003))
    with pytest.raises(GameballRefused) as raised:
        desk.add(transactionTime="2026-11-21T11:00:00Z")
    assert raised.value.code == 9003
    assert "transactionTime" in str(raised.value.gameball_message)
    assert desk.applied == []


@pytest.mark.parametrize(
    "busy", [GameballThrottled("429"), GameballThrottled("2001"), GameballUnavailable("dns")]
)
def test_what_was_not_applied_is_tried_again(busy: GameballError):
    desk = Desk(busy, busy)
    assert desk.add()[0]["points"] == 5
    assert desk.applied == [5]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([GameballThrottled("429")] * 99, GameballThrottled),
        ([GameballThrottled("429", retry_after_s=60)], GameballThrottled),
        ([GameballUnavailable("dns")] * 99, GameballUnavailable),
        ([UNKNOWN] * 99, OutcomeUnknown),
        ([UNKNOWN, *[GameballThrottled("429")] * 99], OutcomeUnknown),
        ([(UNKNOWN,), *[GameballUnavailable("dns")] * 99], OutcomeUnknown),
        ([refused(9003)] * 99, GameballThrottled),
        ([UNKNOWN, *[refused(9003)] * 99], OutcomeUnknown),
        ([GameballUnauthorized("401")], GameballUnauthorized),
        ([refused(7000, 404)], GameballRefused),
    ],
)
def test_out_of_time_the_error_says_what_is_known(script: list[Any], error: type[GameballError]):
    desk = Desk(*script)
    with pytest.raises(error) as raised:
        desk.add()
    assert type(raised.value) is error
    assert desk.clock.now() - START <= timedelta(seconds=20)
    desk.gameball.script = []
    assert desk.add()[0]["points"] == 5
    assert desk.applied == [5]


def test_each_request_fits_the_time_that_is_left():
    desk = Desk(*[UNKNOWN] * 99)
    with pytest.raises(OutcomeUnknown):
        desk.add(remaining_ms=9_000)
    assert desk.clock.now() - START <= timedelta(seconds=5)
    assert all(within_s and within_s <= 5 for within_s in desk.gameball.within_s)


def test_without_time_nothing_is_sent():
    desk = Desk()
    with pytest.raises(GameballThrottled):
        desk.add(remaining_ms=4_500)
    assert desk.gameball.sent == []


def test_a_list_that_fails_leaves_the_outcome_unknown_and_the_next_try_finds_it():
    desk = Desk((UNKNOWN,))
    desk.gameball.lists = [refused(None, 400)]
    with pytest.raises(OutcomeUnknown):
        desk.add()
    assert desk.add()[0]["points"] == 5
    assert desk.applied == [5]


def test_an_answer_that_names_no_transaction_is_no_answer():
    desk = Desk()
    desk.gameball.add_manual_transaction = lambda body, within_s=None: {}  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown):
        desk.add()


@pytest.mark.parametrize(
    ("script", "is_kept"),
    [
        ([refused(7000, 404)], False),
        ([GameballThrottled("429", retry_after_s=60)], False),
        ([GameballUnavailable("dns")] * 99, False),
        ([GameballUnauthorized("401")], False),
        ([UNKNOWN] * 99, True),
        ([UNKNOWN, refused(7000, 404)], True),
        ([KeyError("a bug")], True),
    ],
)
def test_only_an_attempt_that_surely_applied_nothing_is_forgotten(script: list[Any], is_kept: bool):
    desk = Desk(*script)
    with pytest.raises((GameballError, KeyError)):
        desk.add()
    assert ("t" in desk.ledger.items) is is_kept
    if is_kept:
        with pytest.raises(IdTaken):
            desk.add(points=6)
    desk.gameball.script = []
    assert desk.add()[0]["points"] == 5, "the same body may be sent again at once"


def test_in_doubt_and_without_a_slot_the_outcome_stays_unknown():
    desk = Desk(UNKNOWN)
    asked = desk.rate_limiter.take_slot

    def once(resource: Resource, priority: Priority, within_s: float) -> tuple[bool, float]:
        granted = asked(resource, priority, within_s)
        return granted if len(desk.rate_limiter.requested) == 1 else (False, 60.0)

    desk.rate_limiter.take_slot = once  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown):
        desk.add()
    assert len(desk.gameball.sent) == 1


def test_rate_limiter_timeout_before_the_first_request_sends_nothing_and_frees_the_id():
    desk = Desk()
    desk.rate_limiter = FailingRateLimiter(True)
    with pytest.raises(TableUnavailable, match="nothing was sent"):
        desk.add()
    assert (desk.gameball.sent, desk.ledger.items) == ([], {})
    assert desk.add(points=6)[0]["points"] == 6


def test_rate_limiter_timeout_after_an_unknown_outcome_leaves_it_unknown_and_the_next_call_finds_it():
    desk = Desk((UNKNOWN,))
    desk.rate_limiter = FailingRateLimiter(False, True)
    with pytest.raises(OutcomeUnknown):
        desk.add()
    assert desk.add()[0] == ANSWER
    assert desk.applied == [5]


def test_rate_limiter_timeout_after_a_request_that_was_not_applied_says_why_it_was_not():
    desk = Desk(GameballThrottled("busy", retry_after_s=2))
    desk.rate_limiter = FailingRateLimiter(False, True)
    with pytest.raises(GameballThrottled, match="busy"):
        desk.add()
    assert desk.ledger.items == {}


def test_rate_limiter_timeout_before_the_list_is_read_leaves_the_outcome_unknown():
    desk = Desk((UNKNOWN,))
    desk.rate_limiter = FailingRateLimiter(False, False, True)
    with pytest.raises(OutcomeUnknown, match="list"):
        desk.add()
    assert desk.add()[0] == ANSWER


def test_rate_limiter_timeout_in_an_attempt_that_begins_in_doubt_keeps_the_id_for_the_same_body():
    desk = Desk((Killed(),))
    with suppress(Killed):
        desk.add()
    desk.later()
    desk.rate_limiter = FailingRateLimiter(True)
    with pytest.raises(TableUnavailable):
        desk.add()
    with pytest.raises(IdTaken):
        desk.add(points=6)
    assert desk.add()[0] == ANSWER
