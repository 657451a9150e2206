"""Every input row has one line, in input order, and the files say what can be dropped again."""

import csv
import io
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adjustments.batches.states import BatchStatus
from adjustments.core.errors import OutcomeUnknown
from adjustments.gameball.port import Dialect
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_results_have_one_line_per_row_in_the_order_of_the_file():
    gameball = MemoryGameball()
    gameball.unknown_customers = {"b"}
    world = World(gameball)
    ended = world.run(world.drop("customerId,amount,reason\na,1,x\nb,2,y\n,3,z\na,4,x\nc,nope,w\n"))
    rows = rows_of(world.result(ended, "results.csv"))
    assert [(row["line"], row["customerId"], row["amount"], row["status"], row["jobId"]) for row in rows] == [
        ("2", "a", "1", "applied", "1"),
        ("3", "b", "2", "failed", "1"),
        ("4", "", "3", "rejected", ""),
        ("5", "a", "4", "applied", "2"),
        ("6", "c", "nope", "rejected", ""),
    ]
    assert ended.status is BatchStatus.COMPLETED_WITH_ERRORS


def test_fix_me_has_the_original_header_and_rows_and_can_be_dropped_again():
    gameball = MemoryGameball()
    gameball.unknown_customers = {"b"}
    world = World(gameball)
    ended = world.run(world.drop("Points,Player ID,note\n+1,a,x\n2,b,y\n3,,z\n"))
    text = world.result(ended, "fix-me.csv")
    assert text.splitlines()[0] == "Points,Player ID,note,error"
    assert [(row["Points"], row["Player ID"], row["note"]) for row in rows_of(text)] == [
        ("2", "b", "y"),
        ("3", "", "z"),
    ]
    gameball.unknown_customers = set()
    again = world.run(world.drop(text.replace("3,,z", "3,d,z"), name="fix-me.csv"))
    assert (again.status, again.counts.applied) == (BatchStatus.COMPLETED, 2)
    assert [customer for _, customer, _ in gameball.applied] == ["a", "b", "d"]


def test_summary_has_the_documented_fields():
    world = World(MemoryGameball())
    ended = world.run(world.drop("customerId,amount\na,1.50\nb,-2\n"))
    summary = json.loads(world.result(ended, "summary.json"))
    assert set(summary) >= {
        "batchId",
        "status",
        "source",
        "counts",
        "totals",
        "jobs",
        "createdAt",
        "finishedAt",
    }
    assert set(summary["source"]) == {"bucket", "key", "versionId", "sha256"}
    assert summary["counts"] == {
        "rows": 2, "applied": 2, "failed": 0, "rejected": 0, "notSubmitted": 0, "inDoubt": 0
    }  # fmt: skip
    assert summary["totals"] == {"requested": -0.5, "applied": -0.5}
    assert summary["jobs"] == [{"chunk": "001-00001", "jobId": 1, "status": "completed", "rows": 2}]


def test_cells_that_a_spreadsheet_would_run_are_neutralised():
    world = World(MemoryGameball([OutcomeUnknown("lost")]))
    ended = world.run(world.drop('customerId,amount,reason\n=cmd|calc,1,"=HYPERLINK(""x"")"\n'))
    [row] = rows_of(world.result(ended, "results.csv"))
    assert not row["customerId"].startswith("=")
    assert not row["reason"].startswith("=")


def test_report_escapes_every_value():
    world = World(MemoryGameball())
    ended = world.run(world.drop("customerId,amount,<script>alert(1)</script>\na,1,x\n", name="<b>.csv"))
    page = world.result(ended, "report.html")
    assert "<script>" not in page
    assert "<b>.csv" not in page


class GameballWithBrokenWords(MemoryGameball):
    """Says of unknown customers what no file can hold."""

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        answer = super().job_status(dialect, job_id)
        for row in answer["response"]["failed"]:
            row["error"] = "half a character: \ud800"
        return answer


def test_message_that_no_file_can_hold_does_not_keep_the_batch_from_its_end():
    gameball = GameballWithBrokenWords()
    gameball.unknown_customers = {"a"}
    world = World(gameball)
    ended = world.run(world.drop("customerId,amount\na,1\nb,2\n"))
    assert ended.status is BatchStatus.COMPLETED_WITH_ERRORS
    assert "half a character: <U+D800>" in world.result(ended, "results.csv")
    assert "half a character: &lt;U+D800&gt;" in world.result(ended, "report.html")


def test_report_groups_rows_by_reason_and_shows_when_jobs_ended():
    gameball = MemoryGameball()
    gameball.unknown_customers = {f"u{number}" for number in range(8)}
    world = World(gameball)
    rows = "".join(f"u{number},{number + 1}\ngood-{number},5\n" for number in range(8))
    ended = world.run(world.drop(f"customerId,amount\n{rows}bad,abc\nbad,x.y\n"))
    page = world.result(ended, "report.html")
    assert "8 rows failed" in page
    assert "2 rows rejected" in page
    assert "+40" in page
    assert "dashed outline" not in page


def test_reporting_twice_gives_the_same_files():
    world = World(MemoryGameball())
    ended = world.run(world.drop("customerId,amount\na,1\n"))
    before = world.result(ended, "results.csv")
    assert world.report_writer.report(ended.batch_id) == ended
    assert world.result(ended, "results.csv") == before


def test_batch_that_ended_is_notified_once():
    world = World(MemoryGameball())
    ended = world.run(world.drop("customerId,amount\na,1\n"))
    world.notifier.notify(ended.batch_id)
    assert [kind for kind, _ in world.notifications.events] == ["Batch Settled"]
    assert len(world.notifications.mails) == 1


def test_amounts_have_a_decimal_comma_where_the_file_has_one():
    gameball = MemoryGameball()
    world = World(gameball)
    ended = world.run(world.drop("customerId;points\na;12,50\nb;-0.5\nc;7\n"))
    lines = world.result(ended, "results.csv").splitlines()
    assert [line.split(";")[2] for line in lines[1:]] == ["12,5", "-0.5", "7"]
    assert [amount for _, _, amount in gameball.applied] == [Decimal("12.5"), Decimal("-0.5"), 7]
