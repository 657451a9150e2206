"""Ten and a hundred times the size: what is computed from quotas, and what is simulated."""

from typing import Final

from tests.bench import growth
from tests.bench.machine import REQUESTS_PER_30_S
from tests.bench.measurements import Result
from tests.bench.tables import table

ROWS_A_DAY: Final = (10**6, 10**7, 10**8, 10**9)
ROWS_A_FILE: Final = 10**7
SECONDS_A_DAY: Final = 86_400
HISTORY_EVENTS_MAX: Final = 25_000
"""Entries of one execution's history (Step Functions quotas)."""


def rows_per_s() -> float:
    """Rows that one account takes, with one poll for each request: both share Gameball's limit."""
    return REQUESTS_PER_30_S / 30 * 1_000 / 2


def measure() -> Result:
    """The table of the document."""
    largest = growth.counted()[-1]
    took_s, events = largest["took_s"], largest["events"]
    lines = []
    for rows in ROWS_A_DAY:
        hours = rows / rows_per_s() / 3_600
        files = max(1, rows // ROWS_A_FILE)
        writes = largest["write_units"] / largest["rows"] * rows
        lines.append(
            (
                f"{rows:,}",
                files,
                f"{hours:,.1f}",
                max(1, -(-int(hours * 3_600) // SECONDS_A_DAY)),
                f"{writes / max(1.0, min(hours, 24.0) * 3_600):,.0f}",
                f"{largest['transitions'] * files:,}",
            )
        )
    heading = [
        "rows a day", "files of 10⁷", "hours at one account's limit", "accounts (or × quota) needed",
        "table writes/s", "transitions",
    ]  # fmt: skip
    return Result(
        f"{table(heading, lines)}\n\n"
        f"Simulated, ten million rows in one batch: {took_s / 60:.0f} minutes, {largest['transitions']} "
        f"transitions and {events} of the {HISTORY_EVENTS_MAX:,} entries that a history may have."
    )
