"""Cells that a spreadsheet would run are made harmless, and come back as they were."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adjustments.submission.csv.csv_injection import (
    escape_formula,
    may_have_escaped_formula,
    unescape_formula,
)


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+201001234567", "-x", "- 5", "@sum", "\tx", "\rx", "\nx", " =1+1", "'=1", "''-5", "+5", "-5+6",
     "--5", "-00", "-1234567890123456", "\uff1d1"],
)  # fmt: skip
def test_risky_cell_gets_an_apostrophe(cell: str):
    assert escape_formula(cell) == "'" + cell


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "5",
        "12.50",
        "-5",
        "-12.5",
        "-12,5",
        "-.5",
        "-123456789012345",
        "c1",
        "O'Brien",
        "'quoted'",
        "a=b",
        "a-b",
    ],
)
def test_harmless_cell_stays(cell: str):
    assert escape_formula(cell) == cell
    assert unescape_formula(cell) == cell


@given(st.one_of(st.text(), st.text(alphabet="'=+-@\t\r\n 1a.")))
@example("'")
@example("''=")
@example("'-5")
@example("-5")
def test_every_cell_comes_back(cell: str):
    assert unescape_formula(escape_formula(cell)) == cell


@given(st.text(alphabet="'=+-@\t\r\n 1a."))
def test_neutralised_cell_begins_with_nothing_that_runs(cell: str):
    harmless = escape_formula(cell)
    assert harmless.lstrip()[:1] not in {"=", "+", "@"}
    assert not harmless.startswith(("\t", "\r", "\n"))


@given(st.lists(st.text(alphabet="'=+- \t1a"), min_size=1))
def test_block_without_restorable_cells_has_none(cells: list[str]):
    if not may_have_escaped_formula(",".join(cells)):
        assert [unescape_formula(cell) for cell in cells] == cells
