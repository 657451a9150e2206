"""A kill before and after every single call, times every answer to the first request: all of it recovers."""

import pytest

from tests.simulation.crashes import CLASSES, cases


@pytest.mark.parametrize("answer_class", CLASSES)
def test_every_crash_recovers(answer_class: str, capsys: pytest.CaptureFixture[str]):
    count = 0
    for number, kill, result in cases(answer_class):
        count += 1
        assert result.violation is None, f"{answer_class}, {kill} number {number}: {result.violation}"
    assert count > 100
    with capsys.disabled():
        print(f"\ncrash matrix: {count} cases for a first answer '{answer_class}'")
