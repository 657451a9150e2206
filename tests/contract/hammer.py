"""A process that takes slots in the rate limiter as fast as it gets them, and prints them.

``python -m tests.contract.hammer <endpoint> <table> <callers> <seconds>`` prints one line of JSON: the times
of the slots in µs, and how many requests that took.
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
    """The machine's clock, which notes what was read last; one for each thread."""

    def __init__(self) -> None:
        self.last_read = datetime.now(UTC)

    def now(self) -> datetime:
        self.last_read = datetime.now(UTC)
        return self.last_read

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Caller:
    """Takes slots until its time is up."""

    def __init__(self, aws: Aws, table: str) -> None:
        self._clock = NotedClock()
        self._rate_limiter = TableRateLimiter(aws.dynamodb, table, self._clock, RandomIds(), LIMIT)
        self.slots_us: list[int] = []
        self.requests = 0

    def run(self, until: datetime) -> None:
        while (left_s := (until - datetime.now(UTC)).total_seconds()) > 0:
            self.requests += 1
            granted, wait_s = self._rate_limiter.take_slot(Resource.OTHERS, Priority.BULK, left_s)
            if granted and wait_s > 0:  # of a slot that is here already, the time is not known exactly
                slot = self._clock.last_read + timedelta(seconds=wait_s)
                self.slots_us.append(round(slot.timestamp() * 1_000_000))
            time.sleep(min(wait_s, left_s))


def hammer(aws: Aws, table: str, callers: int, seconds: float) -> tuple[list[int], int]:
    """Let some threads take slots for some seconds."""
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    each = [Caller(aws, table) for _ in range(callers)]
    threads = [threading.Thread(target=caller.run, args=(until,)) for caller in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [slot for caller in each for slot in caller.slots_us], sum(caller.requests for caller in each)


if __name__ == "__main__":
    endpoint, table_name, number, duration = sys.argv[1:]
    result = hammer(Aws(endpoint, REGION), table_name, int(number), float(duration))
    print(json.dumps(result))
