"""How far a batch is, and when it will probably end."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adjustments.batches.batch_parts import Counts
from adjustments.batches.records import Chunk
from adjustments.batches.states import BatchStatus, ChunkState
from adjustments.results.summary import progress_of
from tests.fakes.memory import START
from tests.unit.making import make_batch, make_chunk


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def ended(number: int, sent_s: float, ended_s: float, rows: int = 1_000, wave: int = 1) -> Chunk:
    return make_chunk(
        chunk_id=f"{wave:03}-{number:05}",
        wave=wave,
        state=ChunkState.SETTLED,
        last=rows,
        counts=Counts(rows=rows, applied=rows),
        intent_at=at(sent_s),
        ended_at=at(ended_s),
    )


def running(number: int, sent_s: float, wave: int = 1) -> Chunk:
    chunk_id = f"{wave:03}-{number:05}"
    return make_chunk(
        chunk_id=chunk_id, wave=wave, state=ChunkState.SUBMITTED, last=1_000, intent_at=at(sent_s)
    )


def unsent(number: int, wave: int = 1) -> Chunk:
    return make_chunk(chunk_id=f"{wave:03}-{number:05}", wave=wave, last=1_000)


def left_s(now_s: float, *chunks: Chunk, **batch: Any) -> float | None:
    """Seconds until the expected end."""
    rows = sum(chunk.rows for chunk in chunks)
    values = {"status": BatchStatus.POLLING, "counts": Counts(rows=rows), **batch}
    end = progress_of(make_batch(**values), chunks, at(now_s)).get("expectedEnd")
    if end is None:
        return None
    return (datetime.fromisoformat(end) - at(now_s)).total_seconds()


def test_expected_end_does_not_grow_with_the_number_of_jobs_that_run_side_by_side():
    chunks = [ended(1, 0, 20), *(running(number, number) for number in range(2, 13))]
    assert left_s(28, *chunks) == pytest.approx(4)  # the last of 12 was sent at 12 s, and jobs take 20 s


def test_expected_end_counts_what_is_still_to_be_sent_and_one_more_job():
    chunks = [ended(1, 0, 10), running(2, 2), running(3, 4), unsent(4), unsent(5)]
    # 3,000 rows in 12 s, so 2,000 more take 8 s; the last job ends 10 s later
    assert left_s(12, *chunks) == pytest.approx(18)


def test_expected_end_counts_the_waves_that_wait_for_each_other():
    first = [ended(number, number, number + 10) for number in range(4)]  # the pace: 4,000 rows in 3 s
    second_and_third = [running(1, 14, wave=2), unsent(1, wave=3)]
    # 9 s for the open job of wave 2, 0.75 s to send wave 3, and 10 s for its job
    assert left_s(15, *first, *second_and_third) == pytest.approx(19.75)


def test_expected_end_takes_the_few_rows_of_later_waves_for_what_they_are():
    first = [ended(number, number, number + 60) for number in range(4)]
    later = [make_chunk(chunk_id=f"{wave:03}-00001", wave=wave, last=1) for wave in range(2, 47)]
    # 45 waves of one row: a thousandth of a minute each, and not 45 minutes
    assert left_s(64, *first, *later) == pytest.approx(45 * 0.06 + 45 * 0.00075, abs=0.1)
    seen = [*first, ended(9, 62, 62.5, rows=1)]
    assert left_s(64, *seen, *later) == pytest.approx(45 * 0.5, abs=1)


def test_expected_end_leaves_the_pause_after_the_canary_out_of_the_pace():
    canary = ended(1, 0, 60, rows=100)
    chunks = [canary, running(2, 61), running(3, 62), unsent(4)]
    # 2,000 rows in 2 s, so the last 1,000 take one more; jobs take 60 s
    assert left_s(63, *chunks, has_canary=True) == pytest.approx(61)


@pytest.mark.parametrize(
    ("now_s", "chunks", "batch"),
    [
        (5, [running(1, 0), running(2, 1)], {}),  # no job has ended
        (30, [ended(1, 0, 20, rows=100), unsent(2)], {"has_canary": True}),  # the pace is unknown
        (90, [ended(1, 0, 20), running(2, 1)], {}),  # it takes longer than any before
        (12, [ended(1, 0, 10), running(2, 2)], {"pause_reason": "Gameball refuses the keys"}),
        (12, [ended(1, 0, 10), running(2, 2)], {"status": BatchStatus.NEEDS_ATTENTION}),
        (12, [ended(1, 0, 10), ended(2, 0, 10)], {}),  # nothing is open
    ],
)
def test_expected_end_is_absent_while_there_is_too_little_to_go_by(
    now_s: float, chunks: list[Chunk], batch: dict[str, Any]
):
    assert left_s(now_s, *chunks, **batch) is None


def test_open_job_that_takes_longer_than_most_is_measured_by_the_longest():
    chunks = [ended(1, 0, 10), ended(2, 0, 12), ended(3, 0, 60), running(4, 5)]
    assert left_s(35, *chunks) == pytest.approx(30)


def test_stopped_batch_waits_for_its_open_jobs_only():
    chunks = [ended(1, 0, 10), running(2, 4), unsent(3), unsent(4)]
    assert left_s(9, *chunks, stop_reason="stopped by ann: wrong file") == pytest.approx(5)


def test_progress_of_a_moving_batch_has_a_rate():
    batch = make_batch(status=BatchStatus.POLLING, counts=Counts(rows=2_000))
    assert progress_of(batch, [ended(1, 0, 10), running(2, 2)], at(20))["rowsPerSecond"] == Decimal(50)


@pytest.mark.parametrize(
    "values", [{"pause_reason": "Gameball refuses the keys"}, {"status": BatchStatus.COMPLETED_WITH_ERRORS}]
)
def test_progress_of_a_batch_that_does_not_move_has_neither_rate_nor_expected_end(values: dict[str, Any]):
    batch = make_batch(**{"status": BatchStatus.POLLING, "counts": Counts(rows=2_000), **values})
    progress = progress_of(batch, [ended(1, 0, 10), running(2, 2)], at(11))
    assert progress["settledRows"] == 1_000
    assert {"rowsPerSecond", "expectedEnd"} & progress.keys() == set()
