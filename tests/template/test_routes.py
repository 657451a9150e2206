"""The routes of the API functions and the template's events name the same calls."""

import importlib
import re
from typing import Any

import pytest

from tests.fakes.gateway import proxy_event
from tests.template.loading import properties

ROUTED = {
    "BatchApi": {
        ("GET", "/health"): "check_health",
        ("GET", "/customers/{customerId}/adjustments"): "show_customer",
        ("GET", "/batches"): "list_batches",
        ("GET", "/batches/{batchId}"): "show_batch",
        ("POST", "/batches/{batchId}/approve"): "approve_batch",
        ("POST", "/batches/{batchId}/stop"): "stop_batch",
        ("POST", "/batches/{batchId}/resolve"): "resolve_batch",
        ("POST", "/batches/{batchId}/reversal"): "reverse_batch",
    },
    "AcceptBatch": {("POST", "/batch/balance-adjustment"): "accept_batch"},
    "ManualTransaction": {("POST", "/transactions/manual"): "add_manual_transaction"},
}
"""Of each function its calls, and what each of them does."""

CALLS = [call for calls in ROUTED.values() for call in calls]


def app_of(function: str) -> Any:
    folder = properties("AWS::Serverless::Function")[function]["CodeUri"].split("/")[1]
    return importlib.import_module(f"functions.{folder}.app").app


@pytest.mark.parametrize("function", ROUTED)
def test_every_call_that_the_template_leads_to_a_function_has_a_route_and_no_others(function: str):
    events = properties("AWS::Serverless::Function")[function]["Events"].values()
    calls = [event["Properties"] for event in events if event["Type"] == "Api"]
    routes = app_of(function)._static_routes + app_of(function)._dynamic_routes
    routed = {(route.method, _resource(route.path)): route for route in routes}
    assert {(call["Method"], call["Path"]) for call in calls} == routed.keys() == ROUTED[function].keys()
    assert {call: route.func.__name__ for call, route in routed.items()} == ROUTED[function]


def _resource(path: str) -> str:
    return path.replace("<batch_id>", "{batchId}").replace("<customer_id>", "{customerId}")


@pytest.mark.parametrize(("method", "resource"), CALLS)
def test_the_fake_gateway_matches_paths_with_the_templates_resources(method: str, resource: str):
    event = proxy_event(method, re.sub(r"\{\w+\}", "b1", resource))
    assert (event["httpMethod"], event["resource"]) == (method, resource)
    names = re.findall(r"\{(\w+)\}", resource)
    assert event["pathParameters"] == ({names[0]: "b1"} if names else None)


@pytest.mark.parametrize(
    ("path", "stripped"),
    [
        *((path.replace("{batchId}", "b1"), path.replace("{batchId}", "b1")) for _, path in CALLS),
        *((f"/v1{path}", path) for _, path in CALLS),
        ("/batches/batches", "/batches/batches"),
        ("/v1/v2/batches", "/v1/v2/batches"),
    ],
)
def test_base_path_of_a_custom_domain_is_no_part_of_a_route(path: str, stripped: str):
    assert app_of("BatchApi")._remove_prefix(path) == stripped
