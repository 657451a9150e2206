"""How a file that is sent as transactions is planned: its way, its columns, its ids, and what is refused."""

import json
from datetime import timedelta
from typing import Any

import pytest

from adjustments.batches.payloads import request_of
from adjustments.batches.records import Batch
from adjustments.batches.states import SendAs
from adjustments.core.errors import KeyTaken
from tests.fakes.gameball import MemoryGameball
from tests.fakes.manual_transactions import MemoryTransactions
from tests.fakes.memory import START
from tests.fakes.world import World

PEOPLE = {"default_reason": "goodwill", "default_username": "ops"}
HEADER = "customerId,points,expiry\n"


def world_of(**settings: Any) -> World:
    """A world in which nothing is sent before it is approved."""
    return World(MemoryGameball(), **{"send_as": "auto", "approval_above_rows": 1, **PEOPLE, **settings})


def requests(world: World, batch: Batch) -> list[dict[str, Any]]:
    """The requests of a batch, in the order of sending."""
    chunks = world.store.chunks(batch.batch_id, batch.plan_id)
    rows = [row for chunk in chunks for row in world.settler.rows(chunk)]
    return [json.loads(request_of(row)) for row in rows]


def planned(text: str, world: World | None = None, **metadata: str) -> list[dict[str, Any]]:
    """The requests of a file of which every row is good."""
    world = world or world_of()
    batch = world.drop(text, **metadata)
    assert (batch.refusal, batch.send_as) == ("", SendAs.TRANSACTIONS)
    assert batch.counts.rejected == 0
    return requests(world, batch)


def rejected(text: str, **settings: Any) -> list[str]:
    """What is said of the rejected rows of a file."""
    world = World(MemoryTransactions(), **{"send_as": "transactions", **PEOPLE, **settings})
    ended = world.run(world.drop(text))
    assert ended.send_as is SendAs.TRANSACTIONS
    lines = world.result(ended, "fix-me.csv").splitlines()[1:]
    return [line for line in lines if line]


# --- the way ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "customerId,points,expiry\na,5,\nb,5,30\n",
        "customerId,points,Expires in days\na,5,30\n",
        "customerId,points,transactionId\na,5,t1\n",
        "customerId,amount,transaction_time\na,5,2026-01-01T12:00:00Z\n",
    ],
)
def test_file_with_a_value_that_only_transactions_carry_goes_as_transactions(text: str):
    assert planned(text)


@pytest.mark.parametrize(
    "text",
    [
        "customerId,points\na,5\nb,6\n",
        "customerId,points,expiry\na,5,\nb,6, \n",
        "customerId,amount\na,5\nb,6\n",
    ],
)
def test_every_other_file_goes_as_a_batch(text: str):
    batch = world_of().drop(text)
    assert (batch.refusal, batch.send_as) == ("", SendAs.BATCH)


def test_metadata_and_parameter_ask_for_transactions():
    assert planned("customerId,points\na,5\nb,6\n", send_as="transactions")
    assert planned("customerId,points\na,5\nb,6\n", world_of(send_as="transactions"))
    batch = world_of(send_as="transactions").drop("customerId,points\na,5\nb,6\n", send_as="batch")
    assert batch.send_as is SendAs.BATCH


@pytest.mark.parametrize("setting", [{}, {"send_as": "batch"}])
def test_file_that_is_asked_to_go_as_a_batch_is_refused_with_the_columns(setting: dict[str, str]):
    metadata = {} if setting else {"send_as": "batch"}
    batch = world_of(**setting).drop("customerId,points,expiry,transactionId\na,5,30,t\n", **metadata)
    assert '"expiry", "transactionId"' in batch.refusal
    assert "send-as: transactions" in batch.refusal


def test_unknown_way_is_refused():
    assert (
        "write one of auto, batch, transactions" in world_of().drop(HEADER, send_as="carrier pigeon").refusal
    )


def test_ignored_expiry_goes_as_a_batch():
    batch = world_of().drop("customerId,points,expiry\na,5,30\nb,5,30\n", ignore_columns="expiry")
    assert batch.send_as is SendAs.BATCH


def test_email_alone_makes_no_transactions_and_says_how_it_can():
    refusal = world_of().drop("customerId,points,email\na,5,a@x.example\n").refusal
    assert "send-as: transactions" in refusal


def test_metadata_names_a_heading_of_another_language():
    [request] = planned(
        "Kunde,Punkte,Ablauf\na,5,30\n", columns="customerId=Kunde,points=Punkte,expiryAfter=Ablauf"
    )
    assert (request["customerId"], request["points"], request["expiryAfter"]) == ("a", 5, 30)


