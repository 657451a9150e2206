"""A person decides: approvals are bound to what was planned, stops tell the truth, verdicts are recorded."""

import gzip
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest

from adjustments.administration.service import (
    ApprovalRequest,
    BatchAdministration,
    PageRequest,
    UploadRequest,
)
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.core.errors import NotFound, OutcomeUnknown, RequestRefused, WrongState
from adjustments.core.validation import validate
from adjustments.reconciliation.resolution import ResolveRequest
from adjustments.submission.overlap_guard import CONTENT_CLAIM
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

THREE = "customerId,amount\na,1\nb,2\nc,3\n"

Outcome = Literal["applied", "not_applied"]


@pytest.fixture
def gameball() -> MemoryGameball:
    return MemoryGameball()


@pytest.fixture
def world(gameball: MemoryGameball) -> World:
    return World(gameball, approval_above_rows=1)


@pytest.fixture
def batch(world: World) -> Batch:
    return world.drop(THREE)


@pytest.fixture
def administration(world: World) -> BatchAdministration:
    return world.administration


def test_approval_starts_the_batch(world: World, batch: Batch, administration: BatchAdministration):
    world.clock.sleep(86_400)
    approved = administration.approve(
        batch.batch_id, "ann", ApprovalRequest(sha256=batch.source.sha256, rows=3, requested=Decimal("6.0"))
    )
    ended = world.run(approved)
    assert (ended.status, ended.approved_by) == (BatchStatus.COMPLETED, "ann")


@pytest.mark.parametrize(
    "expected",
    [{"sha256": "0" * 64}, {"rows": 2}, {"requested": Decimal("6.01")}],
    ids=lambda value: next(iter(value)),
)
def test_approval_is_refused_where_the_batch_differs_from_what_the_approver_expects(
    gameball: MemoryGameball, batch: Batch, administration: BatchAdministration, expected: dict[str, object]
):
    with pytest.raises(WrongState, match="not approved"):
        administration.approve(batch.batch_id, "ann", ApprovalRequest.model_validate(expected))
    assert gameball.requests == []


def test_approval_is_refused_when_the_file_was_changed_since(
    world: World, gameball: MemoryGameball, batch: Batch, administration: BatchAdministration
):
    world.files.drop("inbox/file.csv", b"customerId,amount\na,1000\n")
    with pytest.raises(WrongState, match="changed since"):
        administration.approve(batch.batch_id, "ann", ApprovalRequest())
    assert gameball.requests == []


def test_batch_is_approved_once(batch: Batch, administration: BatchAdministration):
    administration.approve(batch.batch_id, "ann", ApprovalRequest())
    with pytest.raises(WrongState, match="only a batch that is awaiting_approval"):
        administration.approve(batch.batch_id, "bob", ApprovalRequest())


def test_stopped_batch_sends_nothing_more_and_says_what_was_applied():
    gameball = MemoryGameball()
    gameball.job_state = "running"
    world = World(gameball, canary_rows=2)
    rows = "".join(f"c{number},1\n" for number in range(1500))
    batch = world.drop(f"customerId,amount\n{rows}")
    world.administration.stop(batch.batch_id, "ann", "wrong file")
    assert gameball.stopped == [1]
    gameball.job_state = "completed"
    ended = world.run(batch)
    assert (ended.status, ended.counts.applied, ended.counts.not_submitted) == (BatchStatus.STOPPED, 2, 1498)
    assert ended.stop_reason == "stopped by ann: wrong file"
    assert len(gameball.requests) == 1


def test_stop_and_approval_hold_when_another_worker_saves_at_that_moment():
    world = World(MemoryGameball(), approval_above_rows=1)
    approved, stopped = world.drop(THREE), world.drop("customerId,amount\na,7\nb,8\n", "b.csv")
    save = world.store.save_batch

    def be_slower(batch: Batch) -> None:
        world.store.save_batch = save  # type: ignore[method-assign]
        save(world.store.batch(batch.batch_id).changed(dialect="guide"))
        save(batch)

    world.store.save_batch = be_slower  # type: ignore[method-assign]
    assert world.administration.approve(approved.batch_id, "ann", ApprovalRequest()).approved_by == "ann"
    world.store.save_batch = be_slower  # type: ignore[method-assign]
    assert world.administration.stop(stopped.batch_id, "bob", "").stopped_by == "bob"


