"""fix-me.csv, dropped untouched, means what the input meant: a bad row stays bad, a good one its value."""

import codecs
import csv
import io
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjustments.batches.records import Batch
from adjustments.batches.rows import Rejection, Row
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World
from tests.unit.submission.csv.reading import read


class Dialect(NamedTuple):
    """How a file is written."""

    delimiter: str
    line_end: str
    encoding: str


DIALECTS = st.builds(
    Dialect,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
)
IDS = st.sampled_from(
    ["c1", "+201001234567", "=c", "'-c", "O'Brien", "josé", "a;b", "c,d", "", "1.5E+11", "c"]
)
AMOUNTS = st.sampled_from(
    [
        "5",
        "-5",
        "+7",
        "007",
        "12.50",
        "12,5",
        "-0,25",
        "1.250",
        "1,000",
        "1.125",
        "0",
        "",
        "$5",
        "(5)",
        "x",
        "=5",
    ]
)
TEXTS = st.one_of(
    st.text(alphabet="a;,|\t\"'=+- é\n", max_size=6),
    st.sampled_from(
        ["", "gift", ";=1+1", "a,'=x", 'say "hi"', "two\nlines", "line 2: mine", "r" * 501, "\x00"]
    ),
)
HEADERS = st.sampled_from(
    [
        ["customerId", "amount", "reason", "note"],
        ["points", "player id", "reason", "=x"],
        ["amount", "customerId", "error", "a;b,c|d"],
        ["customerId", "amount", "reason", "error"],
        ["error", "customerId", "amount", ",customerId,amount,"],
    ]
)
RAW = st.sampled_from(['"a"b', '"=a"b', "c9", "5", '"x;y"z', '"x,y"z', "", "reason", "=1+1", "'=c"])


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, Dialect]:
    """Files with good rows, bad rows, rows of the wrong length, and rows whose quotes are bad."""
    dialect, header = draw(DIALECTS), draw(HEADERS)
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=dialect.delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(header)
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["whole", "whole", "whole", "ragged", "raw"]))
        if kind == "raw":
            cells = draw(st.lists(RAW, min_size=1, max_size=6))
            out.write(dialect.delimiter.join(cells) + "\r\n")
            continue
        row = {
            "customerId": draw(IDS),
            "player id": draw(IDS),
            "amount": draw(AMOUNTS),
            "points": draw(AMOUNTS),
        }
        cells = [row.get(name, draw(TEXTS)) for name in header]
        if kind == "ragged":
            cells = [*cells[: draw(st.integers(0, 4))], *draw(st.lists(TEXTS, max_size=3))]
        writer.writerow(cells)
    text = out.getvalue().replace("\r\n", dialect.line_end)
    return text.encode(dialect.encoding, errors="replace"), dialect


def dropped(data: bytes) -> tuple[World, Batch]:
    """A file of which nothing is applied, so that all of it comes back."""
    gameball = MemoryGameball()
    gameball.unknown_customers = {row.customer_id for row in read(data).rows}
    world = World(gameball)
    return world, world.run(world.drop(data))


def meaning(decision: Row | Rejection) -> tuple[object, ...]:
    """What a row means: which change, or why none."""
    if isinstance(decision, Rejection):
        return decision.problem, decision.column, decision.text
    return decision.customer_id, decision.amount, decision.reason


@settings(max_examples=120, deadline=None)
@given(files())
def test_every_row_that_comes_back_means_what_it_meant(file: tuple[bytes, Dialect]):
    data, _ = file
    first = read(data)
    if first.refused:
        return
    world, ended = dropped(data)
    fix_me = world.files.get(f"results/{ended.batch_id}/fix-me.csv")
    again = read(fix_me)
    assert again.refused is None
    assert list(map(meaning, again.decisions)) == list(map(meaning, first.decisions))
    world, ended = dropped(fix_me)
    third = read(world.files.get(f"results/{ended.batch_id}/fix-me.csv"))
    assert list(map(meaning, third.decisions)) == list(map(meaning, first.decisions))


