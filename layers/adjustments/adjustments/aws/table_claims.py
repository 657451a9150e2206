"""Claims in the table: which batch accepted a content, reverses another, sends a notification or requests."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from adjustments.aws.table_access import IS_NEW, Item, TableAccess, seconds, text_item
from adjustments.batches.store import EntryCursor, IndexEntry
from adjustments.core.errors import WrongState
from adjustments.core.limits import HISTORY_DAYS

SENDINGS_KEPT: Final = timedelta(days=30)
"""How long it is stored who sent on a day: several times what reconciliation looks back."""

INDEX_KEPT: Final = timedelta(days=HISTORY_DAYS)
"""How long it is stored where a batch's rows are indexed: as long as work files are (template.yaml)."""


class TableClaims:
    """The part of ``BatchStore`` that is about claims."""

    _table: TableAccess

    def claim_content(
        self, sha256: str, batch_id: str, now: datetime, until: datetime, replaces: str = ""
    ) -> str | None:
        """See ``BatchStore``."""
        item = text_item(pk=f"content#{sha256}", sk="content", batchId=batch_id)
        try:
            self._table.put(
                {**item, "expiresAt": seconds(until)},
                ConditionExpression=f"{IS_NEW} OR batchId IN (:mine, :replaced) OR expiresAt < :now",
                ExpressionAttributeValues={
                    ":mine": {"S": batch_id},
                    ":replaced": {"S": replaces},
                    ":now": seconds(now),
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._table.client.exceptions.ConditionalCheckFailedException as failed:
            earlier: Any = failed.response
            return str(earlier["Item"]["batchId"]["S"])
        return None

    def claim_notification(self, name: str, now: datetime, until: datetime) -> bool:
        """See ``BatchStore``."""
        try:
            self._table.put(
                {**_notification_key(name), "claimedUntil": _exact_seconds(until)},
                ConditionExpression=f"{IS_NEW} OR claimedUntil <= :now",
                ExpressionAttributeValues={":now": _exact_seconds(now)},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._table.client.exceptions.ConditionalCheckFailedException as failed:
            stored: Any = failed.response
            if "claimedUntil" in stored["Item"]:
                raise WrongState(f"another run is sending the notification {name}") from None
            return False
        return True

    def record_notification(self, name: str) -> None:
        """See ``BatchStore``."""
        self._table.put(_notification_key(name))

    def record_reversal(self, sha256: str, batch_id: str) -> None:
        """See ``BatchStore``."""
        self._table.put({**_reversal_key(sha256), **text_item(batchId=batch_id)})

    def reversed_batch(self, sha256: str) -> str | None:
        """See ``BatchStore``."""
        item = self._table.get(_reversal_key(sha256))
        return item["batchId"]["S"] if item else None

    def record_remainder(self, sha256: str, batch_id: str) -> None:
        """See ``BatchStore``."""
        self._table.put({**_remainder_key(sha256), **text_item(batchId=batch_id)})

    def remainder_of(self, sha256: str) -> str | None:
        """See ``BatchStore``."""
        item = self._table.get(_remainder_key(sha256))
        return item["batchId"]["S"] if item else None

    def record_dry_run(self, sha256: str, batch_id: str) -> None:
        """See ``BatchStore``."""
        self._table.put({**_dry_run_key(sha256), **text_item(batchId=batch_id)})

    def dry_run_of(self, sha256: str) -> str | None:
        """See ``BatchStore``."""
        item = self._table.get(_dry_run_key(sha256))
        return item["batchId"]["S"] if item else None

    def register_rows(self, entry: IndexEntry) -> None:
        """See ``BatchStore``."""
        item = text_item(
            pk=_index_month(entry.planned_at), sk=entry.batch_id, plannedAt=entry.planned_at.isoformat()
        )
        if entry.key:
            item |= text_item(key=entry.key)
        else:
            item["fingerprints"] = {"B": entry.fingerprints}
        item["rows"] = {"N": str(entry.rows)}
        if entry.customers_rows is not None:
            item["customersRows"] = {"N": str(entry.customers_rows)}
        if entry.customers_key:
            item |= text_item(customersKey=entry.customers_key)
        elif entry.customers:
            item["customers"] = {"B": entry.customers}
        self._table.put({**item, "expiresAt": seconds(entry.planned_at + INDEX_KEPT)})

    def registered_rows(self, since: datetime, now: datetime) -> Iterator[IndexEntry]:
        """See ``BatchStore``."""
        for month in _index_months(since, now):
            query = {
                "KeyConditionExpression": "pk = :month",
                "ExpressionAttributeValues": {":month": {"S": month}},
                "ConsistentRead": True,
            }
            for entry in map(_read_entry, self._table.query(query)):
                if since <= entry.planned_at:
                    yield entry

    def latest_registered_rows(
        self, since: datetime, now: datetime, after: EntryCursor | None
    ) -> Iterator[tuple[EntryCursor, IndexEntry]]:
        """See ``BatchStore``."""
        for month in reversed(_index_months(since, now)):
            if after and month > after.month:
                continue
            query: Item = {
                "KeyConditionExpression": "pk = :month",
                "ExpressionAttributeValues": {":month": {"S": month}},
                "ScanIndexForward": False,
            }
            if after and month == after.month:
                query["ExclusiveStartKey"] = text_item(pk=month, sk=after.batch_id)
            for entry in map(_read_entry, self._table.query(query)):
                if since <= entry.planned_at:
                    yield EntryCursor(month, entry.batch_id), entry

    def record_sending(self, batch_id: str, at: datetime) -> None:
        """See ``BatchStore``."""
        self._table.put(sending_item(batch_id, at))

    def _ids_sent_between(self, since: datetime, until: datetime) -> Iterator[str]:
        """The batches that sent something on the days between two times, each once.

        Not by an index, which may not show yet what was written a moment ago.
        """
        ids: dict[str, None] = {}
        for number in range((until.date() - since.date()).days + 1):
            day = _sending_day(since + timedelta(days=number))
            query = {
                "KeyConditionExpression": "pk = :day",
                "ExpressionAttributeValues": {":day": {"S": day}},
                "ConsistentRead": True,
            }
            ids |= dict.fromkeys(item["sk"]["S"] for item in self._table.query(query))
        return iter(ids)


def sending_item(batch_id: str, at: datetime) -> Item:
    """The item that says that a batch sent something on a day."""
    return {**text_item(pk=_sending_day(at), sk=batch_id), "expiresAt": seconds(at + SENDINGS_KEPT)}


def _sending_day(at: datetime) -> str:
    return f"sending#{at:%Y-%m-%d}"


def _index_month(at: datetime) -> str:
    return f"rows#{at:%Y-%m}"


def _index_months(since: datetime, now: datetime) -> list[str]:
    days = (now - since).days + 2  # to tomorrow, as another clock may be ahead
    return sorted({_index_month(since + timedelta(days=day)) for day in range(days + 1)})


def _read_entry(item: Item) -> IndexEntry:
    return IndexEntry(
        batch_id=item["sk"]["S"],
        planned_at=datetime.fromisoformat(item["plannedAt"]["S"]),
        rows=int(item["rows"]["N"]),
        key=item["key"]["S"] if "key" in item else "",
        fingerprints=bytes(item["fingerprints"]["B"]) if "fingerprints" in item else b"",
        customers_rows=int(item["customersRows"]["N"]) if "customersRows" in item else None,
        customers_key=item["customersKey"]["S"] if "customersKey" in item else "",
        customers=bytes(item["customers"]["B"]) if "customers" in item else b"",
    )


def _remainder_key(sha256: str) -> Item:
    return text_item(pk=f"remainder#{sha256}", sk="remainder")


def _dry_run_key(sha256: str) -> Item:
    return text_item(pk=f"dry-run#{sha256}", sk="dry-run")


def _reversal_key(sha256: str) -> Item:
    return text_item(pk=f"reversal#{sha256}", sk="reversal")


def _notification_key(name: str) -> Item:
    return text_item(pk=f"notification#{name}", sk="notification")


def _exact_seconds(moment: datetime) -> Item:
    return {"N": str(moment.timestamp())}
