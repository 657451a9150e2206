"""Cold starts: importing each function and building what its first call needs, against an idiomatic handler.

The rival is ``idiomatic_handler.py``, with the AWS clients that the function makes. Each start is a fresh
interpreter with nothing on its path but our folders and what Lambda and the layer have, bytecode already
compiled; the tools in .venv bring packages that botocore loads where it finds them. Ours and the rival take
turns; processor time is compared, towards which others on the machine do not count.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from tests.bench.measurements import Result
from tests.bench.tables import table
from tests.fakes.world import ENVIRONMENT

ROOT: Final = Path(__file__).parents[2]
ROUNDS: Final = 13
ROUNDS_UNCOMPILED: Final = 7
HEAVIEST: Final = 6
LAYER: Final = ("aws-lambda-powertools", "pydantic", "urllib3")
"""What the layer brings beside our own package (requirements/layer.in)."""
RIVAL: Final = "import idiomatic_handler"
BODY: Final = {
    "customerId": "player-00325",
    "transactionId": "order-4711",
    "username": "anna",
    "reason": "goodwill",
    "points": 50,
}
_READ_BATCH: Final = """
from adjustments.batches.records import Batch, Chunk
Batch.model_rebuild()
Chunk.model_rebuild()
"""
"""Builds the validators of what the table keeps, as the first batch that is read does."""

_CONNECT: Final = """
from urllib3.util.ssl_ import create_urllib3_context
create_urllib3_context().load_default_certs()
"""
"""Loads the certificate authorities, as the first request to Gameball does."""

FIRST_CALLS: Final = {
    "submit_batch": f"bootstrap.application().triggers\n{_READ_BATCH}{_CONNECT}",
    "poll_jobs": f"bootstrap.application().poller\n{_READ_BATCH}{_CONNECT}",
    "submit_more": f"bootstrap.application().sender\n{_READ_BATCH}{_CONNECT}",
    "write_report": f"bootstrap.application().report_writer\n{_READ_BATCH}",
    "notify": f"bootstrap.application().notifier\n{_READ_BATCH}",
    "manual_transaction": f"""
from adjustments.manual_transactions.model import read_manual_transaction
application = bootstrap.application(ports.PROMPT)
application.manual_transactions
read_manual_transaction({BODY}, application.clock.now())
{_CONNECT}""",
    "accept_batch": f"""
from adjustments.submission.api_submission import AdjustmentsBody
bootstrap.application().api_submission
AdjustmentsBody.model_rebuild()
{_READ_BATCH}{_CONNECT}""",
    "batch_api": f"bootstrap.application().administration\n{_READ_BATCH}",
    "sweep": f"bootstrap.application().sweeper\n{_READ_BATCH}{_CONNECT}",
}
"""What each function builds at its first call: services, AWS's clients, and the validators of its models.

The batch API is asked to list or show batches, which needs no request to Gameball.
"""

AWAITED: Final = frozenset({"manual_transaction", "accept_batch", "batch_api"})
"""The functions of the API: somebody waits for their start."""

_NAMING_CLIENTS: Final = """
import sys
import boto3
make = boto3.Session.client
def name(session, service, *args, **kwargs):
    print(service, file=sys.stderr)  # the function logs to the other one
    return make(session, service, *args, **kwargs)
boto3.Session.client = name
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
    held = {
        "task": {ROOT / "functions", Path(__file__).with_name("idiomatic_handler.py")},
        "layer": layer,
        "runtime": _tops_of("boto3") - layer,
    }
    for name, tops in held.items():
        (folder / name).mkdir(parents=True)
        for top in tops:
            put = _link if compiled or name == "runtime" else _copy
            put(top, folder / name / top.name)
    return os.pathsep.join(str(folder / name) for name in held)


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


def environment(*, compiled: bool = True, clients: str = "") -> dict[str, str]:
    """What Lambda gives a function, as far as its start needs it.

    Args:
        compiled: see ``path``.
        clients: the AWS clients that the rival makes.
    """
    arn = "arn:aws:states:eu-central-1:000000000000:stateMachine:x"
    return {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "bench",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "PYTHONPATH": path(compiled=compiled),
        "PATH": os.environ["PATH"],
        **ENVIRONMENT,
        "GAMEBALL_BASE_URL": "https://x",
        "GAMEBALL_API_VERSION": "v4.0",
        "REQUESTS_PER_30_SECONDS": "350",
        **dict.fromkeys(("SECRET_ID", "EVENT_BUS_NAME"), "x"),
        **dict.fromkeys(("TOPIC_ARN", "STATE_MACHINE_ARN"), arn),
        "INTAKE_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/000000000000/intake",
        "AWS_CLIENTS": clients,
    }


