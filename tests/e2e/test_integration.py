"""The programs of docs/integration.md do what the document says, as they stand there."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from local import environment
from local.processes import wait_for
from local.stack import LocalStack
from local.standin_client import StandInClient

DOCUMENT = environment.ROOT / "docs/integration.md"
PROGRAMS = dict(
    re.findall(r"^```python (\w+\.py)\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
)
WITHIN_S = 60

Run = Callable[[str], str]


@pytest.fixture
def run(stack: LocalStack, customers: dict[str, Decimal], tmp_path: Path) -> Run:
    """Runs a program of the document, and gives what it prints."""
    for name, program in PROGRAMS.items():
        (tmp_path / name).write_text(program)
    variables = {
        **stack.command_environment(),
        "API_URL": stack.aws.local_api_url(stack.outputs["ApiUrl"]),
        "MANUAL_QUEUE_ARN": stack.outputs["ManualQueueArn"],
        "EVENT_BUS_NAME": stack.outputs["EventBusName"],
    }

    def run(name: str) -> str:
        command = [sys.executable, name]
        done = subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def told(stack: LocalStack, run: Run) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The events that the subscribed queue has got since the last look."""
    run("subscribe.py")
    events, sqs, bus = stack.aws.events, stack.aws.sqs, stack.outputs["EventBusName"]
    url = sqs.get_queue_url(QueueName="adjustments-ended")["QueueUrl"]

    def look() -> list[dict[str, Any]]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    yield look
    events.remove_targets(Rule="adjustments-ended", EventBusName=bus, Ids=["queue"])
    events.delete_rule(Name="adjustments-ended", EventBusName=bus)
    sqs.delete_queue(QueueUrl=url)


def applied(standin: StandInClient) -> list[tuple[str, int]]:
    return [(entry["customerId"], int(entry["amount"])) for entry in standin.audit()["applied"]]


def test_every_program_of_the_document_is_run_here():
    here = Path(__file__).read_text()
    assert [name for name in PROGRAMS if f'run("{name}")' not in here] == ["adjustments_api.py"]


def test_a_batch_is_tried_sent_and_read_row_by_row(
    standin: StandInClient, run: Run, told: Callable[[], list[dict[str, Any]]]
) -> None:
    [line] = run("send_batch.py").splitlines()
    assert line.startswith("3 nobody ")
    assert applied(standin) == [("player-01", 5)]
    ended = wait_for(told, WITHIN_S, "the event of the batch")
    assert {event["detail-type"] for event in ended} == {"Batch Settled"}


def test_a_file_is_uploaded_by_a_form_and_becomes_a_batch(
    stack: LocalStack, standin: StandInClient, run: Run
) -> None:
    key = run("upload_file.py").strip()

    def batch() -> Any:
        listed = stack.call_api("GET", "/batches?limit=100").json()["batches"]
        return next((one for one in listed if one["source"]["key"] == key and one["finishedAt"]), None)

    found = wait_for(batch, WITHIN_S, "the batch of the upload")
    assert (found["status"], found["counts"]["rows"], applied(standin)) == ("validated", 1, [])
    assert found["submittedBy"]["claimedIdentity"].startswith("arn:")


def test_a_manual_transaction_is_added_and_looked_up(standin: StandInClient, run: Run) -> None:
    added, found = run("add_transaction.py").splitlines()
    assert added.startswith("200 ")
    assert "'status': 'applied'" in found
    assert "'answer': {" in found
    assert applied(standin) == [("player-01", 50)]


def test_a_schedule_adds_a_transaction_later(
    stack: LocalStack, standin: StandInClient, run: Run, told: Callable[[], list[dict[str, Any]]]
) -> None:
    run("schedule_transaction.py")
    [event] = wait_for(told, WITHIN_S, "the event of the transaction")
    assert (event["detail-type"], applied(standin)) == ("Manual Transaction Settled", [("player-01", 50)])
    iam, sqs = stack.aws.iam, stack.aws.sqs
    iam.delete_role_policy(RoleName="birthday-schedules", PolicyName="send")
    iam.delete_role(RoleName="birthday-schedules")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="birthday-schedules-failed")["QueueUrl"])
