"""Keeps the whole stack from asking on and on while Gameball refuses its keys.

After a refusal the circuit is open: calls are put off, without a request and without a look at the secret.
Once in a while one caller is elected, whoever comes first, and its call is the probe: while that is refused
the circuit stays open, and when it is answered everybody goes on. The state lies in the table, beside the
rate limiter's, so that all functions of the stack see it.

Manual transactions are not put off: somebody waits for what is true now.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from adjustments.core.errors import (
    AdjustmentsError,
    ConfigurationError,
    GameballRefused,
    GameballUnauthorized,
)
from adjustments.core.runtime import Clock
from adjustments.gameball.port import Dialect, Gameball

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PROBE_EVERY: Final = timedelta(seconds=55)
"""A little less than the longest wait between two polls of a batch, so that each of those can be a probe."""

_KEY_CODES: Final = frozenset({1000, 1001, 1002})
"""Gameball's codes for keys that are missing, wrong or forbidden (Gameball API, "Errors")."""

_US: Final = 1_000_000
_Answer = TypeVar("_Answer")
_log: Final = logging.getLogger(__name__)


class Scope(StrEnum):
    """What is refused: the keys, and with them all calls; or one kind of call, which the account lacks."""

    KEYS = "keys"
    ADJUSTMENTS = "adjustments"
    INQUIRIES = "inquiries"
    JOBS = "jobs"
    TRANSACTIONS = "transactions"


class Permit(NamedTuple):
    """Whether a call may be made.

    ``blocked_until`` is when the next probe is due, for a call that may not; ``is_probe`` says that the
    caller was elected, and has to tell how it went.
    """

    blocked_until: datetime | None = None
    is_probe: bool = False


class CircuitBreaker(Protocol):
    """The state that all callers share."""

    def permit(self, scopes: Sequence[Scope], now: datetime) -> Permit:
        """Ask whether a call may be made; of those who ask when a probe is due, one is elected."""

    def open(self, scope: Scope, now: datetime) -> None:
        """Keep that Gameball refused: the next probe is due in ``PROBE_EVERY``."""

    def close(self, scopes: Sequence[Scope]) -> None:
        """Keep that Gameball accepts again."""


