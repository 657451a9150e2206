"""What a batch takes of Gameball, AWS and time, counted from a thousand rows to ten million."""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from adjustments.batches import payloads
from adjustments.core.limits import CHUNK_ROWS_MAX
from tests.bench import inputs, measurements
from tests.bench.machine import Machine
from tests.bench.measurements import Result
from tests.bench.tables import table
from tests.fakes.memory import START

ROWS: Final = (1_000, 10_000, 100_000, 1_000_000)
THINNED: Final = 100
"""In place of ten million rows: a hundredth of them, in as many chunks."""

JOB_S: Final = 5.0


class _Lines(logging.Handler):
    """Counts the lines that the services log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


@contextmanager
def _lines() -> Iterator[_Lines]:
    logger, lines = logging.getLogger("adjustments"), _Lines()
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(lines)
        logger.setLevel(level)


def count(
    rows: int,
    chunk_rows: int = CHUNK_ROWS_MAX,
    job_s: float = JOB_S,
    settings: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run one batch, and count; ``settings`` differ from the template's defaults."""
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(payloads, "CHUNK_ROWS_MAX", chunk_rows),
        _lines() as lines,
    ):
        machine = Machine(Path(folder), job_s, settings=settings)
        ended = machine.run(lambda: inputs.blocks(rows))
    if ended.counts.applied != rows or machine.gameball.rows != rows:
        raise RuntimeError(f"{rows} rows: {ended.counts}, {machine.gameball.rows} at Gameball")
    return {
        "rows": rows * CHUNK_ROWS_MAX // chunk_rows,
        "chunks": ended.chunks,
        "posts": machine.gameball.calls["POST"],
        "polls": machine.gameball.calls["GET"],
        "table_writes": machine.store.calls["write"] + machine.rate_limiter.writes,
        "write_units": machine.store.write_units + machine.rate_limiter.writes,
        "read_units": machine.store.read_units,
        "puts": machine.calls["put"],
        "gets": machine.calls["get"] + machine.calls["head"],
        "work_bytes": machine.work_bytes,
        "result_bytes": machine.result_bytes,
        "transitions": machine.transitions,
        "events": machine.events,
        "log_lines": lines.count,
        "seconds": dict(machine.seconds),
        "cpu_s": dict(machine.cpu_s),
        "invocations": dict(machine.invocations),
        "peak_mib": dict(machine.peak_mib),
        "took_s": (machine.clock.now() - START).total_seconds(),
    }


def count_all() -> list[dict[str, Any]]:
    """Count each size; the largest is thinned out, and says nothing of processor time."""
    counts = [count(rows) for rows in ROWS]
    counts.append(count(ROWS[-1] * 10 // THINNED, CHUNK_ROWS_MAX // THINNED))
    return counts


def counted() -> list[dict[str, Any]]:
    """What was counted last."""
    kept: list[dict[str, Any]] | None = measurements.figures_of("growth")
    return kept or count_all()


def measure() -> Result:
    """The table of the document."""
    lines = []
    counts = count_all()
    for one in counts:
        millions = one["rows"] / 1e6
        lambda_s = sum(one["seconds"].values())
        shown = [
            one["posts"] + one["polls"],
            one["table_writes"],
            one["read_units"],
            one["puts"] + one["gets"],
        ]
        lines.append(
            (
                f"{one['rows']:,}" + ("*" if one is counts[-1] else ""),
                *(f"{number / millions:,.0f}" for number in shown),
                f"{lambda_s / millions:,.0f}",
                one["transitions"],
                f"{one['took_s']:,.0f}",
            )
        )
    heading = [
        "rows", "requests to Gameball / M", "table writes / M", "read units / M", "S3 calls / M",
        "Lambda s / M", "transitions in all", "took, s",
    ]  # fmt: skip
    note = (
        "\\* thinned: 10 rows a chunk in place of 1,000, hence as many chunks, requests, writes and "
        "transitions as ten million rows; its Lambda seconds hold a hundredth of the processing."
    )
    return Result(f"{table(heading, lines)}\n\n{note}", counts)
