"""The pages of `adjust console`, called as a browser calls them."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from typing import Any

import click
import pytest
from botocore.exceptions import ReadTimeoutError
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from cli import api_client
from cli.console.access import Access
from cli.console.app import make_app
from cli.console.pages import STATIC
from cli.file_upload import SEND_AS
from cli.submission_commands import submit
from tests.fakes.batch_api import FakeBatchApi, FakeStack, serving
from tests.unit.cli.test_commands import ID, NO_PREDICTION, batch, history_page, history_row

PORT = 8765
ORIGIN = f"http://127.0.0.1:{PORT}"
HOSTILE = '"><script>alert(1)</script>\u202e\x07'


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBatchApi]:
    monkeypatch.setattr(api_client, "RETRY", api_client.RETRY.new(backoff_factor=0, backoff_jitter=0))
    with serving() as fake:
        yield fake


@pytest.fixture
def stack(api: FakeBatchApi) -> FakeStack:
    return FakeStack(api.url)


@pytest.fixture
def access() -> Access:
    return Access(PORT)


@pytest.fixture
def stranger(stack: FakeStack, access: Access) -> TestClient:
    """A browser that has not opened the address."""
    return TestClient(make_app(stack, access), ORIGIN, follow_redirects=False)  # type: ignore[arg-type]


@pytest.fixture
def browser(stranger: TestClient, access: Access) -> TestClient:
    """The operator's browser, which has."""
    assert stranger.get(access.address).status_code == 200
    stranger.headers["origin"] = ORIGIN
    return stranger


def test_page_opens_with_the_token_only(stranger: TestClient, access: Access):
    for path in ("/", "/?token=", "/?token=wrong", "/static/console.css", f"/batches/{ID}"):
        refused = stranger.get(path)
        assert refused.status_code == 403
        assert "adjust console" in refused.text
    opened = stranger.get(access.address)
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly; SameSite=Strict; Path=/" in cookie
    assert access.address.partition("token=")[2] not in cookie
    assert stranger.get("/static/console.css").status_code == 200


