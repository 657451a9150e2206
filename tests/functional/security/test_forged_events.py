"""Events that nobody of ours sent: they lead no function to another bucket, place or batch."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

from adjustments.aws.function_log import FunctionFailed
from adjustments.batches.files import StoredObject
from adjustments.manual_transactions.event_consumer import DETAIL_TYPE
from local.standin.server import StandIn
from tests.fakes.memory import ManualClock, MemoryFiles
from tests.fakes.world import World
from tests.functional.adjusting import test_handlers, test_manual
from tests.functional.adjusting.test_client import control
from tests.functional.adjusting.test_handlers import call, message
from tests.functional.adjusting.test_manual import Desk

world = test_handlers.world  # the fixtures
desk = test_manual.desk

ROWS = b"customerId,amount\nc1,5\n"
OURS = {"name": "memory"}
DUE_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
DONE: dict[str, Any] = {"batchItemFailures": []}


class WatchedFiles(MemoryFiles):
    """Notes every object that is looked at."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.looked_up_at: set[str] = set()

    def _find(self, key: str, version_id: str | None) -> tuple[StoredObject, bytes]:
        self.looked_up_at.add(key)
        return super()._find(key, version_id)


@pytest.fixture
def files(world: World) -> WatchedFiles:
    """A bucket with something in each place; from the filling on, it is noted what is looked at."""
    files = world.files
    files.__class__ = WatchedFiles
    assert isinstance(files, WatchedFiles)
    files.looked_up_at = set()
    for key in ("results/b1/results.csv", "work/api/x.csv", "recurring/monthly.csv", "other/x.csv", "x.csv"):
        files.drop(key, ROWS)
    files.looked_up_at.clear()
    return files


def created(key: str, bucket: Mapping[str, Any] = OURS, version_id: str = "") -> dict[str, Any]:
    version = {"version-id": version_id} if version_id else {}
    detail = {"bucket": bucket, "object": {"key": key, **version}}
    return message(source="aws.s3", **{"detail-type": "Object Created", "detail": detail})


def fails(event: Any) -> bool:
    """Whether the invocation fails, after which the message comes again."""
    with pytest.raises(BatchProcessingError):
        call("submit_batch", event)
    return True


@pytest.mark.parametrize(
    "bucket", ["somebody-elses", "memory-2", "Memory", "memory/", "arn:aws:s3:::memory", ""]
)
def test_event_of_another_bucket_is_refused_before_anything_is_read(
    world: World, files: WatchedFiles, gameball: StandIn, bucket: str
):
    files.drop("inbox/f.csv", ROWS)
    assert fails(created("inbox/f.csv", {"name": bucket}))
    assert (files.looked_up_at, world.executions.started) == (set(), [])
    assert control(gameball, "requests")["requests"] == []


@pytest.mark.parametrize(
    "key",
    ["results/b1/results.csv", "work/api/x.csv", "inbox", "inbox/", "other/x.log", ""],
)
def test_object_that_is_nobodys_file_is_no_drop(world: World, files: WatchedFiles, key: str):
    assert call("submit_batch", created(key)) == DONE
    assert (files.looked_up_at, world.executions.started) == (set(), [])


@pytest.mark.parametrize(
    "key",
    ["other/x.csv", "x.csv", "Inbox/x.csv", "/inbox/x.csv", "inbox/x.txt", "inbox%2Fx.csv", " inbox/x.csv"],
)
def test_file_elsewhere_is_refused_and_never_read(
    world: World, files: WatchedFiles, gameball: StandIn, key: str
):
    event = created(key)
    body = json.loads(event["Records"][0]["body"])
    event["Records"][0]["body"] = json.dumps({**body, "time": "2026-11-21T12:00:00Z"})
    assert call("submit_batch", event) == DONE
    [(_, batch_id)] = world.executions.started
    assert "nothing of it was read or sent" in world.store.batch(batch_id).refusal
    assert files.looked_up_at == set()
    assert control(gameball, "requests")["requests"] == []


@pytest.mark.parametrize(
    "key",
    ["inbox/../results/b1/results.csv", "inbox/../work/api/x.csv", "inbox/./../x.csv", "inbox//../../x.csv",
     "inbox/%2e%2e/x.csv", "inbox/..%2fx.csv", "inbox/%252e%252e%252fx.csv", "inbox/..\\x.csv",
     "inbox/x.csv\0/../../results/b1/results.csv"],
)  # fmt: skip
def test_key_is_taken_by_the_letter(world: World, files: WatchedFiles, key: str):
    """No object has such a key; a tidied or decoded one would lead to an object that there is."""
    assert fails(created(key))
    assert (files.looked_up_at, world.executions.started) == ({key}, [])


