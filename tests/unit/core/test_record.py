"""Records come back as they were told, and what they can't have told is refused."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from adjustments.model import Batch, Chunk, Counts, Source
from adjustments.record import Record, camel
from adjustments.states import BatchStatus
from tests.records import anything

NOW = datetime(2026, 11, 22, 8, 30, 0, 250_000, tzinfo=UTC)
BATCH = Batch(
    batch_id="b",
    status=BatchStatus.POLLING,
    plan_id="p",
    source=Source(bucket="bucket", key="inbox/a.csv"),
    created_at=NOW,
    deadline_at=NOW,
)


@given(anything(Chunk) | anything(Batch))
def test_a_record_comes_back_through_json_as_it_was(record: Record):
    again = type(record).from_json(json.loads(json.dumps(record.to_json())))
    assert again == record
    assert {name: type(value) for name, value in again.values().items()} == {
        name: type(value) for name, value in record.values().items()
    }


@given(anything(Chunk) | anything(Batch))
def test_whole_numbers_may_be_decimals_as_the_table_gives_them(record: Record):
    told = json.loads(json.dumps(record.to_json()), parse_int=Decimal)
    assert type(record).from_json(told) == record


def test_a_record_is_told_in_camel_case_and_plain_values():
    told = BATCH.to_json()
    assert list(told) == [camel(name) for name in Batch.__annotations__]
    assert (told["status"], told["createdAt"]) == ("polling", "2026-11-22T08:30:00.250000Z")
    assert told["source"] == {"bucket": "bucket", "key": "inbox/a.csv", "versionId": "", "sha256": ""}
    assert (told["finishedAt"], told["notes"]) == (None, [])


@pytest.mark.parametrize(
    ("name", "outside"), [("rows", "rows"), ("in_doubt", "inDoubt"), ("gameball_2_id", "gameball2Id")]
)
def test_names_outside_are_in_camel_case(name: str, outside: str):
    assert camel(name) == outside


def test_fields_of_newer_versions_are_left_out_and_those_of_older_ones_get_their_defaults():
    told = {**BATCH.to_json(), "fromTheFuture": 1}
    del told["passed"], told["heldBy"], told["counts"]
    assert Batch.from_json(told) == BATCH


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batchId", 5),
        ("batchId", None),
        ("status", "nonsense"),
        ("version", "1"),
        ("version", True),
        ("version", 1.5),
        ("version", Decimal("1.5")),
        ("dryRun", "true"),
        ("dryRun", 1),
        ("createdAt", "yesterday"),
        ("createdAt", 5),
        ("source", {"bucket": "only"}),
    ],
)
def test_what_a_record_can_not_have_told_is_refused(field: str, value: Any):
    with pytest.raises(ValueError):
        Batch.from_json({**BATCH.to_json(), field: value})


@pytest.mark.parametrize("field", ["batchId", "status", "planId", "source", "createdAt", "deadlineAt"])
def test_a_field_without_a_default_must_be_there(field: str):
    told = BATCH.to_json()
    del told[field]
    with pytest.raises(ValueError, match=f"{field} is missing"):
        Batch.from_json(told)


def test_a_record_does_not_change_but_has_others_made_of_it():
    with pytest.raises(AttributeError, match="Batch can't be changed: version"):
        BATCH.version = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="Batch can't be changed: version"):
        del BATCH.version
    other = BATCH.replaced(version=2)
    assert (BATCH.version, other.version) == (1, 2)
    assert other != BATCH
    assert other.replaced(version=1) == BATCH
    assert hash(other.replaced(version=1)) == hash(BATCH)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [({}, "bucket, key"), ({"bucket": "b"}, "key"), ({"bucket": "b", "key": "k", "kay": "k"}, "kay")],
)
def test_a_record_is_made_of_its_fields_and_no_others(given: dict[str, Any], wrong: str):
    with pytest.raises(TypeError, match=f"Source lacks a field, or has none: {wrong}$"):
        Source(**given)


def test_a_record_is_only_equal_to_one_of_its_kind():
    class Twin(Record):
        rows: int = 0

    class Other(Record):
        rows: int = 0

    assert (Twin(rows=5) == Twin(rows=5), Twin(rows=5) == Twin(), Twin() == Other()) == (True, False, False)
    assert repr(Twin(rows=5)) == "Twin(rows=5)"


def test_the_order_of_the_fields_is_that_of_their_kind():
    assert list(Source(key="k", bucket="b").values()) == ["bucket", "key", "version_id", "sha256"]


def test_a_change_of_a_field_that_does_not_exist_is_an_error():
    with pytest.raises(TypeError, match="Batch has no field paussed"):
        BATCH.replaced(paussed="yes", version=2)


def test_equal_counts_of_chunks_are_one_object():
    first, second = (Counts.from_json({"rows": 1_000, "applied": 1_000}) for _ in range(2))
    assert first is second
