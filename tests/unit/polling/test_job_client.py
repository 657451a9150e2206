"""Both dialects are read; only a listed row is known."""

from typing import Any

import pytest

from adjustments.batches.states import Outcome
from adjustments.gameball.port import Dialect
from adjustments.polling.job_client import read_status

GUIDE, OPENAPI = Dialect.GUIDE, Dialect.OPENAPI
A, F, D = Outcome.APPLIED, Outcome.FAILED, Outcome.IN_DOUBT


@pytest.mark.parametrize(
    ("dialect", "answer", "state", "ended"),
    [
        (GUIDE, {"status": "queued", "response": None}, "queued", False),
        (GUIDE, {"status": "Running"}, "running", False),
        (GUIDE, {"status": "Completed"}, "completed", True),
        (GUIDE, {"status": "STOPPED", "response": None}, "stopped", True),
        (GUIDE, {"status": "failed"}, "failed", True),
        (OPENAPI, {"status": "pending"}, "pending", False),
        (OPENAPI, {"status": "processing"}, "processing", False),
        (OPENAPI, {"status": "completed"}, "completed", True),
        (OPENAPI, {"status": "archived"}, "archived", False),
        (OPENAPI, {}, "", False),
        (OPENAPI, {"status": None}, "", False),
    ],
)
def test_read_status_reads_the_state(dialect: Dialect, answer: dict[str, Any], state: str, ended: bool):
    job = read_status(dialect, answer)
    assert (job.state, job.has_ended) == (state, ended)


@pytest.mark.parametrize(
    ("dialect", "answer", "rows"),
    [
        (GUIDE, {"response": {"successful": [{"customerId": "a", "message": "ok"}]}}, {"a": (A, "ok")}),
        (GUIDE, {"response": {"failed": [{"customerId": "a", "message": "no"}]}}, {"a": (F, "no")}),
        (GUIDE, {"response": {"failed": [{"customerId": "a", "error": "no"}]}}, {"a": (F, "no")}),
        (OPENAPI, {"results": [{"customerId": "a"}], "errors": [{"customerId": "b", "error": "no"}]},
         {"a": (A, ""), "b": (F, "no")}),
        (OPENAPI, {"results": [{"customerId": 7}]}, {"7": (A, "")}),
        (GUIDE, {"results": [{"customerId": "a"}]}, {}),
        (OPENAPI, {"response": {"successful": [{"customerId": "a"}]}}, {}),
        (GUIDE, {"response": None}, {}),
        (GUIDE, {"response": [1, 2]}, {}),
        (OPENAPI, {"results": "many", "errors": {"customerId": "a"}}, {}),
        (OPENAPI, {"results": [None, "a", {"customer": "a"}, {"customerId": None}]}, {}),
        (OPENAPI, {"results": [{"customerId": "a"}, {"customerId": "a"}]}, {"a": (A, "")}),
        (OPENAPI, {"processedItems": 5, "failedItems": 0, "status": "completed"}, {}),
    ],
)  # fmt: skip
def test_read_status_reads_listed_rows(
    dialect: Dialect, answer: dict[str, Any], rows: dict[str, tuple[Outcome, str]]
):
    found = read_status(dialect, {"status": "completed", **answer}).rows
    assert {customer: (row.outcome, row.message) for customer, row in found.items()} == rows


def test_row_listed_as_both_is_in_doubt():
    answer = {"results": [{"customerId": "a"}], "errors": [{"customerId": "a", "error": "no"}]}
    assert read_status(OPENAPI, answer).rows["a"].outcome is D