def test_version_of_another_object_is_not_read(world: World, files: WatchedFiles):
    other = files.drop("results/b1/results.csv", ROWS)
    files.drop("inbox/f.csv", ROWS)
    assert fails(created("inbox/f.csv", version_id=other.version_id))
    assert (files.looked_up_at, world.executions.started) == ({"inbox/f.csv"}, [])


def test_tick_queues_what_recurs_whatever_else_it_names(world: World, files: WatchedFiles, gameball: StandIn):
    tick = message(
        dueTime="2026-11-21T12:00:00Z",
        resources=["s3://somebody-elses/x.csv"],
        detail={"bucket": {"name": "somebody-elses"}, "object": {"key": "results/b1/results.csv"}},
    )
    assert call("submit_batch", tick) == DONE
    assert (files.looked_up_at, world.intake.recurring) == (set(), [("recurring/monthly.csv", DUE_AT)])
    assert control(gameball, "audit")["applied"] == []


@pytest.mark.parametrize(
    "key",
    ["results/b1/results.csv", "work/api/x.csv", "inbox/f.csv", "other/x.csv", "x.csv", "Recurring/x.csv",
     "/recurring/x.csv", "recurring", "recurring/", "recurring/x.txt", "", "recurring/../inbox/f.csv",
     "recurring/%2e%2e/x.csv"],
)  # fmt: skip
def test_file_of_a_tick_lies_under_recurring_and_nowhere_else(
    world: World, files: WatchedFiles, gameball: StandIn, key: str
):
    assert call("submit_batch", message(dueTime=DUE_AT.isoformat(), key=key)) == DONE
    assert files.looked_up_at <= {key}
    assert (world.executions.started, control(gameball, "audit")["applied"]) == ([], [])


@pytest.mark.parametrize("key", [None, 7, ["recurring/monthly.csv"], {}])
def test_file_of_a_tick_without_a_name_is_no_tick(world: World, files: WatchedFiles, key: Any):
    assert fails(message(dueTime=DUE_AT.isoformat(), key=key))
    assert (files.looked_up_at, world.intake.recurring) == (set(), [])


@pytest.mark.parametrize(
    "body",
    [
        "", "null", "[]", '"inbox/f.csv"', "{", '{"source": ["aws.s3"]}',
        '{"source": "aws.s3", "detail": []}',
        '{"source":"aws.s3","detail":{"bucket":{"name":["memory"]},"object":{"key":"inbox/f.csv"}}}',
        '{"source":"aws.s3","detail":{"bucket":{"name":"memory"},"object":{"key":{"$ne":""}}}}',
        "[" * 100_000,
    ],
    ids=range(10),
)  # fmt: skip
def test_body_of_another_form_stays_in_the_queue(world: World, files: WatchedFiles, body: str):
    event = {"Records": [{"messageId": "m1", "eventSource": "aws:sqs", "body": body}]}
    assert fails(event)
    assert files.looked_up_at == set()


@pytest.mark.parametrize("name", ["poll_jobs", "submit_more", "write_report", "notify"])
@pytest.mark.parametrize("batch_id", ["../x", "b1", "results/b1", "content#x", "", "b1\0", "%2e%2e"])
def test_step_of_a_batch_that_there_is_not_touches_nothing(
    world: World, files: WatchedFiles, name: str, batch_id: str
):
    with pytest.raises(FunctionFailed, match="NotFound"):
        call(name, {"batchId": batch_id})
    assert files.looked_up_at == set()


@pytest.mark.parametrize(
    "detail",
    [
        {"bucket": {"name": "somebody-elses"}, "object": {"key": "inbox/f.csv"}},
        {**test_manual.BODY, "bucket": "somebody-elses"},
        {**test_manual.BODY, "customerId": {"$ref": "s3://somebody-elses/x"}},
        [test_manual.BODY],
        "s3://somebody-elses/x",
    ],
    ids=range(5),
)
def test_event_on_the_bus_is_gameballs_body_or_nothing(desk: Desk, detail: Any):
    assert desk.take({"detail-type": DETAIL_TYPE, "source": "evil", "detail": detail}) == []
    assert (desk.requests, desk.applied) == (0, [])
    assert [(kind, told["error"]) for kind, told in desk.bus.events] == [("Manual Transaction Refused", 400)]
    assert desk.failures.messages == []


def test_event_of_s3_on_the_bus_is_no_request(desk: Desk):
    assert desk.take(json.loads(created("inbox/f.csv")["Records"][0]["body"])) == []
    assert desk.requests == 0
    assert [kind for kind, _ in desk.bus.events] == ["Manual Transaction Refused"]
    assert desk.failures.messages == []
