"""A kill before and after every single call, times every answer to the first request: all of it recovers."""

from collections.abc import Callable

import pytest

from tests.simulation.crashes import CLASSES, ROW_CLASSES, cases


@pytest.mark.parametrize("answer_class", [*CLASSES, *ROW_CLASSES])
def test_every_crash_recovers(answer_class: str, record_property: Callable[[str, object], None]):
    count = 0
    for number, kill, result in cases(answer_class):
        count += 1
        assert result.violation is None, f"{answer_class}, {kill} number {number}: {result.violation}"
    assert count > 100
    record_property("summary", f"crash matrix: {count} cases, first answer: {answer_class}")
