"""Real handlers and the real client against the stand-in over a socket; AWS is in memory."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

from adjustments import bootstrap
from adjustments.core import limits
from adjustments.core.errors import GameballThrottled
from adjustments.gameball.client import GameballClient
from local.standin.server import StandIn
from tests.fakes.gateway import headers_of, proxy_event
from tests.fakes.world import World
from tests.functional.adjusting.test_client import BATCH, applied, control

EVENTS = Path(__file__).parents[3] / "events"
CONTEXT = SimpleNamespace(
    function_name="f",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:f",
    aws_request_id="request-1",
    get_remaining_time_in_millis=lambda: 300_000,
)


@pytest.fixture
def world(client: GameballClient) -> Iterator[World]:
    """The functions' application, on in-memory ports."""
    built = World(client)
    bootstrap.install(built)
    yield built
    bootstrap.install(None)


def call(name: str, event: Any) -> Any:
    return importlib.import_module(f"functions.{name}.app").handler(event, CONTEXT)


def message(**body: Any) -> dict[str, Any]:
    return {"Records": [{"messageId": "m1", "eventSource": "aws:sqs", "body": json.dumps(body)}]}


def dropped(key: str, bucket: str = "memory") -> dict[str, Any]:
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return message(source="aws.s3", **{"detail-type": "Object Created", "detail": detail})


def test_file_goes_from_the_queue_to_the_results(world: World, gameball: StandIn):
    world.files.drop("inbox/f.csv", b"customerId,amount\nc1,5\nc2,-7.25\nnobody,1\n")
    assert call("submit_batch", dropped("inbox/f.csv")) == {"batchItemFailures": []}
    [(name, batch_id)] = world.executions.started
    assert name == batch_id
    step = call("poll_jobs", {"batchId": batch_id})
    assert step == {
        "batchId": batch_id,
        "isOver": True,
        "moreToSend": False,
        "waitSeconds": step["waitSeconds"],
    }
    assert call("submit_more", {"batchId": batch_id}) == {"batchId": batch_id}
    assert call("write_report", {"batchId": batch_id})["status"] == "completed_with_errors"
    assert call("notify", {"batchId": batch_id})["status"] == "completed_with_errors"
    entries = control(gameball, "audit")["applied"]
    assert [(entry["customerId"], entry["amount"]) for entry in entries] == [("c1", 5), ("c2", -7.25)]


@pytest.mark.parametrize(
    "event",
    [
        dropped("inbox/f.csv", bucket="somebody-elses"),
        message(source="aws.s3", detail={}),
        message(source="aws.ec2"),
        message(),
        message(dueTime="yesterday"),
    ],
)
def test_message_that_does_not_belong_here_stays_in_the_queue(world: World, event: dict[str, Any]):
    with pytest.raises(BatchProcessingError):  # the invocation fails, so that its alarm rings
        call("submit_batch", event)


def test_tick_queues_what_recurs_and_each_file_is_submitted_once(world: World, gameball: StandIn):
    world.files.drop("recurring/monthly.csv", b"customerId,amount\nc1,5\n")
    for _ in range(2):
        tick = message(dueTime="2026-11-21T12:00:00Z")
        assert call("submit_batch", tick) == {"batchItemFailures": []}
    assert applied(gameball) == 0
    assert len(world.intake.recurring) == 2
    for key, due_at in world.intake.recurring:
        file = message(dueTime=due_at.isoformat(), key=key)
        assert call("submit_batch", file) == {"batchItemFailures": []}
    assert applied(gameball) == 1