def start(
    code: str, *options: str, compiled: bool = True, clients: str = ""
) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Processor seconds of one interpreter that runs the code, and what it printed."""
    before_s = _children_s()
    writes_bytecode = () if compiled else ("-B",)
    done = subprocess.run(
        [sys.executable, "-P", "-S", *writes_bytecode, *options, "-c", code],
        check=True, capture_output=True, text=True, cwd="/",
        env=environment(compiled=compiled, clients=clients),
    )  # fmt: skip
    return _children_s() - before_s, done


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Start(NamedTuple):
    """Code that an interpreter runs, with or without bytecode of what the layer brings."""

    code: str
    clients: str = ""
    compiled: bool = True

    def seconds(self) -> float:
        """Processor seconds that it takes once."""
        return start(self.code, compiled=self.compiled, clients=self.clients)[0]


def import_of(name: str) -> str:
    """What a function's start does before its first call."""
    return f"import functions.{name}.app"


def first_call_of(name: str) -> str:
    """What a function's start does with its first call."""
    return f"{import_of(name)}\nfrom adjustments import bootstrap, ports\n{FIRST_CALLS[name]}"


def rival_of(name: str) -> Start:
    """The rival with the clients of AWS that a function makes at its first call."""
    clients = start(_NAMING_CLIENTS + first_call_of(name))[1].stderr.split()
    return Start(RIVAL, " ".join(sorted(set(clients))))


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


def heaviest(start_: Start, beside: Start | None = None) -> str:
    """The packages that take most of an import, in milliseconds of their own modules.

    Args:
        start_: what is started.
        beside: the start whose imports are left out.
    """
    known, own_us = set(_own_us(beside)) if beside else set(), defaultdict[str, int](int)
    for module, us in _own_us(start_).items():
        if module not in known:
            own_us[_package_of(module)] += us
    most = sorted(own_us.items(), key=lambda pair: -pair[1])[:HEAVIEST]
    return ", ".join(f"{package} {us / 1e3:.1f}" for package, us in most)


def _package_of(module: str) -> str:
    parts = module.split(".")
    depth = {"adjustments": 2, "aws_lambda_powertools": 3}.get(parts[0], 1)
    return ".".join(parts[:depth])


def _own_us(start_: Start) -> dict[str, int]:
    lines = start(start_.code, "-X", "importtime", clients=start_.clients)[1].stderr
    found = re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)$", lines, re.MULTILINE)
    return {module: int(us) for us, module in found}


def measure() -> Result:
    """The tables of the document."""
    rivals = {name: rival_of(name) for name in FIRST_CALLS}
    tables = [
        f"Median of {ROUNDS} starts in turns, processor milliseconds, less those of a bare interpreter.",
        _table_of_starts(rivals),
        f"Imports of the code as `sam build` leaves it, {ROUNDS_UNCOMPILED} starts each in turns:",
        _table_without_bytecode(),
        "The heaviest imports (`-X importtime`, ms of a package's own modules):",
        _table_of_imports(rivals),
    ]
    return Result("\n\n".join(tables))


def _table_of_starts(rivals: Mapping[str, Start]) -> str:
    pairs = {name: (Start(first_call_of(name)), rival) for name, rival in rivals.items()}
    lines = [
        (f"`{name}`", f"{start_s * 1e3:.0f}", f"{ratio:.2f}", "≤ 1.25" if name in AWAITED else "none")
        for name, (start_s, ratio) in compare(pairs, ROUNDS).items()
    ]
    return table(["", "start, ms", "start / rival's start", "goal"], lines)


def _table_without_bytecode() -> str:
    codes = {"idiomatic handler": RIVAL, **{f"`{name}`": import_of(name) for name in FIRST_CALLS}}
    pairs = {name: (Start(code, compiled=False), Start(code)) for name, code in codes.items()}
    lines = [
        (name, f"{without_s * 1e3:.0f}", f"{ratio:.2f}")
        for name, (without_s, ratio) in compare(pairs, ROUNDS_UNCOMPILED).items()
    ]
    return table(["", "without bytecode, ms", "times that with it"], lines)


def _table_of_imports(rivals: Mapping[str, Start]) -> str:
    lines = [("idiomatic handler, all in all", heaviest(Start(RIVAL)))]
    lines += [
        (f"`{name}`, beside those of the rival", heaviest(Start(first_call_of(name)), rival))
        for name, rival in rivals.items()
    ]
    return table(["", "packages"], lines)
