"""End to end at Gameball's limit: the real planner, submitter, client and adapters, over sockets.

The stand-in has its limits on and jobs that end at once; table and bucket are a bare MiniStack. What the
budget allows is the steady rate of its places: RequestsPer30Seconds in 30 seconds, the first at once.
"""

import json
import logging
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any, BinaryIO, Final, cast

import boto3
from botocore.config import Config

from adjustments.adapters.bucket import BucketFiles
from adjustments.adapters.budget import TableRequestBudget
from adjustments.adapters.gameball import GameballClient
from adjustments.adapters.keys import Keys
from adjustments.adapters.runtime import RandomIds, SystemClock, run_in_threads
from adjustments.adapters.table import TableBatchStore
from adjustments.services.planning import Drop, Planner, PlanRules
from adjustments.services.submitting import Submitter
from local.aws import ACCESS_KEY, SECRET_KEY
from local.emulator import REGION, start_emulator
from local.gameball import STANDIN_KEYS, StandInDoor, start_standin
from tests.bench import inputs
from tests.bench.tables import table
from tests.bench.written import template

ROWS: Final = 200_000
LIMIT: Final = 350
FIRST_ROWS: Final = 1_000
FIRST_RUNS: Final = 9
UNAVOIDABLE: Final = ("HeadObject", "GetObject", "PutObject", "PutItem", "BatchWriteItem", "UpdateItem")
"""Look at the file, read it, keep the body; create the batch and write the intent (twice PutItem); keep the
chunk; take a place in the request budget. And the POST itself."""


class _Keys:
    """The stand-in's keys."""

    def current(self) -> Keys:
        return Keys(STANDIN_KEYS.api_key, STANDIN_KEYS.secret_key)

    fresh = current


@dataclass
class Desk:
    """What one function has in hand; ``calls`` are the seconds of its calls, by name."""

    files: BucketFiles
    planner: Planner
    submitter: Submitter
    s3: Any
    calls: dict[str, list[float]]
    sent_at_s: list[float]


