"""A wide margin under what the benchmarks measure: counts and ratios only, and nothing fails on a clock."""

from typing import Any

import pytest

from tests.bench import growth, planning, transactions


def test_planning_with_all_checks_keeps_up_with_the_obvious_way_without_most_of_them():
    rivals = {"ours": planning.ours, "obvious": planning.obvious}
    spent_s = planning.compare(20_000, 3, rivals)
    # Measured: more than two times as fast (docs/benchmarks.md). A plan row by row took longer than this.
    assert spent_s["ours"] < spent_s["obvious"]


@pytest.mark.parametrize("name", ["table_writes", "read_units", "puts", "gets", "posts", "polls"])
def test_nothing_grows_faster_than_the_rows(name: str):
    small, large = counts(2_000), counts(20_000)
    assert large[name] <= 10 * 1.5 * small[name]


def test_steps_of_the_state_machine_grow_with_time_and_not_with_jobs():
    small, large = counts(2_000), counts(20_000)
    assert large["chunks"] >= 9 * small["chunks"]
    assert large["transitions"] <= 1.5 * small["transitions"]


_COUNTED: dict[int, Any] = {}


def counts(rows: int):
    """Count once, with chunks of 20 rows, so that many are made of few."""
    if rows not in _COUNTED:
        _COUNTED[rows] = growth.count(rows, 20)
    return _COUNTED[rows]


@pytest.mark.parametrize(("rows", "writes_max"), [(1_000, 36), (10_000, 255)])
def test_rows_that_are_sent_as_transactions_take_few_table_writes(rows: int, writes_max: int):
    # Of a thousand rows: 20 for slots, 3 for each of two chunks, 10 for the batch; a row takes none.
    assert growth.count(rows, settings=transactions.SETTINGS)["table_writes"] <= writes_max
