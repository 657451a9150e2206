"""The rows and points of the last 24 hours that went out without an approval."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from adjustments.batches.unapproved import ENTRIES_MAX, PERIOD, Unapproved
from tests.fakes.memory import START

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def counted(*batches: tuple[datetime, int, str]) -> Unapproved:
    unapproved = Unapproved()
    for at, rows, total in batches:
        unapproved = unapproved.with_batch(at, rows, Decimal(total))
    return unapproved


def test_nothing_is_counted_at_first():
    assert Unapproved().sums(START) == (0, Decimal(0))


def test_batches_are_added_up_exactly():
    unapproved = counted(
        (START, 1, "0.1"), (START + HOUR, 2, "0.2"), (START + 2 * HOUR, 3, "1000000000000000")
    )
    assert unapproved.sums(START + 3 * HOUR) == (6, Decimal("1000000000000000.3"))
    assert unapproved.version == 3


def test_batch_counts_for_24_hours_and_not_a_moment_longer():
    unapproved = counted((START, 5, "50"))
    assert unapproved.sums(START + PERIOD - SECOND)[0] == 5
    assert unapproved.sums(START + PERIOD)[0] == 0


def test_batch_of_a_clock_that_is_ahead_counts():
    assert counted((START + 5 * SECOND, 5, "50")).sums(START)[0] == 5


def test_what_counts_no_more_is_forgotten():
    unapproved = counted((START, 1, "1"), (START + PERIOD, 2, "2"))
    assert [entry.rows for entry in unapproved.entries] == [2]


def test_busy_day_keeps_few_entries_and_every_row():
    times = [START + timedelta(seconds=80 * number) for number in range(1_000)]  # of 22 hours
    unapproved = counted(*((at, 1, "2") for at in times))
    assert len(unapproved.entries) == ENTRIES_MAX
    assert unapproved.sums(times[-1]) == (1_000, Decimal(2_000))
    gaps = [later.at - earlier.at for earlier, later in pairwise(unapproved.entries)]
    assert max(gaps) <= timedelta(hours=1), "none counts for more than an hour too long"


@given(st.lists(st.integers(0, 3 * 24 * 3_600), max_size=150), st.integers(0, 4 * 24 * 3_600))
def test_no_batch_of_the_last_24_hours_is_ever_missed(seconds: list[int], asked_after: int):
    times = sorted(START + timedelta(seconds=after) for after in seconds)
    at = max([START + timedelta(seconds=asked_after), *times])
    unapproved = counted(*((time, 1, "3") for time in times))
    young = sum(time > at - PERIOD for time in times)
    rows, total = unapproved.sums(at)
    assert rows >= young
    assert total == 3 * rows
    if len(times) <= ENTRIES_MAX:
        assert rows == young
