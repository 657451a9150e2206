"""The admin API: setup, audit, the log of requests, settings, reset."""

from decimal import Decimal

import pytest

from local.standin import ManualClock, StandIn

from .caller import Caller, row


def test_customers_are_listed_generated_or_both(caller: Caller) -> None:
    body = """{"customers":[{"customerId":"zoe","balance":0.10},{"customerId":"ann","balance":1}],
               "generate":{"prefix":"cust-","count":3,"width":5,"balance":1000}}"""
    assert caller.control("POST", "customers", body).json == {"customers": 5}
    customers = caller.control("GET", "customers").json["customers"]
    assert {customer["customerId"]: customer["balance"] for customer in customers} == {
        "ann": 1,
        "bob": 5,
        "zoe": Decimal("0.10"),
        "cust-00001": 1000,
        "cust-00002": 1000,
        "cust-00003": 1000,
    }


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"customer":[]}',
        '{"customers":{}}',
        '{"customers":[{}]}',
        '{"customers":[{"customerId":"new","balance":-1}]}',
        '{"customers":[{"customerId":"new","balance":"1"}]}',
        '{"customers":[{"customerId":"new"},{"customerId":7}]}',
        '{"generate":{"count":-1}}',
        '{"generate":{"count":1000001}}',
    ],
)
def test_customers_list_with_an_invalid_entry_creates_none(caller: Caller, body: str) -> None:
    assert caller.control("POST", "customers", body).status == 400
    assert len(caller.control("GET", "customers").json["customers"]) == 2


def test_audit_is_filtered_by_job_and_customer(caller: Caller) -> None:
    caller.batch(row("ann", 1), row("ghost", 1))
    caller.batch(row("ann", 2), row("bob", 3))
    assert [entry["amount"] for entry in caller.audit("?jobId=2")["applied"]] == [2, 3]
    assert [entry["sequence"] for entry in caller.audit("?customerId=ann")["applied"]] == [1, 2]
    assert [entry["amount"] for entry in caller.audit("?jobId=2&customerId=bob")["applied"]] == [3]
    assert len(caller.audit("?customerId=ghost")["refusedRows"]) == 1
    assert caller.audit("?jobId=2")["refusedRows"] == []
    assert caller.control("GET", "audit?jobId=x").status == 400


