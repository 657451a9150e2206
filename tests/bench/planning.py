"""Planning a file of a million rows, against the obvious way, a plain loop, and polars.

All read the same file from the disk and hand request bodies of 1,000 rows to a sink that drops them.
Processor time is compared, all rivals taking turns, because the machine may have other things to do.
"""

import csv
import json
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

from pydantic import BaseModel, Field

from adjustments.submission.plan import Drop, PlanRules
from adjustments.submission.planner import PlannerPorts, plan_batch
from tests.bench import inputs
from tests.bench.measurements import Result
from tests.bench.ports import FolderFiles, of_file, open_scratch_file
from tests.bench.tables import table
from tests.fakes.memory import CountingIds, ManualClock, MemoryStore

ROWS: Final = 1_000_000
ROUNDS: Final = 2
CHUNK_ROWS: Final = 1_000
STAGES: Final = {
    "submission/csv/parser.py": "read CSV records",
    "submission/csv/grammar.py": "read CSV records",
    "submission/csv/decoding.py": "read CSV records",
    "submission/csv/row_validator.py": "validate rows",
    "batches/payloads.py": "write bodies",
    "batches/work_files.py": "keep the input rows",
    "batches/row_index.py": "index the rows and customers",
    "batches/customer_index.py": "index the rows and customers",
    "submission/duplicates.py": "find repeated customers",
}
"""What the planner does in which module."""

REST: Final = "the rest: add up, cut chunks, hash"
SAMPLE_S: Final = 0.001


class Adjustment(BaseModel):
    """A row, as a team would declare it that handles money."""

    customerId: Annotated[str, Field(min_length=1, max_length=200)]  # noqa: N815 - the name in the body
    amount: Annotated[Decimal, Field(max_digits=15, decimal_places=6)]
    reason: Annotated[str, Field(max_length=500)] = ""


class LooseAdjustment(BaseModel):
    """A row, as a team would declare it that wants to be done."""

    customerId: str  # noqa: N815 - the name in the body
    amount: float
    reason: str = ""


def ours(path: Path) -> int:
    """The planner, with every check of the intake; the rows that it keeps besides are dropped as well."""
    clock = ManualClock()
    files = FolderFiles(None, of_file(path))
    ports = PlannerPorts(
        files=files,
        store=MemoryStore(),
        clock=clock,
        ids=CountingIds(),
        scratch=open_scratch_file,
        rules=RULES,
    )
    batch = plan_batch(Drop(files.describe("inbox/file.csv", None), "batch"), ports).batch
    if batch.refusal or batch.counts.rejected:
        raise RuntimeError(f"the file was not planned: {batch.refusal}")
    return files.bytes_written


def obvious(path: Path, model: type[BaseModel] = Adjustment) -> int:
    """csv.DictReader, one pydantic model a row, json.dumps."""
    size = 0
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        while chunk := [model(**row) for row in islice(rows, CHUNK_ROWS)]:
            size += len(json.dumps({"body": [row.model_dump() for row in chunk]}, default=float).encode())
    return size


def obvious_and_loose(path: Path) -> int:
    """The same with a float and no bounds."""
    return obvious(path, LooseAdjustment)


def plain_loop(path: Path) -> int:
    """csv.reader, float, json.dumps, and no check at all."""
    size = 0
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)
        while chunk := [
            {"customerId": customer_id, "amount": float(amount), "reason": reason}
            for customer_id, amount, reason in islice(rows, CHUNK_ROWS)
        ]:
            size += len(json.dumps({"body": chunk}).encode())
    return size


def vectorised(path: Path) -> int:
    """polars reads the file at once, into memory, and writes the bodies; floats, and no check at all."""
    import polars

    schema = {"customerId": polars.String, "amount": polars.Float64, "reason": polars.String}
    frame = polars.read_csv(path, schema=schema)
    return sum(len(b'{"body":' + part.write_json().encode() + b"}") for part in frame.iter_slices(CHUNK_ROWS))


def compare(rows: int, rounds: int, rivals: Mapping[str, Callable[[Path], int]]) -> dict[str, float]:
    """Least processor seconds of each, in turns: what other programs do meanwhile only adds to them."""
    spent_s: dict[str, list[float]] = {name: [] for name in rivals}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.csv")
        inputs.write(path, rows)
        for _ in range(rounds):
            for name, act in rivals.items():
                began_s = time.process_time()
                act(path)
                spent_s[name].append(time.process_time() - began_s)
    return {name: min(times) for name, times in spent_s.items()}


def profile(rows: int) -> list[tuple[str, float]]:
    """Where the planner's time goes: shares of its stages in samples, one each millisecond of work."""
    samples = dict.fromkeys([*STAGES.values(), REST], 0)

    def sample(_: int, frame: FrameType | None) -> None:
        samples[_stage(frame)] += 1

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.csv")
        inputs.write(path, rows)
        before = signal.signal(signal.SIGPROF, sample)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)
        try:
            ours(path)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
    return [(stage, taken / sum(samples.values())) for stage, taken in samples.items()]


def _stage(frame: FrameType | None) -> str:
    """The stage of the innermost of our functions that is at work."""
    while frame:
        for module, stage in STAGES.items():
            if frame.f_code.co_filename.endswith(module):
                return stage
        frame = frame.f_back
    return REST


def measure() -> Result:
    """The tables of the document."""
    rivals = {
        "ours, all checks on": ours,
        "(a) csv.DictReader + pydantic (Decimal, bounds) + json.dumps": obvious,
        "(a′) the same with float and no bounds": obvious_and_loose,
        "(b) csv.reader + float + json.dumps, no checks": plain_loop,
        "(c) polars, no checks, whole file in memory": vectorised,
    }
    spent_s = compare(ROWS, ROUNDS, rivals)
    own_s = spent_s["ours, all checks on"]
    lines = [
        (name, f"{seconds:.2f}", f"{ROWS / seconds:,.0f}", f"{seconds / own_s:.2f}")
        for name, seconds in spent_s.items()
    ]
    stages = [(stage, f"{share:.0%}") for stage, share in profile(ROWS)]
    tables = "\n".join(
        [
            f"{ROWS:,} rows, processor seconds, the better of {ROUNDS} rounds in turns.",
            "",
            table(["", "processor s", "rows/s", "its time / ours"], lines),
            "",
            "Where our time goes, by samples of what is at work:",
            "",
            table(["stage", "share"], stages),
        ]
    )
    return Result(tables)


RULES: Final = PlanRules(amount_max=Decimal(1_000_000), canary_rows=100)