class TableCircuitBreaker:
    """Keeps the state in one item of the table: for each open scope, when its next probe is due.

    It only spares calls. Where the table can't be reached, calls are made as if there were none.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._item: Any = {
            "TableName": table,
            "Key": {"pk": {"S": "circuit#gameball"}, "sk": {"S": "circuit"}},
        }

    def permit(self, scopes: Sequence[Scope], now: datetime) -> Permit:
        """See ``CircuitBreaker``."""
        try:
            item = self._client.get_item(**self._item, ConsistentRead=True).get("Item", {})
            due = {scope: int(item[scope]["N"]) for scope in scopes if scope in item}
            return self._permit(due, now) if due else Permit()
        except (BotoCoreError, ClientError):
            _log.warning("circuit breaker could not be read")
            return Permit()

    def _permit(self, due: Mapping[Scope, int], now: datetime) -> Permit:
        latest_us, now_us = max(due.values()), _to_us(now)
        if latest_us > now_us:
            return Permit(blocked_until=now + timedelta(microseconds=latest_us - now_us))
        names = {f"#{scope}": scope.value for scope in due}
        seen = {f":{scope}": {"N": str(at_us)} for scope, at_us in due.items()}
        try:
            self._client.update_item(
                **self._item,
                UpdateExpression="SET " + ", ".join(f"{name} = :next" for name in names),
                ConditionExpression=" AND ".join(f"#{scope} = :{scope}" for scope in due),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={**seen, ":next": _next(now)},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return Permit(blocked_until=now + PROBE_EVERY)  # another one was elected
        return Permit(is_probe=True)

    def open(self, scope: Scope, now: datetime) -> None:
        """See ``CircuitBreaker``."""
        self._change("SET #scope = :next", {"#scope": scope.value}, {":next": _next(now)})

    def close(self, scopes: Sequence[Scope]) -> None:
        """See ``CircuitBreaker``."""
        names = {f"#{scope}": scope.value for scope in scopes}
        self._change("REMOVE " + ", ".join(names), names, None)

    def _change(self, change: str, names: Mapping[str, str], values: Any) -> None:
        given = {"ExpressionAttributeValues": values} if values else {}
        try:
            self._client.update_item(
                **self._item, UpdateExpression=change, ExpressionAttributeNames=names, **given
            )
        except (BotoCoreError, ClientError):  # Gameball has answered: that must not be lost for it
            _log.warning("circuit breaker could not be written")


def _to_us(at: datetime) -> int:
    return round(at.timestamp() * _US)


def _next(now: datetime) -> Any:
    return {"N": str(_to_us(now + PROBE_EVERY))}


class GuardedGameball:
    """Gameball behind a circuit breaker: a call that is put off fails as one that Gameball refused."""

    def __init__(self, gameball: Gameball, breaker: CircuitBreaker, clock: Clock) -> None:
        self._gameball = gameball
        self._breaker = breaker
        self._clock = clock

    def permit_adjustments(self) -> Permit:
        """Ask whether a request of adjustments may be sent; raises GameballUnauthorized where it is put off.

        Apart from the request, so that nothing takes time between the sender's look at its lease and that.
        """
        return self._permit(Scope.ADJUSTMENTS)

    def adjust_balances(self, body: bytes, permit: Permit | None = None) -> int:
        """See ``Gameball``; with the permit that was given for it, or asking for one."""
        permit = self.permit_adjustments() if permit is None else permit
        return self._call(Scope.ADJUSTMENTS, permit, lambda: self._gameball.adjust_balances(body))

    def inquire_balances(self, body: bytes) -> int:
        """See ``Gameball``."""
        permit = self._permit(Scope.INQUIRIES)
        return self._call(Scope.INQUIRIES, permit, lambda: self._gameball.inquire_balances(body))

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        """See ``Gameball``."""
        permit = self._permit(Scope.JOBS)
        return self._call(Scope.JOBS, permit, lambda: self._gameball.job_status(dialect, job_id))

    def stop_job(self, dialect: Dialect, job_id: int) -> None:
        """See ``Gameball``."""
        permit = self._permit(Scope.JOBS)
        self._call(Scope.JOBS, permit, lambda: self._gameball.stop_job(dialect, job_id))

    def transactions(
        self, customer_id: str, start_after: str | None = None, within_s: float | None = None
    ) -> Mapping[str, Any]:
        """See ``Gameball``."""
        permit = self._permit(Scope.TRANSACTIONS)
        return self._call(
            Scope.TRANSACTIONS,
            permit,
            lambda: self._gameball.transactions(customer_id, start_after, within_s),
        )

    def add_manual_transaction(self, body: bytes, within_s: float | None = None) -> Mapping[str, Any]:
        """See ``Gameball``; never put off."""
        return self._gameball.add_manual_transaction(body, within_s)

    def _permit(self, kind: Scope) -> Permit:
        permit = self._breaker.permit((Scope.KEYS, kind), self._clock.now())
        if permit.blocked_until:
            raise GameballUnauthorized(
                "Gameball refuses our keys or account: nothing was sent, the next call is made after "
                f"{permit.blocked_until:%H:%M:%S} UTC"
            )
        return permit

    def _call(self, kind: Scope, permit: Permit, call: Callable[[], _Answer]) -> _Answer:
        scopes = (Scope.KEYS, kind)
        try:
            answer = call()
        except (GameballUnauthorized, ConfigurationError) as error:
            self._breaker.open(_scope_of(error, kind), self._clock.now())
            raise
        except GameballRefused:
            if permit.is_probe:
                self._breaker.close(scopes)  # it minded the request, and not the keys
            raise
        if permit.is_probe:
            self._breaker.close(scopes)
        return answer


def _scope_of(error: AdjustmentsError, kind: Scope) -> Scope:
    """What an error says is refused: a 403 without a code may mean this kind of call alone."""
    if isinstance(error, GameballUnauthorized) and error.status != 401 and error.code not in _KEY_CODES:
        return kind
    return Scope.KEYS