def test_batches_are_listed_shown_and_approved(world: World, gameball: StandIn):
    world.files.drop("inbox/f.csv", b"customerId,amount\nc1,5\n")
    call("submit_batch", dropped("inbox/f.csv"))
    [(_, batch_id)] = world.executions.started
    assert [batch["batchId"] for batch in get("/batches")[1]["batches"]] == [batch_id]
    assert get(f"/batches/{batch_id}")[1]["jobs"][0]["jobId"] == 1
    assert get("/batches/none")[0] == 404
    assert get("/batches", since="2026-11-21", until="2026-11-22T00:00:00+02:00")[1]["batches"]
    assert get("/batches", since="2026-11-22")[1]["batches"] == []
    assert get("/nowhere")[0] == 404
    status, body = request("POST", f"/batches/{batch_id}/approve")
    assert (status, body["error"]) == (409, 409)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"status": "nonsense"}, "status: must be one of 'planned', 'awaiting_approval'"),
        ({"colour": "red"}, "colour: unknown field"),
        ({"after": "nonsense"}, 'after: must be the value of "next" in the page before'),
        ({"limit": "0"}, "limit: must be at least 1"),
        ({"since": "yesterday"}, "since: must be a time such as 2026-11-21 or 2026-11-21T12:00:00Z"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since: must be a time of the years 2000 to 2999"),
        ({"until": "9999-12-31T23:59:59-14:00"}, "until: must be a time of the years 2000 to 2999"),
        ({"since": "2026-11-22", "until": "2026-11-21"}, "until: must not be before since"),
    ],
)
def test_list_of_batches_refuses_a_query_and_says_what_to_send(
    world: World, query: dict[str, str], message: str
):
    status, answer = get("/batches", **query)
    assert (status, answer["error"]) == (400, 400)
    assert answer["message"].startswith(message)


def get(path: str, **query: str) -> tuple[int, dict[str, Any]]:
    return request("GET", path, **query)


def request(method: str, path: str, body: Any = None, **query: str) -> tuple[int, dict[str, Any]]:
    text = None if body is None else json.dumps(body)
    answer = call("batch_api", proxy_event(method, path, text, query))
    return answer["statusCode"], json.loads(answer["body"])


