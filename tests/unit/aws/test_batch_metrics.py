"""What is counted of batches, for alarms and the dashboard."""

from datetime import timedelta

import pytest

from adjustments.aws import batch_metrics as measures
from adjustments.batches.next_step import NextStep
from adjustments.batches.records import Counts
from adjustments.batches.states import BatchStatus
from tests.fakes.memory import START
from tests.unit.making import make_batch

LATE = START + timedelta(hours=7)


def step(rows_in_doubt: int) -> NextStep:
    return NextStep((), (), (), "", is_over=False, more_to_send=False, wait_s=2, rows_in_doubt=rows_in_doubt)


def test_end_of_a_batch_counts_its_rows_by_outcome_and_itself_by_status():
    counts = Counts(rows=21, applied=6, failed=5, rejected=4, not_submitted=3, in_doubt=3)
    ended = make_batch(status=BatchStatus.NEEDS_ATTENTION, counts=counts)
    assert measures.batch_end_metrics(ended) == {
        "RowsApplied": 6, "RowsFailed": 5, "RowsRejected": 4, "RowsNotSubmitted": 3, "RowsInDoubt": 3,
        "RowsInDoubtOpen": 3, "BatchesPastDeadline": 0, "BatchesNeedsAttention": 1,
    }  # fmt: skip


def test_end_past_the_deadline_is_told():
    ended = make_batch(status=BatchStatus.NEEDS_ATTENTION, past_deadline=True)
    assert measures.batch_end_metrics(ended)["BatchesPastDeadline"] == 1


def test_step_without_worries_counts_nothing():
    assert measures.step_metrics(make_batch(), step(rows_in_doubt=0)) == {}


def test_step_tells_of_refused_keys_and_of_doubts():
    told = measures.step_metrics(make_batch(pause_reason="Gameball answered 401"), step(rows_in_doubt=7))
    assert told == {"KeysRefused": 1, "RowsInDoubtOpen": 7}


def test_sweep_of_nothing_still_says_that_it_ran_and_that_all_is_well():
    assert measures.sweep_metrics([], [], START) == {
        "SweepRan": 1, "RowsInDoubtOpen": 0, "BatchesPastDeadline": 0,
        "BatchesPlanned": 0, "BatchesAwaitingApproval": 0, "BatchesSubmitting": 0, "BatchesPolling": 0,
    }  # fmt: skip


def test_sweep_counts_doubts_of_batches_told_and_not_yet_told():
    doubtful = make_batch(status=BatchStatus.NEEDS_ATTENTION, counts=Counts(rows=9, in_doubt=4))
    assert measures.sweep_metrics([doubtful], [doubtful], LATE)["RowsInDoubtOpen"] == 8


@pytest.mark.parametrize(
    ("status", "late"),
    [
        (BatchStatus.POLLING, 1),
        (BatchStatus.SUBMITTING, 1),
        (BatchStatus.AWAITING_APPROVAL, 0),
        (BatchStatus.COMPLETED, 0),
    ],
)
def test_batch_is_late_while_it_could_still_end_by_itself(status: BatchStatus, late: int):
    assert measures.sweep_metrics([make_batch(status=status)], [], LATE)["BatchesPastDeadline"] == late
    assert measures.sweep_metrics([make_batch(status=status)], [], START)["BatchesPastDeadline"] == 0
