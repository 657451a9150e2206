"""The deployed stack is selected by options, configuration and environment."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from cli import stack as stack_module
from cli.errors import ServiceError, UsageError
from cli.stack import DEFAULT_STACK, LOCAL_STACK, Stack, StackSelection

API_URL = "https://abc123.execute-api.eu-central-1.amazonaws.com/live"


def stubbed(stack: Stack, outputs: dict[str, str]) -> Stubber:
    stub = Stubber(stack._cloudformation)
    described: Any = {
        "Stacks": [
            {
                "StackName": "x",
                "StackStatus": "CREATE_COMPLETE",
                "CreationTime": 0,
                "Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()],
            }
        ]
    }
    stub.add_response("describe_stacks", described)
    stub.activate()
    return stub


def session() -> boto3.Session:
    return boto3.Session("test", "test", region_name="eu-central-1")


def test_api_url_on_aws_is_the_output():
    stack = Stack(session(), None)
    stubbed(stack, {"ApiUrl": API_URL, "BucketName": "b"})
    assert (stack.name, stack.api_url, stack.bucket) == (DEFAULT_STACK, API_URL, "b")


def test_production_stack_is_not_the_default():
    assert "prod" not in DEFAULT_STACK


def test_api_url_follows_the_endpoint_of_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    stack = Stack.at(StackSelection())
    stubbed(stack, {"ApiUrl": API_URL})
    assert stack.name == LOCAL_STACK
    assert stack.api_url == "http://127.0.0.1:4566/restapis/abc123/live/_user_request_"


def test_local_stack_is_the_one_that_make_up_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    state = tmp_path / "stack.json"
    state.write_text(json.dumps({"endpoint": "http://127.0.0.1:4567", "region": "eu-west-1"}))
    monkeypatch.setattr(stack_module, "LOCAL_STATE", state)
    stack = Stack.at(StackSelection(is_local=True))
    stubbed(stack, {"ApiUrl": API_URL})
    assert (stack.name, stack.region) == (LOCAL_STACK, "eu-west-1")
    assert stack.api_url.startswith("http://127.0.0.1:4567/restapis/abc123/")


def test_local_stack_that_is_not_running_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stack_module, "LOCAL_STATE", tmp_path / "none.json")
    with pytest.raises(ServiceError, match="make up"):
        Stack.at(StackSelection(is_local=True))


def test_stack_option_overrides_the_default():
    assert Stack(session(), "mine").name == "mine"


def test_stack_that_does_not_exist_is_reported_with_its_region():
    stack = Stack(session(), "nobody")
    stub = Stubber(stack._cloudformation)
    stub.add_client_error("describe_stacks", "ValidationError", "Stack with id nobody does not exist")
    stub.activate()
    with pytest.raises(ServiceError, match="no stack nobody in eu-central-1"):
        _ = stack.outputs


def test_stack_of_another_application_is_reported():
    stack = Stack(session(), "other")
    stubbed(stack, {"Url": "x"})
    with pytest.raises(ServiceError, match="no output ApiUrl"):
        _ = stack.api_url


def test_missing_region_is_a_usage_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(UsageError, match="--region"):
        Stack.at(StackSelection())
