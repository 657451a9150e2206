"""Cold starts: importing and building each function, against an empty handler with boto3 and a Logger.

Each start is a fresh interpreter with nothing but our folders and the packages on its path, bytecode already
compiled, as on Lambda. Both take turns; processor time is compared.
"""

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.tables import table

ROOT: Final = Path(__file__).parents[2]
ROUNDS: Final = 15
EMPTY: Final = """
import boto3
from aws_lambda_powertools import Logger
logger = Logger()
def handler(event, context): return {}
"""
WIRED: Final = {
    "submit_batch": "wiring.build_intake()",
    "poll_jobs": "wiring.build_poller()",
    "submit_more": "wiring.build_submitter()",
    "write_report": "wiring.build_reporter()",
    "notify": "wiring.build_notifier()",
    "manual_transaction": "manual_wiring.build_transactor()",
    "accept_batch": "wiring.build_acceptor()",
    "batch_api": "wiring.build_steering()",
    "sweep": "wiring.build_sweeper()",
}
"""What each function builds at its first call: AWS's clients are a part of it."""

EMPTY_WIRED: Final = EMPTY + "boto3.client('dynamodb'); boto3.client('s3'); boto3.client('secretsmanager')\n"
"""The same with the three clients that nearly every function needs."""


def environment() -> dict[str, str]:
    """What Lambda gives a function, as far as its start needs it."""
    settings = {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "bench",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "layers" / "adjustments"))),
        "PATH": os.environ["PATH"],
    }
    names = ("TABLE_NAME", "BUCKET_NAME", "SECRET_ID", "EVENT_BUS_NAME", "STACK_NAME")
    arns = ("TOPIC_ARN", "STATE_MACHINE_ARN")
    arn = "arn:aws:states:eu-central-1:000000000000:stateMachine:x"
    return {
        **settings,
        **dict.fromkeys(names, "x"),
        **dict.fromkeys(arns, arn),
        "GAMEBALL_BASE_URL": "https://x",
        "FAILURE_QUEUE_URL": "https://x",
    }


def start_s(code: str, *options: str) -> tuple[float, str]:
    """Processor seconds of one interpreter that runs the code, and what it said."""
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-P", *options, "-c", code],
        check=True, capture_output=True, text=True, env=environment(), cwd="/",
    )  # fmt: skip
    after = os.times()
    spent_s = after.children_user + after.children_system - before.children_user - before.children_system
    return spent_s, done.stderr


def code_of(name: str, *, wired: bool) -> str:
    """What a function's start does."""
    module, _, call = WIRED[name].partition(".")
    wiring = f"\nfrom adjustments import {module}\n{module}.{call}" if wired else ""
    return f"import functions.{name}.app{wiring}"


def compare(names: list[str], rounds: int, *, wired: bool) -> dict[str, float]:
    """Median processor seconds of each, the bare interpreter's own taken off; "" is the empty handler."""
    codes = {"": EMPTY_WIRED if wired else EMPTY, **{name: code_of(name, wired=wired) for name in names}}
    spent_s = defaultdict(list)
    for code in codes.values():
        start_s(code)  # compiles what is not compiled yet
    for _ in range(rounds):
        bare_s = start_s("")[0]
        for name, code in codes.items():
            spent_s[name].append(start_s(code)[0] - bare_s)
    return {name: median(times) for name, times in spent_s.items()}


def heaviest(code: str, most: int) -> list[tuple[str, int]]:
    """The packages that take most of an import, by the microseconds of their own modules."""
    own_us: dict[str, int] = defaultdict(int)
    for line in start_s(code, "-X", "importtime")[1].splitlines():
        found = re.match(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)", line)
        if found:
            parts = found[2].split(".")
            own_us[".".join(parts[: 2 if parts[0] in ("adjustments", "aws_lambda_powertools") else 1])] += (
                int(found[1])
            )
    return sorted(own_us.items(), key=lambda pair: -pair[1])[:most]


def measure() -> str:
    """The tables of the document."""
    imported, wired = (compare(list(WIRED), ROUNDS, wired=flag) for flag in (False, True))
    lines = [
        (
            f"`{name}`" if name else "empty handler",
            f"{imported[name] * 1e3:.0f}",
            f"{imported[name] / imported['']:.2f}",
            f"{wired[name] * 1e3:.0f}",
            f"{wired[name] / wired['']:.2f}",
        )
        for name in imported
    ]
    heading = ["", "import, ms", "ratio (goal ≤ 1.25)", "with clients, ms", "ratio"]
    weights = [
        (f"`{name}`", ", ".join(f"{package} {us / 1e3:.0f}" for package, us in heaviest(code, 6)))
        for name, code in {
            "empty handler": EMPTY,
            "manual_transaction": code_of("manual_transaction", wired=False),
            "submit_batch": code_of("submit_batch", wired=False),
        }.items()
    ]
    return "\n".join(
        [
            f"Median of {ROUNDS} starts in turns, processor milliseconds, less those of a bare interpreter.",
            "",
            table(heading, lines),
            "",
            "The heaviest imports (`-X importtime`, ms of a package's own modules):",
            "",
            table(["", "packages"], weights),
        ]
    )
