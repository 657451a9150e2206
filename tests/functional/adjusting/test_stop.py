"""A person stops a batch whose job runs: real handlers and client against the stand-in over a socket.

The stand-in lists no row of a job that was stopped, and may have applied some of them.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from local.standin.clock import ManualClock
from local.standin.server import StandIn
from tests.fakes.world import World
from tests.functional.adjusting.test_client import applied
from tests.functional.adjusting.test_handlers import call, dropped, get, request
from tests.functional.adjusting.test_handlers import world as world


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def gameball(clock: ManualClock) -> Iterator[StandIn]:
    """Its jobs take a minute of its own clock, and one row is applied before a stop takes effect."""
    with StandIn(
        job_delay_s=60, stop_applies_rows=1, limits=False, customers={"c1": 100, "c2": 100}, clock=clock
    ) as standin:
        yield standin


@pytest.fixture
def batch_id(world: World) -> str:
    world.files.drop("inbox/f.csv", b"customerId,amount\nc1,5\nc2,7\n")
    call("submit_batch", dropped("inbox/f.csv"))
    [(_, started)] = world.executions.started
    return started


@pytest.mark.parametrize("body", [None, {"note": "wrong file"}, {"keepJobs": False}])
def test_rows_of_a_job_that_was_stopped_without_lists_are_in_doubt(
    world: World, gameball: StandIn, clock: ManualClock, batch_id: str, body: Any
):
    assert request("POST", f"/batches/{batch_id}/stop", body=body)[0] == 200
    assert get(f"/batches/{batch_id}")[1]["keepJobs"] is False
    clock.advance(60)
    ended = world.run(world.store.batch(batch_id))
    assert (ended.status, ended.counts.applied, ended.counts.in_doubt) == ("needs_attention", 0, 2)
    told = world.result(ended, "results.csv")
    assert told.count(",in_doubt,Gameball stopped the job without listing this row: look it up before") == 2
    assert world.result(ended, "fix-me.csv").splitlines() == ["customerId,amount,error"]
    assert "Gameball stopped the job without listing this row" in world.result(ended, "report.html")
    [(subject, text)] = world.notifications.mails
    assert subject.startswith("needs attention: ")
    assert "Some rows were sent and their outcome is unknown" in text
    assert "Why: stopped by " in text
    assert "2 in doubt" in text
    assert applied(gameball) == 1  # which of the two nobody was told


def test_job_that_is_kept_ends_and_lists_its_rows(
    world: World, gameball: StandIn, clock: ManualClock, batch_id: str
):
    body = {"keepJobs": True, "note": "wrong file"}
    assert request("POST", f"/batches/{batch_id}/stop", body=body)[0] == 200
    assert get(f"/batches/{batch_id}")[1]["keepJobs"] is True
    clock.advance(60)
    ended = world.run(world.store.batch(batch_id))
    assert (ended.status, ended.counts.applied, ended.counts.in_doubt) == ("completed", 2, 0)
    assert applied(gameball) == 2


@pytest.mark.parametrize("body", [{"keepJobs": "yes"}, {"keepJobs": 1}, {"keepJobs": None}, {"keep": True}])
def test_stop_that_gameball_refuses_stops_nothing(world: World, batch_id: str, body: Any):
    status, answer = request("POST", f"/batches/{batch_id}/stop", body=body)
    assert (status, next(iter(body)) in answer["message"]) == (400, True)
    assert not world.store.batch(batch_id).stop_reason
