"""Columns are found by the names that teams use, and by no others."""

import pytest

from adjustments.core.errors import FileRefused
from adjustments.core.limits import COLUMNS_MAX
from adjustments.submission.csv.column_names import NAMES, ColumnNames, Role
from adjustments.submission.csv.csv_injection import DELIMITERS
from adjustments.submission.csv.header import layout_of
from tests.unit.submission.csv.reading import read


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("customerId", Role.CUSTOMER_ID),
        ("customer_id", Role.CUSTOMER_ID),
        ("Customer ID", Role.CUSTOMER_ID),
        ("CUSTOMER-ID", Role.CUSTOMER_ID),
        ("\ufeffcustomerid", Role.CUSTOMER_ID),
        ("customer\u00a0id", Role.CUSTOMER_ID),
        ("ｃｕｓｔｏｍｅｒ ｉｄ", Role.CUSTOMER_ID),
        ("player id", Role.CUSTOMER_ID),
        ("playerUniqueId", Role.CUSTOMER_ID),
        ("Unique ID", Role.CUSTOMER_ID),
        ("amount", Role.AMOUNT),
        ("Points", Role.AMOUNT),
        ("bonus_points", Role.AMOUNT),
        ("Adjustment Amount", Role.AMOUNT),
        ("reason", Role.REASON),
        ("Adjustment reason", Role.REASON),
        ("error", Role.ERROR),
        ("", None),
        ("id", None),
        ("user id", None),
        ("customer", None),
        ("customer name", None),
        ("email", None),
        ("mobile", None),
        ("balance", None),
        ("points balance", None),
        ("points to deduct", None),
        ("amount (old)", None),
        ("amounts", None),
        ("note", None),
        ("comment", None),
        ("errors", None),
    ],
)
def test_name_claims_a_role_or_none(name: str, role: Role | None):
    assert ColumnNames().role_of(name) is role


def test_no_name_stands_for_two_roles():
    names = [name for known in NAMES.values() for name in known]
    assert len(names) == len(set(names))
    assert all(ColumnNames().role_of(name) is role for role, known in NAMES.items() for name in known)


def test_layout_counts_without_error_columns():
    layout = layout_of(["error", "Points", "email", "customerId"], delimiter=",", line=1)
    assert layout.fields == 4
    assert layout.error_columns == (0,)
    assert layout.names == ("Points", "email", "customerId")
    assert (layout.amount, layout.customer_id, layout.reason) == (0, 2, None)
    assert layout.ignored == ("email",)


@pytest.mark.parametrize(
    ("cells", "code", "message"),
    [
        (["customerId"], "missing_column", 'no column for amount; found: "customerId"'),
        (["amount"], "missing_column", 'no column for customerId; found: "amount"'),
        (["a", "b"], "no_header", 'no column for customerId and amount; found: "a", "b"'),
        (["x" * 50], "no_header", "x…"),
        ([str(number) for number in range(20)], "no_header", '"11" and 8 more'),
        (["amount", "points", "customerId"], "duplicate_column", '"amount", "points" both stand for amount'),
        (["amount", "reason", "customerId", "Reason"], "duplicate_column", "both stand for reason"),
        (["error", "amount", "customerId", "Error"], "duplicate_column", '2 columns are named "error"'),
        (["error"] * 30_000, "too_many_columns", "30,000 columns; a file may have 200"),
    ],
)
def test_unusable_header_is_refused_naming_what_was_found(cells: list[str], code: str, message: str):
    with pytest.raises(FileRefused) as refused:
        layout_of(cells, delimiter=",", line=7)
    assert refused.value.code == code
    assert "line 7" in refused.value.message
    assert message in refused.value.message


def test_as_many_columns_as_allowed():
    assert (
        layout_of(["customerId", "amount", *["x"] * (COLUMNS_MAX - 2)], delimiter=",", line=1).fields == 200
    )


def test_metadata_names_headings_and_what_may_be_ignored():
    known = ColumnNames({"amount": "Bonus ", "customerId": "Kunden_Nr"}, ["E-Mail", "reason"])
    names = ["kunden nr", "amount", "bonus", "email", "Reason", "customerId", "error"]
    layout = layout_of(names, delimiter=",", line=1, known=known)
    assert (layout.customer_id, layout.amount, layout.reason) == (0, 2, None)
    assert layout.ignored == ("amount", "email", "Reason", "customerId")
    assert layout.unexplained == ((1, "amount"), (5, "customerId"))


@pytest.mark.parametrize(
    ("cells", "is_header"),
    [
        (["customerId", "amount"], True),
        (["\ufeffCustomer ID", "x", "Points"], True),
        (['\ufeff"customerId"', '"amount"'], True),
        (["customerId", "5"], False),
        (["c1", "amount"], False),
        (["reason", "error"], False),
        ([], False),
    ],
)
def test_header_is_told_from_a_row(cells: list[str], is_header: bool):
    assert ColumnNames().is_header(cells) is is_header


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_delimiter_is_found_whatever_else_the_names_have(delimiter: str):
    others = "".join(mark for mark in DELIMITERS if mark != delimiter)
    names = ["customerId", f'"{others}{delimiter}"', "amount"]
    reading = read(f"{delimiter.join(names)}\n{delimiter.join(['c1', 'x', '5'])}\n".encode())
    assert reading.notes is not None
    assert reading.notes.delimiter == delimiter
    assert [row[1:3] for row in reading.rows] == [("c1", "5")]
