"""Slots of the rate limiter for the workers of a sender that needs one after another."""

from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from adjustments.core.runtime import Clock
from adjustments.gameball.rate_limiter import (
    BLOCK_AHEAD_S,
    BLOCK_SLOTS_MAX,
    Block,
    RateLimiter,
    Resource,
)

_RECHECK_S: Final = 0.02
"""Seconds after which a worker checks again whether another one has taken the next block."""


class BlockSlots:
    """Hands the slots of blocks to the workers of one sender, each at its time.

    A slot that has passed before a worker was free is left unused, so that no calls follow each other faster
    than slots do; the next block is then as small as what was used.

    Args:
        rate_limiter: gives the blocks.
        clock: waits.
        resource: the kind of resource that is called.
    """

    def __init__(self, rate_limiter: RateLimiter, clock: Clock, resource: Resource) -> None:
        self._rate_limiter = rate_limiter
        self._clock = clock
        self._resource = resource
        self._slots_max = BLOCK_SLOTS_MAX
        self._block = Block(0, 0.0, 0.0)
        self._begins_at = self._next_block_at = clock.now()
        self._given = self._used = 0
        self._is_taking = False
        self._lock = Lock()

    def wait_for_slot(self, until: datetime, calls_left: int = BLOCK_SLOTS_MAX) -> bool:
        """Wait until a call to Gameball may be made; False where there is no slot before ``until``.

        Args:
            until: when the call has to be made at the latest.
            calls_left: how many calls there are to make as far as is known; no block has more slots.

        Raises:
            RateLimiterUnavailable: no block could be taken.
        """
        while True:
            now = self._clock.now()
            slot_at = self._next_slot(now)
            if slot_at is None and self._may_take_block(now):
                self._take_block(calls_left)
                continue
            wake_at = slot_at or max(self._next_block_at, now + timedelta(seconds=_RECHECK_S))
            if wake_at >= until:
                return False
            self._clock.sleep(max(0.0, (wake_at - now).total_seconds()))
            if slot_at:
                return True

    def _next_slot(self, now: datetime) -> datetime | None:
        """Take the next slot of the block that has not passed; None where none is left."""
        gap_s = self._block.gap_s
        with self._lock:
            while self._given < self._block.slots:
                slot_at = self._begins_at + timedelta(seconds=self._given * gap_s)
                self._given += 1
                if slot_at + timedelta(seconds=gap_s) >= now:
                    self._used += 1
                    return slot_at
        return None

    def _may_take_block(self, now: datetime) -> bool:
        """Whether this worker has to take the next block; the others wait for it."""
        with self._lock:
            is_due = not self._is_taking and now >= self._next_block_at
            self._is_taking = self._is_taking or is_due
            return is_due

    def _take_block(self, calls_left: int) -> None:
        try:
            block = self._rate_limiter.take_block(self._resource, min(self._slots_max, calls_left))
            now = self._clock.now()
            with self._lock:
                if block.slots:
                    self._begin(block, now)
                else:
                    self._next_block_at = now + timedelta(seconds=block.wait_s)
        finally:
            self._is_taking = False

    def _begin(self, block: Block, now: datetime) -> None:
        if self._block.slots:
            is_used_up = self._used == self._block.slots
            wanted = max(self._slots_max, 2 * self._used) if is_used_up else max(1, self._used)
            self._slots_max = min(BLOCK_SLOTS_MAX, wanted)
        self._block, self._given, self._used = block, 0, 0
        self._begins_at = now + timedelta(seconds=block.wait_s)
        ends_at = self._begins_at + timedelta(seconds=block.slots * block.gap_s)
        self._next_block_at = ends_at - timedelta(seconds=BLOCK_AHEAD_S)
