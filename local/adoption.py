"""`make adopt`: makes a stack again from what a deleted stack of its name has left behind.

Table, bucket, secret and log groups outlive their stack. A new stack of the same name could not make secret
and log groups again, and with another table it would forget what was applied. So CloudFormation imports them
into a stack that has nothing else, and the next deployment adds the rest.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import boto3
import click
from botocore.exceptions import ClientError
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from local import environment
from local.deployment import DeploymentError, read_settings

RETAINED: Final = "RetainExceptOnCreate"

Clients = Any
"""Makes the client of a service (``client``), as a boto3 session does."""


@dataclass(frozen=True, slots=True)
class RetainedStorage:
    """What a deleted stack has left behind: the physical names of table and bucket, by type."""

    table: str
    bucket: str


def retained_resources() -> dict[str, Any]:
    """The resources of the template that outlive their stack, whatever the parameters are."""
    declared: dict[str, Any] = yaml_parse(environment.TEMPLATE.read_text())["Resources"]
    return {
        name: {key: value for key, value in resource.items() if key != "Metadata"}
        for name, resource in declared.items()
        if resource.get("DeletionPolicy") == RETAINED and "Condition" not in resource
    }


def find_retained_storage(clients: Clients, stack: str, table: str, bucket: str) -> RetainedStorage:
    """Find table and bucket by the names that CloudFormation made, where they are not given.

    Raises:
        DeploymentError: there is none, or more than one.
    """
    tables = [table] if table else list(_tables(clients, f"{stack}-Table-"))
    buckets = [bucket] if bucket else list(_buckets(clients, f"{stack.lower()}-bucket-"))
    for kind, option, found in (("table", "TABLE", tables), ("bucket", "BUCKET", buckets)):
        if len(found) != 1:
            listed = ", ".join(found) or "none"
            raise DeploymentError(f"which {kind} was {stack}'s? Found: {listed}. Name it: {option}=NAME")
    return RetainedStorage(tables[0], buckets[0])


def _tables(clients: Clients, prefix: str) -> Iterator[str]:
    for page in clients.client("dynamodb").get_paginator("list_tables").paginate():
        yield from (name for name in page["TableNames"] if name.startswith(prefix))


def _buckets(clients: Clients, prefix: str) -> Iterator[str]:
    found = clients.client("s3").list_buckets()["Buckets"]
    yield from (bucket["Name"] for bucket in found if bucket["Name"].startswith(prefix))


def plan_import(
    clients: Clients, stack: str, retained: RetainedStorage
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Plan what is imported.

    Returns:
        The template of the new stack, and each of its resources with the name under which it is found. A log
        group or secret that is gone is left out: the deployment makes it.
    """
    template: dict[str, Any] = {}
    wanted: list[dict[str, Any]] = []
    for name, resource in retained_resources().items():
        identifier = _identify(clients, stack, retained, resource)
        if identifier:
            template[name] = resource
            wanted.append(
                {
                    "LogicalResourceId": name,
                    "ResourceType": resource["Type"],
                    "ResourceIdentifier": identifier,
                }
            )
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": template}, wanted


def _identify(
    clients: Clients, stack: str, retained: RetainedStorage, resource: Mapping[str, Any]
) -> dict[str, str] | None:
    match resource["Type"]:
        case "AWS::DynamoDB::Table":
            return {"TableName": retained.table}
        case "AWS::S3::Bucket":
            return {"BucketName": retained.bucket}
        case "AWS::Logs::LogGroup":
            name = _named(resource["Properties"]["LogGroupName"], stack)
            found = clients.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
            return {"LogGroupName": name} if name in {group["logGroupName"] for group in found} else None
        case "AWS::SecretsManager::Secret":
            return _identify_secret(clients, _named(resource["Properties"]["Name"], stack))
        case other:
            raise DeploymentError(f"local/adoption.py does not know how a {other} is imported")


def _identify_secret(clients: Clients, name: str) -> dict[str, str] | None:
    secrets = clients.client("secretsmanager")
    try:
        found = secrets.describe_secret(SecretId=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    if found.get("DeletedDate"):
        raise DeploymentError(
            f"the secret {name} waits for its deletion: aws secretsmanager restore-secret --secret-id {name}"
        )
    return {"Id": found["ARN"]}


def _named(name: Mapping[str, str], stack: str) -> str:
    return name["Fn::Sub"].replace("${AWS::StackName}", stack)


def adopt(clients: Clients, stack: str, retained: RetainedStorage) -> Sequence[str]:
    """Make the stack from what was retained.

    Returns:
        The logical ids of what it has now.

    Raises:
        DeploymentError: there is such a stack, or CloudFormation refused.
    """
    template, wanted = plan_import(clients, stack, retained)
    cloudformation = clients.client("cloudformation")
    _refuse_existing(cloudformation, stack)
    name = f"adopt-{int(time.time())}"
    cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=name,
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps(template),
        ResourcesToImport=wanted,
    )
    waiting = {"Delay": 2, "MaxAttempts": 150}
    cloudformation.get_waiter("change_set_create_complete").wait(
        StackName=stack, ChangeSetName=name, WaiterConfig=waiting
    )
    cloudformation.execute_change_set(StackName=stack, ChangeSetName=name)
    cloudformation.get_waiter("stack_import_complete").wait(StackName=stack, WaiterConfig=waiting)
    return [resource["LogicalResourceId"] for resource in wanted]


def _refuse_existing(cloudformation: Any, stack: str) -> None:
    try:
        [found] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError:
        return
    if found["StackStatus"] != "DELETE_COMPLETE":
        raise DeploymentError(f"there is a stack {stack}, and it has its resources: nothing is to be adopted")


@click.command()
@click.argument("config_env", metavar="ENVIRONMENT")
@click.option("--table", default="", help="Table of the deleted stack; found by its name where not given.")
@click.option("--bucket", default="", help="Bucket of the deleted stack; found by its name where not given.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def main(config_env: str, table: str, bucket: str, yes: bool) -> None:
    """Make a stack again from what a deleted stack of its name has left behind."""
    settings = read_settings(environment.SAM_CONFIG, config_env)
    stack = str(settings["stack_name"])
    session = boto3.Session(profile_name=settings.get("profile"), region_name=settings.get("region"))
    retained = find_retained_storage(session, stack, table, bucket)
    click.echo(
        f"stack {stack}: table {retained.table}, bucket {retained.bucket}, its secret and its log groups"
    )
    if not yes:
        click.confirm("Make the stack from these?", abort=True)
    adopted = adopt(session, stack, retained)
    click.echo(f"adopted: {', '.join(adopted)}")
    click.echo(f"Now deploy the rest: make deploy ENV={config_env}")


if __name__ == "__main__":
    sys.exit(main())
