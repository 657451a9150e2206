"""A process that takes places in the rate limiter as fast as it gets them, and prints them.

``python -m tests.contract.hammer <endpoint> <table> <callers> <seconds>`` prints one line of JSON: the times
of the places in µs, and how often was asked for them.
"""

import json
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

from adjustments.core.runtime import RandomIds
from adjustments.gameball.rate_limiter import Priority, Resource, TableRateLimiter
from local.aws import Aws
from local.environment import REGION

LIMIT = 350


class NotedClock:
    """The machine's clock, which notes what it told last; one for each thread."""

    def __init__(self) -> None:
        self.told = datetime.now(UTC)

    def now(self) -> datetime:
        self.told = datetime.now(UTC)
        return self.told

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Caller:
    """Takes places until its time is up."""

    def __init__(self, aws: Aws, table: str) -> None:
        self._clock = NotedClock()
        self._rate_limiter = TableRateLimiter(aws.dynamodb, table, self._clock, RandomIds(), LIMIT)
        self.places_us: list[int] = []
        self.asked = 0

    def run(self, until: datetime) -> None:
        while (left_s := (until - datetime.now(UTC)).total_seconds()) > 0:
            self.asked += 1
            granted, wait_s = self._rate_limiter.take_slot(Resource.OTHERS, Priority.BULK, left_s)
            if granted and wait_s > 0:  # of a place that is here already, the time is not known exactly
                place = self._clock.told + timedelta(seconds=wait_s)
                self.places_us.append(round(place.timestamp() * 1_000_000))
            time.sleep(min(wait_s, left_s))


def hammer(aws: Aws, table: str, callers: int, seconds: float) -> tuple[list[int], int]:
    """Let some threads take places for some seconds."""
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    each = [Caller(aws, table) for _ in range(callers)]
    threads = [threading.Thread(target=caller.run, args=(until,)) for caller in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [place for caller in each for place in caller.places_us], sum(caller.asked for caller in each)


if __name__ == "__main__":
    endpoint, table_name, number, duration = sys.argv[1:]
    result = hammer(Aws(endpoint, REGION), table_name, int(number), float(duration))
    print(json.dumps(result))
