"""The code, the template and docs/openapi.yaml say the same of the API."""

import json
from decimal import Decimal
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator, Draft202012Validator

from adjustments.batches.states import BatchStatus
from adjustments.core import limits
from adjustments.core.errors import InputError
from adjustments.manual_transactions import matching
from adjustments.manual_transactions.event_consumer import DETAIL_TYPE
from adjustments.manual_transactions.model import ManualTransaction, read_manual_transaction
from adjustments.manual_transactions.service import GAMEBALL_TIME_MAX, LEDGER_TIME
from tests.template.loading import ROOT, expanded, template
from tests.unit.manual_transactions.test_model import GOOD, NOW

TYPES = {
    **dict.fromkeys(["customerId", "transactionId", "username", "reason"], "string"),
    **dict.fromkeys(["email", "mobile", "transactionTime"], "string"),
    "points": "integer",
    "amount": "number",
    "expiryAfter": "integer",
}
"""Gameball's fields, once more."""


GATEWAY_S = 29
COLD_START_S = 3
"""What API Gateway waits for an answer, and what a cold start takes of it at most."""

TEMPLATE: dict[str, Any] = template()["Resources"]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
SCHEMA: dict[str, Any] = DOCUMENT["components"]["schemas"]["ManualTransaction"]
MODELS: dict[str, Any] = TEMPLATE["Api"]["Properties"]["Models"]
FIELDS = ManualTransaction.model_fields
FUNCTION: dict[str, Any] = TEMPLATE["ManualTransaction"]["Properties"]


def test_the_template_and_the_document_have_the_same_calls():
    functions = [r["Properties"] for r in TEMPLATE.values() if r["Type"] == "AWS::Serverless::Function"]
    events = [event for function in functions for event in function.get("Events", {}).values()]
    deployed = {
        (e["Properties"]["Path"], e["Properties"]["Method"].lower()) for e in events if e["Type"] == "Api"
    }
    documented = {(path, method) for path, calls in DOCUMENT["paths"].items() for method in calls}
    assert documented == deployed


def test_code_template_and_document_have_the_same_fields():
    in_code = {field.alias for field in FIELDS.values()}
    assert (
        set(TYPES) == in_code == set(SCHEMA["properties"]) == set(MODELS["ManualTransaction"]["properties"])
    )
    required = {field.alias for field in FIELDS.values() if field.is_required()}
    assert required == set(SCHEMA["required"]) == set(MODELS["ManualTransaction"]["required"])


@pytest.mark.parametrize("name", TYPES)
def test_code_and_document_have_the_same_types(name: str):
    documented = SCHEMA["properties"][name]
    is_required = name in SCHEMA["required"]
    assert documented["type"] == (TYPES[name] if is_required else [TYPES[name], "null"])
    longest = {"customerId": limits.MANUAL_TEXT_CHARS_MAX, "transactionId": limits.MANUAL_TEXT_CHARS_MAX,
               "username": limits.MANUAL_TEXT_CHARS_MAX, "reason": limits.REASON_CHARS_MAX,
               "email": limits.EMAIL_CHARS_MAX, "mobile": limits.MOBILE_CHARS_MAX}  # fmt: skip
    assert documented.get("maxLength") == longest.get(name)
    assert SCHEMA["properties"]["expiryAfter"]["maximum"] == limits.EXPIRY_DAYS_MAX


@pytest.mark.parametrize(
    "fields",
    [
        {"points": 5}, {"points": -5}, {"amount": 0.5}, {"points": 5, "amount": None}, {"points": 0},
        {"amount": 0},
        {}, {"points": 5, "amount": 5}, {"points": 5, "expiryAfter": -1}, {"points": -5, "expiryAfter": 3},
        {"points": -5, "expiryAfter": 0}, {"points": 5, "expiryAfter": None}, {"points": True},
        {"points": 1.5},
        {"points": "5"}, {"points": 5, "surprise": 1}, {"points": 5, "customerId": ""},
        {"points": 5, "reason": " "}, {"points": 5, "reason": "two words"}, {"points": 5, "username": None},
        {"points": 5, "email": None}, {"points": 5, "email": ""}, {"points": 5, "customerId": "a\nb"},
        {"points": 5, "customerId": "x" * 201}, {"points": 10**15}, {"points": 10**15 - 1},
        {"points": 5, "transactionTime": "2026-06-01T12:00:00Z"},
        {"points": 5, "transactionTime": "2026-06-01T12:00:00+01:00"},
        {"points": 5, "transactionTime": "2026-06-01"},
    ],
    ids=str,
)  # fmt: skip
def test_code_and_document_take_and_refuse_the_same_bodies(fields: dict[str, Any]):
    exact = {name: _exact(value) for name, value in {**GOOD, **fields}.items()}
    try:
        read_manual_transaction(exact, NOW)
        is_taken = True
    except InputError:
        is_taken = False
    assert Draft202012Validator(SCHEMA).is_valid({**GOOD, **fields}) is is_taken