def test_job_that_was_stopped_without_lists_is_in_doubt():
    gameball = MemoryGameball()
    gameball.job_state = "running"
    world = World(gameball)
    batch = world.drop(THREE)
    world.administration.stop(batch.batch_id, "ann", "")
    gameball.job_state, gameball.unlisted = "stopped", {"a", "b", "c"}
    assert world.run(batch).counts.in_doubt == 3


def test_running_jobs_that_are_kept_end_and_nothing_more_is_sent():
    gameball = MemoryGameball()
    gameball.job_state = "running"
    world = World(gameball, canary_rows=2)
    rows = "".join(f"c{number},1\n" for number in range(1500))
    batch = world.drop(f"customerId,amount\n{rows}")
    world.administration.stop(batch.batch_id, "ann", "", keep_jobs=True)
    world.poller.poll(batch.batch_id, world.clock.now() + timedelta(seconds=20))
    assert gameball.stopped == []
    assert world.administration.show(batch.batch_id)["keepJobs"] is True
    gameball.job_state = "completed"
    ended = world.run(batch)
    assert (ended.status, ended.counts.applied, ended.counts.not_submitted) == (BatchStatus.STOPPED, 2, 1498)
    assert (len(gameball.requests), gameball.stopped) == (1, [])


def test_stop_can_stop_jobs_that_were_kept_but_not_keep_jobs_that_were_stopped():
    gameball = MemoryGameball()
    gameball.job_state = "running"
    world = World(gameball)
    batch = world.drop(THREE)
    world.administration.stop(batch.batch_id, "ann", "wrong file", keep_jobs=True)
    world.administration.stop(batch.batch_id, "ann", "wrong file", keep_jobs=True)
    assert gameball.stopped == []
    after = world.administration.stop(batch.batch_id, "bob", "hurry")
    assert (gameball.stopped, after.stop_reason) == ([1], "stopped by ann: wrong file")
    with pytest.raises(WrongState, match="keepJobs is too late"):
        world.administration.stop(batch.batch_id, "ann", "", keep_jobs=True)


def test_batch_that_waits_for_approval_can_be_stopped(world: World, gameball: MemoryGameball, batch: Batch):
    ended = world.run(world.administration.stop(batch.batch_id, "ann", ""))
    assert (ended.status, ended.counts.not_submitted, gameball.requests) == (BatchStatus.STOPPED, 3, [])


def test_ended_batch_can_not_be_stopped():
    world = World(MemoryGameball())
    ended = world.run(world.drop(THREE))
    with pytest.raises(WrongState, match="completed"):
        world.administration.stop(ended.batch_id, "ann", "")


@pytest.mark.parametrize(
    ("outcome", "lines", "applied", "failed", "status"),
    [
        ("applied", (), 3, 0, BatchStatus.COMPLETED),
        ("not_applied", (), 0, 3, BatchStatus.COMPLETED_WITH_ERRORS),
        ("applied", (3,), 1, 0, BatchStatus.NEEDS_ATTENTION),
    ],
)
def test_person_resolves_rows_in_doubt(
    outcome: Outcome,
    lines: tuple[int, ...],
    applied: int,
    failed: int,
    status: BatchStatus,
):
    world = World(MemoryGameball([OutcomeUnknown("lost")]))
    ended = world.run(world.drop(THREE))
    request = ResolveRequest(outcome=outcome, lines=lines, note="asked Gameball")
    after, rows = world.administration.resolve(ended.batch_id, "ann", request)
    assert (after.status, after.counts.applied, after.counts.failed) == (status, applied, failed)
    assert rows == applied + failed
    assert after.resolutions[-1].by == "ann"
    assert "resolved by ann on 2026-11-21: asked Gameball" in world.result(after, "results.csv")


def test_line_that_is_not_in_doubt_is_refused_and_nothing_is_settled():
    world = World(MemoryGameball([OutcomeUnknown("lost")]))
    ended = world.run(world.drop(THREE))
    with pytest.raises(WrongState, match="not in doubt: 9;"):
        world.administration.resolve(ended.batch_id, "ann", ResolveRequest(outcome="applied", lines=(2, 9)))
    assert world.store.batch(ended.batch_id).counts.in_doubt == 3


