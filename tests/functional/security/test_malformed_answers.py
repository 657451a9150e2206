"""Answers of the API that no stack of ours gives: one line and an exit code, and nothing half written."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import api_client
from cli.main import main
from cli.stack import leads_to
from tests.fakes.batch_api import FakeBatchApi
from tests.unit.cli import test_commands
from tests.unit.cli.test_commands import ID, batch, link_of

api = test_commands.api  # the fixtures: the command, its stack, and a folder of its own
stack = test_commands.stack

FOUR = ("results.csv", "fix-me.csv", "summary.json", "report.html")


def offer(api: FakeBatchApi, *names: str, **links: str) -> None:
    """Let the API show a batch with links, behind each of which lies a file."""
    for name in names:
        api.answer(f"GET /bucket/results/{ID}/{name}", (200, f"new {name}".encode()))
    offered = {**{name: link_of(api, name) for name in names}, **links}
    api.answer(f"GET /batches/{ID}", (200, batch(links=offered)))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the command works; it leaves nothing there but what the test has looked for."""
    yield tmp_path
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(".")] == []


def in_folder(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that was told."""
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("adjust: ")
    return line


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"null", b"[]", b"7", b'"x"', b"{", b"<html>sign in</html>", b"\xff\xfe", b'{"a": NaN}',
        b'{"a": 1e999999999}', b'{"a": [1e-999999999]}', b"[" * 100_000, b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
    ],
    ids=range(14),
)  # fmt: skip
def test_what_is_not_json_of_the_api_is_told_in_one_line(
    api: FakeBatchApi, folder: Path, capsys: pytest.CaptureFixture[str], answer: bytes
):
    api.answer(f"GET /batches/{ID}", (200, answer))
    assert main(["results", ID]) == 4
    assert len(told(capsys)) < 300
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batchId", None), ("batchId", "a; rm -rf ~"), ("batchId", "../x"), ("batchId", "a\nb"),
        ("batchId", {}), ("status", None), ("status", 7), ("status", "\x1b[2J"), ("counts", None),
        ("counts", [1]), ("counts", {"rows": "many"}), ("counts", {"rows": {}}),
        ("totals", {"requested": "1; x"}), ("progress", "none"), ("progress", {"jobs": [1]}),
        ("links", ["results.csv"]), ("links", {"results.csv": 7}), ("links", "results.csv"),
        ("notes", "text"), ("notes", [None]), ("resolutions", [{}]), ("resolutions", "x"),
        ("heldBy", {"a": 1}), ("source", "inbox/x.csv"), ("source", {"key": []}), ("message", {"a": 1}),
        ("reconciliation", {"rowsLookedUp": "x"}), ("prediction", {"wouldApply": None}),
        ("dryRun", "perhaps"),
    ],
)  # fmt: skip
def test_answer_of_another_form_is_told_in_one_line(
    api: FakeBatchApi, folder: Path, capsys: pytest.CaptureFixture[str], field: str, value: Any
):
    api.answer(f"GET /batches/{ID}", (200, {**batch(), field: value}))
    assert main(["results", ID]) == 4
    assert field in told(capsys)
    assert list(folder.iterdir()) == []


def test_fields_that_are_missing_are_no_traceback(api: FakeBatchApi, capsys: pytest.CaptureFixture[str]):
    for fields in ({}, {"batchId": ID}, {"status": "completed"}):
        api.answer(f"GET /batches/{ID}", (200, fields))
        for command in ("show", "watch", "approve"):
            assert main([command, ID]) == 4
            assert "Field required" in capsys.readouterr().err
    api.answer(f"GET /batches/{ID}", (200, {"batchId": ID, "status": "completed"}))
    assert main(["show", ID]) == 0


@pytest.mark.parametrize("answer", [{}, {"batches": None}, {"batches": [7]}, {"batches": [{}]}, b"[]"])
def test_list_of_another_form_is_told_in_one_line(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], answer: Any
):
    api.answer("GET /batches?limit=20", (200, answer))
    assert main(["list"]) == 4
    told(capsys)


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", {}, {"batchId": ID}, {"batchId": "$(x)", "status": "polling"}]
)
def test_decision_whose_answer_can_not_be_read_may_have_been_made(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], answer: Any
):
    api.answer(f"GET /batches/{ID}", (200, batch("polling")))
    api.answer(f"POST /batches/{ID}/stop", (200, answer))
    assert main(["stop", ID, "--yes"]) == 4
    assert "It may have taken effect: `adjust show` says so" in capsys.readouterr().err


def test_answer_without_an_end_is_read_up_to_a_limit(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(api_client, "ANSWER_BYTES_MAX", 10_000)
    api.answer(f"GET /batches/{ID}", (200, json.dumps(batch(message="x" * 20_000)).encode()))
    assert main(["show", ID]) == 4
    assert "more than 10,000 bytes" in told(capsys)


def test_message_of_an_error_is_cut(api: FakeBatchApi, capsys: pytest.CaptureFixture[str]):
    api.answer(f"GET /batches/{ID}", (409, {"error": 409, "message": "x\n" * 100_000}))
    assert main(["show", ID]) == 3
    assert len(told(capsys)) < 10_000


@pytest.mark.parametrize("status", [204, 301, 302, 307, 304])
def test_another_status_leads_nowhere(
    api: FakeBatchApi, folder: Path, capsys: pytest.CaptureFixture[str], status: int
):
    api.answer(f"GET /batches/{ID}", (status, b""))
    assert main(["results", ID]) == 4
    told(capsys)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["../evil.csv", "/var/evil.csv", "..", ".", "", ".bashrc", "a/b.csv", "..\\evil.csv", "results.csv\0",
     "results.csv/../../x", "reversal.csv", "RESULTS.CSV", "\x1b[2Jx"],
)  # fmt: skip
def test_only_known_names_are_written(
    api: FakeBatchApi, folder: Path, capsys: pytest.CaptureFixture[str], name: str
):
    offer(api, *FOUR, **{name: link_of(api, "results.csv")})
    assert main(["results", ID]) == 0
    assert in_folder(folder) == {f"{ID}/{known}": f"new {known}" for known in FOUR}
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("left out: ")
    assert line.isprintable()


def test_answer_that_links_to_nothing_known_is_told(api: FakeBatchApi, folder: Path):
    offer(api, **{"evil.csv": link_of(api, "results.csv")})
    assert main(["results", ID]) == 4
    assert list(folder.iterdir()) == []


STRANGE = [
    "http://evil.example/bucket/results/{id}/results.csv", "https://127.0.0.1:{port}/bucket/results/{id}/results.csv",
    "http://127.0.0.1:9/bucket/results/{id}/results.csv", "http://127.0.0.1:{port}/other/results/{id}/results.csv",
    "http://127.0.0.1:{port}/bucket/results/{id}/fix-me.csv", "http://127.0.0.1:{port}/bucket/inbox/secret.csv",
    "http://127.0.0.1:{port}@evil.example/bucket/results/{id}/results.csv",
    "http://evil@127.0.0.1:{port}/bucket/results/{id}/results.csv",
    "http://127.0.0.1:{port}/bucket/x/../results/{id}/results.csv", "file:///etc/passwd", "ftp://127.0.0.1/x",
    "//127.0.0.1/bucket/results/{id}/results.csv", "results.csv", "", "http://[", "http://127.0.0.1:x/", "\n",
    "javascript:alert(1)",
]  # fmt: skip


@pytest.mark.parametrize("link", STRANGE)
def test_link_to_anywhere_else_is_not_followed(
    api: FakeBatchApi, folder: Path, capsys: pytest.CaptureFixture[str], link: str
):
    port = api.url.rsplit(":", 1)[1].split("/")[0]
    offer(api, "fix-me.csv", **{"results.csv": link.format(id=ID, port=port)})
    assert main(["results", ID]) == 4
    assert "does not lead to it in this stack's bucket" in told(capsys)
    assert [path for method, path, _ in api.calls] == [f"/batches/{ID}"]
    assert list(folder.iterdir()) == []


KEY = f"results/{ID}/results.csv"


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        (f"https://b.s3.eu-central-1.amazonaws.com/{KEY}?X-Amz-Signature=x", True),
        (f"https://b.s3.eu-central-1.amazonaws.com:443/{KEY}", True),
        (f"https://b.s3.amazonaws.com/{KEY}", True),
        (f"https://s3.eu-central-1.amazonaws.com/b/{KEY}", True),
        (f"https://b.s3.eu-central-1.amazonaws.com.cn/{KEY}", True),
        (f"https://b.s3.us-east-1.amazonaws.com/{KEY}", False),
        (f"http://b.s3.eu-central-1.amazonaws.com/{KEY}", False),
        (f"https://b.s3.eu-central-1.amazonaws.com:8443/{KEY}", False),
        (f"https://b2.s3.eu-central-1.amazonaws.com/{KEY}", False),
        (f"https://s3.eu-central-1.amazonaws.com/b2/{KEY}", False),
        (f"https://b.s3.eu-central-1.amazonaws.com.evil.example/{KEY}", False),
        (f"https://b.s3.eu-central-1.amazonaws.com@evil.example/{KEY}", False),
        ("https://b.s3.eu-central-1.amazonaws.com/inbox/x.csv", False),
        (f"https://b.s3.eu-central-1.amazonaws.com//{KEY}", False),
        (f"https://evil.example/{KEY}", False),
    ],
)
def test_link_on_aws_leads_to_the_object_in_the_bucket_of_the_stack(url: str, leads: bool):
    assert leads_to(url, KEY, bucket="b", region="eu-central-1", endpoint=None) == leads


@pytest.mark.parametrize(
    ("length", "answer"),
    [("999", (200, b"half of it")), ("", (200, b"no length")), ("-1", (200, b"x")), ("1e3", (200, b"x")),
     ("9" * 30, (200, b"x")), (str(api_client.FILE_BYTES_MAX + 1), (200, b"x")), ("9", (404, b"expired!!")),
     ("0", (302, b"")), ("1", (206, b"x"))],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 3])
def test_file_that_does_not_come_whole_leaves_no_file_of_the_batch(
    api: FakeBatchApi, folder: Path, capsys: pytest.CaptureFixture[str], place: int, length: str, answer: Any
):
    offer(api, *FOUR)
    call = f"GET /bucket/results/{ID}/{FOUR[place]}"
    api.answer(call, answer)
    api.lengths[call] = length
    assert main(["results", ID, "--to", "new/folder"]) == 4
    assert f"{FOUR[place]} can't be downloaded" in told(capsys)
    assert in_folder(folder) == {}
    assert not (folder / "new" / "folder").exists()


def test_file_that_says_it_is_compressed_is_kept_as_it_came(api: FakeBatchApi, folder: Path):
    """A few bytes could unpack to gigabytes; no result is stored compressed."""
    offer(api, "results.csv")
    packed = gzip.compress(b"x" * 1000)
    call = f"GET /bucket/results/{ID}/results.csv"
    api.answer(call, (200, packed))
    api.encodings[call] = "gzip"
    assert main(["results", ID]) == 0
    assert (folder / ID / "results.csv").read_bytes() == packed


def test_answer_that_says_it_is_compressed_is_not_unpacked(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
):
    call = f"GET /batches/{ID}"
    api.answer(call, (200, gzip.compress(json.dumps(batch()).encode())))
    api.encodings[call] = "gzip"
    assert main(["show", ID]) == 4
    assert "not its JSON" in told(capsys)


def test_nothing_that_is_there_is_replaced_unasked(
    api: FakeBatchApi, folder: Path, capsys: pytest.CaptureFixture[str]
):
    offer(api, *FOUR)
    there = folder / ID
    there.mkdir()
    (there / "results.csv").write_text("mine")
    assert main(["results", ID]) == 2
    assert "is not empty: name a new folder with --to, or add --overwrite" in told(capsys)
    assert in_folder(folder) == {f"{ID}/results.csv": "mine"}
    assert main(["results", ID, "--overwrite"]) == 0
    assert in_folder(folder) == {f"{ID}/{name}": f"new {name}" for name in FOUR}


@pytest.mark.parametrize("is_overwritten", [False, True])
def test_failed_download_keeps_what_was_there(api: FakeBatchApi, folder: Path, is_overwritten: bool):
    offer(api, *FOUR)
    there = folder / ID
    there.mkdir()
    before = {}
    if is_overwritten:
        (there / "results.csv").write_text("mine")
        before = {f"{ID}/results.csv": "mine"}
    api.answer(f"GET /bucket/results/{ID}/report.html", (403, b"expired"))
    assert main(["results", ID, *(["--overwrite"] if is_overwritten else [])]) == 4
    assert in_folder(folder) == before


def test_link_in_the_folder_is_replaced_and_not_followed(api: FakeBatchApi, folder: Path):
    offer(api, *FOUR)
    (folder / "precious.txt").write_text("mine")
    (folder / ID).mkdir()
    (folder / ID / "results.csv").symlink_to(folder / "precious.txt")
    assert main(["results", ID, "--overwrite"]) == 0
    assert (folder / "precious.txt").read_text() == "mine"
    assert (folder / ID / "results.csv").read_text() == "new results.csv"


def test_empty_folder_that_is_there_is_filled(api: FakeBatchApi, folder: Path):
    offer(api, *FOUR)
    (folder / "out").mkdir()
    assert main(["results", ID, "--to", "out"]) == 0
    assert set(in_folder(folder)) == {f"out/{name}" for name in FOUR}


def test_new_rows_of_a_held_batch_are_downloaded_too(api: FakeBatchApi, folder: Path):
    offer(api, "new-rows.csv")
    assert main(["results", ID]) == 0
    assert in_folder(folder) == {f"{ID}/new-rows.csv": "new new-rows.csv"}


@pytest.mark.parametrize("url", ["http://evil.example/reversal.csv", "", "file:///etc/passwd"])
def test_reversal_comes_from_the_bucket_only(api: FakeBatchApi, folder: Path, url: str):
    made = {"key": f"results/{ID}/reversal.csv", "rows": 3, "total": -30, "url": url}
    api.answer(f"POST /batches/{ID}/reversal", (200, made))
    assert main(["reverse", ID]) == 4
    assert list(folder.iterdir()) == []


def test_reversal_that_is_there_is_not_replaced_unasked(
    api: FakeBatchApi, folder: Path, capsys: pytest.CaptureFixture[str]
):
    made = {"key": "x", "rows": 3, "total": -30, "url": link_of(api, "reversal.csv")}
    api.answer(f"POST /batches/{ID}/reversal", (200, made))
    api.answer(f"GET /bucket/results/{ID}/reversal.csv", (200, b"new"))
    (folder / f"reversal-{ID}.csv").write_text("mine")
    assert main(["reverse", ID]) == 2
    assert "is there already" in told(capsys)
    assert (in_folder(folder), api.calls) == ({f"reversal-{ID}.csv": "mine"}, [])
    assert main(["reverse", ID, "--overwrite"]) == 0
    assert in_folder(folder) == {f"reversal-{ID}.csv": "new"}
