"""Who submitted a batch: what is known of it, how it is told, and that nobody approves their own."""

import json
from typing import Any

import pytest

from adjustments.administration.service import ApprovalRequest
from adjustments.aws.event_models import ObjectCreated, read_trigger
from adjustments.batches.batch_parts import Submitter
from adjustments.batches.records import Batch
from adjustments.core.errors import WrongState
from adjustments.results.formats import submitter_text
from tests.fakes.gameball import MemoryGameball
from tests.fakes.memory import START
from tests.fakes.world import World

ADA = "arn:aws:sts::111122223333:assumed-role/Operations/ada@shop.example"
CLAIMED = "(claimed by the file's metadata, not proven)"
BEN = "arn:aws:iam::111122223333:user/ben"
ROWS = "customerId,amount\na,1\nb,2\n"
BODY = {"body": [{"customerId": "a", "amount": 1}, {"customerId": "b", "amount": 2}]}
SEEN = {"account": "111122223333", "source_ip": "203.0.113.9", "request_id": "N4N7GDK58NMKJ12R"}


def s3_event(**details: Any) -> dict[str, Any]:
    """An event as S3 sends it (Amazon S3 User Guide, "EventBridge event message structure")."""
    return {
        "version": "0",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2026-11-21T12:00:00Z",
        "detail": {
            "version": "0",
            "bucket": {"name": "memory"},
            "object": {"key": "inbox/f.csv", "size": 5, "version-id": "v1"},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "111122223333",
            "source-ip-address": "203.0.113.9",
            "reason": "PutObject",
            **details,
        },
    }


def submitter_of(event: dict[str, Any]) -> Submitter:
    trigger = read_trigger(event)
    assert isinstance(trigger, ObjectCreated)
    return trigger.submitter


def dropped(world: World, *, is_copy: bool = False, **metadata: str) -> Batch:
    """Drop a file as S3's event tells of it."""
    named = {name.replace("_", "-"): text for name, text in metadata.items()}
    stored = world.files.drop("inbox/f.csv", ROWS.encode(), named)
    seen = Submitter(trigger="drop", **SEEN)
    batch = world.triggers.submit_object(stored.key, stored.version_id, is_copy=is_copy, submitter=seen)
    assert batch is not None
    return batch


def test_event_of_s3_names_account_address_and_request_and_no_person():
    assert submitter_of(s3_event()) == Submitter(trigger="drop", **SEEN)


@pytest.mark.parametrize("odd", [None, 5, ["x"], "x" * 5_000, "\ud800"])
def test_odd_details_of_an_event_keep_no_file_from_being_taken(odd: Any):
    submitter = submitter_of(s3_event(requester=odd, **{"source-ip-address": odd, "request-id": odd}))
    assert len(submitter.account.encode()) <= 200


def test_event_of_the_sweep_tells_nothing_of_the_uploader():
    assert submitter_of({**s3_event(), "source": "gameball.adjustments"}) == Submitter(trigger="drop")


def test_uploader_is_what_the_metadata_claims_beside_what_s3_saw():
    batch = dropped(World(MemoryGameball()), submitted_by=f" {ADA} ")
    assert batch.submitted_by == Submitter(trigger="drop", claimed_identity=ADA, **SEEN)


def test_copy_claims_no_uploader_since_its_metadata_is_that_of_another_object():
    batch = dropped(World(MemoryGameball()), is_copy=True, submitted_by=ADA)
    assert batch.submitted_by == Submitter(trigger="drop", **SEEN)


def test_tick_names_the_schedule_and_what_the_file_claims():
    world = World(MemoryGameball())
    world.files.drop("recurring/monthly.csv", ROWS.encode(), {"submitted-by": ADA})
    [batch] = world.tick(START)
    assert batch.submitted_by == Submitter(trigger="schedule", claimed_identity=ADA)


def test_body_of_the_api_is_its_callers():
    batch = World(MemoryGameball()).api_submission.accept(BODY, None, ADA)
    assert batch.submitted_by == Submitter(trigger="api", identity=ADA)


