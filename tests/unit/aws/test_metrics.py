"""Metrics leave as lines of CloudWatch's embedded metric format."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aws_lambda_powertools import Metrics

from adjustments.aws.metrics import NAMESPACE, Meter
from adjustments.core.errors import GameballRefused, GameballUnavailable
from adjustments.gameball.rate_limiter import Block, MeasuredRateLimiter, Priority, Resource


class FixedRateLimiter:
    def take_slot(self, resource: Resource, priority: Priority, within_s: float) -> tuple[bool, float]:
        return priority is Priority.PROMPT, 0.25

    def take_block(self, resource: Resource, slots_max: int) -> Block:
        return Block(slots_max, 0.25, 0.1)


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    collected = Metrics(namespace=NAMESPACE, service="some-stack")
    collected.clear_metrics()  # all instances in one process share what they collect
    yield collected
    collected.clear_metrics()


@pytest.fixture
def meter(metrics: Metrics) -> Meter:
    return Meter(metrics)


def published(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_metrics_are_written_in_one_line(meter: Meter, metrics: Metrics, capsys: pytest.CaptureFixture[str]):
    meter.count({"RowsApplied": 3, "RowsFailed": 0})
    meter.count({"RowsApplied": 4})
    metrics.flush_metrics()
    [line] = published(capsys)
    [told] = line["_aws"]["CloudWatchMetrics"]
    assert told["Namespace"] == "GameballAdjustments"
    assert told["Dimensions"] == [["service"]]
    assert (line["service"], line["RowsApplied"], line["RowsFailed"]) == ("some-stack", [3, 4], [0])


def test_metrics_of_a_run_without_any_are_not_written(metrics: Metrics, capsys: pytest.CaptureFixture[str]):
    metrics.log_metrics(lambda event, context: None)({}, None)
    assert published(capsys) == []


def test_metrics_are_written_once(meter: Meter, metrics: Metrics, capsys: pytest.CaptureFixture[str]):
    for counted in ({"SweepRan": 1}, {}):
        meter.count(counted)
        metrics.log_metrics(lambda event, context: None)({}, None)
    assert len(published(capsys)) == 1


def test_meter_counts_calls_to_gameball_by_latency_and_result(
    meter: Meter, metrics: Metrics, capsys: pytest.CaptureFixture[str]
):
    for error in (None, GameballRefused("no"), GameballUnavailable("no")):
        meter.observe_call(0.5, error)
    metrics.flush_metrics()
    [line] = published(capsys)
    assert line["GameballLatency"] == [500, 500, 500]
    assert (line["GameballErrors"], line["GameballRefusals"]) == ([1], [1])


def test_meter_counts_granted_slots_and_every_wait(
    meter: Meter, metrics: Metrics, capsys: pytest.CaptureFixture[str]
):
    rate_limiter = MeasuredRateLimiter(FixedRateLimiter(), meter.observe_slot)
    assert rate_limiter.take_slot(Resource.OTHERS, Priority.PROMPT, 5.0) == (True, 0.25)
    assert rate_limiter.take_slot(Resource.TRANSACTIONS, Priority.BULK, 5.0) == (False, 0.25)
    assert rate_limiter.take_block(Resource.TRANSACTIONS, 7) == Block(7, 0.25, 0.1)
    metrics.flush_metrics()
    [line] = published(capsys)
    assert line["RequestWait"] == [250, 250, 250]
    assert line["RequestsOthers"] == [1]
    assert line["RequestsTransactions"] == [7]


def test_meter_loses_no_count_of_parallel_workers(
    meter: Meter, metrics: Metrics, capsys: pytest.CaptureFixture[str]
):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: meter.observe_call(0.001, None), range(1_050)))
    metrics.flush_metrics()
    lines = published(capsys)
    assert sum(len(line["GameballLatency"]) for line in lines) == 1_050
    assert max(len(line["GameballLatency"]) for line in lines) <= 100, "CloudWatch takes no more"


def test_metrics_of_a_failed_run_are_written(
    meter: Meter, metrics: Metrics, capsys: pytest.CaptureFixture[str]
):
    @metrics.log_metrics
    def handler(event: Any, context: Any) -> None:
        meter.count({"KeysRefused": 1})
        raise RuntimeError

    with pytest.raises(RuntimeError):
        handler({}, None)
    assert [line["KeysRefused"] for line in published(capsys)] == [[1]]
