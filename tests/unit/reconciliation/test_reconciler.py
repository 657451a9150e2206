"""Doubts are cleared by evidence, and by nothing less."""

from datetime import timedelta

import pytest

from adjustments.administration.service import ApprovalRequest
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus, ChunkState
from adjustments.core import exact_json
from adjustments.core.errors import OutcomeUnknown
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

LOST = OutcomeUnknown("connection lost after the request was sent")
TWO = "customerId,amount,reason\na,5,gift\nb,-2,gift\n"


def in_doubt(gameball: MemoryGameball, text: str = TWO, **settings: bool) -> tuple[World, Batch]:
    """A world with one batch whose only request was lost."""
    gameball.script = [LOST]
    world = World(gameball, **settings)  # type: ignore[arg-type]
    ended = world.run(world.drop(text))
    assert ended.status is BatchStatus.NEEDS_ATTENTION
    return world, ended


def test_rows_that_are_listed_are_applied_and_complete_the_batch():
    gameball = MemoryGameball()
    world, ended = in_doubt(gameball)
    gameball.list_transaction("a", "5", "gift", world.clock.now())
    gameball.list_transaction("b", "-2", "gift", world.clock.now())
    assert world.sweep()["reconciled"] == [ended.batch_id]
    after = world.store.batch(ended.batch_id)
    assert (after.status, after.counts.applied, after.applied_total) == (BatchStatus.COMPLETED, 2, "3")
    assert world.result(after, "results.csv").count("applied") >= 2
    assert [kind for kind, _ in world.notifications.events] == ["Batch Needs Attention", "Batch Settled"]
    assert len(gameball.requests) == 1


def test_row_that_is_not_listed_stays_in_doubt():
    gameball = MemoryGameball()
    world, ended = in_doubt(gameball)
    gameball.list_transaction("a", "5", "gift", world.clock.now())
    world.clock.sleep(36_000)
    world.sweep()
    after = world.store.batch(ended.batch_id)
    assert (after.status, after.counts.applied, after.counts.in_doubt) == (BatchStatus.NEEDS_ATTENTION, 1, 1)


def test_row_that_another_batch_may_explain_stays_in_doubt():
    gameball = MemoryGameball()
    world, ended = in_doubt(gameball)
    world.run(world.drop(TWO.replace("b,-2", "c,9"), name="other.csv", allow_duplicate="true"))
    gameball.list_transaction("a", "5", "gift", world.clock.now())
    world.sweep()
    assert world.store.batch(ended.batch_id).counts.in_doubt == 2


def test_lookalike_in_a_batch_that_the_index_does_not_show_yet_is_counted():
    gameball = MemoryGameball()
    world, ended = in_doubt(gameball)
    world.run(world.drop(TWO.replace("b,-2", "c,9"), name="other.csv", allow_duplicate="true"))
    world.store.batches = lambda *_: ([ended], None)  # type: ignore[method-assign]
    gameball.list_transaction("a", "5", "gift", world.clock.now())
    world.sweep()
    assert world.store.batch(ended.batch_id).counts.in_doubt == 2


def test_lookalike_in_a_batch_that_awaited_approval_for_weeks_is_counted():
    gameball = MemoryGameball()
    world = World(gameball, approval_above_rows=2)
    held = world.drop(TWO.replace("b,-2", "c,9") + "d,1,\n", name="held.csv")
    world.clock.sleep(20 * 86_400)
    gameball.script = [LOST]
    repeated = world.drop(TWO, allow_duplicate="true")
    ended = world.run(world.administration.approve(repeated.batch_id, "a person", ApprovalRequest()))
    world.run(world.administration.approve(held.batch_id, "a person", ApprovalRequest()))
    gameball.list_transaction("a", "5", "gift", world.clock.now())
    world.sweep()
    assert world.store.batch(ended.batch_id).counts.in_doubt == 2


def test_row_with_a_token_that_is_not_listed_was_not_applied_once_the_quiet_period_is_over():
    gameball = MemoryGameball()
    world, ended = in_doubt(gameball, adds_token=True)
    assert world.sweep()["reconciled"] == []
    world.clock.sleep(3601)
    assert world.sweep()["reconciled"] == [ended.batch_id]
    after = world.store.batch(ended.batch_id)
    assert (after.status, after.counts.failed) == (BatchStatus.COMPLETED_WITH_ERRORS, 2)
    assert len(world.result(after, "fix-me.csv").splitlines()) == 3


def test_row_with_a_token_is_found_among_lookalikes():
    gameball = MemoryGameball()
    world, ended = in_doubt(gameball, adds_token=True)
    sent = exact_json.read(gameball.requests[0])["body"]
    for row in sent:
        gameball.list_transaction(row["customerId"], str(row["amount"]), row["reason"], world.clock.now())
        gameball.list_transaction(row["customerId"], str(row["amount"]), "gift", world.clock.now())
    world.sweep()
    assert world.store.batch(ended.batch_id).status is BatchStatus.COMPLETED