def test_audit_page_escapes_all_values(caller: Caller) -> None:
    name = '<script>alert("x")</script>'
    caller.control("POST", "customers", {"customers": [{"customerId": name, "balance": 1}]})
    caller.batch(row(name, 0.25, "<b>&'\""), row("<i>ghost", 1))
    page = caller.request("GET", "/_standin/audit", headers={"Accept": "text/html,*/*"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script>" not in page.text
    assert "<b>" not in page.text
    assert "<td>&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;</td><td>0.25</td>" in page.text
    assert "<td>&lt;i&gt;ghost</td>" in page.text


def test_request_log_has_requests_and_batch_bodies_but_no_key(caller: Caller, clock: ManualClock) -> None:
    caller.manual(points=1)
    clock.advance(1)
    caller.call("POST", "batch/balance-adjustment", '{"body":[{"customerId":"ann","amount":0.10}]}')
    caller.call("POST", "batch/balance-adjustment", "not json")
    caller.call("GET", "batch/1?apikey=standin-api-key&secretkey=standin-secret-key")
    reply = caller.control("GET", "requests")
    assert '"body":{"body":[{"customerId":"ann","amount":0.10}]}' in reply.text
    assert "standin-secret-key" not in reply.text
    fields = ("at", "method", "path", "resource", "status", "body")
    assert [tuple(entry[name] for name in fields) for entry in reply.json["requests"]] == [
        (
            "2026-01-01T00:00:00.000Z",
            "POST",
            "/api/v4.0/integrations/transactions/manual",
            "transactions",
            200,
            None,
        ),
        (
            "2026-01-01T00:00:01.000Z",
            "POST",
            "/api/v4.0/integrations/batch/balance-adjustment",
            "others",
            200,
            {"body": [{"customerId": "ann", "amount": Decimal("0.10")}]},
        ),
        (
            "2026-01-01T00:00:01.000Z",
            "POST",
            "/api/v4.0/integrations/batch/balance-adjustment",
            "others",
            400,
            "not json",
        ),
        (
            "2026-01-01T00:00:01.000Z",
            "GET",
            "/api/v4.0/integrations/batch/1?apikey=***&secretkey=***",
            "others",
            200,
            None,
        ),
    ]


def test_request_log_shows_faults_and_missing_answers(caller: Caller) -> None:
    caller.fault("reset_after")
    with pytest.raises(ConnectionResetError):
        caller.batch(row("ann", 5))
    caller.close()
    entry = caller.control("GET", "requests?method=POST&path=balance-adjustment").json["requests"][0]
    assert (entry["status"], entry["fault"]) == (None, "reset_after")
    assert caller.control("GET", "requests?path=manual").json == {"requests": []}


@pytest.mark.parametrize(
    "settings",
    [
        {"nonsense": 1},
        {"job_delay_s": -1},
        {"job_delay_s": "2"},
        {"limits": "maybe"},
        {"dialect": "auto"},
        {"state_case": "camel"},
        {"secret_key": ""},
        {"minimum_version": "v3.0"},
        {"refuse_request_customers": "ann"},
        {"unlisted_customers": [7]},
        {"counters_lie": "white"},
        {"retry_after_s": 1.5},
        {"latency_s": True},
    ],
)
def test_settings_with_an_invalid_value_change_nothing(caller: Caller, settings: dict[str, object]) -> None:
    before = caller.control("GET", "settings").text
    assert caller.control("POST", "settings", {"job_delay_s": 77} | settings).status == 400
    assert caller.control("GET", "settings").text == before


def test_settings_are_shown_without_the_keys(caller: Caller) -> None:
    shown = caller.control("POST", "settings", {"secret_key": "another-secret", "job_delay_s": 0.5})
    assert shown.json["job_delay_s"] == Decimal("0.5")
    assert "secret" not in shown.text
    assert "api_key" not in shown.json


def test_reset_removes_everything_but_the_keys(caller: Caller) -> None:
    caller.batch(row("ann", 5))
    caller.set(job_delay_s=9, limits=True, api_key="another-key")
    caller.fault("status", status=500)
    assert caller.control("POST", "reset").status == 200
    assert caller.control("GET", "customers").json == {"customers": []}
    assert caller.audit() == {"applied": [], "refusedRows": []}
    assert caller.control("GET", "requests").json == {"requests": []}
    assert caller.control("GET", "faults").json == {"faults": []}
    shown = caller.control("GET", "settings").json
    assert (shown["job_delay_s"], shown["limits"]) == (0, False)
    assert caller.call("GET", "batch/1").status == 401


def test_reset_continues_ids(caller: Caller) -> None:
    caller.batch(row("ann", 5))
    caller.control("POST", "reset")
    caller.control("POST", "customers", {"customers": [{"customerId": "ann"}]})
    assert caller.call("GET", "batch/1").status == 404
    assert caller.batch(row("ann", 5)).json == {"jobId": 2}
    listed = caller.call("GET", "transactions?startAfter=1").json["transactions"]
    assert [entry["gameballTransactionId"] for entry in listed] == ["2"]
    assert [entry["sequence"] for entry in caller.audit()["applied"]] == [1]


def test_unknown_admin_path_is_404(caller: Caller) -> None:
    assert caller.control("GET", "nothing").status == 404
    assert caller.control("DELETE", "audit").status == 404


def test_settings_can_be_given_in_python() -> None:
    with StandIn(job_delay_s=0.1, limits=False, unlisted_customers={"x"}) as standin:
        caller = Caller(standin)
        shown = caller.control("GET", "settings").json
        caller.close()
    assert (shown["job_delay_s"], shown["limits"], shown["unlisted_customers"]) == (
        Decimal("0.1"),
        False,
        ["x"],
    )
