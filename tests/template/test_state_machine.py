"""The state machine's definition: well formed, bounded, and every substitution resolves."""

import json
import re
from typing import Any

import jsonata  # type: ignore[import-untyped]
import jsonatapy
import pytest
from cfnlint import ManualArgs, lint  # type: ignore[import-untyped]

from adjustments.core.limits import TRANSACTION_ROWS_MAX, WINDOW_S
from adjustments.submission.planner import DEADLINE, TIMES_AT_LIMIT
from tests.template.loading import REGION, ROOT, properties, walk

[MACHINE] = properties("AWS::Serverless::StateMachine").values()
TEXT = (ROOT / MACHINE["DefinitionUri"]).read_text()
DEFINITION: dict[str, Any] = json.loads(TEXT)
STATES: dict[str, Any] = DEFINITION["States"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}

every_task = pytest.mark.parametrize("name", TASKS)


def complaints(definition: dict[str, Any]) -> list[str]:
    """What cfn-lint's schema of Amazon States Language says of a definition."""
    role = "arn:aws:iam::123456789012:role/some-role"
    machine = {"Type": "AWS::StepFunctions::StateMachine"}
    stated = {**machine, "Properties": {"Definition": definition, "RoleArn": role}}
    source = json.dumps({"Resources": {"Machine": stated}}).replace("${Partition}", "aws")
    return [str(match) for match in lint(source, config=ManualArgs(regions=[REGION]))]


def test_definition_fits_the_schema():
    assert complaints(DEFINITION) == []


@pytest.mark.parametrize(
    "broken",
    [
        {**DEFINITION, "States": {**STATES, "Wait": {"Type": "Pause", "Next": "PollJobs"}}},
        {**DEFINITION, "States": {**STATES, "Notify": {**STATES["Notify"], "Nxt": "Done"}}},
        {name: value for name, value in DEFINITION.items() if name != "StartAt"},
    ],
    ids=["unknown type", "unknown field", "no start"],
)
def test_the_schema_would_see_a_fault(broken: dict[str, Any]):
    assert complaints(broken)


def test_every_substitution_is_given_and_every_given_one_is_used():
    assert set(re.findall(r"\$\{(\w+)\}", TEXT)) == set(MACHINE["DefinitionSubstitutions"])


def test_every_substitution_is_one_of_our_functions():
    functions = properties("AWS::Serverless::Function")
    given = dict(MACHINE["DefinitionSubstitutions"])
    assert given.pop("Partition") == {"Ref": "AWS::Partition"}
    for name, value in given.items():
        assert value == {"Fn::GetAtt": [name.removesuffix("Arn"), "Arn"]}
        assert name.removesuffix("Arn") in functions


@every_task
def test_task_calls_the_function_of_its_name_and_hands_on_the_batch_alone(name: str):
    arguments = TASKS[name]["Arguments"]
    assert arguments["FunctionName"] == f"${{{name}Arn}}"
    assert arguments["Payload"] == {"batchId": "{% $states.input.batchId %}"}


@every_task
def test_task_is_bounded_and_waits_longer_than_its_function_runs(name: str):
    function = properties("AWS::Serverless::Function")[name]
    # 60 s stand in the template's globals
    assert function.get("Timeout", 60) <= TASKS[name]["TimeoutSeconds"] <= function.get("Timeout", 60) + 30


@every_task
def test_task_is_tried_again_whatever_went_wrong(name: str):
    """Everything is re-entrant, and the emulator has other names for errors than AWS."""
    [retry] = TASKS[name]["Retry"]
    assert retry["ErrorEquals"] == ["States.ALL"]
    assert 3 <= retry["MaxAttempts"] <= 10
    assert retry["BackoffRate"] > 1


def test_every_state_is_reached_and_every_way_leads_to_the_end():
    def following(name: str) -> set[str]:
        state = STATES[name]
        named = [state.get("Next"), state.get("Default"), *[c["Next"] for c in state.get("Choices", [])]]
        return {name for name in named if name}

    reached, to_see = set(), [DEFINITION["StartAt"]]
    while to_see:
        name = to_see.pop()
        if name not in reached:
            reached.add(name)
            to_see += following(name)
    assert reached == set(STATES)
    for name in STATES:
        assert following(name) or STATES[name]["Type"] == "Succeed"


def test_a_run_is_bounded_beyond_the_deadline_of_a_batch():
    """Polling itself keeps to a batch's deadline; the emulator knows no bound of a whole run."""
    longest_at_limit_s = TRANSACTION_ROWS_MAX * WINDOW_S / 350
    longest_s = DEADLINE.total_seconds() + TIMES_AT_LIMIT * longest_at_limit_s
    assert longest_s < DEFINITION["TimeoutSeconds"] <= 1.5 * longest_s


def test_nothing_of_what_the_emulator_can_not_do_is_used():
    every = "".join(re.findall(r'"(\w+)":', TEXT))
    for name in ("MaxDelaySeconds", "JitterStrategy", "HeartbeatSeconds", "ItemBatcher", "ResultWriter"):
        assert name not in every
    assert "Output" not in STATES["Done"]


def test_role_may_call_exactly_the_functions_of_the_definition():
    """The emulator lets a state machine call whatever it names."""
    [policy] = properties("AWS::IAM::Role")["PollBatchRole"]["Policies"]
    [statement] = [s for s in policy["PolicyDocument"]["Statement"] if "lambda:" in str(s["Action"])]
    assert MACHINE["Role"] == {"Fn::GetAtt": ["PollBatchRole", "Arn"]}
    assert statement["Action"] == "lambda:InvokeFunction"
    assert sorted(arn["Fn::GetAtt"][0] for arn in statement["Resource"]) == sorted(TASKS)


POLLED = {"batchId": "b1", "isOver": False, "moreToSend": True, "waitSeconds": 5}
"""What polling answers; the state machine carries it from state to state."""

READINGS: dict[str, tuple[dict[str, Any], Any]] = {
    "$states.input.batchId": ({"input": POLLED}, "b1"),
    "$states.input": ({"input": POLLED}, POLLED),
    "$states.input.isOver": ({"input": POLLED}, False),
    "$states.input.moreToSend": ({"input": POLLED}, True),
    "$states.input.waitSeconds": ({"input": POLLED}, 5),
    "$states.result.Payload": ({"input": {}, "result": {"Payload": POLLED, "StatusCode": 200}}, POLLED),
}
"""Of each expression a value of ``$states``, and what it means there."""

EXPRESSIONS = sorted(
    {node[2:-2].strip() for node in walk(DEFINITION) if isinstance(node, str) and node.startswith("{%")}
)


def read_as_the_emulator_does(expression: str, states: dict[str, Any]) -> Any:
    read = jsonata.Jsonata(expression)
    frame = read.create_frame()
    frame.bind("states", states)
    return read.evaluate({}, frame)


def test_there_is_a_reading_of_each_expression():
    assert sorted(READINGS) == EXPRESSIONS


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_two_interpreters_read_an_expression_the_same_way(expression: str):
    """AWS has a third one: what two that share no code agree on is plain JSONata."""
    states, meant = READINGS[expression]
    assert read_as_the_emulator_does(expression, states) == meant
    assert jsonatapy.evaluate(expression, {}, {"states": states}) == meant


def test_a_wrong_expression_is_noticed_by_both():
    with pytest.raises(jsonata.JException):
        read_as_the_emulator_does("$states.input.", {})
    with pytest.raises(ValueError, match="S0207"):
        jsonatapy.compile("$states.input.")
