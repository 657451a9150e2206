"""What every Executions does: the fake in memory, and a state machine that waits a little."""

import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from adjustments.aws.messaging import StateMachineExecutions
from adjustments.core.ids import batch_id, execution_name
from adjustments.submission.sender import Executions
from local.aws import Aws
from local.processes import wait_for
from tests.fakes.memory import MemoryExecutions

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "states.amazonaws.com"}}
    ],
}
SLOW, QUICK = 30, 0
DROPPED_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Machine:
    """A state machine, and what it was given."""

    def __init__(
        self,
        executions: Executions,
        started: Callable[[], list[tuple[str, str]]],
        end: Callable[[str], None],
    ) -> None:
        self.executions = executions
        self.started = started
        self.end = end


@pytest.fixture
def machine(kind: str, request: pytest.FixtureRequest) -> Machine:
    """A state machine whose executions run until they are ended."""
    if kind == "memory":
        fake = MemoryExecutions()
        return Machine(fake, lambda: list(fake.started), fake.running.discard)
    aws: Aws = request.getfixturevalue("aws")
    arn = make_machine(aws, SLOW)

    def started() -> list[tuple[str, str]]:
        found = aws.stepfunctions.list_executions(stateMachineArn=arn)["executions"]
        given = [
            aws.stepfunctions.describe_execution(executionArn=one["executionArn"]) for one in found[::-1]
        ]
        return [(one["name"], json.loads(one["input"])["batchId"]) for one in given]

    def end(name: str) -> None:
        running = aws.stepfunctions.list_executions(stateMachineArn=arn)["executions"]
        [execution] = [one["executionArn"] for one in running if one["name"] == name]
        aws.stepfunctions.stop_execution(executionArn=execution)

    return Machine(StateMachineExecutions(aws.stepfunctions, arn), started, end)


def make_machine(aws: Aws, seconds: int) -> str:
    role = aws.iam.create_role(
        RoleName=f"role-{uuid.uuid4().hex}", AssumeRolePolicyDocument=json.dumps(TRUST)
    )
    wait = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": seconds, "End": True}}}
    made = aws.stepfunctions.create_state_machine(
        name=f"machine-{uuid.uuid4().hex}", definition=json.dumps(wait), roleArn=role["Role"]["Arn"]
    )
    return made["stateMachineArn"]


def test_a_start_runs_with_the_batch(machine: Machine):
    machine.executions.start("e1", "b1")
    assert machine.started() == [("e1", "b1")]
    assert machine.executions.is_running("e1")


def test_a_second_start_under_the_same_name_does_nothing(machine: Machine):
    machine.executions.start("e1", "b1")
    machine.executions.start("e1", "b1")
    machine.executions.start("e1", "b2")
    assert machine.started() == [("e1", "b1")]


def test_a_name_that_has_ended_is_not_started_again(machine: Machine):
    machine.executions.start("e1", "b1")
    machine.end("e1")
    machine.executions.start("e1", "b1")
    assert not machine.executions.is_running("e1")
    assert machine.started() == [("e1", "b1")]


def test_names_are_apart_from_each_other(machine: Machine):
    machine.executions.start("e1", "b1")
    machine.executions.start("e2", "b1")
    machine.end("e1")
    assert [machine.executions.is_running(name) for name in ("e1", "e2")] == [False, True]
    assert sorted(machine.started()) == [("e1", "b1"), ("e2", "b1")]


def test_what_was_never_started_does_not_run(machine: Machine):
    assert not machine.executions.is_running("e1")
    machine.executions.start("e1", "b1")
    assert not machine.executions.is_running("e2")
    assert not machine.executions.is_running("e")


@pytest.mark.parametrize("key", ["inbox/" + "long name " * 40 + ".csv", "inbox/Ä–ö %&*?.csv", "inbox/.csv"])
@pytest.mark.parametrize("start", [1, 2, 99_999])
def test_the_names_that_are_derived_from_odd_files_are_names_of_executions(
    machine: Machine, key: str, start: int
):
    name = execution_name(batch_id(key, DROPPED_AT, ("b", key, "v")), start)
    assert len(name) <= 80
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    machine.executions.start(name, "b1")
    assert machine.executions.is_running(name)


def test_an_execution_that_came_to_its_end_does_not_run(aws: Aws):
    executions = StateMachineExecutions(aws.stepfunctions, make_machine(aws, QUICK))
    executions.start("e1", "b1")
    wait_for(lambda: not executions.is_running("e1"), 10, "the execution to end")
    started_at = time.monotonic()
    executions.start("e1", "b1")
    assert not executions.is_running("e1")
    assert time.monotonic() - started_at < 5