def test_summary_api_event_mail_and_report_say_who_submitted_the_batch():
    world = World(MemoryGameball())
    batch = world.run(dropped(world, submitted_by=ADA))
    told = {
        "trigger": "drop", "identity": "", "claimedIdentity": ADA, "account": "111122223333",
        "sourceIp": "203.0.113.9", "requestId": "N4N7GDK58NMKJ12R",
    }  # fmt: skip
    assert json.loads(world.result(batch, "summary.json"))["submittedBy"] == told
    assert world.administration.show(batch.batch_id)["submittedBy"] == told
    [(_, event)] = world.notifications.events
    assert event["submittedBy"] == told
    [(_, mail)] = world.notifications.mails
    who = f"{ADA} {CLAIMED}; S3 saw AWS account 111122223333, address 203.0.113.9"
    assert f"Submitted by: {who}" in mail.splitlines()
    report = world.result(batch, "report.html")
    assert "Submitted by " in report
    assert ADA in report


def test_batch_from_before_this_was_recorded_says_nothing_of_it():
    world = World(MemoryGameball())
    batch = dropped(world)
    world.store._batches[batch.batch_id] = batch.replaced(submitted_by=None)
    ended = world.run(batch)
    assert "submittedBy" not in json.loads(world.result(ended, "summary.json"))
    assert "Submitted by" not in world.result(ended, "report.html") + world.notifications.mails[0][1]


def test_claim_can_forge_no_line_of_a_mail_and_no_markup_of_the_report():
    world = World(MemoryGameball())
    batch = world.run(dropped(world, submitted_by="<b>ada</b>\nApproved by: ben\u202e"))
    [(_, mail)] = world.notifications.mails
    assert f"Submitted by: <b>ada</b><U+000A>Approved by: ben<U+202E> {CLAIMED}" in mail
    assert "<b>ada" not in world.result(batch, "report.html")


def held(world: World, submitted_by: str = "") -> Batch:
    batch = dropped(world, submitted_by=submitted_by)
    assert batch.status == "awaiting_approval"
    return batch


def test_nobody_approves_the_body_that_they_posted():
    world = World(MemoryGameball(), approval_above_rows=1)
    batch = world.api_submission.accept(BODY, None, ADA)
    with pytest.raises(WrongState, match="you submitted it, so another person has to approve it"):
        world.administration.approve(batch.batch_id, ADA, ApprovalRequest())
    assert world.store.batch(batch.batch_id).status == "awaiting_approval"
    assert world.administration.approve(batch.batch_id, BEN, ApprovalRequest()).approved_by == BEN


def test_who_is_claimed_to_have_uploaded_a_file_counts_as_its_uploader():
    world = World(MemoryGameball(), approval_above_rows=1)
    batch = held(world, submitted_by=ADA)
    with pytest.raises(WrongState, match="its file says that you uploaded it"):
        world.administration.approve(batch.batch_id, ADA, ApprovalRequest())
    assert world.administration.approve(batch.batch_id, BEN, ApprovalRequest()).approved_by == BEN


def test_own_upload_may_be_approved_where_the_parameter_says_so():
    world = World(MemoryGameball(), approval_above_rows=1, approver_may_be_uploader=True)
    batch = held(world, submitted_by=ADA)
    assert world.administration.approve(batch.batch_id, ADA, ApprovalRequest()).approved_by == ADA


@pytest.mark.parametrize("by", ["", ADA])
def test_unknown_uploader_keeps_nobody_from_approving(by: str):
    world = World(MemoryGameball(), approval_above_rows=1)
    approved = world.administration.approve(held(world).batch_id, by, ApprovalRequest())
    assert approved.status != "awaiting_approval"


def test_who_submitted_is_told_with_how_it_is_known():
    drop = Submitter(trigger="drop", claimed_identity=ADA)
    tick = Submitter(trigger="schedule", claimed_identity=ADA)
    assert submitter_text(Submitter(trigger="api", identity=ADA)) == f"{ADA}, by the API"
    assert submitter_text(drop) == f"{ADA} {CLAIMED}"
    assert submitter_text(tick) == f"the recurring schedule; the file's uploader: {ADA} {CLAIMED}"
    assert submitter_text(Submitter(trigger="drop")) == "not named"
