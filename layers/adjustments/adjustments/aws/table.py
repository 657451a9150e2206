"""Batches, their chunks and the rate limiter in one DynamoDB table.

=======================  =============================  ====================================================
``pk``                   ``sk``                         what
=======================  =============================  ====================================================
``batch#<batchId>``      ``batch``                      the batch; ``listing`` and, while it is open, ``open``
``batch#<batchId>``      ``chunk#<planId>#<chunkId>``   a chunk of the plan
``content#<sha256>``     ``content``                    which batch accepted this content, until ``expiresAt``
``reversal#<sha256>``    ``reversal``                   which batch this content reverses
``notification#<name>``  ``notification``               a notification that was sent; ``claimedUntil`` before
``sending#<day>``        ``<batchId>``                  that the batch sent something on that day (UTC)
``slots#<resource>``     ``slots``                      ``nextUs``: the next free slot, in microseconds
``circuit#gameball``     ``circuit``                    while keys are refused: when the next probe is due
=======================  =============================  ====================================================

Index ``listing`` (hash ``listing``, range ``batchId``) lists all batches by time, the sparse index ``open``
(hash ``open``, range ``batchId``) those that have not ended, and those with rows in doubt (``doubt``).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from adjustments.batches.records import Batch, Chunk, StoredModel
from adjustments.batches.states import BatchStatus
from adjustments.core.errors import NotFound, WrongState

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]

_IS_NEW: Final = "attribute_not_exists(pk)"
_IS_NEXT: Final = "version = :before"
_FAILED_CONDITION: Final = "ConditionalCheckFailed"
_PASSING: Final = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Reasons that say nothing about the items (DynamoDB API, TransactionCanceledException). boto3 does not try
again by itself, as it does with single writes.
"""

SENDERS_KEPT: Final = timedelta(days=30)
"""How long it is kept who sent on a day: several times what the search for evidence looks back."""

TOGETHER_MAX: Final = 100
"""Items of one transaction (DynamoDB's quotas). It is charged twice, takes four times as many as a batch of
writes, and is allowed with the permission for a single write.
"""

TRANSACTION_TRIES: Final = 4
"""Tries of one transaction: a conflict lasts milliseconds, and a split that fails leaves doubt."""

PAGE_CHUNKS: Final = 128
"""Chunks read at once where only some are wanted: some 50 KB, which is little more than a look wants."""

_serialise = TypeSerializer().serialize
_deserialise = TypeDeserializer().deserialize


