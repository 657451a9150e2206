"""What the console says of the rows in results.csv, on files that the application has written."""

from decimal import Decimal

import pytest

from cli.console import row_reasons
from cli.console.row_reasons import RowReasons, read_reasons
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

ROWS = "customerId,amount,reason\nann,5,x\nbob,-7,x\nann-2,1.5,x\ngone,1,x\ncid,many,x\n"
NO_NUMBER = 'column "amount": "many" is not a number; write digits only, such as 250 or -12.5'


def read(world: World, text: str, *, dry_run: bool = False) -> RowReasons:
    ended = world.run(world.drop(text, **({"dry_run": "true"} if dry_run else {})))
    content = world.result(ended, "results.csv").encode()
    blocks = [content[start : start + 7] for start in range(0, len(content), 7)]
    return read_reasons(blocks, is_dry_run=dry_run, is_refused=ended.status == "rejected")


@pytest.fixture
def world() -> World:
    gameball = MemoryGameball()
    gameball.unknown_customers = {"gone"}
    return World(gameball)


def test_rows_that_failed_are_grouped_and_the_others_added_up(world: World):
    found = read(world, ROWS)
    assert [(group.outcome, group.rows, group.reason) for group in found.groups] == [
        ("failed", 1, "Customer not found"),
        ("rejected", 1, NO_NUMBER),
    ]
    assert [(row.line, row.customer_id) for group in found.groups for row in group.examples] == [
        (5, "gone"),
        (6, "cid"),
    ]
    assert (found.added, found.deducted) == (Decimal("6.5"), Decimal(-7))
    assert (found.rows, found.is_whole) == (5, True)


def test_a_dry_run_says_what_would_fail_and_what_would_be_applied(world: World):
    found = read(world, ROWS, dry_run=True)
    reasons = [(group.outcome, group.reason) for group in found.groups]
    assert ("not_submitted", "would fail: Gameball does not know this customer") in reasons
    assert ("rejected", NO_NUMBER) in reasons
    assert found.added + found.deducted < Decimal("6.5")


def test_delimiters_and_decimal_commas_come_as_they_were_written(world: World):
    found = read(world, 'customerId;amount;reason\nann;"5,5";"a;b"\ngone;1;x\n')
    assert found.added == Decimal("5.5")
    assert [group.reason for group in found.groups] == ["Customer not found"]


def test_rows_of_a_refused_file_that_had_nothing_wrong_have_no_reason(world: World):
    bad = "".join(f"c{number},x\n" for number in range(10))
    good = "".join(f"d{number},1\n" for number in range(30))
    found = read(world, f"customerId,amount\n{bad}{good}")
    assert [(group.outcome, group.rows) for group in found.groups] == [("rejected", 10)]


def test_a_very_large_file_is_read_in_part(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(row_reasons, "READ_BYTES_MAX", 1_000)
    rows = "".join(f"c{number},1\n" for number in range(100))
    found = read(world, f"customerId,amount\n{rows}")
    assert not found.is_whole
    assert 0 < found.rows < 100
    assert found.added == found.rows
