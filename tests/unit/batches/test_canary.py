"""What a canary decides: one that tells nothing is no judgement, and only a second one follows it."""

from datetime import timedelta
from typing import Any

import pytest

from adjustments.batches.batch_parts import Counts
from adjustments.batches.next_step import CANARY_PAUSE, NextStep, next_step
from adjustments.batches.records import Chunk
from adjustments.batches.states import ChunkState
from tests.fakes.memory import START
from tests.unit.making import make_batch, make_chunk

FIRST, SECOND, THIRD, FOURTH = "001-00001", "001-00002", "001-00003", "001-00004"
REST = [make_chunk(chunk_id=THIRD, last=1000), make_chunk(chunk_id=FOURTH, last=800)]
PERCENT_MAX = 20


def canary(name: str, state: str, rows: int = 100, **values: Any) -> Chunk:
    was_sent = {} if state in ("planned", "not_submitted") else {"intent_at": START}
    return make_chunk(chunk_id=name, state=ChunkState(state), last=rows, **{**was_sent, **values})


def settled(name: str, failed: int = 0, in_doubt: int = 0, rows: int = 100, **values: Any) -> Chunk:
    counts = Counts(rows=rows, applied=rows - failed - in_doubt, failed=failed, in_doubt=in_doubt)
    return canary(name, "settled", rows, counts=counts, **values)


def step(
    first: Chunk | list[Chunk],
    second: Chunk | list[Chunk],
    *rest: Chunk,
    after: timedelta = CANARY_PAUSE,
    percent_max: int = PERCENT_MAX,
    **values: Any,
) -> NextStep:
    both = [part for parts in (first, second) for part in (parts if isinstance(parts, list) else [parts])]
    batch = make_batch(**{"has_canary": True, **values})
    return next_step(batch, [*both, *(rest or REST)], START + after, percent_max)


def sent(found: NextStep) -> list[str]:
    return [chunk.chunk_id for chunk in found.to_send]


ALL = [SECOND, THIRD, FOURTH]
LOST = canary(FIRST, "in_doubt")
WAITS = canary(SECOND, "planned")


@pytest.mark.parametrize(
    ("first", "second", "to_send", "stop"),
    [
        # the first canary is judged: as ever
        (canary(FIRST, "planned"), WAITS, [FIRST], ""),
        (canary(FIRST, "submitting"), WAITS, [], ""),
        (canary(FIRST, "submitted"), WAITS, [], ""),
        (settled(FIRST), WAITS, ALL, ""),
        (settled(FIRST, failed=20), WAITS, ALL, ""),
        (settled(FIRST, failed=10, in_doubt=10), WAITS, ALL, ""),
        (settled(FIRST, failed=21), WAITS, [], "21 of the first 100 rows failed or are in doubt"),
        (settled(FIRST, failed=21, in_doubt=79), WAITS, [], "100 of the first 100 rows failed"),
        # it tells too little: only the second one goes
        (LOST, WAITS, [SECOND], ""),
        (settled(FIRST, in_doubt=100), WAITS, [SECOND], ""),
        (settled(FIRST, in_doubt=21), WAITS, [SECOND], ""),
        (settled(FIRST, failed=20, in_doubt=1), WAITS, [SECOND], ""),
        (settled(FIRST, failed=20, in_doubt=80), WAITS, [SECOND], ""),
        # the second one is under way
        (LOST, canary(SECOND, "submitting"), [], ""),
        (LOST, canary(SECOND, "submitted"), [], ""),
        # the second one is judged, and rows of which nothing is known don't count against it
        (LOST, settled(SECOND), [THIRD, FOURTH], ""),
        (LOST, settled(SECOND, failed=20), [THIRD, FOURTH], ""),
        (LOST, settled(SECOND, failed=10, in_doubt=10), [THIRD, FOURTH], ""),
        (LOST, settled(SECOND, failed=21), [], "21 of 100 rows failed or are in doubt (100 rows of a"),
        (settled(FIRST, failed=20, in_doubt=80), settled(SECOND, failed=4), [THIRD, FOURTH], ""),
        (settled(FIRST, failed=20, in_doubt=80), settled(SECOND, failed=5), [], "25 of 120 rows failed"),
        # no third one
        (LOST, canary(SECOND, "in_doubt"), [], "no outcome is known of 200 of the first 200 rows, also"),
        (LOST, settled(SECOND, in_doubt=21), [], "no outcome is known of 121 of the first 200 rows"),
        (settled(FIRST, in_doubt=21), settled(SECOND, failed=20, in_doubt=1), [],
         "no outcome is known of 22 of the first 200 rows"),
        # evidence: the answer to the first one came late
        (canary(FIRST, "submitted"), canary(SECOND, "submitted"), [], ""),
        (canary(FIRST, "submitted"), WAITS, [], ""),
        (settled(FIRST), canary(SECOND, "submitted"), [THIRD, FOURTH], ""),
        (settled(FIRST, failed=100), canary(SECOND, "submitted"), [], "100 of the first 100 rows failed"),
        (settled(FIRST), canary(SECOND, "in_doubt"), [], "100 of the first 200 rows failed or are in doubt"),
        (canary(FIRST, "submitted"), settled(SECOND), [], ""),
    ],
)  # fmt: skip
def test_what_goes_after_a_canary(first: Chunk, second: Chunk, to_send: list[str], stop: str):
    found = step(first, second)
    assert (sent(found), found.stop_reason[: len(stop)]) == (to_send, stop)
    assert bool(found.stop_reason) == bool(stop)
    assert "MaxFailurePercent" in (found.stop_reason or "MaxFailurePercent")
    assert not found.is_over


