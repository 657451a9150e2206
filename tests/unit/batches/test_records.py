"""What the table keeps of batches and chunks is read back as it was written."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from adjustments.batches.batch_parts import Source, StoredModel
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus
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
def test_stored_model_comes_back_through_json_as_it_was(stored: StoredModel):
    again = type(stored).read(json.loads(json.dumps(stored.model_dump(mode="json"))))
    assert again == stored
    assert [type(value) for _, value in again] == [type(value) for _, value in stored]


@given(anything(Chunk) | anything(Batch))
def test_stored_model_reads_whole_numbers_that_the_table_gives_as_decimals(stored: StoredModel):
    told = json.loads(json.dumps(stored.model_dump(mode="json")), parse_int=Decimal)
    assert type(stored).read(told) == stored


def test_stored_form_has_camel_case_names_and_plain_values():
    told = BATCH.model_dump(mode="json")
    assert {"batchId", "rowParts", "hasCanary"} < told.keys()
    assert (told["status"], told["createdAt"]) == ("polling", "2026-11-22T08:30:00.250000Z")
    assert told["source"] == {"bucket": "bucket", "key": "inbox/a.csv", "versionId": "", "sha256": ""}
    assert (told["finishedAt"], told["notes"]) == (None, [])


def test_fields_of_newer_versions_are_ignored_and_those_of_older_ones_get_their_defaults():
    told = {**BATCH.model_dump(mode="json"), "fromTheFuture": 1}
    del told["checkpoint"], told["heldBy"], told["counts"]
    assert Batch.read(told) == BATCH


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batchId", 5),
        ("batchId", None),
        ("status", "nonsense"),
        ("version", 1.5),
        ("version", Decimal("1.5")),
        ("dryRun", "perhaps"),
        ("createdAt", "yesterday"),
        ("source", {"bucket": "only"}),
    ],
)
def test_malformed_stored_form_is_refused(field: str, value: Any):
    with pytest.raises(ValidationError, match=field):
        Batch.read({**BATCH.model_dump(mode="json"), field: value})


@pytest.mark.parametrize("field", ["batchId", "status", "planId", "source", "createdAt", "deadlineAt"])
def test_field_without_a_default_must_be_there(field: str):
    told = BATCH.model_dump(mode="json")
    del told[field]
    with pytest.raises(ValidationError, match=field):
        Batch.read(told)


def test_stored_model_can_not_be_changed_in_place():
    with pytest.raises(ValidationError, match="frozen"):
        BATCH.version = 2  # type: ignore[misc]
    other = BATCH.replaced(version=2)
    assert (BATCH.version, other.version) == (1, 2)
    assert other != BATCH
    assert other.replaced(version=1) == BATCH


def test_change_of_a_field_that_does_not_exist_is_an_error():
    with pytest.raises(TypeError, match="Batch has no field paussed"):
        BATCH.replaced(paussed="yes", version=2)


def test_stored_models_share_what_is_the_same_in_many_of_them():
    counts = {"rows": 1_000, "applied": 1_000}
    stored = {
        "chunkId": "001-00001",
        "wave": 1,
        "payloadKey": "k",
        "last": 1_000,
        "sha256": "h",
        "counts": counts,
    }
    first, second = (Chunk.read({**stored, "counts": counts}) for _ in range(2))
    assert first.counts is second.counts
    assert first.model_fields_set is second.model_fields_set
    assert first.changed(error="x").error == "x"
    assert second == Chunk.read({**stored, "counts": counts})
