"""The idempotency ledger: an item of the table for each ``transactionId``, written before it is sent.

====================  ==========  =========================================================================
``pk``                ``sk``      attributes
====================  ==========  =========================================================================
``manual#<sha256>``   ``manual``  ``status`` (INPROGRESS, COMPLETED), ``payloadHash``, ``attemptId``,
                                  ``inProgressUntilMs``, ``answer``, ``expiresAt``, and for people
                                  ``transactionId``, ``username``, ``caller``, ``requestId``
====================  ==========  =========================================================================

An attempt that ended in an error, or whose function died, may have been applied by Gameball. Its item stays,
open for the same body only, and the next attempt begins in doubt. An attempt reopens or
removes only the item that it began itself, which ``attemptId`` says: another call may have taken over when
its time was up, and boto3 may repeat a write after that.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from adjustments.core import exact_json
from adjustments.core.errors import IdTaken, StillInProgress, TableUnavailable
from adjustments.core.runtime import Clock, Ids
from adjustments.manual_transactions.model import ManualTransaction

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY_PREFIX: Final = "manual#"
"""How the keys of the ledger's items begin (template.yaml, ManualTransactionRole)."""

KEPT: Final = timedelta(days=30)
"""How long a transactionId is known: an event may lie 14 days in its queue, and 14 in the failure queue."""

_MAY_BEGIN: Final = (
    "attribute_not_exists(pk) OR expiresAt < :now "
    "OR (#status = :inProgress AND inProgressUntilMs < :nowMs AND payloadHash = :hash)"
)
_IN_PROGRESS: Final = "INPROGRESS"
_COMPLETED: Final = "COMPLETED"
_logger = logging.getLogger(__name__)


class CallerContext(NamedTuple):
    """Who sends a manual transaction, in which request, and how many milliseconds the function still has."""

    caller: str
    request_id: str
    remaining_ms: Callable[[], int]


@dataclass(frozen=True)
class Attempt:
    """An attempt that has begun.

    Args:
        attempt_id: its own name.
        transaction_id: what it attempts.
        payload_hash: the hash of the body.
        is_in_doubt: whether an earlier attempt at the same body may have been applied.
    """

    attempt_id: str
    transaction_id: str
    payload_hash: str
    is_in_doubt: bool = False


@dataclass(frozen=True)
class Completed:
    """A transaction that was applied before, and the answer that it got then."""

    answer: str


class IdempotencyLedger(Protocol):
    """What is known of each transactionId."""

    def begin(self, transaction: ManualTransaction, context: CallerContext) -> Attempt | Completed:
        """Write down the intent, unless the transaction is completed.

        Raises:
            IdTaken: the same transactionId came with another body before.
            StillInProgress: another attempt has not ended, and its time is not up.
            TableUnavailable: the intent could not be written.
        """

    def complete(self, attempt: Attempt, answer: str) -> None:
        """Keep the answer of a transaction that is applied; what fails is logged, not raised."""

    def reopen(self, attempt: Attempt) -> None:
        """After an attempt that may have been applied: let the next one begin at once, in doubt."""

    def forget(self, attempt: Attempt) -> None:
        """After an attempt that was surely not applied: let the transactionId be used for anything."""


