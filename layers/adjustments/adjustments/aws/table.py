"""The store of batches in the DynamoDB table.

=======================  =============================  ====================================================
``pk``                   ``sk``                         what
=======================  =============================  ====================================================
``batch#<batchId>``      ``batch``                      the batch; ``listing`` and, while it is open, ``open``
``batch#<batchId>``      ``chunk#<planId>#<chunkId>``   a chunk of the plan
``content#<sha256>``     ``content``                    which batch accepted this content, until ``expiresAt``
``reversal#<sha256>``    ``reversal``                   which batch this content reverses
``notification#<name>``  ``notification``               a notification that was sent; ``claimedUntil`` before
``sending#<day>``        ``<batchId>``                  that the batch sent something on that day (UTC)
``rows#<month>``         ``<batchId>``                  where the index of the batch's rows is
``remainder#<sha256>``   ``remainder``                  which held batch has this content for its new rows
``dry-run#<sha256>``     ``dry-run``                    which dry run was the last of this content
``unapproved``           ``unapproved``                 batches of the last 24 hours without an approval
``slots#<resource>``     ``slots``                      ``nextUs``: the next free slot, in microseconds
``circuit#gameball``     ``circuit``                    while keys are refused: when the next probe is due
``manual#<sha256>``      ``manual``                     a manual transaction (the idempotency ledger)
=======================  =============================  ====================================================

Index ``listing`` (hash ``listing``, range ``batchId``) lists all batches by time, the sparse index ``open``
(hash ``open``, range ``batchId``) those that have not ended, and those with rows in doubt (``doubt``).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from adjustments.aws.table_access import (
    IS_NEW,
    TRANSACTION_ITEMS_MAX,
    Item,
    TableAccess,
    from_item,
    is_passing,
    next_version_condition,
    text_item,
    to_item,
)
from adjustments.aws.table_claims import TableClaims, sending_item
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchFilter
from adjustments.batches.unapproved import Unapproved
from adjustments.core.errors import NotFound, WrongState
from adjustments.core.runtime import Clock, Ids

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PAGE_CHUNKS: Final = 128
"""Chunks of one page where only some are wanted: some 50 KB, which is little more than one reading wants."""

_FIRST_ID, _END_OF_IDS = "0", "a"
"""Ids of batches begin with a digit, so all of them sort between these."""

_UNAPPROVED: Final = text_item(pk="unapproved", sk="unapproved")
_IF_NEW: Final[Item] = {"ConditionExpression": IS_NEW}
_ALWAYS: Final[Item] = {}


class TableBatchStore(TableClaims):
    """Stores batches and chunks; each write but the first of a chunk needs the version before.

    Args:
        client: the client of DynamoDB.
        table: the table's name.
        clock: waits before a cancelled transaction is repeated.
        ids: gives the jitter of those waits.
    """

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock, ids: Ids) -> None:
        self._table = TableAccess(client, table, clock, ids)

    def unapproved(self) -> Unapproved:
        """See ``BatchStore``."""
        item = self._table.get(_UNAPPROVED)
        return Unapproved.read(from_item(item)) if item else Unapproved()

    def create_batch(
        self, batch: Batch, chunks: Sequence[Chunk] = (), unapproved: Unapproved | None = None
    ) -> bool:
        """See ``BatchStore``."""
        puts = [(batch_item(batch), _IF_NEW)]
        if unapproved:
            item = to_item(_UNAPPROVED, unapproved)
            puts.append((item, next_version_condition(item) if unapproved.version > 1 else _IF_NEW))
        puts += [(chunk_item(batch.batch_id, batch.plan_id, chunk), _ALWAYS) for chunk in chunks]
        try:
            if len(puts) > 1:
                self._table.put_together(*puts)
            else:
                self._table.put(batch_item(batch), **_IF_NEW)
        except (WrongState, self._table.client.exceptions.ConditionalCheckFailedException):
            return False
        except self._table.client.exceptions.TransactionCanceledException as cancelled:
            if unapproved and is_passing(cancelled):  # others write the same item
                return False
            raise
        return True

    def batch(self, batch_id: str) -> Batch:
        """See ``BatchStore``."""
        item = self._table.get(text_item(pk=f"batch#{batch_id}", sk="batch"))
        if item is None:
            raise NotFound(f"there is no batch {batch_id}")
        return _read_batch(item)

    def save_batch(self, batch: Batch) -> None:
        """See ``BatchStore``."""
        self._table.put_next_version(batch_item(batch))

    def save_and_record_sending(self, batch: Batch, at: datetime) -> None:
        """See ``BatchStore``."""
        item = batch_item(batch)
        self._table.put_together(
            (item, next_version_condition(item)), (sending_item(batch.batch_id, at), _ALWAYS)
        )

    def batches(
        self, wanted: BatchFilter, rows_max: int, after: str | None
    ) -> tuple[list[Batch], str | None]:
        """See ``BatchStore``."""
        if after and after <= wanted.first:
            return [], None
        query = _index_query("listing", "batch", after if _is_within(after, wanted) else None)
        query["ScanIndexForward"] = False
        values = query["ExpressionAttributeValues"]
        if wanted.first or wanted.end:
            query["KeyConditionExpression"] += " AND batchId BETWEEN :first AND :end"
            values |= text_item(**{":first": wanted.first or _FIRST_ID, ":end": wanted.end or _END_OF_IDS})
        if wanted.status:
            query["FilterExpression"] = "#status = :status"
            query["ExpressionAttributeNames"]["#status"] = "status"
            values |= text_item(**{":status": wanted.status})
        found: list[Batch] = []
        for item in self._table.query(query):
            if len(found) == rows_max:
                return found, found[-1].batch_id
            found.append(_read_batch(item))
        return found, None

    def batches_sent_between(self, since: datetime, until: datetime) -> Iterator[Batch]:
        """See ``BatchStore``."""
        return map(self.batch, self._ids_sent_between(since, until))

    def open_batches(self) -> Iterator[Batch]:
        """See ``BatchStore``."""
        return map(_read_batch, self._table.query(_index_query("open", "open")))

    def doubtful_batches(self) -> Iterator[Batch]:
        """See ``BatchStore``."""
        return map(_read_batch, self._table.query(_index_query("open", "doubt")))

    def add_chunks(self, batch_id: str, plan_id: str, chunks: Iterable[Chunk]) -> None:
        """See ``BatchStore``."""
        puts = ((chunk_item(batch_id, plan_id, chunk), _ALWAYS) for chunk in chunks)
        while together := list(islice(puts, TRANSACTION_ITEMS_MAX)):
            self._table.put_together(*together)

    def chunks(self, batch_id: str, plan_id: str) -> list[Chunk]:
        """See ``BatchStore``."""
        return list(map(_read_chunk, self._table.query(_chunks_query(batch_id, plan_id))))

    def chunks_after(self, batch_id: str, plan_id: str, after: str, untouched_max: int) -> list[Chunk]:
        """See ``BatchStore``."""
        query = _chunks_query(batch_id, plan_id)
        if after:
            query["ExclusiveStartKey"] = _chunk_key(batch_id, plan_id, after)
        found: list[Chunk] = []
        for chunk in map(_read_chunk, self._table.query(query, PAGE_CHUNKS)):
            found.append(chunk)
            untouched_max -= chunk.is_untouched
            if not untouched_max:
                break
        return found

    def save_chunk(self, batch: Batch, chunk: Chunk) -> None:
        """See ``BatchStore``."""
        self._table.put_next_version(chunk_item(batch.batch_id, batch.plan_id, chunk))

    def split_chunk(self, batch: Batch, whole: Chunk, halves: Sequence[Chunk]) -> None:
        """See ``BatchStore``."""
        first, *others = (chunk_item(batch.batch_id, batch.plan_id, chunk) for chunk in (whole, *halves))
        self._table.put_together(
            (first, next_version_condition(first)), *((item, _IF_NEW) for item in others)
        )


def batch_item(batch: Batch) -> Item:
    """The item of a batch; an open one, and one with rows in doubt, is in the index ``open``."""
    key = text_item(pk=f"batch#{batch.batch_id}", sk="batch", listing="batch")
    if batch.is_open:
        key |= text_item(open="open")
    elif batch.status is BatchStatus.NEEDS_ATTENTION and batch.counts.in_doubt:
        key |= text_item(open="doubt")
    return to_item(key, batch)


def chunk_item(batch_id: str, plan_id: str, chunk: Chunk) -> Item:
    """The item of a chunk."""
    return to_item(_chunk_key(batch_id, plan_id, chunk.chunk_id), chunk)


def _chunk_key(batch_id: str, plan_id: str, chunk_id: str) -> Item:
    return text_item(pk=f"batch#{batch_id}", sk=f"chunk#{plan_id}#{chunk_id}")


def _chunks_query(batch_id: str, plan_id: str) -> Item:
    key = _chunk_key(batch_id, plan_id, "")
    return {
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :plan)",
        "ExpressionAttributeValues": {":pk": key["pk"], ":plan": key["sk"]},
        "ConsistentRead": True,
    }


def _is_within(after: str | None, wanted: BatchFilter) -> bool:
    """Whether a query for these batches may start after this one: DynamoDB refuses one beyond its ends."""
    return bool(after) and (not wanted.end or str(after) < wanted.end)


def _index_query(index: str, value: str, after: str | None = None) -> Item:
    query: Item = {
        "IndexName": index,
        "KeyConditionExpression": "#index = :value",
        "ExpressionAttributeNames": {"#index": index},
        "ExpressionAttributeValues": {":value": {"S": value}},
    }
    if after:
        key = {"pk": f"batch#{after}", "sk": "batch", index: value, "batchId": after}
        query["ExclusiveStartKey"] = text_item(**key)
    return query


def _read_batch(item: Item) -> Batch:
    return Batch.read(from_item(item))


def _read_chunk(item: Item) -> Chunk:
    return Chunk.read(from_item(item))
