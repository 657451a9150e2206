"""Balance-adjustment batches and inquiries."""

import json
from decimal import Decimal

import pytest

from local.standin import ManualClock

from .caller import Caller, row


def test_a_batch_is_accepted_with_a_job_id_and_applied_later(caller: Caller, clock: ManualClock) -> None:
    caller.set(job_delay_s=10)
    reply = caller.batch(row("ann", 5, "campaign"), row("bob", -5))
    assert (reply.status, reply.json) == (200, {"jobId": 1})
    assert caller.applied() == []
    clock.advance(9.999)
    assert caller.applied() == []
    clock.advance(0.001)
    assert caller.applied() == [("ann", 5), ("bob", -5)]


def test_audit_has_exact_rows(caller: Caller, clock: ManualClock) -> None:
    caller.set(job_delay_s=2)
    caller.batch(row("ann", Decimal(5), "campaign") | {"amount": 0.5}, row("ghost", 1))
    clock.advance(60)
    assert caller.audit() == {
        "applied": [
            {
                "sequence": 1,
                "at": "2026-01-01T00:00:02.000Z",
                "kind": "batch",
                "jobId": 1,
                "transactionId": None,
                "customerId": "ann",
                "amount": Decimal("0.5"),
                "points": Decimal("0.5"),
                "reason": "campaign",
                "balanceBefore": 100,
                "balanceAfter": Decimal("100.5"),
                "expiryAfter": None,
            }
        ],
        "refusedRows": [
            {
                "at": "2026-01-01T00:00:02.000Z",
                "kind": "batch",
                "jobId": 1,
                "transactionId": None,
                "customerId": "ghost",
                "amount": 1,
                "reason": None,
                "code": 7000,
                "message": "Customer not found",
            }
        ],
    }


def test_the_same_request_twice_is_applied_twice(caller: Caller) -> None:
    first, second = (caller.batch(row("ann", 7, "same")) for _ in range(2))
    assert first.json != second.json
    assert caller.applied() == [("ann", 7), ("ann", 7)]


def test_a_customer_twice_in_one_batch_is_applied_twice(caller: Caller) -> None:
    caller.batch(row("ann", 7), row("ann", 7))
    assert caller.balance() == 114


def test_rows_are_applied_in_order_so_that_an_addition_can_cover_a_deduction(caller: Caller) -> None:
    caller.batch(row("bob", -6), row("bob", 10), row("bob", -15), row("bob", -1))
    assert caller.applied() == [("bob", 10), ("bob", -15)]
    assert [refused["code"] for refused in caller.audit()["refusedRows"]] == [9008, 9008]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", 3000),
        ("{", 3000),
        ("[]", 3000),
        ("null", 3000),
        ("{}", 3000),
        ('{"body":{}}', 3000),
        ('{"body":[]}', 3001),
        (json.dumps({"body": [{"customerId": "ann", "amount": 1}] * 1001}), 3002),
        ('{"body":["ann"]}', 3003),
        ('{"body":[{"amount":1}]}', 3004),
        ('{"body":[{"customerId":null,"amount":1}]}', 3004),
        ('{"body":[{"customerId":"ann"}]}', 3004),
        ('{"body":[{"customerId":"ann","amount":null}]}', 3004),
        ('{"body":[{"customerId":7,"amount":1}]}', 3005),
        ('{"body":[{"customerId":"ann","amount":1,"reason":7}]}', 3005),
        ('{"body":[{"customerId":"ann","amount":"1"}]}', 3006),
        ('{"body":[{"customerId":"ann","amount":true}]}', 3006),
        ('{"body":[{"customerId":"ann","amount":[1]}]}', 3006),
        ('{"body":[{"customerId":"ann","amount":1e999999}]}', 3006),
        ('{"body":[{"customerId":"ann","amount":NaN}]}', 3000),
        ('{"body":[{"customerId":"ann","amount":1},{"customerId":"bob","amount":"x"}]}', 3006),
    ],
)
def test_batch_with_an_invalid_row_is_refused_whole(caller: Caller, body: str, code: int) -> None:
    reply = caller.call("POST", "batch/balance-adjustment", body)
    assert (reply.status, reply.json["code"]) == (400, code)
    assert caller.audit() == {"applied": [], "refusedRows": []}


def test_batch_of_a_thousand_rows_is_accepted(caller: Caller) -> None:
    assert caller.batch(*[row("ann", 1)] * 1000).status == 200
    assert caller.balance() == 1100


def test_batch_with_a_refused_customer_is_refused_whole(caller: Caller) -> None:
    caller.set(refuse_request_customers=["bob"])
    reply = caller.batch(row("ann", 1), row("bob", 1))
    assert (reply.status, reply.json["code"]) == (422, 3008)
    assert caller.batch(row("ann", 1)).status == 200
    assert caller.applied() == [("ann", 1)]


@pytest.mark.parametrize(
    "amount", ["0.1", "12345678901.123456", "1.50", "0", "-0.000001", "9007199254740993"]
)
def test_amounts_come_back_as_they_were_written(caller: Caller, amount: str) -> None:
    caller.call("POST", "batch/balance-adjustment", f'{{"body":[{{"customerId":"ann","amount":{amount}}}]}}')
    assert f'"amount":{amount},"points":{amount},' in caller.control("GET", "audit").text


def test_a_tenth_added_three_times_is_three_tenths(caller: Caller) -> None:
    caller.batch(*[row("ann", 0.1)] * 3)
    assert '"totalPointsBalance":100.3,' in caller.call("GET", "customers/ann/balance").text


def test_an_inquiry_lists_balances_and_changes_nothing(caller: Caller) -> None:
    body = {"body": [{"customerId": "ann"}, {"customerId": "ghost"}, {"customerId": "bob"}]}
    job_id = caller.call("POST", "batch/balance-inquiry", body).json["jobId"]
    status = caller.call("GET", f"batch/{job_id}").json
    assert status["operation"] == "BalanceInquiry"
    assert status["response"] == {
        "successful": [
            {
                "customerId": "ann",
                "totalPointsBalance": 100,
                "availablePointsBalance": 100,
                "pendingPoints": 0,
            },
            {"customerId": "bob", "totalPointsBalance": 5, "availablePointsBalance": 5, "pendingPoints": 0},
        ],
        "failed": [{"customerId": "ghost", "message": "Customer not found"}],
    }
    assert caller.audit() == {"applied": [], "refusedRows": []}
