"""The rate limiter that all functions share through the table: each call to Gameball takes a slot in time.

Slots are ``30 s / RequestsPer30Seconds`` apart. So no window of 30 seconds, wherever it starts, holds more
than the limit, and no second more than 30 (docs/gameball-api.md, "Rate limits"). One conditional write takes
the next slot; slots go to callers in the order of their writes, so no batch gets more than its share.

A caller takes a slot up to a few seconds ahead and waits for it. So most callers take a slot with one write,
no slot passes unused while there is work, and clocks that differ by some hundred milliseconds favour nobody.
They do shift the calls: between two callers whose clocks differ by d seconds, calls come up to d seconds
closer together, and a window may hold d / gap calls more. The default of RequestsPer30Seconds leaves ten
calls for that, which is 0.8 s.

A file that is sent as transactions makes a call for each row. It takes slots in blocks, with one write for
some four seconds of them, and only while nothing else is taken ahead. So whatever files are under way, the
next free slot is less than five seconds ahead, which is the longest that a prompt call waits for them.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from adjustments.core.limits import WINDOW_S
from adjustments.core.runtime import Clock, Ids


class Priority(StrEnum):
    """How urgent a call to Gameball is: prompt where somebody waits for its answer.

    A bulk call takes a slot at most three seconds ahead: a prompt call never waits longer behind them. Behind
    blocks of slots it waits less than five seconds.
    """

    BULK = "bulk"
    PROMPT = "prompt"


class Resource(StrEnum):
    """Gameball's kinds of resource, each with limits of its own (docs/gameball-api.md, "Rate limits")."""

    TRANSACTIONS = "transactions"
    OTHERS = "others"


class RateLimiterUnavailable(Exception):
    """The table could not be written, so that no slot could be taken, and no request was sent for it.

    What a caller has sent before it knows alone, so this says nothing of that: no answer is made of it here.
    """


class Block(NamedTuple):
    """Slots that were taken together: how many, seconds until the first one, and seconds between two.

    Without any slot, ``wait_s`` says after how many seconds to try again.
    """

    slots: int
    wait_s: float
    gap_s: float


class RateLimiter(Protocol):
    """The one rate limiter that all callers share."""

    def take_slot(self, resource: Resource, priority: Priority, within_s: float) -> tuple[bool, float]:
        """Take the next slot, unless it is too far ahead.

        Args:
            resource: the kind of resource that is called.
            priority: how urgent the call is.
            within_s: seconds within which the call has to be made; a later slot is left to others.

        Returns:
            (True, seconds until the slot) or (False, seconds after which to try again).

        Raises:
            RateLimiterUnavailable: its state can't be reached.
        """

    def take_block(self, resource: Resource, slots_max: int) -> Block:
        """Take the next slots, unless others are taken ahead; for a caller that uses them at once.

        Args:
            resource: the kind of resource that is called.
            slots_max: how many slots the caller can use; a block never has more than ``BLOCK_SLOTS_MAX``, nor
                more than ``BLOCK_S_MAX`` holds.

        Raises:
            RateLimiterUnavailable: its state can't be reached.
        """


if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

AHEAD_S: Final = {Priority.BULK: 3.0, Priority.PROMPT: 10.0}
"""Seconds that a call of each priority may take a slot ahead. Three seconds hold 35 slots, more than the
workers of four batches need at once; a caller that finds them taken tries again before they are used up.
"""

RETRY_S: Final = AHEAD_S[Priority.BULK] / 2
"""Seconds after which to try again at the earliest; at most twice that."""

BLOCK_SLOTS_MAX: Final = 50
"""Slots of a block: with them a hundred rows take two writes here, and not three with their chunk's."""

BLOCK_S_MAX: Final = 4.3
"""Seconds of slots in a block, however far apart they are: more would make prompt calls wait longer."""

BLOCK_AHEAD_S: Final = 0.4
"""Seconds that a block begins ahead at most: enough for the write that takes the next one."""

KEY_PREFIX: Final = "slots#"
"""How the keys of the rate limiter's items begin (template.yaml, ManualTransactionRole)."""

_TRIES_MAX: Final = 4
_US: Final = 1_000_000


