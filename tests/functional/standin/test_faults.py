"""Each kind of fault: what the client sees, and what the ledger did."""

import http.client
import time
from typing import Any

import pytest

from local.standin import ManualClock, StandIn

from .caller import Caller, row

ANN_5 = [("ann", 5)]


@pytest.mark.parametrize(
    ("options", "status", "body"),
    [
        ({"status": 500}, 500, {"error": 500, "message": "A fault was requested"}),
        ({"status": 503, "message": "Later"}, 503, {"error": 503, "message": "Later"}),
        (
            {"status": 400, "code": 4000, "envelope": "error"},
            400,
            {"error": 400, "message": "A fault was requested"},
        ),
    ],
)
def test_status_answers_with_an_error_and_applies_nothing(
    caller: Caller, options: dict[str, Any], status: int, body: dict[str, object]
) -> None:
    caller.fault("status", **options)
    reply = caller.batch(row("ann", 5))
    assert (reply.status, reply.json) == (status, body)
    assert caller.applied() == []
    assert caller.batch(row("ann", 5)).status == 200


def test_status_can_have_a_code_and_retry_after(caller: Caller) -> None:
    caller.fault("status", path="transactions/manual", status=422, code=2001, retry_after_s=3)
    reply = caller.manual(points=1)
    assert (reply.status, reply.json["code"], reply.json["type"]) == (422, 2001, "Request Error")
    assert reply.headers["retry-after"] == "3"


def test_status_can_be_an_html_page(caller: Caller) -> None:
    caller.fault("status", status=502, envelope="html")
    reply = caller.batch(row("ann", 5))
    assert (reply.status, reply.headers["content-type"]) == (502, "text/html; charset=utf-8")


@pytest.mark.parametrize(("kind", "applied"), [("reset_before", []), ("reset_after", ANN_5)])
def test_reset_closes_the_connection_before_or_after_applying(
    caller: Caller, kind: str, applied: list[tuple[str, int]]
) -> None:
    caller.fault(kind)
    with pytest.raises(ConnectionResetError):
        caller.batch(row("ann", 5))
    caller.close()
    assert caller.applied() == applied


@pytest.mark.parametrize(("is_applied", "applied"), [(False, []), (True, ANN_5)])
def test_black_hole_never_answers(caller: Caller, is_applied: bool, applied: list[tuple[str, int]]) -> None:
    caller.fault("black_hole", hold_s=0.05, applied=is_applied)
    with pytest.raises(http.client.RemoteDisconnected):
        caller.batch(row("ann", 5))
    assert caller.applied() == applied


@pytest.mark.parametrize("part", ["head", "body"])
def test_drip_sends_the_right_answer_byte_by_byte(caller: Caller, part: str) -> None:
    caller.fault("drip", delay_s=0.001, part=part)
    began_s = time.monotonic()
    reply = caller.batch(row("ann", 5))
    assert time.monotonic() - began_s >= 0.001 * len(reply.text)
    assert (reply.status, list(reply.json), caller.applied()) == (200, ["jobId"], ANN_5)


def test_black_hole_ends_when_the_client_disconnects_or_the_server_stops() -> None:
    began_s = time.monotonic()
    waiting: list[Caller] = []
    with StandIn(limits=False) as standin:
        for _ in range(2):
            caller = Caller(standin)
            caller.fault("black_hole", hold_s=60)
            caller.connection.sock.settimeout(0.05)
            with pytest.raises(TimeoutError):
                caller.batch(row("ann", 5))
            waiting.append(caller)
        waiting[0].close()  # the first client goes; the second is still waiting when the server stops
    waiting[1].close()
    assert time.monotonic() - began_s < 10


def test_half_answer_sends_half_of_the_announced_body(caller: Caller) -> None:
    caller.fault("half_answer")
    with pytest.raises(http.client.IncompleteRead) as caught:
        caller.batch(row("ann", 5))
    assert (caught.value.partial, caught.value.expected) == (b'{"job', 6)
    caller.close()
    assert caller.applied() == ANN_5


def test_not_json_answers_with_a_page_after_applying(caller: Caller) -> None:
    caller.fault("not_json")
    reply = caller.batch(row("ann", 5))
    assert (reply.status, reply.text[:6]) == (200, "<html>")
    assert caller.applied() == ANN_5


def test_no_job_id_answers_with_an_empty_object_after_applying(caller: Caller) -> None:
    caller.fault("no_job_id")
    reply = caller.batch(row("ann", 5))
    assert (reply.status, reply.text) == (200, "{}")
    assert caller.applied() == ANN_5


@pytest.mark.parametrize(("options", "status"), [({}, 500), ({"status": 504}, 504)])
def test_status_after_answers_with_a_server_error_after_applying(
    caller: Caller, options: dict[str, Any], status: int
) -> None:
    caller.fault("status_after", **options)
    assert caller.batch(row("ann", 5)).status == status
    assert caller.applied() == ANN_5


def test_status_after_records_the_transaction_id(caller: Caller) -> None:
    caller.fault("status_after", path="transactions/manual", code=5000)
    assert caller.manual(points=5).json["code"] == 5000
    assert caller.manual(points=5).json["code"] == 9004


