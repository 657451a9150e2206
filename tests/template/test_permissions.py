"""Each role is its holder's own, names its actions, and names what it may touch."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.template.loading import expanded, properties

ROLES = properties("AWS::IAM::Role", expanded())
HOLDERS = {
    **properties("AWS::Lambda::Function", expanded()),
    **properties("AWS::StepFunctions::StateMachine", expanded()),
}

MANAGED = {
    "AWSLambdaBasicExecutionRole": "SAM adds it: writing logs, to any group of the account",
    "AWSLambdaSQSQueueExecutionRole": "SAM adds it to readers of queues: reading any queue of the account",
    "AWSXrayWriteOnlyAccess": "SAM adds it where tracing is on; X-Ray has no resources to name",
}
"""AWS's own policies, which allow ``*``, and why they are there."""

STAR_ACTIONS = {("BucketPolicy", "s3:*"): "the statement denies"}
STAR_RESOURCES: dict[tuple[str, str], str] = {}
"""(role, action) that has to be allowed on ``*``, and why."""

every_role = pytest.mark.parametrize("name", ROLES)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(name: str) -> Iterator[dict[str, Any]]:
    for policy in ROLES[name].get("Policies", []):
        yield from listed(policy["PolicyDocument"]["Statement"])


@pytest.mark.parametrize("name", HOLDERS)
def test_holder_has_a_role_of_its_own(name: str):
    assert HOLDERS[name].get("Role", HOLDERS[name].get("RoleArn")) == {"Fn::GetAtt": [f"{name}Role", "Arn"]}


def test_there_are_no_other_roles():
    schedules = properties("AWS::Scheduler::Schedule", expanded())
    assert set(ROLES) == {f"{name}Role" for name in (*HOLDERS, *schedules)}


@every_role
def test_role_can_be_taken_by_one_service_only(name: str):
    [statement] = ROLES[name]["AssumeRolePolicyDocument"]["Statement"]
    [service] = listed(statement["Principal"]["Service"])
    assert re.fullmatch(r"(lambda|states|scheduler)\.amazonaws\.com", service)


@every_role
def test_role_has_its_permissions_beside_what_needs_them(name: str):
    assert list(statements(name)), "a role without a policy can do nothing"
    managed = {arn.rsplit("/", 1)[1] for arn in ROLES[name].get("ManagedPolicyArns", [])}
    assert managed <= set(MANAGED)


@every_role
def test_no_action_is_a_pattern(name: str):
    patterns = [action for s in statements(name) for action in listed(s["Action"]) if "*" in action]
    assert patterns == []


@every_role
def test_no_resource_is_everything(name: str):
    everything = [
        action
        for statement in statements(name)
        if "*" in listed(statement["Resource"])
        for action in listed(statement["Action"])
        if (name, action) not in STAR_RESOURCES
    ]
    assert everything == []


@every_role
def test_every_resource_is_one_of_ours(name: str):
    """Each one begins with a resource of this template; a pattern may only follow it."""
    for resource in [r for s in statements(name) for r in listed(s["Resource"])]:
        if isinstance(resource, dict) and "Fn::Sub" in resource:
            assert re.search(r"\$\{(Bucket|Table)\.Arn\}|\$\{PollBatch\.Name\}", resource["Fn::Sub"])
        else:
            assert set(resource) <= {"Ref", "Fn::GetAtt"}


@every_role
def test_nobody_but_callers_of_gameball_reads_the_keys(name: str):
    reads = any("secretsmanager:GetSecretValue" in listed(s["Action"]) for s in statements(name))
    function = HOLDERS.get(name.removesuffix("Role"), {})
    variables = function.get("Environment", {}).get("Variables", {})
    assert reads == ("GAMEBALL_BASE_URL" in variables)


def test_every_exception_is_still_needed():
    used = {arn.rsplit("/", 1)[1] for role in ROLES.values() for arn in role.get("ManagedPolicyArns", [])}
    assert used == set(MANAGED)


def test_star_actions_stand_only_where_something_is_denied():
    found = {
        (name, action)
        for type_ in ("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy")
        for name, policy in properties(type_).items()
        for statement in policy["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
        if "*" in action or (statement["Effect"] == "Allow" and statement["Principal"] == "*")
    }
    assert found == set(STAR_ACTIONS)
