"""Cells stay cells in results.csv and fix-me.csv, whichever delimiter a spreadsheet splits them at."""

import csv
import io
import re

import pytest

from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

DELIMITERS = [",", ";", "\t", "|"]
RISKY = ["=1+1", "+cmd|' /C calc'!A0", "@SUM(1)", "-2+3", "＝1", '"=1', " =1"]
HARMLESS = ["O'Brien", "a=b", "a-b", "5;6", "x|y", "a,b"]
RUNS = re.compile(r"\s*[=+\-@＝]")
NUMBER = re.compile(r"-?[0-9.,]+")


def written(own: str, reasons: list[str]) -> dict[str, str]:
    """Both files of a batch in which every row fails."""
    text = io.StringIO(newline="")
    rows = [[f"unknown-{number}", "-1", reason] for number, reason in enumerate(reasons)]
    csv.writer(text, delimiter=own).writerows([["customerId", "amount", "reason"], *rows])
    gameball = MemoryGameball()
    gameball.unknown_customers = {row[0] for row in rows}
    world = World(gameball)
    batch = world.run(world.drop(text.getvalue()))
    assert batch.counts.failed == len(reasons)
    return {name: world.result(batch, name) for name in ("results.csv", "fix-me.csv")}


def cells(text: str, delimiter: str) -> list[str]:
    records = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter)
    return [cell for record in records for cell in record]


@pytest.mark.parametrize("own", DELIMITERS)
def test_no_cell_of_either_file_runs_at_any_delimiter(own: str):
    reasons = [f"gift{between}{risky}" for between in DELIMITERS for risky in RISKY] + [
        risky for risky in RISKY if risky[0] != '"'
    ]
    for text in written(own, reasons).values():
        for chosen in DELIMITERS:
            found = [cell for cell in cells(text, chosen) if RUNS.match(cell) and not NUMBER.fullmatch(cell)]
            assert found == []


@pytest.mark.parametrize("own", DELIMITERS)
def test_cells_that_run_nowhere_stay_as_they_are(own: str):
    for text in written(own, HARMLESS).values():
        assert set(HARMLESS) <= set(cells(text, own))
