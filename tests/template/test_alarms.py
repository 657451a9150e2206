"""Alarms ring for the on-call, link to their section of the runbook, and watch something that is told."""

import json
import re
from typing import Any

import pytest

from adjustments.aws.metrics import NAMESPACE, SWEEP_RAN
from adjustments.batches import batch_metrics
from adjustments.batches.states import BatchStatus
from tests.template.loading import ROOT, expanded, properties, resources, template
from tests.template.test_documents import anchors
from tests.template.test_functions import FAILURE_QUEUES, FUNCTIONS, MAPPINGS, QUEUES, queue_of
from tests.unit.making import make_batch

EXPANDED = expanded(Observability="full", GradualDeployment="true")
ALARMS = properties("AWS::CloudWatch::Alarm", EXPANDED)
ON_FULL = {
    name: resource
    for name, resource in EXPANDED["Resources"].items()
    if resource.get("Condition") == "HasFullObservability"
}
LEAN = {name: alarm for name, alarm in ALARMS.items() if name not in ON_FULL}
FULL = {name: alarm for name, alarm in ALARMS.items() if name in ON_FULL}
QUERIES = properties("AWS::Logs::QueryDefinition", EXPANDED)
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
LINK = re.compile(r" What to do: \$\{RunbookUrl\}#([\w-]+)$")
ON_CALL = [{"Ref": "OnCallTopic"}]
OURS = [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]
ALARM_METRICS_MAX = 10
"""Metrics that an expression of an alarm may have (API reference, PutMetricAlarm, "Metrics")."""

DASHBOARD_METRICS_MAX = 50
"""Up to here three dashboards of an account are free (https://aws.amazon.com/cloudwatch/pricing/)."""

every_alarm = pytest.mark.parametrize("name", ALARMS)
every_lean_alarm = pytest.mark.parametrize("name", LEAN)
every_full_alarm = pytest.mark.parametrize("name", FULL)


def sections() -> dict[str, str]:
    """The sections of the runbook on alarms, by anchor."""
    parts = RUNBOOK.split("\n## Alarms\n", 1)[1].split("\n### ")[1:]
    return {part.split("\n", 1)[0].strip().lower().replace(" ", "-"): part for part in parts}


def section_of(alarm: dict[str, Any]) -> str:
    found = LINK.search(alarm["AlarmDescription"]["Fn::Sub"])
    assert found, alarm["AlarmDescription"]
    return found[1]


def dashboard_body() -> str:
    """The dashboard's text, with its substitutions as they are, and 0 in place of a number."""
    [dashboard] = properties("AWS::CloudWatch::Dashboard", EXPANDED).values()
    return re.sub(r'(?<!")\$\{\w+\}', "0", dashboard["DashboardBody"]["Fn::Sub"])


def widgets(type_: str = "metric") -> list[dict[str, Any]]:
    """The dashboard's widgets of a type."""
    return [widget for widget in json.loads(dashboard_body())["widgets"] if widget["type"] == type_]


def counted_metrics() -> set[str]:
    """The names under which the functions count (aws/metrics.py, batches/batch_metrics.py)."""
    statuses = {batch_metrics.name_of(status) for status in BatchStatus}
    fixed = {"KeysRefused", "GameballLatency", "GameballErrors", "GameballRefusals", "RequestWait"}
    rate_limiter = {"RequestsTransactions", "RequestsOthers"}
    return {
        *batch_metrics.batch_end_metrics(make_batch()),
        *SWEEP_RAN,
        *batch_metrics.doubt_metrics([]),
        *statuses,
        *fixed,
        *rate_limiter,
    }


@every_alarm
def test_alarm_rings_for_the_on_call_alone(name: str):
    assert ALARMS[name]["AlarmActions"] == ON_CALL
    assert ALARMS[name].get("OKActions", ON_CALL) == ON_CALL


def test_mails_about_batches_and_alarms_go_to_different_addresses():
    subscriptions = resources("AWS::SNS::Subscription")
    assert {
        name: (s["Condition"], s["Properties"]["TopicArn"], s["Properties"]["Endpoint"])
        for name, s in subscriptions.items()
    } == {
        "TopicSubscription": ("HasAlertEmail", {"Ref": "Topic"}, {"Ref": "AlertEmail"}),
        "OnCallSubscription": (
            "HasAlarmAddress",
            {"Ref": "OnCallTopic"},
            {"Fn::If": ["HasOnCallEmail", {"Ref": "OnCallEmail"}, {"Ref": "AlertEmail"}]},
        ),
    }
    assert template()["Conditions"]["HasAlarmAddress"] == {
        "Fn::Or": [{"Condition": "HasAlertEmail"}, {"Condition": "HasOnCallEmail"}]
    }


def test_batches_are_told_of_on_their_own_topic():
    topics = {
        variables["TOPIC_ARN"]["Ref"]
        for function in FUNCTIONS.values()
        if "TOPIC_ARN" in (variables := function["Environment"]["Variables"])
    }
    assert topics == {"Topic"}


def test_alarms_are_few():
    assert (len(LEAN), len(FULL)) == (15, 2)


