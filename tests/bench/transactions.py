"""Files that are sent as transactions: at Gameball's limit beside the API, and what they take, counted.

The limit is measured over sockets, as in ``limit``. Calls, memory and dollars come from whole batches on a
clock of their own, as in ``growth``.
"""

import json
import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from statistics import median
from threading import Event
from typing import Any, Final

from adjustments.core.errors import GameballError
from adjustments.core.runtime import SystemClock
from adjustments.manual_transactions.ledger import CallerContext
from adjustments.manual_transactions.model import read_manual_transaction
from adjustments.submission.plan import Drop
from adjustments.submission.planner import plan_batch
from tests.bench import cost, growth, inputs
from tests.bench.limit import LIMIT, Testbed, Worker, start_testbed
from tests.bench.measurements import Result
from tests.bench.tables import table

SETTINGS: Final = {"SEND_AS": "transactions", "DEFAULT_REASON": "campaign", "DEFAULT_USERNAME": "ops"}

LIMIT_ROWS: Final = 700
"""A minute at the limit."""

FIRST_ROWS: Final = 1_000
FIRST_RUNS: Final = 9
API_EVERY_S: Final = 1.0

COUNTED_ROWS: Final = (1_000, 10_000, 100_000, 1_000_000)
MEMORY_OF: Final = ("submit_batch", "submit_more", "write_report")
"""Plans and sends the first rows; sends the others; writes the results."""

WRITES_MAX: Final = 3
DOLLARS_MAX: Final = 0.004

MAP_TRANSITIONS: Final = 1
"""Of a Map that calls a function for each row, the fewest: its one task."""

MAP_WRITES: Final = 2
"""Of its function: the intent and the answer of a row, without which a crash would leave doubt."""


def at_limit(testbed: Testbed) -> tuple[Any, ...]:
    """Send a file while a client of the API adds transactions one by one."""
    testbed.standin.reset()
    customers = {"generate": {"prefix": "player-", "count": LIMIT_ROWS, "width": 8}}
    testbed.standin.call("POST", "customers", customers)
    worker, api = testbed.worker(settings=SETTINGS), testbed.worker()
    key = f"inbox/{time.time_ns()}.csv"
    worker.s3.put_object(Bucket="bench", Key=key, Body=b"".join(inputs.blocks(LIMIT_ROWS)))
    drop = Drop(worker.files.describe(key, None), key.replace("/", "-"), is_named=True)
    batch = plan_batch(drop, worker.app.triggers.planner_ports).batch
    has_ended, waits_s = Event(), list[float]()
    with ThreadPoolExecutor() as pool:
        began_at = SystemClock().now()
        calls = pool.submit(_call_api, api, has_ended, waits_s)
        worker.app.sender.submit(batch.batch_id, began_at + timedelta(minutes=5))
        has_ended.set()
        calls.result()
    posts = [post for post in testbed.posts() if post["path"].endswith("transactions/manual")]
    throttled = sum(post["status"] == 429 for post in posts)
    spent_s = (datetime.fromisoformat(posts[-1]["at"]) - began_at).total_seconds()
    allowed_s = (len(posts) - 1) * 30 / LIMIT
    return (
        f"{LIMIT_ROWS:,} rows, and {len(waits_s)} calls of the API", len(posts), f"{spent_s:.2f}",
        f"{allowed_s:.2f}", f"{allowed_s / spent_s:.1%}", throttled, f"{median(waits_s):.1f}",
        f"{max(waits_s):.1f}",
    )  # fmt: skip


def _call_api(api: Worker, has_ended: Event, waits_s: list[float]) -> None:
    """Add a transaction every second; how long each call took."""
    number = 0
    while not has_ended.wait(API_EVERY_S):
        number += 1
        fields = {
            "customerId": f"player-{number:08d}", "transactionId": f"api-{time.time_ns()}",
            "username": "api", "reason": "goodwill", "points": 1,
        }  # fmt: skip
        transaction = read_manual_transaction(fields, SystemClock().now())
        began_s = time.perf_counter()
        try:
            api.app.manual_transactions.add(transaction, CallerContext("bench", "r", lambda: 26_000))
        except GameballError as error:
            logging.getLogger(__name__).warning("a call of the API failed: %s", error)
        waits_s.append(time.perf_counter() - began_s)


