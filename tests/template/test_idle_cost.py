"""An idle stack costs less than 5 dollars a month, and the documents say how much."""

import copy
import re

import pytest

from local.deployment import read_parameters, read_settings
from local.environment import SAM_CONFIG
from tests.bench import idle_cost
from tests.template import loading
from tests.template.loading import ROOT

DEPLOYMENT = (ROOT / "docs" / "deployment.md").read_text()
GOAL = 5.0
"""Dollars a month."""


def documented() -> dict[str, tuple[str, str]]:
    """The dollars of each form in the document: at list prices, and beyond what an account has free."""
    row = re.compile(r"^\| `(lean|full)` \| .* \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)
    return {form: (listed, beyond) for form, listed, beyond in row.findall(DEPLOYMENT)}


@pytest.mark.parametrize("form", idle_cost.FORMS)
def test_document_has_the_computed_dollars(form: str):
    listed, beyond = idle_cost.dollars(form)
    assert documented()[form] == (f"{listed:.2f}", f"{beyond:.2f}")


def test_lean_stack_is_cheap_at_list_prices_alone():
    assert idle_cost.dollars("lean")[0] < GOAL


def test_full_stack_is_cheap_where_it_has_the_free_allowances_of_its_account():
    assert idle_cost.dollars("full")[1] < GOAL


def test_what_costs_most_is_behind_the_parameter():
    listed = {form: idle_cost.dollars(form)[0] for form in idle_cost.FORMS}
    assert listed["lean"] < listed["full"] / 2


def test_gradual_deployment_and_the_trail_cost_nothing_while_idle():
    more = {"GradualDeployment": "true", "CloudTrailDataEvents": "true"}
    assert idle_cost.dollars("full", **more) == idle_cost.dollars("full")


@pytest.mark.parametrize(("environment", "form"), [("dev", "lean"), ("prod", "full")])
def test_environments_are_deployed_in_the_form_that_the_document_says(environment: str, form: str):
    settings = read_settings(SAM_CONFIG, environment)
    assert read_parameters(settings)["Observability"] == form


def test_idle_sweep_writes_two_metrics_and_lambdas_cold_start():
    sweep = idle_cost.run_idle_sweep()
    assert sweep.metrics == {"SweepRan", "RowsInDoubtOpen", "ColdStart"}
    assert sweep.calls == {"Query": 4, "ListObjectVersions": 1}


def test_alarm_on_a_sum_is_counted_by_its_metrics():
    [alarms] = [item for item in idle_cost.items("full") if item.price == "CloudWatch, alarm and month"]
    assert (alarms.what, alarms.quantity) == ("metrics of 17 alarms", 15 + 2 * 9)


def test_resource_that_nobody_has_priced_is_noticed(monkeypatch: pytest.MonkeyPatch):
    more = copy.deepcopy(loading.expanded(Observability="lean"))
    more["Resources"]["Key"] = {"Type": "AWS::KMS::Key", "Properties": {}}
    monkeypatch.setattr(idle_cost, "expanded", lambda **_: more)
    with pytest.raises(idle_cost.UnknownCost, match="AWS::KMS::Key"):
        idle_cost.items("lean")