def test_another_name_for_this_machine_is_refused(browser: TestClient, access: Access):
    for host in ("evil.example", f"evil.example:{PORT}", "127.0.0.1:1", "127.0.0.1", ""):
        assert browser.get("/static/console.css", headers={"host": host}).status_code == 421
    assert browser.get("/static/console.css", headers={"host": f"localhost:{PORT}"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", f"https://127.0.0.1:{PORT}", "", None])
def test_posts_of_other_pages_are_refused(
    browser: TestClient, api: FakeBatchApi, stack: FakeStack, origin: str | None
):
    del browser.headers["origin"]
    headers = {} if origin is None else {"origin": origin}
    for path in (f"/batches/{ID}/approve", f"/batches/{ID}/stop", "/dry-runs"):
        refused = browser.post(path, data={"shown": "{}"}, headers=headers)
        assert refused.status_code == 403
    assert api.calls == []
    assert stack.s3.puts == []


def test_every_answer_forbids_scripts_and_styles_from_elsewhere(browser: TestClient, api: FakeBatchApi):
    api.answer(f"GET /batches/{ID}", (200, batch()))
    for path in (f"/batches/{ID}", "/nothing", "/static/console.js"):
        headers = browser.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_list_shows_batches_and_the_progress_of_those_that_move(browser: TestClient, api: FakeBatchApi):
    moving = batch("polling", counts={"rows": 200, "applied": 0}, progress={"settledRows": 50, "jobs": {}})
    listed = {name: value for name, value in moving.items() if name != "progress"}
    api.answer("GET /batches?limit=20", (200, {"batches": [listed], "next": "more"}))
    api.answer(f"GET /batches/{ID}", (200, moving))
    shown = browser.get("/").text
    assert "spring.csv" in shown
    assert '<progress max="100" value="25"' in shown
    assert "50 of 200 rows" in shown
    assert 'hx-trigger="every 2s"' in shown
    assert 'href="/?status=&amp;after=more"' in shown


def test_list_of_ended_batches_looks_for_new_ones_less_often(browser: TestClient, api: FakeBatchApi):
    dry = batch("validated", dryRun=True, prediction={**NO_PREDICTION, "wouldApply": 2, "unknownCustomer": 1})
    api.answer("GET /batches?limit=20&status=validated", (200, {"batches": [dry], "next": None}))
    shown = browser.get("/?status=validated").text
    assert 'hx-trigger="every 10s"' in shown
    assert "would be applied" in shown
    assert "unknown to Gameball" in shown


def test_a_status_that_is_none_lists_all(browser: TestClient, api: FakeBatchApi):
    api.answer("GET /batches?limit=20", (200, {"batches": [], "next": None}))
    assert "There is no batch yet" in browser.get("/?status=nonsense").text


def test_a_part_of_a_page_comes_without_the_rest(browser: TestClient, api: FakeBatchApi):
    api.answer(f"GET /batches/{ID}", (200, batch("polling")))
    part = browser.get(f"/batches/{ID}", headers={"hx-request": "true"}).text
    assert part.strip().startswith('<div id="batch"')
    assert 'hx-trigger="every 2s"' in part
    assert "<html" not in part


def test_an_ended_batch_is_not_asked_for_again(browser: TestClient, api: FakeBatchApi):
    api.answer(f"GET /batches/{ID}", (200, batch(links={"results.csv": "x"})))
    part = browser.get(f"/batches/{ID}", headers={"hx-request": "true"}).text
    assert 'hx-trigger="every' not in part
    assert 'hx-trigger="load"' in part


def test_values_from_files_are_escaped_and_invisible_characters_named(browser: TestClient, api: FakeBatchApi):
    source = {"bucket": "b", "key": f"inbox/{HOSTILE}.csv", "versionId": "v7", "sha256": "ab"}
    hostile = batch("awaiting_approval", source=source, message=HOSTILE, heldBy=[HOSTILE], notes=[HOSTILE])
    api.answer(f"GET /batches/{ID}", (200, hostile))
    api.answer("GET /batches?limit=20", (200, {"batches": [hostile], "next": None}))
    for path in ("/", f"/batches/{ID}", f"/batches/{ID}/approve", f"/batches/{ID}/stop"):
        shown = browser.get(path).text
        assert "<script>alert" not in shown
        assert "\u202e" not in shown
        assert "\x07" not in shown
        assert "&lt;U+202E&gt;&lt;U+0007&gt;" in shown


def test_a_dropped_file_becomes_a_dry_run(browser: TestClient, api: FakeBatchApi, stack: FakeStack):
    fields = {"columns": "customerId=Número", "encoding": "utf-8", "ignore-columns": ""}
    sent = browser.post("/dry-runs", data=fields, files={"file": ("spring.csv", b"a,1\n", "text/csv")})
    assert sent.status_code == 303
    assert sent.headers["location"].endswith("?done=dry-run")
    [put] = stack.s3.puts
    assert (put["Key"], put["Body"]) == ("inbox/spring.csv", b"a,1\n")
    options = {"dry-run": "true", "columns": "customerId=N%C3%BAmero", "encoding": "utf-8"}
    assert put["Metadata"] == {**options, "submitted-by": stack.caller_identity}


def test_a_dropped_file_may_say_how_it_is_sent(browser: TestClient, stack: FakeStack):
    said = {"send-as": "transactions", "reason": "Spring", "username": "Zoë"}
    sent = browser.post("/dry-runs", data=said, files={"file": ("spring.csv", b"a,1\n", "text/csv")})
    assert sent.status_code == 303
    [put] = stack.s3.puts
    encoded = {**said, "username": "Zo%C3%AB", "dry-run": "true"}
    assert put["Metadata"] == {**encoded, "submitted-by": stack.caller_identity}


def test_a_way_to_send_that_does_not_exist_is_refused(browser: TestClient, stack: FakeStack):
    fields, file = {"send-as": "pigeon"}, {"file": ("spring.csv", b"a,1\n", "text/csv")}
    refused = browser.post("/dry-runs", data=fields, files=file)
    assert (refused.status_code, stack.s3.puts) == (400, [])
    assert "use one of auto, batch, transactions" in refused.text


def test_the_fields_of_how_a_file_is_sent_say_what_the_command_says(browser: TestClient, api: FakeBatchApi):
    api.answer("GET /batches?limit=20", (200, {"batches": [], "next": None}))
    shown = browser.get("/").text
    options = {option.name: option for option in submit.params if isinstance(option, click.Option)}
    choices = shown.partition('id="send-as"')[2].partition("</select>")[0]
    assert re.findall(r'<option value="(\w+)">', choices) == [*SEND_AS]
    for name in ("send_as", "reason", "username"):
        assert f'name="{name.replace("_", "-")}"' in shown
        assert str(options[name].help) in unescape(shown)


@pytest.mark.parametrize(
    "name", ["../spring.csv", "/etc/x.csv", "a\\b.csv", "spring.xlsx", ".csv/..", "x" * 300 + ".csv"]
)
def test_a_file_name_with_a_path_or_another_type_is_refused(browser: TestClient, stack: FakeStack, name: str):
    refused = browser.post("/dry-runs", files={"file": (name, b"a,1\n", "text/csv")})
    assert refused.status_code == 400
    assert stack.s3.puts == []


def test_a_form_without_a_file_says_so(browser: TestClient):
    refused = browser.post("/dry-runs", files={"file": ("", b"", "text/csv")})
    assert refused.status_code == 400
    assert "no file was chosen" in refused.text


def test_uploads_and_forms_are_bounded(
    browser: TestClient, api: FakeBatchApi, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
):
    def blocks() -> Iterator[bytes]:
        yield from [b"x" * (1 << 20)] * 3

    declared = browser.post(f"/batches/{ID}/stop", content=b"x" * (2 << 20))
    streamed = browser.post(
        f"/batches/{ID}/stop",
        content=blocks(),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert (declared.status_code, streamed.status_code) == (413, 413)
    monkeypatch.setattr("cli.console.forms.UPLOAD_BYTES_MAX", 1 << 10)
    upload = browser.post("/dry-runs", files={"file": ("spring.csv", b"x" * (3 << 20), "text/csv")})
    assert upload.status_code == 413
    assert (api.calls, stack.s3.puts) == ([], [])


def test_a_batch_that_is_not_there_yet_is_waited_for(browser: TestClient, api: FakeBatchApi):
    recent = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-spring-0123456789ab"
    waiting = browser.get(f"/batches/{recent}?done=dry-run")
    assert (waiting.status_code, "Waiting for the batch" in waiting.text) == (200, True)
    assert "a dry run, which sends nothing" in waiting.text
    assert browser.get(f"/batches/{ID}").status_code == 404


def dry_run(**values: Any) -> dict[str, Any]:
    return batch("validated", dryRun=True, prediction={**NO_PREDICTION, "wouldApply": 3}, **values)


def form_of(page: str) -> str:
    return page.partition('name="form" value="')[2].partition('"')[0]


def test_the_very_file_of_a_dry_run_is_applied_once_however_often_the_form_is_sent(
    browser: TestClient, api: FakeBatchApi, stack: FakeStack
):
    api.answer(f"GET /batches/{ID}", (200, dry_run()))
    stack.s3.stored["inbox/spring.csv", "v7"] = (
        b"Kunde,amount\na,1\n",
        {"dry-run": "true", "columns": "customerId=Kunde", "submitted-by": "arn:bob"},
    )
    asked = browser.get(f"/batches/{ID}/apply")
    assert "+30 requested" in asked.text
    fields = {"form": form_of(asked.text), "version": "v7", "allow-duplicate": "yes"}
    first, again = (browser.post(f"/batches/{ID}/apply", data=fields) for _ in range(2))
    assert (first.status_code, again.headers["location"]) == (303, first.headers["location"])
    [put] = stack.s3.puts
    assert (put["Key"], put["Body"]) == ("inbox/spring.csv", b"Kunde,amount\na,1\n")
    assert put["Metadata"] == {
        "columns": "customerId=Kunde",
        "allow-duplicate": "true",
        "submitted-by": stack.caller_identity,
    }


def test_rows_are_applied_again_only_where_that_is_said_now(
    browser: TestClient, api: FakeBatchApi, stack: FakeStack
):
    api.answer(f"GET /batches/{ID}", (200, dry_run()))
    stack.s3.stored["inbox/spring.csv", "v7"] = (b"x", {"dry-run": "true", "allow-duplicate": "true"})
    fields = {"form": form_of(browser.get(f"/batches/{ID}/apply").text), "version": "v7"}
    assert browser.post(f"/batches/{ID}/apply", data=fields).status_code == 303
    [put] = stack.s3.puts
    assert put["Metadata"] == {"submitted-by": stack.caller_identity}


def test_an_application_that_broke_off_is_not_repeated_unasked(
    browser: TestClient, api: FakeBatchApi, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
):
    api.answer(f"GET /batches/{ID}", (200, dry_run()))
    stack.s3.stored["inbox/spring.csv", "v7"] = (b"x", {})
    fields = {"form": form_of(browser.get(f"/batches/{ID}/apply").text), "version": "v7"}

    def break_off(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="s3")

    with monkeypatch.context() as patch:
        patch.setattr(stack.s3, "head_object", break_off)
        broken = browser.post(f"/batches/{ID}/apply", data=fields)
    assert (broken.status_code, "may have been done" in broken.text) == (502, True)
    again = browser.post(f"/batches/{ID}/apply", data=fields)
    assert (again.status_code, "broke off" in again.text) == (409, True)
    assert len(stack.s3.puts) == 1


@pytest.mark.parametrize(
    "fields", [{}, {"form": "made-up", "version": "v7"}, {"form": "made-up", "version": "v6"}]
)
def test_a_form_that_was_not_made_here_applies_nothing(
    browser: TestClient, api: FakeBatchApi, stack: FakeStack, fields: dict[str, str]
):
    api.answer(f"GET /batches/{ID}", (200, dry_run()))
    assert browser.post(f"/batches/{ID}/apply", data=fields).status_code in (400, 409)
    assert stack.s3.puts == []


@pytest.mark.parametrize("found", [batch(), batch("rejected", dryRun=True), batch("polling", dryRun=True)])
def test_only_a_dry_run_that_ended_well_can_be_applied(
    browser: TestClient, api: FakeBatchApi, found: dict[str, Any]
):
    api.answer(f"GET /batches/{ID}", (200, found))
    assert "/apply" not in browser.get(f"/batches/{ID}").text
    assert browser.get(f"/batches/{ID}/apply").status_code == 409


def test_approval_names_what_was_shown(browser: TestClient, api: FakeBatchApi):
    totals = {"requested": 12345678901234.1, "applied": 0}
    held = batch("awaiting_approval", heldBy=["more than 10 rows"], totals=totals)
    api.answer(f"GET /batches/{ID}", (200, held))
    api.answer(f"POST /batches/{ID}/approve", (200, {"batchId": ID, "status": "submitting"}))
    asked = browser.get(f"/batches/{ID}/approve").text
    assert "more than 10 rows" in asked
    shown = unescape(asked.partition('name="shown" value="')[2].partition('"')[0])
    done = browser.post(f"/batches/{ID}/approve", data={"shown": shown})
    assert done.headers["location"] == f"/batches/{ID}?done=approved"
    named = {"sha256": "ab" * 32, "rows": 3, "requested": 12345678901234.1}
    assert api.calls[-1] == ("POST", f"/batches/{ID}/approve", named)


@pytest.mark.parametrize(("submitter", "is_own"), [("", True), ("arn:ben", False)])
def test_who_submitted_a_batch_learns_that_another_person_approves(
    browser: TestClient, api: FakeBatchApi, stack: FakeStack, submitter: str, is_own: bool
):
    claimed = {"trigger": "drop", "claimedIdentity": submitter or stack.caller_identity}
    api.answer(f"GET /batches/{ID}", (200, batch("awaiting_approval", submittedBy=claimed)))
    asked = browser.get(f"/batches/{ID}/approve").text
    assert ("Another person has to approve it" in asked) == is_own


@pytest.mark.parametrize("shown", ["", "{}", "[1]", "nonsense"])
def test_approval_of_nothing_is_refused(browser: TestClient, api: FakeBatchApi, shown: str):
    assert browser.post(f"/batches/{ID}/approve", data={"shown": shown}).status_code == 400
    assert api.calls == []


def test_a_refusal_of_the_api_is_shown(browser: TestClient, api: FakeBatchApi):
    api.answer(f"POST /batches/{ID}/approve", (409, {"error": 409, "message": "it has changed <since>"}))
    refused = browser.post(f"/batches/{ID}/approve", data={"shown": '{"rows":3}'})
    assert refused.status_code == 409
    assert "it has changed &lt;since&gt;" in refused.text


def test_an_answer_that_was_lost_is_said_to_be_unknown(browser: TestClient, api: FakeBatchApi):
    api.answer(f"POST /batches/{ID}/stop", (500, {"error": 500, "message": "internal error"}))
    lost = browser.post(f"/batches/{ID}/stop", data={})
    assert (lost.status_code, "may have been done" in lost.text) == (502, True)
    assert [call for call in api.calls if call[0] == "POST"] == [("POST", f"/batches/{ID}/stop", {})]


def test_stop_says_what_it_costs_and_stops_as_chosen(browser: TestClient, api: FakeBatchApi):
    progress = {
        "acceptedRows": 3000,
        "sentRows": 2000,
        "runningRows": 1000,
        "settledRows": 1000,
        "jobs": {"total": 3, "settled": 1, "running": 1},
    }
    api.answer(f"GET /batches/{ID}", (200, batch("polling", counts={"rows": 3000}, progress=progress)))
    api.answer(f"POST /batches/{ID}/stop", (200, {"batchId": ID, "status": "polling"}))
    asked = browser.get(f"/batches/{ID}/stop").text
    assert "sent: 2,000 of 3,000 rows" in asked
    assert "these jobs finish" in asked
    browser.post(f"/batches/{ID}/stop", data={"note": " wrong month ", "keep-jobs": "yes"})
    assert api.calls[-1] == ("POST", f"/batches/{ID}/stop", {"note": "wrong month", "keepJobs": True})


def test_resolve_records_some_lines_at_once(browser: TestClient, api: FakeBatchApi):
    api.answer(f"POST /batches/{ID}/resolve", (200, {"batchId": ID, "status": "completed", "rows": 2}))
    fields = {"outcome": "applied", "note": "in the list", "lines": "12, 40"}
    assert browser.post(f"/batches/{ID}/resolve", data=fields).status_code == 303
    body = {"outcome": "applied", "note": "in the list", "lines": [12, 40]}
    assert api.calls == [("POST", f"/batches/{ID}/resolve", body)]


def test_resolve_of_all_rows_asks_once_more(browser: TestClient, api: FakeBatchApi):
    api.answer(f"GET /batches/{ID}", (200, batch("needs_attention", counts={"applied": 1, "inDoubt": 2})))
    api.answer(f"POST /batches/{ID}/resolve", (200, {"batchId": ID, "status": "completed", "rows": 2}))
    fields = {"outcome": "not_applied", "note": "not in the list"}
    for all_rows in ("", "3"):  # not asked yet; asked about another number of rows
        asked = browser.post(f"/batches/{ID}/resolve", data={**fields, "all-rows": all_rows})
        assert "Record all 2 rows in doubt as not applied?" in asked.text
    assert [call[0] for call in api.calls] == ["GET", "GET"]
    assert browser.post(f"/batches/{ID}/resolve", data={**fields, "all-rows": "2"}).status_code == 303
    assert api.calls[-1] == ("POST", f"/batches/{ID}/resolve", fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": "applied", "note": ""},
        {"outcome": "maybe", "note": "x"},
        {"outcome": "applied", "note": "x", "lines": "12, all"},
        {"outcome": "applied", "note": "x", "lines": "1"},
    ],
)
def test_resolve_without_evidence_or_with_odd_lines_is_refused(
    browser: TestClient, api: FakeBatchApi, fields: dict[str, str]
):
    assert browser.post(f"/batches/{ID}/resolve", data=fields).status_code == 400
    assert api.calls == []


def test_reversal_is_created_downloaded_and_checked(browser: TestClient, api: FakeBatchApi, stack: FakeStack):
    api.answer(f"GET /batches/{ID}", (200, batch()))
    made = {"batchId": ID, "key": "k", "rows": 3, "total": -30, "url": api.link(ID, "reversal.csv")}
    api.answer(f"POST /batches/{ID}/reversal", (200, made))
    api.answer(f"GET /bucket/results/{ID}/reversal.csv", (200, b"customerId,amount\na,-1\n"))
    assert "3 rows" in browser.get(f"/batches/{ID}/reverse").text
    assert browser.post(f"/batches/{ID}/reverse/dry-run").status_code == 409
    created = browser.post(f"/batches/{ID}/reverse").text
    assert "3 rows, -30 points" in created
    file = browser.get(f"/batches/{ID}/files/reversal-{ID}.csv")
    assert file.text == "customerId,amount\na,-1\n"
    assert browser.post(f"/batches/{ID}/reverse/dry-run").status_code == 303
    [put] = stack.s3.puts
    assert (put["Key"], put["Body"]) == (f"inbox/reversal-{ID}.csv", b"customerId,amount\na,-1\n")
    assert put["Metadata"] == {"dry-run": "true", "submitted-by": stack.caller_identity}


@pytest.mark.parametrize(
    ("found", "actions"),
    [
        (batch("planned"), ["stop"]),
        (batch("awaiting_approval"), ["approve", "stop"]),
        (batch("polling", dryRun=True), []),
        (batch("completed"), ["reverse"]),
        (batch("completed", reversedBy="other"), []),
        (batch("needs_attention", counts={"applied": 0, "inDoubt": 3}), ["resolve"]),
        (batch("rejected", counts={"applied": 0}), []),
        (dry_run(counts={"applied": 0}), ["apply"]),
    ],
)
def test_a_batch_offers_what_can_be_decided_about_it(
    browser: TestClient, api: FakeBatchApi, found: dict[str, Any], actions: list[str]
):
    api.answer(f"GET /batches/{ID}", (200, found))
    shown = browser.get(f"/batches/{ID}").text
    offered = [part.partition('"')[0] for part in shown.split('id="action-')[1:]]
    assert offered == actions
    for action in {"approve", "stop", "resolve", "reverse"} - set(actions):
        assert browser.get(f"/batches/{ID}/{action}").status_code == 409


def test_result_files_come_through_the_console(browser: TestClient, api: FakeBatchApi):
    links = {name: api.link(ID, name) for name in ("report.html", "results.csv")}
    api.answer(f"GET /batches/{ID}", (200, batch(links=links)))
    api.answer(f"GET /bucket/results/{ID}/report.html", (200, b"<p>report</p>"))
    api.answer(f"GET /bucket/results/{ID}/results.csv", (200, b"line\n2\n"))
    report = browser.get(f"/batches/{ID}/files/report.html")
    assert report.text == "<p>report</p>"
    assert report.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'unsafe-inline'"
    )
    assert "script-src" not in report.headers["content-security-policy"]
    results = browser.get(f"/batches/{ID}/files/results.csv")
    assert results.content == b"line\n2\n"
    assert results.headers["content-disposition"] == 'attachment; filename="results.csv"'
    for name in ("secret.txt", "..%2Fresults.csv", "fix-me.csv"):
        assert browser.get(f"/batches/{ID}/files/{name}").status_code == 404


def test_a_file_that_can_not_be_downloaded_is_a_page(browser: TestClient, api: FakeBatchApi):
    api.answer(f"GET /batches/{ID}", (200, batch(links={"results.csv": api.link(ID, "results.csv")})))
    lost = browser.get(f"/batches/{ID}/files/results.csv")
    assert (lost.status_code, "S3 answered 404" in lost.text) == (502, True)


@pytest.mark.parametrize("path", ["/batches/..%2Fx", "/batches/a b", "/batches/<b>", "/nothing"])
def test_odd_addresses_are_not_found(browser: TestClient, api: FakeBatchApi, path: str):
    assert browser.get(path).status_code == 404
    assert api.calls == []


def test_troubles_of_a_part_come_as_one_line(browser: TestClient, api: FakeBatchApi):
    api.answer(f"GET /batches/{ID}", (403, {"Message": "explicit deny"}))
    trouble = browser.get(f"/batches/{ID}", headers={"hx-request": "true"})
    assert (trouble.status_code, trouble.headers["content-type"]) == (403, "text/plain; charset=utf-8")
    assert "not allowed" in trouble.text


def test_htmx_is_the_file_that_was_published():
    readme = (STATIC / "README.md").read_text()
    for name in [path.name for path in STATIC.glob("htmx-*.js")]:
        row = next(line for line in readme.splitlines() if f"`{name}`" in line)
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() in row
        assert f"/static/{name}" in (STATIC.parent / "templates/base.html").read_text()
    assert len(list(STATIC.glob("htmx-*.js"))) == 1


def test_a_connection_that_is_no_http_gets_nowhere(stranger: TestClient):
    with pytest.raises(WebSocketDisconnect), stranger.websocket_connect("/"):
        pass


# --- one customer ----------------------------------------------------------------------------------------


def test_customer_page_asks_for_an_id_and_calls_nothing_before(browser: TestClient, api: FakeBatchApi):
    for path in ("/customers", "/customers?id=", "/customers?id=%20&live=yes"):
        shown = browser.get(path)
        assert shown.status_code == 200
        assert 'name="id"' in shown.text
    assert api.calls == []


def test_customer_page_shows_rows_with_links_to_their_batches(browser: TestClient, api: FakeBatchApi):
    manual = history_row(batchId=None, line=None, transactionId="t1", amount=-3, outcome="in_doubt")
    first = history_page(history_row(approvedBy="bob"), manual, after="x~y")
    api.answer("GET /customers/a%2Fb%3Fc/adjustments", (200, first))
    api.answer("GET /customers/a%2Fb%3Fc/adjustments?after=x~y", (200, history_page()))
    shown = browser.get("/customers", params={"id": "a/b?c"}).text
    assert f'href="/batches/{ID}"' in shown
    assert "+5" in shown and "ada; approved by bob" in shown
    assert "-3" in shown and "in doubt" in shown and "t1" in shown
    assert "2 rows, in 3 batches since 2025-10-25" in shown
    [older] = re.findall(r'href="([^"]+)">Older<', shown)
    assert "Nothing more in these batches" in browser.get(unescape(older)).text


def test_customer_page_shows_what_gameball_has_and_what_was_made_here(browser: TestClient, api: FakeBatchApi):
    entry = {"customerId": "c", "direction": "+", "points": 5, "amount": 5, "reason": "gift",
             "transactionTime": "2026-11-22T10:16:00", "pointsBalanceAfter": 105}  # fmt: skip
    other = {**entry, "direction": "-", "points": 6, "amount": 6}
    live = {"balance": {"availablePointsBalance": 98.5}, "transactions": [entry, other], "isWhole": False}
    api.answer("GET /customers/c/adjustments?live=true", (200, history_page(history_row(), gameball=live)))
    shown = browser.get("/customers?id=c&live=yes").text
    assert "98.5 available" in shown
    assert f"{ID}, line 7" in shown
    assert shown.count("not in the rows above") == 1
    assert "Gameball&#39;s list goes on" in shown or "Gameball's list goes on" in shown


def test_customer_page_runs_nothing_of_what_rows_say(browser: TestClient, api: FakeBatchApi):
    row = history_row(reason=HOSTILE, message=HOSTILE, by=HOSTILE, transactionId=HOSTILE, batchId=None)
    api.answer("GET /customers/c/adjustments", (200, history_page(row)))
    shown = browser.get("/customers?id=c").text
    assert "<script>alert" not in shown
    assert "\u202e" not in shown and "\x07" not in shown


def test_customer_page_refuses_an_endless_id(browser: TestClient, api: FakeBatchApi):
    assert browser.get("/customers", params={"id": "c" * 201}).status_code == 400
    assert api.calls == []