class TableBatchStore:
    """Keeps batches and chunks; each write but the first of a chunk needs the version before."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def create_batch(self, batch: Batch, chunks: Sequence[Chunk] = ()) -> bool:
        """See ``BatchStore``."""
        item: Any = {"TableName": self._table, "Item": _batch_item(batch), "ConditionExpression": _IS_NEW}
        try:
            if chunks:
                self._write_together(
                    [{"Put": item}, *self._chunk_puts(batch.batch_id, batch.plan_id, chunks)]
                )
            else:
                self._client.put_item(**item)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except self._client.exceptions.TransactionCanceledException as cancelled:
            if _FAILED_CONDITION in _reasons_of(cancelled):
                return False
            raise
        return True

    def claim_content(
        self, sha256: str, batch_id: str, now: datetime, until: datetime, replaces: str = ""
    ) -> str | None:
        """See ``BatchStore``."""
        item = {"pk": f"content#{sha256}", "sk": "content", "batchId": batch_id}
        try:
            self._client.put_item(
                TableName=self._table,
                Item={
                    **{name: {"S": text} for name, text in item.items()},
                    "expiresAt": {"N": str(int(until.timestamp()))},
                },
                ConditionExpression=f"{_IS_NEW} OR batchId IN (:mine, :instead) OR expiresAt < :now",
                ExpressionAttributeValues={
                    ":mine": {"S": batch_id},
                    ":instead": {"S": replaces},
                    ":now": {"N": str(int(now.timestamp()))},
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as failed:
            earlier: Any = failed.response
            return str(earlier["Item"]["batchId"]["S"])
        return None

    def claim_notification(self, name: str, now: datetime, until: datetime) -> bool:
        """See ``BatchStore``."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item={**_notification_key(name), "claimedUntil": _seconds(until)},
                ConditionExpression=f"{_IS_NEW} OR claimedUntil <= :now",
                ExpressionAttributeValues={":now": _seconds(now)},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as failed:
            kept: Any = failed.response
            if "claimedUntil" in kept["Item"]:
                raise WrongState(f"another run is sending the notification {name}") from None
            return False
        return True

    def record_notification(self, name: str) -> None:
        """See ``BatchStore``."""
        self._client.put_item(TableName=self._table, Item=_notification_key(name))

    def record_reversal(self, sha256: str, batch_id: str) -> None:
        """See ``BatchStore``."""
        item = {"pk": f"reversal#{sha256}", "sk": "reversal", "batchId": batch_id}
        self._client.put_item(TableName=self._table, Item={name: {"S": text} for name, text in item.items()})

    def reversed_batch(self, sha256: str) -> str | None:
        """See ``BatchStore``."""
        key = {"pk": {"S": f"reversal#{sha256}"}, "sk": {"S": "reversal"}}
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return item["batchId"]["S"] if item else None

    def batch(self, batch_id: str) -> Batch:
        """See ``BatchStore``."""
        key = {"pk": {"S": f"batch#{batch_id}"}, "sk": {"S": "batch"}}
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if item is None:
            raise NotFound(f"there is no batch {batch_id}")
        return Batch.model_validate(_values(item))

    def save_batch(self, batch: Batch) -> None:
        """See ``BatchStore``."""
        self._replace(_batch_item(batch), batch.version)

    def batches(self, status: str | None, rows_max: int, after: str | None) -> tuple[list[Batch], str | None]:
        """See ``BatchStore``."""
        query = self._index_query("listing", "batch", after)
        query["ScanIndexForward"] = False
        if status:
            query["FilterExpression"] = "#status = :status"
            query["ExpressionAttributeNames"]["#status"] = "status"
            query["ExpressionAttributeValues"][":status"] = {"S": status}
        found: list[Batch] = []
        for item in self._pages(query):
            if len(found) == rows_max:
                return found, found[-1].batch_id
            found.append(Batch.model_validate(_values(item)))
        return found, None

    def record_sending(self, batch_id: str, at: datetime) -> None:
        """See ``BatchStore``."""
        self._client.put_item(TableName=self._table, Item=_sender_item(batch_id, at))

    def save_and_record_sending(self, batch: Batch, at: datetime) -> None:
        """See ``BatchStore``."""
        next_: Any = {
            "TableName": self._table,
            "Item": _batch_item(batch),
            "ConditionExpression": _IS_NEXT,
            "ExpressionAttributeValues": _version_before(batch.version),
        }
        sender = {"TableName": self._table, "Item": _sender_item(batch.batch_id, at)}
        try:
            self._write_together([{"Put": next_}, {"Put": sender}])
        except self._client.exceptions.TransactionCanceledException as cancelled:
            if _FAILED_CONDITION in _reasons_of(cancelled):
                raise WrongState(f"{batch.batch_id} was changed meanwhile") from cancelled
            raise

    def batches_sent_between(self, since: datetime, until: datetime) -> Iterator[Batch]:
        """See ``BatchStore``. Not by the index, which may not show yet what was written a moment ago."""
        names: dict[str, None] = {}
        for number in range((until.date() - since.date()).days + 1):
            query = {
                "KeyConditionExpression": "pk = :day",
                "ExpressionAttributeValues": {":day": {"S": _sending(since + timedelta(days=number))}},
                "ConsistentRead": True,
            }
            names |= dict.fromkeys(item["sk"]["S"] for item in self._pages(query))
        return map(self.batch, names)

    def open_batches(self) -> Iterator[Batch]:
        """See ``BatchStore``."""
        return self._indexed("open", "open")

    def doubtful_batches(self) -> Iterator[Batch]:
        """See ``BatchStore``."""
        return self._indexed("open", "doubt")

    def add_chunks(self, batch_id: str, plan_id: str, chunks: Iterable[Chunk]) -> None:
        """See ``BatchStore``."""
        puts = self._chunk_puts(batch_id, plan_id, chunks)
        while together := list(islice(puts, TOGETHER_MAX)):
            self._write_together(together)

    def _chunk_puts(self, batch_id: str, plan_id: str, chunks: Iterable[Chunk]) -> Iterator[Any]:
        for chunk in chunks:
            yield {"Put": {"TableName": self._table, "Item": _chunk_item(batch_id, plan_id, chunk)}}

    def chunks(self, batch_id: str, plan_id: str) -> list[Chunk]:
        """See ``BatchStore``."""
        pages = self._pages(self._chunks_query(batch_id, plan_id))
        return [Chunk.model_validate(_values(item)) for item in pages]

    def chunks_after(self, batch_id: str, plan_id: str, after: str, untouched_max: int) -> list[Chunk]:
        """See ``BatchStore``."""
        query = self._chunks_query(batch_id, plan_id)
        if after:
            query["ExclusiveStartKey"] = _chunk_key(batch_id, plan_id, after)
        found: list[Chunk] = []
        for item in self._pages(query, PAGE_CHUNKS):
            found.append(Chunk.model_validate(_values(item)))
            untouched_max -= found[-1].is_untouched
            if not untouched_max:
                break
        return found

    def save_chunk(self, batch: Batch, chunk: Chunk) -> None:
        """See ``BatchStore``."""
        self._replace(_chunk_item(batch.batch_id, batch.plan_id, chunk), chunk.version)

    def split_chunk(self, batch: Batch, whole: Chunk, halves: Sequence[Chunk]) -> None:
        """See ``BatchStore``."""
        items = [_chunk_item(batch.batch_id, batch.plan_id, chunk) for chunk in (whole, *halves)]
        puts: list[Any] = [
            {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": _IS_NEW}}
            for item in items
        ]
        puts[0]["Put"] |= {
            "ConditionExpression": _IS_NEXT,
            "ExpressionAttributeValues": _version_before(whole.version),
        }
        try:
            self._write_together(puts)
        except self._client.exceptions.TransactionCanceledException as cancelled:
            if _FAILED_CONDITION in _reasons_of(cancelled):
                raise WrongState(f"chunk {whole.chunk_id} was changed meanwhile") from cancelled
            raise

    def _write_together(self, puts: list[Any]) -> None:
        """Write all or nothing; again at once, some times, where DynamoDB only had no room for it."""
        for tries_left in reversed(range(TRANSACTION_TRIES)):
            try:
                self._client.transact_write_items(TransactItems=puts)
            except self._client.exceptions.TransactionCanceledException as cancelled:
                if not tries_left or not _reasons_of(cancelled) <= _PASSING:
                    raise
            else:
                return

    def _replace(self, item: Item, version: int) -> None:
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression=_IS_NEXT,
                ExpressionAttributeValues=_version_before(version),
            )
        except self._client.exceptions.ConditionalCheckFailedException as failed:
            raise WrongState(f"{item['pk']['S']} {item['sk']['S']} was changed meanwhile") from failed

    def _indexed(self, index: str, value: str) -> Iterator[Batch]:
        for item in self._pages(self._index_query(index, value, None)):
            yield Batch.model_validate(_values(item))

    def _index_query(self, index: str, value: str, after: str | None) -> dict[str, Any]:
        query: dict[str, Any] = {
            "IndexName": index,
            "KeyConditionExpression": "#index = :value",
            "ExpressionAttributeNames": {"#index": index},
            "ExpressionAttributeValues": {":value": {"S": value}},
        }
        if after:
            key = {"pk": f"batch#{after}", "sk": "batch", index: value, "batchId": after}
            query["ExclusiveStartKey"] = {name: {"S": text} for name, text in key.items()}
        return query

    @staticmethod
    def _chunks_query(batch_id: str, plan_id: str) -> dict[str, Any]:
        key = _chunk_key(batch_id, plan_id, "")
        return {
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :plan)",
            "ExpressionAttributeValues": {":pk": key["pk"], ":plan": key["sk"]},
            "ConsistentRead": True,
        }

    def _pages(self, query: dict[str, Any], page_items: int | None = None) -> Iterator[Item]:
        paging: Any = {"PageSize": page_items}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table, PaginationConfig=paging, **query
        )
        for page in pages:
            yield from page["Items"]


