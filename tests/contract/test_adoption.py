"""What a deleted stack leaves behind becomes a stack of the same name again, with all that is in it."""

import json
import uuid
from typing import Any

import pytest

from local.adoption import RetainedStorage, adopt, find_retained_storage, plan_import, retained_resources
from local.aws import Aws
from local.deployment import DeploymentError
from tests.template.loading import properties

KEYS = '{"apiKey": "a", "secretKey": "b"}'


def deploy(aws: Aws, stack: str, *, is_new: bool) -> None:
    """Deploy what outlives a stack, and a queue that does not."""
    declared = {**retained_resources(), "Queue": {"Type": "AWS::SQS::Queue"}}
    act = aws.cloudformation.create_stack if is_new else aws.cloudformation.update_stack
    act(StackName=stack, TemplateBody=json.dumps({"Resources": declared}))
    waiter: Any = aws.cloudformation.get_waiter(
        "stack_create_complete" if is_new else "stack_update_complete"
    )
    waiter.wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def physical(aws: Aws, stack: str) -> dict[str, str]:
    found = aws.cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}


def test_what_holds_data_outlives_its_stack():
    logs = properties("AWS::Logs::LogGroup")
    assert set(retained_resources()) == {"Table", "Bucket", "Secret", *logs}


def test_deleted_stack_is_made_again_from_what_it_left(aws: Aws):
    """All but the secret, which the emulator does not import: it is planned, and made anew in its place."""
    stack = f"Shop-{uuid.uuid4().hex[:8]}"
    deploy(aws, stack, is_new=True)
    before = physical(aws, stack)
    item: Any = {"pk": {"S": "batch#b1"}, "sk": {"S": "batch"}}
    aws.dynamodb.put_item(TableName=before["Table"], Item=item)
    aws.s3.put_object(Bucket=before["Bucket"], Key="inbox/a.csv", Body=b"x")
    secret = aws.secrets.put_secret_value(SecretId=f"{stack}/gameball", SecretString=KEYS)["ARN"]
    aws.cloudformation.delete_stack(StackName=stack)
    aws.cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack)

    retained = find_retained_storage(aws, stack, "", "")
    assert retained == RetainedStorage(before["Table"], before["Bucket"])
    planned = {
        one["LogicalResourceId"]: one["ResourceIdentifier"] for one in plan_import(aws, stack, retained)[1]
    }
    assert set(planned) == set(retained_resources())
    assert planned["Secret"] == {"Id": secret}
    assert planned["SweepLogs"] == {"LogGroupName": f"/{stack}/sweep"}
    assert aws.secrets.get_secret_value(SecretId=f"{stack}/gameball")["SecretString"] == KEYS
    aws.secrets.delete_secret(SecretId=f"{stack}/gameball", ForceDeleteWithoutRecovery=True)
    assert set(adopt(aws, stack, retained)) == set(retained_resources()) - {"Secret"}
    deploy(aws, stack, is_new=False)

    after, same = physical(aws, stack), set(retained_resources()) - {"Secret"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert aws.dynamodb.get_item(TableName=after["Table"], Key=item)["Item"] == item
    assert aws.s3.get_object(Bucket=after["Bucket"], Key="inbox/a.csv")["Body"].read() == b"x"


def test_secret_within_its_recovery_window_has_to_be_restored_first(aws: Aws):
    stack = f"shop-{uuid.uuid4().hex[:8]}"
    aws.secrets.create_secret(Name=f"{stack}/gameball", SecretString=KEYS)
    aws.secrets.delete_secret(SecretId=f"{stack}/gameball", RecoveryWindowInDays=7)
    with pytest.raises(DeploymentError, match="restore-secret"):
        plan_import(aws, stack, RetainedStorage("t", "b"))


def test_stack_that_is_there_is_left_alone(aws: Aws):
    stack = f"there-{uuid.uuid4().hex[:8]}"
    deploy(aws, stack, is_new=True)
    with pytest.raises(DeploymentError, match="there is a stack"):
        adopt(aws, stack, RetainedStorage(physical(aws, stack)["Table"], physical(aws, stack)["Bucket"]))


def test_nothing_is_guessed_where_no_table_or_more_than_one_could_be_meant(aws: Aws):
    with pytest.raises(DeploymentError, match="which table was nowhere's"):
        find_retained_storage(aws, "nowhere", "", "b")
    assert find_retained_storage(aws, "nowhere", "t", "b") == RetainedStorage("t", "b")