@every_lean_alarm
def test_lean_alarm_can_be_deployed_everywhere(name: str):
    """Metric math makes a deployment to the emulator fail."""
    assert "Metrics" not in LEAN[name]
    assert ("Statistic" in LEAN[name]) != ("ExtendedStatistic" in LEAN[name])
    assert "Condition" not in EXPANDED["Resources"][name]


def test_one_condition_holds_what_the_emulator_refuses_and_what_costs_most():
    refused = {
        name
        for name, resource in EXPANDED["Resources"].items()
        if resource["Type"] == "AWS::Logs::QueryDefinition" or "Metrics" in resource.get("Properties", {})
    }
    assert refused | {"Dashboard"} == set(ON_FULL)
    assert template()["Conditions"]["HasFullObservability"] == {
        "Fn::Equals": [{"Ref": "Observability"}, "full"]
    }
    assert template()["Parameters"]["Observability"]["AllowedValues"] == ["full", "lean"]


@every_full_alarm
def test_full_alarm_sums_up_a_metric_of_every_function(name: str):
    total, *parts = FULL[name]["Metrics"]
    metric = {"FunctionErrorsAlarm": "Errors", "FunctionThrottlesAlarm": "Throttles"}[name]
    assert total["Expression"] == "SUM(FILL(METRICS(), 0))"
    assert total.get("ReturnData", True) is True
    watched = [part["MetricStat"] for part in parts]
    assert [part["ReturnData"] for part in parts] == [False] * len(FUNCTIONS)
    assert [
        (part["Metric"]["Namespace"], part["Metric"]["MetricName"], part["Stat"]) for part in watched
    ] == [("AWS/Lambda", metric, "Sum")] * len(FUNCTIONS)
    assert {part["Metric"]["Dimensions"][0]["Value"]["Ref"] for part in watched} == set(FUNCTIONS)
    assert len({part["Id"] for part in parts}) == len(parts) <= ALARM_METRICS_MAX


@every_alarm
def test_alarm_says_what_silence_means(name: str):
    assert ALARMS[name]["TreatMissingData"] in ("notBreaching", "breaching", "ignore")
    assert ALARMS[name]["EvaluationPeriods"] * ALARMS[name].get("Period", 300) <= 24 * 3600


@every_alarm
def test_alarm_ends_with_an_address_that_leads_to_its_section_of_the_runbook(name: str):
    assert section_of(ALARMS[name]) in sections()
    assert section_of(ALARMS[name]) in anchors(ROOT / "docs" / "runbook.md")


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("docs/runbook.md", True),
        ("https://github.com/OWNER/REPO/blob/HEAD/docs/runbook.md", True),
        ("https://wiki.example.com/runbook", True),
        ("http://wiki.example.com/runbook", False),
        ("https://wiki.example.com/runbook#top", False),
        ("", False),
    ],
)
def test_runbooks_address_can_take_an_anchor(url: str, fits: bool):
    pattern = template()["Parameters"]["RunbookUrl"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, url)) == fits


def test_every_section_of_the_runbook_belongs_to_an_alarm():
    assert set(sections()) == {section_of(alarm) for alarm in ALARMS.values()}


@pytest.mark.parametrize("heading", sections())
def test_section_says_what_it_means_what_to_look_at_and_what_to_do(heading: str):
    for part in ("**Means.**", "**Look at.**", "**Do.**"):
        assert sections()[heading].count(part) == 1


@every_lean_alarm
def test_alarm_on_a_number_of_ours_watches_one_that_is_told(name: str):
    if LEAN[name]["Namespace"] == NAMESPACE:
        assert LEAN[name]["MetricName"] in counted_metrics()
        assert LEAN[name]["Dimensions"] == OURS


def watched_queues(metric: str) -> dict[str, dict[str, Any]]:
    """The alarms on a metric of SQS, by queue."""
    return {
        alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0]: alarm
        for alarm in LEAN.values()
        if alarm["MetricName"] == metric
    }


def test_every_failure_queue_rings_with_its_first_message():
    watched = watched_queues("ApproximateNumberOfMessagesVisible")
    assert set(watched) == FAILURE_QUEUES
    assert {alarm["Threshold"] for alarm in watched.values()} == {1}


def test_the_age_of_the_oldest_message_is_watched_in_every_queue():
    assert set(watched_queues("ApproximateAgeOfOldestMessage")) == set(QUEUES)


@pytest.mark.parametrize("name", sorted(set(QUEUES) - FAILURE_QUEUES))
def test_age_rings_for_what_waits_and_not_for_what_is_tried_again(name: str):
    """A message that fails each time is gone before: it rings at the failure queue."""
    tries_s = QUEUES[name]["VisibilityTimeout"] * QUEUES[name]["RedrivePolicy"]["maxReceiveCount"]
    threshold_s = watched_queues("ApproximateAgeOfOldestMessage")[name]["Threshold"]
    assert tries_s < threshold_s < QUEUES[name]["MessageRetentionPeriod"] / 2


@pytest.mark.parametrize("name", sorted(FAILURE_QUEUES))
def test_age_rings_days_before_a_failure_queue_loses_a_message(name: str):
    threshold_s = watched_queues("ApproximateAgeOfOldestMessage")[name]["Threshold"]
    assert threshold_s <= QUEUES[name]["MessageRetentionPeriod"] / 2


