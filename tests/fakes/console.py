"""The console behind a real server, before a stack whose API has batches of every kind."""

import csv
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from cli.console.access import Access
from cli.console.app import make_app
from cli.console.server import listening
from tests.fakes.batch_api import FakeBatchApi, FakeStack, serving
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

DAY = "2026-11-22"
CUSTOMER = "player-00325"
HOSTILE = '"><img src=x onerror=alert(1)>\u202efdp.csv'


@dataclass
class Console:
    """A running console, and the fakes behind it."""

    address: str
    api: FakeBatchApi
    stack: FakeStack

    @property
    def url(self) -> str:
        return self.address.partition("/?")[0]


@contextmanager
def running_console() -> Iterator[Console]:
    """The console, for as long as the block lasts."""
    with serving() as api, listening(0) as listener:
        stack = FakeStack(api.url)
        add_batches(api)
        access = Access(listener.getsockname()[1])
        app = make_app(stack, access)  # type: ignore[arg-type]
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Console(access.address, api, stack)
        finally:
            server.should_exit = True
            thread.join()


def batch_id(name: str) -> str:
    return f"20261122-101500-{name}-0123456789ab"


def make_batch(name: str, status: str, rows: int, key: str = "", **values: Any) -> dict[str, Any]:
    counts = {"rows": rows, "applied": 0, "failed": 0, "rejected": 0, "notSubmitted": 0, "inDoubt": 0}
    return {
        "batchId": batch_id(name),
        "status": status,
        "dryRun": False,
        "source": {
            "bucket": "bucket",
            "key": key or f"inbox/{name}.csv",
            "versionId": "v7",
            "sha256": "ab" * 32,
        },
        "counts": counts | values.pop("counts", {}),
        "totals": {"requested": 237200, "applied": values.pop("applied_total", 0)},
        "jobs": [],
        "createdAt": f"{DAY}T10:15:00.000Z",
        "finishedAt": values.pop("finished", None),
        "message": "",
        "notes": ["read as UTF-8, delimiter comma"],
        "progress": {"settledRows": 0, "acceptedRows": rows, "sentRows": 0, "runningRows": 0, "jobs": {}},
        "heldBy": [],
        "links": {},
        **values,
    }


def add_batches(api: FakeBatchApi) -> None:
    """Batches as people meet them on a busy day."""
    dry_run, results = _dry_run_results()
    ended = {"finished": f"{DAY}T10:16:10.000Z"}

    def links(name: str) -> dict[str, str]:
        found = {}
        for file in ("report.html", "results.csv", "fix-me.csv", "summary.json"):
            found[file] = api.link(batch_id(name), file)
            api.answer(f"GET /bucket/results/{batch_id(name)}/{file}", (200, results))
        return found

    moving = {
        "settledRows": 1_200,
        "acceptedRows": 3_000,
        "sentRows": 2_400,
        "runningRows": 1_000,
        "jobs": {"total": 4, "settled": 2, "running": 1},
        "rowsPerSecond": 240.5,
    }
    batches = [
        make_batch("april-campaign", "polling", 3_000, progress=moving),
        make_batch(
            "migration-2026",
            "awaiting_approval",
            48_000,
            heldBy=["48,000 rows are more than ApprovalAboveRows (10,000)"],
            message="48,000 rows are more than ApprovalAboveRows (10,000)",
            preview=_preview(),
        ),
        make_batch("spring", "validated", 26, dryRun=True, links=links("spring"), **dry_run, **ended),
        make_batch(
            "goodwill",
            "needs_attention",
            12,
            counts={"applied": 9, "inDoubt": 3},
            applied_total=450,
            links=links("goodwill"),
            **ended,
        ),
        make_batch("easter", "completed", 2_600, counts={"applied": 2_600}, links=links("easter"), **ended),
        make_batch(
            "loyalty",
            "rejected",
            40,
            counts={"rejected": 11, "notSubmitted": 29},
            message="too many bad rows",
            **ended,
        ),
        make_batch("hostile", "stopped", 5, key=f"inbox/{HOSTILE}", counts={"notSubmitted": 5}, **ended),
    ]
    _add_customer(api)
    api.answer("GET /batches?limit=20", (200, {"batches": batches, "next": "more"}))
    for batch in batches:
        api.answer(f"GET /batches/{batch['batchId']}", (200, batch))


