"""What the emulator does beyond MiniStack."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.aws import Aws
from local.emulator import start_emulator
from local.environment import REGION
from local.processes import wait_for

KEYWORDS = {"by": "<aws.scheduler.schedule-arn>", "dueTime": "<aws.scheduler.scheduled-time>"}
ROLE = "arn:aws:iam::000000000000:role/tick"

FIRES_WITHIN_S = 90
"""MiniStack looks for schedules that are due every ten seconds."""


def test_schedule_replaces_the_keywords_of_its_input_when_it_fires(tmp_path: Path):
    child, endpoint = start_emulator(tmp_path)
    try:
        aws = Aws(endpoint, REGION)
        url = aws.sqs.create_queue(QueueName="ticks")["QueueUrl"]
        arn = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        began_at = datetime.now(UTC)
        schedule = aws.scheduler.create_schedule(
            Name="tick",
            ScheduleExpression=f"at({began_at:%Y-%m-%dT%H:%M:%S})",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": arn,
                "RoleArn": "arn:aws:iam::000000000000:role/tick",
                "Input": json.dumps(KEYWORDS),
            },
        )["ScheduleArn"]
        received = wait_for(
            lambda: aws.sqs.receive_message(QueueUrl=url).get("Messages"), FIRES_WITHIN_S, "the tick"
        )
    finally:
        child.stop()
    body = json.loads(received[0]["Body"])
    assert body["by"] == schedule
    assert datetime.fromisoformat(body["dueTime"]) >= began_at - timedelta(seconds=1)
