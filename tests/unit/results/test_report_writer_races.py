"""Whatever runs write the results, and however late: what lies there in the end is what the record says."""

import json
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from adjustments.administration.sweeper import REPORT_TIME_MAX
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.core.errors import OutcomeUnknown, WrongState
from adjustments.reconciliation.resolution import ResolveRequest
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

THREE = "customerId,amount\na,1\nb,2\nc,3\n"
NAMES = ("results.csv", "fix-me.csv", "summary.json", "report.html")
Meanwhile = Callable[[World, Batch], None]


class Killed(BaseException):
    """The process vanished."""


def in_doubt() -> tuple[World, Batch]:
    """A batch of three rows in doubt, to be reported."""
    world = World(MemoryGameball([OutcomeUnknown("lost")]))
    batch = world.drop(THREE)
    world.poller.poll(batch.batch_id, world.clock.now())
    return world, batch


def interrupt(world: World, number: int, meanwhile: Callable[[], None]) -> list[str]:
    """Let something happen just before the n-th call of store and files, once; lists the calls."""
    calls: list[str] = []

    def happens(name: str) -> None:
        calls.append(name)
        if len(calls) == number:
            calls.append("meanwhile")
            meanwhile()

    def hooked(name: str, effect: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            happens(name)
            return effect(*args, **named)

        return call

    @contextmanager
    def writer(*args: Any) -> Any:
        happens("writer")
        with original(*args) as out:
            yield out
            happens("finish")

    for name in ("batch", "chunks", "save_batch"):
        setattr(world.store, name, hooked(name, getattr(world.store, name)))
    world.files.tag = hooked("tag", world.files.tag)  # type: ignore[method-assign]
    original, world.files.writer = world.files.writer, writer  # type: ignore[assignment, method-assign]
    return calls


def resolve(world: World, batch: Batch) -> None:
    request = ResolveRequest(outcome="not_applied", note="looked up")
    world.resolver.resolve(batch.batch_id, "a person", request)


def report(world: World, batch: Batch) -> None:
    world.report_writer.report(batch.batch_id)


def report_and_resolve(world: World, batch: Batch) -> None:
    report(world, batch)
    resolve(world, batch)


def calls_of(run: Meanwhile, is_ended: bool) -> range:
    """The numbers of the calls that a run makes."""
    world, batch = in_doubt()
    if is_ended:
        world.run(batch)
    calls = interrupt(world, 0, lambda: None)
    run(world, batch)
    return range(1, len(calls) + 1)


CALLS = calls_of(report, is_ended=False)
RESOLVE_CALLS = calls_of(resolve, is_ended=True)


def assert_files_are_the_records(world: World, batch: Batch) -> None:
    """Every file tells the outcomes that the record counts."""
    batch = world.store.batch(batch.batch_id)
    assert batch.status.is_final
    before = {name: world.result(batch, name) for name in NAMES}
    assert json.loads(before["summary.json"])["counts"] == batch.counts.model_dump(mode="json")
    assert json.loads(before["summary.json"])["status"] == batch.status
    assert before["results.csv"].count("in_doubt") == batch.counts.in_doubt
    assert before["results.csv"].count(",failed,") == batch.counts.failed
    assert before["fix-me.csv"].count("\n") - 1 == batch.counts.failed
    assert batch.status in before["report.html"].replace(" ", "_")


@pytest.mark.parametrize("meanwhile", [report, report_and_resolve])
@pytest.mark.parametrize("number", CALLS)
def test_report_writer_that_stalls_keeps_what_others_wrote_meanwhile(number: int, meanwhile: Meanwhile):
    world, batch = in_doubt()
    calls = interrupt(world, number, lambda: meanwhile(world, batch))
    with suppress(WrongState):  # it came too late, and says so
        report(world, batch)
    assert "meanwhile" in calls
    assert_files_are_the_records(world, batch)
    is_resolved = meanwhile is report_and_resolve
    expected = BatchStatus.COMPLETED_WITH_ERRORS if is_resolved else BatchStatus.NEEDS_ATTENTION
    assert world.store.batch(batch.batch_id).status is expected


@pytest.mark.parametrize("number", CALLS)
def test_report_writer_completes_what_a_killed_run_left(number: int):
    world, batch = in_doubt()

    def dies() -> None:
        raise Killed

    interrupt(world, number, dies)
    with pytest.raises(Killed):
        world.report_writer.report(batch.batch_id)
    world.report_writer.report(batch.batch_id)
    assert_files_are_the_records(world, batch)


@pytest.mark.parametrize("number", RESOLVE_CALLS)
def test_sweep_completes_a_resolution_that_was_killed_anywhere(number: int):
    world, batch = in_doubt()
    world.run(batch)

    def dies() -> None:
        raise Killed

    interrupt(world, number, dies)
    with pytest.raises(Killed):
        resolve(world, batch)
    world.executions.running.clear()
    world.clock.sleep(REPORT_TIME_MAX.total_seconds())
    world.sweep()
    world.run(batch)
    assert_files_are_the_records(world, batch)


def test_sweep_waits_for_a_run_that_regenerates_results():
    world, batch = in_doubt()
    world.run(batch)
    world.executions.running.clear()
    ended = world.store.batch(batch.batch_id)
    world.store.save_batch(ended.changed(report_run_id="somebody", report_started_at=world.clock.now()))
    assert world.sweep()["resumed"] == []
    world.clock.sleep(REPORT_TIME_MAX.total_seconds())
    assert world.sweep()["resumed"] == [batch.batch_id]
