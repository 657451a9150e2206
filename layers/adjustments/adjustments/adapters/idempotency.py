"""Does what a transactionId asks for once: Powertools' idempotency on the bundle's one table.

====================  ==========  =========================================================================
``pk``                ``sk``      what
====================  ==========  =========================================================================
``manual#<sha256>``   ``manual``  one transactionId: ``status`` (INPROGRESS, COMPLETED), ``payloadHash``,
                                  ``inProgressUntilMs``, ``attemptId``, ``answer``, who asked, and
                                  ``expiresAt``
====================  ==========  =========================================================================

Powertools forgets an attempt that ended in an error, and takes over one whose function died. Here both leave
something that matters: the request may have been applied. So such a record stays, open for the same body
only, and whoever takes it over is told that the transaction is in doubt.

A call changes only the record that it began itself, which ``attemptId`` says: one whose time was up, and a
write that boto3 repeats, may come after another call has begun.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyItemAlreadyExistsError,
    IdempotencyPersistenceLayerError,
    IdempotencyValidationError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord
from botocore.exceptions import BotoCoreError, ClientError

from adjustments.core.errors import (
    AdjustmentsError,
    IdTaken,
    OutcomeUnknown,
    StillInProgress,
    TableUnavailable,
)
from adjustments.core.runtime import Ids
from adjustments.manual.transaction import ManualTransaction
from adjustments.ports import Asking, Attempt

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT: Final = timedelta(days=30)
"""How long a transactionId is known: an event may lie 14 days in its queue, and 14 in the failure queue."""

_MAY_BEGIN: Final = (
    "attribute_not_exists(pk) OR expiresAt < :now "
    "OR (#status = :inProgress AND inProgressUntilMs < :nowMs AND payloadHash = :hash)"
)
_logger = logging.getLogger(__name__)


class _Call(threading.local):
    """The call that this thread is making."""

    attempt = Attempt()
    attempt_id = ""
    trail: dict[str, str] = {}  # noqa: RUF012 - replaced by each call, never changed


class TransactionRecords(DynamoDBPersistenceLayer):
    """The records, with the two changes of this module's docstring."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        super().__init__(
            table,
            key_attr="pk",
            expiry_attr="expiresAt",
            in_progress_expiry_attr="inProgressUntilMs",
            data_attr="answer",
            validation_key_attr="payloadHash",
            boto3_client=client,
        )
        self.call = _Call()

    def delete_record(self, data: dict[str, Any], exception: Exception) -> None:
        """After an error: forget the attempt if surely nothing was applied, else open it for a repetition.

        Should this fail, the record stays in progress until its time is over, and then begins in doubt.
        """
        key = self._get_key(str(self._get_hashed_idempotency_key(data)))
        try:
            if self._is_certain(exception):
                self._forget(key)
            else:
                self._open(key)
        except self.client.exceptions.ConditionalCheckFailedException:
            pass  # somebody else has taken over, or this very change is made already
        except (ClientError, BotoCoreError) as error:
            _logger.warning("record of a failed attempt not changed: %s", type(error).__name__)

    def _is_certain(self, error: Exception) -> bool:
        if self.call.attempt.in_doubt or isinstance(error, OutcomeUnknown):
            return False
        return isinstance(error, AdjustmentsError)

    def _forget(self, key: dict[str, Any]) -> None:
        self.client.delete_item(
            TableName=self.table_name,
            Key=key,
            ConditionExpression="attemptId = :mine",
            ExpressionAttributeValues={":mine": {"S": self.call.attempt_id}},
        )

    def _open(self, key: dict[str, Any]) -> None:
        self.client.update_item(
            TableName=self.table_name,
            Key=key,
            UpdateExpression="SET inProgressUntilMs = :before",
            ConditionExpression="attemptId = :mine",
            ExpressionAttributeValues={
                ":before": {"N": str(_now_ms() - 1)},
                ":mine": {"S": self.call.attempt_id},
            },
        )

    def _get_key(self, idempotency_key: str) -> dict[str, Any]:
        # A partition of its own for each id: none gets hot.
        return {"pk": {"S": idempotency_key}, "sk": {"S": "manual"}}

    def _put_record(self, data_record: DataRecord) -> None:
        """Begin: write the intent, and learn in the same write whether somebody began before."""
        now_ms = _now_ms()
        item = {
            **self._get_key(data_record.idempotency_key),
            "status": {"S": data_record.status},
            "payloadHash": {"S": data_record.payload_hash},
            "expiresAt": {"N": str(data_record.expiry_timestamp)},
            "inProgressUntilMs": {"N": str(data_record.in_progress_expiry_timestamp or now_ms)},
            "attemptId": {"S": self.call.attempt_id},
            **{name: {"S": value} for name, value in self.call.trail.items()},
        }
        try:
            replaced: Any = self.client.put_item(
                TableName=self.table_name,
                Item=item,
                ConditionExpression=_MAY_BEGIN,
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":now": {"N": str(now_ms // 1000)},
                    ":nowMs": {"N": str(now_ms)},
                    ":inProgress": item["status"],
                    ":hash": item["payloadHash"],
                },
                ReturnValues="ALL_OLD",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self.client.exceptions.ConditionalCheckFailedException as failed:
            response: Any = failed.response
            self._refuse(response["Item"], data_record)
        else:
            before = replaced.get("Attributes", {})
            self.call.attempt.in_doubt = before.get("payloadHash") == item["payloadHash"]

    def _refuse(self, stored: dict[str, Any], data_record: DataRecord) -> None:
        if stored.get("attemptId") == {"S": self.call.attempt_id}:
            # Our own write: its answer was lost and boto3 repeated it. Nobody knows what lay there before.
            self.call.attempt.in_doubt = True
            return
        old = self._item_to_data_record(stored)
        self._validate_payload(data_record, old)
        raise IdempotencyItemAlreadyExistsError(old_data_record=old)

    def _update_record(self, data_record: DataRecord) -> None:
        """End. The transaction is applied: the caller hears of it even if this fails."""
        try:
            super()._update_record(data_record)
        except (ClientError, BotoCoreError) as error:
            _logger.warning("answer not kept: %s", type(error).__name__)


class TableOnce:
    """See ``Once``."""

    def __init__(self, client: "DynamoDBClient", table: str, ids: Ids) -> None:
        self._records = TransactionRecords(client, table)
        self._ids = ids

    def do(
        self, transaction: ManualTransaction, asking: Asking, act: Callable[[Attempt], str]
    ) -> tuple[str, bool]:
        """See ``Once``."""
        call = self._records.call
        call.attempt = attempt = Attempt()
        call.attempt_id = self._ids.fresh()
        call.trail = _trail(transaction, asking)
        replayed: list[bool] = []
        acted: list[bool] = []

        def once(asked: dict[str, str]) -> dict[str, str]:
            acted.append(True)
            return {"body": act(attempt)}

        def note(response: Any, idempotent_data: DataRecord) -> Any:
            replayed.append(True)
            return response

        config = IdempotencyConfig(
            event_key_jmespath="transactionId",
            payload_validation_jmespath="body",
            raise_on_no_idempotency_key=True,
            expires_after_seconds=int(KEPT.total_seconds()),
            hash_function="sha256",
            lambda_context=cast(Any, SimpleNamespace(get_remaining_time_in_millis=asking.remaining_ms)),
            response_hook=note,
        )
        guarded = idempotent_function(
            once,
            data_keyword_argument="asked",
            persistence_store=self._records,
            config=config,
            key_prefix="manual",
        )
        asked = {"transactionId": transaction.transaction_id, "body": transaction.body().decode()}
        try:
            answer = guarded(asked=asked)
        except IdempotencyPersistenceLayerError as error:
            if acted or not isinstance(error.__cause__, ClientError | BotoCoreError):
                raise
            _logger.warning("first record not written: %s", type(error.__cause__).__name__)
            raise TableUnavailable("the call could not be written down, and sent nothing") from None
        except IdempotencyValidationError:
            raise IdTaken("transactionId: was sent before with another body; nothing was applied") from None
        except (IdempotencyAlreadyInProgressError, IdempotencyInconsistentStateError):
            raise StillInProgress(
                "transactionId: a call with it is in progress; repeat this one after a moment"
            ) from None
        text = answer.get("body") if isinstance(answer, dict) else None
        if isinstance(text, str):
            return text, bool(replayed)
        # Kept by another version of this code, in a form that is not ours: Gameball knows the answer.
        attempt.in_doubt = True
        return act(attempt), False


def _trail(transaction: ManualTransaction, asking: Asking) -> dict[str, str]:
    """Who asked for what, for people who look at the table."""
    return {
        "transactionId": transaction.transaction_id,
        "username": transaction.username,
        "caller": asking.caller,
        "requestId": asking.request_id,
    }


def _now_ms() -> int:
    return int(datetime.now().timestamp() * 1000)
