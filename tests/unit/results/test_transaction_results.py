"""What people and programs get of a file that was sent as transactions: files, progress, mail, reversal."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus, SendAs
from adjustments.core import exact_json
from adjustments.core.errors import GameballRefused
from tests.fakes.gameball import MemoryGameball
from tests.fakes.manual_transactions import MemoryTransactions
from tests.fakes.world import World

THREE = "customerId,points,reason,expiry\na,5,x,30\nb,6,x,30\nc,7,x,30\n"
POOR = GameballRefused("Gameball answered 422: Insufficient points", status=422, code=9008)


def world_of(gameball: Any = None, **settings: Any) -> World:
    people = {"default_reason": "goodwill", "default_username": "ops"}
    return World(gameball or MemoryTransactions(), **{**people, **settings})


def rows_of(world: World, batch: Batch, name: str = "results.csv") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(world.result(batch, name))))


def test_results_have_both_ids_of_each_row():
    world = world_of()
    ended = world.run(world.drop(THREE))
    rows = rows_of(world, ended)
    assert [row["transactionId"] for row in rows] == [f"{ended.batch_id}-00000{line}" for line in (2, 3, 4)]
    assert [row["gameballTransactionId"] for row in rows] == ["1", "2", "3"]
    assert [row["jobId"] for row in rows] == ["", "", ""]


def test_results_of_a_batch_have_no_further_columns():
    world = world_of(MemoryGameball())
    ended = world.run(world.drop("customerId,points\na,5\nb,6\n"))
    header = world.result(ended, "results.csv").splitlines()[0]
    assert header == "line,customerId,amount,reason,status,message,jobId"


def test_row_that_failed_is_in_fix_me_as_it_stood_in_the_file():
    world = world_of()
    world.ports.gameball.by_customer["b"] = [POOR]  # type: ignore[attr-defined]
    ended = world.run(world.drop(THREE))
    [row] = rows_of(world, ended, "fix-me.csv")
    assert (row["customerId"], row["points"], row["expiry"]) == ("b", "6", "30")
    again = world.drop(world.result(ended, "fix-me.csv"), "fix-me.csv")
    assert (again.refusal, again.send_as) == ("", SendAs.TRANSACTIONS)


def test_summary_and_event_say_how_the_batch_was_sent():
    world = world_of()
    ended = world.run(world.drop(THREE))
    summary = exact_json.read(world.result(ended, "summary.json"))
    assert summary["sendAs"] == "transactions"
    assert summary["notes"][0].startswith(
        "sent as transactions because of the column expiry: 3 rows, about 1 second"
    )
    [(_, event)] = world.notifications.events
    assert event["sendAs"] == "transactions"
    report = world.result(ended, "report.html")
    assert "3 rows, about 1 second" in report
    assert "Each row was sent as a transaction of its own" in report
    assert "Gameball processes each as one job" not in report
    assert "How: sent as transactions" in world.notifications.mails[-1][1]


def test_dry_run_predicts_points_and_not_money_and_says_how_long():
    gameball = MemoryGameball()
    gameball.balance = 10
    world = world_of(gameball)
    text = "customerId,points,amount,transactionId\na,5,,\nb,-20,,\nc,,-3,t\n"
    ended = world.run(world.drop(text, dry_run="true"))
    assert ended.status is BatchStatus.VALIDATED
    assert ended.prediction
    assert (
        ended.prediction.would_apply,
        ended.prediction.would_overdraw,
        ended.prediction.not_predicted,
    ) == (1, 1, 1)
    assert "amount of money is not known" in world.result(ended, "results.csv")
    assert "How: sent as transactions" in world.notifications.mails[-1][1]
    assert not gameball.applied


def test_progress_counts_rows_that_are_known_and_estimates_the_end():
    world = world_of(requests_per_30_s=350)
    rows = "".join(f"c{number},5,x,30\n" for number in range(3500))
    batch = world.drop("customerId,points,reason,expiry\n" + rows)
    at_first = world.administration.show(batch.batch_id)["progress"]
    assert at_first["settledRows"] > 100
    world.sender.submit(batch.batch_id, world.clock.now() + timedelta(minutes=2))
    progress = world.administration.show(batch.batch_id)["progress"]
    assert 1300 < progress["settledRows"] < 1600
    assert 10 < progress["rowsPerSecond"] < 13
    assert progress["expectedEnd"] > world.clock.now().isoformat()
    assert progress["jobs"] == {"settled": 0, "running": 0, "total": 0}


# --- reversal ---------------------------------------------------------------------------------------------


def reversed_file(world: World, batch: Batch) -> str:
    key = world.administration.reverse(batch.batch_id)["key"]
    return world.files.get(key).decode()


def test_reversal_goes_as_transactions_in_the_same_unit():
    world = world_of()
    ended = world.run(
        world.drop("customerId,points,amount,reason,username,expiry\na,5,,x,me,30\nb,,2.5,x,me,30\n")
    )
    text = reversed_file(world, ended)
    undone = world.run(world.drop(text, "reversal.csv"))
    assert (undone.send_as, undone.reverses, undone.counts.applied) == (
        SendAs.TRANSACTIONS,
        ended.batch_id,
        2,
    )
    sent = world.ports.gameball.sent[2:]  # type: ignore[attr-defined]
    assert [(one.get("points"), one.get("amount")) for one in sent] == [
        (-5, None),
        (None, exact_json.read("-2.5")),
    ]
    assert [one["username"] for one in sent] == ["me", "me"]
    assert sent[0]["transactionId"] == f"{ended.batch_id}-000002-reversal"
    assert "expiryAfter" not in sent[0]


def test_reversal_that_is_dropped_twice_takes_nothing_back_twice():
    world = world_of()
    ended = world.run(world.drop(THREE))
    text = reversed_file(world, ended)
    world.run(world.drop(text, "reversal.csv"))
    again = world.run(world.drop(text, "reversal.csv", allow_duplicate="true"))
    assert again.counts.applied in (0, 3)
    assert len(world.ports.gameball.stored) == 6  # type: ignore[attr-defined]


def test_points_that_were_spent_meanwhile_fail_and_say_so():
    world = world_of()
    ended = world.run(world.drop(THREE))
    world.ports.gameball.by_customer["b"] = [POOR]  # type: ignore[attr-defined]
    undone = world.run(world.drop(reversed_file(world, ended), "reversal.csv"))
    assert (undone.counts.applied, undone.counts.failed) == (2, 1)
    assert "Insufficient points" in world.result(undone, "fix-me.csv")


# --- the API ----------------------------------------------------------------------------------------------


def test_body_with_an_expiry_goes_as_transactions():
    world = world_of()
    rows = [{"customerId": "a", "points": 5, "expiryAfter": 30}, {"customerId": "b", "amount": 7}]
    batch = world.run(world.api_submission.accept({"body": rows}, "key"))
    assert (batch.send_as, batch.counts.applied) == (SendAs.TRANSACTIONS, 2)
    first, second = world.ports.gameball.sent  # type: ignore[attr-defined]
    assert (first["points"], first["expiryAfter"]) == (5, 30)
    assert (second["amount"], "expiryAfter" in second) == (7, False)


@pytest.mark.parametrize("send_as", list(SendAs))
def test_body_says_how_it_is_sent(send_as: SendAs):
    world = world_of(MemoryGameball())
    rows = [{"customerId": "a", "amount": 5}, {"customerId": "b", "amount": 6}]
    assert world.api_submission.accept({"body": rows, "sendAs": send_as.value}, "key").send_as is send_as
