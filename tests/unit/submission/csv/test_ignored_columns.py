"""A column with signs, or with what a batch can't carry, is never ignored silently."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjustments.batches.work_files import ValidatedRows
from adjustments.core.errors import FileRefused
from adjustments.submission.csv.ignored_columns import IgnoredColumns
from adjustments.submission.csv.sign_words import MEANINGFUL_HEADINGS, SIGN_PAIRS, SIGN_WORDS
from tests.unit.submission.csv.reading import read


def code_for(name: str, *blocks: Sequence[str]) -> str:
    columns = IgnoredColumns([(0, name)])
    for values in blocks:
        rows = [[value] for value in values]
        columns.add(ValidatedRows(range(len(rows)), [], [], [], list(zip(*rows, strict=True)), []))
    try:
        columns.check_signs()
        columns.check_meanings()
    except FileRefused as refused:
        return refused.code
    return ""


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("type", ["Deduct"]),
        ("x", ["Add", "Deduct", "add"]),
        ("x", ["DEBIT", "credit", ""]),
        ("x", ["Deduct points", "Add points"]),
        ("x", ["points_deducted", "points_added"]),
        ("S/H", ["S", "S"]),
        ("Soll/Haben-Kennzeichen", ["H"]),
        ("x", ["S", "H"]),
        ("x", ["d", "k"]),
        ("x", ["D"]),
        ("Dr / Cr", ["Cr"]),
        ("Af Bij", ["Af", "Bij"]),
        ("+/-", ["+"]),
        ("x", ["+", "\u2212"]),
        ("sign", ["1", "-1"]),
        ("operation", ["Bonus", "Deduct"]),
        ("Direction", ["in", "out"]),
        ("x", ["Gutschrift", "Lastschrift"]),
        ("x", ["Crédit", "DÉBIT"]),
        ("x", ["abono", "cargo"]),
        ("x", ["Приход", "Расход"]),
        ("x", ["إضافة", "خصم"]),
        ("x", ["زيادة"]),
        ("x", ["借方", "贷方"]),
        ("x", ["Borç", "Alacak"]),
        ("", ["Debit"]),
    ],
)
def test_sign_column_refuses_the_file(name: str, values: list[str]):
    assert code_for(name, values) == "sign_column"
    assert code_for(name, *([value] for value in values)) == "sign_column"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("tier", ["Gold", "Silver"]),
        ("note", ["credit for the delay", "debit"]),
        ("note", ["Deduct", "sorry"]),
        ("size", ["S", "M", "L"]),
        ("grade", ["A", "B", "C", "D"]),
        ("gender", ["m", "f"]),
        ("gender", ["h", "h"]),
        ("country", ["IN", "MA", "DE"]),
        ("country", ["IN"]),
        ("flag", ["-", "-"]),
        ("flag", ["yes", "no"]),
        ("sign", ["1", "1"]),
        ("sign", ["leo", "d", "s"]),
        ("action", ["call", "mail"]),
        ("x", ["", " "]),
        ("x", ["NULL", "null"]),
        ("x", []),
        ("number", ["1", "-1"]),
    ],
)
def test_other_columns_are_ignored(name: str, values: list[str]):
    assert code_for(name, values) == code_for(name, *([value] for value in values)) == ""


@pytest.mark.parametrize(
    "name",
    [
        "expiry", "Expiry Date", "expires_at", "Points expiration", "valid until", "Gültig bis",
        "transactionId", "Transaction ID", "txn-id", "transaction time", "Transaction Date", "E-Mail",
        "Email Address", "mobile", "Mobile Number", "Phone", "Currency", "Währung", "type",
        "Transaction Type",
    ],
)  # fmt: skip
def test_column_that_carries_meaning_refuses_the_file(name: str):
    assert code_for(name, ["", ""], ["Gold"]) == "meaningful_column"
    assert code_for(name, ["", "NULL", ""]) == ""


@pytest.mark.parametrize("name", ["types of things", "customer name", "date", "mobility", "prototype"])
def test_other_headings_carry_none(name: str):
    assert code_for(name, ["Gold"]) == ""


def test_sign_column_is_named_beside_what_else_is_wrong():
    columns = IgnoredColumns([(0, "email"), (1, "type")])
    columns.add(ValidatedRows([2], [], [], [], [["a@x.com"], ["Deduct"]], []))
    with pytest.raises(
        FileRefused, match='column "type" says which rows add and which deduct \\("Deduct"\\)'
    ):
        columns.check_signs()


words = st.sampled_from([*SIGN_WORDS, *(word for pair in SIGN_PAIRS for word in pair)])


@given(st.lists(words, max_size=6), st.text("xyzXYZ", min_size=1, max_size=5))
def test_one_other_word_makes_a_column_no_sign(values: list[str], other: str):
    assert code_for("x", [*values, other]) == code_for("x", [other], values) == ""


@given(
    st.lists(st.sampled_from(SIGN_WORDS), min_size=1, max_size=6),
    st.sampled_from([str, str.upper, str.title]),
)
def test_words_of_any_ledger_in_any_case_refuse_the_file(values: list[str], form: type[str]):
    assert code_for("x", [form(value) for value in values]) == "sign_column"


@given(
    st.sampled_from([*MEANINGFUL_HEADINGS, "note", "tier"]),
    st.lists(st.sampled_from(["", "Deduct", "Gold", "d", "-"]), min_size=1, max_size=4),
)
def test_ignore_columns_lets_any_column_be_ignored(heading: str, values: list[str]):
    file = "\n".join([f"customerId,amount,{heading}", *(f"c,5,{value}" for value in values)]).encode()
    assert read(file, metadata={"ignore-columns": f"x,{heading}".replace("é", "%C3%A9")}).refused is None


@pytest.mark.parametrize("word", ["çıkar", "ÇIKAR", "Çıkış", "ARTI"])
def test_turkish_sign_word_refuses_the_file_in_capitals_too(word: str):
    assert code_for("x", [word]) == "sign_column"
