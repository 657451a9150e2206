"""Waits for a place in the shared request budget."""

from datetime import datetime, timedelta

from adjustments.ports import Clock, Lane, RequestBudget, Resource


def wait_for_turn(
    budget: RequestBudget, clock: Clock, resource: Resource, lane: Lane, until: datetime
) -> bool:
    """Wait until a call to Gameball may be made; False when that would be after ``until``."""
    while True:
        within_s = max(0.0, (until - clock.now()).total_seconds())
        granted, wait_s = budget.wait_s(resource, lane, within_s)
        if wait_s and clock.now() + timedelta(seconds=wait_s) >= until:
            return False  # a place that was granted goes unused, as when its caller dies
        clock.sleep(wait_s)
        if granted:
            return True