def saved_by_a_spreadsheet(data: bytes) -> bytes:
    """Opened in Excel and saved: every row is as wide as the widest, and only what needs quotes has some."""
    form = read(data).notes
    assert form is not None
    text = data.decode("utf-16" if form.dialect.encoding == "utf-16" else "utf-8-sig")
    records = list(csv.reader(io.StringIO(text, newline=""), delimiter=form.dialect.delimiter))
    width = max(map(len, records))
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=form.dialect.delimiter)
    writer.writerows([*record, *[""] * (width - len(record))] for record in records)
    return out.getvalue().encode("utf-8-sig")


@settings(max_examples=80, deadline=None)
@given(files())
def test_every_row_means_the_same_after_a_spreadsheet_saved_it(file: tuple[bytes, Dialect]):
    data, _ = file
    first = read(data)
    if first.refused or b",customerId,amount," in data.replace(b"\0", b""):
        return  # saved without quotes, this header has two readings
    world, ended = dropped(data)
    again = read(saved_by_a_spreadsheet(world.files.get(f"results/{ended.batch_id}/fix-me.csv")))
    assert again.refused is None
    assert list(map(meaning, again.decisions)) == list(map(meaning, first.decisions))


@settings(max_examples=40, deadline=None)
@given(files())
def test_both_files_come_back_in_the_dialect_of_the_input(file: tuple[bytes, Dialect]):
    data, dialect = file
    if read(data).refused:
        return
    world, ended = dropped(data)
    for name in ("fix-me.csv", "results.csv"):
        content = world.files.get(f"results/{ended.batch_id}/{name}")
        is_utf_16 = dialect.encoding == "utf-16"
        mark = codecs.BOM_UTF16_LE if is_utf_16 else codecs.BOM_UTF8
        has_mark = dialect.encoding != "utf-8" or dialect.delimiter == ";"
        if dialect.encoding == "cp1252" and dialect.delimiter != ";":
            has_mark = world.store.batch(ended.batch_id).notes[0].startswith("encoding: Windows-1252")
        assert content.startswith(mark) == has_mark
        text = content.decode("utf-16" if is_utf_16 else "utf-8-sig")
        assert text.endswith(dialect.line_end)
        head = next(csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter))
        assert head[-1] == ("error" if name == "fix-me.csv" else "jobId")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"customerId;points\nplayer-00720;1.250\n", "amount_thousands_separator"),
        (b'customerId,amount\n"player-1"x,5\n', "bad_quotes"),
        (b"customerId,amount,reason\nc1,5\n", "too_few_fields"),
        (b"customerId,amount\nc1,5,6\n", "too_many_fields"),
    ],
)
def test_row_that_was_rejected_is_never_sent_by_dropping_fix_me_untouched(data: bytes, problem: str):
    world = World(MemoryGameball())
    for _ in range(3):
        ended = world.run(world.drop(data))
        data = world.files.get(f"results/{ended.batch_id}/fix-me.csv")
        assert (ended.counts.rejected, ended.counts.applied) == (1, 0)
        assert [rejection.problem for rejection in read(data).rejections] == [problem]


@pytest.mark.parametrize(
    "data",
    [
        b'customerId,amount,reason\nc1,5,"NULL"\nc2,5,NULL\nc3,x,"None"\nc4,5,"#N/A"\n',
        b"customerId,amount,reason\nnull,5,\nTotal,5,x\n'00123,5,x\n=\"007\",5,x\n'c1',5,x\nc2,5,'x'\n",
        b'customerId,amount\nc1,1.000\nc2,"12,50"\nc3,7\n',
        "customerId,amount,reason\ncafé,5,x\nc2,5,x\n".encode() + b"c\xe93,5,x\nc4,5,\xe9\n",
    ],
)
def test_words_lost_characters_and_marks_of_text_come_back_as_they_were(data: bytes):
    first = read(data)
    world, ended = dropped(data)
    again = read(world.files.get(f"results/{ended.batch_id}/fix-me.csv"))
    assert list(map(meaning, again.decisions)) == list(map(meaning, first.decisions))


def test_row_added_below_the_error_column_needs_no_error():
    [row] = read(b"customerId,amount,error\nc1,5\n").decisions
    assert isinstance(row, Row)
