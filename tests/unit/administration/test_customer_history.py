"""A customer's history: every row of every batch, and every manual transaction, with what became of it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from adjustments.administration import customer_history
from adjustments.administration.customer_history import HistoryRequest
from adjustments.administration.service import ApprovalRequest
from adjustments.core.errors import OutcomeUnknown, RequestRefused
from adjustments.core.validation import validate
from adjustments.manual_transactions.ledger import CallerContext
from adjustments.manual_transactions.model import read_manual_transaction
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

HEADER = "customerId,amount,reason\n"
CONTEXT = CallerContext("arn:aws:iam::1:user/ada", "r1", lambda: 26_000)


def history(world: World, customer_id: str, **query: Any) -> dict[str, Any]:
    return dict(world.customer_history.page(customer_id, HistoryRequest(**query)))


def rows(world: World, customer_id: str, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in history(world, customer_id)["rows"]]


def test_rows_are_found_with_their_outcomes_newest_first():
    gameball = MemoryGameball()
    gameball.unknown_customers = {"c"}
    world = World(gameball)
    world.run(world.drop(f"{HEADER}a,5,gift\nb,6,\nc,7,\na,-2,correction\nb,x,\n", "one.csv"))
    world.clock.sleep(60)
    world.run(world.drop(f"{HEADER}x,1,\na,9,more\n", "two.csv"))

    names = ("amount", "reason", "outcome", "line", "file", "jobId")
    assert rows(world, "a", *names) == [
        (9, "more", "applied", 3, "inbox/two.csv", 3),
        (5, "gift", "applied", 2, "inbox/one.csv", 1),
        (-2, "correction", "applied", 5, "inbox/one.csv", 2),
    ]
    assert rows(world, "b", "amount", "outcome") == [(6, "applied"), (None, "rejected")]
    [[message]] = rows(world, "c", "message")
    assert message == "Customer not found"
    found = history(world, "nobody")
    assert found["rows"] == [] and found["next"] is None
    assert found["searched"]["batches"] == 2


@pytest.mark.parametrize("send_as", ["batch", "transactions"])
def test_what_is_said_of_every_row_is_what_results_csv_says(send_as: str):
    """Several parts, canaries, waves, customers with very many rows, and refused requests that are split."""
    gameball = MemoryGameball()
    gameball.unknown_customers = {"c7", "c11"}
    gameball.refuses = lambda customers: "c13" in customers
    world = World(gameball, canary_rows=10, send_as=send_as, default_reason="gift", default_username="ada")
    lines = [f"c{number % 9_000},{number % 7 + 1},r{number % 3}" for number in range(12_000)]
    lines += ["often,1,"] * 51 + [f"c{number},1.234567890,bad" for number in range(20)]
    batch = world.run(world.drop("customerId,points,reason\n" + "\n".join(lines) + "\n"))
    assert batch.counts.rejected == 71
    results: dict[str, list[list[str]]] = {}
    for text in world.result(batch, "results.csv").splitlines()[1:]:
        cells = text.split(",")
        results.setdefault(cells[1], []).append([cells[0], cells[4]])
    for customer in ("c0", "c7", "c8", "c11", "c13", "c19", "c2999", "c3000", "c8999", "often"):
        found = [[str(row["line"]), row["outcome"]] for row in history(world, customer)["rows"]]
        assert sorted(found) == sorted(results[customer]), customer


def test_rows_that_are_not_sent_yet_are_under_way_and_say_for_what_they_wait():
    world = World(MemoryGameball(), approval_above_rows=1)
    batch = world.drop(f"{HEADER}a,5,\nb,6,\n")
    [(outcome, message, approved)] = rows(world, "a", "outcome", "message", "approvedBy")
    assert (outcome, approved) == ("under_way", None)
    assert message == "waits for approval: 2 rows are more than ApprovalAboveRows (1)"
    world.run(world.administration.approve(batch.batch_id, "arn:boss", ApprovalRequest()))
    assert rows(world, "a", "outcome", "approvedBy") == [("applied", "arn:boss")]


def test_rows_in_doubt_are_said_to_be_in_doubt():
    world = World(MemoryGameball([OutcomeUnknown("lost")]))
    world.run(world.drop(f"{HEADER}a,5,\n"))
    assert rows(world, "a", "outcome") == [("in_doubt",)]


def test_manual_transactions_are_found_with_who_made_them():
    world = World(MemoryGameball())
    fields = {"customerId": "a", "transactionId": "t1", "username": "ada", "reason": "sorry", "points": 5}
    sent = read_manual_transaction(fields, world.clock.now())
    attempt = world.ports.ledger.begin(sent, CONTEXT)
    assert rows(world, "a", "outcome") == [("under_way",)]
    world.clock.sleep(60)
    assert rows(world, "a", "outcome") == [("in_doubt",)]
    world.ports.ledger.complete(attempt, '{"gameballTransactionId":7}')  # type: ignore[arg-type]
    world.run(world.drop(f"{HEADER}a,9,\n"))
    names = ("kind", "amount", "unit", "reason", "outcome", "transactionId", "gameballTransactionId", "by")
    assert rows(world, "a", *names) == [
        ("batch", 9, "points", "", "applied", None, None, "not named"),
        ("manual", 5, "points", "sorry", "applied", "t1", "7", "ada (arn:aws:iam::1:user/ada)"),
    ]


def test_pages_together_hold_everything_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(customer_history, "STEP_BATCHES", 3)
    monkeypatch.setattr(customer_history, "ROWS_ENOUGH", 1)
    world = World(MemoryGameball())
    for number in range(10):
        world.run(world.drop(f"{HEADER}a,{number + 1},batch\n", f"{number}.csv"))
        world.clock.sleep(3600 * 24 * 20)  # 200 days in all
        fields = {"customerId": "a", "transactionId": f"t{number}", "username": "ada", "reason": "one"}
        sent = read_manual_transaction({**fields, "points": number + 1}, world.clock.now())
        world.ports.ledger.begin(sent, CONTEXT)
    found, pages, after = [], 0, None
    while pages < 10:
        page = history(world, "a", after=after)
        found += page["rows"]
        pages, after = pages + 1, page["next"]
        if after is None:
            break
    assert pages == 4
    assert [row["time"] for row in found] == sorted((row["time"] for row in found), reverse=True)
    assert sorted((row["kind"], row["amount"]) for row in found) == sorted(
        (kind, number + 1) for number in range(10) for kind in ("batch", "manual")
    )


def test_what_is_older_than_400_days_is_not_searched():
    world = World(MemoryGameball())
    world.run(world.drop(f"{HEADER}a,5,\n"))
    world.clock.sleep(timedelta(days=399).total_seconds())
    assert len(history(world, "a")["rows"]) == 1
    world.clock.sleep(timedelta(days=2).total_seconds())
    assert history(world, "a")["rows"] == []


def test_live_shows_what_gameball_has_beside_it():
    gameball = MemoryGameball()
    world = World(gameball, adds_token=True)
    world.run(world.drop(f"{HEADER}a,5,gift\na,5,gift\n"))
    now = world.clock.now()
    gameball.list_transaction("a", "5", "gift [#7k2m9qx0ab]", now)
    gameball.list_transaction("a", "5", "gift", now)
    gameball.list_transaction("a", "5", "gift", now)  # by another program
    gameball.list_transaction("a", "5", "gift", now - timedelta(days=1))
    live = history(world, "a", live=True)["gameball"]
    assert live["balance"]["availablePointsBalance"] == 100
    assert [(entry["match"] or {}).get("line") for entry in live["transactions"]] == [2, 3, None, None]
    assert live["isWhole"]


def test_live_says_so_where_gameball_does_not_answer():
    gameball = MemoryGameball()
    gameball.poll_error = OutcomeUnknown("lost")
    world = World(gameball)
    world.run(world.drop(f"{HEADER}a,5,gift\n"))
    gameball.poll_error = OutcomeUnknown("lost")
    found = history(world, "a", live=True)
    assert len(found["rows"]) == 1
    assert "OutcomeUnknown" in found["gameball"]["error"]


@pytest.mark.parametrize("after", ["x", "2026-11~x~20261101T000000.000000", "2026-11~20261101-000000-a~x"])
def test_a_cursor_that_is_none_is_refused(after: str):
    with pytest.raises(RequestRefused, match="page before"):
        validate(HistoryRequest, {"after": after})


def test_amounts_are_exact():
    world = World(MemoryGameball())
    world.run(world.drop(f"{HEADER}a,0.000001,\n"))
    assert rows(world, "a", "amount") == [(Decimal("0.000001"),)]
