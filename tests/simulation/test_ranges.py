"""Releases and nights have seeds of their own, and a summary opens with the seeds that failed."""

from datetime import date, timedelta
from itertools import pairwise

from tests.simulation.__main__ import as_markdown
from tests.simulation.many import Summary
from tests.simulation.ranges import RELEASE, SEEDS_A_NIGHT, seeds_of_night, seeds_of_release


def test_each_release_moves_on_by_ten_thousand_seeds():
    assert seeds_of_release(7) == range(70_000, 80_000)
    assert seeds_of_release(8).start == seeds_of_release(7).stop
    assert seeds_of_release() == seeds_of_release(RELEASE)


def test_no_seed_is_run_in_two_nights_or_belongs_to_a_release():
    nights = [seeds_of_night(date(2026, 11, 28) + timedelta(days=number)) for number in range(400)]
    assert all(len(night) == SEEDS_A_NIGHT == 200_000 for night in nights)
    assert all(earlier.stop == later.start for earlier, later in pairwise(nights))
    assert nights[0].start > seeds_of_release(1_000).stop


def test_summary_opens_with_the_failing_seeds():
    summary = Summary(seeds=200_000, violations=[(41349, "doubts are cleared by evidence: line 2")])
    lines = as_markdown(range(200_000), summary).splitlines()
    assert lines[0] == "## 1 of 200,000 seeds broke a promise"
    assert lines[2] == "- `make simulate SEED=41349`: doubts are cleared by evidence: line 2"


def test_summary_of_a_good_night_says_so_and_which_seeds_it_ran():
    lines = as_markdown(range(5, 200_005), Summary(seeds=200_000)).splitlines()
    assert lines[0] == "## Every promise held in 200,000 seeds"
    assert lines[-1] == "Seeds 5 to 200004: `make simulate FIRST=5 SEEDS=200000`"
