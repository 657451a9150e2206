"""Access to the DynamoDB table: items, conditional writes, transactions and queries.

A transaction that DynamoDB cancels for a passing reason is repeated with back-off:
``50 ms x 2^(tries - 1) x [0.5, 1)``. boto3 does not repeat it by itself: its retry modes know
``TransactionInProgressException``, but not ``TransactionCanceledException`` (Boto3 documentation, "Retries").
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from adjustments.batches.batch_parts import StoredModel
from adjustments.core.errors import WrongState
from adjustments.core.runtime import Clock, Ids

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]

IS_NEW: Final = "attribute_not_exists(pk)"
_IS_NEXT_VERSION: Final = "version = :before"
_FAILED_CONDITION: Final = "ConditionalCheckFailed"
_PASSING_REASONS: Final = frozenset(
    {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
)
"""Reasons of a cancellation that are not the items' fault (DynamoDB API, TransactionCanceledException)."""

TRANSACTION_ITEMS_MAX: Final = 100
"""Items of one transaction (DynamoDB's quotas). It is charged twice, takes four times as many as a batch of
writes, and is allowed with the permission for a single write.
"""

TRANSACTION_TRIES: Final = 4
"""Tries of one transaction: a conflict lasts milliseconds, and a split that fails leaves rows in doubt."""

BACK_OFF_FIRST_S: Final = 0.05

_serialise = TypeSerializer().serialize
_deserialise = TypeDeserializer().deserialize


class TableAccess:
    """Reads and writes items of one table.

    Args:
        client: the client of DynamoDB.
        name: the table's name.
        clock: waits between the tries of a transaction.
        ids: gives the jitter of the back-off.
    """

    def __init__(self, client: "DynamoDBClient", name: str, clock: Clock, ids: Ids) -> None:
        self.client = client
        self.name = name
        self._clock = clock
        self._ids = ids

    def get(self, key: Item) -> Item | None:
        """Read an item as it stands now; None where there is none."""
        return self.client.get_item(TableName=self.name, Key=key, ConsistentRead=True).get("Item")

    def put(self, item: Item, **condition: Any) -> None:
        """Write an item; keyword arguments are those of PutItem."""
        self.client.put_item(TableName=self.name, Item=item, **condition)

    def put_next_version(self, item: Item) -> None:
        """Write the next version of an item.

        Raises:
            WrongState: the stored item is not the version before.
        """
        try:
            self.put(item, **next_version_condition(item))
        except self.client.exceptions.ConditionalCheckFailedException as failed:
            raise _changed_meanwhile(item) from failed

    def put_together(self, *puts: tuple[Item, Item]) -> None:
        """Write items in one transaction, all or none.

        Args:
            puts: (item, condition) each; the condition has the arguments of PutItem and may be empty.

        Raises:
            WrongState: a condition failed.
        """
        writes: list[Any] = [
            {"Put": {"TableName": self.name, "Item": item, **condition}} for item, condition in puts
        ]
        try:
            self._transact(writes)
        except self.client.exceptions.TransactionCanceledException as cancelled:
            if _FAILED_CONDITION in _reasons(cancelled):
                raise _changed_meanwhile(puts[0][0]) from cancelled
            raise

    def _transact(self, writes: list[Any]) -> None:
        for tries in range(1, TRANSACTION_TRIES + 1):
            try:
                self.client.transact_write_items(TransactItems=writes)
            except self.client.exceptions.TransactionCanceledException as cancelled:
                if tries == TRANSACTION_TRIES or not is_passing(cancelled):
                    raise
            else:
                return
            self._clock.sleep(back_off_s(tries, self._ids.jitter()))

    def query(self, query: Item, page_items: int | None = None) -> Iterator[Item]:
        """Query items, page by page.

        Args:
            query: arguments of Query.
            page_items: items of one page, None for as many as DynamoDB gives.
        """
        paging: Any = {"PageSize": page_items}
        pages = self.client.get_paginator("query").paginate(
            TableName=self.name, PaginationConfig=paging, **query
        )
        for page in pages:
            yield from page["Items"]


def back_off_s(tries: int, jitter: float) -> float:
    """Compute the seconds to wait before the next try of a transaction.

    Args:
        tries: tries so far, from 1.
        jitter: a number in [0, 1).
    """
    return float(BACK_OFF_FIRST_S * 2 ** (tries - 1) * (0.5 + jitter / 2))


def next_version_condition(item: Item) -> Item:
    """The arguments of PutItem that write an item only over the version before it."""
    before = str(int(item["version"]["N"]) - 1)
    return {
        "ConditionExpression": _IS_NEXT_VERSION,
        "ExpressionAttributeValues": {":before": {"N": before}},
    }


def text_item(**texts: str) -> Item:
    """Make an item, or a key, of texts."""
    return {name: {"S": text} for name, text in texts.items()}


def seconds(moment: datetime) -> Item:
    """A moment as DynamoDB's time to live has it: whole seconds since 1970."""
    return {"N": str(int(moment.timestamp()))}


def to_item(key: Item, record: StoredModel) -> Item:
    """Make the item of a record."""
    values = record.model_dump(mode="json")
    return {**key, **{name: _serialise(value) for name, value in values.items()}}


def from_item(item: Item) -> dict[str, Any]:
    """Read an item's values."""
    return {name: _deserialise(value) for name, value in item.items()}


def _changed_meanwhile(item: Item) -> WrongState:
    return WrongState(f"{item['pk']['S']} {item['sk']['S']} was changed meanwhile")


def is_passing(cancelled: Any) -> bool:
    """Whether a transaction was cancelled for reasons that pass by themselves."""
    return _reasons(cancelled) <= _PASSING_REASONS


def _reasons(cancelled: Any) -> set[str]:
    """Why a transaction was cancelled, without the items that were not to blame."""
    reasons = cancelled.response.get("CancellationReasons", [])
    return {reason.get("Code", "") for reason in reasons} - {"None"}
