"""A file that is refused for its bad rows still says which rows are bad, in a dry run as in a real one."""

import csv
import io
import json
from collections import Counter

import pytest

from adjustments.batches.states import BatchStatus
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

GOOD = [f"c{number},5,gift" for number in range(30)]
BAD = ['b1,"1,000",x', "b2,0,x", ",7,x", 'b4,"2,000",x', "b5,6", 'b6,"3,000",x', 'b7,"4,000",x', "b8,0,x"]
FILE = "\n".join(["customerId,amount,reason", *GOOD[:10], *BAD, *GOOD[10:], ""])
MENDED = "\n".join(["customerId,amount,reason", *GOOD, *[f"b{number},1000,x" for number in range(8)], ""])


@pytest.mark.parametrize("metadata", [{}, {"dry_run": "true"}])
def test_refused_file_lists_every_row_with_its_outcome(metadata: dict[str, str]):
    gameball = MemoryGameball()
    world = World(gameball)
    ended = world.run(world.drop(FILE, **metadata))
    assert (ended.status, gameball.requests, gameball.inquiries) == (BatchStatus.REJECTED, [], 0)
    results = list(csv.DictReader(io.StringIO(world.result(ended, "results.csv"))))
    assert [int(row["line"]) for row in results] == list(range(2, 40))
    assert Counter(row["status"] for row in results) == {"rejected": 8, "not_submitted": 30}
    assert all("refused" in row["message"] for row in results if row["status"] == "not_submitted")
    assert dict(ended.counts) == {
        "rows": 38, "applied": 0, "failed": 0, "rejected": 8, "not_submitted": 30, "in_doubt": 0
    }  # fmt: skip
    fix_me = list(csv.DictReader(io.StringIO(world.result(ended, "fix-me.csv"))))
    assert [row["customerId"] for row in fix_me] == ["b1", "b2", "", "b4", "b5", "b6", "b7", "b8"]


@pytest.mark.parametrize("metadata", [{}, {"dry_run": "true"}])
def test_message_gives_the_first_three_rows_and_counts_by_kind(metadata: dict[str, str]):
    world = World(MemoryGameball())
    ended = world.run(world.drop(FILE, **metadata))
    [(_, mail)] = world.notifications.mails
    page = world.result(ended, "report.html")
    for text in (ended.refusal, mail, json.loads(world.result(ended, "summary.json"))["message"]):
        assert "8 of 38 rows are bad, more than 20 %" in text
        assert 'line 12, column "amount": "1,000" has a thousands separator; write 1000' in text
        assert 'line 13, column "amount": "0" is zero' in text
        assert 'line 14, column "customerId": the customer id is empty' in text
        assert "line 15" not in text
        assert "4 amount thousands separator, 2 amount zero, 1 customer id missing, 1 too few fields" in text
    assert "drop the whole file again" in mail
    assert "Requested" in page
    assert "+150" in page
    assert "line 12" in page


def test_corrected_file_is_dropped_whole_and_nothing_is_applied_twice():
    gameball = MemoryGameball()
    world = World(gameball)
    world.run(world.drop(FILE, dry_run="true"))
    world.run(world.drop(FILE))
    ended = world.run(world.drop(MENDED))
    assert (ended.status, ended.counts.applied) == (BatchStatus.COMPLETED, 38)
    assert len(gameball.applied) == 38


def test_rows_of_a_customer_that_appears_too_often_are_told_too():
    rows = "".join(f"c1,{number + 1}\n" for number in range(51))
    world = World(MemoryGameball())
    ended = world.run(world.drop(f"customerId,amount\n{rows}c2,5\n"))
    assert "51 of 52 rows are bad" in ended.refusal
    assert "51 customer too often" in ended.refusal
    statuses = [row["status"] for row in csv.DictReader(io.StringIO(world.result(ended, "results.csv")))]
    assert statuses == ["rejected"] * 51 + ["not_submitted"]
