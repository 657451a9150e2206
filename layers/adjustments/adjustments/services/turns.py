"""Waits for a place in the shared request budget."""

from datetime import datetime, timedelta

from adjustments.ports import Clock, Lane, RequestBudget, Resource


def wait_for_turn(
    budget: RequestBudget, clock: Clock, resource: Resource, lane: Lane, until: datetime
) -> bool:
    """Wait until a call to Gameball may be made; False when that would be after ``until``."""
    while True:
        granted, wait_s = budget.wait_s(resource, lane)
        if granted:
            clock.sleep(wait_s)
            return True
        if clock.now() + timedelta(seconds=wait_s) >= until:
            return False
        clock.sleep(wait_s)