def _sending(at: datetime) -> str:
    return f"sending#{at:%Y-%m-%d}"


def _sender_item(batch_id: str, at: datetime) -> Item:
    expires_at = str(int((at + SENDERS_KEPT).timestamp()))
    return {"pk": {"S": _sending(at)}, "sk": {"S": batch_id}, "expiresAt": {"N": expires_at}}


def _batch_item(batch: Batch) -> Item:
    keys = {"pk": f"batch#{batch.batch_id}", "sk": "batch", "listing": "batch"}
    if batch.is_open:
        keys["open"] = "open"
    elif batch.status is BatchStatus.NEEDS_ATTENTION and batch.counts.in_doubt:
        keys["open"] = "doubt"
    return _item(keys, batch)


def _chunk_item(batch_id: str, plan_id: str, chunk: Chunk) -> Item:
    return {**_chunk_key(batch_id, plan_id, chunk.chunk_id), **_item({}, chunk)}


def _chunk_key(batch_id: str, plan_id: str, chunk_id: str) -> Item:
    return {"pk": {"S": f"batch#{batch_id}"}, "sk": {"S": f"chunk#{plan_id}#{chunk_id}"}}


def _reasons_of(cancelled: Any) -> set[str]:
    """Why a transaction was cancelled, without the items that were not to blame."""
    reasons = cancelled.response.get("CancellationReasons", [])
    return {reason.get("Code", "") for reason in reasons} - {"None"}


def _item(keys: dict[str, str], record: StoredModel) -> Item:
    values = {**keys, **record.model_dump(mode="json")}
    return {name: _serialise(value) for name, value in values.items()}


def _values(item: Item) -> dict[str, Any]:
    return {name: _deserialise(value) for name, value in item.items()}


def _notification_key(name: str) -> Item:
    return {"pk": {"S": f"notification#{name}"}, "sk": {"S": "notification"}}


def _seconds(moment: datetime) -> Item:
    return {"N": str(moment.timestamp())}


def _version_before(version: int) -> Item:
    return {":before": {"N": str(version - 1)}}