@pytest.mark.parametrize("name", MAPPINGS)
def test_errors_alarm_rings_when_one_message_of_a_queue_fails_twice(name: str):
    """A message that failed is received again after the visibility time-out."""
    queue, alarm = QUEUES[queue_of(MAPPINGS[name]["EventSourceArn"])], FULL["FunctionErrorsAlarm"]
    [period_s] = {part["MetricStat"]["Period"] for part in alarm["Metrics"][1:]}
    periods_apart = -(-queue["VisibilityTimeout"] // period_s)
    assert (alarm["Threshold"], alarm["DatapointsToAlarm"]) == (1, 2)
    assert alarm["EvaluationPeriods"] > periods_apart


def test_a_run_that_fails_rings_and_one_that_somebody_stops_does_not():
    watched = {alarm["MetricName"] for alarm in LEAN.values() if alarm["Namespace"] == "AWS/States"}
    assert watched == {"ExecutionsFailed"}


@pytest.mark.parametrize("name", [n for n, a in LEAN.items() if a["Namespace"] == "AWS/ApiGateway"])
def test_alarm_on_the_api_watches_this_api_and_stage(name: str):
    [api] = properties("AWS::Serverless::Api").values()
    assert LEAN[name]["Dimensions"] == [
        {"Name": "ApiName", "Value": api["Name"]},
        {"Name": "Stage", "Value": api["StageName"]},
    ]


def test_silence_of_the_sweep_rings():
    assert ALARMS["SweepNotRunningAlarm"]["TreatMissingData"] == "breaching"


def test_a_doubt_is_not_forgotten_between_two_sweeps():
    assert ALARMS["RowsInDoubtAlarm"]["TreatMissingData"] == "ignore"


def test_dashboard_shows_from_top_to_bottom_what_people_look_for():
    every = [*widgets("alarm"), *widgets()]
    titles = [widget["properties"]["title"] for widget in sorted(every, key=lambda w: (w["y"], w["x"]))]
    order = [
        "Alarms",
        "Rows by outcome",
        "Batches",
        "Messages",
        "Rate limit",
        "Gameball's latency",
        "Function",
    ]
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
    assert counted_metrics() - shown == {"SweepRan", "BatchesPastDeadline", "KeysRefused"}, "have alarms"


def test_dashboard_stays_within_the_metrics_that_are_free():
    lines = [line for widget in widgets() for line in widget["properties"]["metrics"]]
    assert len([line for line in lines if isinstance(line[0], str)]) <= DASHBOARD_METRICS_MAX


def test_dashboard_shows_the_state_of_every_alarm():
    [widget] = widgets("alarm")
    assert widget["properties"]["alarms"] == [f"${{{name}.Arn}}" for name in ALARMS]


@pytest.mark.parametrize("metric", ["ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"])
def test_dashboard_shows_depth_and_age_of_every_queue(metric: str):
    lines = [line for widget in widgets() for line in widget["properties"]["metrics"] if metric in line]
    assert [line[3] for line in lines] == [f"${{{line[4]['label']}.QueueName}}" for line in lines]
    assert {line[4]["label"] for line in lines} == set(QUEUES)


def test_dashboards_widgets_fill_rows_and_do_not_overlap():
    rows: dict[int, list[tuple[int, int]]] = {}
    for widget in (*widgets(), *widgets("alarm")):
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
        *(f"{name}.QueueName" for name in QUEUES),
        *(f"{name}.Arn" for name in ALARMS),
        "AWS::Region",
        "AWS::StackName",
    }
    assert names <= known


@pytest.mark.parametrize("name", QUERIES)
def test_saved_query_stands_in_the_runbook_too(name: str):
    """For a lean stack, and for a terminal."""
    blocks = [text for _, text in re.findall(r"^```(\w*)\n(.*?)\n```$", RUNBOOK, re.MULTILINE | re.DOTALL)]
    assert QUERIES[name]["QueryString"].strip() in blocks


@pytest.mark.parametrize("name", QUERIES)
def test_saved_query_asks_log_groups_of_ours_under_the_stacks_name(name: str):
    assert QUERIES[name]["Name"]["Fn::Sub"].startswith("${AWS::StackName}/")
    groups = {group["Ref"] for group in QUERIES[name]["LogGroupNames"]}
    assert groups <= set(resources("AWS::Logs::LogGroup"))
    assert groups in ({"ManualTransactionLogs"}, set(resources("AWS::Logs::LogGroup")))


def test_saved_query_for_failures_looks_for_lines_that_there_are():
    [query] = [query for name, query in QUERIES.items() if name == "FailuresQuery"]
    sources = [*ROOT.glob("functions/*/app.py"), *ROOT.glob("layers/adjustments/adjustments/**/*.py")]
    code = "".join(path.read_text() for path in sources)
    [texts] = re.findall(r"message in \[(.*?)\]", query["QueryString"])
    assert [text for text in json.loads(f"[{texts}]") if f'"{text}"' not in code] == []
