"""Parameters and outputs: the names that must not change, described and constrained."""

import re
import tomllib
from typing import Any

import pytest

from local.configure import QUESTIONS, REGION
from tests.template.loading import ROOT, expanded, template, walk

PARAMETERS: dict[str, Any] = template()["Parameters"]
OUTPUTS: dict[str, Any] = template()["Outputs"]

PROMISED_PARAMETERS = {
    "Stage", "GameballBaseUrl", "GameballApiVersion", "GameballStatusDialect", "AlertEmail", "LogLevel",
    "RecurringSchedule", "SweepSchedule", "MaxAbsoluteAmount", "ApprovalAboveRows", "ApprovalAboveTotal",
    "HoldOverlapPercent", "MaxManualAmount", "ApproverMayBeUploader", "CloudTrailDataEvents",
    "CanaryRows", "MaxFailurePercent", "RequestsPer30Seconds",
}  # fmt: skip
PROMISED_OUTPUTS = {
    "ApiUrl", "BucketName", "StateMachineArn", "TableName", "SecretName", "TopicArn", "EventBusName",
    "ManualQueueArn",
}  # fmt: skip


def test_promised_names_are_there():
    assert set(PARAMETERS) >= PROMISED_PARAMETERS
    assert set(OUTPUTS) >= PROMISED_OUTPUTS


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_is_described_constrained_and_has_a_default(name: str):
    parameter = PARAMETERS[name]
    assert re.fullmatch(r"[A-Z].*\.", parameter["Description"])
    assert parameter.keys() & {"AllowedValues", "AllowedPattern", "MinValue"}
    assert "Default" in parameter


@pytest.mark.parametrize("name", PARAMETERS)
def test_default_keeps_its_own_constraint(name: str):
    parameter = PARAMETERS[name]
    default = parameter["Default"]
    assert default in parameter.get("AllowedValues", [default])
    assert re.fullmatch(parameter.get("AllowedPattern", ".*"), str(default))
    assert float(default) >= parameter["MinValue"] if "MinValue" in parameter else True


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_is_used_and_shown_in_a_group(name: str):
    body = {
        key: template()[key] for key in ("Conditions", "Globals", "Resources", "Outputs") if key in template()
    }
    refs = {node["Ref"] for node in walk(body) if isinstance(node, dict) and set(node) == {"Ref"}}
    subbed = "".join(
        str(node["Fn::Sub"]) for node in walk(body) if isinstance(node, dict) and "Fn::Sub" in node
    )
    assert name in refs or f"${{{name}}}" in subbed
    groups = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert [name in group["Parameters"] for group in groups].count(True) == 1


def test_what_make_configure_asks_is_first():
    first = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"][0]["Parameters"]
    assert first == [question.name for question in QUESTIONS if question.name != REGION]


@pytest.mark.parametrize("name", OUTPUTS)
def test_output_is_described(name: str):
    assert re.fullmatch(r"[A-Z].*\.", OUTPUTS[name]["Description"])


def test_every_reference_leads_somewhere():
    names = set(expanded()["Resources"]) | set(PARAMETERS)
    for node in walk(expanded()["Resources"]):
        if isinstance(node, dict) and set(node) == {"Ref"} and not node["Ref"].startswith("AWS::"):
            assert node["Ref"] in names
        if isinstance(node, dict) and set(node) == {"Fn::GetAtt"}:
            assert node["Fn::GetAtt"][0] in names


@pytest.mark.parametrize("environment", ["local", "dev", "prod"])
def test_samconfig_sets_only_parameters_that_there_are(environment: str):
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for pair in config[environment]["deploy"]["parameters"]["parameter_overrides"]:
        name, value = pair.split("=", 1)
        assert re.fullmatch(PARAMETERS[name].get("AllowedPattern", ".*"), value)