@pytest.mark.parametrize("kind", ["not_json", "no_job_id", "status_after"])
def test_fault_does_not_replace_a_refusal(caller: Caller, kind: str) -> None:
    caller.fault(kind)
    assert caller.batch(row("ann", "x")).status == 400


def test_delay_answers_late_and_correctly(caller: Caller) -> None:
    caller.fault("delay", delay_s=0.1)
    began_s = time.monotonic()
    assert caller.batch(row("ann", 5)).json == {"jobId": 1}
    assert time.monotonic() - began_s >= 0.1


def test_close_after_closes_the_connection_without_notice(caller: Caller) -> None:
    caller.fault("close_after")
    reply = caller.batch(row("ann", 5))
    assert (reply.status, reply.headers.get("connection")) == (200, None)
    # The caller's connection believes itself open and finds out at its next request.
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        caller.batch(row("ann", 6))
    caller.close()
    assert caller.applied() == ANN_5


def test_apply_late_resets_the_connection_and_applies_later(caller: Caller, clock: ManualClock) -> None:
    caller.fault("apply_late", delay_s=30)
    with pytest.raises(ConnectionResetError):
        caller.batch(row("ann", 5))
    caller.close()
    clock.advance(29)
    assert caller.applied() == []
    clock.advance(1)
    assert caller.applied() == ANN_5


def test_apply_late_can_answer_with_a_server_error(caller: Caller, clock: ManualClock) -> None:
    caller.fault("apply_late", delay_s=30, status=503)
    assert caller.batch(row("ann", 5)).status == 503
    clock.advance(30)
    assert caller.applied() == ANN_5


@pytest.mark.parametrize(
    ("state", "guide_state", "openapi_state", "response"),
    [
        (
            "failed",
            "failed",
            "failed",
            {"successful": [{"customerId": "ann", "message": "Success"}], "failed": []},
        ),
        ("stopped", "stopped", "failed", None),
        (
            "archived",
            "archived",
            "archived",
            {"successful": [{"customerId": "ann", "message": "Success"}], "failed": []},
        ),
    ],
)
def test_job_state_ends_a_job_with_its_first_rows_applied(
    caller: Caller, state: str, guide_state: str, openapi_state: str, response: object
) -> None:
    caller.fault("job_state", state=state, n=1)
    caller.batch(row("ann", 5), row("bob", 5))
    status = caller.call("GET", "batch/1").json
    assert (status["status"], status["response"]) == (guide_state, response)
    assert caller.call("GET", "batches/1/status").json["status"] == openapi_state
    assert caller.applied() == ANN_5


def test_unlisted_rows_are_missing_in_the_lists(caller: Caller) -> None:
    caller.fault("unlisted_rows", n=1)
    caller.batch(row("ann", 5), row("bob", 5), row("ghost", 5))
    status = caller.call("GET", "batches/1/status").json
    assert (status["status"], status["results"], status["errors"]) == (
        "completed",
        [{"customerId": "ann", "message": "Success"}],
        [],
    )
    assert caller.applied() == [("ann", 5), ("bob", 5)]


def test_times_and_skip_count_matching_requests(caller: Caller) -> None:
    caller.fault("status", status=500, times=2, skip=1)
    caller.fault("status", status=503, skip=4)
    statuses = [caller.batch(row("ann", 1)).status for _ in range(6)]
    assert statuses == [200, 500, 500, 200, 503, 200]
    fired = [fault["fired"] for fault in caller.control("GET", "faults").json["faults"]]
    assert fired == [2, 1]


def test_fault_applies_to_its_method_and_path(caller: Caller) -> None:
    caller.fault("status", path="batch/1", method="DELETE", status=500)
    assert caller.batch(row("ann", 5)).status == 200
    assert caller.call("GET", "batch/1").status == 200
    assert caller.call("DELETE", "batch/1").status == 500


def test_faults_can_be_removed(caller: Caller) -> None:
    caller.fault("status", status=500)
    assert caller.control("DELETE", "faults").status == 200
    assert caller.batch(row("ann", 5)).status == 200


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"kind": "nonsense"},
        {"kind": "status"},
        {"kind": "status", "status": 200},
        {"kind": "status", "status": 500, "times": 0},
        {"kind": "status", "status": 500, "skip": -1},
        {"kind": "status", "status": 500, "hold_s": 1},
        {"kind": "reset_after", "applied": True},
        {"kind": "delay", "delay_s": -1},
        {"kind": "black_hole", "applied": "yes"},
        {"kind": "apply_late", "path": "batch/balance-adjustment", "status": 404},
        {"kind": "apply_late", "path": "transactions/manual"},
        {"kind": "job_state"},
    ],
)
def test_invalid_fault_is_refused(caller: Caller, fault: dict[str, object]) -> None:
    reply = caller.control("POST", "faults", fault)
    assert (reply.status, reply.json["error"]) == (400, 400)
    assert caller.control("GET", "faults").json == {"faults": []}