def _preview() -> dict[str, Any]:
    """What an approver sees of the rows of a large file."""
    first = [
        {"line": line, "customerId": f"member-{line}", "amount": 5, "reason": "migration"} for line in (2, 3)
    ]
    return {
        "added": 239_700,
        "deducted": -2_500,
        "customers": 48_000,
        "newCustomers": 12,
        "dryRun": None,
        "reasons": [{"reason": "migration", "rows": 47_900}, {"reason": "", "rows": 100}],
        "hasMoreReasons": False,
        "firstRows": first,
        "largestRows": [{"line": 777, "customerId": "member-00776", "amount": 900, "reason": "migration"}],
    }


def _add_customer(api: FakeBatchApi) -> None:
    """What was done for one customer, and what Gameball says."""
    row = {
        "kind": "batch",
        "time": f"{DAY}T10:15:00.000Z",
        "amount": 250,
        "unit": "points",
        "reason": "Easter bonus",
        "outcome": "applied",
        "message": "",
        "batchId": batch_id("easter"),
        "file": "inbox/easter.csv",
        "line": 325,
        "jobId": 12,
        "transactionId": None,
        "gameballTransactionId": None,
        "by": "arn:aws:iam::111122223333:user/ada",
        "approvedBy": None,
    }
    manual = {"batchId": None, "file": None, "line": None, "jobId": None, "kind": "transaction"}
    rows = [
        row,
        {**row, **manual, "amount": 50, "transactionId": "ticket-4711", "reason": "goodwill"},
        {
            **row,
            "batchId": batch_id("goodwill"),
            "line": 7,
            "outcome": "in_doubt",
            "reason": HOSTILE,
        },
    ]
    entry = {
        "customerId": CUSTOMER,
        "direction": "+",
        "points": 250,
        "amount": 250,
        "reason": "Easter bonus",
        "transactionTime": f"{DAY}T10:15:40",
        "pointsBalanceAfter": 1_250,
    }
    page = {
        "customerId": CUSTOMER,
        "rows": rows,
        "next": "older",
        "searched": {"batches": 214, "withoutIndex": 0, "since": "2025-10-25T00:00:00.000Z"},
    }
    live = {
        "balance": {"availablePointsBalance": 1_205, "totalPointsBalance": 1_205},
        "transactions": [{**entry, "direction": "-", "points": 45, "reason": "redeemed"}, entry],
        "isWhole": True,
    }
    api.answer(f"GET /customers/{CUSTOMER}/adjustments", (200, page))
    api.answer(f"GET /customers/{CUSTOMER}/adjustments?live=true", (200, {**page, "gameball": live}))


def _dry_run_results() -> tuple[dict[str, Any], bytes]:
    """What a dry run with all that can go wrong writes, and what the API says of it."""
    gameball = MemoryGameball()
    gameball.unknown_customers = {"member-01", "member-02"}
    world = World(gameball)
    rows = [[f"member-{number:02}", str(50 - number * 3), "spring"] for number in range(24)]
    rows += [["member-30", "many", "spring"], [f"{HOSTILE[:24]}", "1.000.5", "spring"]]
    out = io.StringIO()
    csv.writer(out).writerows([["customerId", "amount", "reason"], *rows])
    ended = world.run(world.drop(out.getvalue(), name="spring.csv", dry_run="true"))
    assert ended.prediction is not None
    prediction = ended.prediction.model_dump(by_alias=True)
    counts = {"rejected": ended.counts.rejected, "notSubmitted": ended.counts.not_submitted}
    return {"prediction": prediction, "counts": counts}, world.result(ended, "results.csv").encode()
