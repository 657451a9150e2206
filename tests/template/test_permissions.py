"""Each role is its holder's own, names its actions, and names what it may touch."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from adjustments.gameball import rate_limiter
from adjustments.manual_transactions import table_ledger
from tests.template.loading import expanded, properties

ROLES = properties("AWS::IAM::Role", expanded())
HOLDERS = {
    **properties("AWS::Lambda::Function", expanded()),
    **properties("AWS::StepFunctions::StateMachine", expanded()),
}

STAR_ACTIONS = {
    ("BucketPolicy", "s3:*"): "the statement denies",
    ("DropTrailBucketPolicy", "s3:*"): "the statement denies",
}
XRAY = 'X-Ray has no resources to name (Service Authorization Reference, "AWS X-Ray")'
METRICS = 'metrics have no resources to name (Service Authorization Reference, "Amazon CloudWatch")'
LIST = "a list is asked for as a whole"
STAR_RESOURCES = {
    ("TracePolicy", "xray:PutTraceSegments"): XRAY,
    ("TracePolicy", "xray:PutTelemetryRecords"): XRAY,
    ("PollBatchRole", "xray:PutTraceSegments"): XRAY,
    ("PollBatchRole", "xray:PutTelemetryRecords"): XRAY,
    ("PollBatchRole", "xray:GetSamplingRules"): XRAY,
    ("PollBatchRole", "xray:GetSamplingTargets"): XRAY,
    ("ReadOnlyPolicy", "logs:GetQueryResults"): "an answer has no resource; only the asker knows its id",
    ("ReadOnlyPolicy", "logs:DescribeLogGroups"): LIST,
    ("ReadOnlyPolicy", "logs:DescribeQueryDefinitions"): LIST,
    ("ReadOnlyPolicy", "cloudwatch:DescribeAlarms"): LIST,
    ("ReadOnlyPolicy", "cloudwatch:ListDashboards"): LIST,
    ("ReadOnlyPolicy", "cloudwatch:GetMetricData"): METRICS,
    ("ReadOnlyPolicy", "cloudwatch:GetMetricStatistics"): METRICS,
    ("ReadOnlyPolicy", "cloudwatch:ListMetrics"): METRICS,
    ("ReadOnlyPolicy", "xray:BatchGetTraces"): XRAY,
    ("ReadOnlyPolicy", "xray:GetServiceGraph"): XRAY,
    ("ReadOnlyPolicy", "xray:GetTraceGraph"): XRAY,
    ("ReadOnlyPolicy", "xray:GetTraceSummaries"): XRAY,
}
"""(role or policy, action) that has to be allowed on ``*``, and why."""

LOGGING = {"logs:CreateLogStream", "logs:PutLogEvents"}
READING_A_QUEUE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
"""What Lambda does to a queue in a function's name (Lambda's guide, "Using Lambda with Amazon SQS")."""

COUNTING = ("BatchApi", "sqs:GetQueueAttributes")
"""The health check counts the messages of every queue, and takes none."""

FUNCTIONS = properties("AWS::Serverless::Function")
POLICIES = properties("AWS::IAM::ManagedPolicy", expanded())

every_role = pytest.mark.parametrize("name", ROLES)
every_function = pytest.mark.parametrize("name", FUNCTIONS)
everybody = pytest.mark.parametrize("name", [*ROLES, *POLICIES])


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(name: str) -> Iterator[dict[str, Any]]:
    """What a role's own policies, or a managed policy, say."""
    policies = [POLICIES[name]] if name in POLICIES else ROLES[name].get("Policies", [])
    for policy in policies:
        yield from listed(policy["PolicyDocument"]["Statement"])


def grants(name: str) -> list[tuple[str, Any]]:
    """Each action with each resource on which it is allowed."""
    return [
        (action, resource)
        for statement in statements(name)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]


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
    """None of AWS's own policies, which allow ``*``: SAM adds them to roles that it makes itself."""
    assert list(statements(name)), "a role without a policy can do nothing"
    assert ROLES[name].get("ManagedPolicyArns", []) in ([], [{"Ref": "TracePolicy"}])


@everybody
def test_only_allowed_is_what_is_named(name: str):
    for statement in statements(name):
        assert statement["Effect"] == "Allow"
        assert not statement.keys() & {"NotAction", "NotResource"}


@everybody
def test_no_action_is_a_pattern(name: str):
    assert [action for action, _ in grants(name) if "*" in action] == []


@everybody
def test_nothing_is_granted_twice(name: str):
    told = [(action, str(resource)) for action, resource in grants(name)]
    assert [grant for grant in told if told.count(grant) > 1] == []


@everybody
def test_no_resource_is_everything(name: str):
    everything = {(name, action) for action, resource in grants(name) if resource == "*"}
    assert everything == {(holder, action) for holder, action in STAR_RESOURCES if holder == name}


