"""What handlers leave behind for alarms and for whoever looks for a batch's story."""

import io
import json
import logging
import os
import subprocess
import sys
from datetime import datetime
from typing import Any, NoReturn

import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from botocore.exceptions import ClientError

from adjustments.aws.function_log import FunctionFailed, function_logger
from adjustments.core import __version__
from local.standin.server import StandIn
from tests.fakes.world import World
from tests.functional.adjusting import test_handlers
from tests.functional.adjusting.test_client import control
from tests.functional.adjusting.test_handlers import call, dropped, request

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
    logger = function_logger()
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
        "batch planned", "sending chunk", "chunk submitted", "batch submitted", "chunk settled",
        "polled", "batch ended", "results written", "notified",
    ]  # fmt: skip
    assert [message for message in story if message in milestones] == milestones


def test_every_line_tells_the_version_of_the_code(world: World, log: Log):
    go(world)
    assert {line["version"] for line in log.lines()} == {__version__}


def test_every_line_of_a_traced_run_names_its_trace(world: World, log: Log, monkeypatch: pytest.MonkeyPatch):
    root = "1-6741f0a1-0123456789abcdef01234567"
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={root};Parent=53995c3f42cd8ad8;Sampled=1")
    go(world)
    assert {line["xray_trace_id"] for line in log.lines()} == {root}


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
    assert (sums["SweepRan"], sums["RowsInDoubtOpen"]) == (1, 0)


