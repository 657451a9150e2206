"""End to end at Gameball's limit: the real planner, sender, client and adapters, over sockets.

The stand-in has its limits on and jobs that end at once; table and bucket are a bare MiniStack. What the
rate limiter allows is the steady rate of its slots: RequestsPer30Seconds in 30 seconds, the first at once.

The rival of the first job is a program that makes only the calls that can't be avoided, one after another,
with the same items and bytes, on the same connections.
"""

import json
import logging
import re
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final, cast

import boto3
from botocore.config import Config

from adjustments.aws.bucket import BucketFiles
from adjustments.aws.metrics import Meter, function_metrics
from adjustments.aws.table import TableBatchStore
from adjustments.bootstrap import Application
from adjustments.core.runtime import RandomIds, SystemClock, run_in_threads
from adjustments.core.settings import Settings
from adjustments.gameball.circuit_breaker import TableCircuitBreaker
from adjustments.gameball.client import GameballClient
from adjustments.gameball.credentials import Credentials
from adjustments.gameball.rate_limiter import TableRateLimiter
from adjustments.submission.plan import Drop
from adjustments.submission.planner import plan_batch
from local.emulator import start_emulator
from local.environment import ACCESS_KEY, REGION, SECRET_KEY
from local.standin_client import STANDIN_KEYS, StandInClient, start_standin
from tests.bench import inputs
from tests.bench.measurements import Result
from tests.bench.ports import open_scratch_file
from tests.bench.tables import table
from tests.bench.written import template
from tests.fakes.manual_transactions import MemoryLedger
from tests.fakes.world import ENVIRONMENT, FakePorts

ROWS: Final = 200_000
LIMIT: Final = 350
FIRST_ROWS: Final = 1_000
FIRST_RUNS: Final = 15
PAUSE_S: Final = 0.2
"""Between two runs: a slot of the rate limiter is free again."""

Call = tuple[str, dict[str, Any]]
"""Of AWS: the operation, and what it is asked."""


class _Keys:
    """The stand-in's keys."""

    def current(self) -> Credentials:
        return Credentials(STANDIN_KEYS.api_key, STANDIN_KEYS.secret_key)

    fresh = current


@dataclass
class Worker:
    """One function at work; ``calls`` are those that it makes to AWS, ``bodies`` what it sends."""

    app: Application
    files: BucketFiles
    s3: Any
    dynamodb: Any
    gameball: GameballClient
    calls: list[Call]
    bodies: list[bytes]
    sent_at_s: list[float]


