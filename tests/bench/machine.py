"""Whole batches on a clock of their own: the services, the rate limiter and the state machine, all counted.

Calls to Gameball and AWS take no time here; the slots of the rate limiter are as they are.
"""

import gzip
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any, Final

from adjustments.aws import bucket, table, table_access
from adjustments.aws.event_models import STEP_MARGIN
from adjustments.aws.metrics import Meter, function_metrics
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.store import IndexEntry
from adjustments.batches.unapproved import Unapproved
from adjustments.bootstrap import Application
from adjustments.core import exact_json
from adjustments.core.errors import NotFound
from adjustments.core.settings import Settings
from adjustments.gameball.port import Dialect
from adjustments.gameball.rate_limiter import Block, Priority, Resource
from tests.bench.ports import Blocks, FolderFiles, open_scratch_file
from tests.fakes import memory
from tests.fakes.manual_transactions import MemoryLedger
from tests.fakes.world import ENVIRONMENT, FakePorts

REQUESTS_PER_30_S: Final = 350
STEP_TIME: Final = timedelta(seconds=300)
"""Time-out of the functions that poll and send (template.yaml)."""

_GZIP_MARK: Final = b"\x1f\x8b"

_PROCESS: Final = Path("/proc/self")

EVENTS_OF: Final = {"Task": 5, "Choice": 2, "Wait": 2, "Succeed": 2}
"""Entries that each kind of state leaves in an execution's history."""


