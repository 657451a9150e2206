"""The page tells everything to people who have never seen the system, and nothing in it can run."""

import random
import re
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest

from adjustments.batches.records import Chunk, Counts, Outcome, Prediction, Reconciliation, Resolution, Source
from adjustments.batches.states import BatchStatus, ChunkState
from adjustments.results.emails import VERDICTS
from adjustments.results.report_html.charts import LANES_MAX, lanes_of
from adjustments.results.report_html.page import render_report
from adjustments.results.report_html.texts import duration, percent, points
from adjustments.results.report_html.view_model import EXAMPLES_MAX, KINDS_MAX, OTHER, Example, RowsView
from tests.fakes.memory import START
from tests.unit.making import make_batch, make_chunk

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\u202e\x00\ud800</title></style>"
PAGE_BYTES_MAX = 100_000
VOID = {"meta", "link"}


class Tags(HTMLParser):
    """All elements and attributes of a page, and whether each element ends where it should."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def page_of(
    digest: RowsView | None = None,
    chunks: Iterable[Chunk] = (),
    prediction: Prediction | None = None,
    **values: Any,
) -> str:
    batch = make_batch(**{"finished_at": START + timedelta(seconds=70), "prediction": prediction, **values})
    foretold = prediction.to_json() if prediction else {}
    return render_report(batch, list(chunks), digest or RowsView(), foretold)


def text_of(page: str) -> str:
    body = page[page.index("<body") :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def settled(number: int, counts: Counts, **values: Any) -> Chunk:
    sent = START + timedelta(seconds=number)
    defaults = {
        "chunk_id": f"001-{number:05}",
        "state": ChunkState.SETTLED,
        "last": counts.rows,
        "counts": counts,
        "job_id": 9_000 + number,
        "job_state": "completed",
        "intent_at": sent,
        "ended_at": sent + timedelta(seconds=5),
    }
    return make_chunk(**{**defaults, **values})


@pytest.mark.parametrize("status", [status for status in BatchStatus if status.is_final])
def test_every_final_status_has_a_verdict_and_a_next_step(status: BatchStatus):
    page = page_of(status=status, dry_run=status is BatchStatus.VALIDATED, counts=Counts(rows=3, failed=3))
    assert status in VERDICTS
    assert "What to do next" in page
    assert page.count("<li>") > 0
    Tags(page)


@pytest.mark.parametrize(
    ("status", "counts", "headline"),
    [
        (BatchStatus.COMPLETED, Counts(rows=1, applied=1), "Done: the one row was applied"),
        (BatchStatus.COMPLETED, Counts(rows=1200, applied=1200), "Done: all 1,200 rows were applied"),
        (
            BatchStatus.COMPLETED_WITH_ERRORS,
            Counts(rows=9, applied=8, rejected=1),
            "Done, but 1 of 9 rows was not applied",
        ),
        (
            BatchStatus.STOPPED,
            Counts(rows=9, applied=3, not_submitted=6),
            "Stopped: 6 of 9 rows were never sent",
        ),
        (BatchStatus.REJECTED, Counts(), "The whole file was refused. Nothing was sent"),
        (
            BatchStatus.NEEDS_ATTENTION,
            Counts(rows=9, applied=7, in_doubt=2),
            "2 of 9 rows are in doubt: a person has to look",
        ),
        (BatchStatus.NEEDS_ATTENTION, Counts(rows=9, applied=9), "Out of time: a person has to look"),
    ],
)
def test_headline_says_the_verdict_with_its_numbers(status: BatchStatus, counts: Counts, headline: str):
    assert headline in text_of(page_of(status=status, counts=counts))


def test_rows_in_doubt_are_never_asked_to_be_sent_again():
    in_doubt = page_of(status=BatchStatus.NEEDS_ATTENTION, counts=Counts(rows=2, applied=1, in_doubt=1))
    assert "Do not send the rows in doubt again" in in_doubt
    assert "adjust submit" not in in_doubt
    assert "adjust resolve" in in_doubt


def test_nothing_hostile_gets_out_of_its_text():
    digest = RowsView()
    for outcome in (Outcome.FAILED, Outcome.REJECTED, Outcome.IN_DOUBT, Outcome.NOT_SUBMITTED):
        digest.add_problem(outcome, Example(2, HOSTILE, HOSTILE, HOSTILE))
        digest.add_problem(outcome, Example(3, "x", "1", HOSTILE + "7"))
    page = page_of(
        digest,
        [settled(1, Counts(rows=4, failed=4), job_state=HOSTILE, chunk_id=HOSTILE)],
        batch_id=HOSTILE,
        status=BatchStatus.NEEDS_ATTENTION,
        counts=Counts(rows=4, failed=1, rejected=1, in_doubt=1, not_submitted=1),
        source=Source(bucket=HOSTILE, key=HOSTILE, sha256=HOSTILE),
        notes=(HOSTILE,),
        held_by=(HOSTILE,),
        approved_by=HOSTILE,
        stopped_by=HOSTILE,
        refusal=HOSTILE,
        reverses=HOSTILE,
        resolutions=(Resolution(at=START, by=HOSTILE, note=HOSTILE, rows=1),),
    )
    tags = Tags(page)
    assert not tags.names & {"script", "img", "iframe", "object", "embed", "form", "base"}
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert set(tags.links) == {"results.csv", "fix-me.csv", "summary.json", "data:,"}
    assert page.count("</style>") == 1
    assert page.encode().decode() == page
    assert "\x00" not in page


def test_page_asks_nobody_for_anything():
    page = page_of(status=BatchStatus.COMPLETED, counts=Counts(rows=1, applied=1))
    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page


def test_customers_cannot_turn_the_text_around_them():
    digest = RowsView()
    digest.add_problem(Outcome.FAILED, Example(2, "عميل", "1", "Customer not found"))
    page = page_of(digest, status=BatchStatus.COMPLETED_WITH_ERRORS, counts=Counts(rows=1, failed=1))
    assert "<bdi>عميل</bdi>" in page


def test_sentences_stay_ours_whatever_they_repeat():
    digest = RowsView()
    for text in ("عشرة", "ten"):
        digest.add_problem(
            Outcome.REJECTED, Example(2, "c", text, f'line 2, column "a": "{text}" is no number')
        )
    page = page_of(digest, status=BatchStatus.COMPLETED_WITH_ERRORS, counts=Counts(rows=2, rejected=2))
    assert '<bdi dir="ltr">&quot;عشرة&quot; is no number</bdi>' in page
    assert '<bdi dir="ltr">column &quot;a&quot;: … is no number</bdi>' in page


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u200f", "\u061c"])
def test_marks_that_turn_text_round_are_shown_by_their_names(mark: str):
    source = Source(bucket="b", key=f"inbox/{mark}gnp.csv")
    note = Resolution(at=START, by="ann", note=f"{mark}note", rows=1)
    page = page_of(
        status=BatchStatus.STOPPED,
        source=source,
        stop_reason=f"{mark}stop",
        resolutions=(note,),
        stopped_by="a",
    )
    assert mark not in page
    assert page.count(f"&lt;U+{ord(mark):04X}&gt;") == 4  # the key in the title, too


def test_ten_thousand_rejections_of_one_kind_are_one_group():
    digest = RowsView()
    for line in range(10_000):
        message = f'line {line}, column "amount": "x{line}" is not a number; write digits only, such as 250'
        digest.add_problem(Outcome.REJECTED, Example(line, f"c{line}", f"x{line}", message))
    [group] = digest.groups(50)
    assert (group.rows, len(group.examples)) == (10_000, EXAMPLES_MAX)
    assert group.reason == 'column "amount": … is not a number; write digits only, such as 250'


def test_one_message_that_all_rows_share_is_shown_as_it_is():
    digest = RowsView()
    for line in range(3):
        digest.add_problem(Outcome.FAILED, Example(line, "c", "1", "Gameball answered 422: no such plan"))
    assert [group.reason for group in digest.groups(50)] == ["Gameball answered 422: no such plan"]


def test_customers_named_in_messages_do_not_make_groups():
    digest = RowsView()
    for name in ("anna", "berta", "clara"):
        digest.add_problem(Outcome.FAILED, Example(2, name, "1", f"Customer {name} was not found"))
    assert [(group.reason, group.rows) for group in digest.groups(50)] == [("Customer … was not found", 3)]


def test_what_is_kept_of_rows_is_bounded_and_no_row_is_lost():
    digest = RowsView()
    letters = random.Random(1)
    for line in range(3 * KINDS_MAX):
        message = "".join(letters.choices("abcdefgh", k=12))
        digest.add_problem(Outcome.FAILED, Example(line, "c", "1", message))
    groups = digest.groups(20)
    assert len(groups) <= 22
    assert sum(group.rows for group in groups) == 3 * KINDS_MAX
    assert groups[-1].reason == OTHER


def test_added_and_deducted_are_exact():
    digest = RowsView()
    for amount in ("0.1", "0.2", "-0.3", "1000000"):
        digest.add_applied(amount)
    assert (digest.added, digest.deducted) == (Decimal("1000000.3"), Decimal("-0.3"))


def test_page_stays_small_whatever_the_batch_holds():
    digest = RowsView()
    letters = random.Random(2)
    for line in range(400):
        message = "".join(letters.choices("<>&\"'é漢", k=400)) + chr(97 + line % 26) * (line % 60)
        digest.add_problem(Outcome.REJECTED, Example(line, "<&" * 100, '"' * 300, message))
    chunks = [settled(number, Counts(rows=1_000, applied=999, failed=1)) for number in range(1, 5_001)]
    counts = Counts(rows=5_004_000, applied=4_995_000, failed=5_000, rejected=400)
    page = page_of(digest, chunks, status=BatchStatus.COMPLETED_WITH_ERRORS, counts=counts)
    assert len(page.encode()) < PAGE_BYTES_MAX
    Tags(page)


def test_many_jobs_share_bars_and_none_is_left_out():
    chunks = [settled(number, Counts(rows=10, applied=10)) for number in range(1, 201)]
    lanes = lanes_of(chunks)
    assert len(lanes) <= LANES_MAX
    assert sum(lane.rows for lane in lanes) == 2_000
    assert (lanes[0].name, lanes[-1].name) == ("Jobs 1 to 5", "Jobs 196 to 200")


def test_job_whose_end_nobody_saw_is_drawn_open():
    lost = settled(1, Counts(), last=5, state=ChunkState.IN_DOUBT, ended_at=None, job_id=None)
    [lane] = lanes_of([lost])
    assert lane.end is None
    assert (Outcome.IN_DOUBT, 5) in lane.parts
    page = page_of(chunks=[lost], status=BatchStatus.NEEDS_ATTENTION, counts=Counts(rows=5, in_doubt=5))
    assert "nobody saw the end" in page


def test_dry_run_tells_what_a_real_run_would_do():
    page = page_of(
        status=BatchStatus.VALIDATED,
        dry_run=True,
        counts=Counts(rows=10, rejected=1, not_submitted=9),
        prediction=Prediction(would_apply=6, would_overdraw=1, unknown_customer=1, not_predicted=1),
    )
    told = text_of(page)
    assert "3 of 10 rows would not be applied, 1 could not be foretold" in told
    assert "would be applied 6" in told
    assert "Points" not in told


@pytest.mark.parametrize(
    ("foretold", "rejected", "headline", "looks_well", "steps"),
    [
        (Prediction(would_apply=9), 0, "nothing wrong found", True, 1),
        (Prediction(would_apply=8, not_predicted=1), 0, "1 of 9 rows could not be foretold", False, 2),
        (Prediction(would_apply=8, would_overdraw=1), 0, "1 of 9 rows would not be applied", False, 2),
        (Prediction(would_apply=8), 1, "1 of 9 rows would not be applied", False, 2),
    ],
)
def test_dry_run_looks_well_only_where_every_row_surely_goes(
    foretold: Prediction, rejected: int, headline: str, looks_well: bool, steps: int
):
    page = page_of(
        status=BatchStatus.VALIDATED,
        dry_run=True,
        counts=Counts(rows=9, rejected=rejected, not_submitted=9 - rejected),
        prediction=foretold,
    )
    assert f"Dry run, nothing was sent: {headline}" in text_of(page)
    assert ('class="verdict validated"' in page) == looks_well
    assert page.split("What to do next")[1].split("</ol>")[0].count("<li>") == steps


def test_dry_run_says_once_what_would_fail():
    digest = RowsView()
    for amount in ("-5", "-7"):
        message = f"would fail: {amount} overdraws the balance of 3"
        digest.add_problem(Outcome.NOT_SUBMITTED, Example(2, "c", amount, message))
    told = text_of(page_of(digest, status=BatchStatus.VALIDATED, dry_run=True))
    assert told.count("would fail") == 1
    assert "… overdraws the balance of 3" in told


def test_file_whose_rows_were_accepted_before_is_not_asked_to_be_dropped_again():
    repeated = Source(bucket="b", key="inbox/f.csv", sha256="a" * 64)
    told = text_of(page_of(status=BatchStatus.REJECTED, source=repeated, refusal="accepted before"))
    assert "nothing is left to do" in told
    assert "Drop it again" not in told


@pytest.mark.parametrize(("failed", "is_enlarged"), [(0, False), (1, True), (500, False)])
def test_what_is_drawn_larger_is_said_and_nothing_else(failed: int, is_enlarged: bool):
    counts = Counts(rows=1000, applied=1000 - failed, failed=failed)
    ended = {"state": ChunkState.SETTLED, "last": 1000, "counts": counts}
    chunk = make_chunk(intent_at=START, ended_at=START + timedelta(seconds=70), **ended)
    page = page_of(chunks=[chunk], status=BatchStatus.COMPLETED)
    assert ("drawn larger" in text_of(page)) == is_enlarged


def test_batch_that_took_no_time_has_a_scale_all_the_same():
    chunk = make_chunk(
        state=ChunkState.SETTLED, intent_at=START, ended_at=START, counts=Counts(rows=10, applied=10)
    )
    told = text_of(page_of(chunks=[chunk], status=BatchStatus.COMPLETED, finished_at=START))
    assert "+0.0 s" not in told


@pytest.mark.parametrize(("jobs", "is_folded"), [(12, False), (13, True)])
def test_table_of_many_jobs_is_folded(jobs: int, is_folded: bool):
    chunks = [make_chunk(chunk_id=f"001-{number:05}", intent_at=START) for number in range(jobs)]
    page = page_of(chunks=chunks, status=BatchStatus.COMPLETED)
    assert ("<details>" in page) == is_folded
    assert "001-00000" in page


def test_history_names_guards_and_people():
    told = text_of(
        page_of(
            status=BatchStatus.COMPLETED,
            counts=Counts(rows=1, applied=1),
            notes=("read as UTF-8", "ignored columns: shop"),
            held_by=("5 rows are more than ApprovalAboveRows (1)",),
            approved_by="arn:aws:iam::1:user/ada",
            resolutions=(Resolution(at=START, by="arn:aws:iam::1:user/bo", note="seen in the list", rows=1),),
        )
    )
    for words in (
        "ignored columns: shop",
        "ApprovalAboveRows (1)",
        "user/ada",
        "user/bo",
        "seen in the list",
    ):
        assert words in told
    assert "Why:" not in told


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [
        (1, 1, "100 %"),
        (1, 3, "33.3 %"),
        (1, 100_000, "under 0.1 %"),
        (99_999, 100_000, "over 99.9 %"),
        (0, 5, "0 %"),
    ],
)
def test_share_is_never_rounded_to_all_or_nothing(part: int, whole: int, told: str):
    assert percent(part, whole) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, ""), (0.4, "0.4 s"), (2, "2 s"), (59, "59 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min")],
)
def test_durations_read_well(seconds: float, told: str):
    assert duration(timedelta(seconds=seconds)) == told


def test_points_have_a_sign_and_thousands():
    assert points("-1234567.5", signed=True) == "\N{MINUS SIGN}1,234,567.5"
    assert points("1000", signed=True) == "+1,000"
    assert points("0", signed=True) == "0"


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        (Reconciliation(), "The system begins to look them up with its next sweep"),
        (
            Reconciliation(
                round=1, begun_at=START, looked_at=START + timedelta(minutes=1), rows_asked=3, rows_left=9
            ),
            "looked up 3 of 12 rows in doubt",
        ),
        (Reconciliation(round=1, looked_at=START, rows_asked=12), "looked up all 12 rows in doubt"),
        (
            Reconciliation(round=9, looked_at=START + timedelta(days=4), rows_asked=12),
            "It does not look again",
        ),
    ],
)
def test_page_says_how_far_rows_in_doubt_were_looked_up(state: Reconciliation, wanted: str):
    counts = Counts(rows=12, in_doubt=12)
    batch = make_batch(
        status=BatchStatus.NEEDS_ATTENTION, counts=counts, finished_at=START, reconciliation=state
    )
    page = render_report(batch, [], RowsView(), {})
    assert wanted in re.sub(r"<[^>]*>", "", page)
