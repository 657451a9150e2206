"""Cold starts: importing and building each function, against an empty handler with boto3 and a Logger.

Each start is a fresh interpreter with nothing on its path but our folders and what Lambda and the layer have,
bytecode already compiled; the tools in .venv bring packages that botocore loads where it finds them. Ours and
the empty handler take turns; processor time is compared, towards which others on the machine do not count.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections import defaultdict
from functools import cache
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from tests.bench.tables import table

ROOT: Final = Path(__file__).parents[2]
ROUNDS: Final = 13
ROUNDS_UNCOMPILED: Final = 7
HEAVIEST: Final = 6
LAYER: Final = ("aws-lambda-powertools", "pydantic", "urllib3")
"""What the layer brings beside our own package (requirements/layer.in)."""
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
    "write_report": "wiring.build_report_writer()",
    "notify": "wiring.build_notifier()",
    "manual_transaction": "manual_wiring.application()",
    "accept_batch": "wiring.build_acceptor()",
    "batch_api": "wiring.build_steering()",
    "sweep": "wiring.build_sweeper()",
}
"""What each function builds at its first call: AWS's clients are a part of it."""

_NAMING_CLIENTS: Final = """
import boto3
make = boto3.client
boto3.client = lambda service, **named: print(service) or make(service, **named)
"""


@cache
def path(*, compiled: bool) -> str:
    """A module path as Lambda's: the function's folder, the layer's, and that of what Lambda brings.

    Args:
        compiled: whether all has its bytecode; else only what Lambda brings, as ``sam build`` leaves it.
    """
    folder = ROOT / ".local" / "bench" / ("compiled" if compiled else "uncompiled")
    shutil.rmtree(folder, ignore_errors=True)
    layer = {ROOT / "layers" / "adjustments" / "adjustments", *_tops_of(*LAYER)}
    held = {"task": {ROOT / "functions"}, "layer": layer, "runtime": _tops_of("boto3") - layer}
    for place, tops in held.items():
        (folder / place).mkdir(parents=True)
        for top in tops:
            put = _link if compiled or place == "runtime" else _copy
            put(top, folder / place / top.name)
    return os.pathsep.join(str(folder / place) for place in held)


def _link(top: Path, to: Path) -> None:
    to.symlink_to(top)


