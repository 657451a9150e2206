"""Looks through everything that a run of the stack has left, for what must be nowhere."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from local import environment
from local.stack import LocalStack
from local.standin_client import Keys

RECEIVERS = ("standin",)
"""Programs that are sent the keys; what they print is theirs."""

EMULATOR_TELLS_MAX = 10_000
"""MiniStack gives the first events of a log group and no token for more."""


def forms_of(keys: Keys) -> set[bytes]:
    """Both keys as they are, and as they would look in an address or encoded."""
    found: set[bytes] = set()
    for key in (keys.api_key, keys.secret_key):
        encoded = base64.b64encode(key.encode()).rstrip(b"=")
        found |= {key.encode(), quote(key, safe="").encode(), encoded, key[::-1].encode()}
    return found


def left_by(stack: LocalStack) -> Iterator[tuple[str, bytes]]:
    """All that a run left, with the name of its place: logs, files, records, messages, runs, settings."""
    yield from _logs(stack)
    yield from _files_of_tests()
    yield from _objects(stack)
    yield from _records(stack)
    yield from _messages(stack)
    yield from _runs(stack)
    yield from _settings(stack)


def places_of(keys: Keys, left: Mapping[str, bytes]) -> list[str]:
    """Where, in what was left, one of the keys lies."""
    forms = forms_of(keys)
    return [name for name, content in left.items() if any(form in content for form in forms)]


def _logs(stack: LocalStack) -> Iterator[tuple[str, bytes]]:
    for page in stack.aws.logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            name = group["logGroupName"]
            pages = stack.aws.logs.get_paginator("filter_log_events").paginate(logGroupName=name)
            events = [event["message"] for page in pages for event in page["events"]]
            assert len(events) < EMULATOR_TELLS_MAX, f"{name}: the emulator may not tell all"
            yield f"log group {name}", "\n".join(events).encode()
    for name, text in stack.program_logs().items():
        if name not in RECEIVERS:
            yield f"log of {name}", text.encode()


def _files_of_tests() -> Iterator[tuple[str, bytes]]:
    """What failed tests and the demo have kept; the folder of a stack that runs changes while one looks."""
    for top in environment.STATE.iterdir():
        kept = [] if top.name.startswith("stack-") else [top, *top.rglob("*")]
        for path in kept:
            if path.is_file() and path.stem not in RECEIVERS:
                yield f"file {path}", path.read_bytes()


def _objects(stack: LocalStack) -> Iterator[tuple[str, bytes]]:
    bucket = stack.outputs["BucketName"]
    for page in stack.aws.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", []):
            which: Any = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
            found = stack.aws.s3.get_object(**which)
            about = json.dumps([version["Key"], found["Metadata"]]).encode()
            yield f"object {version['Key']} {version['VersionId']}", about + found["Body"].read()


def _records(stack: LocalStack) -> Iterator[tuple[str, bytes]]:
    pages = stack.aws.dynamodb.get_paginator("scan").paginate(TableName=stack.outputs["TableName"])
    for number, page in enumerate(pages):
        yield f"table, page {number}", json.dumps(page["Items"], default=str).encode()


def _messages(stack: LocalStack) -> Iterator[tuple[str, bytes]]:
    for url in stack.aws.sqs.list_queues().get("QueueUrls", []):
        found = stack.aws.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
        )
        yield f"queue {url}", json.dumps(found.get("Messages", [])).encode()


def _runs(stack: LocalStack) -> Iterator[tuple[str, bytes]]:
    machine = stack.outputs["StateMachineArn"]
    pages = stack.aws.stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=machine)
    for run in [run for page in pages for run in page["executions"]]:
        history = stack.aws.stepfunctions.get_execution_history(executionArn=run["executionArn"])
        yield f"run {run['name']}", json.dumps(history["events"], default=str).encode()


def _settings(stack: LocalStack) -> Iterator[tuple[str, bytes]]:
    described = stack.aws.cloudformation.describe_stacks(StackName=stack.name)["Stacks"]
    yield "stack", json.dumps(described, default=str).encode()
    functions = stack.aws.functions.list_functions()["Functions"]
    yield "functions", json.dumps(functions, default=str).encode()