def test_reversal_negates_exactly_what_was_applied_and_works_once():
    gameball = MemoryGameball()
    gameball.unknown_customers = {"b"}
    world = World(gameball)
    first = world.run(world.drop("customerId,amount,reason\na,1.5,x\nb,2,x\nc,-3,x\n"))
    made = world.administration.reverse(first.batch_id)
    assert (made["rows"], made["total"]) == (2, Decimal("1.5"))
    text = world.files.get(made["key"]).decode()
    second = world.run(world.drop(text, name="take-back.csv"))
    assert (second.status, second.reverses) == (BatchStatus.COMPLETED, first.batch_id)
    assert sum(amount for _, _, amount in gameball.applied) == 0
    third = world.run(world.drop(text, name="again.csv", allow_duplicate="true"))
    assert (third.status, second.batch_id in third.refusal) == (BatchStatus.REJECTED, True)
    with pytest.raises(WrongState, match="reversed already"):
        world.administration.reverse(first.batch_id)


def test_rows_of_a_reversal_that_were_dropped_before_it_was_made_count_as_it():
    gameball = MemoryGameball()
    world = World(gameball)
    first = world.run(world.drop("customerId,amount\na,1\nb,2\n"))
    reason = f"reversal of {first.batch_id}"
    by_hand = world.drop(f"customerId,amount,reason\na,-1,{reason}\nb,-2,{reason}\n", "by-hand.csv")
    assert world.run(by_hand).counts.applied == 2
    text = world.files.get(world.administration.reverse(first.batch_id)["key"]).decode()
    second = world.run(world.drop(text, "reversal.csv"))
    assert (second.status, second.counts.applied) == (BatchStatus.REJECTED, 0)
    assert f"reversed already, by batch {by_hand.batch_id}" in second.refusal
    assert len(gameball.requests) == 2
    with pytest.raises(WrongState, match=f"reversed already, by batch {by_hand.batch_id}"):
        world.administration.reverse(first.batch_id)


def test_rows_of_a_reversal_that_were_dropped_in_vain_do_not_count_as_it():
    gameball = MemoryGameball()
    world = World(gameball)
    first = world.run(world.drop("customerId,amount\na,1\n"))
    gameball.unknown_customers = {"a"}
    failed = world.run(
        world.drop(f"customerId,amount,reason\na,-1,reversal of {first.batch_id}\n", "hand.csv")
    )
    assert failed.counts.applied == 0
    gameball.unknown_customers = set()
    text = world.files.get(world.administration.reverse(first.batch_id)["key"]).decode()
    assert world.run(world.drop(text, "reversal.csv")).counts.applied == 1


def test_rows_of_a_reversal_that_are_being_planned_are_waited_for():
    world = World(MemoryGameball())
    first = world.run(world.drop("customerId,amount\na,1\n"))
    text = world.files.get(world.administration.reverse(first.batch_id)["key"]).decode()
    [sha256] = world.store._reversals
    world.store.claim_content(sha256, "in-planning", world.clock.now(), world.clock.now() + CONTENT_CLAIM)
    refused = world.drop(text, "reversal.csv")
    assert "being planned at this moment, as batch in-planning" in refused.refusal
    assert world.store.batch(first.batch_id).reversed_by == ""
    world.clock.sleep(2 * 3600)
    assert world.run(world.drop(text, "again.csv")).counts.applied == 1


def test_reversal_that_applied_nothing_does_not_count_as_one():
    gameball = MemoryGameball()
    world = World(gameball, approval_above_rows=8)
    first = world.run(world.drop("customerId,amount\na,1\nb,2\n"))
    text = world.files.get(world.administration.reverse(first.batch_id)["key"]).decode()
    gameball.unknown_customers = {"a", "b"}
    failed = world.run(world.drop(text, name="take-back.csv"))
    assert (failed.counts.failed, failed.reverses) == (2, first.batch_id)
    gameball.unknown_customers = set()
    world.administration.reverse(first.batch_id)
    again = world.run(world.drop(text, name="again.csv"))
    assert (again.status, again.counts.applied) == (BatchStatus.COMPLETED, 2)
    assert world.store.batch(first.batch_id).reversed_by == again.batch_id
    assert world.run(world.drop(text, name="third.csv")).status is BatchStatus.REJECTED


@pytest.mark.parametrize("outcome", ["applied", "not_applied"])
def test_reversal_in_doubt_counts_until_it_is_known_that_nothing_was_applied(
    outcome: Outcome,
):
    world = World(MemoryGameball([None, OutcomeUnknown("lost")]))
    first = world.run(world.drop("customerId,amount\na,1\n"))
    text = world.files.get(world.administration.reverse(first.batch_id)["key"]).decode()
    doubtful = world.run(world.drop(text, name="take-back.csv"))
    with pytest.raises(WrongState, match=doubtful.batch_id):
        world.administration.reverse(first.batch_id)
    world.administration.resolve(doubtful.batch_id, "ann", ResolveRequest(outcome=outcome, note="looked"))
    third = world.run(world.drop(text, name="third.csv"))
    assert (third.status is BatchStatus.COMPLETED) == (outcome == "not_applied")