def _copy(top: Path, to: Path) -> None:
    if top.is_dir():
        shutil.copytree(top, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(top, to)


def _tops_of(*wanted: str) -> set[Path]:
    """The files and folders of packages and of all that they need."""
    left, known, tops = [*wanted], set[str](), set[Path]()
    while left:
        name = left.pop()
        if name in known:
            continue
        known.add(name)
        needed = [text for text in metadata.requires(name) or () if ";" not in text]
        left += [re.split(r"[^\w.-]", text)[0] for text in needed]
        site = Path(str(metadata.distribution(name).locate_file("")))
        tops |= {site / file.parts[0] for file in metadata.files(name) or ()}
    return {top for top in tops if top.name not in {"..", "__pycache__"}}


def environment(*, compiled: bool = True) -> dict[str, str]:
    """What Lambda gives a function, as far as its start needs it."""
    settings = {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "bench",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "PYTHONPATH": path(compiled=compiled),
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


def start(code: str, *options: str, compiled: bool = True) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Processor seconds of one interpreter that runs the code, and what it said."""
    before_s = _children_s()
    writes_bytecode = () if compiled else ("-B",)
    done = subprocess.run(
        [sys.executable, "-P", "-S", *writes_bytecode, *options, "-c", code],
        check=True, capture_output=True, text=True, env=environment(compiled=compiled), cwd="/",
    )  # fmt: skip
    return _children_s() - before_s, done


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def code_of(name: str, *, wired: bool) -> str:
    """What a function's start does."""
    module, _, call = WIRED[name].partition(".")
    wiring = f"\nfrom adjustments import {module}\n{module}.{call}" if wired else ""
    return f"import functions.{name}.app{wiring}"


def rival_of(name: str) -> str:
    """The empty handler with the same clients of AWS as a function makes at its first call."""
    clients = start(_NAMING_CLIENTS + code_of(name, wired=True))[1].stdout.split()
    return EMPTY + "".join(f"boto3.client({client!r})\n" for client in sorted(set(clients)))


class Start(NamedTuple):
    """Code that an interpreter runs, with or without bytecode of what the layer brings."""

    code: str
    compiled: bool = True

    def seconds(self) -> float:
        """Processor seconds that it takes once."""
        return start(self.code, compiled=self.compiled)[0]


def compare(pairs: dict[str, tuple[Start, Start]], rounds: int) -> dict[str, tuple[float, float]]:
    """Of each pair of ours and a rival: median processor seconds of ours, and the median of their ratios.

    A bare interpreter's own time is taken off. The two of a pair run one right after the other, in turns
    first and second, as a machine's pace changes within seconds.
    """
    for one in {one for pair in pairs.values() for one in pair}:
        one.seconds()  # compiles what is not compiled yet, and reads all files once
    seconds, ratios = defaultdict(list), defaultdict(list)
    for number in range(rounds):
        bare_s = Start("").seconds()
        for name, pair in pairs.items():
            in_turn = pair[:: 1 if number % 2 else -1]
            spent_s = {one: one.seconds() - bare_s for one in in_turn}
            seconds[name].append(spent_s[pair[0]])
            ratios[name].append(spent_s[pair[0]] / spent_s[pair[1]])
    return {name: (median(seconds[name]), median(ratios[name])) for name in pairs}


def heaviest(code: str, beside: str = "") -> str:
    """The packages that take most of an import, in milliseconds of their own modules.

    Args:
        code: what is imported.
        beside: code whose imports are left out.
    """
    known, own_us = set(_own_us(beside)), defaultdict[str, int](int)
    for module, us in _own_us(code).items():
        if module not in known:
            own_us[_package_of(module)] += us
    most = sorted(own_us.items(), key=lambda pair: -pair[1])[:HEAVIEST]
    return ", ".join(f"{package} {us / 1e3:.1f}" for package, us in most)


def _package_of(module: str) -> str:
    parts = module.split(".")
    depth = {"adjustments": 2, "aws_lambda_powertools": 3}.get(parts[0], 1)
    return ".".join(parts[:depth])


def _own_us(code: str) -> dict[str, int]:
    lines = start(code, "-X", "importtime")[1].stderr
    found = re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)$", lines, re.MULTILINE)
    return {module: int(us) for us, module in found}


def measure() -> str:
    """The tables of the document."""
    codes = {name: code_of(name, wired=False) for name in WIRED}
    empty = Start(EMPTY)
    imports = {name: (Start(code), empty) for name, code in codes.items()}
    wired = {f"{name} wired": (Start(code_of(name, wired=True)), Start(rival_of(name))) for name in WIRED}
    told = compare({"": (empty, empty), **imports, **wired}, ROUNDS)
    lines = [("empty handler", f"{told[''][0] * 1e3:.0f}", "1.00", "", "")]
    for name in WIRED:
        (import_s, ratio), (wired_s, wired_ratio) = told[name], told[f"{name} wired"]
        numbers = (f"{import_s * 1e3:.0f}", f"{ratio:.2f}", f"{wired_s * 1e3:.0f}", f"{wired_ratio:.2f}")
        lines.append((f"`{name}`", *numbers))
    heading = [
        "",
        "import, ms",
        "ratio (goal ≤ 1.25)",
        "with its clients, ms",
        "ratio (rival has the same)",
    ]
    lacking = compare(
        {name: (Start(code, compiled=False), Start(code)) for name, code in {"": EMPTY, **codes}.items()},
        ROUNDS_UNCOMPILED,
    )
    without = [
        (f"`{name}`" if name else "empty handler", f"{without_s * 1e3:.0f}", f"{ratio:.2f}")
        for name, (without_s, ratio) in lacking.items()
    ]
    weights = [("empty handler, all in all", heaviest(EMPTY))]
    weights += [(f"`{name}`, beside those", heaviest(code, EMPTY)) for name, code in codes.items()]
    return "\n".join(
        [
            f"Median of {ROUNDS} starts in turns, processor milliseconds, less those of a bare interpreter.",
            "",
            table(heading, lines),
            "",
            f"Imports of the code as `sam build` leaves it, {ROUNDS_UNCOMPILED} starts each in turns:",
            "",
            table(["", "without bytecode, ms", "times that with it"], without),
            "",
            "The heaviest imports (`-X importtime`, ms of a package's own modules):",
            "",
            table(["", "packages"], weights),
        ]
    )
