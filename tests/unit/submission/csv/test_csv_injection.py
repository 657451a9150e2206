"""Cells that a spreadsheet would run are made harmless, and come back as they were."""

import csv
import io
import time

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


@pytest.mark.parametrize(
    ("delimiter", "cell", "harmless"),
    [
        (",", "gift;=1+1", "gift;'=1+1"),
        (",", "gift\t@sum", "gift\t'@sum"),
        (",", "gift| -x", "gift|' -x"),
        (",", "two\n=lines", "two\n'=lines"),
        (",", 'a;"=1', "a;'\"=1"),
        (";", "gift,=1+1", "gift,'=1+1"),
        ("\t", "a;+1,+2", "a;'+1,'+2"),
        (",", "gift,=1+1", "gift,=1+1"),
        (";", "gift;=1+1", "gift;=1+1"),
        (",", "a;b=c", "a;b=c"),
    ],
)
def test_part_that_another_delimiter_would_split_off_is_harmless(delimiter: str, cell: str, harmless: str):
    assert escape_formula(cell, delimiter) == harmless
    assert unescape_formula(harmless, delimiter) == cell


@given(st.text(alphabet="'=-,;\t|\n\" a"), st.sampled_from([",", ";", "\t", "|"]))
def test_every_cell_comes_back_whatever_delimiter_the_file_has(cell: str, delimiter: str):
    assert unescape_formula(escape_formula(cell, delimiter), delimiter) == cell


@given(st.lists(st.text(alphabet="'=;, \n\"a"), min_size=1), st.sampled_from([",", ";"]))
def test_block_without_restorable_parts_has_none(cells: list[str], delimiter: str):
    if not may_have_escaped_formula(delimiter.join(cells)):
        assert [unescape_formula(cell, delimiter) for cell in cells] == cells


@given(
    st.lists(st.text(alphabet="'=+-@;,|\t\n\" a"), min_size=2, max_size=4),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_no_cell_runs_whatever_delimiter_a_spreadsheet_chooses(cells: list[str], own: str, chosen: str):
    """The reader is as lenient as spreadsheets are: quotes count at the start of a cell only."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=own).writerow([escape_formula(cell, own) for cell in cells])
    for record in csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=chosen):
        for cell in record:
            assert cell.lstrip()[:1] not in {"=", "+", "-", "@"}


@pytest.mark.parametrize("cell", ["a;" + "'" * 60_000, "=" * 60_000, ";\n" * 30_000 + "x", ";=" * 30_000])
def test_nastiest_cells_take_no_time(cell: str):
    started = time.perf_counter()
    assert unescape_formula(escape_formula(cell)) == cell
    assert time.perf_counter() - started < 1
