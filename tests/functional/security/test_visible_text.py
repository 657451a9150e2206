"""What can't be seen in words from outside is named wherever people read them.

One hostile word holds every kind of character that shows nothing and changes what is seen. It comes in as
Gameball's message, a person's note, a user's name and a file's name, and is looked for in all that goes out.
"""

import csv
import io
import json
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from adjustments.administration.service import ApprovalRequest
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchFilter
from adjustments.core import exact_json
from adjustments.core.errors import GameballRefused, OutcomeUnknown
from adjustments.core.printable import visible
from adjustments.gameball.port import Dialect
from adjustments.manual_transactions.event_consumer import DETAIL_TYPE, Message
from adjustments.manual_transactions.ledger import CallerContext
from adjustments.reconciliation.resolution import ResolveRequest
from cli.main import main
from tests.fakes.batch_api import FakeBatchApi
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World
from tests.unit.cli import test_commands
from tests.unit.cli.test_commands import ID, batch, link_of

api = test_commands.api  # the fixtures: the command, its stack, and a folder of its own
stack = test_commands.stack

KINDS = {
    "control": "\0\x07\x08\t\x0b\x0c\x1b\x7f",
    "line end": "\r\n",
    "control beyond ASCII": "\x85\x90\x9b\x9d",
    "line and paragraph separator": "\u2028\u2029",
    "override and embedding": "\u202a\u202b\u202c\u202d\u202e",
    "isolate": "\u2066\u2067\u2068\u2069",
    "mark of direction": "\u061c\u200e\u200f",
    "zero width": "\u200b\u200c\u200d\u2060\ufeff",
    "soft hyphen": "\u00ad",
    "tag": "\U000e0041",
    "annotation": "\ufff9\ufffb",
}
HOSTILE = "".join(KINDS.values())
WORD = f"a{HOSTILE}z"
NAMED = "a" + "".join(f"<U+{ord(char):04X}>" for char in HOSTILE) + "z"
FILE = "customerId,amount\nfails,1\ndoubt,2\nfine,3\n"
LONE = "\ud800"


def test_table_has_every_category_that_shows_nothing():
    assert {unicodedata.category(char) for char in HOSTILE} == {"Cc", "Cf", "Zl", "Zp"}


@pytest.mark.parametrize("char", [*HOSTILE, LONE, "\ufffe", "\uffff"], ids=lambda char: f"{ord(char):04X}")
def test_each_character_is_named(char: str):
    assert visible(f"a{char}z") == f"a<U+{ord(char):04X}>z"


@pytest.mark.parametrize(
    "text",
    ["", "plain", "Österreich", "שלום", "مرحبا", "न्यूनतम", "日本", "a\u00a0b", "👍🏽", "e\u0301", "<U+202E>"],
)
def test_what_can_be_seen_stays_as_it_is(text: str):
    assert visible(text) == text
    assert visible(visible(WORD)) == NAMED


class HostileGameball(MemoryGameball):
    """Says the hostile word wherever it says something."""

    def __init__(self) -> None:
        super().__init__()
        self.unlisted = {"doubt"}

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        told: dict[str, Any] = dict(super().job_status(dialect, job_id))
        if told["status"] == "completed":
            rows = told["response"]["successful"]
            told["response"] = {
                "successful": [row for row in rows if row["customerId"] != "fails"],
                "failed": [{**row, "error": WORD} for row in rows if row["customerId"] == "fails"],
            }
        return told


@pytest.fixture(scope="module")
def world() -> World:
    """A batch that somebody approved, with a failed row, and one in doubt that somebody resolved."""
    world = World(HostileGameball(), approval_above_rows=1)
    held = world.drop(FILE, name=f"{WORD}.csv")
    assert held.status is BatchStatus.AWAITING_APPROVAL
    ended = world.run(world.administration.approve(held.batch_id, WORD, ApprovalRequest()))
    assert (ended.counts.failed, ended.counts.in_doubt) == (1, 1)
    world.administration.resolve(held.batch_id, WORD, ResolveRequest(outcome="not_applied", note=WORD))
    stopped = world.drop(FILE.replace("fails", "other"), name=f"stopped {WORD}.csv")
    world.run(world.administration.stop(stopped.batch_id, WORD, WORD))
    return world


