"""A warm manual transaction: the handler's own time, without the calls that it waits for.

AWS answers at once, in this process: each of its calls is counted and its time taken off. What boto3 itself
takes to build, sign and read them is listed separately. Gameball is the stand-in, a process of its own; the
same body sent by bare urllib3 takes turns with the handler.
"""

import importlib
import json
import logging
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import urllib3
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.compat import HTTPHeaders
from botocore.httpsession import URLLib3Session
from urllib3.connectionpool import HTTPConnectionPool

from local.standin_client import STANDIN_KEYS, start_standin
from tests.bench import measurements
from tests.bench.measurements import Result
from tests.bench.tables import table
from tests.fakes.world import ENVIRONMENT

EVENT: Final = Path(__file__).parents[2] / "events" / "manual-api-call.json"
CALLS: Final = 300
WARM_UP: Final = 20
PATH: Final = "/api/v4.0/integrations/transactions/manual"
_MAKE_API_CALL: Final[Callable[..., Any]] = BaseClient._make_api_call  # type: ignore[attr-defined]
CONTEXT: Final = SimpleNamespace(
    function_name="bench",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:bench",
    aws_request_id="bench",
    get_remaining_time_in_millis=lambda: 28_000,
)


class Waits:
    """What is waited for: how long, which calls of AWS, and what boto3 itself took for them."""

    def __init__(self) -> None:
        self.seconds = self.cpu_s = self.boto3_s = 0.0
        self.calls: Counter[str] = Counter()

    def timed(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, its time added to what was waited; as a method, so that it can stand for one."""

        def call(*args: Any, **named: Any) -> Any:
            began_s, began_cpu_s = time.perf_counter(), time.thread_time()
            try:
                return act(*args, **named)
            finally:
                cpu_s = time.thread_time() - began_cpu_s
                self.seconds += time.perf_counter() - began_s
                self.cpu_s += cpu_s
                self.boto3_s += cpu_s if act is _MAKE_API_CALL else 0.0

        return call

    def send(self, request: Any) -> AWSResponse:
        """What AWS answers where nothing is in the way."""
        operation = str(request.headers["X-Amz-Target"], "ascii").rpartition(".")[2]
        self.calls[operation] += 1
        answer: dict[str, Any] = {}
        if operation == "GetSecretValue":
            keys = {"apiKey": STANDIN_KEYS.api_key, "secretKey": STANDIN_KEYS.secret_key}
            answer = {"SecretString": json.dumps(keys)}
        if operation == "UpdateItem":
            answer = {"Attributes": {"nextUs": {"N": str(int(time.time() * 1e6))}}}
        raw = SimpleNamespace(stream=lambda: [json.dumps(answer).encode()])
        return AWSResponse(request.url, 200, HTTPHeaders(), raw)


@contextmanager
def start_handler() -> Iterator[tuple[Callable[[int], dict[str, Any]], Waits, str]]:
    """The handler, what it waits for, and where its Gameball is."""
    waits = Waits()
    with tempfile.TemporaryDirectory() as folder:
        child, standin = start_standin(Path(folder), ("--limits", "off"))
        settings = {
            **ENVIRONMENT, "GAMEBALL_BASE_URL": standin.base_url, "GAMEBALL_API_VERSION": "v4.0",
            "SECRET_ID": "s", "REQUESTS_PER_30_SECONDS": "350",
            "POWERTOOLS_SERVICE_NAME": "bench", "POWERTOOLS_TRACE_DISABLED": "true",
            "AWS_DEFAULT_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
            "POWERTOOLS_LOG_LEVEL": "INFO",
        }  # fmt: skip
        with (
            child,
            patch.dict(os.environ, settings),
            patch.object(BaseClient, "_make_api_call", waits.timed(_MAKE_API_CALL)),
            patch.object(URLLib3Session, "send", lambda session, request: waits.send(request)),
            patch.object(HTTPConnectionPool, "urlopen", waits.timed(HTTPConnectionPool.urlopen)),
            open(os.devnull, "w") as nowhere,  # noqa: PTH123
        ):
            standin.open_customers([{"customerId": "player-00325", "balance": 0}])
            app = importlib.import_module("functions.manual_transaction.app")
            package = logging.getLogger("adjustments")
            kept = app.logger.registered_handler.stream
            app.logger.registered_handler.stream = nowhere
            event = json.loads(EVENT.read_text())
            body = json.loads(event["body"])

            def add(number: int) -> dict[str, Any]:
                event["body"] = json.dumps({**body, "transactionId": f"bench-{number}"})
                with redirect_stdout(nowhere):  # its metrics
                    answer: dict[str, Any] = app.handler(event, CONTEXT)
                if answer["statusCode"] != 200:
                    raise RuntimeError(str(answer))
                return answer

            try:
                yield add, waits, standin.base_url
            finally:
                app.logger.registered_handler.stream = kept
                package.handlers.clear()  # other parts need no JSON of what the services log


def compare(calls: int) -> dict[str, Any]:
    """Median seconds of the handler's own time, and of a bare POST of the same body; AWS calls of each."""
    own_s, own_cpu_s, boto3_s, post_s = [], [], [], []
    body = json.loads(json.loads(EVENT.read_text())["body"])
    headers = {
        "apikey": STANDIN_KEYS.api_key,
        "secretkey": STANDIN_KEYS.secret_key,
        "content-type": "application/json",
    }
    with start_handler() as (add, waits, base_url):
        pool = urllib3.PoolManager(retries=False)
        for number in range(calls + WARM_UP):
            waits.seconds = waits.cpu_s = waits.boto3_s = 0.0
            began_s, cpu_s = time.perf_counter(), time.thread_time()
            add(number)
            cpu_s = time.thread_time() - cpu_s - waits.cpu_s
            took_s = time.perf_counter() - began_s - waits.seconds
            waits.seconds = 0.0
            text = json.dumps({**body, "transactionId": f"bare-{number}"})
            began_s = time.perf_counter()
            answer = pool.request("POST", base_url + PATH, body=text, headers=headers)
            if answer.status != 200:
                raise RuntimeError(f"the stand-in answered {answer.status}")
            if number == WARM_UP:
                waits.calls.clear()
            if number >= WARM_UP:
                post_s.append(time.perf_counter() - began_s)
                own_s.append(took_s)
                own_cpu_s.append(cpu_s)
                boto3_s.append(waits.boto3_s)
    each = {name: number / (calls - 1) for name, number in waits.calls.items()}
    medians = {"own_s": own_s, "cpu_s": own_cpu_s, "boto3_s": boto3_s, "post_s": post_s}
    return {**{name: median(seconds) for name, seconds in medians.items()}, "calls": each}


def counted() -> tuple[dict[str, float], float]:
    """The AWS calls of one transaction, and the handler's own seconds, as measured last."""
    kept = measurements.figures_of("warm") or compare(CALLS)
    return kept["calls"], kept["own_s"]


def measure() -> Result:
    """The table of the document."""
    result = compare(CALLS)
    calls = ", ".join(f"{number:.1f} {name}" for name, number in sorted(result["calls"].items()))
    lines = [
        (
            "own time, handler in to handler out, less what it waits for (goal < 2)",
            f"{result['own_s'] * 1e3:.2f}",
        ),
        ("of it processor time, which other programs don't change", f"{result['cpu_s'] * 1e3:.2f}"),
        ("besides, boto3's own work on the calls to AWS, processor time", f"{result['boto3_s'] * 1e3:.2f}"),
        ("a bare urllib3 POST of the same body to the stand-in", f"{result['post_s'] * 1e3:.2f}"),
        ("own time / bare POST", f"{result['own_s'] / result['post_s']:.2f}"),
    ]
    tables = f"{table([f'median of {CALLS} calls', 'ms'], lines)}\n\nAWS calls of one transaction: {calls}."
    return Result(tables, result)
