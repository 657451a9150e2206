"""The ledger on the table: an item for each ``transactionId``.

====================  ==========  =========================================================================
``pk``                ``sk``      attributes
====================  ==========  =========================================================================
``manual#<sha256>``   ``manual``  ``status`` (INPROGRESS, COMPLETED), ``payloadHash``, ``attemptId``,
                                  ``inProgressUntilMs``, ``doubtedAtMs``, ``answer``, ``expiresAt``, and
                                  for people ``transactionId``, ``username``, ``caller``, ``requestId``,
                                  ``change``, ``unit``, ``reason``, ``begunAt``
====================  ==========  =========================================================================

The same item is the history of its customer, so that there is no second write that could fail: ``listing``
(``customer#<sha256>``) and ``batchId`` (when it was begun, and the attempt) put it into the index
``listing``.

``attemptId`` says which attempt wrote an item: only that one reopens or removes it, and boto3 may repeat a
write after that.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from adjustments.core import exact_json
from adjustments.core.decimals import plain
from adjustments.core.errors import IdTaken, StillInProgress, TableUnavailable
from adjustments.core.limits import HISTORY_DAYS
from adjustments.core.runtime import Clock, Ids
from adjustments.manual_transactions.ledger import (
    Attempt,
    CallerContext,
    Completed,
    LedgerEntry,
    LedgerStatus,
    ManualRecord,
)
from adjustments.manual_transactions.model import ManualTransaction

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY_PREFIX: Final = "manual#"
"""How the keys of the ledger's items begin (template.yaml, ManualTransactionRole)."""

KEPT: Final = timedelta(days=HISTORY_DAYS)
"""How long a transactionId is known: as long as the rows of batches, for its customer's history. For being
applied once, 28 days are needed: an event may lie 14 days in its queue, and 14 in the failure queue.
"""

_CUSTOMER_KEYS: Final = "customer#"
"""How the keys of the index begin under which a customer's transactions are found."""

_END_OF_TIMES: Final = "~"

_MAY_BEGIN: Final = (
    "attribute_not_exists(pk) OR expiresAt < :now "
    "OR (#status = :inProgress AND inProgressUntilMs < :nowMs AND payloadHash = :hash)"
)
_IN_PROGRESS: Final = "INPROGRESS"
_COMPLETED: Final = "COMPLETED"
_logger = logging.getLogger(__name__)


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
        attempt_id = self._ids.fresh()
        history = _history(transaction, attempt_id, self._clock.now())
        attempt = Attempt(attempt_id, transaction.transaction_id, payload_hash, history=history)
        try:
            replaced = self._put_intent(attempt, transaction, context)
        except self._client.exceptions.ConditionalCheckFailedException as failed:
            response: Any = failed.response
            return _read_stored(response["Item"], attempt, self._clock.now())
        except (ClientError, BotoCoreError) as error:
            _logger.warning("intent not written: %s", type(error).__name__)
            raise TableUnavailable("the intent could not be written: nothing was sent") from None
        if replaced.get("payloadHash") != {"S": payload_hash}:
            return attempt
        # An attempt that did not end may have had a request under way as long as its function had time.
        at_ms = next(replaced[name] for name in ("doubtedAtMs", "inProgressUntilMs") if name in replaced)
        return replace(attempt, doubted_at=datetime.fromtimestamp(int(at_ms["N"]) / 1_000, UTC))

    def find(self, transaction_id: str) -> LedgerEntry | None:
        """See ``IdempotencyLedger``."""
        try:
            found = self._client.get_item(
                TableName=self._table, Key=_key_of(transaction_id), ConsistentRead=True
            )
        except (ClientError, BotoCoreError) as error:
            _logger.warning("transaction not looked up: %s", type(error).__name__)
            raise TableUnavailable("the ledger could not be read") from None
        item: dict[str, Any] = found.get("Item", {})
        if int(item.get("expiresAt", {}).get("N", "0")) * 1_000 < self._now_ms():
            return None  # DynamoDB deletes it some days later
        return self._entry(item)

    def _entry(self, item: Mapping[str, Any]) -> LedgerEntry:
        caller, answer = (item.get(name, {}).get("S", "") for name in ("caller", "answer"))
        if item.get("status") == {"S": _COMPLETED} and _is_object(answer):
            return LedgerEntry(LedgerStatus.APPLIED, caller, answer)
        if int(item.get("inProgressUntilMs", {}).get("N", "0")) >= self._now_ms():
            return LedgerEntry(LedgerStatus.UNDER_WAY, caller)
        return LedgerEntry(LedgerStatus.IN_DOUBT, caller)

    def complete(self, attempt: Attempt, answer: str) -> None:
        """See ``IdempotencyLedger``."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(attempt),
                UpdateExpression="SET #status = :status, answer = :answer, payloadHash = :hash, "
                "expiresAt = :expires" + "".join(f", #{name} = :{name}" for name in attempt.history),
                ExpressionAttributeNames={
                    "#status": "status",
                    **{f"#{name}": name for name in attempt.history},
                },
                ExpressionAttributeValues={
                    **{f":{name}": {"S": text} for name, text in attempt.history.items()},
                    ":status": {"S": _COMPLETED},
                    ":answer": {"S": answer},
                    ":hash": {"S": attempt.payload_hash},
                    ":expires": {"N": str((self._now_ms() + _ms(KEPT)) // 1_000)},
                },
            )
        except (ClientError, BotoCoreError) as error:
            # The item stays in progress until its time is up: the next attempt begins in doubt.
            _logger.warning("answer not kept: %s", type(error).__name__)

    def reopen(self, attempt: Attempt, doubted_at: datetime) -> None:
        """See ``IdempotencyLedger``."""
        doubted_ms = int(doubted_at.timestamp() * 1_000)
        self._end(
            self._client.update_item,
            attempt,
            {":before": {"N": str(self._now_ms() - 1)}, ":doubted": {"N": str(doubted_ms)}},
            UpdateExpression="SET inProgressUntilMs = :before, doubtedAtMs = :doubted",
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
            **attempt.history,
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

    def of_customer(self, customer_id: str, since: datetime, until: datetime) -> list[ManualRecord]:
        """See ``IdempotencyLedger``."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="listing",
            KeyConditionExpression="listing = :customer AND batchId BETWEEN :since AND :until",
            ExpressionAttributeValues={
                ":customer": {"S": _customer_key(customer_id)},
                ":since": {"S": _time_text(since)},
                ":until": {"S": _time_text(until) + _END_OF_TIMES},
            },
            ScanIndexForward=False,
        )
        now_ms = self._now_ms()
        return [_read_record(item, now_ms) for page in pages for item in page["Items"]]

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1_000)


