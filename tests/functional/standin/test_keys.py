"""Who may come in: keys, versions, unknown roads."""

import pytest

from .caller import KEYS, Caller

BALANCE = "/api/v4.0/integrations/customers/ann/balance"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"apikey": "standin-api-key", "secretkey": "standin-secret-key"}, 200, None),
        ({"APIKey": "standin-api-key", "SecretKey": "standin-secret-key"}, 200, None),
        ({}, 401, 1000),
        ({"secretkey": "standin-secret-key"}, 401, 1000),
        ({"apikey": "wrong", "secretkey": "standin-secret-key"}, 401, 1000),
        ({"apikey": "standin-api-key"}, 401, 1001),
        ({"apikey": "standin-api-key", "secretkey": ""}, 401, 1001),
        ({"apikey": "standin-api-key", "secretkey": "wrong"}, 401, 1000),
        ({"apikey": "standin-secret-key", "secretkey": "standin-api-key"}, 401, 1000),
    ],
)
def test_request_needs_both_keys(
    caller: Caller, headers: dict[str, str], status: int, code: int | None
) -> None:
    reply = caller.request("GET", BALANCE, headers=headers)
    assert (reply.status, reply.json.get("code")) == (status, code)
    if code is not None:
        assert set(reply.json) == {"code", "type", "message", "documentationUrl", "requestId"}
        assert "standin-secret-key" not in reply.text


def test_a_rotated_key_is_refused_at_once(caller: Caller) -> None:
    caller.set(secret_key="new-secret-key")
    assert caller.request("GET", BALANCE).status == 401
    assert caller.request("GET", BALANCE, headers=KEYS | {"secretkey": "new-secret-key"}).status == 200


@pytest.mark.parametrize(
    ("version", "minimum", "status", "code"),
    [
        ("v4.0", None, 200, None),
        ("v4.1", None, 200, None),
        ("v4.0", "v4.0", 200, None),
        ("v4.1", "v4.1", 200, None),
        ("v4.0", "v4.1", 403, 1002),
        ("v3.0", None, 404, 4004),
        ("v4.2", None, 404, 4004),
    ],
)
def test_account_can_refuse_old_versions(
    caller: Caller, version: str, minimum: str | None, status: int, code: int | None
) -> None:
    caller.set(minimum_version=minimum)
    reply = caller.request("GET", f"/api/{version}/integrations/customers/ann/balance")
    assert (reply.status, reply.json.get("code")) == (status, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/api/v4.0/integrations/"),
        ("GET", "/api/v4.0/integrations/nothing"),
        ("PUT", "/api/v4.0/integrations/transactions/manual"),
        ("GET", "/api/v4.0/integrations/transactions/manual"),
        ("POST", "/api/v4.0/integrations/batch/balance-adjustment/"),
        ("GET", "/api/v4.0/integrations/batch/balance-adjustment"),
        ("GET", "/api/v4.0/integrations/batch/99"),
    ],
)
def test_unknown_path_is_404_with_code_4004(caller: Caller, method: str, path: str) -> None:
    reply = caller.request(method, path, "{}" if method != "GET" else None)
    assert (reply.status, reply.json["code"]) == (404, 4004)