class CountingStore(memory.MemoryStore):
    """A table in memory that counts as DynamoDB charges: by the item's size, and for each index."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.write_units = 0
        self.read_units = 0.0

    def _wrote(self, item: Mapping[str, Any], indexes: int = 0) -> None:
        self.calls["write"] += 1
        self.write_units += (1 + indexes) * ceil(_bytes(item) / 1024)

    def _wrote_twice(self, item: Mapping[str, Any]) -> None:
        """Of a transaction, which charges each item twice."""
        before = self.write_units
        self._wrote(item)
        self.write_units += self.write_units - before

    def _read(self, items: Iterable[Mapping[str, Any]], *, of_index: bool = False) -> None:
        self.calls["read"] += 1
        self.read_units += max(1, ceil(sum(map(_bytes, items)) / 4096)) / (2 if of_index else 1)

    def _wrote_batch(self, batch: Batch) -> None:
        item = table.batch_item(batch)
        self._wrote(item, indexes=1 + ("open" in item))

    def create_batch(
        self, batch: Batch, chunks: Sequence[Chunk] = (), unapproved: Unapproved | None = None
    ) -> bool:
        before = self.write_units
        self._wrote_batch(batch)
        if chunks or unapproved:  # in one transaction
            self.write_units += self.write_units - before
        if unapproved:
            self._wrote_twice(table_access.to_item({}, unapproved))
        for chunk in chunks:
            self._wrote_twice(table.chunk_item(batch.batch_id, batch.plan_id, chunk))
        return super().create_batch(batch, chunks, unapproved)

    def claim_content(
        self, sha256: str, batch_id: str, now: datetime, until: datetime, replaces: str = ""
    ) -> str | None:
        self._wrote({})
        return super().claim_content(sha256, batch_id, now, until, replaces)

    def register_rows(self, entry: IndexEntry) -> None:
        self._wrote({})
        super().register_rows(entry)

    def reversed_batch(self, sha256: str) -> str | None:
        self._read([])
        return super().reversed_batch(sha256)

    def batch(self, batch_id: str) -> Batch:
        try:
            batch = super().batch(batch_id)
        except NotFound:
            self._read([])
            raise
        self._read([table.batch_item(batch)])
        return batch

    def save_batch(self, batch: Batch) -> None:
        self._wrote_batch(batch)
        super().save_batch(batch)

    def save_and_record_sending(self, batch: Batch, at: datetime) -> None:
        before = self.write_units
        super().save_and_record_sending(batch, at)
        self.write_units += self.write_units - before  # both in one transaction, which is charged twice

    def record_sending(self, batch_id: str, at: datetime) -> None:
        self._wrote({})
        super().record_sending(batch_id, at)

    def add_chunks(self, batch_id: str, plan_id: str, chunks: Iterable[Chunk]) -> None:
        kept = list(chunks)
        for chunk in kept:
            self._wrote_twice(table.chunk_item(batch_id, plan_id, chunk))
        super().add_chunks(batch_id, plan_id, kept)

    def chunks(self, batch_id: str, plan_id: str) -> list[Chunk]:
        found = super().chunks(batch_id, plan_id)
        size = len(found) * (_bytes(table.chunk_item(batch_id, plan_id, found[-1])) if found else 0)
        pages = max(1, ceil(size / 2**20))
        self.calls["read"] += pages
        self.read_units += max(1, ceil(size / 4096))
        return found

    def chunks_after(self, batch_id: str, plan_id: str, after: str, untouched_max: int) -> list[Chunk]:
        found = super().chunks_after(batch_id, plan_id, after, untouched_max)
        behind = sum(name > after for name in self._chunks.get((batch_id, plan_id), {}))
        size = _bytes(table.chunk_item(batch_id, plan_id, found[-1])) if found else 0
        for start in range(0, max(1, len(found)), table.PAGE_CHUNKS):
            self.calls["read"] += 1
            self.read_units += max(1, ceil(size * min(table.PAGE_CHUNKS, behind - start) / 4096))
        return found

    def save_chunk(self, batch: Batch, chunk: Chunk) -> None:
        self._wrote(table.chunk_item(batch.batch_id, batch.plan_id, chunk))
        super().save_chunk(batch, chunk)


def _bytes_of(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _bytes(item: Mapping[str, Any]) -> int:
    """What DynamoDB takes for an item's size: its names, and its values as text."""
    return sum(len(name) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    [(kind, inner)] = value.items()
    match kind:
        case "S":
            return len(inner.encode())
        case "N":
            return len(inner) // 2 + 1
        case "M":
            return 3 + sum(1 + len(name) + _value_bytes(part) for name, part in inner.items())
        case "L":
            return 3 + sum(1 + _value_bytes(part) for part in inner)
        case _:
            return 1


class PackedFiles(FolderFiles):
    """A folder that keeps small objects as the bucket does, compressed."""

    def put(self, key: str, body: bytes, content_type: str) -> None:
        super().put(key, bucket.compress(body)["Body"], content_type)

    def get(self, key: str) -> bytes:
        body = super().get(key)
        return gzip.decompress(body) if body.startswith(_GZIP_MARK) else body


class CountingRateLimiter(memory.MemoryRateLimiter):
    """The rate limiter, each of whose answers is a write."""

    def __init__(
        self, taken: dict[Resource, int], clock: memory.ManualClock, ids: memory.CountingIds
    ) -> None:
        super().__init__(taken, clock, ids, REQUESTS_PER_30_S)
        self.writes = 0

    def take_slot(self, resource: Resource, priority: Priority, within_s: float) -> tuple[bool, float]:
        self.writes += 1
        return super().take_slot(resource, priority, within_s)

    def take_block(self, resource: Resource, slots_max: int) -> Block:
        self.writes += 1
        return super().take_block(resource, slots_max)


class LightGameball:
    """A Gameball that applies every row once a job is due, and keeps no ledger."""

    def __init__(self, clock: memory.ManualClock, job_s: float) -> None:
        self._clock = clock
        self._job_time = timedelta(seconds=job_s)
        self._jobs: dict[int, tuple[datetime, bytes]] = {}
        self.calls: Counter[str] = Counter()
        self.rows = 0

    def adjust_balances(self, body: bytes) -> int:
        self.calls["POST"] += 1
        job_id = self.calls["POST"]
        self._jobs[job_id] = (self._clock.now() + self._job_time, body)
        return job_id

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        self.calls["GET"] += 1
        due_at, body = self._jobs[job_id]
        if self._clock.now() < due_at:
            return {"status": "running", "response": None}
        rows = exact_json.read(body)["body"]
        self.rows += len(rows)
        del self._jobs[job_id]
        listed = [{"customerId": row["customerId"], "message": "Success"} for row in rows]
        return {"status": "completed", "response": {"successful": listed, "failed": []}}

    def inquire_balances(self, body: bytes) -> int:
        raise NotImplementedError

    def stop_job(self, dialect: Dialect, job_id: int) -> None:
        raise NotImplementedError

    def customer_balance(self, customer_id: str, within_s: float | None = None) -> Mapping[str, Any]:
        raise NotImplementedError

    def transactions(
        self, customer_id: str, start_after: str | None = None, within_s: float | None = None
    ) -> Mapping[str, Any]:
        raise NotImplementedError

    def add_manual_transaction(self, body: bytes, within_s: float | None = None) -> Mapping[str, Any]:
        self.calls["POST"] += 1
        self.rows += 1
        fields: Mapping[str, Any] = exact_json.read(body)
        return {**fields, "gameballTransactionId": self.rows}


def reset_peak_memory() -> None:
    """Let the peak of this process begin anew (proc_pid_clear_refs(5)); only Linux can."""
    if _PROCESS.exists():
        (_PROCESS / "clear_refs").write_text("5")


def peak_memory_mib() -> float:
    """The peak of this process's memory (proc_pid_status(5): VmHWM); 0 where it is not known."""
    lines = (_PROCESS / "status").read_text().splitlines() if _PROCESS.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def build_application(machine: "Machine", blocks: Blocks) -> Application:
    """The application on the machine's ports, with the template's defaults."""
    files = PackedFiles(machine.folder, blocks, machine.calls)
    ports = FakePorts(
        gameball=machine.gameball,
        clock=machine.clock,
        ids=machine.ids,
        ledger=MemoryLedger(machine.clock),
        store=machine.store,
        files=files,
        rate_limiter=machine.rate_limiter,
        scratch=open_scratch_file,
    )
    environment = {
        **ENVIRONMENT,
        "CANARY_ROWS": "100",
        "MAX_FAILURE_PERCENT": "20",
        "GAMEBALL_STATUS_DIALECT": Dialect.GUIDE.value,
        **machine.settings,
    }
    return Application(Settings(environment), ports, Meter(function_metrics))


class Machine:
    """One account: drops a file, and runs the state machine until the batch has ended.

    Args:
        folder: where objects are kept meanwhile.
        job_s: how long a job takes, in seconds.
        settings: those that differ from the template's defaults.
    """

    def __init__(
        self,
        folder: Path,
        job_s: float = 5.0,
        clock: memory.ManualClock | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings or {}
        self.clock = clock or memory.ManualClock()
        self.gameball = LightGameball(self.clock, job_s)
        self.store = CountingStore()
        self.ids = memory.CountingIds()
        self.rate_limiter = CountingRateLimiter({}, self.clock, self.ids)
        self.seconds: dict[str, float] = defaultdict(float)
        self.cpu_s: dict[str, float] = defaultdict(float)
        self.peak_mib: dict[str, float] = defaultdict(float)
        self.invocations: Counter[str] = Counter()
        self.transitions = 0
        self.events = 0
        self.calls: Counter[str] = Counter()
        self.work_bytes = self.result_bytes = 0
        self.folder = folder

    def run(self, blocks: Blocks) -> Batch:
        """Take a file from its drop to its report."""
        app = build_application(self, blocks)
        key = f"inbox/{self.invocations['notify']}.csv"
        batch = self._step("submit_batch", lambda: app.triggers.submit_object(key, None))
        assert batch is not None
        while True:
            _, step = self._task("poll_jobs", lambda: app.poller.poll(batch.batch_id, self._until()))
            self._state("Choice")
            if step.is_over:
                break
            if step.more_to_send:
                self._task("submit_more", lambda: app.sender.submit(batch.batch_id, self._until()))
            self._state("Wait")
            self.clock.sleep(step.wait_s)
        self._task("write_report", lambda: app.report_writer.report(batch.batch_id))
        ended: Batch = self._task("notify", lambda: app.notifier.notify(batch.batch_id))
        self._state("Succeed")
        self.work_bytes += _bytes_of(self.folder.glob("work~*"))
        self.result_bytes += _bytes_of(self.folder.glob("results~*"))
        return ended

    def _until(self) -> datetime:
        return self.clock.now() + STEP_TIME - STEP_MARGIN

    def _task(self, name: str, act: Callable[[], Any]) -> Any:
        self._state("Task")
        return self._step(name, act)

    def _state(self, kind: str) -> None:
        self.transitions += 1
        self.events += EVENTS_OF[kind]

    def _step(self, name: str, act: Callable[[], Any]) -> Any:
        """One invocation of a function."""
        self.invocations[name] += 1
        reset_peak_memory()
        began_at, cpu_s = self.clock.now(), time.process_time()
        result = act()
        self.peak_mib[name] = max(self.peak_mib[name], peak_memory_mib())
        spent_s = time.process_time() - cpu_s
        self.cpu_s[name] += spent_s
        self.seconds[name] += (self.clock.now() - began_at).total_seconds() + spent_s
        return result
