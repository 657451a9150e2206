"""The e-mail on a batch: what happened, the numbers, what to do, and where the results are."""

from typing import Any

import pytest

from adjustments.batches.batch_parts import Counts, Prediction, Source
from adjustments.batches.states import BatchStatus
from adjustments.results.emails import ResultsLocation, batch_email, missed_tick_email
from tests.unit.making import make_batch

LOCATION = ResultsLocation("bucket", "eu-central-1")


def text(status: BatchStatus, location: ResultsLocation = LOCATION, **values: Any) -> str:
    fields = {"counts": Counts(rows=2600, applied=2590, failed=5, rejected=5), "total": "232475.5"}
    return batch_email(
        make_batch(status=status, batch_id="b1", **{**fields, "applied_total": "-1237200", **values}),
        location,
    ).text


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (BatchStatus.COMPLETED, "All rows were applied."),
        (BatchStatus.COMPLETED_WITH_ERRORS, "Correct the rows in fix-me.csv"),
        (BatchStatus.VALIDATED, "nothing was sent"),
        (BatchStatus.REJECTED, "Nothing was sent"),
        (BatchStatus.STOPPED, "drop fix-me.csv"),
        (BatchStatus.AWAITING_APPROVAL, "Waiting for approval"),
    ],
)
def test_email_says_what_happened_and_what_to_do(status: BatchStatus, says: str):
    assert says in text(status)


def test_email_on_rows_in_doubt_says_not_to_send_them_again():
    body = text(BatchStatus.NEEDS_ATTENTION, counts=Counts(rows=2, applied=1, in_doubt=1))
    assert "Do not send them again" in body


def test_email_formats_numbers_and_omits_zeros():
    told = text(BatchStatus.COMPLETED_WITH_ERRORS).splitlines()
    assert "Rows: 2,600; 2,590 applied, 5 failed, 5 rejected" in told
    assert "Points: requested +232,475.5, applied -1,237,200" in told


def test_email_gives_the_reason_as_it_is_stored():
    assert "Why: stopped by ann: wrong month" in text(
        BatchStatus.STOPPED, stop_reason="stopped by ann: wrong month"
    )
    assert "Why:" not in text(BatchStatus.COMPLETED)


def test_email_on_a_held_batch_names_the_command_and_no_results():
    told = text(BatchStatus.AWAITING_APPROVAL, held_by=("2600 rows are more than ApprovalAboveRows (100)",))
    assert "adjust approve b1" in told
    assert "2600 rows are more than ApprovalAboveRows (100)" in told
    assert "Results:" not in told
    assert "applied -1,237,200" not in told


@pytest.mark.parametrize(
    ("partition", "host"),
    [
        ("aws", "console.aws.amazon.com"),
        ("aws-cn", "console.amazonaws.cn"),
        ("aws-us-gov", "console.amazonaws-us-gov.com"),
    ],
)
def test_email_links_to_the_results_in_the_console(partition: str, host: str):
    told = text(BatchStatus.COMPLETED, ResultsLocation("bucket", "eu-central-1", partition)).splitlines()
    assert f"Results: https://{host}/s3/buckets/bucket?region=eu-central-1&prefix=results/b1/" in told
    assert "or: adjust results b1" in told


@pytest.mark.parametrize(
    ("prediction", "told"),
    [
        (Prediction(would_apply=7), "7 would be applied"),
        (
            Prediction(would_apply=1, would_overdraw=2, unknown_customer=3, not_predicted=4),
            "1 would be applied, 2 would overdraw, 3 unknown to Gameball, 4 not predicted",
        ),
        (Prediction(), "no row would be sent"),
    ],
)
def test_email_on_a_dry_run_has_the_prediction(prediction: Prediction, told: str):
    lines = text(BatchStatus.VALIDATED, dry_run=True, prediction=prediction).splitlines()
    assert f"Prediction: {told}" in lines
    assert not [line for line in lines if "applied -" in line]


@pytest.mark.parametrize("status", [s for s in BatchStatus if s.is_final] + [BatchStatus.AWAITING_APPROVAL])
def test_email_subject_is_valid_for_sns(status: BatchStatus):
    longest = "20261122-101500-" + "a" * 30 + "-0f3c9a1b2d4e"
    subject = batch_email(make_batch(status=status, batch_id=longest), LOCATION).subject
    assert subject.endswith(longest)
    assert len(subject) <= 100
    assert subject.isascii()


def test_email_on_a_missed_tick_says_when_it_was_due_and_what_to_do():
    mail = missed_tick_email("2026-11-01T06:00:00+00:00")
    assert "2026-11-01T06:00:00+00:00" in mail.text
    assert "from recurring/ into inbox/" in mail.text


def test_email_of_a_batch_past_its_deadline_without_doubt_does_not_ask_to_look_rows_up():
    counts = Counts(rows=9, applied=4, not_submitted=5)
    body = text(BatchStatus.NEEDS_ATTENTION, counts=counts)
    assert "did not finish in time" in body
    assert "look them up" not in body


def test_email_of_rows_that_were_accepted_before_does_not_ask_for_another_drop():
    body = text(BatchStatus.REJECTED, source=Source(bucket="b", key="inbox/f.csv", sha256="a" * 64))
    assert "nothing is left to do" in body
    assert "drop the file again" not in body


@pytest.mark.parametrize(
    ("prediction", "rejected", "has_findings"),
    [
        (Prediction(would_apply=5), 0, False),
        (Prediction(would_apply=5), 1, True),
        (Prediction(would_apply=4, would_overdraw=1), 0, True),
        (Prediction(would_apply=4, unknown_customer=1), 0, True),
        (Prediction(would_apply=4, not_predicted=1), 0, True),
    ],
)
def test_email_on_a_dry_run_with_findings_asks_to_check_them_first(
    prediction: Prediction, rejected: int, has_findings: bool
):
    counts = Counts(rows=5 + rejected, rejected=rejected, not_submitted=5)
    body = text(BatchStatus.VALIDATED, dry_run=True, prediction=prediction, counts=counts)
    assert ("Check the rows in fix-me.csv" in body) == has_findings
    assert "without the dry-run option" in body


@pytest.mark.parametrize("status", [BatchStatus.VALIDATED, BatchStatus.REJECTED])
def test_email_names_the_one_file_to_drop_after_nothing_was_sent(status: BatchStatus):
    prediction = Prediction(would_apply=1, would_overdraw=1)
    counts = Counts(rows=3, rejected=1, not_submitted=2)
    body = text(status, dry_run=True, prediction=prediction, counts=counts)
    assert "rows in file.csv itself" in body
    assert "Then drop file.csv" in body
    assert "Do not drop fix-me.csv as well" in body
