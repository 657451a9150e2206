"""What a deployed stack tells of itself: the runbook's query, the metrics, the alarms and the dashboard."""

import json
import re
import time
from decimal import Decimal
from typing import Any

from adjustments.manual_transactions.redaction import mask
from local import environment
from local.batch_client import BatchClient
from local.processes import wait_for
from local.stack import LocalStack
from tests.contract.test_notifications import make_queue

RUNBOOK = (environment.ROOT / "docs" / "runbook.md").read_text()
WITHIN_S = 60.0
"""A query looks through all that a whole run of the tests has logged, which takes the emulator seconds."""


def story(stack: LocalStack, batch_id: str) -> list[dict[str, Any]]:
    """The lines that the runbook's query on a batch finds."""
    return [json.loads(line["@message"]) for line in found(stack, "A batch's whole story", BATCH_ID=batch_id)]


def found(stack: LocalStack, heading: str, group: str = "", **names: str) -> list[dict[str, str]]:
    """What the query below a heading of the runbook finds, in one log group or all, with the names put in
    that stand for others.
    """
    section = RUNBOOK.split(f"\n## {heading}\n", 1)[1]
    query = re.findall(r"^```\n(fields .*?)^```$", section, re.MULTILINE | re.DOTALL)[0]
    for placeholder, name in names.items():
        query = query.replace(placeholder, name)
    groups = stack.aws.logs.describe_log_groups(logGroupNamePrefix=f"/{stack.name}/{group}")["logGroups"]
    started = stack.aws.logs.start_query(
        logGroupNames=[group["logGroupName"] for group in groups],
        startTime=int(time.time()) - 3600,
        endTime=int(time.time()) + 60,
        queryString=query,
    )
    answer: dict[str, Any] = {}

    def is_complete() -> bool:
        answer.update(stack.aws.logs.get_query_results(queryId=started["queryId"]))
        return bool(answer["status"] == "Complete")

    wait_for(is_complete, WITHIN_S, "the query to end")
    return [{field["field"]: field["value"] for field in row} for row in answer["results"]]


def test_the_runbooks_query_finds_a_batchs_whole_story(
    stack: LocalStack, batches: BatchClient, customers: dict[str, Decimal]
) -> None:
    batches.drop("inbox/story.csv", b"customerId,amount,reason\nplayer-01,5,x\nplayer-02,6,x\n")
    batch_id = batches.wait_until_ended(batches.wait_for_first("inbox/story.csv"))["batchId"]
    milestones = ["batch planned", "chunk submitted", "chunk settled", "batch ended", "notified"]
    told: list[str] = []

    def is_told() -> bool:
        told[:] = [line["message"] for line in story(stack, batch_id)]
        return milestones[-1] in told

    wait_for(is_told, WITHIN_S, "the whole story")
    assert [message for message in told if message in milestones] == milestones


def test_the_runbooks_query_finds_a_customers_transaction(
    stack: LocalStack, customers: dict[str, Decimal]
) -> None:
    for customer in ("player-02", "player-03"):
        body = {"customerId": customer, "transactionId": f"story-{customer}", "username": "u", "reason": "r"}
        answer = stack.call_api("POST", "/transactions/manual", {**body, "points": 5})
        assert answer.status == 200
    shown = mask("player-03", stack.name)
    told: list[dict[str, Any]] = []
    where = ("A manual transaction", "manual_transaction")

    def is_told() -> bool:
        # other tests may have added transactions of the same customer
        lines = [json.loads(line["@message"]) for line in found(stack, *where, WHAT_YOU_KNOW=shown)]
        assert {line["customer_id"] for line in lines} <= {shown}
        told[:] = [line for line in lines if line["transaction_id"] == f"story-{shown}"]
        return bool(told)

    wait_for(is_told, WITHIN_S, "the line on the transaction")
    [line] = told
    assert line["message"] == "manual transaction added"
    assert line["request_id"] == answer.headers["x-request-id"]


def test_every_line_of_ours_is_json_and_every_other_one_is_lambdas(
    stack: LocalStack, batches: BatchClient, customers: dict[str, Decimal]
) -> None:
    # other tests break functions on purpose, and Lambda then writes lines of its own
    before = stack.all_function_logs()
    batches.drop("inbox/lines.csv", b"customerId,amount,reason\nplayer-01,5,lines\n")
    batches.wait_until_ended(batches.wait_for_first("inbox/lines.csv"))
    told = [text.removeprefix(before[name]) for name, text in stack.all_function_logs().items()]
    lines = [line for text in told for line in text.splitlines() if line]
    ours = [json.loads(line) for line in lines if not line.startswith(("START ", "END ", "REPORT "))]
    assert [
        line for line in ours if "_aws" not in line and not {"level", "message", "service"} <= set(line)
    ] == []
    assert len(ours) > 10


def test_the_end_of_a_batch_is_counted_for_this_stack(
    stack: LocalStack, batches: BatchClient, customers: dict[str, Decimal]
) -> None:
    batches.drop("inbox/counted.csv", b"customerId,amount,reason\nplayer-03,7,x\n")
    batches.wait_until_ended(batches.wait_for_first("inbox/counted.csv"))
    wait_for(lambda: '"RowsApplied"' in stack.function_logs("WriteReport"), WITHIN_S, "the metric")

    lines = [line for line in stack.function_logs("WriteReport").splitlines() if '"RowsApplied"' in line]
    assert {json.loads(line)["service"] for line in lines} == {stack.name}


def test_lean_alarms_are_deployed_for_the_on_call_and_link_to_the_runbook(stack: LocalStack) -> None:
    watching = stack.aws.client("cloudwatch")
    alarms = watching.describe_alarms()["MetricAlarms"]
    texts = [alarm["AlarmDescription"] for alarm in alarms]

    assert len(alarms) == 15
    assert {action for alarm in alarms for action in alarm["AlarmActions"]} == {
        stack.outputs["OnCallTopicArn"]
    }
    assert [text for text in texts if "docs/runbook.md#" not in text or "${" in text] == []
    assert watching.list_dashboards()["DashboardEntries"] == []


def test_an_alarm_that_rings_reaches_the_on_call_and_nobody_else(stack: LocalStack) -> None:
    heard = {name: subscribed(stack, stack.outputs[name]) for name in ("OnCallTopicArn", "TopicArn")}
    watching = stack.aws.client("cloudwatch")
    [alarm] = [
        alarm["AlarmName"]
        for alarm in watching.describe_alarms()["MetricAlarms"]
        if alarm["MetricName"] == "KeysRefused"
    ]
    for state in ("ALARM", "OK"):
        watching.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="test")
    mails = wait_for(lambda: received(stack, heard["OnCallTopicArn"]), WITHIN_S, "the alarm")

    assert "docs/runbook.md#keys-refused" in mails[0]
    assert received(stack, heard["TopicArn"]) == []


def subscribed(stack: LocalStack, topic: str) -> str:
    """A queue that hears what a topic sends, as a mail address would."""
    url, arn = make_queue(stack.aws, topic.rsplit(":", 1)[1][-60:] + "-heard")
    stack.aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url


def received(stack: LocalStack, url: str) -> list[str]:
    messages = stack.aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [message["Body"] for message in messages]
