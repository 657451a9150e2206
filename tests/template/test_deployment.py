"""What serves the API is replaced bit by bit, and what a version is made of is never stale."""

import re
import tomllib
from typing import Any

import pytest

from tests.template.loading import ROOT, expanded, properties, template, walk

FUNCTIONS = properties("AWS::Serverless::Function")
SERVING = {
    name
    for name, function in FUNCTIONS.items()
    if any(event["Type"] == "Api" for event in function.get("Events", {}).values())
}
ALARMS = properties("AWS::CloudWatch::Alarm")
API_ALARMS = {"ApiErrorsAlarm", "ApiLatencyAlarm"}
ALARM_WITHIN_S = 12 * 60
"""Three minutes before the canary of Canary10Percent15Minutes is over."""

ENVIRONMENTS = {"local": "false", "dev": "false", "prod": "true"}

serving = pytest.mark.parametrize("name", sorted(SERVING))


def of_type(type_: str, **parameters: str) -> dict[str, Any]:
    return properties(type_, expanded(**parameters))


def test_three_functions_serve_the_api_and_only_those_have_an_alias():
    assert {"ManualTransaction", "AcceptBatch", "BatchApi"} == SERVING
    assert {name for name, function in FUNCTIONS.items() if "AutoPublishAlias" in function} == SERVING


@serving
def test_a_new_version_is_tried_on_a_tenth_of_the_calls_and_taken_back_by_alarms(name: str):
    group = of_type("AWS::CodeDeploy::DeploymentGroup", GradualDeployment="true")[f"{name}DeploymentGroup"]
    condition, full, lean = group["AlarmConfiguration"]["Fn::If"]
    assert (condition, full["Enabled"], lean["Enabled"]) == ("HasFullObservability", True, True)
    watched = {
        form: {alarm["Name"]["Ref"] for alarm in alarms["Alarms"]}
        for form, alarms in (("full", full), ("lean", lean))
    }
    assert watched == {"full": {*API_ALARMS, "FunctionErrorsAlarm"}, "lean": API_ALARMS}
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    assert group["AutoRollbackConfiguration"]["Enabled"] is True
    assert group["DeploymentConfigName"]["Fn::Sub"][1] == {"ConfigName": "Canary10Percent15Minutes"}


@pytest.mark.parametrize("name", [*sorted(API_ALARMS), "FunctionErrorsAlarm"])
def test_the_alarms_are_quicker_than_the_canary(name: str):
    periods_s = {node["Period"] for node in walk(ALARMS[name]) if isinstance(node, dict) and "Period" in node}
    [period_s] = periods_s
    assert period_s * ALARMS[name]["DatapointsToAlarm"] <= ALARM_WITHIN_S


def test_a_tenth_of_the_calls_is_enough_for_the_alarm_on_errors_to_ring():
    """A new version that answers nothing but server errors gives ten per cent of them."""
    assert ALARMS["ApiErrorsAlarm"]["Statistic"] == "Average"
    assert ALARMS["ApiErrorsAlarm"]["Threshold"] < 0.1


def test_turned_off_nothing_of_it_is_made_and_the_alias_stays():
    off, on = expanded(GradualDeployment="false"), expanded(GradualDeployment="true")
    types = {resource["Type"] for resource in off["Resources"].values()}
    assert not [type_ for type_ in types if type_.startswith("AWS::CodeDeploy::")]
    added = set(on["Resources"]) - set(off["Resources"])
    groups = {f"{name}DeploymentGroup" for name in SERVING}
    assert added == {"ServerlessDeploymentApplication", "CodeDeployServiceRole"} | groups
    assert set(of_type("AWS::Lambda::Alias")) == {f"{name}Aliaslive" for name in SERVING}


def test_it_is_off_by_default_for_the_emulator_expands_with_defaults():
    assert template()["Parameters"]["GradualDeployment"]["Default"] == "false"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_environment_says_whether_it_is_on(environment: str):
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    overrides = config[environment]["deploy"]["parameters"]["parameter_overrides"]
    assert f"GradualDeployment={ENVIRONMENTS[environment]}" in overrides


def test_changes_to_prod_are_shown_before_they_are_made():
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    assert config["prod"]["deploy"]["parameters"]["confirm_changeset"] is True


@serving
def test_the_api_calls_the_alias_and_may(name: str):
    alias = {"Ref": f"{name}Aliaslive"}
    [api] = properties("AWS::ApiGateway::RestApi", expanded()).values()
    calls = str([node for path in api["Body"]["paths"].values() for node in path.values()])
    assert f"${{{name}.Alias}}" in calls or f"${{{name}Aliaslive}}" in calls
    allowed = [p for p in of_type("AWS::Lambda::Permission").values() if p["FunctionName"] == alias]
    events = [event for event in FUNCTIONS[name]["Events"].values() if event["Type"] == "Api"]
    assert len(allowed) == len(events)
    assert {p["Principal"] for p in allowed} == {"apigateway.amazonaws.com"}
    assert all("SourceArn" in p for p in allowed)


@serving
def test_another_value_of_a_parameter_makes_another_version(name: str):
    """SAM does not see it (serverless-application-model#3820); another description replaces the version."""
    read = {
        value["Ref"]
        for value in {
            **template()["Globals"]["Function"]["Environment"]["Variables"],
            **FUNCTIONS[name]["Environment"]["Variables"],
        }.values()
        if isinstance(value, dict) and value.get("Ref") in template()["Parameters"]
    }
    described = re.findall(r"\$\{(\w+)\}", FUNCTIONS[name]["VersionDescription"]["Fn::Sub"])
    assert set(described) == read
    assert len(described) == len(read)


def test_other_code_in_the_layer_makes_another_version():
    [layer] = properties("AWS::Serverless::LayerVersion").values()
    assert layer["PublishLambdaVersion"] is True
    assert all(FUNCTIONS[name]["AutoPublishAliasAllProperties"] is True for name in SERVING)
    versions = {
        uploaded: set(of_type("AWS::Lambda::Version", uploaded=uploaded)) for uploaded in ("one", "other")
    }
    assert not versions["one"] & versions["other"]


@serving
def test_each_deployment_is_another_configuration_and_another_version(name: str):
    """Else Lambda says that a version exists, after a change of tags or a rollback (local/deployment.py)."""
    assert FUNCTIONS[name]["Environment"]["Variables"]["DEPLOYMENT_ID"] == {"Ref": "DeploymentId"}
    assert "${DeploymentId}" in FUNCTIONS[name]["VersionDescription"]["Fn::Sub"]


def test_named_policies_may_be_made():
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for environment in ENVIRONMENTS:
        assert "CAPABILITY_NAMED_IAM" in config[environment]["deploy"]["parameters"]["capabilities"]
