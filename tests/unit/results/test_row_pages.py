"""The rows of a batch, page by page, are those of results.csv, in any dialect and wherever a page begins."""

from typing import Any

import pytest

from adjustments.administration.service import RowPageRequest
from adjustments.batches.records import Batch
from adjustments.core import limits
from adjustments.core.errors import NotFound, OutcomeUnknown, RequestRefused
from adjustments.reconciliation.resolution import ResolveRequest
from adjustments.results import row_pages
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

ROWS = ["a,1,plain", "b,,no amount", 'c,-2,"two, parts"', "=d,3,é", "e,4,'=quoted"]
TEXT = "customerId,amount,reason\n" + "\n".join(ROWS) + "\n"
AMOUNTS = [("a", "1"), ("b", ""), ("c", "-2"), ("=d", "3"), ("e", "4")]


def ended(text: str | bytes = TEXT) -> tuple[World, Batch]:
    world = World(MemoryGameball())
    return world, world.run(world.drop(text))


def pages(world: World, batch: Batch, **query: Any) -> list[list[dict[str, Any]]]:
    found, after = [], None
    while True:
        page = world.administration.list_rows(batch.batch_id, RowPageRequest(after=after, **query))
        found.append(page["rows"])
        after = page["next"]
        if after is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.replace("\n", "\r\n"),
        "\ufeff" + TEXT,
        TEXT.encode("utf-16"),
        TEXT.replace(",", "\t").replace('"two\t parts"', "two, parts"),
    ],
    ids=["LF", "CRLF", "mark", "UTF-16", "tabs"],
)
def test_pages_hold_every_row_once_and_in_order(text: str | bytes, limit: int):
    found = pages(*ended(text), limit=limit)
    rows = [row for page in found for row in page]
    assert [(row["customerId"], row["amount"]) for row in rows] == AMOUNTS
    assert [row["line"] for row in rows] == [2, 3, 4, 5, 6]
    assert rows[2]["reason"] == "two, parts"
    assert all(len(page) == limit for page in found[:-1])


def test_amounts_have_a_decimal_point_also_where_the_file_has_a_comma():
    world, batch = ended("customerId;amount\na;1,5\nb;2\nc;3,25\n")
    [rows] = pages(world, batch)
    assert [row["amount"] for row in rows] == ["1.5", "2", "3.25"]


@pytest.mark.parametrize(("status", "customers"), [("applied", ["a", "c", "=d", "e"]), ("rejected", ["b"])])
def test_rows_of_one_status_are_listed(status: str, customers: list[str]):
    found = pages(*ended(), status=status, limit=1)
    assert [row["customerId"] for page in found for row in page] == customers


def test_row_says_what_results_csv_says_of_it():
    world, batch = ended()
    [row, *_], *_ = pages(world, batch)
    [job] = world.administration.show(batch.batch_id)["jobs"]
    told = {"customerId": "a", "amount": "1", "reason": "plain", "status": "applied", "message": ""}
    assert {name: row[name] for name in told} == told
    assert row["jobId"] == job["jobId"]


def test_a_page_reads_a_bounded_part_of_the_file_and_may_be_empty(monkeypatch: pytest.MonkeyPatch):
    text = "customerId,amount\n" + "".join(f"c{number},1\n" for number in range(2_000)) + "last,\n"
    world, batch = ended(text)
    monkeypatch.setattr(row_pages, "PAGE_BYTES_MAX", 4_096)
    found = pages(world, batch, status="rejected")
    assert [row["customerId"] for page in found for row in page] == ["last"]
    assert len(found) > 10
    assert not found[0]


@pytest.mark.parametrize("cursor", ["", "x", "0", "10-0123456789abcdef", "-1-0123456789abcdef"])
def test_a_cursor_that_no_page_gave_is_refused(cursor: str):
    world, batch = ended()
    with pytest.raises(RequestRefused, match="after: must be"):
        world.administration.list_rows(batch.batch_id, RowPageRequest(after=cursor))


def test_a_cursor_of_results_that_were_written_anew_is_refused():
    world = World(MemoryGameball([OutcomeUnknown("lost")]))
    batch = world.run(world.drop(TEXT))
    cursor = world.administration.list_rows(batch.batch_id, RowPageRequest(limit=1))["next"]
    world.administration.resolve(batch.batch_id, "ann", ResolveRequest(outcome="applied"))
    with pytest.raises(RequestRefused, match="regenerated"):
        world.administration.list_rows(batch.batch_id, RowPageRequest(after=cursor))
    assert {row["status"] for page in pages(world, batch) for row in page} == {"applied", "rejected"}


def test_deleted_results_are_said_to_be_deleted():
    world, batch = ended()
    world.files._versions.pop(f"results/{batch.batch_id}/results.csv")
    with pytest.raises(NotFound, match="deleted"):
        pages(world, batch)


def test_an_answer_fits_what_a_function_may_answer():
    assert limits.PAGE_BYTES_MAX < 6 * 1024**2 * 3 / 4