class TableRateLimiter:
    """Stores the next free slot of each resource in an item of the table.

    Args:
        requests_per_30_s: how many calls of a resource may be made in 30 seconds (RequestsPer30Seconds).
    """

    def __init__(
        self, client: "DynamoDBClient", table: str, clock: Clock, ids: Ids, requests_per_30_s: int
    ) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._ids = ids
        self._next_us: dict[Resource, int] = {}
        self._block_ends_us: dict[Resource, int] = {}
        self._shared: set[Resource] = set()
        self._gap_us = -int(-WINDOW_S * _US // requests_per_30_s)

    def take_slot(self, resource: Resource, priority: Priority, within_s: float) -> tuple[bool, float]:
        """See ``RateLimiter``."""
        ahead_us = int(min(AHEAD_S[priority], within_s) * _US)
        for _ in range(_TRIES_MAX):
            now_us = self._now_us()
            slot_us = self._try_to_take(resource, now_us, now_us + ahead_us, 1)
            if slot_us is not None:
                return self._answer(slot_us, now_us + ahead_us)
        return False, self._gap_us / _US * (1 + self._ids.jitter())  # each time another caller was quicker

    def take_block(self, resource: Resource, slots_max: int) -> Block:
        """See ``RateLimiter``.

        Where another file was quicker before, it is looked first whether that is so again: a read costs a
        fifth of a write that is refused.
        """
        slots = block_slots(slots_max, self._gap_us / _US)
        for _ in range(_TRIES_MAX):
            now_us = self._now_us()
            horizon_us = now_us + int(BLOCK_AHEAD_S * _US)
            slot_us = self._read_next(resource) if resource in self._shared else None
            if slot_us is None or slot_us <= horizon_us:
                slot_us = self._try_to_take(resource, now_us, horizon_us, slots)
            if slot_us is None:
                continue
            if slot_us > horizon_us:
                self._shared.add(resource)
                return self._no_block((slot_us - horizon_us) / _US)
            block_us = slots * self._gap_us
            if slot_us < self._block_ends_us.get(resource, 0) + block_us // 2:
                self._shared.discard(resource)  # nobody has taken a block since the last one
            self._block_ends_us[resource] = slot_us + block_us
            return Block(slots, max(0, slot_us - self._now_us()) / _US, self._gap_us / _US)
        return self._no_block(self._gap_us / _US)  # each time another caller was quicker

    def _read_next(self, resource: Resource) -> int:
        """Read the next free slot; raises RateLimiterUnavailable."""
        try:
            answer: Any = self._client.get_item(
                TableName=self._table, Key=_key(resource), ConsistentRead=True
            )
        except (BotoCoreError, ClientError) as error:
            raise RateLimiterUnavailable(f"no slot could be taken: {type(error).__name__}") from error
        next_us = self._next_us[resource] = int(answer["Item"]["nextUs"]["N"]) if "Item" in answer else 0
        return next_us

    def _no_block(self, wait_s: float) -> Block:
        gap_s = self._gap_us / _US
        return Block(0, wait_s + gap_s * self._ids.jitter(), gap_s)

    def _try_to_take(self, resource: Resource, now_us: int, horizon_us: int, slots: int) -> int | None:
        """See ``_take``; raises RateLimiterUnavailable."""
        try:
            return self._take(resource, now_us, horizon_us, slots)
        except (BotoCoreError, ClientError) as error:
            raise RateLimiterUnavailable(f"no slot could be taken: {type(error).__name__}") from error

    def _take(self, resource: Resource, now_us: int, horizon_us: int, slots: int) -> int | None:
        """Take the next slots, mostly with one write.

        Where this process knows of no slot ahead, the last one taken has probably passed, and the slot of
        this moment is tried first.

        Returns:
            The time of the first; a time after the horizon where it was too far ahead and not taken; None
            where another caller was quicker.
        """
        if self._next_us.get(resource, 0) < now_us:
            if self._begin(resource, now_us, slots):
                return now_us
            return self._append(resource, now_us, horizon_us, slots)
        slot_us = self._append(resource, now_us, horizon_us, slots)
        return now_us if slot_us is None and self._begin(resource, now_us, slots) else slot_us

    def _answer(self, slot_us: int, horizon_us: int) -> tuple[bool, float]:
        if slot_us > horizon_us:
            return False, (slot_us - horizon_us) / _US + RETRY_S * (1 + self._ids.jitter())
        return True, max(0, slot_us - self._now_us()) / _US

    def _now_us(self) -> int:
        return int(self._clock.now().timestamp() * _US)

    def _append(self, resource: Resource, now_us: int, horizon_us: int, slots: int) -> int | None:
        """Take the slots after the last one taken; None where that has passed."""
        try:
            answer: Any = self._update(
                resource,
                "SET nextUs = nextUs + :gap",
                "nextUs BETWEEN :now AND :horizon",
                {":gap": slots * self._gap_us, ":now": now_us, ":horizon": horizon_us},
            )
        except self._client.exceptions.ConditionalCheckFailedException as failed:
            stored: Any = failed.response.get("Item")
            next_us = self._next_us[resource] = int(stored["nextUs"]["N"]) if stored else 0
            return next_us if next_us > horizon_us else None
        slot_us = int(answer["Attributes"]["nextUs"]["N"])
        self._next_us[resource] = slot_us + slots * self._gap_us
        return slot_us

    def _begin(self, resource: Resource, now_us: int, slots: int) -> bool:
        """Take the slots from this moment on; False where another caller has taken a later one."""
        next_us = now_us + slots * self._gap_us
        try:
            self._update(
                resource,
                "SET nextUs = :next",
                "attribute_not_exists(nextUs) OR nextUs < :now",
                {":next": next_us, ":now": now_us},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        self._next_us[resource] = next_us
        return True

    def _update(self, resource: Resource, change: str, condition: str, values: dict[str, int]) -> Any:
        return self._client.update_item(
            TableName=self._table,
            Key=_key(resource),
            UpdateExpression=change,
            ConditionExpression=condition,
            ExpressionAttributeValues={name: {"N": str(value)} for name, value in values.items()},
            ReturnValues="UPDATED_OLD",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )


def _key(resource: Resource) -> Any:
    return {"pk": {"S": f"{KEY_PREFIX}{resource.value}"}, "sk": {"S": "slots"}}


class MeasuredRateLimiter:
    """A rate limiter whose answers are measured.

    Args:
        limiter: gives the answers.
        observe: called with the resource, how many slots were granted, and the seconds to wait.
    """

    def __init__(self, limiter: RateLimiter, observe: Callable[[str, int, float], None]) -> None:
        self._limiter = limiter
        self._observe = observe

    def take_slot(self, resource: Resource, priority: Priority, within_s: float) -> tuple[bool, float]:
        """See ``RateLimiter``."""
        granted, wait_s = self._limiter.take_slot(resource, priority, within_s)
        self._observe(resource.value, int(granted), wait_s)
        return granted, wait_s

    def take_block(self, resource: Resource, slots_max: int) -> Block:
        """See ``RateLimiter``."""
        block = self._limiter.take_block(resource, slots_max)
        self._observe(resource.value, block.slots, block.wait_s)
        return block


def block_slots(slots_max: int, gap_s: float) -> int:
    """How many slots a block may have.

    Args:
        slots_max: how many the caller can use.
        gap_s: seconds between two slots.
    """
    return max(1, min(slots_max, BLOCK_SLOTS_MAX, int(BLOCK_S_MAX / gap_s)))


def wait_for_slot(
    rate_limiter: RateLimiter, clock: Clock, resource: Resource, priority: Priority, until: datetime
) -> bool:
    """Wait until a call to Gameball may be made.

    Args:
        rate_limiter: gives the slot.
        clock: waits.
        resource: the kind of resource that is called.
        priority: how urgent the call is.
        until: when the call has to be made at the latest, UTC.

    Returns:
        False where there is no slot before ``until``.
    """
    while True:
        within_s = max(0.0, (until - clock.now()).total_seconds())
        granted, wait_s = rate_limiter.take_slot(resource, priority, within_s)
        if wait_s and clock.now() + timedelta(seconds=wait_s) >= until:
            return False  # a slot that was granted goes unused, as when its caller dies
        clock.sleep(wait_s)
        if granted:
            return True
