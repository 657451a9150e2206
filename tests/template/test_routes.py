"""The batch API's table of routes and the template's events name the same calls."""

import pytest

from functions.batch_api.app import ROUTES
from tests.fakes.gateway import proxy_event
from tests.template.loading import properties

ROUTED = [
    ("GET", "/batches"),
    ("GET", "/batches/{batchId}"),
    ("POST", "/batches/{batchId}/approve"),
    ("POST", "/batches/{batchId}/stop"),
    ("POST", "/batches/{batchId}/resolve"),
    ("POST", "/batches/{batchId}/reversal"),
]


def test_every_call_that_the_template_leads_to_the_batch_api_has_a_route_and_no_others():
    events = properties("AWS::Serverless::Function")["BatchApi"]["Events"].values()
    assert {event["Type"] for event in events} == {"Api"}
    in_template = [(event["Properties"]["Method"], event["Properties"]["Path"]) for event in events]
    assert in_template == list(ROUTES) == ROUTED


def test_each_route_is_an_act_of_its_own():
    acts = {call: act.__name__ for call, act in ROUTES.items()}
    assert acts == dict(zip(ROUTED, ["page", "show", "approve", "stop", "resolve", "reverse"], strict=True))


@pytest.mark.parametrize(("method", "resource"), ROUTED)
def test_the_fake_gateway_matches_paths_with_the_templates_resources(method: str, resource: str):
    event = proxy_event(method, resource.replace("{batchId}", "b1"))
    assert (event["httpMethod"], event["resource"]) == (method, resource)
    assert event["pathParameters"] == ({"batchId": "b1"} if "{batchId}" in resource else None)
