"""The limits are exact: 30 in any second and 360 in any 30 s, per kind of resource."""

import pytest

from local.standin import ManualClock
from local.standin.rate_limits import SlidingWindows, resource_of

from .caller import Caller

MS = 1_000_000


@pytest.mark.parametrize(
    ("earlier_ms", "now_ms", "admitted"),
    [
        ([], 0, True),
        ([0] * 29, 0, True),
        ([0] * 30, 0, False),
        ([0] * 30, 999, False),
        ([0] * 30, 1000, True),
        ([0] + [500] * 29, 999, False),
        ([0] + [500] * 29, 1000, True),
        ([0, 0] + [500] * 28, 1000, True),
        ([second * 1000 for second in range(12) for _ in range(30)], 12_000, False),
        ([second * 1000 for second in range(12) for _ in range(30)], 29_999, False),
        ([second * 1000 for second in range(12) for _ in range(30)], 30_000, True),
        ([second * 1000 for second in range(12) for _ in range(29)], 12_000, True),
    ],
)
def test_request_is_admitted_while_both_windows_have_capacity(
    earlier_ms: list[int], now_ms: int, admitted: bool
) -> None:
    windows = SlidingWindows()
    assert all(windows.admit("others", at_ms * MS) for at_ms in earlier_ms)
    assert windows.admit("others", now_ms * MS) is admitted


def test_long_window_frees_requests_one_by_one() -> None:
    windows = SlidingWindows()
    admitted = [windows.admit("others", index * 50 * MS) for index in range(360)]  # 20 a second for 18 s
    assert all(admitted)
    assert not windows.admit("others", 18_000 * MS)
    assert not windows.admit("others", 29_999 * MS)
    assert windows.admit("others", 30_000 * MS)
    assert not windows.admit("others", 30_000 * MS)
    assert windows.admit("others", 30_050 * MS)


def test_a_refused_request_does_not_count() -> None:
    windows = SlidingWindows()
    for _ in range(30):
        windows.admit("others", 0)
    assert not any(windows.admit("others", 500 * MS) for _ in range(100))
    assert all(windows.admit("others", 1000 * MS) for _ in range(30))


@pytest.mark.parametrize(
    ("endpoint", "resource"),
    [
        ("transactions/manual", "transactions"),
        ("transactions", "transactions"),
        ("batch/balance-adjustment", "others"),
        ("batch/7", "others"),
        ("batches/7/status", "others"),
        ("customers/transactions/balance", "others"),
        ("transactionsX", "others"),
    ],
)
def test_each_path_has_its_resource(endpoint: str, resource: str) -> None:
    assert resource_of(endpoint) == resource


def test_over_the_limit_is_429_applies_nothing_and_leaves_the_other_resource_alone(
    caller: Caller, clock: ManualClock
) -> None:
    caller.set(limits=True)
    statuses = [caller.batch({"customerId": "ann", "amount": 1}).status for _ in range(31)]
    assert statuses == [200] * 30 + [429]
    assert caller.manual(points=1).status == 200
    assert len(caller.applied()) == 31
    clock.advance(0.999999999)
    assert caller.batch({"customerId": "ann", "amount": 1}).status == 429
    clock.advance(0.000000001)
    assert caller.batch({"customerId": "ann", "amount": 1}).status == 200


def test_429_has_retry_after_only_where_configured(caller: Caller) -> None:
    caller.set(limits="on")
    for _ in range(30):
        caller.call("GET", "batch/1")
    assert "retry-after" not in caller.call("GET", "batch/1").headers
    caller.set(retry_after_s=7)
    reply = caller.call("GET", "batch/1")
    assert (reply.status, reply.headers["retry-after"]) == (429, "7")


def test_admin_api_is_not_limited(caller: Caller) -> None:
    caller.set(limits=True)
    assert {caller.control("GET", "health").status for _ in range(100)} == {200}
