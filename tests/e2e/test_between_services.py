"""What services do to one another, by their roles and by what the receivers allow.

The emulator lets services call each other as they like. So the deployed roles are asked, by IAM's policy
simulation, whether they allow what the deployed schedules, queues and state machine are set up to do, and
nothing next to it.
"""

import json
import re
from collections.abc import Iterator

import pytest

from local.stack import LocalStack

Ask = tuple[str, str, str]
"""A role's ARN, an action, and the ARN of a resource."""


class Services:
    """The deployed stack, as one service sees the next."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._aws = stack.aws

    def allows(self, ask: Ask) -> bool:
        """What IAM's simulation says of a role."""
        role, action, resource = ask
        answer = self._aws.iam.simulate_principal_policy(
            PolicySourceArn=role, ActionNames=[action], ResourceArns=[resource]
        )
        return answer["EvaluationResults"][0]["EvalDecision"] == "allowed"

    def of_schedules(self) -> Iterator[Ask]:
        """Each schedule reaches its target, and its failure queue when it can't."""
        for name in ("RecurringTick", "SweepTick"):
            schedule = self._aws.scheduler.get_schedule(Name=self._stack.physical_id(name))
            target = schedule["Target"]
            action = "lambda:InvokeFunction" if ":lambda:" in target["Arn"] else "sqs:SendMessage"
            yield target["RoleArn"], action, target["Arn"]
            yield target["RoleArn"], "sqs:SendMessage", target["DeadLetterConfig"]["Arn"]

    def of_queues(self) -> Iterator[Ask]:
        """Lambda reads each queue in the name of the function that it calls."""
        for mapping in self._aws.functions.list_event_source_mappings()["EventSourceMappings"]:
            for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
                yield self.role_of(mapping["FunctionArn"]), action, mapping["EventSourceArn"]

    def of_machine(self) -> Iterator[Ask]:
        """The state machine calls the functions that its definition names."""
        found = self._aws.stepfunctions.describe_state_machine(
            stateMachineArn=self._stack.outputs["StateMachineArn"]
        )
        for state in json.loads(found["definition"])["States"].values():
            if state["Type"] == "Task":
                yield found["roleArn"], "lambda:InvokeFunction", state["Arguments"]["FunctionName"]

    def of_failed_sweeps(self) -> Iterator[Ask]:
        """Lambda keeps a sweep that failed for good, in the function's name."""
        name = self._stack.physical_id("Sweep")
        config = self._aws.functions.get_function_event_invoke_config(FunctionName=name, Qualifier="$LATEST")
        yield (
            self.role_of(name),
            "sqs:SendMessage",
            config["DestinationConfig"]["OnFailure"]["Destination"],
        )

    def of_logs(self) -> Iterator[Ask]:
        """Lambda writes each function's log, in the function's name."""
        for function in self._aws.functions.list_functions()["Functions"]:
            group = function["LoggingConfig"]["LogGroup"]
            stream = f"arn:aws:logs:{self._aws.region}:000000000000:log-group:{group}:log-stream:any"
            yield function["Role"], "logs:CreateLogStream", stream
            yield function["Role"], "logs:PutLogEvents", stream

    def of_traces(self) -> Iterator[Ask]:
        """Each function leaves its traces."""
        for function in self._aws.functions.list_functions()["Functions"]:
            yield function["Role"], "xray:PutTraceSegments", "*"

    def role_of(self, function: str) -> str:
        return self._aws.functions.get_function_configuration(FunctionName=function)["Role"]


@pytest.fixture(scope="module")
def services(running_stack: LocalStack) -> Services:
    return Services(running_stack)


@pytest.mark.parametrize(
    ("what", "asks"),
    [
        ("of_schedules", 4), ("of_queues", 6), ("of_machine", 4), ("of_failed_sweeps", 1), ("of_logs", 18),
        ("of_traces", 9),
    ],
)  # fmt: skip
def test_a_service_may_do_what_it_is_set_up_to_do(services: Services, what: str, asks: int) -> None:
    asked = list(getattr(services, what)())
    assert len(asked) == asks
    assert [ask for ask in asked if not services.allows(ask)] == []


@pytest.mark.parametrize("what", ["of_schedules", "of_queues", "of_machine", "of_failed_sweeps", "of_logs"])
def test_and_not_to_somebody_elses(services: Services, what: str) -> None:
    """The same, with another queue, function or log group in the place of ours."""
    foreign = [
        (role, action, re.sub(r"gameball-adjustments-local", "somebody-else", resource))
        for role, action, resource in getattr(services, what)()
    ]
    assert [ask for ask in foreign if services.allows(ask)] == []


def test_the_simulation_would_see_a_missing_permission(services: Services, running_stack: LocalStack) -> None:
    [(role, _, queue)] = list(services.of_failed_sweeps())
    assert not services.allows((role, "sqs:ReceiveMessage", queue))
