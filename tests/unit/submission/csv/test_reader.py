"""Any rows, written in any of the ways people have, are read as they were meant; any bytes get a decision."""

import csv
import gzip
import io
import json
import time
from decimal import Decimal
from operator import itemgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjustments.batches.rows import Rejection, Row
from adjustments.core.printable import is_invisible
from adjustments.submission.csv import parser
from adjustments.submission.csv.csv_injection import escape_formula
from adjustments.submission.csv.header import layout_of
from adjustments.submission.csv.parser import RecordBlock
from adjustments.submission.csv.placeholders import is_machine_word, is_wrapped
from adjustments.submission.csv.problems import FileProblem, RowProblem
from adjustments.submission.csv.row_validator import RowValidator
from tests.unit.submission.csv.reading import Reading, cut, read

# --- rows that can be sent, as people write them -------------------------------------------------------
printable = st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Zs"))
ids = st.text(printable, min_size=1, max_size=20).filter(lambda text: not text.startswith("'"))
ids_clear_of_numbers = ids.map(lambda text: f"c{text}")
amounts = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "-"]),
    st.integers(1, 999_999_999),
    st.sampled_from(["", ".5", ".25", ".000001"]),
)
reasons = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.sampled_from("\n\t,;|\"'"), max_size=30
)


def is_sent_as_it_is(text: str) -> bool:
    text = text.strip()
    return "\ufffd" not in text and not is_machine_word(text) and not is_wrapped(text)


people_rows = st.lists(
    st.tuples(ids_clear_of_numbers.filter(is_sent_as_it_is), amounts, reasons.filter(is_sent_as_it_is)),
    min_size=1,
    max_size=8,
)
layouts = st.tuples(
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.booleans(),
)


def written(rows: list[tuple[str, str, str]], layout: tuple[str, str, str, int, bool]) -> bytes:
    delimiter, line_end, encoding, quoting, gzipped = layout
    file = io.StringIO(newline="")
    # Before Python 3.13 the writer leaves a line end bare that is not its own.
    quoting = quoting if line_end == "\r\n" else csv.QUOTE_ALL
    writer = csv.writer(file, delimiter=delimiter, lineterminator=line_end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([("customerId", "amount", "reason"), *rows])
    data = file.getvalue().encode(encoding)
    return gzip.compress(data) if gzipped else data


@given(people_rows, layouts)
def test_rows_written_in_any_way_are_read_as_they_were(
    rows: list[tuple[str, str, str]], layout: tuple[str, str, str, int, bool]
):
    safe = [(customer_id, amount, escape_formula(reason)) for customer_id, amount, reason in rows]
    reading = read(written(safe, layout), gzipped=layout[4])
    assert [row[1:4] for row in reading.decisions] == [
        (id_, amount, reason.strip()) for id_, amount, reason in rows
    ]
    assert sum(Decimal(row.amount) for row in reading.rows) == sum(Decimal(amount) for _, amount, _ in rows)
    assert reading.notes is not None
    assert reading.notes.delimiter == layout[0]


# --- files that are somehow wrong ----------------------------------------------------------------------
fragments = st.sampled_from(
    [
        *(b"customerId,amount,reason\n", b"customerId;amount\r\n", b"c1,5,x\n", b"c2,-1.5,\n", b'"a\nb"'),
        *(b'"', b'""', b",", b";", b"|", b"\t", b" ", b"\n", b"\r", b"\r\n", b"\0", b"x" * 300),
        *(b"\xff\xfe", b"\xef\xbb\xbf", b"\xe9", "é€ع".encode(), b"\x1f\x8b"),
        *(b"1,000", b"12,5", b"1e9", b"'=1", b"=1", b"NaN"),
    ]
)
odd_files = st.one_of(
    st.binary(max_size=200),
    st.lists(fragments, max_size=20).map(b"".join),
    st.lists(fragments, max_size=20).map(lambda parts: b"customerId,amount,reason\n" + b"".join(parts)),
)


def check_decision(reading: Reading) -> None:
    """What holds for every file, however odd."""
    if reading.refused:
        code, message = reading.refused
        assert code in set(FileProblem)
        assert not any(map(is_invisible, message))
        return
    assert reading.decisions
    lines = [decision.line for decision in reading.decisions]
    assert lines == sorted(set(lines))
    for row in reading.rows:
        assert row.customer_id == row.customer_id.strip() != ""
        assert json.loads(row.amount, parse_int=Decimal, parse_float=Decimal) == Decimal(row.amount) != 0
    for rejection in reading.rejections:
        assert rejection.problem in set(RowProblem)
        assert rejection.message.startswith(f"line {rejection.line}")
        assert not any(map(is_invisible, rejection.message))


@settings(max_examples=400)
@given(odd_files, st.booleans())
def test_any_bytes_get_a_decision(data: bytes, gzipped: bool):
    check_decision(read(data, gzipped=gzipped))
    check_decision(read(gzip.compress(data), gzipped=True))


@settings(max_examples=200)
@given(people_rows, layouts, st.data())
def test_mutated_file_gets_a_decision(
    rows: list[tuple[str, str, str]], layout: tuple[str, str, str, int, bool], data: st.DataObject
):
    file = bytearray(written(rows, layout))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(file) - 1))
        file[place : place + data.draw(st.integers(0, 3))] = data.draw(fragments)
    check_decision(read(bytes(file), gzipped=layout[4]))


