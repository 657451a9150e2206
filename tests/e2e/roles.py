"""The functions' deployed roles, and how to take a single permission away from one for a moment."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from local.stack import LocalStack
from tests.template.loading import properties

POLICY = "own"
"""The name of the one policy that each role in the template has."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One action on one resource that a function's role allows."""

    function: str
    sid: str
    action: str
    place: int
    """Of the resource in its statement: the deployed one has other words for it."""
    resource: str

    def __str__(self) -> str:
        return f"{self.function}-{self.sid}-{self.action}-{self.resource}"


def listed(value: Any) -> list[Any]:
    """A policy's lists may be written as a single value."""
    return value if isinstance(value, list) else [value]


def granted() -> list[Grant]:
    """Every grant of every function's role, in the template's order."""
    roles = properties("AWS::IAM::Role")
    return [
        Grant(function, statement["Sid"], action, place, _named(resource))
        for function in properties("AWS::Serverless::Function")
        for statement in roles[f"{function}Role"]["Policies"][0]["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
        for place, resource in enumerate(listed(statement["Resource"]))
    ]


def _named(resource: dict[str, Any]) -> str:
    """A short name for a resource: ``Table``, ``inbox/*``."""
    if "Fn::Sub" in resource:
        return re.sub(r"^arn:.*:(\w+:\$.*)$|^\$\{\w+\.Arn\}/", r"\1", resource["Fn::Sub"])
    return str(resource["Ref"] if "Ref" in resource else resource["Fn::GetAtt"][0])


@contextmanager
def without(stack: LocalStack, grant: Grant) -> Iterator[None]:
    """Take one grant from its deployed role, as long as the block lasts."""
    role = stack.physical_id(f"{grant.function}Role")
    iam = stack.aws.iam
    whole: Any = iam.get_role_policy(RoleName=role, PolicyName=POLICY)["PolicyDocument"]
    try:
        iam.put_role_policy(RoleName=role, PolicyName=POLICY, PolicyDocument=json.dumps(_less(whole, grant)))
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=POLICY, PolicyDocument=json.dumps(whole))


def _less(policy: dict[str, Any], grant: Grant) -> dict[str, Any]:
    """A policy with one action on one resource left out, and nothing else changed."""
    left = [
        {**statement, "Sid": f"S{number}x{index}x{place}", "Action": action, "Resource": resource}
        for number, statement in enumerate(policy["Statement"])
        for index, action in enumerate(listed(statement["Action"]))
        for place, resource in enumerate(listed(statement["Resource"]))
        if (statement["Sid"], action, place) != (grant.sid, grant.action, grant.place)
    ]
    return {**policy, "Statement": left}
