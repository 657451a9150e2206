"""Each kind of error has one status and one code, which docs/openapi.yaml lists."""

import json
import re
from typing import Any

import pytest
import yaml

from adjustments.aws.http_api import CODE_HEADER, CODES, error_response
from adjustments.core import errors
from tests.template.loading import ROOT, template

RULE = errors.RewardRuleBroken("reward_rule_broken", "Deduction cannot have expiry")
KINDS: list[tuple[errors.AdjustmentsError, int, str]] = [
    (errors.RequestTooLarge("too_large", "m"), 413, "body_too_large"),
    (errors.RequestRefused("invalid_field", "m"), 400, "invalid_request"),
    (errors.FileRefused("empty", "m"), 400, "invalid_request"),
    (errors.NotFound("m"), 404, "not_found"),
    (errors.KeyTaken("m"), 409, "idempotency_key_taken"),
    (errors.RowsRepeated("m", "b"), 409, "rows_repeated"),
    (errors.IdTaken("m"), 409, "transaction_id_taken"),
    (errors.IdUnclear("m"), 409, "transaction_id_unclear"),
    (errors.StillInProgress("m"), 409, "still_in_progress"),
    (errors.WrongState("m"), 409, "wrong_state"),
    (errors.TableUnavailable("m"), 503, "table_unavailable"),
    (errors.GameballRefused("m", status=404, code=7000), 404, "gameball_refused"),
    (errors.GameballRefused("m"), 422, "gameball_refused"),
    (errors.GameballThrottled("m"), 503, "gameball_busy"),
    (errors.GameballUnavailable("m"), 503, "gameball_unreachable"),
    (errors.GameballUnauthorized("m"), 502, "gameball_keys_refused"),
    (errors.OutcomeUnknown("m"), 504, "outcome_unknown"),
    (errors.SettingRefused("m"), 500, "not_configured"),
    (errors.PartUnavailable("m"), 500, "internal_error"),
]


@pytest.mark.parametrize(("error", "status", "code"), KINDS, ids=lambda value: getattr(value, "code", None))
def test_an_error_has_a_status_and_a_code(error: errors.AdjustmentsError, status: int, code: str):
    answer = error_response(error)
    fields = json.loads(answer.body or "")
    assert (answer.status_code, fields["error"], fields["errorCode"]) == (status, status, code)
    assert answer.headers[CODE_HEADER] == code
    assert list(fields)[:2] == ["error", "message"]


def test_gameballs_own_number_stays_beside_the_code():
    fields = json.loads(error_response(errors.GameballRefused("m", status=422, code=9008)).body or "")
    assert (fields["code"], fields["errorCode"]) == (9008, "gameball_refused")


def test_gameballs_own_four_refusals_stay_as_documented_and_have_the_code_in_the_header():
    answer = error_response(RULE)
    assert answer.body == '{"error": 400, "message": "Deduction cannot have expiry"}'
    assert answer.headers[CODE_HEADER] == "reward_rule_broken"


def test_the_document_lists_every_code_of_functions_and_gateway():
    document: dict[str, Any] = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
    responses = template()["Resources"]["Api"]["Properties"]["GatewayResponses"]
    bodies = [response["ResponseTemplates"]["application/json"] for response in responses.values()]
    at_the_gateway = {code for body in bodies for code in re.findall(r'"errorCode": "(\w+)"', body)}
    assert set(document["components"]["schemas"]["ErrorCode"]["enum"]) == {*CODES, *at_the_gateway}
