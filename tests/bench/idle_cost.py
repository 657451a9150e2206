"""What a stack costs in a month in which nothing happens, from the expanded template and an idle sweep.

``make bench PARTS=idle_cost`` writes it into docs/benchmarks.md; tests/template/test_idle_cost.py holds the
figures of docs/deployment.md to it.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from tests.bench.cost import DAYS_A_MONTH, PRICES, REGION, RUN_LOG_BYTES, S3_CALL_S, TABLE_CALL_S, memory_gb
from tests.bench.measurements import Result
from tests.bench.tables import table
from tests.fakes.world import ENVIRONMENT
from tests.template.loading import expanded, template

ROOT: Final = Path(__file__).parents[2]
FORMS: Final = ("lean", "full")
PRICES_OF_MORE: Final = {
    "X-Ray, recorded trace": 5.0e-6,
    "EventBridge Scheduler, invocation": 1.0e-6,
    "KMS, request": 0.03 / 10_000,
}
PRICES_CHECKED: Final = (
    "Compared on 2026-11-29 with stored copies of AWS's pages, none of them live: the free allowances of "
    "CloudWatch, and X-Ray; those of KMS and of EventBridge Scheduler are as known."
)
FREE: Final = {
    "CloudWatch, alarm and month": 10,
    "CloudWatch, custom metric and month": 10,
    "CloudWatch, dashboard and month": 3,
    "CloudWatch Logs, GB": 5,
    "SQS, request": 1_000_000,
    "Lambda, request": 1_000_000,
    "Lambda, GB-second, arm64": 400_000,
    "EventBridge Scheduler, invocation": 14_000_000,
    "X-Ray, recorded trace": 100_000,
    "KMS, request": 20_000,
}
"""What each account has free each month, for good (https://aws.amazon.com/free/, "Always free")."""

POLLS_A_MINUTE: Final = 15
"""Five pollers with long polling of 20 s. Lambda may do with two where there is little to do, but not
together with a maximum concurrency (Lambda's guide, "Configuring scaling behavior for SQS event source
mappings")."""

COLD_SHARE: Final = 0.1
COLD_START_S: Final = 2.0
OWN_S: Final = 0.1
"""An idle sweep, generously: one in ten starts cold, and all take a tenth of a second besides their calls."""

FREE_WHILE_IDLE: Final = frozenset(
    {
        "AWS::ApiGateway::Deployment", "AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage",
        "AWS::CloudTrail::Trail", "AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup",
        "AWS::DynamoDB::Table",
        "AWS::Events::EventBus", "AWS::Events::Rule", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role",
        "AWS::Lambda::Alias", "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Function",
        "AWS::Lambda::LayerVersion", "AWS::Lambda::Permission", "AWS::Lambda::Version",
        "AWS::Logs::LogGroup", "AWS::Logs::QueryDefinition", "AWS::S3::Bucket", "AWS::S3::BucketPolicy",
        "AWS::SNS::Subscription", "AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy", "AWS::StepFunctions::StateMachine",
    }
)  # fmt: skip
"""Types of resources that cost by use or by what they store. Any other has to be counted below."""


class Item(NamedTuple):
    """One line of the bill."""

    what: str
    quantity: float
    price: str

    @property
    def dollars(self) -> float:
        """By the list price."""
        return self.quantity * (PRICES | PRICES_OF_MORE)[self.price]


class IdleSweep(NamedTuple):
    """What one sweep does that finds nothing to do."""

    calls: Mapping[str, int]
    metrics: frozenset[str]
    log_bytes: int


class UnknownCost(Exception):
    """A type of resource whose cost in an idle month nobody has said."""


def items(form: str, **parameters: str) -> list[Item]:
    """The bill of an idle month.

    Args:
        form: ``Observability``.
        parameters: others than by default.

    Raises:
        UnknownCost: the template has a type of resource that is not known here.
    """
    made = list(_resources_made({"Observability": form} | parameters))
    counts = Counter(resource["Type"] for resource in made)
    sweep, runs = run_idle_sweep(), sweeps_a_month()
    mappings = counts["AWS::Lambda::EventSourceMapping"]
    alarms = [r["Properties"] for r in made if r["Type"] == "AWS::CloudWatch::Alarm"]
    known = {
        "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::Lambda::EventSourceMapping",
        "AWS::Scheduler::Schedule", "AWS::SecretsManager::Secret",
    }  # fmt: skip
    if unknown := set(counts) - known - FREE_WHILE_IDLE:
        raise UnknownCost(f"say in tests/bench/idle_cost.py what these cost: {', '.join(sorted(unknown))}")
    gets = sum(number for name, number in sweep.calls.items() if name in ("Query", "GetItem"))
    lists = sweep.calls["ListObjectVersions"]
    run_s = OWN_S + COLD_SHARE * COLD_START_S + gets * TABLE_CALL_S + lists * S3_CALL_S
    return [
        Item(
            f"metrics of {len(alarms)} alarms", sum(map(_metrics_of, alarms)), "CloudWatch, alarm and month"
        ),
        Item("custom metrics", len(sweep.metrics), "CloudWatch, custom metric and month"),
        Item("dashboard", counts["AWS::CloudWatch::Dashboard"], "CloudWatch, dashboard and month"),
        Item("secret", counts["AWS::SecretsManager::Secret"], "Secrets Manager, secret and month"),
        Item(
            f"polls of {mappings} queues by Lambda",
            mappings * POLLS_A_MINUTE * 60 * 24 * DAYS_A_MONTH,
            "SQS, request",
        ),
        Item("sweeps, started", runs, "EventBridge Scheduler, invocation"),
        Item("sweeps, requests", runs, "Lambda, request"),
        Item("sweeps, time", runs * run_s * memory_gb("sweep"), "Lambda, GB-second, arm64"),
        Item("sweeps, queries of the table", runs * gets, "DynamoDB on demand, read request unit"),
        Item("sweeps, its key", runs * _uses_kms(made), "KMS, request"),
        Item("sweeps, lists of the inbox", runs * lists, "S3 Standard, PUT"),
        Item("sweeps, log", runs * (sweep.log_bytes + RUN_LOG_BYTES) / 1e9, "CloudWatch Logs, GB"),
        Item("sweeps, traces", runs, "X-Ray, recorded trace"),
    ]


def dollars(form: str, **parameters: str) -> tuple[float, float]:
    """Dollars of an idle month: at list prices, and where nothing else uses what the account has free."""
    bill = items(form, **parameters)
    beyond = [
        item._replace(quantity=max(0.0, item.quantity - FREE.get(item.price, 0))).dollars for item in bill
    ]
    return sum(item.dollars for item in bill), sum(beyond)


def sweeps_a_month() -> float:
    """How often the sweep runs, by the template's schedule."""
    rate = template()["Parameters"]["SweepSchedule"]["Default"]
    found = re.fullmatch(r"rate\((\d+) minutes\)", rate)
    if not found:
        raise UnknownCost(f"SweepSchedule is {rate}")
    return DAYS_A_MONTH * 24 * 60 / int(found[1])


def _metrics_of(alarm: Mapping[str, Any]) -> int:
    """The metrics of an alarm: each is charged, also within an expression."""
    return len([part for part in alarm.get("Metrics", [{"MetricStat": {}}]) if "MetricStat" in part])


def _uses_kms(made: list[Mapping[str, Any]]) -> int:
    """Requests to KMS for each sweep: DynamoDB keeps a table's key for five minutes for each caller."""
    tables = [resource["Properties"] for resource in made if resource["Type"] == "AWS::DynamoDB::Table"]
    return sum("SSESpecification" in properties for properties in tables)


def _resources_made(parameters: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    source = expanded(**parameters)
    defaults = {name: declared["Default"] for name, declared in source["Parameters"].items()}
    values: dict[str, object] = {**defaults, **parameters}
    for resource in source["Resources"].values():
        condition = resource.get("Condition")
        if condition is None or _holds({"Condition": condition}, source["Conditions"], values):
            yield resource


def _holds(condition: Any, named: Mapping[str, Any], values: Mapping[str, object]) -> bool:
    """Whether a condition of CloudFormation holds with these values of the parameters."""
    [(function, argument)] = condition.items()
    if function == "Condition":
        return _holds(named[argument], named, values)
    if function == "Fn::Equals":
        first, second = (str(values[part["Ref"]] if isinstance(part, dict) else part) for part in argument)
        return first == second
    held = [_holds(part, named, values) for part in argument]
    return {"Fn::Not": not held[0], "Fn::Or": any(held), "Fn::And": all(held)}[function]


@cache
def run_idle_sweep() -> IdleSweep:
    """Run the sweep's handler in a process of its own, with AWS in memory that has nothing in it."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "layers" / "adjustments")])
    settings = {
        **ENVIRONMENT, "PYTHONPATH": path, "PATH": os.environ["PATH"],
        "SECRET_ID": "s", "EVENT_BUS_NAME": "b", "INTAKE_QUEUE_URL": "q",
        "TOPIC_ARN": "arn:aws:sns:eu-central-1:0:t",
        "STATE_MACHINE_ARN": "arn:aws:states:eu-central-1:0:stateMachine:m",
        "GAMEBALL_BASE_URL": "https://unused.example", "GAMEBALL_API_VERSION": "v4.0",
        "REQUESTS_PER_30_SECONDS": "350", "POWERTOOLS_SERVICE_NAME": "sweep", "POWERTOOLS_LOG_LEVEL": "INFO",
        "POWERTOOLS_TRACE_DISABLED": "true", "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.bench.idle_cost"]
    done = subprocess.run(command, env=settings, stdout=subprocess.PIPE, text=True, check=True)
    *lines, calls = done.stdout.splitlines()
    written = [line["_aws"]["CloudWatchMetrics"] for text in lines if "_aws" in (line := json.loads(text))]
    metrics = frozenset(
        metric["Name"] for directives in written for one in directives for metric in one["Metrics"]
    )
    return IdleSweep(Counter(json.loads(calls)), metrics, sum(len(line) + 1 for line in lines))


def _sweep() -> None:
    """Run the handler once, and print the AWS calls that it makes."""
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders
    from botocore.httpsession import URLLib3Session

    from functions.sweep import app

    calls: Counter[str] = Counter()

    def answer(_: object, request: Any) -> AWSResponse:
        if target := request.headers.get("X-Amz-Target"):
            name, body = str(target, "ascii").rpartition(".")[2], b'{"Items": [], "Count": 0}'
        else:
            name = "ListObjectVersions" if "versions" in request.url else request.url
            body = b"<ListVersionsResult><IsTruncated>false</IsTruncated></ListVersionsResult>"
        calls[name] += 1
        return AWSResponse(request.url, 200, HTTPHeaders(), SimpleNamespace(stream=lambda: [body]))

    context = SimpleNamespace(
        function_name="sweep",
        memory_limit_in_mb=1769,
        invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:sweep",
        aws_request_id="00000000-0000-0000-0000-000000000000",
        get_remaining_time_in_millis=lambda: 900_000,
    )
    with patch.object(URLLib3Session, "send", answer):
        app.handler({}, context)
    print(json.dumps(calls))


def measure() -> Result:
    """The tables of the document."""
    prices = PRICES | PRICES_OF_MORE
    bills = zip(items("lean"), items("full"), strict=True)
    lines: list[tuple[object, ...]] = [
        (lean.what, f"{prices[lean.price]:.10f}".rstrip("0").rstrip("."), *_shown(lean), *_shown(full))
        for lean, full in bills
    ]
    (lean, lean_beyond), (full, full_beyond) = map(dollars, FORMS)
    lines.append(("**in all, list prices**", "", "", f"**{lean:.2f}**", "", f"**{full:.2f}**"))
    beyond = "**in all, beyond what an account has free**"
    lines.append((beyond, "", "", f"**{lean_beyond:.2f}**", "", f"**{full_beyond:.2f}**"))
    notes = f"A month of {DAYS_A_MONTH} days, list prices of {REGION}. {PRICES_CHECKED}"
    free = [(name, f"{number:,}") for name, number in FREE.items()]
    heading = ["idle, each month", "price", "lean", "dollars", "full", "dollars"]
    return Result(
        "\n\n".join([table(heading, lines), notes, table(["free in each account, each month", ""], free)])
    )


def _shown(item: Item) -> tuple[str, str]:
    quantity = f"{item.quantity:,.0f}" if item.quantity >= 1 or not item.quantity else f"{item.quantity:.3f}"
    return quantity, f"{item.dollars:.2f}" if item.dollars >= 0.005 or not item.dollars else "< 0.01"


if __name__ == "__main__":
    _sweep()
