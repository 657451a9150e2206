"""Four batches at once against Gameball's limits: no request too many, and hardly a slot unused."""

import json
from collections import Counter
from contextlib import suppress
from typing import Any, Final

from local.batch_client import BatchClient
from local.processes import wait_for
from local.stack import LocalStack
from local.standin_client import StandInClient

BATCHES: Final = 4
ROWS: Final = 1_100
"""Of each batch: two canaries, and one chunk of 900."""

REFUSED: Final = [f"c{row:04}" for row in range(200, ROWS, 250)]
"""Gameball refuses every request in which one of them is, so that a chunk is split some thirty times until
they stand alone. So few rows make some 450 requests, and the machine has time for them.
"""

UNUSED_PERCENT_MAX: Final = 5
"""Slots that may pass without a request: one that comes after the time of its function, or whose chunk
another worker was quicker to send. How fast slots follow each other depends on the machine, and is proven
with a clock of its own in tests/unit/gameball/test_rate_limiter.py.
"""

ENDS_WITHIN_S: Final = 900
"""Some 40 are enough, unless the machine has other things to do."""

LOGGED_WITHIN_S: Final = 60


def test_four_batches_at_once_get_no_429_and_use_their_slots(
    stack: LocalStack, batches: BatchClient, standin: StandInClient
):
    standin.change_settings({"job_delay_s": 0, "limits": True, "refuse_request_customers": REFUSED})
    standin.call("POST", "customers", {"generate": {"prefix": "c", "count": ROWS, "width": 4}})
    slots_before = slots_taken(stack)
    keys = [f"inbox/rate-limit-{number}.csv" for number in range(1, BATCHES + 1)]
    for number, key in enumerate(keys, start=1):
        batches.drop(key, content(number))
    names = [batches.wait_for_first(key, ENDS_WITHIN_S) for key in keys]
    ended = [batches.wait_until_ended(name, ENDS_WITHIN_S) for name in names]
    counts = [(batch["counts"]["applied"], batch["counts"]["failed"]) for batch in ended]
    assert counts == [(ROWS - len(REFUSED), len(REFUSED))] * BATCHES

    requests = standin.call("GET", "requests?path=/batch")["requests"]
    statuses = Counter(request["status"] for request in requests)
    assert statuses[429] == 0, statuses

    def are_logged() -> bool:
        return slots_taken(stack) - slots_before >= len(requests) or has_lost_metrics(stack, names)

    # A function logs its metrics when it ends.
    with suppress(TimeoutError):
        wait_for(are_logged, LOGGED_WITHIN_S, "all slots")
    slots = slots_taken(stack) - slots_before
    assert slots >= len(requests) or has_lost_metrics(stack, names), "each request has a slot"
    print(f"\n{len(requests)} requests with {slots} slots; {dict(statuses)}")
    assert (slots - len(requests)) * 100 <= UNUSED_PERCENT_MAX * slots


def content(amount: int) -> bytes:
    rows = (f"c{number:04},{amount}\n" for number in range(1, ROWS + 1))
    return ("customerId,amount\n" + "".join(rows)).encode()


def slots_taken(stack: LocalStack) -> int:
    """The slots that the rate limiter gave to calls of /batch, as the functions' metrics count them."""
    lines = [line for log in stack.all_function_logs().values() for line in log.splitlines()]
    metrics = [json.loads(line) for line in lines if '"RequestsOthers"' in line and '"_aws"' in line]
    return sum(int(total(line["RequestsOthers"])) for line in metrics)


def total(values: Any) -> float:
    return sum(values) if isinstance(values, list) else values


def has_lost_metrics(stack: LocalStack, batch_ids: list[str]) -> bool:
    """Whether an ended function has sent a chunk of these batches, and the emulator lost its last line."""
    calls = [call for log in stack.all_function_logs().values() for call in log.split("START RequestId")]
    sent = [
        call
        for call in calls
        if '"sending chunk"' in call
        and "REPORT RequestId" in call
        and any(name in call for name in batch_ids)
    ]
    return any('"RequestsOthers"' not in call for call in sent)