def _exact(value: object) -> object:
    return Decimal(str(value)) if isinstance(value, float) else value


def test_the_answer_and_the_states_are_the_documents():
    schemas = DOCUMENT["components"]["schemas"]
    assert tuple(schemas["ManualTransactionAnswer"]["properties"]) == matching.ANSWER_FIELDS
    assert schemas["BatchStatus"]["enum"] == list(BatchStatus)
    assert (
        f"{limits.MANUAL_BODY_BYTES_MAX:,}"
        in DOCUMENT["paths"]["/transactions/manual"]["post"]["responses"]["413"]["description"]
    )


def test_the_examples_of_the_document_are_good():
    content = DOCUMENT["paths"]["/transactions/manual"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        Draft202012Validator(SCHEMA).validate(example["value"])
        read_manual_transaction(example["value"], NOW)


def documented_bodies() -> dict[tuple[str, str], str]:
    """The schema's name of each call that can't do without a body."""
    calls = [(p, m, call) for p, methods in DOCUMENT["paths"].items() for m, call in methods.items()]
    bodies = {(path, method): call.get("requestBody", {}) for path, method, call in calls}
    return {
        call: body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        for call, body in bodies.items()
        if body.get("required")
    }


def gateway_model(schema: dict[str, Any]) -> dict[str, Any]:
    """Of a documented schema, what the gateway can refuse in words that name the field: what is missing."""
    fields = {name: {"description": field["description"]} for name, field in schema["properties"].items()}
    return {"type": "object", "required": schema["required"], "properties": fields}


def test_the_gateways_models_are_the_documents_schemas():
    schemas = DOCUMENT["components"]["schemas"]
    assert {name: gateway_model(schemas[name]) for name in documented_bodies().values()} == MODELS


@pytest.mark.parametrize(("call", "name"), documented_bodies().items(), ids=str)
def test_the_gateway_checks_bodies_by_the_model(call: tuple[str, str], name: str):
    made = expanded()["Resources"]["Api"]["Properties"]["Body"]
    deployed = made["paths"][call[0]][call[1]]
    validator = deployed["x-amazon-apigateway-request-validator"]
    assert made["x-amazon-apigateway-request-validators"][validator] == {
        "validateRequestBody": True, "validateRequestParameters": False,
    }  # fmt: skip
    body = deployed["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert (body["required"], schema) == (True, {"$ref": f"#/components/schemas/{name.lower()}"})
    assert made["components"]["schemas"][name.lower()] == MODELS[name]
    assert "BAD_REQUEST_BODY" in TEMPLATE["Api"]["Properties"]["GatewayResponses"]


SEEDS_MESSAGES = [
    {"points": 5, "expiryAfter": -1}, {"points": -5, "expiryAfter": 3}, {"points": 5, "amount": 5}, {},
]  # fmt: skip


@pytest.mark.parametrize("fields", [*SEEDS_MESSAGES, {"points": None, "amount": 5, "email": None}], ids=str)
def test_the_gateway_leaves_to_the_function_what_gameball_words_and_what_null_means(fields: dict[str, Any]):
    assert Draft4Validator(MODELS["ManualTransaction"]).is_valid({**GOOD, **fields})


@pytest.mark.parametrize("name", TEMPLATE["Api"]["Properties"]["GatewayResponses"])
def test_what_the_gateway_says_itself_has_gameballs_shape(name: str):
    response = TEMPLATE["Api"]["Properties"]["GatewayResponses"][name]
    said = response["ResponseTemplates"]["application/json"]
    said = said.replace("$context.error.messageString", '"text"').replace("$context.error.", "text ")
    body = json.loads(said)
    schema = {"$ref": "#/components/schemas/Error", "components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(body)
    assert body["error"] == response["StatusCode"]


def test_the_function_ends_before_the_gateway_gives_up_and_the_last_try_is_known():
    environment = FUNCTION["Environment"]["Variables"]
    queue = TEMPLATE["ManualQueue"]["Properties"]
    answered_s = GAMEBALL_TIME_MAX.total_seconds() + LEDGER_TIME.total_seconds()
    assert answered_s < FUNCTION["Timeout"] <= GATEWAY_S - COLD_START_S
    assert int(environment["RECEIVES_MAX"]) == queue["RedrivePolicy"]["maxReceiveCount"]
    assert queue["VisibilityTimeout"] >= 6 * FUNCTION["Timeout"]
    assert FUNCTION["Events"]["Asked"]["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_rule_takes_requests_only_so_that_outcomes_do_not_come_back():
    assert TEMPLATE["ManualRule"]["Properties"]["EventPattern"] == {"detail-type": [DETAIL_TYPE]}


def test_the_alarm_looks_at_the_metric_of_the_function():
    alarm = TEMPLATE["KeysRefusedAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("GameballAdjustments", "KeysRefused")
    assert alarm["Dimensions"] == [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]
    assert alarm["AlarmActions"] == [{"Ref": "OnCallTopic"}]
