"""No file costs more than its size: in each dimension, eight times as much takes about eight times as long.

Measured is processor time, least of several runs, which other work on the machine can only make longer. A run
counts as linear as soon as its least times show it; a square grows by 64 and never does.
"""

import gc
import gzip
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.results.report_html.view_model import RowsView
from adjustments.submission.csv.row_validator import RowValidator
from adjustments.submission.csv.writer import CsvWriter
from adjustments.submission.planner import plan_batch
from adjustments.submission.triggers import drop_of
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

TIMES: Final = 8
RATIO_MAX: Final = 22.0
"""Between 8, a line, and 64, a square."""

ROUNDS_MAX: Final = 6

HEAD = "customerId,amount,reason\n"


def rows(n: int, reason: str = "spring", bad: bool = False) -> str:
    return HEAD + "".join(f"c{i},{'x' if bad else i % 9 + 1},{reason}\n" for i in range(n))


DIMENSIONS: dict[str, tuple[int, Callable[[int], str]]] = {
    "rows": (1_500, rows),
    "bad rows": (600, lambda n: rows(n, bad=True)),
    "columns": (
        24,
        lambda n: (
            "customerId,amount,"
            + ",".join(f"h{i}" for i in range(n))
            + "\n"
            + "".join(f"c{i},1,{',' * (n - 1)}\n" for i in range(300))
        ),
    ),
    "columns of a header that is refused": (3_000, lambda n: ",".join(["error"] * n) + "\nc,1\n"),
    "length of a header": (7_000, lambda n: f"customerId,amount,{'h' * n}\n" + "c,1,\n" * 20),
    "length of a cell": (6_000, lambda n: HEAD + "".join(f"c{i},1,{'r' * n}\n" for i in range(9))),
    "quotes in a cell": (3_000, lambda n: HEAD + f'c1,1,"{chr(34) * 2 * n}"\n' * 6),
    "quoted rows": (400, lambda n: HEAD + "".join(f'"c{i}",1,"two\nlines"\n' for i in range(n))),
    "quotes that are bad": (400, lambda n: HEAD + "".join(f'"c{i}"x,1,"r"\n' for i in range(n))),
    "apostrophes": (3_000, lambda n: HEAD + f"c1,1,;{chr(39) * n}\n" * 6),
    "parts that run": (3_000, lambda n: HEAD + f"c1,1,{';=' * n}\n" * 6),
    "blanks in a cell": (6_000, lambda n: HEAD + f"c1,1,{' ' * n}x\n" * 6),
    "repeated customers": (600, lambda n: HEAD + "".join(f"c{i % max(1, n // 40)},1,r\n" for i in range(n))),
    "rows of one customer": (600, lambda n: HEAD + "c,1,r\n" * n),
    "different reasons": (800, lambda n: HEAD + "".join(f"c{i},1,reason {i}\n" for i in range(n))),
    "blank lines": (8_000, lambda n: HEAD + "\n" * n + "c,1,r\n"),
    "lines of delimiters": (3_000, lambda n: ",,,\n" * n + HEAD + "c,1,r\n"),
    "ids that look alike": (600, lambda n: HEAD + "".join(f"A{i}@x,1,\na{i}@x,1,\n" for i in range(n))),
    "rows that go as transactions": (
        150,
        lambda n: "customerId,points,reason,username\n" + "".join(f"c{i},1,r,u\n" for i in range(n)),
    ),
    "sign words": (800, lambda n: "customerId,amount,type\n" + "".join(f"c{i},1,t{i}\n" for i in range(n))),
}
PACKED = {"compression": (20_000, lambda n: HEAD + "c,1,r\n" + "\n" * n)}


def planned(text: str, *, packed: bool = False) -> tuple[World, Batch]:
    world = World(MemoryGameball())
    content = gzip.compress(text.encode()) if packed else text.encode()
    drop = drop_of(world.files.drop(f"inbox/f.csv{'.gz' if packed else ''}", content))
    assert drop is not None
    return world, plan_batch(drop, world.triggers.planner_ports).batch


def processor_s(work: Callable[[], object]) -> float:
    gc.collect()
    gc.disable()
    try:
        began = time.process_time()
        work()
        return time.process_time() - began
    finally:
        gc.enable()


def ratio_of(small: Callable[[], object], large: Callable[[], object], rounds_max: int = ROUNDS_MAX) -> float:
    """How much longer the large work takes; measured again while it looks like more than a line."""
    small()  # what is made once is made by now
    least_small = min(processor_s(small) for _ in range(3))
    least_large = processor_s(large)
    for _ in range(rounds_max):
        if least_large / least_small <= RATIO_MAX:
            break
        least_small = max(1e-9, min(least_small, processor_s(small)))
        least_large = min(least_large, processor_s(large))
    return least_large / least_small


@pytest.mark.parametrize("name", [*DIMENSIONS, *PACKED])
def test_planning_grows_in_a_line(name: str):
    packed = name in PACKED
    size, build = (DIMENSIONS | PACKED)[name]
    small, large = build(size), build(size * TIMES)
    assert ratio_of(lambda: planned(small, packed=packed), lambda: planned(large, packed=packed)) < RATIO_MAX


def reports(world: World, batch: Batch) -> Callable[[], object]:
    """Write all result files of a batch that was stopped before anything of it was sent, again and again."""
    name = batch.batch_id
    if not batch.refusal:
        world.store.save_batch(batch.moved(BatchStatus.SUBMITTING, stop_reason="stopped by ann: wrong month"))
    until = world.clock.now() + timedelta(minutes=5)
    while not world.poller.poll(name, until)[1].is_over:
        pass
    over = world.store.batch(name)

    def report() -> None:
        assert world.report_writer.report(name).status.is_final
        world.store._batches[name] = over  # as if the function had been killed before its last write

    return report


REPORTED = ["rows", "bad rows", "columns", "quoted rows", "quotes that are bad", "rows of one customer",
            "different reasons", "repeated customers"]  # fmt: skip


@pytest.mark.parametrize("name", REPORTED)
def test_results_and_report_grow_in_a_line(name: str):
    size, build = DIMENSIONS[name]
    small, large = (reports(*planned(build(n))) for n in (size, size * TIMES))
    assert ratio_of(small, large) < RATIO_MAX


@pytest.mark.parametrize("planted", ["planner", "writer", "report"])
def test_a_square_that_is_planted_is_found(planted: str, monkeypatch: pytest.MonkeyPatch):
    size, build = DIMENSIONS["bad rows"]
    small, large = build(size), build(size * TIMES)
    kind, method = {
        "planner": (RowValidator, "_rejection"),
        "writer": (CsvWriter, "write"),
        "report": (RowsView, "add_problem"),
    }[planted]
    original = getattr(kind, method)

    def slowly(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen = self.__dict__.setdefault("seen", [])
        seen.append(len(seen))
        assert not any(-1 in seen for _ in range(15)), "a look-up in a list, the plainest square"
        return original(self, *args, **kwargs)

    monkeypatch.setattr(kind, method, slowly)
    if planted == "planner":
        assert ratio_of(lambda: planned(small), lambda: planned(large), 1) > RATIO_MAX
    else:
        assert ratio_of(reports(*planned(small)), reports(*planned(large)), 1) > RATIO_MAX