def first_row(testbed: Testbed) -> list[float]:
    """Milliseconds from a drop to the answer of the first row, run by run."""
    worker, spent_ms = testbed.worker(settings=SETTINGS, canary_rows=100), []
    for campaign in range(1, FIRST_RUNS + 2):  # no row comes twice
        key = f"inbox/first-{time.time_ns()}.csv"
        content = b"".join(inputs.blocks(FIRST_ROWS, campaign=campaign))
        worker.s3.put_object(Bucket="bench", Key=key, Body=content)
        worker.sent_at_s.clear()
        began_s = time.perf_counter()
        batch = worker.app.triggers.submit_object(key, None)
        spent_ms.append((worker.sent_at_s[0] - began_s) * 1e3)
        assert batch is not None
        worker.app.administration.stop(batch.batch_id, "bench", "")
        time.sleep(5)  # the slots of its last block have passed
    return spent_ms[1:]  # the first opens connections


def count(rows: int) -> dict[str, Any]:
    """Run one batch, and count; with the peak memory of each function."""
    return growth.count(rows, settings=SETTINGS)


def in_own_process(rows: int) -> dict[str, Any]:
    """What ``count`` says, of a process that does nothing else."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.bench.transactions", str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def map_dollars() -> dict[str, float]:
    """Dollars of a thousand rows of a Step Functions Map that calls a function for each row."""
    prices = cost.PRICES
    took_s = cost.GAMEBALL_CALL_S + MAP_WRITES * cost.TABLE_CALL_S
    each = {
        "Step Functions": MAP_TRANSITIONS * prices["Step Functions standard, state transition"],
        "Lambda": took_s * cost.memory_gb("manual_transaction") * prices["Lambda, GB-second, arm64"]
        + prices["Lambda, request"],
        "DynamoDB": MAP_WRITES * prices["DynamoDB on demand, write request unit (halved in November 2024)"],
        "CloudWatch Logs": cost.RUN_LOG_BYTES / 1e9 * prices["CloudWatch Logs, GB"],
    }
    return {name: dollars * 1_000 for name, dollars in each.items()}


def measure() -> Result:
    """The tables of the document."""
    logging.getLogger("adjustments").setLevel(logging.WARNING)
    with start_testbed() as testbed:
        limit_line, first_ms = at_limit(testbed), first_row(testbed)
    counts = [in_own_process(rows) for rows in COUNTED_ROWS]
    lines = [_line(one) for one in counts]
    small, large = counts[0]["peak_mib"], counts[-1]["peak_mib"]
    rival = map_dollars()
    heading = [
        "", "requests", "took, s", "at the limiter's rate, s", "share (goal ≥ 95 %)", "429s",
        "an API call, median s", "longest, s",
    ]  # fmt: skip
    counted = [
        "rows", f"table writes / 100 rows (goal ≤ {WRITES_MAX})", "S3 calls / 1,000 rows", "transitions",
        "Lambda s / 1,000 rows", "took, s", f"dollars / 1,000 rows (goal < {DOLLARS_MAX})",
        *(f"memory of {name}, MiB" for name in MEMORY_OF),
    ]  # fmt: skip
    first = (
        f"From the drop of a file of {FIRST_ROWS:,} rows to its first row applied at Gameball, in "
        f"{len(first_ms)} runs: median {median(first_ms):.0f} ms, longest {max(first_ms):.0f} ms."
    )
    memory = (
        f"Memory of {COUNTED_ROWS[-1]:,} rows over that of {COUNTED_ROWS[0]:,}: "
        + ", ".join(f"{large[name] / small[name]:.2f} for `{name}`" for name in MEMORY_OF)
        + ". The table is in memory here, and what Python keeps of one function stays in the next."
    )
    of_map = [(name, f"{dollars:.4f}") for name, dollars in rival.items()]
    of_map.append(("**in all**", f"**{sum(rival.values()):.4f}**"))
    tables = [
        table(heading, [limit_line]),
        first,
        table(counted, lines),
        memory,
        table(["a thousand rows by a Step Functions Map that calls a function for each", "dollars"], of_map),
    ]
    return Result("\n\n".join(tables), counts)


def _line(one: dict[str, Any]) -> tuple[Any, ...]:
    thousands = one["rows"] / 1_000
    return (
        f"{one['rows']:,}",
        f"{one['table_writes'] / one['rows'] * 100:.2f}",
        f"{(one['puts'] + one['gets']) / thousands:.1f}",
        one["transitions"],
        f"{sum(one['seconds'].values()) / thousands:.0f}",
        f"{one['took_s']:,.0f}",
        f"{sum(cost.of_rows(one).values()) / thousands:.5f}",
        *(f"{one['peak_mib'][name]:.0f}" for name in MEMORY_OF),
    )


if __name__ == "__main__":
    print(json.dumps(count(int(sys.argv[1]))))
