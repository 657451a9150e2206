"""What works with the bucket's folders and the mails alone; and the history of one customer."""

import json
from decimal import Decimal

from local.batch_client import BatchClient
from local.processes import wait_for
from local.stack import LocalStack
from local.standin_client import StandInClient


def test_every_file_is_answered_wherever_it_is_dropped(
    stack: LocalStack, batches: BatchClient, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    for key in ("Inbox/a.csv", "b.csv", "inbox/c.xlsx", "inbox/d.txt"):
        batches.drop(key, b"customerId,amount\nplayer-01,5\n")
    for key in ("Inbox/a.csv", "b.csv", "inbox/c.xlsx", "inbox/d.txt"):
        ended = batches.wait_until_ended(batches.wait_for_first(key))
        assert ended["status"] == "rejected"
        assert "nothing of it was read or sent" in ended["message"]
    batches.drop("dry-run/e.csv", b"customerId,amount\nplayer-01,5\n")
    ended = batches.wait_until_ended(batches.wait_for_first("dry-run/e.csv"))
    assert (ended["status"], ended["dryRun"]) == ("validated", True)

    batches.drop("recurring/f.csv", b"customerId,amount\nplayer-01,5\n")

    def checks() -> list[str]:
        listed = stack.call_api("GET", "/batches?limit=100").json()["batches"]
        return [one["batchId"] for one in listed if one["source"]["key"] == "recurring/f.csv"]

    [check] = wait_for(checks, 30, "the check of the recurring file")
    assert batches.wait_until_ended(check)["dryRun"]
    stack.aws.s3.delete_object(Bucket=stack.outputs["BucketName"], Key="recurring/f.csv")
    assert standin.audit()["applied"] == []


def test_what_was_done_for_a_customer_is_found_with_gameballs_own_data(
    stack: LocalStack, batches: BatchClient, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    batches.drop("inbox/history.csv", b"customerId,amount,reason\nplayer-09,7,gift\nplayer-09,x,\n")
    batch = batches.wait_until_ended(batches.wait_for_first("inbox/history.csv"))
    fields = {"customerId": "player-09", "transactionId": "h1", "username": "ada", "reason": "sorry"}
    assert stack.call_api("POST", "/transactions/manual", {**fields, "points": 3}).status == 200

    def rows() -> list[dict[str, object]]:
        answer = stack.call_api("GET", "/customers/player-09/adjustments?live=true")
        assert answer.status == 200, answer.body
        found: list[dict[str, object]] = answer.json()["rows"]
        return found if len(found) >= 3 else []

    known = [
        (row["kind"], row["amount"], row["outcome"])
        for row in wait_for(rows, 20, "the history")
        if row["batchId"] in (None, batch["batchId"])
    ]
    assert known == [("manual", 3, "applied"), ("batch", 7, "applied"), ("batch", None, "rejected")]
    live = stack.call_api("GET", "/customers/player-09/adjustments?live=true").json()["gameball"]
    matches = [json.dumps(entry["match"]) for entry in live["transactions"] if entry["match"]]
    assert any("h1" in match for match in matches)
    assert any(batch["batchId"] in match for match in matches)


def test_a_customer_is_found_whatever_his_id_is_made_of(stack: LocalStack) -> None:
    for name, path in (
        ("a+b c@x.com", "a%2Bb%20c%40x.com"),
        ("\u00e9t\u00e9", "%C3%A9t%C3%A9"),
        ("50%", "50%25"),
    ):
        answer = stack.call_api("GET", f"/customers/{path}/adjustments")
        assert answer.status == 200, (name, answer.body)
        assert answer.json()["customerId"] == name
