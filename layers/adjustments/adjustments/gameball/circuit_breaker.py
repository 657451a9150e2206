"""The circuit breaker: while Gameball refuses the keys or the account, the stack makes one call a minute.

After a refusal the circuit is open: calls are blocked, and neither a request is made nor the secret read.
When a probe is due, the first caller is elected to make it. While probes are refused the circuit stays open;
the first one that is answered closes it. The state is stored in the table, so that all functions share it.

Manual transactions of a caller who waits for the current answer are never blocked; those of a file are.
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
"""A little less than the longest wait between two polls of a batch (60 s): each poll can be a probe."""

_KEY_CODES: Final = frozenset({1000, 1001, 1002})
"""Gameball's codes for keys that are missing, wrong or forbidden (Gameball API, "Errors")."""

_US: Final = 1_000_000
_Answer = TypeVar("_Answer")
_log: Final = logging.getLogger(__name__)


class Scope(StrEnum):
    """What Gameball refuses: all calls (the keys), or one kind of call (a feature that the account lacks)."""

    KEYS = "keys"
    ADJUSTMENTS = "adjustments"
    INQUIRIES = "inquiries"
    JOBS = "jobs"
    TRANSACTIONS = "transactions"
    BALANCES = "balances"
    MANUAL_TRANSACTIONS = "manual_transactions"


class Permit(NamedTuple):
    """Whether a call may be made.

    ``blocked_until`` is when the next probe is due, None where the call may be made; ``is_probe`` says that
    the caller was elected to make the probe, and has to close the circuit when it is answered.
    """

    blocked_until: datetime | None = None
    is_probe: bool = False


class CircuitBreaker(Protocol):
    """The state of the circuit, which all callers share."""

    def permit(self, scopes: Sequence[Scope], now: datetime) -> Permit:
        """Say whether a call may be made, and elect the caller where a probe is due.

        Args:
            scopes: the scopes that the call belongs to; it is blocked while one of them is open.
            now: the time, UTC.
        """

    def open(self, scope: Scope, now: datetime) -> None:
        """Open a scope after a refusal; the next probe is due in ``PROBE_EVERY``."""

    def close(self, scopes: Sequence[Scope]) -> None:
        """Close scopes after a probe was answered."""


class TableCircuitBreaker:
    """Stores the state in one item of the table: for each open scope, when its next probe is due.

    While the table can't be reached, all calls are permitted.
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
        expected = {f":{scope}": {"N": str(at_us)} for scope, at_us in due.items()}
        try:
            self._client.update_item(
                **self._item,
                UpdateExpression="SET " + ", ".join(f"{name} = :next" for name in names),
                ConditionExpression=" AND ".join(f"#{scope} = :{scope}" for scope in due),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={**expected, ":next": _next(now)},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return Permit(blocked_until=now + PROBE_EVERY)  # another caller was elected
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
        except (BotoCoreError, ClientError):  # the answer of Gameball must not be lost for this
            _log.warning("circuit breaker could not be written")


def _to_us(at: datetime) -> int:
    return round(at.timestamp() * _US)


def _next(now: datetime) -> Any:
    return {"N": str(_to_us(now + PROBE_EVERY))}


class GuardedGameball:
    """Gameball behind a circuit breaker: a blocked call raises GameballUnauthorized."""

    def __init__(self, gameball: Gameball, breaker: CircuitBreaker, clock: Clock) -> None:
        self._gameball = gameball
        self._breaker = breaker
        self._clock = clock

    def permit_adjustments(self) -> Permit:
        """Get the permit for a balance-adjustment request.

        It is got before the request, so that no time passes between the sender's check of its lease and the
        request.

        Raises:
            GameballUnauthorized: the circuit is open.
        """
        return self._permit(Scope.ADJUSTMENTS)

    def adjust_balances(self, body: bytes, permit: Permit | None = None) -> int:
        """See ``Gameball``.

        Args:
            body: the request's body.
            permit: what ``permit_adjustments`` gave; None to get it now.
        """
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

    def customer_balance(self, customer_id: str, within_s: float | None = None) -> Mapping[str, Any]:
        """See ``Gameball``."""
        permit = self._permit(Scope.BALANCES)
        return self._call(
            Scope.BALANCES, permit, lambda: self._gameball.customer_balance(customer_id, within_s)
        )

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

    def permit_manual_transaction(self) -> Permit:
        """Get the permit for a manual transaction, as ``permit_adjustments`` does for a request of a batch.

        Raises:
            GameballUnauthorized: the circuit is open.
        """
        return self._permit(Scope.MANUAL_TRANSACTIONS)

    def add_manual_transaction(
        self, body: bytes, within_s: float | None = None, permit: Permit | None = None
    ) -> Mapping[str, Any]:
        """See ``Gameball``; ``permit`` is what ``permit_manual_transaction`` gave, None to get it now."""
        permit = self.permit_manual_transaction() if permit is None else permit
        return self._call(
            Scope.MANUAL_TRANSACTIONS,
            permit,
            lambda: self._gameball.add_manual_transaction(body, within_s),
        )

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
                self._breaker.close(scopes)  # it refused the request, not the keys
            raise
        if permit.is_probe:
            self._breaker.close(scopes)
        return answer


def _scope_of(error: AdjustmentsError, kind: Scope) -> Scope:
    """The scope that an error is about: a 403 without a code may be about this kind of call only."""
    if isinstance(error, GameballUnauthorized) and error.status != 401 and error.code not in _KEY_CODES:
        return kind
    return Scope.KEYS
