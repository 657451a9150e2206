"""CsvParser are what csv says they are, each with its own line, wherever the blocks end."""

import csv
import io

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adjustments.core import limits
from adjustments.core.errors import FileRefused
from adjustments.submission.csv import parser
from adjustments.submission.csv.grammar import OpenQuote, TextAfterQuote, field_pattern, read_record
from adjustments.submission.csv.parser import ColumnBlock, CsvParser, RecordBlock

# Few letters, many marks: most examples have something to trip over.
snippets = st.text(alphabet='ab,"\r\n ;', max_size=40)


def batches_of(texts: list[str], delimiter: str = ",") -> list[RecordBlock | ColumnBlock]:
    return list(CsvParser(iter(texts)).blocks(delimiter))


def records_of(*texts: str) -> list[tuple[int, list[str]]]:
    found = [zip(batch.lines, batch.records, strict=True) for batch in batches_of(list(texts))]
    return [record for numbered in found for record in numbered]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\nc,d", [(1, ["a", "b"]), (2, ["c", "d"])]),
        ("a\r\rb\r\nc\n", [(1, ["a"]), (2, []), (3, ["b"]), (4, ["c"])]),
        ('"a\r\nb\rc",d\ne\n', [(1, ["a\r\nb\rc", "d"]), (4, ["e"])]),
        ('a, "b, c" ,d\n', [(1, ["a", "b, c", "d"])]),
        ('"a""b",""\n', [(1, ['a"b', ""])]),
        ('a"b,c""\n', [(1, ['a"b', 'c""'])]),
        ("a\x0bb\x0cc\x85d\u2028e\n", [(1, ["a\x0bb\x0cc\x85d\u2028e"])]),
        ('"a"b,c\nd\n', [(1, ['"a"b', "c"]), (2, ["d"])]),
        ("a,\n", [(1, ["a", ""])]),
        ("", []),
    ],
)
def test_record_has_its_cells_and_its_line(text: str, expected: list[tuple[int, list[str]]]):
    assert records_of(text) == expected
    assert records_of(*text) == expected


def test_row_with_bad_quotes_is_marked():
    assert [batch.bad_quotes for batch in batches_of(['a\n"b"c\n"d"\n'])] == [{2}]


@given(snippets)
def test_grammar_is_that_of_csv(text: str):
    lines = io.StringIO(text, newline="").readlines()
    try:
        expected = list(csv.reader(lines, strict=True, skipinitialspace=True))
    except csv.Error:
        assume(False)
    found, position = [], 0
    while position < len(text):
        cells, position = read_record(text, position, ",", field_pattern(","))
        found.append(cells)
    assert found == expected


@given(snippets)
def test_csv_never_reads_what_the_grammar_calls_a_fault(text: str):
    try:
        read_record(text, 0, ",", field_pattern(","))
    except (OpenQuote, TextAfterQuote):
        lines = io.StringIO(text, newline="").readlines()
        with pytest.raises(csv.Error):
            next(csv.reader(lines, strict=True, skipinitialspace=True))


def test_field_limit_of_the_process_makes_no_difference():
    text = f"a,{'b' * 60_000}\n"
    before = csv.field_size_limit(10)
    try:
        assert records_of(text) == [(1, ["a", "b" * 60_000])]
    finally:
        csv.field_size_limit(before)


def test_endless_blank_lines_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parser, "LINES_MAX", 100)
    assert len(records_of("a\n", "\n" * 98, "b\n")) == 100
    with pytest.raises(FileRefused, match="more than 100 lines"):
        records_of("a\n", "\n" * 100, "b\n")
    with pytest.raises(FileRefused, match="more than 100 lines"):
        CsvParser(iter(["\n" * 101, "a"])).beginning()


@pytest.mark.parametrize("excess", [0, 1])
def test_record_may_be_exactly_as_long_as_the_limit(excess: int):
    line = "x" * (limits.ROW_CHARS_MAX - 2 + excess) + "\r\n"
    if excess:
        with pytest.raises(FileRefused, match="line 2: the row is longer"):
            records_of("a\n", line)
    else:
        assert [number for number, _ in records_of("a\n", line)] == [1, 2]


@settings(max_examples=300)
@given(st.lists(snippets, max_size=6), st.sampled_from([8, 20, limits.ROW_CHARS_MAX]))
def test_where_blocks_end_makes_no_difference(texts: list[str], row_chars_max: int):
    def outcome(blocks: list[str]) -> object:
        try:
            return records_of(*blocks)
        except FileRefused as refused:
            return refused.code, refused.message

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "ROW_CHARS_MAX", row_chars_max)
        whole = "".join(texts)
        assert outcome(texts) == outcome([whole]) == outcome(list(whole))


@pytest.mark.parametrize("quote", ["", '"'], ids=["unquoted", "quoted"])
@pytest.mark.parametrize(
    ("cell", "is_plain"),
    [
        ("gift", True),
        ("grün", True),
        ("lost \ufffd before", False),
        ("not UTF-8 \udcfc", False),
        ("bell \x07", False),
        ("next line \x85", False),
        ("'=1+1", False),
    ],
)
def test_block_is_plain_only_without_a_cell_that_needs_care(cell: str, is_plain: bool, quote: str):
    blocks = batches_of([f"c1,5,gift\nc2,6,{quote}{cell}{quote}\nc3,7,gift\n"])
    assert all(block.plain for block in blocks) is is_plain