def test_answers_of_the_batch_api_have_the_form_that_the_gateway_wants(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    headers = {"Content-Type": ["application/json"]}
    form = {"multiValueHeaders": headers, "isBase64Encoded": False}
    answer = call("batch_api", proxy_event("GET", "/batches"))
    assert answer == {"statusCode": 200, "body": '{"batches": [], "next": null}', **form}
    answer = call("batch_api", proxy_event("GET", "/batches/none"))
    body = '{"error": 404, "message": "there is no batch none", "errorCode": "not_found"}'
    coded = {**form, "multiValueHeaders": {**headers, "x-error-code": ["not_found"]}}
    assert answer == {"statusCode": 404, "body": body, **coded}
    monkeypatch.setattr(world.store, "batches", Mock(side_effect=GameballThrottled("busy", retry_after_s=7)))
    answer = call("batch_api", proxy_event("GET", "/batches"))
    assert (answer["statusCode"], headers_of(answer)["retry-after"]) == (503, "7")


def test_sweep_answers_what_it_did(world: World):
    assert call("sweep", {}) == {"resumed": [], "queued": [], "reconciled": []}


def test_bad_request_of_a_batch_is_split_over_the_socket(world: World, gameball: StandIn):
    control(gameball, "settings", {"refuse_request_customers": ["c3"]})
    rows = "".join(f"c{n},1\n" for n in range(8))
    world.files.drop("inbox/f.csv", f"customerId,amount\n{rows}".encode())
    call("submit_batch", dropped("inbox/f.csv"))
    [(_, batch_id)] = world.executions.started
    ended = world.run(world.store.batch(batch_id))
    assert (ended.counts.applied, ended.counts.failed) == (7, 1)
    assert len(control(gameball, f"requests?path={BATCH}")["requests"]) == 7


def test_batch_from_the_api_answers_the_job(world: World, gameball: StandIn):
    first = accept({"body": [{"customerId": "c1", "amount": 0.1}]}, {"Idempotency-Key": "k"})
    again = accept({"body": [{"customerId": "c1", "amount": 0.1}]}, {"idempotency-KEY": "k"})
    assert (first[0], set(first[1])) == (200, {"jobId", "batchId", "status", "dryRun", "counts"})
    assert [told[1]["jobId"] for told in (first, again)] == [first[1]["jobId"]] * 2
    assert first[1]["counts"] == {"rows": 1, "accepted": 1, "rejected": 0}
    assert [entry["amount"] for entry in control(gameball, "audit")["applied"]] == [0.1]


@pytest.mark.parametrize("amounts", [[1, 2], [1, 2, 3]])
def test_batch_from_the_api_that_repeats_rows_is_refused_naming_the_earlier_batch(
    world: World, amounts: list[int]
):
    def rows(amounts: list[int]) -> list[dict[str, Any]]:
        return [{"customerId": f"c{amount}", "amount": amount} for amount in amounts]

    first = accept({"body": rows([1, 2])}, {})
    status, told = accept({"body": rows(amounts)}, {})
    assert (status, told["error"], told["batchId"]) == (409, 409, first[1]["batchId"])
    assert "Idempotency-Key" in told["message"]
    assert "allowDuplicate" in told["message"]
    assert accept({"body": rows(amounts), "allowDuplicate": True}, {})[0] == 200
    assert accept({"body": rows(amounts)}, {"Idempotency-Key": "new"})[0] == 200


@pytest.mark.parametrize(
    ("source", "reason", "status"),
    [
        ("aws.s3", "PutObject", "submitting"),
        ("aws.s3", "CopyObject", "rejected"),
        ("gameball.adjustments", "", "rejected"),  # the sweep's, which can't tell
    ],
)
def test_permission_to_repeat_rows_does_not_come_with_a_copy(
    world: World, source: str, reason: str, status: str
):
    for name, metadata in (("a", {}), ("b", {"allow-duplicate": "true"})):
        world.files.drop(f"inbox/{name}.csv", b"customerId,amount\nc1,5\n", metadata)
        event = dropped(f"inbox/{name}.csv")
        message = json.loads(event["Records"][0]["body"])
        message["source"] = source
        message["detail"]["reason"] = reason
        event["Records"][0]["body"] = json.dumps(message)
        call("submit_batch", event)
    _, batch_id = world.executions.started[-1]
    batch = world.store.batch(batch_id)
    assert ("rejected" if batch.refusal else batch.status.value) == status


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ({"body": [{"customerId": f"c{n % 50}", "amount": 1} for n in range(60)]}, {}, 202),
        ({"body": [{"customerId": "c1"}]}, {}, 400),
        ({"body": [{"customerId": "c1", "amount": 1}]}, {"Idempotency-Key": ""}, 400),
        ("no json", {}, 400),
    ],
)
def test_batch_from_the_api_is_taken_or_refused(
    world: World, body: Any, headers: dict[str, str], status: int
):
    answer = accept(body, headers)
    assert answer[0] == status
    assert ("batchId" in answer[1]) == (status == 202)


def test_batch_from_the_api_says_how_many_rows_are_accepted_and_rejected(world: World):
    rows = [{"customerId": f"c{n % 50}", "amount": 1 + n} for n in range(60)] + [
        {"customerId": "", "amount": 1}
    ]
    status, told = accept({"body": rows}, {})
    assert (status, told["counts"]) == (202, {"rows": 61, "accepted": 60, "rejected": 1})


def test_dry_run_of_a_body_is_taken_and_sends_nothing(world: World, gameball: StandIn):
    status, told = accept({"body": [{"customerId": "c1", "amount": 1}], "dryRun": True}, {})
    assert (status, told["dryRun"], told["counts"]["accepted"]) == (202, True, 1)
    assert control(gameball, "audit")["applied"] == []


def test_body_over_the_limit_is_refused_naming_the_upload(world: World):
    status, told = accept(json.dumps({"body": "x" * limits.BATCH_BODY_BYTES_MAX}), {})
    assert (status, told["errorCode"]) == (413, "body_too_large")
    assert "POST /batches/uploads" in told["message"]