def test_note_says_the_way_the_reason_the_time_and_the_unit():
    world = world_of()
    rows = "".join(f"c{number},5,30\n" for number in range(4000))
    batch = world.drop(HEADER + rows)
    assert batch.sending_note == (
        "sent as transactions because of the column expiry: 4,000 rows, about 6 minutes at the rate limit; "
        "points holds whole points"
    )


# --- columns ----------------------------------------------------------------------------------------------


def test_row_becomes_the_exact_request():
    world = world_of()
    [request] = planned(
        "customerId,points,reason,username,expiryAfter,transactionId,transactionTime,email,mobile\n"
        "c1,500,gift,jane,30,t-1,2026-01-01T12:00:00Z,c@x.example,+49 1\n",
        world,
    )
    assert request == {
        "customerId": "c1", "transactionId": "t-1", "username": "jane", "reason": "gift",
        "email": "c@x.example", "mobile": "+49 1", "transactionTime": "2026-01-01T12:00:00Z",
        "points": 500, "expiryAfter": 30,
    }  # fmt: skip


def test_row_without_an_id_gets_one_of_batch_and_line():
    world = world_of()
    batch = world.drop("customerId,points,transactionId\na,5,\nb,6,own\nc,7,\n")
    ids = [request["transactionId"] for request in requests(world, batch)]
    assert ids == [f"{batch.batch_id}-000002", "own", f"{batch.batch_id}-000004"]


def test_reason_and_username_come_from_column_metadata_or_parameter():
    text = "customerId,points,reason,username,expiry\na,5,own,me,1\nb,5,,,1\n"
    own, given = planned(text, reason="Spring", username="jane")
    assert (own["reason"], own["username"]) == ("own", "me")
    assert (given["reason"], given["username"]) == ("Spring", "jane")
    _, default = planned(text)
    assert (default["reason"], default["username"]) == ("goodwill", "ops")


@pytest.mark.parametrize("missing", ["reason", "username"])
def test_row_without_reason_or_username_is_rejected(missing: str):
    [line] = rejected("customerId,points\na,5\n", **{f"default_{missing}": ""})
    assert f"the row has no {missing}" in line


def test_points_and_money_may_stand_in_one_file():
    points, money = planned("customerId,points,amount,expiry\na,5,,1\nb,,7.25,1\n")
    assert (points["points"], points.get("amount")) == (5, None)
    assert (money.get("points"), money["amount"]) == (None, 7.25)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a,5,,-1", "Expiry cannot be negative"),
        ("a,-5,,30", "Deduction cannot have expiry"),
        ("a,,-2.5,30", "Deduction cannot have expiry"),
        ("a,5,7,", "Only one rewarding method may be specified"),
        ("a,,,", "A rewarding criteria is required"),
    ],
)
def test_rules_of_the_api_are_applied_row_by_row_in_its_words(row: str, words: str):
    [line] = rejected(f"customerId,points,amount,expiry\n{row}\nb,5,,\n")
    assert line.startswith("a,")
    assert f"line 2: {words}" in line


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a,5.5,,", "is not a whole number; write whole points, or name the column amount if it is money"),
        ("a,0,,", "is zero and would change nothing"),
        ("a,5,2026-12-31,", "is a date; write after how many whole days"),
        ("a,5,soon,", "is not a number of days"),
        ("a,5,99999999,", "must be at most 36500"),
        ("a,5,,9.5E+20", "scientific notation"),
        ("a,2000000,,", "is beyond the limit"),
        ("NULL,5,,", "is what a program writes"),
    ],
)
def test_bad_row_is_rejected_with_advice(row: str, words: str):
    [line] = rejected(f"customerId,points,expiry,transactionId\n{row}\nb,5,,\n")
    assert words in line


@pytest.mark.parametrize("cell", ["", "0", "NULL", " "])
def test_no_expiry_is_left_out(cell: str):
    [request] = planned(f"customerId,points,expiry,transactionId\na,5,{cell},t\n")
    assert "expiryAfter" not in request


def test_number_that_may_be_points_or_money_refuses_the_file():
    refusal = world_of(send_as="transactions").drop("customerId,adjustment\na,5\n").refusal
    assert '"adjustment" does not say whether it holds points or money' in refusal


def test_file_without_points_or_amount_is_refused():
    refusal = world_of(send_as="transactions").drop("customerId,reason\na,5\n").refusal
    assert "points, or amount (money in your account's currency)" in refusal