class Testbed:
    """A stand-in and a MiniStack, and workers that share them."""

    def __init__(self, endpoint: str, standin: StandInClient) -> None:
        self._endpoint = endpoint
        self.standin = standin
        self.began = time.time()
        aws = self._client("dynamodb")
        aws.create_table(TableName="bench", **_table_properties())
        self._client("s3").create_bucket(
            Bucket="bench", CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    def worker(self, canary_rows: int = 0, settings: Mapping[str, str] | None = None) -> Worker:
        """One more function, with clients of its own."""
        calls, bodies, sent_at_s = list[Call](), list[bytes](), list[float]()
        dynamodb, s3 = self._client("dynamodb", calls), self._client("s3", calls)
        clock, ids = SystemClock(), RandomIds()
        files, store = (
            BucketFiles(s3, "bench"),
            TableBatchStore(dynamodb, "bench", SystemClock(), RandomIds()),
        )
        rate_limiter = TableRateLimiter(dynamodb, "bench", clock, ids, LIMIT)
        gameball = GameballClient(
            self.standin.base_url, "v4.0", _Keys(), observe=lambda *_: sent_at_s.append(time.perf_counter())
        )
        adjust = gameball.adjust_balances

        def noting(body: bytes) -> int:
            bodies.append(body)
            return adjust(body)

        gameball.adjust_balances = noting  # type: ignore[method-assign]
        ports = FakePorts(
            gameball=gameball,
            clock=clock,
            ids=ids,
            store=store,
            files=files,
            rate_limiter=rate_limiter,
            parallel=run_in_threads,
            scratch=open_scratch_file,
            circuit_breaker=TableCircuitBreaker(dynamodb, "bench"),
            ledger=MemoryLedger(clock),
        )
        environment = {**ENVIRONMENT, "CANARY_ROWS": str(canary_rows), **(settings or {})}
        app = Application(Settings(environment), ports, Meter(function_metrics))
        return Worker(app, files, s3, dynamodb, gameball, calls, bodies, sent_at_s)

    def _client(self, service: str, calls: list[Call] | None = None) -> Any:
        client = boto3.client(
            cast(Any, service), endpoint_url=self._endpoint, region_name=REGION,
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
            config=Config(max_pool_connections=16),
        )  # fmt: skip
        if calls is not None:
            act = client._make_api_call

            def noted(operation: str, asked: Any) -> Any:
                calls.append((operation, dict(asked)))
                return act(operation, asked)

            client._make_api_call = noted
        return client

    def posts(self) -> list[dict[str, Any]]:
        """The requests with rows that came in, oldest first."""
        with urllib.request.urlopen(f"{self.standin.base_url}/_standin/requests?method=POST") as answer:
            found: list[dict[str, Any]] = json.load(answer)["requests"]
        return sorted(found, key=lambda request: str(request["at"]))


@contextmanager
def start_testbed() -> Iterator[Testbed]:
    """Start both, and stop them."""
    with tempfile.TemporaryDirectory() as folder:
        emulator, endpoint = start_emulator(Path(folder))
        with emulator:
            child, standin = start_standin(Path(folder), ("--job-delay-s", "0", "--limits", "on"))
            with child:
                yield Testbed(endpoint, standin)


def submit(testbed: Testbed, rows: list[int]) -> tuple[int, int, float]:
    """Submit batches side by side: requests, 429s, and the seconds from the start to the last."""
    testbed.standin.reset()
    width = len(f"{max(rows):08d}")
    customers = {"generate": {"prefix": "player-", "count": max(rows), "width": width}}
    testbed.standin.call("POST", "customers", customers)
    workers = [testbed.worker() for _ in rows]
    names = []
    for number, (worker, count) in enumerate(zip(workers, rows, strict=True)):
        key = f"inbox/{time.time_ns()}-{number}.csv"
        worker.s3.put_object(Bucket="bench", Key=key, Body=b"".join(inputs.blocks(count, campaign=number)))
        planned = plan_batch(
            Drop(worker.files.describe(key, None), key.replace("/", "-"), is_named=True),
            worker.app.triggers.planner_ports,
        )
        names.append(planned.batch.batch_id)
    began_at = SystemClock().now()
    until = began_at + timedelta(minutes=5)
    with ThreadPoolExecutor() as pool:
        for done in [
            pool.submit(worker.app.starter.sender.submit, name, until)
            for worker, name in zip(workers, names, strict=True)
        ]:
            done.result()
    posts = [post for post in testbed.posts() if post["path"].endswith("balance-adjustment")]
    throttled = sum(post["status"] == 429 for post in posts)
    last_at = datetime.fromisoformat(posts[-1]["at"])
    return len(posts), throttled, (last_at - began_at).total_seconds()


def first_job(testbed: Testbed) -> tuple[list[float], list[float], list[str], list[str]]:
    """Milliseconds from a drop to its first answer, of ours and of the rival, run by run; and their calls."""
    worker = testbed.worker(canary_rows=100)
    ours_ms, bare_ms = [], []
    for run in range(FIRST_RUNS + 1):
        key = f"inbox/first-{time.time_ns()}.csv"
        rows = b"".join(inputs.blocks(FIRST_ROWS, campaign=run + 2))  # no row of it came before
        worker.s3.put_object(Bucket="bench", Key=key, Body=rows)
        for kept in (worker.calls, worker.bodies, worker.sent_at_s):
            kept.clear()
        time.sleep(PAUSE_S)
        began_s = time.perf_counter()
        worker.app.triggers.submit_object(key, None)
        ours_ms.append((worker.sent_at_s[0] - began_s) * 1e3)
        before_answer = worker.calls[
            : next(index for index, call in enumerate(worker.calls) if _is_jobs(call))
        ]
        needed = [_of_rival(call) for call in before_answer if _is_unavoidable(call)]
        body = worker.bodies[0]
        time.sleep(PAUSE_S)
        bare_ms.append(bare(worker, needed, body) * 1e3)
    # the first opens connections
    return ours_ms[1:], bare_ms[1:], _names(before_answer), _names(needed)


def bare(worker: Worker, needed: list[Call], body: bytes) -> float:
    """Make the calls that can't be avoided, one after another; the seconds that they take."""
    clients = {"GetObject": worker.s3, "PutObject": worker.s3}
    began_s = time.perf_counter()
    for operation, asked in needed:
        if operation == "UpdateItem":
            now_us = int(time.time() * 1e6)
            values = {":next": now_us + 85_715, ":now": now_us}
            asked["ExpressionAttributeValues"] = {name: {"N": str(us)} for name, us in values.items()}
        answer = clients.get(operation, worker.dynamodb)._make_api_call(operation, asked)
        if operation == "GetObject":
            answer["Body"].read()
    worker.gameball.adjust_balances(body)
    return time.perf_counter() - began_s


def _is_unavoidable(call: Call) -> bool:
    """Whether no promise could be kept without it.

    Read the file; keep its rows and the bodies; claim the content; create the batch with its chunks; note who
    sends today; take a slot of the rate limiter; write the intent.
    """
    operation, asked = call
    match operation:
        case "GetObject":
            return str(asked["Key"]).startswith("inbox/")
        case "PutItem":
            return bool(asked["Item"]["sk"]["S"] != "batch")
        case _:
            return operation in ("PutObject", "TransactWriteItems", "UpdateItem")


def _is_jobs(call: Call) -> bool:
    """Whether it keeps the first job: what comes before it comes before the answer."""
    operation, asked = call
    return operation == "PutItem" and asked["Item"].get("jobId", {}).get("N") is not None


def _of_rival(call: Call) -> Call:
    """The same call for another batch, as large; who sends is noted without the batch's next status."""
    operation, asked = call
    if operation == "TransactWriteItems":
        puts = [write["Put"] for write in asked["TransactItems"]]
        notes = [put for put in puts if put["Item"]["pk"]["S"].startswith("sending#")]
        if notes:
            operation, asked = "PutItem", notes[0]
    return operation, {name: _renamed(value) for name, value in asked.items()}


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _renamed(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part) for part in value]
    if isinstance(value, str):
        return _OWN.sub(r"\1rival-", value)
    return value


