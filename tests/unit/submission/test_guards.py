"""Guards refuse or hold a whole file by its numbers alone."""

from decimal import Decimal

import pytest

from adjustments.batches.rows import Rejection
from adjustments.core.errors import FileRefused
from adjustments.core.limits import ROWS_MAX
from adjustments.submission.guards import BadRows, approval_reasons, check_row_count
from adjustments.submission.plan import PlanRules


def test_row_count_is_refused_only_above_the_limit():
    check_row_count(ROWS_MAX, are_transactions=False)
    with pytest.raises(FileRefused, match="more than 10,000,000 rows; split it") as refused:
        check_row_count(ROWS_MAX + 1, are_transactions=False)
    assert refused.value.code == "too_many_rows"


def bad_rows(number: int) -> BadRows:
    found = BadRows()
    for line in range(2, number + 2):
        message = f"line {line}: no"
        found.add([Rejection(line, "c1", "x", "", [], "amount_not_a_number", "amount", "x", message)])
    return found


@pytest.mark.parametrize(("rows", "rejected"), [(0, 0), (24, 24), (25, 5), (100, 20), (10_000, 2_000)])
def test_bad_rows_of_small_files_and_up_to_20_percent_are_let_through(rows: int, rejected: int):
    assert bad_rows(rejected).refusal(rows) == ""


@pytest.mark.parametrize(("rows", "rejected"), [(25, 6), (25, 25), (100, 21), (10_000, 2_001)])
def test_bad_rows_above_20_percent_refuse_the_file_and_the_first_three_are_named(rows: int, rejected: int):
    refusal = bad_rows(rejected).refusal(rows)
    assert f"{rejected} of {rows} rows are bad" in refusal
    assert f"By kind: {rejected:,} amount not a number." in refusal
    assert "The first: line 2: no; line 3: no; line 4: no. fix-me.csv" in refusal


@pytest.mark.parametrize(
    ("above_rows", "above_total", "reasons"),
    [
        (0, "0", []),
        (3, "6.5", []),
        (2, "0", ["3 rows are more than ApprovalAboveRows (2)"]),
        (0, "6.4", ["amounts of 6.5 in all are more than ApprovalAboveTotal (6.4)"]),
        (
            1,
            "1",
            [
                "3 rows are more than ApprovalAboveRows (1)",
                "amounts of 6.5 in all are more than ApprovalAboveTotal (1)",
            ],
        ),
    ],
)
def test_approval_is_needed_above_each_limit_and_0_turns_it_off(
    above_rows: int, above_total: str, reasons: list[str]
):
    rules = PlanRules(
        amount_max=Decimal(0), approval_above_rows=above_rows, approval_above_total=Decimal(above_total)
    )
    assert list(approval_reasons(3, Decimal("6.5"), rules)) == reasons