@settings(max_examples=200)
@given(odd_files, st.lists(st.integers(0, 1_000), max_size=5), st.integers(16, 64))
def test_where_bytes_are_cut_makes_no_difference(data: bytes, places: list[int], block_bytes: int):
    whole = read(data)
    assert read(data, blocks=list(cut(data, places))) == whole
    pieces = read(data, block_bytes=block_bytes)
    if whole.refused is None:
        assert pieces == whole
    else:
        assert pieces.refused is not None


@pytest.mark.parametrize(
    "line",
    [
        b"'" * 60_000 + b"a,5,x",
        b"c1," + b"1" * 60_000 + b",x",
        b"c1," + b"1,1" * 20_000 + b",x",
        b'c1,5,"' + b'""' * 30_000 + b'" x',
        b'c1,5,"' + b'a"",' * 15_000,
        b" " * 60_000 + b'"a"b,5,x',
        b"," * 60_000,
        b"c1," + b" " * 60_000 + b"5,x",
        b"t" + b"o" * 60_000 + b",5,x",
        b"c1,5," + b'"NULL"' + b" " * 60_000,
        b"c1,5," + "“".encode() * 20_000,
        b"c1,5," + b"\xe9" * 60_000,
        b'="' + b"0" * 60_000 + b'",5,x',
    ],
    ids=[
        "apostrophes",
        "digits",
        "groups",
        "quotes",
        "open-quote",
        "spaces",
        "delimiters",
        "spaces-in-amount",
        "label",
        "quoted-word",
        "other-quotes",
        "bad-bytes",
        "text-formula",
    ],
)
def test_nastiest_lines_take_no_time(line: bytes):
    started = time.perf_counter()
    check_decision(read(b"customerId,amount,reason\n" + (line + b"\n") * 3))
    assert time.perf_counter() - started < 2


# --- the quick way and the careful way -----------------------------------------------------------------
cells = st.one_of(
    st.text(alphabet="ac1e+-. ,\t\nié", max_size=8),
    st.sampled_from(
        ["5", "-5", "0", "12.5", "1.250", "12,50", "1E+11", "1.5e3", "", " ", "c" * 201, "r" * 501]
    ),
    st.sampled_from(
        [
            "NULL",
            "none",
            "\\N",
            "#REF!",
            "total",
            "Grand  Total:",
            "sum (3)",
            "'00123",
            '="007"',
            "'c'",
            "“c”",
        ]
    ),
)


@settings(max_examples=300)
@given(
    st.lists(st.lists(cells, max_size=5), max_size=6),
    st.sampled_from([",", ";"]),
    st.sampled_from(["0", "10", "12"]),
    st.sampled_from(
        [["customerId", "amount", "reason"], ["error", "amount", "customerId"], ["points", "player id"]]
    ),
    st.booleans(),
)
def test_fast_path_gives_the_same_result_as_the_careful_one(
    records: list[list[str]], delimiter: str, amount_max: str, names: list[str], has_decimal_commas: bool
):
    validator = RowValidator(
        layout_of(names, delimiter=delimiter, line=1),
        amount_max=Decimal(amount_max),
        has_decimal_commas=has_decimal_commas,
    )
    lines = range(2, 2 + len(records))

    def decisions(*, plain: bool) -> list[Row | Rejection]:
        block = RecordBlock(lines, [list(record) for record in records], frozenset(), plain)
        return validator.validate(block).in_order()

    assert decisions(plain=True) == decisions(plain=False)


