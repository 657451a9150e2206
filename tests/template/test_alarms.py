"""Each alarm rings at the topic, has its section in the runbook, and watches something that is told."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from adjustments.aws import metrics
from adjustments.aws.metrics import NAMESPACE
from adjustments.batches.states import BatchStatus
from tests.template.loading import ROOT, properties, resources, template
from tests.template.test_functions import FAILURE_QUEUES, FUNCTIONS, MAPPINGS, QUEUES, queue_of
from tests.unit.making import make_batch

ALARMS = properties("AWS::CloudWatch::Alarm")
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
NAMED = re.compile(r'See docs/runbook\.md, "([^"]+)"\.$')
OURS = [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]

every_alarm = pytest.mark.parametrize("name", ALARMS)


def sections() -> dict[str, str]:
    """The sections of the runbook on alarms, by heading."""
    parts = RUNBOOK.split("\n## Alarms\n", 1)[1].split("\n### ")[1:]
    return {part.split("\n", 1)[0].strip(): part for part in parts}


def heading_of(alarm: dict[str, Any]) -> str:
    found = NAMED.search(alarm["AlarmDescription"])
    assert found, alarm["AlarmDescription"]
    return found[1]


def widgets() -> list[dict[str, Any]]:
    """The dashboard's widgets, with every substitution replaced by its own name."""
    [dashboard] = properties("AWS::CloudWatch::Dashboard").values()
    text = re.sub(r'(?<!")\$\{\w+\}', "0", dashboard["DashboardBody"]["Fn::Sub"])
    found: list[dict[str, Any]] = json.loads(text)["widgets"]
    return found


def counted_metrics() -> set[str]:
    """The names under which the functions count (aws/metrics.py)."""
    ends = {metrics.name_of(status) for status in BatchStatus if status.is_final}
    fixed = {"KeysRefused", "GameballLatency", "GameballErrors", "GameballRefusals", "RequestWait"}
    rate_limiter = {"RequestsTransactions", "RequestsOthers"}
    return {
        *metrics.batch_end_metrics(make_batch()),
        *metrics.sweep_metrics([], [], datetime.now(UTC)),
        *ends,
        *fixed,
        *rate_limiter,
    }


@every_alarm
def test_alarm_rings_at_the_topic(name: str):
    assert ALARMS[name]["AlarmActions"] == [{"Ref": "Topic"}]
    assert ALARMS[name].get("OKActions", [{"Ref": "Topic"}]) == [{"Ref": "Topic"}]


@every_alarm
def test_alarm_can_be_deployed_everywhere(name: str):
    """Metric math makes a deployment to the emulator fail."""
    assert "Metrics" not in ALARMS[name]
    assert ("Statistic" in ALARMS[name]) != ("ExtendedStatistic" in ALARMS[name])


@every_alarm
def test_alarm_says_what_silence_means(name: str):
    assert ALARMS[name]["TreatMissingData"] in ("notBreaching", "breaching", "ignore")
    assert ALARMS[name]["EvaluationPeriods"] * ALARMS[name]["Period"] <= 24 * 3600


@every_alarm
def test_alarm_names_its_section_of_the_runbook(name: str):
    assert heading_of(ALARMS[name]) in sections()


def test_every_section_of_the_runbook_belongs_to_an_alarm():
    assert set(sections()) == {heading_of(alarm) for alarm in ALARMS.values()}


@pytest.mark.parametrize("heading", sections())
def test_section_says_what_it_means_what_to_look_at_and_what_to_do(heading: str):
    for part in ("**Means.**", "**Look at.**", "**Do.**"):
        assert sections()[heading].count(part) == 1


def test_runbook_has_the_query_for_a_batchs_story():
    assert "| filter @message like /BATCH_ID/\n" in RUNBOOK


@every_alarm
def test_alarm_on_a_number_of_ours_watches_one_that_is_told(name: str):
    if ALARMS[name]["Namespace"] == NAMESPACE:
        assert ALARMS[name]["MetricName"] in counted_metrics()
        assert ALARMS[name]["Dimensions"] == OURS


