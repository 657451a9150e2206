"""The simulation is itself tested: each planted bug is caught, within a bounded number of seeds."""

import pytest

from tests.simulation.mutants import Mutant, hunt, mutants


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_planted_bug_is_caught(mutant: Mutant):
    assert hunt(mutant).check


def test_there_are_many_planted_bugs():
    assert len(mutants()) >= 20


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_planted_bug_replaces_something_that_exists(mutant: Mutant):
    assert [name for target, name, _ in mutant.patches() if not hasattr(target, name)] == []
