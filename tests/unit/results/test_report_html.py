"""The report explains a batch to people who have never seen the system, and nothing in it can run."""

import random
import re
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest

from adjustments.batches.batch_parts import Counts, Prediction, Reconciliation, Resolution, Source
from adjustments.batches.records import Chunk
from adjustments.batches.states import BatchStatus, ChunkState, Outcome
from adjustments.results.emails import STATUS_SENTENCES
from adjustments.results.formats import duration, percent, points
from adjustments.results.report_html.charts import BARS_MAX, bars_of
from adjustments.results.report_html.page import render_report
from adjustments.results.report_html.view_model import EXAMPLES_MAX, OTHER, REASONS_MAX, ExampleRow, RowsView
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
    rows: RowsView | None = None,
    chunks: Iterable[Chunk] = (),
    prediction: Prediction | None = None,
    **values: Any,
) -> str:
    batch = make_batch(**{"finished_at": START + timedelta(seconds=70), "prediction": prediction, **values})
    return render_report(batch, list(chunks), rows or RowsView())


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
def test_every_final_status_has_a_headline_and_a_next_step(status: BatchStatus):
    page = page_of(status=status, dry_run=status is BatchStatus.VALIDATED, counts=Counts(rows=3, failed=3))
    assert status in STATUS_SENTENCES
    assert "What to do next" in page
    assert page.count("<li>") > 0
    Tags(page)


@pytest.mark.parametrize(
    ("status", "counts", "headline"),
    [
        (BatchStatus.COMPLETED, Counts(rows=1, applied=1), "Completed: the row was applied"),
        (BatchStatus.COMPLETED, Counts(rows=1200, applied=1200), "Completed: all 1,200 rows were applied"),
        (
            BatchStatus.COMPLETED_WITH_ERRORS,
            Counts(rows=9, applied=8, rejected=1),
            "Completed, but 1 of 9 rows was not applied",
        ),
        (
            BatchStatus.STOPPED,
            Counts(rows=9, applied=3, not_submitted=6),
            "Stopped: 6 of 9 rows were not sent",
        ),
        (BatchStatus.REJECTED, Counts(), "The file was rejected, nothing was sent"),
        (
            BatchStatus.NEEDS_ATTENTION,
            Counts(rows=9, applied=7, in_doubt=2),
            "Action needed: 2 of 9 rows are in doubt",
        ),
        (
            BatchStatus.NEEDS_ATTENTION,
            Counts(rows=9, applied=9),
            "Action needed: the batch did not finish in time",
        ),
    ],
)
def test_headline_states_the_result_with_its_numbers(status: BatchStatus, counts: Counts, headline: str):
    assert headline in text_of(page_of(status=status, counts=counts))


def test_rows_in_doubt_are_never_asked_to_be_sent_again():
    in_doubt = page_of(status=BatchStatus.NEEDS_ATTENTION, counts=Counts(rows=2, applied=1, in_doubt=1))
    assert "Do not send the rows in doubt again" in in_doubt
    assert "adjust submit" not in in_doubt
    assert "adjust resolve" in in_doubt