def test_every_failure_queue_has_an_alarm():
    watched = {
        alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0]
        for alarm in ALARMS.values()
        if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    }
    assert watched == FAILURE_QUEUES


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_every_function_has_an_alarm(metric: str):
    watched = {
        alarm["Dimensions"][0]["Value"]["Ref"]
        for alarm in ALARMS.values()
        if (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", metric)
    }
    assert watched == set(FUNCTIONS)


@pytest.mark.parametrize("name", MAPPINGS)
def test_errors_alarm_of_a_queues_function_rings_when_one_message_fails_twice(name: str):
    """A message that failed is received again after the visibility time-out."""
    queue = QUEUES[queue_of(MAPPINGS[name]["EventSourceArn"])]
    function = MAPPINGS[name]["FunctionName"]["Ref"].removesuffix("Aliaslive")
    [alarm] = [
        alarm
        for alarm in ALARMS.values()
        if alarm["MetricName"] == "Errors" and alarm["Dimensions"][0]["Value"] == {"Ref": function}
    ]
    periods_apart = -(-queue["VisibilityTimeout"] // alarm["Period"])
    assert (alarm["Threshold"], alarm["DatapointsToAlarm"]) == (1, 2)
    assert alarm["EvaluationPeriods"] > periods_apart


def test_every_way_in_which_a_run_can_end_badly_has_an_alarm():
    watched = {alarm["MetricName"] for alarm in ALARMS.values() if alarm["Namespace"] == "AWS/States"}
    assert watched == {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}


@pytest.mark.parametrize("name", [n for n, a in ALARMS.items() if a["Namespace"] == "AWS/ApiGateway"])
def test_alarm_on_the_api_watches_this_api_and_stage(name: str):
    [api] = properties("AWS::Serverless::Api").values()
    assert ALARMS[name]["Dimensions"] == [
        {"Name": "ApiName", "Value": api["Name"]},
        {"Name": "Stage", "Value": api["StageName"]},
    ]


def test_silence_of_the_sweep_rings():
    assert ALARMS["SweepNotRunningAlarm"]["TreatMissingData"] == "breaching"


def test_a_doubt_is_not_forgotten_between_two_sweeps():
    assert ALARMS["RowsInDoubtAlarm"]["TreatMissingData"] == "ignore"


def test_dashboard_shows_from_top_to_bottom_what_people_look_for():
    titles = [widget["properties"]["title"] for widget in sorted(widgets(), key=lambda w: (w["y"], w["x"]))]
    order = ["Rows by outcome", "Batches", "Request budget", "Gameball's latency", "Function errors", "API"]
    places = [next(i for i, title in enumerate(titles) if title.startswith(start)) for start in order]
    assert places == sorted(places)


def test_dashboard_shows_only_numbers_that_are_told():
    shown = {
        metric[1]
        for widget in widgets()
        for metric in widget["properties"]["metrics"]
        if metric[0] == NAMESPACE
    }
    assert shown <= counted_metrics()
    assert counted_metrics() - shown == {"SweepRan", "BatchesPastDeadline"}, "these two have alarms"


def test_dashboards_widgets_fill_rows_and_do_not_overlap():
    rows: dict[int, list[tuple[int, int]]] = {}
    for widget in widgets():
        rows.setdefault(widget["y"], []).append((widget["x"], widget["width"]))
    for row in rows.values():
        assert [x for x, _ in sorted(row)] == [sum(w for _, w in sorted(row)[:i]) for i in range(len(row))]
        assert sum(width for _, width in row) == 24


def test_dashboards_substitutions_all_resolve():
    [dashboard] = properties("AWS::CloudWatch::Dashboard").values()
    names = set(re.findall(r"\$\{([^}]+)\}", dashboard["DashboardBody"]["Fn::Sub"]))
    known = {
        *template()["Parameters"],
        *resources("AWS::Serverless::Function"),
        "AWS::Region",
        "AWS::StackName",
    }
    assert names <= known
