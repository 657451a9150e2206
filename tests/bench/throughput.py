"""Parallel manual transactions of the deployed local stack, against a function on it that does nothing."""

import io
import json
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from local.stack import LocalStack, StackSettings
from tests.bench.measurements import Result
from tests.bench.tables import table

EVENT: Final = Path(__file__).parents[2] / "events" / "manual-api-call.json"
CALLS: Final = 200
WORKERS: Final = 16
ROUNDS: Final = 3
_NOTHING: Final = "def handler(event, context):\n    return {'statusCode': 200}\n"


def calls_per_s(act: Callable[[int], None], first: int) -> float:
    """How many calls a second come through side by side."""
    began_s = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(act, range(first, first + CALLS)))
    return CALLS / (time.perf_counter() - began_s)


def make_nothing(stack: LocalStack) -> str:
    """Create the function that does nothing, with the manual transaction's role and memory."""
    like = stack.aws.functions.get_function_configuration(FunctionName=stack.physical_id("ManualTransaction"))
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.py", _NOTHING)
    runtime: Any = f"python{sys.version_info.major}.{sys.version_info.minor}"
    stack.aws.functions.create_function(
        FunctionName="nothing", Runtime=runtime, Handler="app.handler", Role=like["Role"],
        Code={"ZipFile": package.getvalue()}, MemorySize=like["MemorySize"], Timeout=28,
    )  # fmt: skip
    return "nothing"


def lift_rate_limit(stack: LocalStack) -> None:
    """Let the function send as fast as it can: otherwise its own rate limiter would be measured."""
    name = stack.physical_id("ManualTransaction")
    variables = stack.aws.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    variables["REQUESTS_PER_30_SECONDS"] = "1000000"
    stack.aws.functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


def compare() -> dict[str, float]:
    """The best of some rounds of each, in turns."""
    event = json.loads(EVENT.read_text())
    body = json.loads(event["body"])
    with LocalStack.running(StackSettings()) as stack:
        stack.standin.change_settings({"limits": False})
        stack.standin.open_customers([{"customerId": body["customerId"], "balance": 0}])
        lift_rate_limit(stack)
        names = {"ours": stack.physical_id("ManualTransaction"), "nothing": make_nothing(stack)}

        def act(name: str) -> Callable[[int], None]:
            def call(number: int) -> None:
                text = json.dumps({**body, "transactionId": f"bench-{number}"})
                asked = json.dumps({**event, "body": text}).encode()
                answer = stack.aws.functions.invoke(FunctionName=names[name], Payload=asked)
                answered = json.loads(answer["Payload"].read())
                if answered.get("statusCode") != 200:
                    raise RuntimeError(f"{name}: {answered}")

            return call

        best = dict.fromkeys(names, 0.0)
        for turn in range(ROUNDS + 1):
            for name in names:
                rate = calls_per_s(act(name), turn * CALLS)
                best[name] = max(best[name], rate if turn else 0.0)  # the first round starts the workers
    return best


def measure() -> Result:
    """The table of the document."""
    best = compare()
    lines = [
        ("manual transactions", f"{best['ours']:.0f}", f"{best['ours'] / best['nothing']:.2f}"),
        ("a function that does nothing", f"{best['nothing']:.0f}", "1.00"),
    ]
    return Result(table([f"{WORKERS} callers at once, invoked directly", "calls/s", "ratio"], lines))