class Site:
    """A stand-in and a MiniStack, and desks that share them."""

    def __init__(self, endpoint: str, standin: StandInDoor) -> None:
        self._endpoint = endpoint
        self.standin = standin
        self.began = time.time()
        aws = self._client("dynamodb")
        aws.create_table(TableName="bench", **_table_properties())
        self._client("s3").create_bucket(
            Bucket="bench", CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    def desk(self, canary_rows: int = 0) -> Desk:
        """One more function, with clients of its own."""
        calls: dict[str, list[float]] = defaultdict(list)
        dynamodb, s3 = self._client("dynamodb", calls), self._client("s3", calls)
        clock, ids, sent_at_s = SystemClock(), RandomIds(), list[float]()

        def note(seconds: float) -> None:
            calls["POST"].append(seconds)
            sent_at_s.append(time.perf_counter())

        files, store = BucketFiles(s3, "bench"), TableBatchStore(dynamodb, "bench")
        budget = TableRequestBudget(dynamodb, "bench", clock, ids, LIMIT)
        gameball = GameballClient(self.standin.base_url, "v4.0", _Keys(), watch=lambda s, _: note(s))
        rules = PlanRules(Decimal(1_000_000), canary_rows, 0, Decimal(0))
        return Desk(
            files,
            Planner(files, store, clock, ids, _scratch, rules),
            Submitter(store, files, gameball, budget, clock, ids, run_in_threads, 100),
            s3,
            calls,
            sent_at_s,
        )

    def _client(self, service: str, calls: dict[str, list[float]] | None = None) -> Any:
        client = boto3.client(
            cast(Any, service), endpoint_url=self._endpoint, region_name=REGION,
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
            config=Config(max_pool_connections=16),
        )  # fmt: skip
        if calls is not None:
            act = client._make_api_call

            def timed(operation: str, asked: Any) -> Any:
                began_s = time.perf_counter()
                try:
                    return act(operation, asked)
                finally:
                    calls[operation].append(time.perf_counter() - began_s)

            client._make_api_call = timed
        return client

    def posts(self) -> list[dict[str, Any]]:
        """The requests with rows that came in, oldest first."""
        with urllib.request.urlopen(f"{self.standin.base_url}/_standin/requests?method=POST") as answer:
            found: list[dict[str, Any]] = json.load(answer)["requests"]
        return sorted(found, key=lambda request: str(request["at"]))


@contextmanager
def site() -> Iterator[Site]:
    """Start both, and stop them."""
    with tempfile.TemporaryDirectory() as folder:
        emulator, endpoint = start_emulator(Path(folder))
        with emulator:
            child, standin = start_standin(Path(folder), ("--job-delay-s", "0", "--limits", "on"))
            with child:
                yield Site(endpoint, standin)


def plan(desk: Desk, key: str) -> str:
    """Plan a file; the batch's id."""
    drop = Drop(desk.files.describe(key, None), key.replace("/", "-"), is_named=True)
    return desk.planner.plan(drop).batch_id


def submit(site_: Site, rows: list[int]) -> tuple[int, int, float]:
    """Submit batches side by side: requests, 429s, and the seconds from the start to the last."""
    site_.standin.reset()
    width = len(f"{max(rows):08d}")
    customers = {"generate": {"prefix": "player-", "count": max(rows), "width": width}}
    site_.standin.ask("POST", "customers", customers)
    desks = [site_.desk() for _ in rows]
    names = []
    for number, (desk, count) in enumerate(zip(desks, rows, strict=True)):
        key = f"inbox/{time.time_ns()}-{number}.csv"
        desk.s3.put_object(Bucket="bench", Key=key, Body=b"".join(inputs.blocks(count)))
        planned = desk.planner.plan(
            Drop(desk.files.describe(key, None), key.replace("/", "-"), is_named=True)
        )
        names.append(planned.batch_id)
    began_at = SystemClock().now()
    until = began_at + timedelta(minutes=5)
    with ThreadPoolExecutor() as pool:
        for done in [
            pool.submit(desk.submitter.submit, name, until) for desk, name in zip(desks, names, strict=True)
        ]:
            done.result()
    posts = [post for post in site_.posts() if post["path"].endswith("balance-adjustment")]
    throttled = sum(post["status"] == 429 for post in posts)
    last_at = datetime.fromisoformat(posts[-1]["at"])
    return len(posts), throttled, (last_at - began_at).total_seconds()


def first_job(site_: Site) -> tuple[float, float, dict[str, float]]:
    """Median seconds from a drop to its first job, of the unavoidable calls, and of each of them."""
    took_s, sums_s = [], []
    each: dict[str, list[float]] = defaultdict(list)
    for number in range(FIRST_RUNS + 1):
        desk = site_.desk(canary_rows=100)
        key = f"inbox/first-{time.time_ns()}-{number}.csv"
        desk.s3.put_object(Bucket="bench", Key=key, Body=b"".join(inputs.blocks(FIRST_ROWS)))
        desk.calls.clear()
        began_s = time.perf_counter()
        desk.submitter.submit(plan(desk, key), SystemClock().now() + timedelta(seconds=10))
        spent_s = desk.sent_at_s[0] - began_s
        if not number:
            continue  # the first opens connections
        one = {name: median(desk.calls[name]) for name in (*UNAVOIDABLE, "POST")}
        one["PutItem"] *= 2
        took_s.append(spent_s)
        sums_s.append(sum(one.values()))
        for name, seconds in one.items():
            each[name].append(seconds)
    return median(took_s), median(sums_s), {name: median(times) for name, times in each.items()}


def measure() -> str:
    """The tables of the document."""
    lines = []
    logging.getLogger("adjustments").setLevel(logging.WARNING)
    with site() as site_:
        took_s, sum_s, each = first_job(site_)
        for name, rows in (("one batch", [ROWS]), ("two batches at once", [ROWS // 2] * 2)):
            requests, throttled, spent_s = submit(site_, rows)
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
    heading = ["", "requests", "took, s", "the budget's rate takes, s", "share (goal ≥ 95 %)", "429s"]
    told = ", ".join(f"{name} {seconds * 1e3:.1f}" for name, seconds in each.items())
    return (
        f"{table(heading, lines)}\n\n"
        f"A file of {FIRST_ROWS:,} rows, from its drop to its first job: {took_s * 1e3:.0f} ms, which is "
        f"{took_s / sum_s:.2f} times the unavoidable calls one after another, {sum_s * 1e3:.0f} ms "
        "(goal ≤ 1.5): "
        f"{told} ms (PutItem twice)."
    )


def _table_properties() -> dict[str, Any]:
    properties = template()["Resources"]["Table"]["Properties"]
    names = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    return {name: properties[name] for name in names}


def _scratch() -> BinaryIO:
    return cast(BinaryIO, tempfile.TemporaryFile())
