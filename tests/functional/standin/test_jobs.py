"""A job's status and its end, in both dialects."""

import pytest

from local.standin import ManualClock

from .caller import KEYS, Caller, row

GUIDE = ("GET", "batch/1")
OPENAPI = ("GET", "batches/1/status")


def test_the_guides_dialect_from_queue_to_end(caller: Caller, clock: ManualClock) -> None:
    caller.set(job_delay_s=10)
    caller.batch(row("ann", 5), row("ghost", 5), row("bob", -6))
    queued = caller.call(*GUIDE).json
    assert queued == {
        "jobId": 1,
        "operation": "BalanceAdjustment",
        "totalCount": 3,
        "finishedCount": 0,
        "errorCount": 0,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "startedAt": None,
        "status": "queued",
        "response": None,
    }
    clock.advance(5)
    assert caller.call(*GUIDE).json == queued | {
        "status": "running",
        "startedAt": "2026-01-01T00:00:05.000Z",
        "response": {"successful": [], "failed": []},
    }
    clock.advance(5)
    assert caller.call(*GUIDE).json == queued | {
        "status": "completed",
        "startedAt": "2026-01-01T00:00:05.000Z",
        "finishedCount": 1,
        "errorCount": 2,
        "response": {
            "successful": [{"customerId": "ann", "message": "Success"}],
            "failed": [
                {"customerId": "ghost", "message": "Customer not found"},
                {"customerId": "bob", "message": "Insufficient points"},
            ],
        },
    }


def test_the_published_dialect_from_queue_to_end(caller: Caller, clock: ManualClock) -> None:
    caller.set(job_delay_s=10)
    caller.batch(row("ann", 5), row("ghost", 5))
    pending = caller.call(*OPENAPI).json
    assert pending == {
        "batchId": "1",
        "status": "pending",
        "progress": 0,
        "totalItems": 2,
        "processedItems": 0,
        "failedItems": 0,
        "results": [],
        "errors": [],
    }
    clock.advance(5)
    assert caller.call(*OPENAPI).json == pending | {"status": "processing"}
    clock.advance(5)
    assert caller.call(*OPENAPI).json == {
        "batchId": "1",
        "status": "completed",
        "progress": 100,
        "totalItems": 2,
        "processedItems": 2,
        "failedItems": 1,
        "results": [{"customerId": "ann", "message": "Success"}],
        "errors": [{"customerId": "ghost", "error": "Customer not found"}],
    }


@pytest.mark.parametrize(
    ("dialect", "guide_status", "openapi_status"),
    [("both", 200, 200), ("guide", 200, 404), ("openapi", 404, 200)],
)
def test_account_has_the_configured_dialect(
    caller: Caller, dialect: str, guide_status: int, openapi_status: int
) -> None:
    caller.set(dialect=dialect, job_delay_s=10)
    caller.batch(row("ann", 5))
    assert caller.call(*GUIDE).status == guide_status
    assert caller.call(*OPENAPI).status == openapi_status
    assert caller.call("DELETE", "batch/1").status == guide_status
    assert caller.call("POST", "batches/1/stop").status == openapi_status


@pytest.mark.parametrize(
    ("state_case", "guide_state", "openapi_state"),
    [("lower", "queued", "pending"), ("title", "Queued", "Pending"), ("upper", "QUEUED", "PENDING")],
)
def test_case_of_job_states_can_be_set(
    caller: Caller, state_case: str, guide_state: str, openapi_state: str
) -> None:
    caller.set(state_case=state_case, job_delay_s=10)
    caller.batch(row("ann", 5))
    assert caller.call(*GUIDE).json["status"] == guide_state
    assert caller.call(*OPENAPI).json["status"] == openapi_state


@pytest.mark.parametrize(
    ("failed_row_key", "guide_key", "openapi_key"),
    [("default", "message", "error"), ("message", "message", "message"), ("error", "error", "error")],
)
def test_key_of_failed_rows_can_be_set(
    caller: Caller, failed_row_key: str, guide_key: str, openapi_key: str
) -> None:
    caller.set(failed_row_key=failed_row_key)
    caller.batch(row("ghost", 5))
    assert caller.call(*GUIDE).json["response"]["failed"][0].keys() == {"customerId", guide_key}
    assert caller.call(*OPENAPI).json["errors"][0].keys() == {"customerId", openapi_key}