def test_dry_run_is_not_stopped_since_it_sends_nothing():
    world = World(MemoryGameball())
    batch = world.drop(THREE, dry_run="true")
    with pytest.raises(WrongState, match="dry run"):
        world.administration.stop(batch.batch_id, "ann", "")


def test_show_names_who_decided_what():
    world = World(MemoryGameball([OutcomeUnknown("lost")]), approval_above_rows=1)
    batch = world.drop(THREE)
    world.administration.approve(batch.batch_id, "ann", ApprovalRequest())
    world.run(batch)
    request = ResolveRequest(outcome="applied", lines=(2,), note="seen")
    world.administration.resolve(batch.batch_id, "bob", request)
    shown = world.administration.show(batch.batch_id)
    assert (shown["approvedBy"], shown["stoppedBy"], shown["reversedBy"]) == ("ann", None, None)
    [resolution] = shown["resolutions"]
    assert resolution == {"at": resolution["at"], "by": "bob", "note": "seen", "rows": 1}


def test_show_of_a_dry_run_has_its_prediction_and_no_jobs():
    gameball = MemoryGameball()
    gameball.unknown_customers = {"b"}
    world = World(gameball)
    batch = world.drop("customerId,amount\na,1\nb,2\nc,-200\n", dry_run="true")
    shown = world.administration.show(batch.batch_id)
    assert ("prediction" in shown, shown["dryRun"], shown["progress"]["jobs"]["total"]) == (False, True, 0)
    world.run(batch)
    foretold = {"wouldApply": 1, "wouldOverdraw": 1, "unknownCustomer": 1, "notPredicted": 0}
    assert world.administration.show(batch.batch_id)["prediction"] == foretold
    assert world.administration.list_batches(PageRequest(limit=10))["batches"][0]["prediction"] == foretold


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ([OutcomeUnknown("lost")], "nothing of it was applied"),
        (None, r"\(completed, completed_with_errors, stopped, needs_attention\)"),
    ],
)
def test_only_an_ended_batch_with_applied_rows_is_reversed(script: list[OutcomeUnknown] | None, told: str):
    gameball = MemoryGameball(list(script) if script else None)
    gameball.job_state = "running" if script is None else "completed"
    world = World(gameball)
    batch = world.drop(THREE)
    if script:
        world.run(batch)
    with pytest.raises(WrongState, match=told):
        world.administration.reverse(batch.batch_id)


BODY = {
    "body": [{"customerId": "a", "amount": Decimal("1.5"), "reason": "x"}, {"customerId": "b", "amount": -2}]
}


def test_api_submission_submits_a_body_like_a_file():
    gameball = MemoryGameball()
    world = World(gameball)
    ended = world.run(world.api_submission.accept(BODY, "key-1"))
    assert (ended.status, ended.counts.applied) == (BatchStatus.COMPLETED, 2)
    assert [(customer, str(amount)) for _, customer, amount in gameball.applied] == [
        ("a", "1.5"),
        ("b", "-2"),
    ]


def test_same_key_and_body_is_the_same_batch_and_another_body_is_refused():
    gameball = MemoryGameball()
    world = World(gameball)
    first = world.api_submission.accept(BODY, "key-1")
    world.clock.sleep(60)
    assert world.api_submission.accept(BODY, "key-1").batch_id == first.batch_id
    with pytest.raises(WrongState):
        world.api_submission.accept({"body": [{"customerId": "a", "amount": 1}]}, "key-1")
    assert len(gameball.requests) == 1


def test_a_dry_run_of_a_body_sends_nothing_and_the_real_request_with_its_key_is_sent():
    gameball = MemoryGameball()
    world = World(gameball)
    tried = world.run(world.api_submission.accept({**BODY, "dryRun": True}, "key-1"))
    assert (tried.status, gameball.applied) == (BatchStatus.VALIDATED, [])
    again = world.api_submission.accept({**BODY, "dryRun": True}, "key-1")
    assert again.batch_id == tried.batch_id
    real = world.run(world.api_submission.accept(BODY, "key-1"))
    assert (real.status, len(gameball.applied)) == (BatchStatus.COMPLETED, 2)
    assert world.api_submission.accept({**BODY, "dryRun": True}, "key-1").dry_run
    assert len(gameball.applied) == 2


