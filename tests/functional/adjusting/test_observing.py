"""What handlers leave behind for alarms and for whoever looks for a batch's story."""

import io
import json
import logging
from typing import Any

import pytest

from adjustments import wiring
from local.standin.server import StandIn
from tests.fakes.world import World
from tests.functional.adjusting import test_handlers
from tests.functional.adjusting.test_client import control
from tests.functional.adjusting.test_handlers import call, dropped

world = test_handlers.world  # the fixture

CONTENT = b"customerId,amount,reason\nc1,5,very private\nc2,-7.25,very private\nnobody,1,very private\n"
PRIVATE = ("c1", "c2", "nobody", "7.25", "very private", "standin-api-key", "standin-secret-key")


class Log(io.StringIO):
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """Where the functions log, what the services log among it."""
    written = Log()
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "INFO")
    logger = wiring.function_logger()
    logger.setLevel("INFO")
    logging.getLogger("adjustments").setLevel("INFO")
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    return written


def go(world: World, content: bytes = CONTENT) -> str:
    """Take a file through all steps; the batch's id."""
    world.files.drop("inbox/f.csv", content)
    call("submit_batch", dropped("inbox/f.csv"))
    [(_, batch_id)] = world.executions.started
    for name in ("poll_jobs", "write_report", "notify"):
        call(name, {"batchId": batch_id})
    return batch_id


def counted(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """The sums of all metrics told."""
    sums: dict[str, float] = {}
    for line in capsys.readouterr().out.splitlines():
        told = json.loads(line)
        for metric in told.get("_aws", {}).get("CloudWatchMetrics", [{"Metrics": []}])[0]["Metrics"]:
            sums[metric["Name"]] = sums.get(metric["Name"], 0) + sum(told[metric["Name"]])
    return sums


def test_one_id_finds_the_whole_story_in_order(world: World, log: Log):
    batch_id = go(world)
    story = [line["message"] for line in log.lines() if line.get("batch_id") == batch_id]
    milestones = [
        "batch planned", "chunk about to be sent", "chunk submitted", "batch taken", "chunk settled",
        "polled", "batch ended", "results written", "told",
    ]  # fmt: skip
    assert [message for message in story if message in milestones] == milestones


def test_a_chunks_lines_name_chunk_job_and_request(world: World, log: Log):
    go(world)
    [settled] = [line for line in log.lines() if line["message"] == "chunk settled"]
    assert (settled["chunk_id"], settled["rows"]) == ("001-00001", 3)
    assert isinstance(settled["job_id"], int)
    assert (settled["applied"], settled["failed"], settled["in_doubt"]) == (2, 1, 0)
    assert settled["function_request_id"] == "request-1"


def test_no_line_holds_customers_amounts_reasons_or_keys(world: World, log: Log):
    go(world)
    # the counts of the lines may well be the digits of an amount, so whole values are looked for
    values = {str(value) for line in log.lines() for value in line.values()}
    assert len(log.lines()) > 8
    assert not values & set(PRIVATE)
    assert "very private" not in log.getvalue()
    assert "standin" not in log.getvalue()


def test_gameballs_words_are_not_logged_but_its_request_id_is(world: World, log: Log, gameball: StandIn):
    fault = {"path": "/batch/balance-adjustment", "kind": "status", "status": 503, "times": 1}
    control(gameball, "faults", fault)
    go(world)
    [doubt] = [line for line in log.lines() if line["message"] == "chunk in doubt"]
    assert (doubt["level"], doubt["error"], doubt["http_status"]) == ("WARNING", "OutcomeUnknown", 503)


def test_end_of_a_batch_is_counted_once(world: World, capsys: pytest.CaptureFixture[str]):
    batch_id = go(world)
    world.clock.sleep(1)
    call("write_report", {"batchId": batch_id})
    sums = counted(capsys)
    assert (sums["RowsApplied"], sums["RowsFailed"], sums["BatchesCompletedWithErrors"]) == (2, 1, 1)


def test_refused_keys_are_counted_at_each_step(
    world: World, gameball: StandIn, capsys: pytest.CaptureFixture[str]
):
    control(gameball, "settings", {"secret_key": "rotated"})
    world.files.drop("inbox/f.csv", CONTENT)
    call("submit_batch", dropped("inbox/f.csv"))
    [(_, batch_id)] = world.executions.started
    call("submit_more", {"batchId": batch_id})
    assert counted(capsys)["KeysRefused"] == 2


def test_sweep_says_that_it_ran_and_how_everything_stands(world: World, capsys: pytest.CaptureFixture[str]):
    call("sweep", {})
    sums = counted(capsys)
    assert (sums["SweepRan"], sums["RowsInDoubtOpen"], sums["BatchesPastDeadline"]) == (1, 0, 0)
