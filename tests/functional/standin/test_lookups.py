"""Looking things up: balances and the transactions list."""

import pytest

from local.standin import ManualClock, StandIn

from .caller import Caller, row


def test_a_balance_has_its_fields_and_an_id_may_need_escaping(caller: Caller) -> None:
    caller.control("POST", "customers", {"customers": [{"customerId": "a/b c@x.y", "balance": 7}]})
    assert caller.call("GET", "customers/a%2Fb%20c%40x.y/balance").json == {
        "totalPointsBalance": 7,
        "availablePointsBalance": 7,
        "pendingPoints": 0,
        "currency": "USD",
        "pointsName": "Points",
    }


def test_an_unknown_customers_balance_is_7000(caller: Caller) -> None:
    reply = caller.call("GET", "customers/ghost/balance")
    assert (reply.status, reply.json["code"]) == (404, 7000)


def test_list_has_manual_and_batch_transactions(caller: Caller, clock: ManualClock) -> None:
    caller.manual(points=5, transactionTime="2025-06-01T12:00:00Z", expiryAfter=30)
    clock.advance(60)
    caller.batch(row("ann", -2, "clean-up"))
    page = caller.call("GET", "transactions?customerId=ann").json
    assert page == {
        "transactions": [
            {
                "transactionId": "t-1",
                "gameballTransactionId": "1",
                "type": "ManualAccumulation",
                "direction": "+",
                "customerId": "ann",
                "points": 5,
                "amount": 5,
                "transactionTime": "2025-06-01T12:00:00.000",
                "status": "Active",
                "reason": "goodwill",
                "expiryDate": "2026-01-31T00:00:00.000",
                "pointsBalanceBefore": 100,
                "pointsBalanceAfter": 105,
            },
            {
                "transactionId": None,
                "gameballTransactionId": "2",
                "type": "ManualDeduction",
                "direction": "-",
                "customerId": "ann",
                "points": 2,
                "amount": 2,
                "transactionTime": "2026-01-01T00:01:00.000",
                "status": "Active",
                "reason": "clean-up",
                "expiryDate": None,
                "pointsBalanceBefore": 105,
                "pointsBalanceAfter": 103,
            },
        ],
        "count": 2,
        "hasMore": False,
    }


def test_amounts_in_the_list_can_be_signed(caller: Caller) -> None:
    caller.set(signed_list_amounts=True)
    caller.batch(row("ann", -2))
    listed = caller.call("GET", "transactions").json["transactions"][0]
    assert (listed["points"], listed["amount"], listed["direction"]) == (-2, -2, "-")


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ("", ["1", "2", "3", "4"], False),
        ("customerId=ann", ["1", "3"], False),
        ("customerId=ghost", [], False),
        ("direction=%2B", ["1", "2"], False),
        ("direction=-", ["3", "4"], False),
        ("customerId=bob&direction=-", ["4"], False),
        ("status=Active", ["1", "2", "3", "4"], False),
        ("status=pending", [], False),
        ("startAfter=2", ["3", "4"], False),
        ("customerId=ann&startAfter=1", ["3"], False),
        ("startAfter=99", [], False),
        ("limit=3", ["1", "2", "3"], True),
        ("limit=4", ["1", "2", "3", "4"], False),
        ("limit=1&startAfter=1&customerId=ann", ["3"], False),
        ("limit=200", ["1", "2", "3", "4"], False),
    ],
)
def test_the_list_is_filtered_and_paged(caller: Caller, query: str, ids: list[str], has_more: bool) -> None:
    caller.batch(row("ann", 1), row("bob", 2), row("ann", -1), row("bob", -2))
    page = caller.call("GET", f"transactions?{query}").json
    assert [listed["gameballTransactionId"] for listed in page["transactions"]] == ids
    assert (page["count"], page["hasMore"]) == (len(ids), has_more)


def test_a_page_is_50_by_default(caller: Caller) -> None:
    caller.batch(*[row("ann", 1)] * 51)
    page = caller.call("GET", "transactions").json
    assert (page["count"], page["hasMore"]) == (50, True)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "startAfter=-1", "direction=+", "direction=in", "status=odd"]
)
def test_invalid_query_is_refused(caller: Caller, query: str) -> None:
    reply = caller.call("GET", f"transactions?{query}")
    assert (reply.status, reply.json["code"]) == (400, 3007)


def test_both_versions_answer_alike(standin: StandIn, caller: Caller) -> None:
    caller.batch(row("ann", 1))
    other = Caller(standin, "v4.1")
    assert other.call("GET", "transactions").text == caller.call("GET", "transactions").text
    assert other.batch(row("ann", 1)).json == {"jobId": 2}
    other.close()
