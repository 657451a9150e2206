"""Records come back as they were told, and what they can't have told is refused."""

import json
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjustments.model import Batch, Chunk, Counts, Passed, Prediction, Resolution, Source
from adjustments.record import Record, camel
from adjustments.states import BatchStatus, ChunkState

NOW = datetime(2026, 11, 22, 8, 30, 0, 250_000, tzinfo=UTC)
TEXTS = st.text(max_size=8)
NUMBERS = st.integers(0, 10**12)
TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
COUNTS = st.builds(Counts, rows=NUMBERS, applied=NUMBERS, in_doubt=NUMBERS)
CHUNKS = st.builds(
    Chunk,
    chunk_id=TEXTS,
    wave=NUMBERS,
    state=st.sampled_from(ChunkState),
    payload_key=TEXTS,
    last=NUMBERS,
    job_id=st.none() | NUMBERS,
    intent_at=st.none() | TIMES,
    stop_asked=st.booleans(),
    counts=COUNTS,
)
BATCHES = st.builds(
    Batch,
    batch_id=TEXTS,
    status=st.sampled_from(BatchStatus),
    plan_id=TEXTS,
    source=st.builds(Source, bucket=TEXTS, key=TEXTS, version_id=TEXTS),
    created_at=TIMES,
    deadline_at=TIMES,
    finished_at=st.none() | TIMES,
    notes=st.lists(TEXTS, max_size=3).map(tuple),
    counts=COUNTS,
    prediction=st.none() | st.builds(Prediction, would_apply=NUMBERS),
    passed=st.builds(Passed, through=TEXTS, sent_at=st.none() | TIMES),
    resolutions=st.lists(st.builds(Resolution, at=TIMES, by=TEXTS, note=TEXTS, rows=NUMBERS), max_size=2).map(
        tuple
    ),
)
BATCH = Batch(
    batch_id="b",
    status=BatchStatus.POLLING,
    plan_id="p",
    source=Source(bucket="bucket", key="inbox/a.csv"),
    created_at=NOW,
    deadline_at=NOW,
)


@given(CHUNKS | BATCHES)
def test_a_record_comes_back_through_json_as_it_was(record: Record):
    again = type(record).from_json(json.loads(json.dumps(record.to_json())))
    assert again == record
    assert {name: type(value) for name, value in again.values().items()} == {
        name: type(value) for name, value in record.values().items()
    }


@given(CHUNKS | BATCHES)
def test_whole_numbers_may_be_decimals_as_the_table_gives_them(record: Record):
    told = json.loads(json.dumps(record.to_json()), parse_int=Decimal)
    assert type(record).from_json(told) == record


def test_a_record_is_told_in_camel_case_and_plain_values():
    told = BATCH.to_json()
    assert list(told) == [camel(field.name) for field in fields(Batch)]
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
    with pytest.raises(FrozenInstanceError):
        BATCH.version = 2  # type: ignore[misc]
    other = BATCH.replaced(version=2)
    assert (BATCH.version, other.version) == (1, 2)
    assert other != BATCH
    assert other.replaced(version=1) == BATCH
    assert hash(other.replaced(version=1)) == hash(BATCH)


def test_a_change_of_a_field_that_does_not_exist_is_an_error():
    with pytest.raises(TypeError, match="Batch has no field paussed"):
        BATCH.replaced(paussed="yes", version=2)


def test_equal_counts_of_chunks_are_one_object():
    first, second = (Counts.from_json({"rows": 1_000, "applied": 1_000}) for _ in range(2))
    assert first is second