@pytest.mark.parametrize(("name", "dry_run"), [("a.csv", False), ("a-1.csv.gz", True)])
def test_an_upload_by_a_form_is_a_batch_of_who_asked_for_the_form(name: str, dry_run: bool):
    world = World(MemoryGameball())
    request = UploadRequest.model_validate({"name": name, "dryRun": dry_run})
    offered = world.administration.offer_upload(request, "arn:ann")
    content = gzip.compress(THREE.encode()) if name.endswith(".gz") else THREE.encode()
    world.files.drop(offered["key"], content, offered["fields"])
    batch = world.triggers.submit_object(offered["key"], None)
    assert batch is not None
    assert (batch.dry_run, batch.counts.rows, batch.submitted_by and batch.submitted_by.claimed_identity) == (
        dry_run, 3, "arn:ann",
    )  # fmt: skip


@pytest.mark.parametrize(
    "name", ["a.txt", "", "../a.csv", "a b.csv", "a/b.csv", ".csv", "x" * 100 + ".csv", "a.csv\n"]
)
def test_a_name_of_an_upload_that_would_not_be_taken_is_refused(name: str):
    with pytest.raises(RequestRefused, match="name: must end in"):
        validate(UploadRequest, {"name": name})


def test_without_a_key_the_same_body_is_refused_and_with_another_key_it_is_accepted():
    gameball = MemoryGameball()
    world = World(gameball)
    world.api_submission.accept(BODY, None)
    assert "accepted before" in world.api_submission.accept(BODY, None).refusal
    assert not world.api_submission.accept(BODY, "key-2").refusal
    assert len(gameball.requests) == 2


@pytest.mark.parametrize("effect_first", [False, True])
def test_reversal_that_is_killed_while_it_is_recorded_leaves_no_unrecorded_file(effect_first: bool):
    gameball = MemoryGameball()
    world = World(gameball)
    first = world.run(world.drop(THREE))
    note = world.store.record_reversal

    def die(sha256: str, batch_id: str) -> None:
        if effect_first:
            note(sha256, batch_id)
        raise KeyboardInterrupt

    world.store.record_reversal = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        world.administration.reverse(first.batch_id)
    with pytest.raises(NotFound):
        world.files.get(f"results/{first.batch_id}/reversal.csv")


def kill_before_the_batch_is_created(world: World) -> None:
    create = world.store.create_batch

    def die(*_: Any) -> bool:
        raise KeyboardInterrupt

    world.store.create_batch = die  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        world.api_submission.accept(BODY, None)
    world.store.create_batch = create  # type: ignore[method-assign]


def test_refusal_names_no_batch_as_accepted_that_does_not_exist():
    world = World(MemoryGameball())
    kill_before_the_batch_is_created(world)
    refused = world.api_submission.accept(BODY, None)
    assert "accepted before" not in refused.refusal
    assert "are being planned at this moment" in refused.refusal


@pytest.mark.parametrize(("minutes", "requests"), [(59, 0), (61, 1)])
def test_content_that_a_killed_planner_has_claimed_is_taken_an_hour_later(minutes: int, requests: int):
    gameball = MemoryGameball()
    world = World(gameball)
    kill_before_the_batch_is_created(world)
    world.clock.sleep(60 * minutes)
    world.api_submission.accept(BODY, None)
    world.api_submission.accept(BODY, None)
    assert len(gameball.requests) == requests


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "the body must be"),
        ({"body": []}, "the body must be"),
        ({"body": [5]}, "body[0]: must be an object"),
        ({"body": [{"customerId": "a", "amount": 1}, {"customerId": 5, "amount": 1}]}, "body[1]: customerId"),
        ({"body": [{"customerId": "a", "amount": True}]}, "body[0]: amount"),
        ({"body": [{"customerId": "a", "amount": "1"}]}, "body[0]: amount"),
        ({"body": [{"customerId": "a", "amount": Decimal("1e999999999")}]}, "body[0]: amount: has too many"),
        ({"body": [{"customerId": "a", "amount": Decimal("1e-999999999")}]}, "body[0]: amount: has too many"),
        ({"body": [{"customerId": "a", "amount": 1, "reason": None}]}, "body[0]: reason"),
        ({"body": [{"customerId": "a", "amount": 1, "points": 1}]}, "body[0]: points"),
    ],
)
def test_api_body_of_another_form_is_refused(body: dict[str, Any], told: str):
    with pytest.raises(RequestRefused) as refused:
        World(MemoryGameball()).api_submission.accept(body, None)
    assert refused.value.message.startswith(told)
