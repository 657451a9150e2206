"""Dollars, from counted calls and AWS's list prices."""

from functools import cache
from typing import Any, Final

from tests.bench import growth, warm
from tests.bench.measurements import Result
from tests.bench.tables import table
from tests.bench.written import template

REGION: Final = "us-east-1"
PRICES_CHECKED: Final = (
    "All were compared on 2026-11-22, none with live pages: those of Lambda, DynamoDB, Step Functions and "
    "API Gateway with copies of AWS's own pages from 2024 to 2026; those of S3 storage and PUT, SQS, "
    "EventBridge, Secrets Manager and CloudWatch with what others wrote of AWS's pages, most of it in "
    "2026; that of S3 GET was not found and is as known."
)
PRICES: Final = {
    "Lambda, GB-second, arm64": 0.0000133334,
    "Lambda, request": 0.20e-6,
    "DynamoDB on demand, write request unit (halved in November 2024)": 0.625e-6,
    "DynamoDB on demand, read request unit": 0.125e-6,
    "S3 Standard, PUT": 5.0e-6,
    "S3 Standard, GET": 0.4e-6,
    "S3 Standard, GB-month": 0.023,
    "Step Functions standard, state transition": 25e-6,
    "API Gateway REST, call": 3.50e-6,
    "SQS, request": 0.40e-6,
    "EventBridge, custom event": 1.00e-6,
    "Secrets Manager, call": 5.0e-6,
    "Secrets Manager, secret and month": 0.40,
    "CloudWatch Logs, GB": 0.50,
    "CloudWatch, alarm and month": 0.10,
    "CloudWatch, custom metric and month": 0.30,
    "CloudWatch, dashboard and month": 3.00,
}
S3_CALL_S: Final = 0.02
TABLE_CALL_S: Final = 0.005
"""What a call is taken to wait for, one after another: an upper bound, since many go side by side."""

GAMEBALL_CALL_S: Final = 0.2
LOG_LINE_BYTES: Final = 700
RUN_LOG_BYTES: Final = 1_500
"""The lines that Lambda itself writes for a run, and its metrics."""

DAYS_A_MONTH: Final = 30.4
ROW_TRANSITIONS: Final = 6
"""Of a state machine per row: start, send, wait, ask, choose, end; one round of asking."""


def of_rows(one: dict[str, Any]) -> dict[str, float]:
    """Dollars of a million rows."""
    memory_s = sum(seconds * memory_gb(name) for name, seconds in one["seconds"].items())
    waiting_s = (one["puts"] + one["gets"]) * S3_CALL_S + one["table_writes"] * TABLE_CALL_S
    runs = sum(one["invocations"].values())
    kept_months = work_days() / DAYS_A_MONTH
    return {
        "Lambda": (memory_s + waiting_s * memory_gb("submit_batch")) * PRICES["Lambda, GB-second, arm64"]
        + runs * PRICES["Lambda, request"],
        "DynamoDB writes": one["write_units"]
        * PRICES["DynamoDB on demand, write request unit (halved in November 2024)"],
        "DynamoDB reads": one["read_units"] * PRICES["DynamoDB on demand, read request unit"],
        "S3 PUT": one["puts"] * PRICES["S3 Standard, PUT"],
        "S3 GET": one["gets"] * PRICES["S3 Standard, GET"],
        "Step Functions": one["transitions"] * PRICES["Step Functions standard, state transition"],
        "CloudWatch Logs": (one["log_lines"] * LOG_LINE_BYTES + runs * RUN_LOG_BYTES)
        / 1e9
        * PRICES["CloudWatch Logs, GB"],
        "queue, event, secret": 4 * PRICES["SQS, request"]
        + PRICES["EventBridge, custom event"]
        + 3 * PRICES["Secrets Manager, call"],
        f"S3, work files for {work_days()} days ({one['work_bytes'] / 1e6:.0f} MB)": one["work_bytes"]
        / 1e9
        * PRICES["S3 Standard, GB-month"]
        * kept_months,
    }


@cache
def memory_gb(function: str) -> float:
    """Memory of a function, as the template has it, in the gigabytes that Lambda charges."""
    code, written = f"functions/{function}/", template()
    [properties] = [
        resource["Properties"]
        for resource in written["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function" and resource["Properties"]["CodeUri"] == code
    ]
    megabytes = properties.get("MemorySize", written["Globals"]["Function"]["MemorySize"])
    return float(megabytes) / 1_024


@cache
def work_days() -> int:
    """How long work files are kept, as the template has it."""
    rules = template()["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    [days] = [rule["ExpirationInDays"] for rule in rules if rule.get("Prefix") == "work/"]
    return int(days)


def of_manual(calls: dict[str, float], own_s: float) -> dict[str, float]:
    """Dollars of a thousand manual transactions through the API.

    Args:
        calls: AWS calls of one transaction, by operation.
        own_s: the handler's own time of one.
    """
    writes = sum(number for name, number in calls.items() if name in ("PutItem", "UpdateItem", "DeleteItem"))
    reads = calls.get("GetItem", 0)
    took_s = own_s + GAMEBALL_CALL_S + (writes + reads) * TABLE_CALL_S
    each = {
        "API Gateway": PRICES["API Gateway REST, call"],
        "Lambda": took_s * memory_gb("manual_transaction") * PRICES["Lambda, GB-second, arm64"]
        + PRICES["Lambda, request"],
        "DynamoDB": writes * PRICES["DynamoDB on demand, write request unit (halved in November 2024)"]
        + reads * PRICES["DynamoDB on demand, read request unit"],
        "CloudWatch Logs": (LOG_LINE_BYTES + RUN_LOG_BYTES) / 1e9 * PRICES["CloudWatch Logs, GB"],
    }
    return {name: dollars * 1_000 for name, dollars in each.items()}


def measure() -> Result:
    """The tables of the document."""
    million = next(one for one in growth.counted() if one["rows"] == 1_000_000)
    rows, manual = of_rows(million), of_manual(*warm.counted())
    kept = million["result_bytes"] / 1e9 * PRICES["S3 Standard, GB-month"]
    per_row = 1e6 * ROW_TRANSITIONS * PRICES["Step Functions standard, state transition"]
    lines = [(name, f"{dollars:.4f}") for name, dollars in rows.items()]
    lines.append(("**in all** (goal < 0.05)", f"**{sum(rows.values()):.4f}**"))
    results = f"besides, results until they are deleted ({million['result_bytes'] / 1e6:.0f} MB), each month"
    lines.append((results, f"{kept:.4f}"))
    lines.append(("one state-machine execution per row, its transitions alone", f"{per_row:.2f}"))
    calls = [(name, f"{dollars:.4f}") for name, dollars in manual.items()]
    calls.append(("**in all** (goal < 0.01)", f"**{sum(manual.values()):.4f}**"))
    prices = [(name, f"{dollars:.10f}".rstrip("0").rstrip(".")) for name, dollars in PRICES.items()]
    tables = "\n\n".join(
        [
            table(["a million rows", "dollars"], lines),
            table(["a thousand manual transactions", "dollars"], calls),
            f"List prices, {REGION}, no free tier. {PRICES_CHECKED}",
            table(["", "dollars"], prices),
        ]
    )
    return Result(tables)