def _read_stored(stored: dict[str, Any], attempt: Attempt, now: datetime) -> Attempt | Completed:
    """Say what an item means that keeps an attempt from beginning."""
    in_doubt = replace(attempt, doubted_at=now)
    if stored.get("attemptId") == {"S": attempt.attempt_id}:
        # Our own write: its answer was lost and boto3 repeated it. What lay there before is not known.
        return in_doubt
    if stored.get("payloadHash") != {"S": attempt.payload_hash}:
        raise IdTaken("transactionId: was sent before with another body; nothing was applied")
    if stored.get("status") != {"S": _COMPLETED}:
        raise StillInProgress("transactionId: a call with it is in progress; repeat this one after a moment")
    answer = stored.get("answer", {}).get("S")
    # An answer that another version kept in a form of its own: it is fetched from Gameball again.
    return Completed(answer) if _is_object(answer) else in_doubt


def _is_object(answer: str | None) -> bool:
    try:
        return answer is not None and isinstance(exact_json.read(answer), dict)
    except ValueError:
        return False


def _history(transaction: ManualTransaction, attempt_id: str, now: datetime) -> Mapping[str, str]:
    """What the history of the customer says of a transaction, and the keys under which it is found."""
    begun = _time_text(now)
    return {
        "listing": _customer_key(transaction.customer_id),
        "batchId": f"{begun}#{attempt_id}",
        "begunAt": begun,
        "change": plain(transaction.change),
        "unit": "amount" if transaction.points is None else "points",
        "reason": transaction.reason,
    }


def _customer_key(customer_id: str) -> str:
    """The key does not show the customer; whoever has the id, or can guess it, can make it."""
    return _CUSTOMER_KEYS + hashlib.sha256(customer_id.encode()).hexdigest()


def _time_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _read_record(item: Mapping[str, Any], now_ms: int) -> ManualRecord:
    texts = {name: value["S"] for name, value in item.items() if "S" in value}
    is_applied = texts.get("status") == _COMPLETED
    is_under_way = int(item.get("inProgressUntilMs", {"N": "0"})["N"]) >= now_ms
    return ManualRecord(
        at=datetime.fromisoformat(texts["begunAt"]),
        change=Decimal(texts["change"]),
        unit=texts["unit"],
        reason=texts["reason"],
        outcome="applied" if is_applied else "under_way" if is_under_way else "in_doubt",
        transaction_id=texts.get("transactionId", ""),
        gameball_id=_gameball_id(texts.get("answer")),
        username=texts.get("username", ""),
        caller=texts.get("caller", ""),
    )


def _gameball_id(answer: str | None) -> str:
    if answer is None or not _is_object(answer):
        return ""
    return str(exact_json.read(answer).get("gameballTransactionId") or "")


def _key(attempt: Attempt) -> dict[str, Any]:
    return _key_of(attempt.transaction_id)


def _key_of(transaction_id: str) -> dict[str, Any]:
    """A partition of its own for each transactionId: none gets hot."""
    digest = hashlib.sha256(transaction_id.encode(errors="replace")).hexdigest()
    return {"pk": {"S": f"{KEY_PREFIX}{digest}"}, "sk": {"S": "manual"}}


def _ms(period: timedelta) -> int:
    return int(period.total_seconds() * 1_000)
