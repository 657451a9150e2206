"""A running stand-in with two customers, no limits, and a clock that only the test moves."""

from collections.abc import Iterator

import pytest

from local.standin import ManualClock, StandIn

from .caller import Caller


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still at the start of 2026."""
    return ManualClock()


@pytest.fixture
def standin(clock: ManualClock) -> Iterator[StandIn]:
    """Ann has 100 points, bob has 5."""
    with StandIn(clock=clock, limits=False, customers={"ann": 100, "bob": 5}) as running:
        yield running


@pytest.fixture
def caller(standin: StandIn) -> Iterator[Caller]:
    """A caller with the right keys."""
    calling = Caller(standin)
    yield calling
    calling.close()