@pytest.fixture
def batches(world: World) -> tuple[Batch, Batch]:
    """The one that was resolved, and the one that was stopped."""
    stopped, resolved = world.store.batches(BatchFilter(), 9, None)[0]
    return (resolved, stopped) if resolved.resolutions else (stopped, resolved)


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def assert_named(text: str, *, times: int = 1, lines: bool = True) -> None:
    """Nothing invisible is left, line ends of the form itself aside, and the word is there by its names."""
    left = {char for char in text if char in HOSTILE} - ({"\n"} if lines else set())
    assert left == set()
    assert text.count(NAMED) >= times


@pytest.mark.parametrize("name", ["results.csv", "fix-me.csv"])
def test_csv_for_people_names_gameballs_messages_and_notes(
    world: World, batches: tuple[Batch, Batch], name: str
):
    for one, rows in zip(batches, (2, 3), strict=True):
        _, *told = cells(world.result(one, name))
        messages = [row[5] if name == "results.csv" else row[-1] for row in told]
        said = [message for message in messages if message]
        assert len(said) == rows
        for message in said:
            assert_named(message, lines=False)


def test_summary_names_messages_and_keeps_the_key_that_programs_need(
    world: World, batches: tuple[Batch, Batch]
):
    _, stopped = batches
    text = world.result(stopped, "summary.json")
    assert text.isascii()
    assert all(char.isprintable() or char == "\n" for char in text)
    summary = json.loads(text)
    assert_named(summary["message"], times=2, lines=False)
    assert summary["source"]["key"] == f"inbox/stopped {WORD}.csv"


def test_report_names_all_of_them(world: World, batches: tuple[Batch, Batch]):
    resolved, stopped = (unescape(world.result(one, "report.html")) for one in batches)
    # the file's name, the failed row's reason, who approved and resolved, the note
    assert_named(resolved, times=5)
    assert_named(stopped, times=3)


def test_mails_name_all_of_them(world: World):
    assert len(world.notifications.mails) >= 3
    for subject, text in world.notifications.mails:
        assert subject.isascii() and subject.isprintable()
        assert_named(text)
    world.notifier.notify_missed_tick(world.clock.now(), f"recurring/{WORD}.csv")
    assert_named(world.notifications.mails[-1][1])


def test_events_name_messages(world: World):
    """On the wire an event is ASCII; the key of the file, which programs need, is as it is."""
    told = [detail for _, detail in world.notifications.events]
    assert len(told) >= 2
    for detail in told:
        written = exact_json.write(detail)
        assert written.isascii() and written.isprintable()
        assert WORD in detail["source"]["key"]
        assert not set(HOSTILE) & set(detail["message"])
    assert_named("".join(detail["message"] for detail in told), times=2, lines=False)


def test_api_names_who_decided_and_why(world: World, batches: tuple[Batch, Batch]):
    resolved, stopped = (dict(world.administration.show(one.batch_id)) for one in batches)
    assert resolved["approvedBy"] == stopped["stoppedBy"] == NAMED
    [done] = resolved["resolutions"]
    assert (done["by"], done["note"]) == (NAMED, NAMED)
    for shown in (resolved, stopped):
        del shown["source"], shown["links"]
        assert_named(exact_json.write(shown), lines=False)
        assert all(ord(char) > 0xFF or char not in HOSTILE for char in "".join(texts(shown)))


def texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [text for one in inner for text in texts(one)]


def test_event_names_what_gameball_says_of_a_manual_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    consumer = world.event_consumer
    monkeypatch.setattr(type(consumer.service), "add", refuse)
    body = {"customerId": "c", "transactionId": "t", "username": "u", "reason": "r", "points": 1}
    event = {"detail-type": DETAIL_TYPE, "source": WORD, "account": "1", "detail": body}
    context = CallerContext(caller="", request_id="r", remaining_ms=lambda: 60_000)
    error = consumer.consume(Message(json.dumps(event), 1), context, lambda *_: None)
    assert isinstance(error, GameballRefused)
    _, detail = world.notifications.events.pop()
    assert_named(detail["message"], lines=False)
    assert detail["requestedBy"]["source"] == NAMED


def refuse(*_: object) -> None:
    raise GameballRefused("refused", status=422, gameball_message=WORD)


