"""Peak memory of planning and of writing the results, of small files and the largest.

Each is measured in a process of its own.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from adjustments.aws.metrics import Meter, function_metrics
from adjustments.batches.batch_parts import Counts
from adjustments.batches.outcomes import RowOutcome
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus, ChunkState, Outcome
from adjustments.batches.work_files import WorkKeys
from adjustments.bootstrap import Application
from adjustments.core.settings import Settings
from adjustments.submission.plan import Drop
from adjustments.submission.planner import plan_batch
from tests.bench import inputs
from tests.bench.measurements import Result
from tests.bench.ports import FolderFiles, open_scratch_file
from tests.bench.tables import table
from tests.fakes import memory
from tests.fakes.gameball import MemoryGameball
from tests.fakes.manual_transactions import MemoryLedger
from tests.fakes.world import ENVIRONMENT, FakePorts

ROWS: Final = (100_000, 10_000_000)
REPEAT_PERCENT: Final = 2
"""Rows that are their customer's second: all chunks are cut again, and the results join two waves."""


class DiskStore(memory.MemoryStore):
    """A table whose chunks lie on the disk, as DynamoDB's do: only who asks for them holds them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def add_chunks(self, batch_id: str, plan_id: str, chunks: Iterable[Chunk]) -> None:
        with self._path.open("w") as file:
            for number, chunk in enumerate(chunks):
                file.write(_settled(chunk, number).model_dump_json() + "\n")

    def each_chunk(self) -> Iterator[Chunk]:
        """All chunks, one at a time."""
        with self._path.open() as file:
            yield from (Chunk.read(json.loads(line)) for line in file)

    def chunks(self, batch_id: str, plan_id: str) -> list[Chunk]:
        return list(self.each_chunk())


def _settled(chunk: Chunk, number: int) -> Chunk:
    """A chunk as it lies there once its rows were all applied."""
    token, sent_at = f"{number:032x}", memory.START + timedelta(seconds=number / 12)
    return chunk.replaced(
        state=ChunkState.SETTLED,
        version=4,
        job_id=4_711_000 + number,
        token=token,
        attempts=1,
        intent_at=sent_at,
        ended_at=sent_at + timedelta(seconds=5),
        job_state="completed",
        outcomes_key=WorkKeys("b", "p").outcomes(chunk.chunk_id, token),
        counts=Counts(rows=chunk.rows, applied=chunk.rows),
        applied_total=f"{number * 7}.25",
    )


def run(folder: Path, rows: int, repeat_percent: int, what: str) -> dict[str, Any]:
    """Plan, or write the results of a plan that lies in the folder; in this process."""
    store = DiskStore(folder / "chunks.jsonl")
    files = FolderFiles(folder, lambda: inputs.blocks(rows, repeat_percent))
    clock = memory.ManualClock()
    ports = FakePorts(
        gameball=MemoryGameball(),
        clock=clock,
        ids=memory.CountingIds(),
        ledger=MemoryLedger(clock),
        store=store,
        files=files,
        scratch=open_scratch_file,
    )
    app = Application(Settings({**ENVIRONMENT, "CANARY_ROWS": "100"}), ports, Meter(function_metrics))
    if what == "plan":
        drop = Drop(files.describe("inbox/f.csv", None), "b")
        act: Callable[[], Batch] = lambda: plan_batch(drop, app.triggers.planner_ports).batch  # noqa: E731
    else:
        batch = Batch.model_validate(json.loads((folder / "batch.json").read_text()))
        store.create_batch(batch.replaced(status=BatchStatus.POLLING))
        for chunk in store.each_chunk():
            outcomes = [RowOutcome(Outcome.APPLIED, "Success")] * chunk.rows
            files.put(chunk.outcomes_key, json.dumps(outcomes).encode(), "application/json")
        act = partial(app.report_writer.report, "b")
    began_s = time.process_time()
    ended = act()
    spent_s = time.process_time() - began_s
    if what == "plan":
        (folder / "batch.json").write_text(json.dumps(ended.model_dump(mode="json")))
    if ended.counts.rows != rows or ended.refusal:
        raise RuntimeError(f"{what} of {rows} rows: {ended.counts}, {ended.refusal}")
    return {"mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "cpu_s": spent_s}


def in_own_process(folder: Path, rows: int, repeat_percent: int, what: str) -> dict[str, Any]:
    """What ``run`` tells, of a process that does nothing else."""
    command = [sys.executable, "-m", "tests.bench.memory", str(folder), str(rows), str(repeat_percent), what]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(sizes: tuple[int, ...], repeat_percent: int) -> dict[str, list[dict[str, Any]]]:
    """Peak memory and processor time of both, for each size."""
    results: dict[str, list[dict[str, Any]]] = {"plan": [], "results": []}
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for what, measured in results.items():
                measured.append(in_own_process(Path(folder), rows, repeat_percent, what))
    return results


def measure() -> Result:
    """The table of the document."""
    lines = []
    for what, measured in compare(ROWS, REPEAT_PERCENT).items():
        small, large = measured
        lines.append(
            (
                {"plan": "planning", "results": "writing the results"}[what],
                *(f"{run['mib']:.0f} MiB" for run in measured),
                f"{large['mib'] / small['mib']:.2f}",
                f"{large['cpu_s']:.0f}",
            )
        )
    heading = ["", *(f"{rows:,} rows" for rows in ROWS), "ratio (goal ≤ 1.25)", "processor s of the largest"]
    return Result(table(heading, lines))


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])))