@given(st.integers(0, 4), st.integers(0, 4), st.tuples(cells, cells, cells))
def test_no_row_passes_unseen_among_clean_ones(before: int, after: int, row: tuple[str, str, str]):
    layout = layout_of(["customerId", "amount", "reason"], delimiter=",", line=1)
    validator = RowValidator(layout, amount_max=Decimal(0))
    clean = ["c1", "12.5", "gift"]
    records = [list(record) for record in (*[clean] * before, row, *[clean] * after)]
    alone = validator.validate(
        RecordBlock(range(2 + before, 3 + before), [list(row)], frozenset(), plain=False)
    )
    among = validator.validate(RecordBlock(range(2, 2 + len(records)), records, frozenset(), plain=True))
    others = [Row(2 + at, "c1", "12.5", "gift", clean) for at in range(len(records)) if at != before]
    assert among.in_order() == sorted([*others, *alone.in_order()], key=itemgetter(0))


@pytest.mark.parametrize("ending", ["", ",", ",x", ",error text"])
@pytest.mark.parametrize(
    "header", ["customerId,amount,reason", "reason,amount,customerId,error", "amount,customerId,,"]
)
@given(st.lists(st.tuples(*[st.sampled_from(["c1", "5", "gift", '"a, b"', "", "x"])] * 3), max_size=5))
def test_lines_by_column_are_decided_as_one_by_one(header: str, ending: str, rows: list[tuple[str, ...]]):
    file = f"{header}\n" + "".join(",".join(cells) + ending + "\n" for cells in rows)
    by_column = read(file.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser, "split_columns", lambda *_: None)
        assert read(file.encode()) == by_column


# --- what rows and rejections carry --------------------------------------------------------------------
def test_cells_are_the_fields_of_the_file_without_its_error():
    reading = read(b"customerId,amount,reason,error\n c1 ,007,'=x,bad\nc2,0,'=y,bad\nc3,1,a,b,bad\nc4\n")
    assert [decision.cells for decision in reading.decisions] == [
        ["c1 ", "007", "=x"],
        ["c2", "0", "=y"],
        ["c3", "1", "a", "b"],
        ["c4"],
    ]


def test_rejection_says_what_could_be_read():
    [rejection] = read(b'customerId,points\nc1,"1,000"\n').rejections
    assert rejection == Rejection(
        line=2,
        customer_id="c1",
        amount="1,000",
        reason="",
        cells=["c1", "1,000"],
        problem="amount_thousands_separator",
        column="points",
        text="1,000",
        message='line 2, column "points": "1,000" has a thousands separator; write 1000',
    )


def test_long_text_is_shortened_in_messages():
    [rejection] = read(b"customerId,amount\n" + b"c" * 500 + b",5\n").rejections
    assert rejection.text == "c" * 39 + "…"
    assert rejection.customer_id == "c" * 500


def test_rejected_rows_come_back_and_are_decided_the_same():
    """What fix-me.csv has, dropped again uncorrected, is rejected again for the same reasons."""
    first = read(b'customerId,amount,reason\nc1,"1,000",=x\n+2,0,\nc3,5,a,b\nc4,$5,"two\nlines"\n')
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["customerId", "amount", "reason", "error"])
    for rejection in first.rejections:
        writer.writerow([*map(escape_formula, rejection.cells), escape_formula(rejection.message)])
    again = read(file.getvalue().encode())
    assert [bad.problem for bad in again.rejections] == [bad.problem for bad in first.rejections]
    assert [bad.cells for bad in again.rejections] == [bad.cells for bad in first.rejections]
    assert again.rows == []


def test_reading_twice_gives_the_same():
    data = b"customerId,amount\nc1,5\nc2,x\n"
    assert read(data) == read(data)
