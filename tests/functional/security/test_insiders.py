"""Insiders through the real functions: they are named, approve nothing of their own, and cut up no file."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

from adjustments import bootstrap
from adjustments.batches.states import BatchStatus
from adjustments.gameball.client import GameballClient
from local.standin.server import StandIn
from tests.fakes.gateway import proxy_event
from tests.fakes.world import World
from tests.functional.adjusting.test_client import applied, control
from tests.functional.adjusting.test_handlers import call, message

ADA = "arn:aws:sts::111122223333:assumed-role/Operations/ada@shop.example"
BEN = "arn:aws:iam::111122223333:user/ben"
LIMIT = 4


@pytest.fixture
def world(client: GameballClient, gameball: StandIn) -> Iterator[World]:
    """The functions' application, in which more than four rows wait for an approval."""
    files = ("f0", "f1", "f2", "f3", "twice")
    names = [f"{name}-{number}" for name in files for number in range(2)]
    control(gameball, "customers", {"customers": [{"customerId": name, "balance": 0} for name in names]})
    built = World(client, approval_above_rows=LIMIT)
    bootstrap.install(built)
    yield built
    bootstrap.install(None)


def drop(world: World, name: str, rows: int, **metadata: str) -> dict[str, Any]:
    """Drop a file, deliver S3's event of it, and show its batch."""
    text = "".join(f"{name}-{number},1\n" for number in range(rows))
    named = {word.replace("_", "-"): value for word, value in metadata.items()}
    stored = world.files.drop(f"inbox/{name}.csv", f"customerId,amount\n{text}".encode(), named)
    detail = {
        "bucket": {"name": "memory"},
        "object": {"key": stored.key, "version-id": stored.version_id},
        "requester": "111122223333",
        "source-ip-address": "203.0.113.9",
        "request-id": "N4N7GDK58NMKJ12R",
        "reason": "PutObject",
    }
    call("submit_batch", message(source="aws.s3", **{"detail-type": "Object Created", "detail": detail}))
    return next(batch for batch in listed() if batch["source"]["key"] == stored.key)


def listed() -> list[dict[str, Any]]:
    batches: list[dict[str, Any]] = ask("GET", "/batches")[1]["batches"]
    return batches


def ask(
    method: str, path: str, body: Any = None, caller: str = ADA, key: str = ""
) -> tuple[int, dict[str, Any]]:
    """Call the API as somebody, perhaps with an Idempotency-Key."""
    event = proxy_event(method, path, None if body is None else json.dumps(body))
    if key:
        event["headers"]["Idempotency-Key"] = key
    event["requestContext"]["identity"]["userArn"] = caller
    function = "accept_batch" if path.startswith("/batch/") else "batch_api"
    answer = call(function, event)
    return answer["statusCode"], json.loads(answer["body"])


def approve(batch: dict[str, Any], caller: str) -> tuple[int, str]:
    status, answer = ask("POST", f"/batches/{batch['batchId']}/approve", {}, caller)
    return status, str(answer.get("message", ""))


def test_event_of_s3_and_the_claim_of_the_file_are_on_record(world: World) -> None:
    batch = drop(world, "f", 1, submitted_by=ADA)
    assert batch["submittedBy"] == {
        "trigger": "drop", "identity": "", "claimedIdentity": ADA, "account": "111122223333",
        "sourceIp": "203.0.113.9", "requestId": "N4N7GDK58NMKJ12R",
    }  # fmt: skip


def test_many_small_files_do_not_slip_under_the_limit(world: World, gameball: StandIn) -> None:
    statuses = [drop(world, f"f{number}", 2)["status"] for number in range(4)]
    assert [status == "awaiting_approval" for status in statuses] == [False, False, True, True]
    assert applied(gameball) == LIMIT


def test_files_and_bodies_are_added_up_together(world: World) -> None:
    drop(world, "file", 3)
    body = {"body": [{"customerId": name, "amount": 1} for name in ("x", "y")]}
    status, answer = ask("POST", "/batch/balance-adjustment", body)
    [batch] = [one for one in listed() if one["batchId"] == answer["batchId"]]
    assert (status, batch["status"]) == (202, "awaiting_approval")


def test_poster_of_a_body_can_not_approve_it(world: World, gameball: StandIn) -> None:
    body = {"body": [{"customerId": f"c{number}", "amount": 1} for number in range(LIMIT + 1)]}
    batch = ask("POST", "/batch/balance-adjustment", body)[1]
    status, told = approve(batch, ADA)
    assert (status, "you submitted it" in told) == (409, True)
    assert applied(gameball) == 0
    assert approve(batch, BEN)[0] == 200


def test_uploader_named_by_a_file_can_not_approve_it(world: World, gameball: StandIn) -> None:
    batch = drop(world, "large", LIMIT + 1, submitted_by=ADA)
    status, told = approve(batch, ADA)
    assert (status, "its file says that you uploaded it" in told) == (409, True)
    assert applied(gameball) == 0
    assert approve(batch, BEN)[0] == 200


def test_permission_for_duplicates_applies_nothing_without_an_approval(
    world: World, gameball: StandIn
) -> None:
    drop(world, "twice", 2)
    assert applied(gameball) == 2
    again = drop(world, "twice", 2, allow_duplicate="true", submitted_by=ADA)
    assert (again["status"], applied(gameball)) == ("awaiting_approval", 2)
    assert approve(again, ADA)[0] == 409
    assert approve(again, BEN)[0] == 200


def tick(due_at: datetime, **file: str) -> dict[str, Any]:
    """A message of the schedule, or of a file of it, as those on call may put one into the queue."""
    return message(dueTime=due_at.isoformat(), **file)


