"""Four batches at once against Gameball's limits: no request too many, and hardly a place unused."""

from datetime import datetime
from itertools import pairwise
from typing import Any

from local.batch_client import BatchClient
from local.standin_client import StandInClient

BATCHES = 4
ROWS = 1_100
"""Of each batch: two canaries', and one chunk of 900."""

BAD = [f"c{row:04}" for row in range(200, ROWS, 250)]
"""Gameball refuses every request in which one of them is, so that a chunk is split some thirty times until
they stand alone. So few rows make some 450 requests, and the machine has time for them.
"""

LIMIT = 350
"""RequestsPer30Seconds by default."""

SHARE_MIN = 0.5
"""A wide margin, since no test here fails on a clock: 95 % and more is proven with a clock of its own in
tests/unit/rate_limiter, and what this machine reached is printed."""

ENDS_WITHIN_S = 300
"""Some 40 are enough, unless the machine has other things to do."""


def test_four_batches_at_once_get_no_429_and_use_the_budget(batches: BatchClient, standin: StandInClient):
    standin.change_settings({"job_delay_s": 0, "limits": True, "refuse_request_customers": BAD})
    standin.call("POST", "customers", {"generate": {"prefix": "c", "count": ROWS, "width": 4}})
    keys = [f"inbox/budget-{number}.csv" for number in range(1, BATCHES + 1)]
    for number, key in enumerate(keys, start=1):
        batches.drop(key, content(number))
    names = [batches.wait_for_first(key, ENDS_WITHIN_S) for key in keys]
    ended = [batches.wait_until_ended(name, ENDS_WITHIN_S) for name in names]
    requests = standin.call("GET", "requests?path=/batch")["requests"]
    print(f"\n{told(requests)}")

    counts = [(batch["counts"]["applied"], batch["counts"]["failed"]) for batch in ended]
    assert counts == [(ROWS - len(BAD), len(BAD))] * BATCHES
    assert [request for request in requests if request["status"] == 429] == []
    assert share_used(requests) >= SHARE_MIN, told(requests)


def content(amount: int) -> bytes:
    rows = (f"c{number:04},{amount}\n" for number in range(1, ROWS + 1))
    return ("customerId,amount\n" + "".join(rows)).encode()


def times_s(requests: list[dict[str, Any]]) -> list[float]:
    return sorted(datetime.fromisoformat(request["at"]).timestamp() for request in requests)


def while_sending_s(requests: list[dict[str, Any]]) -> tuple[float, float]:
    """From when the canaries were through until the last piece was sent: there was work all the time."""
    sent_s = times_s([request for request in requests if request["method"] == "POST"])
    return sent_s[2 * BATCHES], sent_s[-1]


def share_used(requests: list[dict[str, Any]]) -> float:
    start_s, end_s = while_sending_s(requests)
    used = sum(start_s <= at_s <= end_s for at_s in times_s(requests)) - 1
    return used / ((end_s - start_s) * LIMIT / 30)


def told(requests: list[dict[str, Any]]) -> str:
    """What a person wants to know of the run."""
    start_s, end_s = while_sending_s(requests)
    at_s = times_s(requests)
    pauses = sorted(later - earlier for earlier, later in pairwise(at_s))[-5:]
    statuses = {status: [r["status"] for r in requests].count(status) for status in (200, 400, 422, 429)}
    posts = [request for request in requests if request["method"] == "POST"]
    return (
        f"{len(requests)} requests ({len(posts)} with rows) in {at_s[-1] - at_s[0]:.1f} s; {statuses}; "
        f"{share_used(requests):.1%} of the budget used in the {end_s - start_s:.1f} s of sending; "
        f"longest pauses {', '.join(f'{pause:.2f}' for pause in pauses)} s"
    )
