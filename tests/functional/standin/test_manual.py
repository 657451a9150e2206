"""Manual transactions."""

import pytest

from local.standin import ManualClock

from .caller import Caller


def test_manual_answer_has_the_five_documented_fields(caller: Caller) -> None:
    reply = caller.manual(points=50)
    assert reply.status == 200
    assert reply.json == {
        "customerId": "ann",
        "gameballTransactionId": 1,
        "transactionId": "t-1",
        "points": 50,
        "amount": 50,
    }
    assert caller.balance() == 150


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"points": 5, "expiryAfter": -1}, "Expiry cannot be negative"),
        ({"amount": 5, "expiryAfter": -30}, "Expiry cannot be negative"),
        ({"points": -5, "expiryAfter": -1}, "Expiry cannot be negative"),
        ({"points": -5, "expiryAfter": 30}, "Deduction cannot have expiry"),
        ({"amount": -0.5, "expiryAfter": 30}, "Deduction cannot have expiry"),
        ({"points": -5, "expiryAfter": 0}, "Deduction cannot have expiry"),
        ({"points": 5, "amount": 5}, "Only one rewarding method may be specified"),
        ({"points": 5, "amount": 0}, "Only one rewarding method may be specified"),
        ({}, "A rewarding criteria is required"),
        ({"expiryAfter": 30}, "A rewarding criteria is required"),
        ({"points": 5, "customerId": None}, "customerId is required"),
        ({"points": 5, "transactionId": None}, "transactionId is required"),
        ({"points": 5, "username": None}, "username is required"),
        ({"points": 5, "reason": ""}, "reason is required"),
        ({"points": 5, "customerId": 7}, "customerId must be a string"),
        ({"points": 5, "email": 7}, "email must be a string"),
        ({"points": 5.5}, "points must be an integer"),
        ({"points": True}, "points must be an integer"),
        ({"points": "5"}, "points must be an integer"),
        ({"amount": "5"}, "amount must be a number"),
        ({"amount": False}, "amount must be a number"),
        ({"points": 5, "expiryAfter": "30"}, "expiryAfter must be an integer of at most 100000"),
        ({"points": 5, "expiryAfter": 1.5}, "expiryAfter must be an integer of at most 100000"),
        ({"points": 5, "transactionTime": "yesterday"}, "transactionTime must be a date-time"),
        ({"points": 5, "transactionTime": "2025-06-01"}, "transactionTime must be a date-time"),
        ({"points": 5, "transactionTime": 20250601}, "transactionTime must be a date-time"),
    ],
)
def test_invalid_body_is_400_in_the_plain_format_and_is_not_recorded(
    caller: Caller, fields: dict[str, object], message: str
) -> None:
    reply = caller.manual(**fields)
    assert (reply.status, reply.json) == (400, {"error": 400, "message": message})
    assert caller.audit() == {"applied": [], "refusedRows": []}


def test_null_counts_as_absent(caller: Caller) -> None:
    body = {"customerId": "ann", "transactionId": "t", "username": "ops", "reason": "r"} | {
        "points": -5,
        "amount": None,
        "expiryAfter": None,
        "transactionTime": None,
        "email": None,
    }
    assert caller.call("POST", "transactions/manual", body).status == 200
    assert caller.applied() == [("ann", -5)]


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"customerId": "nobody", "points": 5}, 404, 7000),
        ({"points": -101}, 422, 9008),
        ({"points": 5, "transactionTime": "2026-01-01T00:00:00.001Z"}, 422, 9007),
        ({"points": 5, "transactionTime": "2026-01-01T00:30:00+00:00"}, 422, 9007),
    ],
)
def test_refusal_of_the_ledger_has_its_code(
    caller: Caller, fields: dict[str, object], status: int, code: int
) -> None:
    reply = caller.manual(**fields)
    assert (reply.status, reply.json["code"]) == (status, code)
    audit = caller.audit()
    assert audit["applied"] == []
    assert [(refused["transactionId"], refused["code"]) for refused in audit["refusedRows"]] == [
        ("t-1", code)
    ]


@pytest.mark.parametrize("time", ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2025-12-31T23:59:59"])
def test_now_and_the_past_are_valid_times(caller: Caller, time: str) -> None:
    assert caller.manual(points=5, transactionTime=time).status == 200


def test_all_points_can_be_deducted_but_not_more(caller: Caller) -> None:
    assert caller.manual(points=-100).status == 200
    assert caller.manual(points=-1, transactionId="t-2").json["code"] == 9008
    assert caller.balance() == 0


@pytest.mark.parametrize(
    "again",
    [
        {"points": 5},
        {"points": 6},
        {"points": 5, "customerId": "bob"},
        {"points": 5, "customerId": "nobody"},
        {"points": -1000},
    ],
)
def test_transaction_id_is_applied_once_whatever_the_body(caller: Caller, again: dict[str, object]) -> None:
    assert caller.manual(points=5).status == 200
    reply = caller.manual(**again)
    assert (reply.status, reply.json["code"]) == (422, 9004)
    assert caller.applied() == [("ann", 5)]


def test_repeated_deduction_gets_9004_even_without_points(caller: Caller) -> None:
    caller.manual(points=-100)
    assert caller.manual(points=-100).json["code"] == 9004


def test_refused_transaction_id_can_be_used_again(caller: Caller) -> None:
    assert caller.manual(points=-200).json["code"] == 9008
    assert caller.manual(points=-20).status == 200


def test_transaction_time_of_a_customer_is_applied_once(caller: Caller) -> None:
    time = "2025-06-01T12:00:00Z"
    same = "2025-06-01T14:00:00+02:00"
    assert caller.manual(points=1, transactionTime=time).status == 200
    assert caller.manual(points=1, transactionTime=same, transactionId="t-2").json["code"] == 9003
    assert caller.manual(points=1, transactionTime=time, transactionId="t-3", customerId="bob").status == 200
    assert caller.manual(points=1, transactionTime=time).json["code"] == 9004


def test_times_that_were_not_given_never_collide(caller: Caller, clock: ManualClock) -> None:
    assert [caller.manual(points=1, transactionId=f"t-{n}").status for n in range(3)] == [200] * 3


def test_a_tenth_added_three_times_is_three_tenths(caller: Caller) -> None:
    caller.control("POST", "customers", {"customers": [{"customerId": "zoe"}]})
    for number in range(3):
        caller.manual(customerId="zoe", transactionId=f"t-{number}", amount=0.1)
    reply = caller.call("GET", "customers/zoe/balance")
    assert '"totalPointsBalance":0.3,' in reply.text


def test_every_digit_is_kept(caller: Caller) -> None:
    body = '{"customerId":"ann","transactionId":"t","username":"o","reason":"r","amount":12345678901.123456}'
    assert '"amount":12345678901.123456}' in caller.call("POST", "transactions/manual", body).text
    assert '"totalPointsBalance":12345679001.123456,' in caller.call("GET", "customers/ann/balance").text
    assert '"amount":12345678901.123456,' in caller.control("GET", "audit").text
