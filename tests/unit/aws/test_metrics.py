"""Metrics leave as lines of CloudWatch's embedded metric format."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from adjustments.aws.metrics import Meter, WatchedBudget, publishing
from adjustments.core.errors import GameballRefused, GameballUnavailable
from adjustments.gameball.rate_limiter import Lane, Resource


class FixedBudget:
    def wait_s(self, resource: Resource, lane: Lane, within_s: float) -> tuple[bool, float]:
        return lane is Lane.PROMPT, 0.25


@pytest.fixture
def meter() -> Meter:
    return Meter("some-stack")


def published(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_one_line_holds_all_that_was_counted_for_the_stack(meter: Meter, capsys: pytest.CaptureFixture[str]):
    meter.count({"RowsApplied": 3, "RowsFailed": 0})
    meter.count({"RowsApplied": 4})
    meter.publish()
    [line] = published(capsys)
    [told] = line["_aws"]["CloudWatchMetrics"]
    assert told["Namespace"] == "GameballAdjustments"
    assert told["Dimensions"] == [["service"]]
    assert (line["service"], line["RowsApplied"], line["RowsFailed"]) == ("some-stack", [3, 4], [0])


def test_a_run_in_which_nothing_was_counted_leaves_no_line(meter: Meter, capsys: pytest.CaptureFixture[str]):
    meter.publish()
    assert published(capsys) == []


def test_what_was_published_is_not_published_again(meter: Meter, capsys: pytest.CaptureFixture[str]):
    meter.count({"SweepRan": 1})
    meter.publish()
    meter.publish()
    assert len(published(capsys)) == 1


def test_calls_to_gameball_are_told_by_their_time_and_what_came_of_them(
    meter: Meter, capsys: pytest.CaptureFixture[str]
):
    for error in (None, GameballRefused("no"), GameballUnavailable("no")):
        meter.watch_call(0.5, error)
    meter.publish()
    [line] = published(capsys)
    assert line["GameballLatency"] == [500, 500, 500]
    assert (line["GameballErrors"], line["GameballRefusals"]) == ([1], [1])


def test_a_place_in_the_budget_is_a_request_and_every_answer_a_wait(
    meter: Meter, capsys: pytest.CaptureFixture[str]
):
    budget = WatchedBudget(FixedBudget(), meter)
    assert budget.wait_s(Resource.OTHERS, Lane.PROMPT, 5.0) == (True, 0.25)
    assert budget.wait_s(Resource.TRANSACTIONS, Lane.BULK, 5.0) == (False, 0.25)
    meter.publish()
    [line] = published(capsys)
    assert line["RequestWait"] == [250, 250]
    assert line["RequestsOthers"] == [1]
    assert "RequestsTransactions" not in line


def test_parallel_workers_lose_no_number(meter: Meter, capsys: pytest.CaptureFixture[str]):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: meter.watch_call(0.001, None), range(1_050)))
    meter.publish()
    lines = published(capsys)
    assert sum(len(line["GameballLatency"]) for line in lines) == 1_050
    assert max(len(line["GameballLatency"]) for line in lines) <= 100, "CloudWatch takes no more"


def test_a_run_that_breaks_publishes_too(meter: Meter, capsys: pytest.CaptureFixture[str]):
    @publishing(lambda: meter)
    def handler() -> None:
        meter.count({"KeysRefused": 1})
        raise RuntimeError

    with pytest.raises(RuntimeError):
        handler()
    assert [line["KeysRefused"] for line in published(capsys)] == [[1]]
