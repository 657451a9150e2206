"""Finding one customer in 1,000 batches of 400 days: how much is read, and how long it takes."""

import tempfile
import time
from array import array
from datetime import timedelta
from pathlib import Path
from typing import Final

from adjustments.administration.customer_history import HistoryRequest
from adjustments.batches import customer_index
from adjustments.batches.row_index import customer_digests
from adjustments.batches.store import IndexEntry
from tests.bench.measurements import Result
from tests.bench.ports import FolderFiles
from tests.bench.tables import table
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

BATCHES: Final = 1_000
ROWS: Final = 100_000
WITH_CUSTOMER: Final = 12
GET_S: Final = 0.03
"""Seconds of one ranged read of S3, for the estimate."""

WORKERS: Final = 12


class _CountingFiles(FolderFiles):
    """Serves one index for all batches, and counts."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, lambda: iter(()))
        self.bytes_read = 0

    def get_range(self, key: str, first: int, end: int) -> bytes:
        found = super().get_range("customers.idx" if key.startswith("many/") else key, first, end)
        self.bytes_read += len(found)
        return found

    def get(self, key: str) -> bytes:
        found = super().get(key)
        self.bytes_read += len(found)
        return found


def measure() -> Result:
    """The table of the document."""
    world = World(MemoryGameball())
    with tempfile.TemporaryDirectory() as name:
        files = _CountingFiles(Path(name))
        digests = customer_digests([f"member-{number}" for number in range(ROWS)])
        index = array("Q", sorted(customer_index.entries(digests, 1)))
        files.put("customers.idx", index.tobytes(), "")
        for number in range(BATCHES - WITH_CUSTOMER):
            planned_at = world.clock.now() - timedelta(days=400 * number // BATCHES)
            batch_id = f"{planned_at:%Y%m%d-%H%M%S}-b-{number:012d}"
            entry = IndexEntry(batch_id, planned_at, ROWS)
            world.store.register_rows(
                entry._replace(customers_rows=ROWS, customers_key=f"many/{number}/customers.idx")
            )
        text = "customerId,amount\n" + "".join(f"c{number},1\n" for number in range(20_000))
        for number in range(WITH_CUSTOMER):
            world.run(world.drop(f"{text}wanted,{number + 1}\n", f"{number}.csv", allow_duplicate="true"))
        for key in world.files.names("work/"):
            files.put(key, world.files.get(key), "")
        files.calls.clear()
        files.bytes_read = 0
        world.customer_history.__dict__["files"] = files
        world.customer_history.rows._files = files
        world.customer_history.rows._settler.__dict__["files"] = files
        began_s, found, pages, after = time.process_time(), 0, 0, None
        while True:
            page = world.customer_history.page("wanted", HistoryRequest(after=after))
            found, pages, after = found + len(page["rows"]), pages + 1, page["next"]
            if after is None:
                break
        spent_s = time.process_time() - began_s
    if found != WITH_CUSTOMER:
        raise RuntimeError(f"{found} rows were found, not {WITH_CUSTOMER}")
    gets = files.calls["get"]
    lines = [
        ("batches searched, rows found, pages", f"{BATCHES:,}, {found}, {pages}"),
        ("objects read, or parts of objects", f"{gets:,}"),
        ("MB read", f"{files.bytes_read / 1e6:.1f}"),
        ("processor seconds", f"{spent_s:.2f}"),
        (f"seconds at {GET_S * 1000:.0f} ms a read, {WORKERS} side by side", f"{gets * GET_S / WORKERS:.1f}"),
        ("cents for the reads", f"{gets * 0.0004 / 10:.3f}"),
    ]
    told = (
        f"{BATCHES:,} batches of {ROWS:,} rows in 400 days, of which {WITH_CUSTOMER} (of 20,001 rows) have "
        "the customer. Calls are counted; the time on AWS is computed from them."
    )
    return Result(f"{told}\n\n{table(['', ''], lines)}")
