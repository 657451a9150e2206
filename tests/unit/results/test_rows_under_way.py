"""Rows of a batch under way: those whose outcomes are known, as results.csv has them later, page by page."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from adjustments.administration.service import ApprovalRequest, RowPageRequest
from adjustments.batches.records import Batch
from adjustments.core.errors import OutcomeUnknown, RequestRefused
from adjustments.results import rows_under_way
from tests.fakes.gameball import MemoryGameball
from tests.fakes.manual_transactions import MemoryTransactions
from tests.fakes.world import World

THREE = "customerId,amount,reason\na,1,plain\nb,,no amount\nc,-2,\n"
Row = dict[str, Any]


def page(world: World, batch: Batch, **query: Any) -> dict[str, Any]:
    return dict(world.administration.list_rows(batch.batch_id, RowPageRequest(**query)))


def all_rows(world: World, batch: Batch, after: str | None = None, **query: Any) -> list[Row]:
    rows: list[Row] = []
    while True:
        found = page(world, batch, after=after, **query)
        rows += found["rows"]
        after = found["next"]
        if after is None:
            return rows


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Callable[[World], list[str]]:
    """Notes which work files are read from then on."""

    def note(world: World) -> list[str]:
        read: list[str] = []
        get, get_range = world.files.get, world.files.get_range

        def noting_get(key: str) -> bytes:
            read.append(key)
            return get(key)

        def noting_get_range(key: str, first: int, end: int) -> bytes:
            read.append(key)
            return get_range(key, first, end)

        monkeypatch.setattr(world.files, "get", noting_get)
        monkeypatch.setattr(world.files, "get_range", noting_get_range)
        return read

    return note


def step(world: World, batch: Batch) -> bool:
    """One round of the state machine; whether the batch is over."""
    until = world.clock.now() + timedelta(seconds=30)
    polled, next_step = world.poller.poll(batch.batch_id, until)
    if next_step.is_over or polled.status.is_final:
        return True
    if next_step.more_to_send:
        world.sender.submit(batch.batch_id, until)
    world.clock.sleep(next_step.wait_s)
    return False


def large_file(rows: int) -> str:
    """Parts and chunks, waves, a customer with too many rows, and rows that are rejected."""
    lines = [
        f"c{number % (rows * 3 // 4)},{number % 7 + 1},{number % 3} {'=' * 60}" for number in range(rows)
    ]
    lines += ["often,1,"] * 51 + [f"c{number},1.234567890,bad" for number in range(20)]
    return "customerId,points,reason\n" + "\n".join(lines) + "\n"


def of_batches() -> tuple[World, Batch]:
    gameball = MemoryGameball()
    gameball.unknown_customers = {"c7", "c11"}
    gameball.refuses = lambda customers: "c13" in customers
    world = World(gameball, canary_rows=10)
    batch = world.drop(large_file(6_000))
    assert world.store.batch(batch.batch_id).row_parts > 1
    return world, batch


def of_transactions() -> tuple[World, Batch]:
    """Sent one by one, at the rate limit, so that each round sends but a part of a chunk."""
    people: Any = {"default_reason": "gift", "default_username": "ada"}
    world = World(MemoryTransactions(), send_as="transactions", requests_per_30_s=350, **people)
    return world, world.drop(large_file(800))


@pytest.mark.parametrize("begin", [of_batches, of_transactions])
def test_every_row_that_is_listed_early_is_as_in_the_results(begin: Callable[[], tuple[World, Batch]]):
    world, batch = begin()
    early: dict[int, Row] = {}
    rounds, known, is_over = 0, 0, False
    while not is_over:
        rows = all_rows(world, batch, limit=1_000)
        told = page(world, batch, limit=1)
        assert not told["isComplete"]
        assert (told["knownRows"], told["totalRows"]) == (len(rows), batch.counts.rows)
        assert len(rows) >= known
        early |= {row["line"]: row for row in rows}
        rounds, known = rounds + 1, len(rows)
        is_over = step(world, batch)
    world.run(batch)
    final = {row["line"]: row for row in all_rows(world, batch, limit=1_000)}
    assert rounds > 2
    assert len(early) > 71
    assert {line: final[line] for line in early} == early


def test_rows_are_listed_chunk_by_chunk_while_others_are_not_known():
    world = World(MemoryGameball(), canary_rows=1)
    batch = world.drop(THREE)
    assert [(row["customerId"], row["status"]) for row in all_rows(world, batch)] == [("b", "rejected")]
    step(world, batch)
    found = page(world, batch)
    assert [(row["customerId"], row["status"]) for row in found["rows"]] == [
        ("a", "applied"),
        ("b", "rejected"),
    ]
    assert (found["isComplete"], found["knownRows"], found["totalRows"], found["next"]) == (False, 2, 3, None)
    world.run(batch)
    found = page(world, batch)
    assert (found["isComplete"], found["knownRows"], found["totalRows"], len(found["rows"])) == (
        True,
        3,
        3,
        3,
    )


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_list_that_was_begun_before_the_end_goes_on_behind_it(limit: int):
    world = World(MemoryGameball(), canary_rows=1)
    batch = world.drop(
        "customerId,amount\n" + "".join(f"c{number},1\n" for number in range(6)) + "a,1\na,2\n"
    )
    step(world, batch)
    first = page(world, batch, limit=1)
    world.run(batch)
    assert [row["customerId"] for row in first["rows"]] == ["c0"]
    cursor, found = first["next"], []
    while cursor:
        told = page(world, batch, limit=limit, after=cursor)
        assert not told["isComplete"]  # what the first page left out is not in it
        found += told["rows"]
        cursor = told["next"]
    assert [row["line"] for row in found] == [3, 4, 5, 6, 7, 8, 9]


def test_rows_of_one_status_are_listed_and_chunks_without_any_are_not_read(
    noted: Callable[[World], list[str]],
):
    gameball = MemoryGameball()
    gameball.unknown_customers = {"c1500"}
    world = World(gameball)
    batch = world.drop("customerId,amount\n" + "".join(f"c{number},1\n" for number in range(3_000)) + "x,\n")
    world.poller.poll(batch.batch_id, world.clock.now() + timedelta(seconds=30))
    read = noted(world)
    assert [row["customerId"] for row in all_rows(world, batch, status="failed")] == ["c1500"]
    assert len([key for key in read if "/outcomes/" in key]) == 1
    assert [row["customerId"] for row in all_rows(world, batch, status="rejected")] == ["x"]
    assert len([key for key in read if "/outcomes/" in key]) == 1


@pytest.mark.parametrize("most", [5, 12])
def test_a_page_reads_few_work_files_and_may_be_empty(
    monkeypatch: pytest.MonkeyPatch, noted: Callable[[World], list[str]], most: int
):
    monkeypatch.setattr(rows_under_way, "PAGE_OBJECTS_MAX", most)
    world, batch = of_batches()
    step(world, batch)
    step(world, batch)
    known = page(world, batch)["knownRows"]
    read = noted(world)
    lines: list[int] = []
    after = None
    while True:
        read.clear()
        found = page(world, batch, after=after, limit=1_000)
        assert len(read) <= most + 3
        lines += [row["line"] for row in found["rows"]]
        after = found["next"]
        if after is None:
            break
    assert lines == sorted(set(lines))
    assert len(lines) == known


def held(world: World) -> Batch:
    return world.drop(THREE)


def refused(world: World) -> Batch:
    return world.drop("customerId,amount\n" + "".join(f"c{number},\n" for number in range(30)))


@pytest.mark.parametrize(
    ("drop", "settings", "known"),
    [
        (held, {"approval_above_rows": 1}, ["rejected"]),
        (lambda world: world.drop(THREE, dry_run="true"), {}, ["rejected"]),
        (refused, {}, ["rejected"] * 30),
    ],
    ids=["waits for approval", "dry run", "refused file"],
)
def test_of_a_batch_that_sends_nothing_rejected_rows_are_known(
    drop: Callable[[World], Batch], settings: dict[str, Any], known: list[str]
):
    world = World(MemoryGameball(), **settings)
    batch = drop(world)
    told = page(world, batch)
    assert [row["status"] for row in told["rows"]] == known
    assert (told["isComplete"], told["knownRows"]) == (False, len(known))


def test_a_row_in_doubt_is_listed_as_in_doubt_and_later_as_it_was_settled():
    world = World(MemoryGameball([None, OutcomeUnknown("lost")]), canary_rows=1)
    batch = world.drop("customerId,amount\na,1\nb,2\n")
    while not step(world, batch):
        pass
    told = page(world, batch)
    assert [(row["customerId"], row["status"]) for row in told["rows"]] == [
        ("a", "applied"),
        ("b", "in_doubt"),
    ]
    assert not told["isComplete"]


def test_rows_that_were_sent_as_transactions_are_known_one_by_one():
    world, batch = of_transactions()
    [chunk, *_] = world.store.chunks(batch.batch_id, batch.plan_id)
    assert (chunk.state, chunk.rows) == ("planned", 600)
    applied = all_rows(world, batch, status="applied", limit=1_000)
    assert 50 < len(applied) == chunk.counts.applied < 600
    assert page(world, batch)["knownRows"] == len(applied) + batch.counts.rejected
    assert all(row["transactionId"] == f"{batch.batch_id}-{row['line']:06}" for row in applied)
    assert all(row["gameballTransactionId"] for row in applied)


@pytest.mark.parametrize(
    "cursor", ["", "x", "1-0-0-0", "1-1-0-1-0123456789abcdef", "10-0123456789abcdef", "1-0-0-" + "9-" * 60]
)
def test_a_cursor_that_no_page_gave_is_refused(cursor: str):
    world = World(MemoryGameball(), approval_above_rows=1)
    batch = held(world)
    with pytest.raises(RequestRefused, match="after: must be"):
        page(world, batch, after=cursor)


def test_a_cursor_of_another_batch_is_refused():
    world = World(MemoryGameball(), approval_above_rows=1)
    first, second = held(world), world.drop("customerId,amount\nx,1\ny,2\nz,3\n", "other.csv")
    world.administration.approve(first.batch_id, "ann", ApprovalRequest())
    cursor = page(world, first, limit=1)["next"]
    assert cursor
    with pytest.raises(RequestRefused, match="after: must be"):
        page(world, second, after=cursor)
