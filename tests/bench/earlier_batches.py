"""Planning a file of a million rows against ten earlier batches of as many, and without any.

The earlier batches have the same customers with other amounts, so that no row is a repetition: the usual
case, in which nobody should wait for the comparison.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO, Final

from adjustments.batches.files import ObjectWriter, OpenedObject
from adjustments.submission.plan import Drop, PlanRules
from adjustments.submission.planner import PlannerPorts, plan_batch
from tests.bench import inputs
from tests.bench.measurements import Result
from tests.bench.ports import FolderFiles, of_file, open_scratch_file
from tests.bench.tables import table
from tests.fakes.memory import CountingIds, ManualClock, MemoryStore

ROWS: Final = 1_000_000
EARLIER: Final = 10
ROUNDS: Final = 2
RULES: Final = PlanRules(amount_max=Decimal(1_000_000), canary_rows=100, hold_overlap_percent=5)


class _Out:
    """An object that is written to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> None:
        self._file.write(data)


class IndexedFiles(FolderFiles):
    """Keeps the indexes of batches in a folder, and drops what else is written.

    Args:
        source: the file that is planned.
        folder: where indexes are kept.
    """

    def __init__(self, source: Path, folder: Path) -> None:
        super().__init__(None, of_file(source))
        self._indexes = folder

    def open(self, key: str, version_id: str | None) -> OpenedObject:
        opened = super().open(key, version_id)
        if not key.endswith(".idx"):
            return opened
        return opened._replace(blocks=of_file(self._path(self._indexes, key))())

    @contextmanager
    def writer(self, key: str, content_type: str, replaces: str | None = None) -> Iterator[ObjectWriter]:
        if key.endswith(".idx"):
            with self._path(self._indexes, key).open("wb") as file:
                yield _Out(file)
        else:
            with super().writer(key, content_type, replaces) as out:
                yield out


def plan(path: Path, folder: Path, store: MemoryStore, batch_id: str) -> float:
    """Plan a file as one batch; the processor seconds."""
    files = IndexedFiles(path, folder)
    ports = PlannerPorts(
        files=files,
        store=store,
        clock=ManualClock(),
        ids=CountingIds(),
        scratch=open_scratch_file,
        rules=RULES,
    )
    drop = Drop(files.describe("inbox/file.csv", None), batch_id)
    began_s = time.process_time()
    batch = plan_batch(drop, ports).batch
    spent_s = time.process_time() - began_s
    if batch.refusal or batch.overlap:
        raise RuntimeError(f"the file was not planned: {batch.refusal or batch.overlap}")
    return spent_s


def compare(rows: int, rounds: int) -> tuple[float, float]:
    """Least processor seconds without earlier batches, and with them, in turns."""
    alone_s, among_s = [], []
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name, "file.csv")
        store = MemoryStore()
        for number in range(EARLIER):
            inputs.write(path, rows, campaign=number + 1)
            plan(path, folder, store, f"earlier-{number}")
        inputs.write(path, rows)
        for _ in range(rounds):
            alone_s.append(plan(path, folder, MemoryStore(), "new"))
            among_s.append(plan(path, folder, _copy_of(store), "new"))
    return min(alone_s), min(among_s)


def _copy_of(store: MemoryStore) -> MemoryStore:
    """The same entries, without the batch of an earlier round."""
    copied = MemoryStore()
    for entry in store.registered_rows(START_OF_ALL, START_OF_ALL):
        copied.register_rows(entry)
    return copied


START_OF_ALL: Final = ManualClock().now().replace(year=2000)


def measure() -> Result:
    """The table of the document."""
    alone_s, among_s = compare(ROWS, ROUNDS)
    lines = [
        ("without earlier batches", f"{alone_s:.2f}", "1.00"),
        (
            f"against {EARLIER} of {ROWS:,} rows (goal \u2264 1.25)",
            f"{among_s:.2f}",
            f"{among_s / alone_s:.2f}",
        ),
    ]
    told = f"{ROWS:,} rows, processor seconds, the better of {ROUNDS} rounds in turns."
    return Result(f"{told}\n\n{table(['', 'processor s', 'ratio'], lines)}")