def test_currency_refuses_transactions_too():
    refusal = world_of().drop("customerId,amount,expiry,currency\na,5,30,EUR\n").refusal
    assert "neither a batch nor a manual transaction can carry" in refusal


def test_id_in_two_rows_refuses_the_file():
    refusal = world_of().drop("customerId,points,transactionId\na,5,t1\nb,5,\nc,5,t2\nd,5,t2\n").refusal
    assert 'transactionId "t2" is in more than one row' in refusal


# --- chunks and guards ------------------------------------------------------------------------------------


def test_chunks_are_small_and_a_customer_is_in_each_wave_once():
    world = world_of()
    rows = "".join(f"c{number % 1000},{number + 1},1\n" for number in range(1500))
    batch = world.drop(HEADER + rows)
    chunks = world.store.chunks(batch.batch_id, batch.plan_id)
    assert [(chunk.wave, chunk.rows) for chunk in chunks] == [(1, 900), (1, 100), (2, 500)]
    assert [r["points"] for r in requests(world, batch) if r["customerId"] == "c7"] == [8, 1008]


def test_same_rows_are_accepted_once_whichever_way_they_go():
    world = world_of(approval_above_rows=0)
    first = world.drop("customerId,points,reason\na,5,x\nb,6,x\n")
    again = world.drop("customerId,points,reason,expiry\na,5,x,30\nb,6,x,30\n")
    assert again.duplicate_of == first.batch_id


def test_rows_without_a_reason_are_the_same_whatever_the_default_is():
    world = world_of(approval_above_rows=0)
    first = world.drop("customerId,points\na,5\nb,6\n")
    assert world.drop("customerId,points,expiry\na,5,1\nb,6,1\n").duplicate_of == first.batch_id


def test_rows_with_other_ids_of_their_own_are_other_rows():
    world = world_of(approval_above_rows=0)
    world.drop("customerId,points,transactionId\na,5,t1\nb,6,t2\n")
    other = world.drop("customerId,points,transactionId\na,5,t3\nb,6,t4\n")
    assert not other.refusal
    assert other.overlap is None
    assert world.drop("customerId,points,transactionId\na,5,t3\nb,6,t4\n").duplicate_of == other.batch_id


def test_customer_with_too_many_rows_is_rejected_and_the_rest_is_planned():
    world = world_of()
    rows = "".join(f"c,{number + 1},1\n" for number in range(51)) + "".join(
        f"d{number},5,1\n" for number in range(400)
    )
    batch = world.drop(HEADER + rows)
    assert batch.counts.rejected == 51
    assert len(requests(world, batch)) == 400


def test_deadline_leaves_time_for_all_rows():
    world = world_of()
    rows = "".join(f"c{number},5,30\n" for number in range(3500))
    batch = world.drop(HEADER + rows)
    assert (batch.deadline_at - batch.created_at).total_seconds() == 6 * 3600 + 2 * 300


def test_recurring_file_with_ids_of_its_own_is_refused():
    world = world_of(approval_above_rows=0)
    world.files.drop("recurring/f.csv", b"customerId,points,transactionId\na,5,t1\nb,6,t2\n", {})
    batch = world.recurring_files.submit("recurring/f.csv", START)
    assert batch
    assert "from the second tick on nothing would be applied" in batch.refusal


def test_recurring_file_without_ids_gets_new_ones_at_each_tick():
    world = world_of(approval_above_rows=0)
    world.files.drop("recurring/f.csv", b"customerId,points,expiry\na,5,30\nb,6,30\n", {})
    ticks = [START - timedelta(minutes=1), START]
    batches = [world.recurring_files.submit("recurring/f.csv", due_at) for due_at in ticks]
    ids = [{request["transactionId"] for request in requests(world, batch)} for batch in batches if batch]
    assert not ids[0] & ids[1]


def test_key_that_came_for_a_batch_is_refused_for_transactions_and_takes_the_same_body_again():
    world = world_of()
    rows = {"body": [{"customerId": "a", "amount": 5, "reason": "gift"}]}
    first = world.api_submission.accept({**rows, "sendAs": "batch"}, "key-1")
    assert world.api_submission.accept({**rows, "sendAs": "batch"}, "key-1").batch_id == first.batch_id
    assert world.api_submission.accept(rows, "key-1").batch_id == first.batch_id
    with pytest.raises(KeyTaken, match="sent as batch: use a new key"):
        world.api_submission.accept({**rows, "sendAs": "transactions"}, "key-1")
    assert [batch.batch_id for batch in world.store.open_batches()] == [first.batch_id]