@pytest.mark.parametrize("stop", [("DELETE", "batch/1"), ("POST", "batches/1/stop")])
@pytest.mark.parametrize("waited_s", [0, 5, 9.99])
def test_a_stopped_job_applies_nothing_more(
    caller: Caller, clock: ManualClock, stop: tuple[str, str], waited_s: float
) -> None:
    caller.set(job_delay_s=10)
    caller.batch(row("ann", 5))
    clock.advance(waited_s)
    assert caller.call(*stop).status == 200
    assert caller.call(*stop).status == 200
    clock.advance(60)
    status = caller.call(*GUIDE).json
    assert (status["status"], status["response"]) == ("stopped", None)
    assert caller.call(*OPENAPI).json["status"] == "failed"
    assert caller.applied() == []


def test_a_stop_in_the_published_dialect_has_no_body(caller: Caller) -> None:
    caller.set(job_delay_s=10)
    caller.batch(row("ann", 5))
    path = "/api/v4.0/integrations/batches/1/stop"
    assert caller.call("POST", "batches/1/stop", {}).status == 415
    typed = {**KEYS, "content-type": "application/json"}
    assert caller.request("POST", path, headers=typed).status == 415
    assert caller.call("POST", "batches/1/stop").status == 200


def test_a_stop_may_leave_the_first_rows_applied(caller: Caller) -> None:
    caller.set(job_delay_s=10, stop_applies_rows=1, openapi_stopped_state="stopped")
    caller.batch(row("ann", 5), row("bob", 5))
    assert caller.call("DELETE", "batch/1").json["response"] is None
    assert caller.call(*OPENAPI).json["status"] == "stopped"
    assert caller.applied() == [("ann", 5)]


def test_a_job_that_has_ended_can_not_be_stopped(caller: Caller) -> None:
    caller.batch(row("ann", 5))
    reply = caller.call("DELETE", "batch/1")
    assert (reply.status, reply.json["code"]) == (400, 4000)


@pytest.mark.parametrize("job_id", ["0", "2", "x", "1x", "-1", "99999999999999999999"])
def test_an_unknown_job_is_404(caller: Caller, job_id: str) -> None:
    caller.batch(row("ann", 5))
    for method, path in (("GET", f"batch/{job_id}"), ("GET", f"batches/{job_id}/status")):
        reply = caller.call(method, path)
        assert (reply.status, reply.json["code"]) == (404, 4004)


def test_jobs_run_in_the_order_in_which_they_were_due(caller: Caller, clock: ManualClock) -> None:
    caller.set(job_delay_s=10)
    caller.batch(row("bob", -6))
    caller.set(job_delay_s=5)
    caller.batch(row("bob", 1))
    clock.advance(30)
    caller.manual(customerId="bob", points=1)
    audit = caller.audit()
    assert [(entry["jobId"], entry["at"][17:19]) for entry in audit["applied"]] == [
        (2, "05"),
        (1, "10"),
        (None, "30"),
    ]
    assert audit["refusedRows"] == []


def test_an_unlisted_customer_is_applied_but_never_listed(caller: Caller) -> None:
    caller.set(unlisted_customers=["ann", "ghost"])
    caller.batch(row("ann", 5), row("ghost", 5), row("bob", 5))
    status = caller.call(*GUIDE).json
    assert [listed["customerId"] for listed in status["response"]["successful"]] == ["bob"]
    assert status["response"]["failed"] == []
    assert (status["totalCount"], status["finishedCount"], status["errorCount"]) == (3, 2, 1)
    assert caller.applied() == [("ann", 5), ("bob", 5)]


@pytest.mark.parametrize(
    ("lie", "finished", "errors"),
    [(False, 1, 1), ("off", 1, 1), (True, 3, 0), ("rosy", 3, 0), ("grim", 0, 2)],
)
def test_counters_can_be_wrong(caller: Caller, lie: object, finished: int, errors: int) -> None:
    caller.set(counters_lie=lie)
    caller.batch(row("ann", 5), row("ghost", 5))
    status = caller.call(*GUIDE).json
    assert (status["finishedCount"], status["errorCount"]) == (finished, errors)
    assert len(status["response"]["successful"]) == len(status["response"]["failed"]) == 1