def hostile_answer(**values: Any) -> dict[str, Any]:
    """A batch as a stack would show it that names nothing."""
    done = {"at": "2026-11-22T10:15:00.000Z", "by": WORD, "note": WORD, "rows": 1}
    return batch(
        message=WORD,
        heldBy=[f"held {WORD}"],
        notes=[WORD],
        approvedBy=WORD,
        stoppedBy=WORD,
        resolutions=[done],
        source={"key": f"inbox/{WORD}.csv", "sha256": "ab" * 32},
        **values,
    )


def output(capsys: pytest.CaptureFixture[str]) -> str:
    told = capsys.readouterr()
    return told.out + told.err


@pytest.mark.parametrize("status", ["completed", "rejected", "awaiting_approval", "stopped"])
@pytest.mark.parametrize("command", ["show", "watch"])
def test_terminal_names_all_of_them(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], command: str, status: str
):
    api.answer(f"GET /batches/{ID}", (200, hostile_answer(status=status)))
    main([command, ID])
    text = output(capsys)
    assert_named(text, times=8)
    values = [line for line in text.splitlines() if NAMED in line]
    assert all(not line.startswith(("a<", "z")) for line in values), "no line of its own was forged"


def test_json_for_programs_is_ascii(api: FakeBatchApi, capsys: pytest.CaptureFixture[str]):
    api.answer(f"GET /batches/{ID}", (200, hostile_answer()))
    assert main(["show", ID, "--json"]) == 0
    text = capsys.readouterr().out
    assert text.isascii()
    assert all(char.isprintable() or char == "\n" for char in text)
    assert json.loads(text)["message"] == WORD


@pytest.mark.parametrize("status", [400, 403, 404, 409, 503])
@pytest.mark.parametrize(
    "command",
    [["show", ID], ["results", ID], ["approve", ID, "--yes"], ["stop", ID, "--yes"], ["reverse", ID],
     ["transact", "--customer", "c", "--points", "1", "--reason", "r", "--username", "u"]],
    ids=lambda command: command[0],
)  # fmt: skip
def test_error_of_the_api_is_one_line_of_visible_text(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str], command: list[str], status: int
):
    answer = (status, {"error": status, "message": WORD})
    for call in (f"GET /batches/{ID}", f"POST /batches/{ID}/reversal", "POST /transactions/manual"):
        api.answer(call, answer)
    assert main(command) in (3, 4)
    [line] = output(capsys).splitlines()
    assert_named(line, lines=False)


def test_names_of_files_are_visible_in_usage_errors(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    name = WORD.replace("\0", "")
    (tmp_path / f"{name}.xlsx").write_text("x")
    for file in (f"{name}.xlsx", f"absent {name}.csv"):
        assert main(["submit", file]) == 2
        assert not (set(HOSTILE) - {"\n"}) & set(output(capsys))


def test_name_of_a_folder_and_of_an_unknown_file_are_visible(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
):
    name = WORD.replace("\0", "")
    links = {"results.csv": link_of(api, "results.csv"), WORD: link_of(api, "results.csv")}
    api.answer(f"GET /batches/{ID}", (200, batch(links=links)))
    api.answer(f"GET /bucket/results/{ID}/results.csv", (200, b"x"))
    assert main(["results", ID, "--to", name]) == 0
    text = output(capsys)
    assert not (set(HOSTILE) - {"\n"}) & set(text)
    assert len(text.splitlines()) == 3


def test_transaction_that_was_applied_is_told_on_one_line(
    api: FakeBatchApi, capsys: pytest.CaptureFixture[str]
):
    api.answer("POST /transactions/manual", (200, {"gameballTransactionId": WORD}))
    options = ["--points", "5", "--reason", "r", "--username", "u", "--id", "t"]
    assert main(["transact", "--customer", "c", *options]) == 0
    [line] = output(capsys).splitlines()
    assert_named(line, lines=False)


def test_doubt_of_gameballs_making_is_named_as_well():
    gameball = MemoryGameball([(OutcomeUnknown(WORD),)])
    world = World(gameball)
    ended = world.run(world.drop("customerId,amount\na,1\n"))
    assert ended.status is BatchStatus.NEEDS_ATTENTION
    [_, row] = cells(world.result(ended, "results.csv"))
    assert not set(HOSTILE) & set(row[5])
    assert world.clock.now() - ended.created_at < timedelta(days=1)
