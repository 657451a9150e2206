"""Whatever a caller leaves out, the message names the field and says what to send."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from adjustments.administration.customer_history import HistoryRequest
from adjustments.administration.service import (
    ApprovalRequest,
    PageRequest,
    RowPageRequest,
    StopRequest,
    UploadRequest,
)
from adjustments.aws.event_models import RecurringFile, RecurringTick
from adjustments.core.errors import RequestRefused
from adjustments.core.validation import validate
from adjustments.manual_transactions.event_consumer import RequestedEvent, ScheduledRequest
from adjustments.manual_transactions.model import ManualTransaction
from adjustments.reconciliation.resolution import ResolveRequest
from adjustments.submission.api_submission import AdjustmentsBody
from tests.template.loading import ROOT
from tests.unit.manual_transactions.test_model import GOOD, NOW

DUE = "2026-11-21T12:00:00Z"
MODELS: Mapping[type[BaseModel], Mapping[str, Any]] = {
    ManualTransaction: {**GOOD, "points": 5},
    AdjustmentsBody: {"body": [{"customerId": "a", "amount": 5}]},
    ResolveRequest: {"outcome": "applied"},
    RequestedEvent: {"detail": {"a": 1}},
    ScheduledRequest: {"schedule": "monthly", "dueTime": DUE},
    RecurringTick: {"dueTime": DUE},
    RecurringFile: {"dueTime": DUE, "key": "recurring/bonus.csv"},
    ApprovalRequest: {},
    HistoryRequest: {},
    PageRequest: {},
    RowPageRequest: {},
    StopRequest: {},
    UploadRequest: {},
}
"""Every model of what comes from outside, with the least that it takes."""


def refusal(model: type[BaseModel], fields: Mapping[str, Any]) -> str:
    with pytest.raises(RequestRefused) as refused:
        validate(model, fields, {"now": NOW, "amount_max": 0})
    return str(refused.value)


def test_every_model_that_is_validated_is_tried_here():
    sources = [*(ROOT / "layers/adjustments/adjustments").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    called = {
        name
        for path in sources
        for name in re.findall(
            r"(?:(?<![.\w])validate\(|read_decision\(app\.current_event, )(?:\w+\.)?([A-Z]\w+)",
            path.read_text(),
        )
    }
    assert called == {model.__name__ for model in MODELS}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_least_is_taken(model: type[BaseModel]):
    validate(model, MODELS[model], {"now": NOW, "amount_max": 0})


@pytest.mark.parametrize(
    ("model", "missing"),
    [(model, name) for model, least in MODELS.items() if model is not AdjustmentsBody for name in least],
    ids=str,
)
def test_a_missing_field_is_named_with_what_to_send(model: type[BaseModel], missing: str):
    told = refusal(model, {name: value for name, value in MODELS[model].items() if name != missing})
    if missing == "points":
        assert told == "A rewarding criteria is required"  # Gameball's own words
    else:
        assert re.fullmatch(rf"{missing}: is required: \w.{{5,}}", told)


@pytest.mark.parametrize(
    ("missing", "told"),
    [("customerId", "your own id of the customer"), ("amount", "what to add, or with a minus to deduct")],
)
def test_a_missing_field_of_a_row_is_named_with_its_row(missing: str, told: str):
    rows = [{"customerId": "a", "amount": 5}, {"customerId": "b", "amount": 5}]
    del rows[1][missing]
    assert refusal(AdjustmentsBody, {"body": rows}) == f"body[1]: {missing}: is required: {told}"


def test_a_body_without_rows_is_told_the_whole_form():
    assert refusal(AdjustmentsBody, {}).startswith('the body must be {"body": [{"customerId", "amount"')


def test_the_document_has_the_message():
    document = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
    content = document["paths"]["/transactions/manual"]["post"]["responses"]["400"]["content"]
    example = content["application/json"]["examples"]["missingField"]["value"]
    least = {name: value for name, value in MODELS[ManualTransaction].items() if name != "customerId"}
    assert example["message"] == refusal(ManualTransaction, least)