@pytest.mark.parametrize(
    ("first", "second", "to_send", "stop"),
    [
        (settled(FIRST, in_doubt=1), WAITS, [SECOND], False),
        (settled(FIRST, failed=1, in_doubt=99), WAITS, [], True),
        (LOST, settled(SECOND), [THIRD, FOURTH], False),
        (LOST, settled(SECOND, failed=1), [], True),
        (LOST, settled(SECOND, in_doubt=1), [], True),
    ],
)
def test_where_no_row_may_fail_one_in_doubt_is_no_judgement(
    first: Chunk, second: Chunk, to_send: list[str], stop: bool
):
    found = step(first, second, percent_max=0)
    assert (sent(found), bool(found.stop_reason)) == (to_send, stop)


@pytest.mark.parametrize("second", [WAITS, canary(SECOND, "in_doubt")])
def test_where_every_row_may_fail_the_rest_goes_at_once(second: Chunk):
    found = step(LOST, second, percent_max=100, after=timedelta(0))
    assert sent(found)[-2:] == [THIRD, FOURTH]


@pytest.mark.parametrize(("after_s", "to_send"), [(0, []), (119, []), (120, [SECOND]), (3600, [SECOND])])
def test_second_canary_waits_until_a_late_answer_is_out_of_the_question(after_s: int, to_send: list[str]):
    found = step(LOST, WAITS, after=timedelta(seconds=after_s))
    assert (sent(found), found.more_to_send, found.is_over) == (to_send, True, False)


def test_pause_counts_from_the_part_that_was_sent_last():
    later = START + timedelta(seconds=60)
    parts = [
        canary(FIRST, "split"),
        canary(f"{FIRST}.0", "in_doubt", 50),
        canary(f"{FIRST}.1", "in_doubt", 50, intent_at=later),
    ]
    assert sent(step(parts, WAITS, after=timedelta(seconds=179))) == []
    assert sent(step(parts, WAITS, after=timedelta(seconds=180))) == [SECOND]


def test_parts_of_a_refused_canary_go_alone_and_are_judged_together():
    refused = [canary(SECOND, "split"), settled(f"{SECOND}.0", rows=50), canary(f"{SECOND}.1", "planned", 50)]
    assert sent(step(LOST, refused)) == [f"{SECOND}.1"]
    refused[2] = canary(f"{SECOND}.1", "refused", 1)
    assert sent(step(LOST, refused)) == [THIRD, FOURTH]
    refused[2] = canary(f"{SECOND}.1", "in_doubt", 50)
    assert step(LOST, refused).stop_reason.startswith("no outcome is known of 150 of the first 200 rows")


def test_rows_in_doubt_of_later_chunks_still_count():
    found = step(LOST, settled(SECOND), canary(THIRD, "in_doubt", 1000), REST[1])
    assert found.stop_reason.startswith("1000 of 1100 rows failed or are in doubt (100 rows of a canary")


def test_without_a_canary_lost_rows_stop_the_batch_as_ever():
    found = step(LOST, WAITS, has_canary=False)
    assert found.stop_reason.startswith("100 of the first 100 rows failed or are in doubt")


@pytest.mark.parametrize("second", [WAITS, canary(SECOND, "submitted")])
def test_a_stop_holds_for_the_second_canary(second: Chunk):
    found = step(LOST, second, stop_reason="stopped by ann")
    assert (found.to_send, found.more_to_send, found.stop_reason) == ([], False, "stopped by ann")


def test_second_canary_of_a_later_wave_goes_in_the_order_of_waves():
    """Where the first wave is the canary alone, a later one has no more rows than that."""
    first = canary(FIRST, "in_doubt")
    second, rest = (make_chunk(chunk_id=f"00{wave}-00001", wave=wave, last=80) for wave in (2, 3))
    assert sent(step(first, second, rest)) == ["002-00001"]
    assert sent(step(first, settled("002-00001", rows=80, wave=2), rest)) == ["003-00001"]


def test_nothing_stops_where_nothing_is_left_to_send():
    found = step(LOST, canary(SECOND, "in_doubt"), canary(THIRD, "submitted"))
    assert (found.stop_reason, found.to_send) == ("", [])


def test_stop_reason_names_rows_and_limit():
    assert step(LOST, settled(SECOND, failed=21)).stop_reason == (
        "21 of 100 rows failed or are in doubt (100 rows of a canary in doubt don't count), which is more "
        "than the 20 % allowed (MaxFailurePercent)"
    )
    assert step(LOST, canary(SECOND, "in_doubt")).stop_reason == (
        "no outcome is known of 200 of the first 200 rows, also after a second canary: more than the 20 % "
        "allowed (MaxFailurePercent)"
    )


GOES = (
    "No outcome is known of 100 of the first 100 rows. The next 100 rows go alone, as a second canary, "
    "2 minutes later."
)
WENT = (
    "No outcome was known of {} of the first 100 rows, so the next 100 rows went alone, as a second canary."
)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (settled(FIRST), WAITS, ""),
        (settled(FIRST, failed=21, in_doubt=79), WAITS, ""),
        (canary(FIRST, "submitted"), settled(SECOND), ""),
        (LOST, WAITS, GOES),
        (LOST, canary(SECOND, "submitted"), GOES),
        (LOST, settled(SECOND), WENT.format(100)),
        (settled(FIRST, in_doubt=21), settled(SECOND, failed=50), WENT.format(21)),
        (LOST, canary(SECOND, "in_doubt"), WENT.format(100)),
    ],
)
def test_canary_note_says_why_a_second_one_is_sent(first: Chunk, second: Chunk, told: str):
    assert step(first, second).canary_note == told
