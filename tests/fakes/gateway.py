"""The events that API Gateway passes to a function: proxy integration of a REST API."""

from collections.abc import Mapping
from typing import Any

CALLER = "arn:ann"
REQUEST_ID = "r"
_PARENTS = {"/batches/": "batchId", "/customers/": "customerId", "/transactions/": "transactionId"}
_WITHOUT_PARAMETER = {"/batches/uploads", "/transactions/manual"}


def proxy_event(
    method: str,
    path: str,
    body: str | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The event of a call, whose path is matched with a resource and its parameters.

    The gateway itself refuses a path that is no resource's; here it is passed on as a resource of its own.
    """
    resource, parameters = _matched(path)
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": dict(headers or {}),
        "multiValueHeaders": {name: [value] for name, value in (headers or {}).items()},
        "queryStringParameters": dict(query) if query else None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()}
        if query
        else None,
        "pathParameters": parameters,
        "stageVariables": None,
        "requestContext": {
            "requestId": REQUEST_ID,
            "httpMethod": method,
            "path": f"/prod{path}",
            "resourcePath": resource,
            "stage": "prod",
            "identity": {"userArn": CALLER},
        },
        "body": body,
        "isBase64Encoded": False,
    }


def headers_of(answer: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a function's answer, by lower-case name."""
    return {name.lower(): ", ".join(values) for name, values in answer["multiValueHeaders"].items()}


def _matched(path: str) -> tuple[str, dict[str, str] | None]:
    """A path's resource, and what stands for its parameter."""
    if path in _WITHOUT_PARAMETER:
        return path, None
    for parent, name in _PARENTS.items():
        if path.startswith(parent):
            value, slash, act = path.removeprefix(parent).partition("/")
            return f"{parent}{{{name}}}{slash}{act}", {name: value}
    return path, None
