"""The mail on a batch: what happened, the numbers, what to do, and where to look."""

from typing import Any

import pytest

from adjustments.batches.records import Counts, Prediction
from adjustments.batches.states import BatchStatus
from adjustments.results.emails import ResultsLocation, batch_email, missed_tick_email
from tests.unit.making import make_batch

PLACE = ResultsLocation("bucket", "eu-central-1")


def text(status: BatchStatus, place: ResultsLocation = PLACE, **values: Any) -> str:
    fields = {"counts": Counts(rows=2600, applied=2590, failed=5, rejected=5), "total": "232475.5"}
    return batch_email(
        make_batch(status=status, batch_id="b1", **{**fields, "applied_total": "-1237200", **values}), place
    ).text


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (BatchStatus.COMPLETED, "Every row was applied."),
        (BatchStatus.COMPLETED_WITH_ERRORS, "Correct the rows in fix-me.csv"),
        (BatchStatus.VALIDATED, "nothing was sent"),
        (BatchStatus.REJECTED, "Nothing of it was sent"),
        (BatchStatus.STOPPED, "drop fix-me.csv"),
        (BatchStatus.NEEDS_ATTENTION, "Do not send them again"),
        (BatchStatus.AWAITING_APPROVAL, "A person has to approve"),
    ],
)
def test_mail_says_what_happened_and_what_to_do(status: BatchStatus, says: str):
    assert says in text(status)


def test_numbers_are_as_people_write_them_and_zeros_are_left_out():
    told = text(BatchStatus.COMPLETED_WITH_ERRORS).splitlines()
    assert "Rows: 2,600; 2,590 applied, 5 failed, 5 rejected" in told
    assert "Amounts: requested +232,475.5, applied -1,237,200" in told


def test_why_is_told_as_it_is_in_the_record():
    assert "Why: stopped by ann: wrong month" in text(
        BatchStatus.STOPPED, stop_reason="stopped by ann: wrong month"
    )
    assert "Why:" not in text(BatchStatus.COMPLETED)


def test_batch_that_waits_names_the_command_and_no_results():
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
def test_results_are_a_link_into_the_console(partition: str, host: str):
    told = text(BatchStatus.COMPLETED, ResultsLocation("bucket", "eu-central-1", partition)).splitlines()
    assert f"Results: https://{host}/s3/buckets/bucket?region=eu-central-1&prefix=results/b1/" in told
    assert "or: adjust results b1" in told


@pytest.mark.parametrize(
    ("prediction", "told"),
    [
        (Prediction(would_apply=7), "7 would be applied"),
        (
            Prediction(would_apply=1, would_overdraw=2, unknown_customer=3, not_predicted=4),
            "1 would be applied, 2 would overdraw, 3 unknown to Gameball, 4 not foretold",
        ),
        (Prediction(), "no row could be sent"),
    ],
)
def test_dry_run_tells_what_a_real_run_would_do(prediction: Prediction, told: str):
    lines = text(BatchStatus.VALIDATED, dry_run=True, prediction=prediction).splitlines()
    assert f"A real run: {told}" in lines
    assert not [line for line in lines if "applied -" in line]


@pytest.mark.parametrize("status", [s for s in BatchStatus if s.is_final] + [BatchStatus.AWAITING_APPROVAL])
def test_subject_is_one_that_sns_takes(status: BatchStatus):
    longest = "20261122-101500-" + "a" * 30 + "-0f3c9a1b2d4e"
    subject = batch_email(make_batch(status=status, batch_id=longest), PLACE).subject
    assert subject.endswith(longest)
    assert len(subject) <= 100
    assert subject.isascii()


def test_missed_tick_says_when_it_was_due_and_how_to_make_up_for_it():
    mail = missed_tick_email("2026-11-01T06:00:00+00:00")
    assert "2026-11-01T06:00:00+00:00" in mail.text
    assert "from recurring/ into inbox/" in mail.text
