"""Commands of `adjust`: their output, JSON and exit codes."""

import csv
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from adjustments.core.ids import batch_id
from adjustments.submission.plan import options_of
from cli import api_client, batch_watcher
from cli.main import main
from cli.stack import Stack
from tests.fakes.batch_api import FakeBatchApi, FakeStack, serving

ID = "20261122-101500-spring-0123456789ab"


@pytest.fixture
def api() -> Iterator[FakeBatchApi]:
    with serving() as fake:
        yield fake


@pytest.fixture(autouse=True)
def stack(api: FakeBatchApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeStack:
    """Every command uses the fake stack, does not wait, and works in a folder of its own."""
    fake = FakeStack(api.url)
    monkeypatch.setattr(Stack, "at", lambda where: fake)
    monkeypatch.setattr(batch_watcher, "_POLL_FIRST_S", 0.001)
    monkeypatch.setattr(batch_watcher, "_POLL_LAST_S", 0.001)
    monkeypatch.setattr(api_client, "RETRY", api_client.RETRY.new(backoff_factor=0, backoff_jitter=0))
    monkeypatch.chdir(tmp_path)
    return fake


def batch(status: str = "completed", **values: Any) -> dict[str, Any]:
    counts = {"rows": 3, "applied": 3, "failed": 0, "rejected": 0, "notSubmitted": 0, "inDoubt": 0}
    return {
        "batchId": ID,
        "status": status,
        "source": {"bucket": "bucket", "key": "inbox/spring.csv", "versionId": "v7", "sha256": "ab" * 32},
        "counts": {**counts, **values.pop("counts", {})},
        "totals": {"requested": 30, "applied": 30},
        "jobs": [],
        "createdAt": "2026-11-22T10:15:00.000Z",
        "finishedAt": None,
        "message": "",
        "notes": [],
        "progress": {"settledRows": 3, "acceptedRows": 3, "jobs": {"total": 1, "settled": 1}},
        "heldBy": [],
        "links": {},
        **values,
    }


NO_PREDICTION = {"wouldApply": 0, "wouldOverdraw": 0, "unknownCustomer": 0, "notPredicted": 0}


def test_submit_uploads_the_file_and_prints_the_batch_id(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spring.csv").write_text("customerId,amount\na,1\n")
    assert main(["submit", "spring.csv", "--dry-run", "--allow-duplicate", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    [put] = stack.s3.puts
    assert (put["Key"], put["Body"]) == ("inbox/spring.csv", b"customerId,amount\na,1\n")
    caller = "arn:aws:sts::111122223333:assumed-role/Operations/ada@shop.example"
    assert put["Metadata"] == {"dry-run": "true", "allow-duplicate": "true", "submitted-by": caller}
    expected = batch_id("inbox/spring.csv", stack.s3.modified_at, ("bucket", "inbox/spring.csv", "v7"))
    assert (told["batchId"], told["versionId"], told["dryRun"]) == (expected, "v7", True)


def test_submit_without_an_identity_claims_none(stack: FakeStack, tmp_path: Path) -> None:
    stack.caller_identity = ""
    (tmp_path / "spring.csv").write_text("customerId,amount\na,1\n")
    assert main(["submit", "spring.csv"]) == 0
    assert stack.s3.puts[0]["Metadata"] == {}


SUBMITTER = {"identity": "", "claimedIdentity": "", "account": "", "sourceIp": "", "requestId": ""}


@pytest.mark.parametrize(
    ("submitter", "shown"),
    [
        ({"trigger": "api", "identity": "arn:ada"}, "arn:ada, by the API"),
        (
            {"trigger": "drop", "claimedIdentity": "arn:ada", "account": "1111", "sourceIp": "203.0.113.9"},
            (
                "arn:ada (claimed by the file's metadata, not proven); "
                "S3 saw AWS account 1111, address 203.0.113.9"
            ),
        ),
        ({"trigger": "drop"}, "not named"),
        ({"trigger": "schedule"}, "the recurring schedule; the file's uploader: not named"),
    ],
)
def test_show_says_who_submitted_a_batch_and_how_that_is_known(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], submitter: dict[str, str], shown: str
) -> None:
    api.answer(f"GET /batches/{ID}", (200, batch(submittedBy={**SUBMITTER, **submitter})))
    assert main(["show", ID]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"submitted by {shown}" in told


def test_submit_says_how_a_file_is_to_be_sent(stack: FakeStack, tmp_path: Path) -> None:
    (tmp_path / "spring.csv").write_text("customerId,points\na,1\n")
    people = ["--reason", "50 % more", "--username", "José"]
    assert main(["submit", "spring.csv", "--send-as", "transactions", *people]) == 0
    [put] = stack.s3.puts
    options = options_of(put["Metadata"])
    assert (options.send_as, options.reason, options.username) == ("transactions", "50 % more", "José")


def test_watch_of_transactions_shows_rows_and_rate_and_no_jobs() -> None:
    progress = {"settledRows": 300, "rowsPerSecond": 11.6, "jobs": {"settled": 0, "running": 0, "total": 0}}
    found = {"status": "submitting", "sendAs": "transactions", "counts": {"rows": 900}, "progress": progress}
    assert batch_watcher.progress_line(found) == "300 of 900 rows, as transactions, 11.6 rows/s"


def test_submit_says_how_a_file_is_to_be_read(stack: FakeStack, tmp_path: Path) -> None:
    (tmp_path / "spring.csv").write_text("Número,Punkte,type\na,1,x\n")
    columns = ["--columns", "customerId=Número,amount=Punkte"]
    assert main(["submit", "spring.csv", *columns, "--ignore-columns", "type", "--encoding", "utf-8"]) == 0
    [put] = stack.s3.puts
    assert put["Metadata"] == {
        "columns": "customerId=N%C3%BAmero,amount=Punkte",
        "ignore-columns": "type",
        "encoding": "utf-8",
        "submitted-by": stack.caller_identity,
    }
    assert options_of(put["Metadata"]).columns == {"customerId": "Número", "amount": "Punkte"}


def test_submit_refuses_a_file_name_that_is_not_processed(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spring.xlsx").write_text("x")
    assert main(["submit", "spring.xlsx"]) == 2
    assert ".csv" in capsys.readouterr().err
    assert stack.s3.puts == []


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (batch(), 0),
        (batch("validated"), 0),
        (batch("validated", prediction={**NO_PREDICTION, "wouldApply": 3}), 0),
        (batch("validated", counts={"rejected": 1}), 1),
        (batch("validated", prediction={**NO_PREDICTION, "wouldOverdraw": 1}), 1),
        (batch("validated", prediction={**NO_PREDICTION, "unknownCustomer": 1}), 1),
        (batch("validated", prediction={**NO_PREDICTION, "notPredicted": 1}), 1),
        (batch("completed_with_errors"), 1),
        (batch("needs_attention"), 1),
        (batch("rejected"), 1),
        (batch("stopped"), 1),
        (batch("awaiting_approval"), 1),
    ],
)
def test_submit_wait_exits_with_a_code_for_the_status(
    api: FakeBatchApi, stack: FakeStack, tmp_path: Path, ended: dict[str, Any], code: int
) -> None:
    (tmp_path / "spring.csv").write_text("customerId,amount\na,1\n")
    name = batch_id("inbox/spring.csv", stack.s3.modified_at, ("bucket", "inbox/spring.csv", "v7"))
    api.answer(
        f"GET /batches/{name}",
        (404, {"error": 404, "message": "none"}),
        (200, batch("polling")),
        (200, ended),
    )
    assert main(["submit", "spring.csv", "--wait"]) == code
    assert len(api.calls) == 3


def test_watch_shows_rows_jobs_and_rate_without_colours_when_piped(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = {
        "settledRows": 1000,
        "acceptedRows": 3000,
        "jobs": {"total": 3, "settled": 1},
        "rowsPerSecond": 250.5,
        "expectedEnd": "2020-01-01T00:00:00.000Z",
    }
    going = batch("polling", counts={"rows": 3000}, progress=progress)
    api.answer(f"GET /batches/{ID}", (200, going), (200, batch()))
    assert main(["watch", ID]) == 0
    told = capsys.readouterr().out
    assert "polling: 1,000 of 3,000 rows, 1 of 3 jobs, 250.5 rows/s, a moment left" in told
    assert "\x1b" not in told


def test_watch_waits_for_a_batch_whose_file_was_uploaded_just_now(api: FakeBatchApi) -> None:
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-spring-0123456789ab"
    api.answer(f"GET /batches/{name}", (404, {"error": 404, "message": "none"}), (200, batch()))
    assert main(["watch", name]) == 0


def test_watch_waits_until_a_crashed_planner_is_retried_and_says_so_once(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now_s
        now_s += 30

    clock = batch_watcher.Clock(now_s=lambda: now_s, sleep=sleep)
    monkeypatch.setattr(batch_watcher, "Clock", lambda: clock)
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-spring-0123456789ab"
    assert main(["watch", name]) == 4
    told = capsys.readouterr().err
    assert now_s > 960 + 900
    assert told.count("starts again after 16; waiting for up to 32 minutes") == 1
    assert f"no batch {name} after 32 minutes" in told


def test_watch_of_an_unknown_batch_is_refused(api: FakeBatchApi) -> None:
    assert main(["watch", "20200101-101500-spring-0123456789ab"]) == 3
    assert main(["watch", "spring.csv"]) == 3


def test_watch_interrupted_says_that_the_batch_continues(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    clock = batch_watcher.Clock(sleep=interrupt)
    monkeypatch.setattr(batch_watcher, "Clock", lambda: clock)
    api.answer(f"GET /batches/{ID}", (200, batch("polling")))
    assert main(["watch", ID]) == 130
    assert f"adjust watch {ID}" in capsys.readouterr().err


def test_list_reads_pages_up_to_the_limit(api: FakeBatchApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answer("GET /batches?limit=100&status=completed", (200, {"batches": [batch()] * 100, "next": "n/1"}))
    api.answer(
        "GET /batches?after=n%2F1&limit=50&status=completed", (200, {"batches": [batch()] * 50, "next": "n2"})
    )
    assert main(["list", "--status", "completed", "--limit", "150", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["batches"]) == 150


def test_list_prints_a_table(api: FakeBatchApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answer("GET /batches?limit=20", (200, {"batches": [batch()], "next": None}))
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert ID in told
    assert "3 applied" in told


@pytest.fixture
def indian_time() -> Iterator[None]:
    """A local time that is 5:30 h ahead of UTC."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("indian_time")
def test_list_takes_local_times_and_writes_csv(api: FakeBatchApi, capsys: pytest.CaptureFixture[str]) -> None:
    query = "limit=20&since=2026-11-01T00%3A00%3A00%2B05%3A30&until=2026-11-02T08%3A30%3A00%2B05%3A30"
    api.answer(f"GET /batches?{query}", (200, {"batches": [batch()], "next": None}))
    options = ["--since", "2026-11-01", "--until", "2026-11-02T08:30", "--output", "csv"]
    assert main(["list", *options]) == 0
    [listed] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (
        listed | {"batchId": ID, "status": "completed", "rows": "3", "applied": "3", "inDoubt": "0"} == listed
    )
    assert set(listed) >= {"failed", "rejected", "notSubmitted", "pointsApplied", "createdAt", "finishedAt"}


def test_list_piped_prints_one_line_per_batch(api: FakeBatchApi, capsys: pytest.CaptureFixture[str]) -> None:
    long = "20261122-101500-" + "a" * 30 + "-0123456789ab"
    dry = batch("validated", prediction={**NO_PREDICTION, "wouldApply": 2, "wouldOverdraw": 1})
    api.answer("GET /batches?limit=20", (200, {"batches": [batch(batchId=long), dry], "next": None}))
    main(["list"])
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["batch", "status"]
    assert first.startswith(f"{long}  completed")
    assert "2 would be applied, 1 would overdraw" in second
    assert [line for line in (head, first, second) if line != line.rstrip()] == []


@pytest.mark.parametrize("width", [50, 80, 100, 200])
def test_list_never_wraps_a_batch_id_in_a_narrow_terminal(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(Console, "width", width)
    api.answer("GET /batches?limit=20", (200, {"batches": [batch("completed_with_errors")], "next": None}))
    main(["list"])
    told = capsys.readouterr().out
    assert ID in told
    assert ("received" in told) == (width == 200)


def test_show_of_a_dry_run_prints_predictions_and_no_jobs(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
) -> None:
    predicted = {**NO_PREDICTION, "wouldApply": 1, "wouldOverdraw": 1, "unknownCustomer": 1}
    nothing = {"settledRows": 0, "acceptedRows": 3, "jobs": {"total": 0, "settled": 0}}
    dry = batch(
        "validated",
        dryRun=True,
        prediction=predicted,
        progress=nothing,
        counts={"applied": 0, "notSubmitted": 3},
    )
    api.answer(f"GET /batches/{ID}", (200, dry))
    assert main(["show", ID]) == 0
    told = capsys.readouterr().out
    assert "1 would be applied, 1 would overdraw, 1 unknown to Gameball" in told
    assert "jobs" not in told
    assert "applied\n" not in told.replace("1 would be applied", "")
    assert f"submit {Path(dry['source']['key']).name} --wait" in told.replace("'", "")
    assert "with the same options as before; it holds all 3 rows, and nothing of it was sent" in told
    assert "do not submit fix-me.csv as well" in told


def test_show_prints_who_decided(api: FakeBatchApi, capsys: pytest.CaptureFixture[str]) -> None:
    resolution = {"at": "2026-11-22T11:00:00.000Z", "by": "arn:bob", "note": "looked up", "rows": 2}
    decided: dict[str, Any] = {
        "approvedBy": "arn:ann",
        "resolutions": [resolution],
        "reversedBy": "other-batch",
    }
    api.answer(f"GET /batches/{ID}", (200, batch(**decided)))
    main(["show", ID])
    told = capsys.readouterr().out
    assert "arn:ann" in told
    assert "2 rows by arn:bob on 2026-11-22" in told
    assert "looked up" in told
    assert "by other" in told


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ((0, 400, None, None, None), "none of 400 rows in doubt yet; starts with the next sweep"),
        (
            (100, 300, "12:00", None, None),
            "100 of 400 rows in doubt; the remaining ones with the next sweeps",
        ),
        (
            (100, 300, "12:00", "12:30", None),
            "100 of 400 rows in doubt; the remaining ones until about 2026-11-22",
        ),
        ((400, 0, "12:00", None, None), "all 400 rows in doubt, the last on 2026-11-22"),
        ((400, 0, "12:00", None, "13:00"), "again after 2026-11-22"),
    ],
)
def test_show_prints_how_many_rows_in_doubt_were_looked_up(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], state: tuple[Any, ...], wanted: str
) -> None:
    names = ("rowsLookedUp", "rowsLeft", "lookedUpAt", "expectedEnd", "nextRoundAt")
    told = [f"2026-11-22T{value}:00.000Z" if isinstance(value, str) else value for value in state]
    reconciliation = dict(zip(names, told, strict=True))
    api.answer(f"GET /batches/{ID}", (200, batch("needs_attention", reconciliation=reconciliation)))
    main(["show", ID])
    assert wanted in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("named", ["", "../etc", "a b", "spring/x.csv", "."])
@pytest.mark.parametrize("command", ["show", "watch", "results", "approve", "stop", "reverse"])
def test_invalid_batch_id_is_refused_before_any_call(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], command: str, named: str
) -> None:
    assert main([command, named]) == 2
    assert "is not a batch id" in capsys.readouterr().err
    assert api.calls == []


def test_next_step_is_for_the_same_stack(api: FakeBatchApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answer(f"GET /batches/{ID}", (200, batch("polling")))
    main(["show", ID, "--stack", "my stack", "--profile", "ops", "--region", "eu-west-1"])
    assert f"adjust watch {ID} --stack 'my stack' --profile ops --region eu-west-1" in capsys.readouterr().out
    main(["show", ID, "--local"])
    assert f"adjust watch {ID} --local\n" in capsys.readouterr().out


def test_watch_without_network_says_that_the_batch_continues(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answer(f"GET /batches/{ID}", (200, batch("polling")), (503, {"message": "down"}))
    assert main(["watch", ID, "--local"]) == 4
    told = capsys.readouterr().err
    assert "The batch continues" in told
    assert f"adjust watch {ID} --local" in told


def test_calls_are_signed(api: FakeBatchApi) -> None:
    api.answer(f"GET /batches/{ID}", (200, batch()))
    main(["show", ID])
    [headers] = api.headers
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=test/")
    assert "execute-api" in headers["Authorization"]


def test_control_characters_of_the_api_are_named(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answer(f"GET /batches/{ID}", (200, batch("stopped", message="\x1b]0;x\x07[red]stopped[/]")))
    assert main(["show", ID]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "<U+001B>]0;x<U+0007>[red]stopped[/]" in told


def link_of(api: FakeBatchApi, name: str) -> str:
    return api.link(ID, name)


def test_results_downloads_the_files_into_a_folder(api: FakeBatchApi, tmp_path: Path) -> None:
    links = {name: link_of(api, name) for name in ("results.csv", "report.html")}
    api.answer(f"GET /batches/{ID}", (200, batch(links=links)))
    for name in links:
        api.answer(f"GET /bucket/results/{ID}/{name}", (200, name.encode()))
    assert main(["results", ID]) == 0
    assert {path.name: path.read_text() for path in (tmp_path / ID).iterdir()} == {
        name: name for name in links
    }


def test_results_writes_no_file_outside_its_folder(api: FakeBatchApi, tmp_path: Path) -> None:
    api.answer(f"GET /batches/{ID}", (200, batch(links={"../evil.csv": f"{api.url}/x"})))
    assert main(["results", ID, "--to", "there"]) == 4
    assert list(tmp_path.rglob("*.csv")) == []


def test_results_leaves_no_partial_file_where_a_link_has_expired(api: FakeBatchApi, tmp_path: Path) -> None:
    api.answer(f"GET /batches/{ID}", (200, batch(links={"results.csv": link_of(api, "results.csv")})))
    api.answer(f"GET /bucket/results/{ID}/results.csv", (403, b"expired"))
    assert main(["results", ID]) == 4
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_results_of_an_open_batch_is_refused(api: FakeBatchApi) -> None:
    api.answer(f"GET /batches/{ID}", (200, batch("polling")))
    assert main(["results", ID]) == 3


def test_approve_sends_what_was_shown(api: FakeBatchApi) -> None:
    api.answer(f"GET /batches/{ID}", (200, batch("awaiting_approval")))
    api.answer(f"POST /batches/{ID}/approve", (200, {"batchId": ID, "status": "submitting"}))
    assert main(["approve", ID, "--yes"]) == 0
    assert api.calls[-1][2] == {"sha256": "ab" * 32, "rows": 3, "requested": 30}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_approve_requires_confirmation(api: FakeBatchApi, options: list[str]) -> None:
    api.answer(f"GET /batches/{ID}", (200, batch("awaiting_approval")))
    assert main(["approve", ID, *options]) == 2
    assert [method for method, *_ in api.calls] == ["GET"]


def test_resolve_prints_the_refusal_without_asking_for_confirmation(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "the batch is completed; only one that needs_attention can be resolved"
    api.answer(f"GET /batches/{ID}", (200, batch()))
    api.answer(f"POST /batches/{ID}/resolve", (409, {"error": 409, "message": message}))
    assert main(["resolve", ID, "applied", "--note", "looked"]) == 3
    assert capsys.readouterr().err == f"adjust: {message}\n"


def test_stop_prints_the_message_of_the_api(api: FakeBatchApi, capsys: pytest.CaptureFixture[str]) -> None:
    message = "the batch is completed; only one under way can be stopped"
    api.answer(f"GET /batches/{ID}", (200, batch()))
    api.answer(f"POST /batches/{ID}/stop", (409, {"error": 409, "message": message}))
    assert main(["stop", ID, "--note", "wrong month"]) == 3
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"adjust: {message}\n")
    assert api.calls[-1] == ("POST", f"/batches/{ID}/stop", {"note": "wrong month"})


def under_way(sent: int, running: int, jobs: int) -> dict[str, Any]:
    progress = {
        "settledRows": sent - running,
        "acceptedRows": 5000,
        "sentRows": sent,
        "runningRows": running,
        "jobs": {"settled": 1, "running": jobs, "total": 6},
    }
    return batch("submitting", progress=progress)


@pytest.mark.parametrize(
    ("found", "options", "told", "not_told"),
    [
        (under_way(0, 0, 0), [], ["nothing was sent yet, and none of its 5,000 rows will be"],
         ["doubt", "--keep"]),
        (under_way(2100, 2000, 2), [],
         ["sent: 2,100 of 5,000 rows; what Gameball has applied stays applied",
          "will not be sent: 2,900 rows", "in running jobs (2): 2,000 rows; a stop of these jobs is",
          "in doubt until they are looked up", f"adjust stop {ID} --keep-jobs"], []),
        (under_way(5000, 2000, 1), [], ["in running jobs (1): 2,000 rows"], ["will not be sent"]),
        (under_way(2100, 2000, 2), ["--keep-jobs"], ["2,000 rows; these jobs finish"], ["doubt", "asked"]),
        (under_way(100, 0, 0), [], ["sent: 100 of 5,000 rows"], ["doubt", "running", "--keep"]),
    ],
)  # fmt: skip
def test_stop_prints_the_consequences_for_rows(
    api: FakeBatchApi,
    capsys: pytest.CaptureFixture[str],
    found: dict[str, Any],
    options: list[str],
    told: list[str],
    not_told: list[str],
) -> None:
    api.answer(f"GET /batches/{ID}", (200, found))
    api.answer(f"POST /batches/{ID}/stop", (200, {"batchId": ID, "status": "polling"}))
    assert main(["stop", ID, "--yes", *options]) == 0
    assert api.calls[-1] == ("POST", f"/batches/{ID}/stop", {"keepJobs": True} if options else {})
    output = capsys.readouterr().out
    assert [line for line in told if line not in output] == []
    assert [line for line in not_told if line in output] == []


@pytest.mark.parametrize("options", [[], ["--json"], ["--keep-jobs"]])
def test_stop_requires_confirmation(api: FakeBatchApi, options: list[str]) -> None:
    api.answer(f"GET /batches/{ID}", (200, under_way(2100, 2000, 2)))
    assert main(["stop", ID, *options]) == 2
    assert [method for method, *_ in api.calls] == ["GET"]


def test_stop_with_json_prints_nothing_but_json(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answer(f"GET /batches/{ID}", (200, under_way(2100, 2000, 2)))
    api.answer(f"POST /batches/{ID}/stop", (200, {"batchId": ID, "status": "polling"}))
    assert main(["stop", ID, "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"batchId": ID, "status": "polling"}


def test_resolve_sends_the_lines(api: FakeBatchApi) -> None:
    api.answer(f"POST /batches/{ID}/resolve", (200, {"batchId": ID, "status": "needs_attention", "rows": 2}))
    assert main(["resolve", ID, "not-applied", "--line", "2", "--line", "9", "--note", "looked"]) == 0
    assert api.calls[-1][2] == {"outcome": "not_applied", "lines": [2, 9], "note": "looked"}


def test_resolve_of_all_rows_requires_confirmation(api: FakeBatchApi) -> None:
    api.answer(f"GET /batches/{ID}", (200, batch("needs_attention", counts={"inDoubt": 2})))
    assert main(["resolve", ID, "applied", "--note", "looked"]) == 2
    assert [method for method, *_ in api.calls] == ["GET"]


def test_reverse_downloads_the_file_and_submits_nothing(
    api: FakeBatchApi, stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {"key": f"results/{ID}/reversal.csv", "rows": 3, "total": -30, "url": link_of(api, "reversal.csv")}
    api.answer(f"POST /batches/{ID}/reversal", (200, made))
    api.answer(f"GET /bucket/results/{ID}/reversal.csv", (200, b"customerId,amount\na,-1\n"))
    assert main(["reverse", ID]) == 0
    assert (tmp_path / f"reversal-{ID}.csv").read_bytes() == b"customerId,amount\na,-1\n"
    assert stack.s3.puts == []
    assert "nothing was sent yet" in capsys.readouterr().out


TRANSACT = ["transact", "--customer", "C1", "--reason", "goodwill", "--username", "ada"]


def test_transact_sends_the_documented_fields(api: FakeBatchApi) -> None:
    api.answer("POST /transactions/manual", (200, {"gameballTransactionId": 5}))
    assert main([*TRANSACT, "--points", "-20", "--id", "t-1"]) == 0
    expected = {
        "customerId": "C1",
        "transactionId": "t-1",
        "username": "ada",
        "reason": "goodwill",
        "points": -20,
    }
    assert api.calls[-1][2] == expected


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        ("arn:aws:sts::111122223333:assumed-role/Operations/ada@shop.example", "ada@shop.example"),
        ("arn:aws:iam::111122223333:user/desk/ada", "ada"),
        ("arn:aws:iam::111122223333:root", "root"),
    ],
)
def test_transact_names_its_caller_where_no_other_name_is_given(
    api: FakeBatchApi, stack: FakeStack, identity: str, name: str
) -> None:
    stack.caller_identity = identity
    api.answer("POST /transactions/manual", (200, {}))
    assert main([word for word in TRANSACT if word not in ("--username", "ada")] + ["--points", "5"]) == 0
    assert api.calls[-1][2]["username"] == name


def test_transact_needs_a_name_where_aws_tells_none(
    api: FakeBatchApi, stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.caller_identity = ""
    assert main([word for word in TRANSACT if word not in ("--username", "ada")] + ["--points", "5"]) == 2
    assert "--username" in capsys.readouterr().err
    assert api.calls == []


def test_transact_keeps_the_digits_of_an_amount(api: FakeBatchApi) -> None:
    api.answer("POST /transactions/manual", (200, {}))
    assert main([*TRANSACT, "--amount", "12.10", "--expiry-days", "90"]) == 0
    assert (api.calls[-1][2]["amount"], api.calls[-1][2]["expiryAfter"]) == (12.1, 90)


def test_transact_without_an_answer_prints_how_to_repeat_it(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answer("POST /transactions/manual", (504, {"error": 504, "message": "no answer in time"}))
    assert main([*TRANSACT, "--points", "5"]) == 4
    sent = api.calls[-1][2]["transactionId"]
    assert f"--id {sent}" in capsys.readouterr().err
    assert len(api.calls) == 1


def test_dry_run_of_a_transaction_shows_what_would_be_sent_and_sends_nothing(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TRANSACT, "--amount", "12.10", "--id", "t-1", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "dryRun": True,
        "wouldSend": {
            "customerId": "C1",
            "transactionId": "t-1",
            "username": "ada",
            "reason": "goodwill",
            "amount": 12.1,
        },
    }
    assert main([*TRANSACT, "--points", "5", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "nothing was sent" in told
    assert "not checked: whether the customer exists" in told
    assert api.calls == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--points", "1001"], "points: is larger than MaxManualAmount (1000)"),
        (["--points", "0"], "points: must not be 0"),
        (["--points", "-5", "--expiry-days", "3"], "Deduction cannot have expiry"),
        (["--points", "5", "--id", "a\u202eb"], "transactionId: "),
        (["--amount", "0.0000001"], "amount: must have at most 6 decimals"),
    ],
)
def test_dry_run_of_a_transaction_refuses_what_the_api_refuses(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], options: list[str], problem: str
) -> None:
    assert main([*TRANSACT, *options, "--dry-run"]) == 3
    said = capsys.readouterr().err
    assert problem in said
    assert "nothing was sent" in said
    assert api.calls == []


@pytest.mark.parametrize(
    "wrong",
    [
        TRANSACT,
        [*TRANSACT, "--points", "1", "--amount", "1"],
        [*TRANSACT, "--amount", "NaN"],
        [*TRANSACT, "--points", "many"],
        ["list", "--status", "nonsense"],
        ["resolve", ID, "perhaps", "--note", "x"],
        ["unknown"],
    ],
)
def test_usage_error_exits_with_2_before_any_call(api: FakeBatchApi, wrong: list[str]) -> None:
    assert main(wrong) == 2
    assert api.calls == []


@pytest.mark.parametrize(
    ("status", "code", "tries"), [(404, 3, 1), (400, 3, 1), (403, 4, 1), (500, 4, 4), (429, 4, 4)]
)
def test_read_is_repeated_where_the_service_failed(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], status: int, code: int, tries: int
) -> None:
    api.answer(f"GET /batches/{ID}", (status, {"message": "no"}))
    assert main(["show", ID]) == code
    assert len(api.calls) == tries
    assert "Traceback" not in capsys.readouterr().err


def test_unreachable_api_is_reported_without_a_stack_trace(
    stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.api_url = "http://127.0.0.1:9"
    assert main(["show", ID]) == 4
    assert capsys.readouterr().err.startswith("adjust: the API can't be reached")


@pytest.mark.parametrize(
    "command",
    [
        "submit",
        "watch",
        "list",
        "show",
        "results",
        "approve",
        "stop",
        "resolve",
        "reverse",
        "transact",
        "customer",
    ],
)
def test_help_of_every_command_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    told = capsys.readouterr().out
    assert "Examples:" in told
    assert f"adjust {command} " in told


def test_help_lists_exit_codes_and_commands_in_the_order_of_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert "Exit codes:" in told
    listed = [line.split()[0] for line in told.split("Commands:\n")[1].split("\n\n")[0].splitlines()]
    assert listed == [
        "submit", "watch", "list", "show", "results", "approve", "stop", "resolve", "reverse", "transact",
        "customer", "doctor", "console",
    ]  # fmt: skip
    assert not [line for line in told.splitlines() if line.startswith("  ") and "..." in line]


# --- one customer ----------------------------------------------------------------------------------------


def history_row(**values: Any) -> dict[str, Any]:
    return {
        "kind": "batch",
        "time": "2026-11-22T10:15:00.000Z",
        "amount": 5,
        "unit": "points",
        "reason": "gift",
        "outcome": "applied",
        "message": "",
        "batchId": ID,
        "file": "inbox/spring.csv",
        "line": 7,
        "jobId": 1,
        "transactionId": None,
        "gameballTransactionId": None,
        "by": "ada",
        "approvedBy": None,
        **values,
    }


def history_page(*rows: dict[str, Any], after: str | None = None, **more: Any) -> dict[str, Any]:
    searched = {"batches": 3, "withoutIndex": 0, "since": "2025-10-25T00:00:00.000Z"}
    return {"customerId": "c", "rows": list(rows), "next": after, "searched": searched, **more}


def test_customer_shows_all_pages_and_how_far_they_go(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answer("GET /customers/a%2Fb/adjustments", (200, history_page(history_row(), after="x~y")))
    manual = history_row(batchId=None, line=None, transactionId="t1", amount=-3, outcome="in_doubt")
    api.answer("GET /customers/a%2Fb/adjustments?after=x~y", (200, history_page(manual)))
    assert main(["customer", "a/b"]) == 0
    told = capsys.readouterr().out
    assert ID in told and "+5" in told and "7" in told
    assert "t1" in told and "-3" in told and "in doubt" in told
    assert "2 rows, in 6 batches since 2025-10-25" in told


def test_customer_with_live_shows_what_was_made_elsewhere(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {
        "customerId": "c",
        "direction": "+",
        "points": 5,
        "amount": 5,
        "reason": "gift",
        "transactionTime": "2026-11-22T10:16:00",
        "pointsBalanceAfter": 105,
    }
    live = {
        "balance": {"availablePointsBalance": 98.5},
        "transactions": [entry, {**entry, "direction": "-", "points": 6, "amount": 6}],
        "isWhole": True,
    }
    call = "GET /customers/c/adjustments?live=true"
    api.answer(call, (200, history_page(history_row(), gameball=live)))
    assert main(["customer", "c", "--live"]) == 0
    told = capsys.readouterr().out
    assert "Gameball's balance: 98.5 available" in told
    [made, other] = [line for line in told.splitlines() if " 105" in line]
    assert f"{ID}, line 7" in made
    assert "not made here" in other and "-6" in other
    assert main(["customer", "c", "--live", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["gameball"]["transactions"]
    assert [one["match"] for one in listed] == [{"batchId": ID, "line": 7}, None]


def test_customer_says_what_gameball_says_instead_of_a_balance(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
) -> None:
    page = history_page(gameball={"error": "Customer not found"})
    api.answer("GET /customers/c/adjustments?live=true", (200, page))
    assert main(["customer", "c", "--live"]) == 0
    told = capsys.readouterr()
    assert "0 rows, in 3 batches" in told.out
    assert "Gameball: Customer not found" in told.err