class TableLedger:
    """The ledger on the DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock, ids: Ids) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._ids = ids

    def begin(self, transaction: ManualTransaction, context: CallerContext) -> Attempt | Completed:
        """See ``IdempotencyLedger``."""
        payload_hash = hashlib.sha256(transaction.body()).hexdigest()
        attempt = Attempt(self._ids.fresh(), transaction.transaction_id, payload_hash)
        try:
            replaced = self._put_intent(attempt, transaction, context)
        except self._client.exceptions.ConditionalCheckFailedException as failed:
            response: Any = failed.response
            return _read_stored(response["Item"], attempt)
        except (ClientError, BotoCoreError) as error:
            _logger.warning("intent not written: %s", type(error).__name__)
            raise TableUnavailable("the intent could not be written: nothing was sent") from None
        return _in_doubt(attempt) if replaced.get("payloadHash") == {"S": payload_hash} else attempt

    def complete(self, attempt: Attempt, answer: str) -> None:
        """See ``IdempotencyLedger``."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(attempt),
                UpdateExpression="SET #status = :status, answer = :answer, payloadHash = :hash, "
                "expiresAt = :expires",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":status": {"S": _COMPLETED},
                    ":answer": {"S": answer},
                    ":hash": {"S": attempt.payload_hash},
                    ":expires": {"N": str((self._now_ms() + _ms(KEPT)) // 1_000)},
                },
            )
        except (ClientError, BotoCoreError) as error:
            # The item stays in progress until its time is up: the next attempt begins in doubt.
            _logger.warning("answer not kept: %s", type(error).__name__)

    def reopen(self, attempt: Attempt) -> None:
        """See ``IdempotencyLedger``."""
        self._end(
            self._client.update_item,
            attempt,
            {":before": {"N": str(self._now_ms() - 1)}},
            UpdateExpression="SET inProgressUntilMs = :before",
        )

    def forget(self, attempt: Attempt) -> None:
        """See ``IdempotencyLedger``."""
        self._end(self._client.delete_item, attempt, {})

    def _end(
        self, write: Callable[..., Any], attempt: Attempt, values: dict[str, Any], **expressions: str
    ) -> None:
        """Change the attempt's own item; should that fail, it stays in progress until its time is up."""
        try:
            write(
                TableName=self._table,
                Key=_key(attempt),
                ConditionExpression="attemptId = :mine",
                ExpressionAttributeValues={":mine": {"S": attempt.attempt_id}, **values},
                **expressions,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            pass  # another call has taken over, or boto3 has made this very change already
        except (ClientError, BotoCoreError) as error:
            _logger.warning("item of a failed attempt not changed: %s", type(error).__name__)

    def _put_intent(
        self, attempt: Attempt, transaction: ManualTransaction, context: CallerContext
    ) -> dict[str, Any]:
        """Write the intent, and learn in the same write what it replaces."""
        now_ms = self._now_ms()
        numbers = {
            "expiresAt": (now_ms + _ms(KEPT)) // 1_000,
            "inProgressUntilMs": now_ms + context.remaining_ms(),
        }
        texts = {
            "status": _IN_PROGRESS,
            "payloadHash": attempt.payload_hash,
            "attemptId": attempt.attempt_id,
            "transactionId": attempt.transaction_id,
            "username": transaction.username,
            "caller": context.caller,
            "requestId": context.request_id,
        }
        response: Any = self._client.put_item(
            TableName=self._table,
            Item={
                **_key(attempt),
                **{name: {"S": text} for name, text in texts.items()},
                **{name: {"N": str(number)} for name, number in numbers.items()},
            },
            ConditionExpression=_MAY_BEGIN,
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":now": {"N": str(now_ms // 1_000)},
                ":nowMs": {"N": str(now_ms)},
                ":inProgress": {"S": _IN_PROGRESS},
                ":hash": {"S": attempt.payload_hash},
            },
            ReturnValues="ALL_OLD",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        replaced: dict[str, Any] = response.get("Attributes", {})
        return replaced

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1_000)


def _read_stored(stored: dict[str, Any], attempt: Attempt) -> Attempt | Completed:
    """Say what an item means that keeps an attempt from beginning."""
    if stored.get("attemptId") == {"S": attempt.attempt_id}:
        # Our own write: its answer was lost and boto3 repeated it. What lay there before is not known.
        return _in_doubt(attempt)
    if stored.get("payloadHash") != {"S": attempt.payload_hash}:
        raise IdTaken("transactionId: was sent before with another body; nothing was applied")
    if stored.get("status") != {"S": _COMPLETED}:
        raise StillInProgress("transactionId: a call with it is in progress; repeat this one after a moment")
    answer = stored.get("answer", {}).get("S")
    # An answer that another version kept in a form of its own: it is fetched from Gameball again.
    return Completed(answer) if _is_object(answer) else _in_doubt(attempt)


def _is_object(answer: str | None) -> bool:
    try:
        return answer is not None and isinstance(exact_json.read(answer), dict)
    except ValueError:
        return False


def _in_doubt(attempt: Attempt) -> Attempt:
    return Attempt(attempt.attempt_id, attempt.transaction_id, attempt.payload_hash, is_in_doubt=True)


def _key(attempt: Attempt) -> dict[str, Any]:
    """A partition of its own for each transactionId: none gets hot."""
    digest = hashlib.sha256(attempt.transaction_id.encode()).hexdigest()
    return {"pk": {"S": f"{KEY_PREFIX}{digest}"}, "sk": {"S": "manual"}}


def _ms(period: timedelta) -> int:
    return int(period.total_seconds() * 1_000)