_OWN: Final = re.compile(r"^(batch#|content#|work/)")


def _names(calls: list[Call]) -> list[str]:
    """The operations, each with how often."""
    counts = Counter(operation for operation, _ in calls)
    return [f"{number} {name}" if number > 1 else name for name, number in counts.items()]


def measure() -> Result:
    """The tables of the document."""
    lines = []
    logging.getLogger("adjustments").setLevel(logging.WARNING)
    with start_testbed() as testbed:
        ours_ms, bare_ms, made, needed = first_job(testbed)
        for name, rows in (("one batch", [ROWS]), ("two batches at once", [ROWS // 2] * 2)):
            requests, throttled, spent_s = submit(testbed, rows)
            allowed_s = (requests - 1) * 30 / LIMIT
            lines.append(
                (
                    f"{name} of {rows[0]:,} rows",
                    requests,
                    f"{spent_s:.2f}",
                    f"{allowed_s:.2f}",
                    f"{allowed_s / spent_s:.1%}",
                    throttled,
                )
            )
    heading = ["", "requests", "took, s", "at the limiter's rate, s", "share (goal ≥ 95 %)", "429s"]
    ratio = median(ours_ms) / median(bare_ms)
    return Result(
        f"{table(heading, lines)}\n\n"
        f"A file of {FIRST_ROWS:,} rows, from its drop to the answer with its first job, in {len(ours_ms)} "
        "runs in turns with the unavoidable calls alone, one after another:\n\n"
        + table(
            ["", "calls", "median, ms", "fastest quarter, ms", "slowest quarter, ms"],
            [
                ("ours", _join(made), *_spread(ours_ms)),
                ("the unavoidable calls", _join(needed), *_spread(bare_ms)),
                ("ours / unavoidable (goal ≤ 1.5)", "", f"**{ratio:.2f}**", "", ""),
            ],
        )
    )


def _join(names: list[str]) -> str:
    return ", ".join([*names, "POST"])


def _spread(times_ms: list[float]) -> tuple[str, str, str]:
    low, middle, high = quantiles(times_ms, n=4)
    return f"{middle:.0f}", f"≤ {low:.0f}", f"≥ {high:.0f}"


def _table_properties() -> dict[str, Any]:
    properties = template()["Resources"]["Table"]["Properties"]
    names = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    return {name: properties[name] for name in names}
