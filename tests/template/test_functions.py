"""Functions, queues and schedules: bounds, failure queues, log groups, and what the emulator leaves out."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from adjustments.aws.event_models import RecurringTick, read_trigger
from cli.batch_watcher import APPEARS_WITHIN_S, FUNCTION_TIMEOUT_S, QUEUE_VISIBILITY_S
from tests.template.loading import ROOT, expanded, properties, template

FUNCTIONS = properties("AWS::Serverless::Function")
QUEUES = properties("AWS::SQS::Queue")
FAILURE_QUEUES = {name for name in QUEUES if name.endswith("FailureQueue")}
MAPPINGS = properties("AWS::Lambda::EventSourceMapping", expanded())
GLOBALS = template()["Globals"]["Function"]

every_function = pytest.mark.parametrize("name", FUNCTIONS)


def queue_of(arn: Any) -> str:
    """The logical id of the queue that an ARN names."""
    name, attribute = arn["Fn::GetAtt"]
    assert attribute == "Arn"
    return str(name)


def test_each_folder_of_functions_is_deployed_once():
    deployed = sorted(function["CodeUri"].rstrip("/") for function in FUNCTIONS.values())
    assert deployed == sorted(f"functions/{path.parent.name}" for path in ROOT.glob("functions/*/app.py"))


@every_function
def test_function_has_a_log_group_of_its_own(name: str):
    assert FUNCTIONS[name]["LoggingConfig"] == {"LogGroup": {"Ref": f"{name}Logs"}}
    folder = FUNCTIONS[name]["CodeUri"].split("/")[1]
    group = properties("AWS::Logs::LogGroup")[f"{name}Logs"]["LogGroupName"]
    assert group == {"Fn::Sub": f"/${{AWS::StackName}}/{folder}"}, "the runbook looks for it there"


@every_function
def test_function_is_bounded_described_and_traced(name: str):
    function = {**GLOBALS, **FUNCTIONS[name]}
    assert 0 < function["Timeout"] <= 900
    assert 256 <= function["MemorySize"] <= 3008
    assert function["Tracing"] == "Active"
    assert function["Description"].endswith(".")
    assert (
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == function["CodeUri"].split("/")[1]
    )


def test_every_function_knows_whose_metrics_it_counts_and_how_much_to_log():
    assert GLOBALS["Environment"]["Variables"] == {
        "POWERTOOLS_LOG_LEVEL": {"Ref": "LogLevel"},
        "STACK_NAME": {"Ref": "AWS::StackName"},
    }


@every_function
def test_function_behind_the_api_answers_before_the_gateway_gives_up(name: str):
    if any(event["Type"] == "Api" for event in FUNCTIONS[name].get("Events", {}).values()):
        assert FUNCTIONS[name]["Timeout"] < 29


@pytest.mark.parametrize("name", sorted(set(QUEUES) - FAILURE_QUEUES))
def test_queue_gives_up_into_a_failure_queue_after_some_tries(name: str):
    redrive = QUEUES[name]["RedrivePolicy"]
    assert queue_of(redrive["deadLetterTargetArn"]) == name.replace("Queue", "FailureQueue")
    assert redrive["maxReceiveCount"] == 5


@pytest.mark.parametrize("name", MAPPINGS)
def test_queue_is_read_one_message_at_a_time_and_by_few_functions(name: str):
    """With one message a batch, a message that fails makes the invocation fail, which `Errors` counts."""
    mapping = MAPPINGS[name]
    assert mapping["BatchSize"] == 1
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"]["MaximumConcurrency"] <= 10


@pytest.mark.parametrize("name", MAPPINGS)
def test_message_stays_hidden_while_a_function_is_at_work_on_it(name: str):
    queue = QUEUES[queue_of(MAPPINGS[name]["EventSourceArn"])]
    function = MAPPINGS[name]["FunctionName"]["Ref"].removesuffix("Aliaslive")
    assert queue["VisibilityTimeout"] >= FUNCTIONS[function]["Timeout"]


def test_the_function_that_keeps_reasons_knows_which_try_is_the_last():
    variables = FUNCTIONS["ManualTransaction"]["Environment"]["Variables"]
    assert int(variables["RECEIVES_MAX"]) == QUEUES["ManualQueue"]["RedrivePolicy"]["maxReceiveCount"]


def test_every_queue_that_is_no_failure_queue_is_read_by_a_function():
    read = {queue_of(mapping["EventSourceArn"]) for mapping in MAPPINGS.values()}
    assert read == set(QUEUES) - FAILURE_QUEUES


@pytest.mark.parametrize("name", properties("AWS::Events::Rule", expanded()))
def test_rule_delivers_to_a_queue_and_failing_that_to_its_failure_queue(name: str):
    [target] = properties("AWS::Events::Rule", expanded())[name]["Targets"]
    queue = queue_of(target["Arn"])
    assert queue_of(target["DeadLetterConfig"]["Arn"]) == queue.replace("Queue", "FailureQueue")


@pytest.mark.parametrize("name", properties("AWS::Scheduler::Schedule", expanded()))
def test_schedule_has_a_failure_queue_and_a_role_of_its_own(name: str):
    schedule = properties("AWS::Scheduler::Schedule", expanded())[name]
    assert queue_of(schedule["Target"]["DeadLetterConfig"]["Arn"]) in FAILURE_QUEUES
    assert schedule["Target"]["RoleArn"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}


def test_the_recurring_schedule_is_in_utc_as_its_parameter_says():
    tick = properties("AWS::Scheduler::Schedule", expanded())["RecurringTick"]
    assert tick["ScheduleExpressionTimezone"] == "UTC"


def test_the_recurring_schedule_tells_its_due_time_by_the_keyword_that_aws_documents():
    """EventBridge Scheduler, "Adding context attributes". Its default payload is not documented."""
    text = properties("AWS::Scheduler::Schedule", expanded())["RecurringTick"]["Target"]["Input"]
    sent = json.loads(text.replace("<aws.scheduler.scheduled-time>", "2022-03-22T18:59:43Z"))
    tick = read_trigger(sent)
    assert isinstance(tick, RecurringTick)
    assert tick.due_time == datetime(2022, 3, 22, 18, 59, 43, tzinfo=UTC)


def test_asynchronous_invocations_have_retries_and_a_failure_queue():
    """Only schedules invoke a function without waiting; queues and Step Functions wait."""
    scheduled = {
        target["Fn::GetAtt"][0]
        for schedule in properties("AWS::Scheduler::Schedule", expanded()).values()
        if (target := schedule["Target"]["Arn"])["Fn::GetAtt"][0] in FUNCTIONS
    }
    configured = properties("AWS::Lambda::EventInvokeConfig", expanded())
    assert {config["FunctionName"]["Ref"] for config in configured.values()} == scheduled == {"Sweep"}
    for config in configured.values():
        assert config["MaximumRetryAttempts"] == 2
        assert queue_of(config["DestinationConfig"]["OnFailure"]["Destination"]) in FAILURE_QUEUES


def test_only_events_of_our_own_rules_get_into_the_queues():
    for policy in properties("AWS::SQS::QueuePolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Principal"] == {"Service": "events.amazonaws.com"}
            assert statement["Action"] == "sqs:SendMessage"
            [rule] = [arn["Fn::GetAtt"][0] for arn in statement["Condition"]["ArnEquals"].values()]
            assert rule in properties("AWS::Events::Rule")


def test_api_has_one_stage_and_that_one_is_traced():
    """SAM adds a second one without tracing where no version of OpenAPI is given."""
    [stage] = properties("AWS::ApiGateway::Stage", expanded()).values()
    assert stage["StageName"] == {"Ref": "Stage"}
    assert stage["TracingEnabled"] is True
    deployments = properties("AWS::ApiGateway::Deployment", expanded()).values()
    assert [deployment["StageName"] for deployment in deployments if "StageName" in deployment] == []


def test_api_is_signed_traced_and_regional():
    [api] = properties("AWS::Serverless::Api").values()
    assert api["Auth"] == {"DefaultAuthorizer": "AWS_IAM", "InvokeRole": "NONE"}
    assert api["TracingEnabled"] is True
    assert api["EndpointConfiguration"] == {"Type": "REGIONAL"}


def test_every_method_of_the_api_is_signed():
    [api] = properties("AWS::ApiGateway::RestApi", expanded()).values()
    methods = [
        (path, verb, method)
        for path, verbs in api["Body"]["paths"].items()
        for verb, method in verbs.items()
        if verb != "options"
    ]
    assert len(methods) == 13
    assert [
        (path, verb) for path, verb, method in methods if method.get("security") != [{"AWS_IAM": []}]
    ] == []


GATEWAY_ERRORS = {
    "DEFAULT_4XX", "DEFAULT_5XX", "RESOURCE_NOT_FOUND", "UNAUTHORIZED", "INVALID_API_KEY", "ACCESS_DENIED",
    "AUTHORIZER_FAILURE", "AUTHORIZER_CONFIGURATION_ERROR", "INVALID_SIGNATURE", "EXPIRED_TOKEN",
    "MISSING_AUTHENTICATION_TOKEN", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT", "API_CONFIGURATION_ERROR",
    "UNSUPPORTED_MEDIA_TYPE", "BAD_REQUEST_PARAMETERS", "BAD_REQUEST_BODY", "REQUEST_TOO_LARGE", "THROTTLED",
    "QUOTA_EXCEEDED", "WAF_FILTERED",
}  # fmt: skip
"""All types (Amazon API Gateway API Reference, "GatewayResponse"). DEFAULT_4XX and DEFAULT_5XX change the
status of every type that has no entry, so that each has one."""


def test_gateways_own_errors_are_in_gameballs_shape():
    [api] = properties("AWS::Serverless::Api").values()
    assert set(api["GatewayResponses"]) == GATEWAY_ERRORS
    for response in api["GatewayResponses"].values():
        text = response["ResponseTemplates"]["application/json"]
        # The gateway puts its message into the text, quotes included.
        fields = json.loads(text.replace("$context.error.messageString", '"m"'))
        assert list(fields) == ["error", "message", "errorCode"]
        assert fields["error"] == response["StatusCode"]


@pytest.mark.parametrize("name", properties("AWS::Events::Rule", expanded()))
def test_the_queues_of_a_rule_let_it_in(name: str):
    """The emulator delivers without asking the queue's policy."""
    let_in = [
        arn["Fn::GetAtt"][0]
        for policy in properties("AWS::SQS::QueuePolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Condition"]["ArnEquals"] == {"aws:SourceArn": {"Fn::GetAtt": [name, "Arn"]}}
        for arn in statement["Resource"]
    ]
    [target] = properties("AWS::Events::Rule", expanded())[name]["Targets"]
    assert {queue_of(target["Arn"]), queue_of(target["DeadLetterConfig"]["Arn"])} == set(let_in)


@pytest.mark.parametrize("name", properties("AWS::SQS::QueuePolicy"))
def test_a_queue_policy_is_that_of_the_queues_it_speaks_of(name: str):
    policy = properties("AWS::SQS::QueuePolicy")[name]
    spoken_of = {queue_of(arn) for s in policy["PolicyDocument"]["Statement"] for arn in s["Resource"]}
    assert {queue["Ref"] for queue in policy["Queues"]} == spoken_of


def test_command_waits_for_a_batch_longer_than_a_crashed_reading_takes_to_come_back():
    reader = FUNCTIONS["SubmitBatch"]["Timeout"]
    visibility = QUEUES["IntakeQueue"]["VisibilityTimeout"]
    assert (reader, visibility) == (FUNCTION_TIMEOUT_S, QUEUE_VISIBILITY_S)
    assert visibility + reader < APPEARS_WITHIN_S


@pytest.mark.parametrize("name", properties("AWS::Scheduler::Schedule", expanded()))
def test_schedule_has_no_name_that_a_long_stack_name_makes_too_long(name: str):
    """Scheduler allows 64 characters, a stack name has up to 128; CloudFormation shortens its own."""
    assert "Name" not in properties("AWS::Scheduler::Schedule", expanded())[name]
