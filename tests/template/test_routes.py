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
        ("GET", "/batches/{batchId}/rows"): "list_rows",
        ("POST", "/batches/uploads"): "offer_upload",
        ("POST", "/batches/{batchId}/approve"): "approve_batch",
        ("POST", "/batches/{batchId}/stop"): "stop_batch",
        ("POST", "/batches/{batchId}/resolve"): "resolve_batch",
        ("POST", "/batches/{batchId}/reversal"): "reverse_batch",
    },
    "AcceptBatch": {("POST", "/batch/balance-adjustment"): "accept_batch"},
    "ManualTransaction": {
        ("POST", "/transactions/manual"): "add_manual_transaction",
        ("GET", "/transactions/{transactionId}"): "show_transaction",
    },
}
"""Of each function its calls, and what each of them does."""

CALLS = [call for calls in ROUTED.values() for call in calls]


def app_of(function: str) -> Any:
    folder = properties("AWS::Serverless::Function")[function]["CodeUri"].split("/")[1]
    return importlib.import_module(f"functions.{folder}.app").app


def _named(route: str) -> str:
    """The resource of a route: batch_id is batchId."""
    return re.sub("<([a-z]+)_id>", r"{\1Id}", route)


def _filled(resource: str) -> str:
    return re.sub("{.*}", "b1", resource)


@pytest.mark.parametrize("function", ROUTED)
def test_every_call_that_the_template_leads_to_a_function_has_a_route_and_no_others(function: str):
    events = properties("AWS::Serverless::Function")[function]["Events"].values()
    calls = [event["Properties"] for event in events if event["Type"] == "Api"]
    routes = app_of(function)._static_routes + app_of(function)._dynamic_routes
    routed = {(route.method, _named(route.path)): route for route in routes}
    assert {(call["Method"], call["Path"]) for call in calls} == routed.keys() == ROUTED[function].keys()
    assert {call: route.func.__name__ for call, route in routed.items()} == ROUTED[function]


@pytest.mark.parametrize(("method", "resource"), CALLS)
def test_the_fake_gateway_matches_paths_with_the_templates_resources(method: str, resource: str):
    event = proxy_event(method, _filled(resource))
    assert (event["httpMethod"], event["resource"]) == (method, resource)
    assert event["pathParameters"] == (dict.fromkeys(re.findall("{(.*)}", resource), "b1") or None)


@pytest.mark.parametrize(
    ("path", "stripped"),
    [
        *((_filled(path), _filled(path)) for _, path in CALLS),
        *((f"/v1{path}", path) for _, path in CALLS),
        ("/batches/batches", "/batches/batches"),
        ("/v1/v2/batches", "/v1/v2/batches"),
    ],
)
def test_base_path_of_a_custom_domain_is_no_part_of_a_route(path: str, stripped: str):
    assert app_of("BatchApi")._remove_prefix(path) == stripped