def test_long_list_is_read_to_its_end():
    gameball = MemoryGameball()
    gameball.page_rows = 2
    world, ended = in_doubt(gameball, "customerId,amount,reason\na,5,gift\n")
    for number in range(7):
        gameball.list_transaction("a", "1", f"other {number}", world.clock.now())
    gameball.list_transaction("a", "5", "gift", world.clock.now())
    world.sweep()
    assert world.store.batch(ended.batch_id).status is BatchStatus.COMPLETED


def test_job_that_was_open_at_the_deadline_is_polled_again():
    gameball = MemoryGameball()
    gameball.job_state = "running"
    world = World(gameball)
    ended = world.run(world.drop(TWO))
    assert (ended.status, ended.counts.in_doubt) == (BatchStatus.NEEDS_ATTENTION, 2)
    gameball.job_state = "completed"
    world.sweep()
    assert world.store.batch(ended.batch_id).status is BatchStatus.COMPLETED
    assert gameball.looked_up == []


def late_job(gameball: MemoryGameball, **settings: bool) -> tuple[World, Batch]:
    """A world with one ended batch whose sender was frozen: its jobId came on record after the end."""
    world = World(gameball, **settings)  # type: ignore[arg-type]
    adjust = gameball.adjust_balances

    def frozen(body: bytes) -> int:
        job_id = adjust(body)
        [batch] = world.store.open_batches()
        world.clock.sleep(300)
        world.run(batch)
        return job_id

    gameball.adjust_balances = frozen  # type: ignore[method-assign]
    ended = world.store.batch(world.drop(TWO).batch_id)
    [chunk] = world.store.chunks(ended.batch_id, ended.plan_id)
    assert (ended.status, ended.counts.in_doubt) == (BatchStatus.NEEDS_ATTENTION, 2)
    assert (chunk.state, chunk.job_id) == (ChunkState.SUBMITTED, 1)
    return world, ended


def test_rows_of_a_job_that_came_after_the_end_are_looked_up_while_its_state_is_undocumented():
    gameball = MemoryGameball()
    gameball.job_state = "archived"
    world, ended = late_job(gameball)
    gameball.list_transaction("a", "5", "gift", world.clock.now())
    gameball.list_transaction("b", "-2", "gift", world.clock.now())
    world.sweep()
    assert world.store.batch(ended.batch_id).status is BatchStatus.COMPLETED


def test_job_of_a_partly_settled_chunk_is_polled_until_it_has_ended():
    gameball = MemoryGameball()
    gameball.job_state = "running"
    world, ended = late_job(gameball)
    gameball.list_transaction("a", "5", "gift", world.clock.now())
    world.sweep()
    assert world.store.batch(ended.batch_id).counts.in_doubt == 1
    gameball.job_state, gameball.unknown_customers = "completed", {"b"}
    world.clock.sleep(3600)
    world.sweep()
    after = world.store.batch(ended.batch_id)
    assert (after.status, after.counts.applied) == (BatchStatus.COMPLETED_WITH_ERRORS, 1)
    assert [line.split(",")[4] for line in world.result(after, "results.csv").splitlines()[1:]] == [
        "applied",
        "failed",
    ]


def test_absence_proves_nothing_while_the_job_has_not_ended():
    gameball = MemoryGameball()
    gameball.job_state = "queued"
    world, ended = late_job(gameball, adds_token=True)
    world.clock.sleep(36_000)
    world.sweep()
    assert world.store.batch(ended.batch_id).counts.in_doubt == 2


def test_absence_counts_again_once_the_job_has_ended_without_the_row():
    gameball = MemoryGameball()
    gameball.job_state, gameball.unlisted = "running", {"a", "b"}
    world, ended = late_job(gameball, adds_token=True)
    found = exact_json.read(gameball.requests[0])["body"][0]
    gameball.list_transaction("a", "5", found["reason"], world.clock.now())
    world.sweep()
    assert world.store.batch(ended.batch_id).counts.in_doubt == 1
    gameball.job_state = "failed"
    world.clock.sleep(36_000)
    world.sweep()
    after = world.store.batch(ended.batch_id)
    assert (after.counts.applied, after.counts.failed) == (1, 1)


def test_rounds_of_look_ups_become_rarer_and_end():
    gameball = MemoryGameball()
    world, ended = in_doubt(gameball, "customerId,amount\na,5\n")
    for _ in range(5 * 24 * 12):
        world.sweep()
        world.clock.sleep(300)
    assert 10 <= len(gameball.looked_up) <= 30
    assert world.store.batch(ended.batch_id).status is BatchStatus.NEEDS_ATTENTION


def test_crash_between_settling_a_row_and_regenerating_the_results_is_repaired_by_the_next_sweep():
    gameball = MemoryGameball()
    world, ended = in_doubt(gameball)
    gameball.list_transaction("a", "5", "gift", world.clock.now())
    gameball.list_transaction("b", "-2", "gift", world.clock.now())
    report_again = world.report_writer.report_again

    def kill(*_: object) -> Batch:
        raise RuntimeError("killed")

    world.report_writer.report_again = kill  # type: ignore[method-assign, assignment]
    with pytest.raises(ExceptionGroup):
        world.sweep()
    world.report_writer.report_again = report_again  # type: ignore[method-assign]
    world.clock.sleep(timedelta(hours=1).total_seconds())
    world.sweep()
    assert world.store.batch(ended.batch_id).status is BatchStatus.COMPLETED