@pytest.mark.parametrize("ahead", [timedelta(seconds=6), timedelta(days=2)])
def test_forged_tick_of_the_future_applies_nothing_and_empties_no_sums(
    world: World, gameball: StandIn, ahead: timedelta
) -> None:
    """Counted at its due time, it would make the batches of today a day old, and the limits begin anew."""
    drop(world, "f0", 2)
    drop(world, "f1", 2)
    world.files.drop("recurring/one.csv", b"customerId,amount\ntwice-0,1\n")
    due_at = world.clock.now() + ahead
    for forged in (tick(due_at), tick(due_at, key="recurring/one.csv")):
        with pytest.raises(BatchProcessingError):
            call("submit_batch", forged)
    assert applied(gameball) == LIMIT
    assert world.intake.recurring == []
    assert drop(world, "f2", 1)["status"] == "awaiting_approval"


def test_forged_ticks_of_the_past_wait_for_an_approval_once_they_are_a_large_file(
    world: World, gameball: StandIn
) -> None:
    world.files.drop("recurring/two.csv", b"customerId,amount\ntwice-0,1\ntwice-1,1\n")
    for minutes in range(4):
        call("submit_batch", tick(world.clock.now() - timedelta(minutes=minutes), key="recurring/two.csv"))
    assert [batch["status"] == "awaiting_approval" for batch in listed()].count(True) == 2
    assert applied(gameball) == LIMIT


def test_repeated_idempotency_key_of_another_person_changes_neither_batch_nor_submitter(
    world: World, gameball: StandIn
) -> None:
    """Who repeats a body does not become its submitter, so that the first one could approve it."""
    body = {"body": [{"customerId": f"c{number}", "amount": 1} for number in range(LIMIT + 1)]}
    first = ask("POST", "/batch/balance-adjustment", body, ADA, key="november")[1]
    assert ask("POST", "/batch/balance-adjustment", body, BEN, key="november") == (202, first)
    other = {"body": [{"customerId": "c1", "amount": 9}]}
    assert ask("POST", "/batch/balance-adjustment", other, BEN, key="november")[0] == 409
    [batch] = listed()
    assert batch["submittedBy"]["identity"] == ADA
    assert approve(first, ADA)[0] == 409
    assert applied(gameball) == 0


def test_own_batch_that_is_stopped_and_dropped_again_still_waits_for_another_person(
    world: World, gameball: StandIn
) -> None:
    held = drop(world, "large", LIMIT + 1, submitted_by=ADA)
    assert ask("POST", f"/batches/{held['batchId']}/stop", {}, ADA)[0] == 200
    assert world.run(world.store.batch(held["batchId"])).status is BatchStatus.STOPPED
    world.clock.sleep(1)
    again = drop(world, "large", LIMIT + 1, submitted_by=ADA)
    assert (again["status"], again["batchId"] == held["batchId"]) == ("awaiting_approval", False)
    assert approve(again, ADA)[0] == 409
    assert approve(held, BEN)[0] == 409, "stopped is stopped"
    assert applied(gameball) == 0


def test_dry_run_makes_no_room_and_opens_no_way_past_the_approval(world: World, gameball: StandIn) -> None:
    assert drop(world, "large", LIMIT + 1, dry_run="true", submitted_by=ADA)["dryRun"]
    held = drop(world, "large", LIMIT + 1, submitted_by=ADA)
    assert held["status"] == "awaiting_approval"
    assert approve(held, ADA)[0] == 409
    assert applied(gameball) == 0


def test_file_that_is_overwritten_while_it_waits_is_not_approved(world: World, gameball: StandIn) -> None:
    held = drop(world, "large", LIMIT + 1, submitted_by=ADA)
    world.files.drop("inbox/large.csv", b"customerId,amount\ntwice-0,4\n", {"submitted-by": ADA})
    status, told = approve(held, BEN)
    assert (status, "the file was changed since it was planned" in told) == (409, True)
    assert applied(gameball) == 0


@pytest.mark.parametrize("sign", ["\u0430da", "ada\u200b", "\u202eada", "ADA"])
def test_name_that_looks_like_anothers_is_not_taken_for_it(world: World, sign: str) -> None:
    """It is on record as it was claimed, with what can't be seen named, and blames nobody else."""
    batch = drop(world, "large", LIMIT + 1, submitted_by=ADA.replace("ada", sign))
    claimed = batch["submittedBy"]["claimedIdentity"]
    assert claimed != ADA
    assert claimed.isprintable()
    assert batch["submittedBy"]["identity"] == ""


def test_two_people_who_approve_at_once_apply_it_once(world: World, gameball: StandIn) -> None:
    held = drop(world, "large", LIMIT + 1, submitted_by=ADA)
    assert [approve(held, BEN)[0], approve(held, f"{BEN}-2")[0]] == [200, 409]
    assert len(world.executions.started) == 1


def test_rows_that_go_as_transactions_are_added_up_with_all_others(world: World, gameball: StandIn) -> None:
    drop(world, "f0", 2)
    text = "customerId,points,reason,username\n" + "".join(f"f{number}-1,1,r,u\n" for number in range(1, 4))
    world.files.drop("inbox/transactions.csv", text.encode(), {"submitted-by": ADA})
    detail = {"bucket": {"name": "memory"}, "object": {"key": "inbox/transactions.csv"}}
    call("submit_batch", message(source="aws.s3", **{"detail-type": "Object Created", "detail": detail}))
    [batch] = [one for one in listed() if one["source"]["key"] == "inbox/transactions.csv"]
    assert batch["status"] == "awaiting_approval"
    held_by = ask("GET", f"/batches/{batch['batchId']}")[1]["heldBy"]
    assert "together with the batches of the last 24 hours" in held_by[0]
    assert approve(batch, ADA)[0] == 409
    assert applied(gameball) == 2