def test_rows_and_uploads_are_calls_of_the_batch_api(world: World):
    batch_id = accept({"body": [{"customerId": "c1", "amount": 1}]}, {})[1]["batchId"]
    path = f"/batches/{batch_id}/rows"
    known = {"knownRows": 0, "totalRows": 1}
    nothing_yet: dict[str, Any] = {"rows": [], "next": None, "isComplete": False, **known}
    assert get(path) == (200, nothing_yet)
    assert get(path, after="1-0-0-0-0123456789abcdef")[1]["errorCode"] == "invalid_request"
    world.run(world.store.batch(batch_id))
    status, page = get(path, status="applied", limit="10")
    assert (status, [row["customerId"] for row in page["rows"]], page["next"]) == (200, ["c1"], None)
    assert (page["isComplete"], page["knownRows"], page["totalRows"]) == (True, 1, 1)
    for query, named in (
        ({"status": "x"}, "status"),
        ({"colour": "red"}, "colour"),
        ({"after": "x"}, "after"),
    ):
        status, told = get(path, **query)
        assert (status, told["message"].startswith(f"{named}: ")) == (400, True)
    assert get("/batches/none/rows")[0] == 404
    status, offered = request("POST", "/batches/uploads", {"name": "big.csv"})
    assert (status, offered["key"].endswith("/big.csv")) == (200, True)
    assert request("POST", "/batches/uploads")[0] == 200
    assert request("POST", "/batches/uploads", {"colour": "red"})[0] == 400


def accept(body: Any, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    text = body if isinstance(body, str) else json.dumps(body)
    event = proxy_event("POST", "/batch/balance-adjustment", text, headers=headers)
    answer = call("accept_batch", event)
    return answer["statusCode"], json.loads(answer["body"])


def test_person_stops_resolves_and_reverses_through_the_api(world: World, gameball: StandIn):
    control(gameball, "faults", {"method": "POST", "path": BATCH, "kind": "reset_after"})
    world.files.drop("inbox/f.csv", b"customerId,amount\nc1,5\nc2,7\n")
    call("submit_batch", dropped("inbox/f.csv"))
    [(_, batch_id)] = world.executions.started
    world.run(world.store.batch(batch_id))
    assert request("POST", f"/batches/{batch_id}/stop")[0] == 409
    assert request("POST", f"/batches/{batch_id}/resolve", body={"outcome": "maybe"})[0] == 400
    resolved = request("POST", f"/batches/{batch_id}/resolve", body={"outcome": "applied", "lines": [2]})
    assert resolved == (200, {"batchId": batch_id, "status": "needs_attention", "rows": 1})
    assert request("POST", f"/batches/{batch_id}/resolve", body={"outcome": "not_applied"})[1]["rows"] == 1
    reversal = request("POST", f"/batches/{batch_id}/reversal")[1]
    assert (reversal["rows"], reversal["total"]) == (1, -5)
    links = get(f"/batches/{batch_id}")[1]["links"]
    assert set(links) == {"results.csv", "fix-me.csv", "summary.json", "report.html"}


def test_caller_who_resolved_rows_hears_so_also_where_nobody_else_could_be_told(
    world: World, gameball: StandIn, monkeypatch: pytest.MonkeyPatch
):
    control(gameball, "faults", {"method": "POST", "path": BATCH, "kind": "reset_after"})
    world.files.drop("inbox/f.csv", b"customerId,amount\nc1,5\n")
    call("submit_batch", dropped("inbox/f.csv"))
    [(_, batch_id)] = world.executions.started
    world.run(world.store.batch(batch_id))
    mail = world.notifications.mail
    monkeypatch.setattr(world.notifications, "mail", lambda subject, text: 1 / 0)
    resolved = request("POST", f"/batches/{batch_id}/resolve", body={"outcome": "applied"})
    assert resolved == (200, {"batchId": batch_id, "status": "completed", "rows": 1})
    monkeypatch.setattr(world.notifications, "mail", mail)
    world.executions.running.clear()
    assert world.sweep()["resumed"] == [batch_id]
    call("notify", {"batchId": batch_id})
    assert [subject.split(":")[0] for subject, _ in world.notifications.mails] == [
        "needs attention",
        "completed",
    ]