def test_sweep_that_fails_says_how_everything_stands_all_the_same(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> NoReturn:
        raise RuntimeError("no access")

    monkeypatch.setattr(world.files, "versions", refuse)
    with pytest.raises(FunctionFailed):
        call("sweep", {})
    sums = counted(capsys)
    assert (sums["SweepRan"], sums["RowsInDoubtOpen"]) == (1, 0)


def test_sweep_that_is_killed_has_said_how_everything_stands(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Lambda kills a run at its time-out: what is not written by then is never written."""
    written: list[dict[str, float]] = []

    def be_killed(until: datetime) -> NoReturn:
        written.append(counted(capsys))
        raise SystemExit

    monkeypatch.setattr(type(world.sweeper), "sweep", lambda _, until: be_killed(until))
    with pytest.raises(SystemExit):
        call("sweep", {})
    assert [sums["RowsInDoubtOpen"] for sums in written] == [0]


@pytest.mark.parametrize("read", ["open_batches", "doubtful_batches"])
def test_sweep_whose_reads_fail_writes_the_metrics_that_it_knows(
    read: str, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    world.files.drop("inbox/f.csv", CONTENT)
    call("submit_batch", dropped("inbox/f.csv"))
    capsys.readouterr()

    def refuse() -> NoReturn:
        raise RuntimeError("no access")

    monkeypatch.setattr(world.store, read, refuse)
    with pytest.raises(FunctionFailed):
        call("sweep", {})
    sums = counted(capsys)
    assert sums["SweepRan"] == 1
    assert sums.get("BatchesSubmitting", 0) == (0 if read == "open_batches" else 1)
    assert "RowsInDoubtOpen" not in sums, "what is unknown is not called none"


def test_every_line_of_a_batchs_life_names_the_batch(world: World, log: Log, gameball: StandIn):
    """A life with all that can happen: refused rows, a row in doubt, a stop, a person's word, a reversal."""
    control(gameball, "settings", {"refuse_request_customers": ["c3"]})
    rows = b"".join(b"c%d,1\n" % number for number in range(8))
    batch_id = go(world, b"customerId,amount\n" + rows)
    control(gameball, "faults", {"path": "/batch/balance-adjustment", "kind": "reset_after"})
    world.files.drop("inbox/doubt.csv", CONTENT)
    call("submit_batch", dropped("inbox/doubt.csv"))
    doubtful = world.executions.started[-1][1]
    for name in ("submit_more", "poll_jobs", "write_report", "notify"):
        call(name, {"batchId": doubtful})
    for path, body in {"stop": {}, "resolve": {"outcome": "applied"}, "reversal": None}.items():
        request("POST", f"/batches/{doubtful}/{path}", body)
    call("sweep", {})
    lines = log.lines()
    assert len({line["message"] for line in lines}) > 12
    assert [line for line in lines if line.get("batch_id") not in (batch_id, doubtful)] == [
        line for line in lines if line["message"] == "sweep finished"
    ]
    of_chunks = [line for line in lines if line["message"].startswith(("chunk", "row", "job"))]
    assert len(of_chunks) > 10
    assert [line for line in of_chunks if not line.get("chunk_id")] == []
    asked = [line for line in of_chunks if line["message"] in ("chunk submitted", "chunk settled")]
    assert {type(line.get("job_id")) for line in asked if line["batch_id"] == batch_id} == {int}


def test_a_call_that_is_refused_is_found_by_its_batch(world: World, log: Log):
    batch_id = go(world)
    assert request("POST", f"/batches/{batch_id}/approve", {})[0] == 409
    [line] = [line for line in log.lines() if line["message"] == "call refused"]
    assert (line["batch_id"], line["request_id"], line["error"]) == (batch_id, "r", "WrongState")
    assert line["level"] == "WARNING"


def test_batch_api_asked_for_a_batch_that_is_not_there_yet_logs_no_warning(world: World, log: Log):
    assert request("GET", "/batches/20261121-120000-file-0123456789ab")[0] == 404
    [line] = [line for line in log.lines() if line["message"] == "call refused"]
    assert (line["level"], line["error"]) == ("INFO", "NotFound")


def test_a_call_that_breaks_says_why_in_the_log_and_nothing_of_it_to_its_caller(
    world: World, log: Log, monkeypatch: pytest.MonkeyPatch
):
    batch_id = go(world)
    monkeypatch.setattr(world.store, "batch", lambda batch_id: int(f"very private {batch_id}"))
    message = "internal error; the log of this function has the details"
    told = {"error": 500, "message": message, "errorCode": "internal_error"}
    assert request("GET", f"/batches/{batch_id}") == (500, told)
    [line] = [line for line in log.lines() if line["message"] == "call failed"]
    assert (line["level"], line["error"], line["request_id"]) == ("ERROR", "ValueError", "r")
    assert line["batch_id"] == batch_id
    assert any("lambda batch_id" in place for place in line["stack"])
    assert "very private 2" not in log.getvalue()


def test_a_path_that_names_no_batch_is_not_logged_as_one(world: World, log: Log):
    assert request("POST", "/batches/jo@customer.example/approve", {})[0] == 404
    assert "jo@customer.example" not in log.getvalue()


@pytest.mark.parametrize("name", ["poll_jobs", "submit_more", "write_report", "notify"])
def test_a_step_that_breaks_says_why_in_one_line_and_in_no_words_of_others(
    world: World, log: Log, name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(world.store, "batch", lambda batch_id: int(f"very private {batch_id}"))
    with pytest.raises(FunctionFailed, match=r"^ValueError$") as broken:
        call(name, {"batchId": "b1"})
    assert (broken.value.__cause__, broken.value.__context__) == (None, None), "Lambda would write it down"
    [line] = log.lines()
    assert (line["message"], line["level"], line["error"]) == ("function failed", "ERROR", "ValueError")
    assert (line["batch_id"], line["function_request_id"]) == ("b1", "request-1")
    assert any("lambda batch_id" in place for place in line["stack"])
    assert "very private b1" not in log.getvalue()


def test_aws_s_own_words_are_told_for_they_name_what_is_missing(
    world: World, log: Log, monkeypatch: pytest.MonkeyPatch
):
    words = "User: arn:aws:sts::1:assumed-role/r/f is not authorized to perform: dynamodb:GetItem"

    def refuse(batch_id: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": words}}, "GetItem")

    monkeypatch.setattr(world.store, "batch", refuse)
    with pytest.raises(FunctionFailed):
        call("poll_jobs", {"batchId": "b1"})
    assert log.lines()[0]["aws"] == f"GetItem: {words}"


def test_a_sweep_that_fails_for_a_batch_names_the_batch(
    world: World, log: Log, monkeypatch: pytest.MonkeyPatch
):
    world.files.drop("inbox/f.csv", CONTENT)
    call("submit_batch", dropped("inbox/f.csv"))
    [(_, batch_id)] = world.executions.started
    monkeypatch.setattr(world.executions, "is_running", lambda name: 1 // 0)
    with pytest.raises(FunctionFailed, match="ExceptionGroup"):
        call("sweep", {})
    named, broke = log.lines()[-2:]
    assert (named["batch_id"], named["error"]) == (batch_id, "ZeroDivisionError")
    assert [part["error"] for part in broke["errors"]] == ["ZeroDivisionError"]


def test_a_file_that_can_not_be_taken_says_why_and_names_its_batch(
    world: World, log: Log, monkeypatch: pytest.MonkeyPatch
):
    world.files.drop("inbox/f.csv", CONTENT)
    monkeypatch.setattr(world.store, "create_batch", lambda *_: 1 // 0)
    with pytest.raises(BatchProcessingError):
        call("submit_batch", dropped("inbox/f.csv"))
    named, told = [line for line in log.lines() if line["level"] == "ERROR"]
    assert (named["message"], told["message"]) == ("batch not submitted", "message failed")
    assert named["batch_id"].startswith("20261121-120000-f-")
    assert (told["message_id"], told["error"]) == ("m1", "ZeroDivisionError")


def test_nothing_forges_a_line_or_a_field_of_one(world: World, log: Log):
    key = 'inbox/x\n{"level":"INFO","batch_id":"forged","message":"batch ended"}.csv'
    world.files.drop(key, CONTENT)
    call("submit_batch", dropped(key))
    with pytest.raises(BatchProcessingError):
        call("submit_batch", dropped("inbox/x", bucket='b","batch_id":"forged'))
    request("GET", '/batches/x"\r\n,"batch_id":"forged')
    assert len(log.lines()) > 3
    assert "forged" not in {line.get("batch_id") for line in log.lines()}


@pytest.mark.parametrize(
    ("level", "written"),
    [("DEBUG", "debug info warning"), ("INFO", "info warning"), ("WARNING", "warning"), ("ERROR", "")],
)
def test_log_level_of_the_template_rules_functions_and_services_and_nobody_else(level: str, written: str):
    program = (
        "import logging; from adjustments.aws.function_log import function_logger\n"
        "logger = function_logger()\n"
        "service = logging.getLogger('adjustments.aws.event_log')\n"
        "for log in (logger, service, logging.getLogger('botocore'), logging.getLogger('urllib3')):\n"
        "    log.debug('debug'); log.info('info'); log.warning('warning')"
    )
    environment = {**os.environ, "POWERTOOLS_LOG_LEVEL": level, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    messages = [json.loads(line)["message"] for line in done.stdout.splitlines()]
    assert messages == written.split() * 2