@everybody
def test_every_other_resource_is_one_of_ours(name: str):
    """Each one begins with a resource of this template; a pattern may only follow it."""
    for _, resource in grants(name):
        if isinstance(resource, dict) and "Fn::Sub" in resource:
            own = (
                r"\$\{(Bucket|Table)\.Arn\}/|:\$\{(PollBatch\.Name|Api)\}[:/]|[:/]+\$\{AWS::StackName\}(/|$)"
            )
            assert re.search(own, resource["Fn::Sub"])
        else:
            assert resource == "*" or set(resource) <= {"Ref", "Fn::GetAtt"}


@every_function
def test_function_logs_into_its_own_group_alone(name: str):
    own = {"Fn::GetAtt": [f"{name}Logs", "Arn"]}
    assert [grant for grant in grants(f"{name}Role") if grant[0].startswith("logs:")] == [
        (action, own) for action in sorted(LOGGING)
    ]
    assert FUNCTIONS[name]["LoggingConfig"]["LogGroup"] == {"Ref": f"{name}Logs"}


@every_function
def test_function_takes_messages_of_its_own_queue_alone(name: str):
    """Lambda reads a queue by the function's role; the emulator reads it anyhow."""
    mappings = properties("AWS::Lambda::EventSourceMapping", expanded())
    wanted = {
        (action, str(mapping["EventSourceArn"]))
        for mapping in mappings.values()
        if name in str(mapping["FunctionName"])
        for action in READING_A_QUEUE
    }
    taking = {
        (action, str(resource))
        for action, resource in grants(f"{name}Role")
        if action in READING_A_QUEUE and (name, action) != COUNTING
    }
    assert taking == wanted


FOLDER = re.compile(r"\$\{Bucket\.Arn\}/(.+)")


def folders(name: str, actions: set[str]) -> set[str]:
    """The folders of the bucket on which one of the actions is allowed, such as ``work/*``."""
    return {
        match[1]
        for action, resource in grants(name)
        if action in actions and isinstance(resource, dict)
        if (match := FOLDER.fullmatch(resource.get("Fn::Sub", "")))
    }


def listable(name: str, action: str) -> set[str]:
    """The folders that may be listed; no statement may allow it without naming some."""
    found: set[str] = set()
    for statement in statements(name):
        if action in listed(statement["Action"]):
            [(operator, condition)] = statement["Condition"].items()
            assert (operator, set(condition)) == ("StringLike", {"s3:prefix"})
            found |= set(listed(condition["s3:prefix"]))
    return found


@everybody
def test_who_reads_a_folder_may_list_it_and_so_is_told_what_is_absent(name: str):
    """Else S3 says 403 instead of 404 for it, like for a missing permission; the emulator does not."""
    assert folders(name, {"s3:GetObject", "s3:GetObjectVersion"}) <= listable(name, "s3:ListBucket")


@everybody
def test_only_folders_that_are_named_may_be_listed(name: str):
    assert all(folder.endswith("/*") for folder in listable(name, "s3:ListBucket"))
    assert listable(name, "s3:ListBucketVersions") <= listable(name, "s3:ListBucket")


@every_role
def test_nobody_but_callers_of_gameball_reads_the_keys(name: str):
    reads = any("secretsmanager:GetSecretValue" in listed(s["Action"]) for s in statements(name))
    function = HOLDERS.get(name.removesuffix("Role"), {})
    variables = function.get("Environment", {}).get("Variables", {})
    assert reads == ("GAMEBALL_BASE_URL" in variables)


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


def test_manual_transaction_may_write_items_of_rate_limiter_and_ledger_only():
    written = [s["Condition"] for s in statements("ManualTransactionRole") if "Condition" in s]
    prefixes = [f"{rate_limiter.KEY_PREFIX}*", f"{table_ledger.KEY_PREFIX}*"]
    assert written == [{"ForAllValues:StringLike": {"dynamodb:LeadingKeys": prefixes}}]


@pytest.mark.parametrize("name", POLICIES)
def test_policy_of_people_keeps_its_arn_when_its_words_change(name: str):
    """Another description replaces a managed policy, and whoever had it has nothing."""
    assert set(POLICIES[name]) <= {"PolicyDocument", "ManagedPolicyName"}


def test_policies_of_people_have_names_that_identity_center_can_refer_to():
    named = {
        name: policy["ManagedPolicyName"]["Fn::If"]
        for name, policy in POLICIES.items()
        if "ManagedPolicyName" in policy
    }
    assert set(named) == set(POLICIES) - {"TracePolicy"}
    assert {condition for condition, _, _ in named.values()} == {"HasPolicyNames"}
    assert len({str(name) for _, name, _ in named.values()}) == len(named)
    assert {str(otherwise) for *_, otherwise in named.values()} == {"{'Ref': 'AWS::NoValue'}"}
