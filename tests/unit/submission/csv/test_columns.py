"""Splitting blocks of ordinary lines into columns: as the grammar has it, or not at all."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adjustments.core.limits import ROW_CHARS_MAX
from adjustments.submission.csv.grammar import OpenQuote, TextAfterQuote, field_pattern, read_record
from adjustments.submission.csv.parser import split_columns

SNIPPETS = st.text(alphabet='ab,"\r\n ;', max_size=40)
FIELDS = st.sampled_from(
    ["a", "", " b", "b ", '"a"', '"a,b"', '""', '"a""b"', '" a"', '5"', '"a" ', '"a\nb"', '"']
)
LINES = st.lists(st.lists(FIELDS, min_size=1, max_size=3), max_size=4)
WIDE = st.integers(2, 4).flatmap(
    lambda fields: st.lists(st.lists(FIELDS, min_size=fields, max_size=fields), min_size=1, max_size=5)
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def by_grammar(text: str) -> list[list[str]]:
    found, position = [], 0
    while position < len(text):
        cells, position = read_record(text, position, ",", field_pattern(","))
        found.append(cells)
    return found


def check(text: str) -> None:
    columns = split_columns(text, ",")
    if columns is not None:
        assert list(map(list, zip(*columns, strict=True))) == by_grammar(text)


@given(SNIPPETS)
@example('a,""""\n"b,\n",c')
@example('a,"b",\nc,d')
def test_columns_are_what_the_grammar_says(text: str):
    check(text)


@given(LINES | WIDE, ENDS, st.booleans())
def test_columns_of_fields_are_what_the_grammar_says(lines: list[list[str]], end: str, is_ended: bool):
    check(end.join(map(",".join, lines)) + (end if is_ended else ""))


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a,b\nc,d\n", [["a", "c"], ["b", "d"]]),
        ("a,b\r\nc,\r\n", [["a", "c"], ["b", ""]]),
        ('"a","b, c"\nd,"e"', [["a", "d"], ["b, c", "e"]]),
        ('a,""\n"",b', [["a", ""], ["", "b"]]),
        (",\n,", [["", ""], ["", ""]]),
    ],
)
def test_ordinary_lines_are_split(text: str, columns: list[list[str]]):
    assert split_columns(text, ",") == columns


@pytest.mark.parametrize(
    "text",
    [
        *("a\nb\n", "a,b\nc\n", "a,b\n\nc,d\n", "a,b,c\nd\ne,f,g,h,i", "a, b\n", " a,b\n", "a,b\n c,d\n"),
        *('a,"b""c"\n', 'a,"b\nc"\n', 'a,b"\n', 'a,"b" \n', 'a,"b"c\n', 'a,"b\n', '"a,b\nc",d\n'),
        *(f"a,{'b' * ROW_CHARS_MAX}\n", f"c,d\na,{'b' * ROW_CHARS_MAX}", ""),
    ],
)
def test_other_lines_are_left_to_the_parser(text: str):
    assert split_columns(text, ",") is None


def test_text_in_which_a_quote_never_closes_or_is_followed_by_text_is_left_to_the_parser():
    for text in ('a,"b', 'a,"b"c', '"a" b,c', 'a,"b,c\nd,e\nf,"g'):
        with pytest.raises((OpenQuote, TextAfterQuote)):
            by_grammar(text)
        assert split_columns(text, ",") is None