def test_report_escapes_hostile_text_everywhere():
    rows = RowsView()
    for outcome in (Outcome.FAILED, Outcome.REJECTED, Outcome.IN_DOUBT, Outcome.NOT_SUBMITTED):
        rows.add_problem(outcome, ExampleRow(2, HOSTILE, HOSTILE, HOSTILE))
        rows.add_problem(outcome, ExampleRow(3, "x", "1", HOSTILE + "7"))
    page = page_of(
        rows,
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


def test_report_makes_no_request():
    page = page_of(status=BatchStatus.COMPLETED, counts=Counts(rows=1, applied=1))
    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page


def test_report_isolates_the_writing_direction_of_customers():
    rows = RowsView()
    rows.add_problem(Outcome.FAILED, ExampleRow(2, "عميل", "1", "Customer not found"))
    page = page_of(rows, status=BatchStatus.COMPLETED_WITH_ERRORS, counts=Counts(rows=1, failed=1))
    assert "<bdi>عميل</bdi>" in page


def test_report_keeps_sentences_left_to_right_whatever_they_quote():
    rows = RowsView()
    for text in ("عشرة", "ten"):
        rows.add_problem(
            Outcome.REJECTED, ExampleRow(2, "c", text, f'line 2, column "a": "{text}" is no number')
        )
    page = page_of(rows, status=BatchStatus.COMPLETED_WITH_ERRORS, counts=Counts(rows=2, rejected=2))
    assert '<bdi dir="ltr">&quot;عشرة&quot; is no number</bdi>' in page
    assert '<bdi dir="ltr">column &quot;a&quot;: … is no number</bdi>' in page


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u200f", "\u061c"])
def test_report_shows_bidi_controls_by_their_code_points(mark: str):
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


def test_rows_view_groups_ten_thousand_rejections_with_one_reason():
    rows = RowsView()
    for line in range(10_000):
        message = f'line {line}, column "amount": "x{line}" is not a number; write digits only, such as 250'
        rows.add_problem(Outcome.REJECTED, ExampleRow(line, f"c{line}", f"x{line}", message))
    [group] = rows.groups(50)
    assert (group.rows, len(group.examples)) == (10_000, EXAMPLES_MAX)
    assert group.reason == 'column "amount": … is not a number; write digits only, such as 250'


def test_rows_view_keeps_a_message_that_all_rows_share():
    rows = RowsView()
    for line in range(3):
        rows.add_problem(Outcome.FAILED, ExampleRow(line, "c", "1", "Gameball answered 422: no such plan"))
    assert [group.reason for group in rows.groups(50)] == ["Gameball answered 422: no such plan"]


def test_rows_view_ignores_customer_ids_in_messages():
    rows = RowsView()
    for name in ("anna", "berta", "clara"):
        rows.add_problem(Outcome.FAILED, ExampleRow(2, name, "1", f"Customer {name} was not found"))
    assert [(group.reason, group.rows) for group in rows.groups(50)] == [("Customer … was not found", 3)]


def test_rows_view_is_bounded_and_loses_no_row():
    rows = RowsView()
    letters = random.Random(1)
    for line in range(3 * REASONS_MAX):
        message = "".join(letters.choices("abcdefgh", k=12))
        rows.add_problem(Outcome.FAILED, ExampleRow(line, "c", "1", message))
    groups = rows.groups(20)
    assert len(groups) <= 22
    assert sum(group.rows for group in groups) == 3 * REASONS_MAX
    assert groups[-1].reason == OTHER


def test_rows_view_sums_are_exact():
    rows = RowsView()
    for amount in ("0.1", "0.2", "-0.3", "1000000"):
        rows.add_amount(amount)
    assert (rows.added, rows.deducted) == (Decimal("1000000.3"), Decimal("-0.3"))


def test_page_stays_small_whatever_the_batch_holds():
    rows = RowsView()
    letters = random.Random(2)
    for line in range(400):
        message = "".join(letters.choices("<>&\"'é漢", k=400)) + chr(97 + line % 26) * (line % 60)
        rows.add_problem(Outcome.REJECTED, ExampleRow(line, "<&" * 100, '"' * 300, message))
    chunks = [settled(number, Counts(rows=1_000, applied=999, failed=1)) for number in range(1, 5_001)]
    counts = Counts(rows=5_004_000, applied=4_995_000, failed=5_000, rejected=400)
    page = page_of(rows, chunks, status=BatchStatus.COMPLETED_WITH_ERRORS, counts=counts)
    assert len(page.encode()) < PAGE_BYTES_MAX
    Tags(page)


def test_timeline_groups_many_jobs_and_omits_none():
    chunks = [settled(number, Counts(rows=10, applied=10)) for number in range(1, 201)]
    bars = bars_of(chunks)
    assert len(bars) <= BARS_MAX
    assert sum(bar.rows for bar in bars) == 2_000
    assert (bars[0].name, bars[-1].name) == ("Jobs 1 to 5", "Jobs 196 to 200")


def test_job_with_an_unknown_end_has_a_dashed_outline():
    lost = settled(1, Counts(), last=5, state=ChunkState.IN_DOUBT, ended_at=None, job_id=None)
    [bar] = bars_of([lost])
    assert bar.end is None
    assert (Outcome.IN_DOUBT, 5) in bar.parts
    page = page_of(chunks=[lost], status=BatchStatus.NEEDS_ATTENTION, counts=Counts(rows=5, in_doubt=5))
    assert "dashed outline: the end of the job is unknown" in page


def test_dry_run_predicts_a_real_run():
    page = page_of(
        status=BatchStatus.VALIDATED,
        dry_run=True,
        counts=Counts(rows=10, rejected=1, not_submitted=9),
        prediction=Prediction(would_apply=6, would_overdraw=1, unknown_customer=1, not_predicted=1),
    )
    text = text_of(page)
    assert "3 of 10 rows would not be applied, 1 could not be predicted" in text
    assert "would be applied 6" in text


def test_dry_run_has_points_that_a_real_run_would_add_and_deduct():
    rows = RowsView()
    for amount in ("100.5", "-30", "1000"):
        rows.add_amount(amount)
    page = page_of(
        rows,
        status=BatchStatus.VALIDATED,
        dry_run=True,
        total="1090.5",
        counts=Counts(rows=5, not_submitted=5),
        prediction=Prediction(would_apply=3, would_overdraw=1, not_predicted=1),
    )
    text = text_of(page)
    assert "Requested +1,090.5 " in text
    assert "Would be applied +1,070.5 " in text
    assert "Would be added +1,100.5 " in text
    assert "Would be deducted -30 " in text
    assert "1 row without a prediction: counted as requested only." in text


def test_points_are_in_one_format_without_trailing_zeros():
    rows = RowsView()
    for amount in ("239800.50", "0.50", "-2600.0"):
        rows.add_amount(amount)
    counts = Counts(rows=3, applied=3)
    page = page_of(
        rows, status=BatchStatus.COMPLETED, counts=counts, total="237201", applied_total="237201.00"
    )
    sums = re.findall(r"<dd><b>(.*?)</b>", page)
    assert sums == ["+237,201", "+237,201", "+239,801", "-2,600"]


def test_points_say_how_many_rows_in_doubt_are_not_in_the_applied_sum():
    counts = Counts(rows=3, applied=1, in_doubt=2)
    text = text_of(page_of(status=BatchStatus.NEEDS_ATTENTION, counts=counts))
    assert "2 rows in doubt: counted as requested only." in text


@pytest.mark.parametrize(
    ("sent", "unsent", "said"),
    [
        (1, 0, "1 chunk was sent."),
        (3, 0, "3 chunks were sent."),
        (1, 2, "1 of 3 chunks was sent."),
        (2, 3, "2 of 5 chunks were sent."),
    ],
)
def test_only_chunks_that_were_sent_are_said_to_be_sent(sent: int, unsent: int, said: str):
    chunks = [settled(number, Counts(rows=10, applied=10)) for number in range(sent)]
    chunks += [
        make_chunk(chunk_id=f"002-{number:05}", state=ChunkState.NOT_SUBMITTED) for number in range(unsent)
    ]
    assert f"divided into chunks. {said}" in text_of(page_of(chunks=chunks, status=BatchStatus.STOPPED))


def test_batch_past_its_deadline_without_doubt_does_not_ask_to_look_customers_up():
    counts = Counts(rows=9, applied=4, not_submitted=5)
    text = text_of(page_of(status=BatchStatus.NEEDS_ATTENTION, counts=counts))
    assert "no customer has to be looked up" in text
    assert "adjust resolve" not in text
    assert "fix-me.csv" in text


@pytest.mark.parametrize(("applied", "offers_reversal"), [(0, False), (1, True)])
def test_reversal_is_offered_only_where_a_row_was_applied(applied: int, offers_reversal: bool):
    counts = Counts(rows=2, applied=applied, failed=2 - applied)
    page = page_of(status=BatchStatus.COMPLETED_WITH_ERRORS, counts=counts)
    assert ("adjust reverse" in page) == offers_reversal


@pytest.mark.parametrize(
    ("prediction", "rejected", "headline", "looks_well", "steps"),
    [
        (Prediction(would_apply=9), 0, "no problem found", True, 1),
        (Prediction(would_apply=8, not_predicted=1), 0, "1 of 9 rows could not be predicted", False, 2),
        (Prediction(would_apply=8, would_overdraw=1), 0, "1 of 9 rows would not be applied", False, 2),
        (Prediction(would_apply=8), 1, "1 of 9 rows would not be applied", False, 2),
    ],
)
def test_dry_run_looks_well_only_where_every_row_would_be_applied(
    prediction: Prediction, rejected: int, headline: str, looks_well: bool, steps: int
):
    page = page_of(
        status=BatchStatus.VALIDATED,
        dry_run=True,
        counts=Counts(rows=9, rejected=rejected, not_submitted=9 - rejected),
        prediction=prediction,
    )
    assert f"Dry run, nothing was sent: {headline}" in text_of(page)
    assert ('class="verdict validated"' in page) == looks_well
    assert page.split("What to do next")[1].split("</ol>")[0].count("<li>") == steps


def test_dry_run_says_once_what_would_fail():
    rows = RowsView()
    for amount in ("-5", "-7"):
        message = f"would fail: {amount} overdraws the balance of 3"
        rows.add_problem(Outcome.NOT_SUBMITTED, ExampleRow(2, "c", amount, message))
    text = text_of(page_of(rows, status=BatchStatus.VALIDATED, dry_run=True))
    assert text.count("would fail") == 1
    assert "… overdraws the balance of 3" in text


def test_file_whose_rows_were_accepted_before_does_not_ask_for_another_drop():
    repeated = Source(bucket="b", key="inbox/f.csv", sha256="a" * 64)
    text = text_of(page_of(status=BatchStatus.REJECTED, source=repeated, refusal="accepted before"))
    assert "nothing is left to do" in text
    assert "Drop the file again" not in text


@pytest.mark.parametrize(("failed", "is_enlarged"), [(0, False), (1, True), (500, False)])
def test_what_is_drawn_larger_is_said_and_nothing_else(failed: int, is_enlarged: bool):
    counts = Counts(rows=1000, applied=1000 - failed, failed=failed)
    ended = {"state": ChunkState.SETTLED, "last": 1000, "counts": counts}
    chunk = make_chunk(intent_at=START, ended_at=START + timedelta(seconds=70), **ended)
    page = page_of(chunks=[chunk], status=BatchStatus.COMPLETED)
    assert ("drawn larger" in text_of(page)) == is_enlarged


def test_timeline_of_a_batch_that_took_no_time_has_a_scale():
    chunk = make_chunk(
        state=ChunkState.SETTLED, intent_at=START, ended_at=START, counts=Counts(rows=10, applied=10)
    )
    text = text_of(page_of(chunks=[chunk], status=BatchStatus.COMPLETED, finished_at=START))
    assert "+0.0 s" not in text


@pytest.mark.parametrize(("jobs", "is_folded"), [(12, False), (13, True)])
def test_table_of_many_jobs_is_folded(jobs: int, is_folded: bool):
    chunks = [make_chunk(chunk_id=f"001-{number:05}", intent_at=START) for number in range(jobs)]
    page = page_of(chunks=chunks, status=BatchStatus.COMPLETED)
    assert ("<details>" in page) == is_folded
    assert "001-00000" in page


def test_history_names_guards_and_people():
    text = text_of(
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
        assert words in text
    assert "Why:" not in text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (1, 1, "100 %"),
        (1, 3, "33.3 %"),
        (1, 100_000, "under 0.1 %"),
        (99_999, 100_000, "over 99.9 %"),
        (0, 5, "0 %"),
    ],
)
def test_share_is_never_rounded_to_all_or_nothing(part: int, whole: int, text: str):
    assert percent(part, whole) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, ""),
        (0.4, "0.4 s"),
        (2, "2 s"),
        (59, "59 s"),
        (61, "1 min 1 s"),
        (7_260, "2 h 1 min"),
        (9.96, "10 s"),
        (59.7, "1 min 0 s"),
    ],
)
def test_durations_read_well(seconds: float, text: str):
    assert duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("-1234567.5", "-1,234,567.5"),
        ("1000", "+1,000"),
        ("1000.00", "+1,000"),
        ("-0.10", "-0.1"),
        ("0", "0"),
        ("0.0", "0"),
        ("12345678901234567.000001", "+12,345,678,901,234,567.000001"),
        ("1E+3", "+1,000"),
    ],
)
def test_points_have_a_sign_and_thousands_and_no_trailing_zeros(amount: str, text: str):
    assert points(amount) == text


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        (Reconciliation(), "The system starts to look them up with its next sweep"),
        (
            Reconciliation(
                round=1,
                begun_at=START,
                looked_up_at=START + timedelta(minutes=1),
                rows_looked_up=3,
                rows_left=9,
            ),
            "looked up 3 of 12 rows in doubt",
        ),
        (Reconciliation(round=1, looked_up_at=START, rows_looked_up=12), "looked up all 12 rows in doubt"),
        (
            Reconciliation(round=9, looked_up_at=START + timedelta(days=4), rows_looked_up=12),
            "It does not look them up again",
        ),
    ],
)
def test_report_says_how_many_rows_in_doubt_were_looked_up(state: Reconciliation, wanted: str):
    counts = Counts(rows=12, in_doubt=12)
    batch = make_batch(
        status=BatchStatus.NEEDS_ATTENTION, counts=counts, finished_at=START, reconciliation=state
    )
    page = render_report(batch, [], RowsView())
    assert wanted in re.sub(r"<[^>]*>", "", page)


@pytest.mark.parametrize("status", [BatchStatus.VALIDATED, BatchStatus.REJECTED])
def test_page_names_the_one_file_to_drop_after_nothing_was_sent(status: BatchStatus):
    page = page_of(
        status=status,
        dry_run=True,
        refusal="too many bad rows" if status is BatchStatus.REJECTED else "",
        counts=Counts(rows=9, rejected=1, not_submitted=8),
        total="12",
        prediction=Prediction(would_apply=8) if status is BatchStatus.VALIDATED else None,
    )
    steps = text_of(page)
    assert "drop file.csv" in steps.lower()
    assert steps.count("Do not drop fix-me.csv as well: its rows would be applied twice.") == 1
    assert "adjust submit fix-me.csv" not in steps
    assert "+12" in steps
