"""`adjust doctor` says of each part what was found and what to do, and exits with 0 only if all is well."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from adjustments.core import __version__
from cli.errors import ServiceError
from cli.main import main
from cli.stack import Stack
from tests.fakes.batch_api import FakeBatchApi, FakeStack
from tests.unit.cli import test_commands

api, stack = test_commands.api, test_commands.stack  # the fixtures

NOTIFY = {"check": "function Notify", "status": "ok", "message": "answers: version 1", "advice": ""}


def is_well(api: FakeBatchApi, *more: dict[str, Any]) -> None:
    api.answer("GET /health", (200, {"version": __version__, "isWell": True, "checks": [NOTIFY, *more]}))


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    code = main(["doctor", "--json", *arguments])
    answer = json.loads(capsys.readouterr().out)
    assert answer["isWell"] == (code == 0)
    return code, {finding["check"]: finding for finding in answer["checks"]}


def test_all_is_well(api: FakeBatchApi, capsys: pytest.CaptureFixture[str]) -> None:
    is_well(api)
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok      stack            gameball-adjustments-test in eu-central-1: UPDATE_COMPLETE"
    assert lines[1] == f"ok      version          deployed {__version__}, this command {__version__}"
    assert lines[2].startswith("ok      clock            ")
    assert lines[3:] == ["ok      function Notify  answers: version 1", "all is well"]


def test_problem_of_the_stack_itself_is_shown_with_what_to_do(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
) -> None:
    is_well(api, {"check": "schedule Tick", "status": "problem", "message": "off", "advice": "enable it"})
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines[-3:]] == [
        "problem schedule Tick    off", "→ enable it", "1 problem",
    ]  # fmt: skip


def test_note_is_no_problem(api: FakeBatchApi, capsys: pytest.CaptureFixture[str]) -> None:
    is_well(api, {"check": "topic T", "status": "note", "message": "nobody is subscribed", "advice": "a"})
    assert told(capsys)[0] == 0


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("CREATE_COMPLETE", "ok"),
        ("UPDATE_IN_PROGRESS", "note"),
        ("UPDATE_ROLLBACK_COMPLETE", "problem"),
        ("ROLLBACK_FAILED", "problem"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "note"),
    ],
)
def test_state_of_the_stack_is_judged(
    api: FakeBatchApi, stack: FakeStack, capsys: pytest.CaptureFixture[str], status: str, found: str
) -> None:
    is_well(api)
    stack.status = status
    assert told(capsys)[1]["stack"]["status"] == found


@pytest.mark.parametrize(("outputs", "deployed"), [({"Version": "0.9.0"}, "0.9.0"), ({}, "before 1.0.0")])
def test_other_version_than_this_one_is_a_problem(
    api: FakeBatchApi, stack: FakeStack, capsys: pytest.CaptureFixture[str], outputs: Any, deployed: str
) -> None:
    is_well(api)
    stack.outputs = outputs
    code, found = told(capsys)
    assert code == 1
    assert found["version"]["message"] == f"deployed {deployed}, this command {__version__}"


@pytest.mark.parametrize(("off_s", "status"), [(0, "ok"), (-3600, "problem"), (3600, "problem")])
def test_clock_is_compared_with_that_of_aws(
    api: FakeBatchApi,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    off_s: int,
    status: str,
) -> None:
    is_well(api)
    there = format_datetime(datetime.now(UTC) + timedelta(seconds=off_s), usegmt=True)
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: there)
    code, found = told(capsys)
    assert (code, found["clock"]["status"]) == (int(status == "problem"), status)


def test_stack_that_is_not_there_is_the_only_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(where: object) -> Stack:
        raise ServiceError("there is no stack x in eu-central-1")

    monkeypatch.setattr(Stack, "at", missing)
    code, found = told(capsys)
    assert (code, list(found)) == (1, ["stack"])
    assert "--profile" in found["stack"]["advice"]


@pytest.mark.parametrize(
    ("status", "advice"), [(403, "read-only policy"), (502, "log group"), (404, "log group")]
)
def test_api_that_does_not_answer_is_a_problem_beside_what_is_known(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], status: int, advice: str
) -> None:
    api.answer("GET /health", (status, {"message": "no"}))
    code, found = told(capsys)
    assert (code, list(found)) == (1, ["stack", "version", "clock", "functions"])
    assert advice in found["functions"]["advice"]
