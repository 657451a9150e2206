"""Metrics of batches, for alarms and the dashboard."""

from datetime import timedelta

import pytest

from adjustments.aws.metrics import SWEEP_RAN
from adjustments.batches import batch_metrics
from adjustments.batches.batch_parts import Counts
from adjustments.batches.next_step import NextStep
from adjustments.batches.states import BatchStatus
from tests.fakes.memory import START
from tests.unit.making import make_batch

LATE = START + timedelta(hours=7)


def step(rows_in_doubt: int) -> NextStep:
    return NextStep((), (), (), "", is_over=False, more_to_send=False, wait_s=2, rows_in_doubt=rows_in_doubt)


def test_batch_end_metrics_count_rows_by_outcome_and_the_status():
    counts = Counts(rows=21, applied=6, failed=5, rejected=4, not_submitted=3, in_doubt=3)
    ended = make_batch(status=BatchStatus.NEEDS_ATTENTION, counts=counts)
    assert batch_metrics.batch_end_metrics(ended) == {
        "RowsApplied": 6, "RowsFailed": 5, "RowsRejected": 4, "RowsNotSubmitted": 3, "RowsInDoubt": 3,
        "RowsInDoubtOpen": 3, "BatchesPastDeadline": 0, "BatchesNeedsAttention": 1,
    }  # fmt: skip


def test_batch_end_metrics_count_a_batch_past_its_deadline():
    ended = make_batch(status=BatchStatus.NEEDS_ATTENTION, past_deadline=True)
    assert batch_metrics.batch_end_metrics(ended)["BatchesPastDeadline"] == 1


def test_step_metrics_are_empty_in_the_normal_course():
    assert batch_metrics.step_metrics(make_batch(), step(rows_in_doubt=0)) == {}


def test_step_metrics_count_refused_keys_and_rows_in_doubt():
    counted = batch_metrics.step_metrics(
        make_batch(pause_reason="Gameball answered 401"), step(rows_in_doubt=7)
    )
    assert counted == {"KeysRefused": 1, "RowsInDoubtOpen": 7}


def test_metrics_of_a_sweep_without_batches_are_two():
    """Each metric that is written while nothing happens costs 30 cents a month."""
    assert batch_metrics.open_batch_metrics([], START) == {}
    assert batch_metrics.doubt_metrics([], []) == {"RowsInDoubtOpen": 0}
    assert SWEEP_RAN == {"SweepRan": 1}


def test_open_batches_are_counted_by_status():
    statuses = [BatchStatus.POLLING, BatchStatus.POLLING, BatchStatus.PLANNED, BatchStatus.STOPPED]
    assert batch_metrics.open_batch_metrics([make_batch(status=status) for status in statuses], START) == {
        "BatchesPolling": 2, "BatchesPlanned": 1,
    }  # fmt: skip


def test_rows_in_doubt_of_open_and_ended_batches_are_added_up():
    doubtful = make_batch(status=BatchStatus.NEEDS_ATTENTION, counts=Counts(rows=9, in_doubt=4))
    assert batch_metrics.doubt_metrics([doubtful], [doubtful]) == {"RowsInDoubtOpen": 8}


@pytest.mark.parametrize(("rows", "told"), [(4, {"RowsInDoubtOpen": 4}), (0, {})])
def test_rows_in_doubt_that_could_not_be_read_are_never_called_none(rows: int, told: dict[str, int]):
    found = make_batch(status=BatchStatus.NEEDS_ATTENTION, counts=Counts(rows=9, in_doubt=rows))
    assert batch_metrics.doubt_metrics(None, [found]) == told
    assert batch_metrics.doubt_metrics([found], None) == told


@pytest.mark.parametrize(
    ("status", "late"),
    [
        (BatchStatus.POLLING, 1),
        (BatchStatus.SUBMITTING, 1),
        (BatchStatus.AWAITING_APPROVAL, 0),
        (BatchStatus.COMPLETED, 0),
    ],
)
def test_open_batches_past_their_deadline_are_counted(status: BatchStatus, late: int):
    assert (
        batch_metrics.open_batch_metrics([make_batch(status=status)], LATE).get("BatchesPastDeadline", 0)
        == late
    )
    assert "BatchesPastDeadline" not in batch_metrics.open_batch_metrics([make_batch(status=status)], START)
