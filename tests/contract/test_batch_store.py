"""What every BatchStore does: the fake in memory, and the table."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import HealthCheck, given, settings

from adjustments.aws.table import TableBatchStore
from adjustments.aws.table_access import TRANSACTION_ITEMS_MAX, TRANSACTION_TRIES, back_off_s
from adjustments.batches.batch_parts import Counts, Source
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus, ChunkState
from adjustments.batches.store import ALL_BATCHES, UNTOUCHED_MAX, BatchFilter, BatchStore, IndexEntry
from adjustments.batches.unapproved import Entry, Unapproved
from adjustments.core.errors import NotFound, WrongState
from adjustments.core.ids import chunk_id, half_ids
from adjustments.core.runtime import RandomIds, SystemClock
from tests.fakes.memory import START, CountingIds, ManualClock, MemoryStore
from tests.records import anything

DAY = timedelta(days=1)
PLAN = "plan1"
EXAMPLES_MAX = 40
SUMS = Unapproved(version=1, entries=(Entry(at=START, rows=2, total="12.5"),))


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest) -> BatchStore:
    """An empty store."""
    if kind == "memory":
        return MemoryStore()
    make_table: Callable[[], str] = request.getfixturevalue("make_table")
    return TableBatchStore(request.getfixturevalue("aws").dynamodb, make_table(), SystemClock(), RandomIds())


def a_batch(batch_id: str = "b1", **values: Any) -> Batch:
    fields = {"status": BatchStatus.PLANNED, "plan_id": PLAN, "source": Source(bucket="b", key="k")}
    times = {"created_at": START, "deadline_at": START + DAY}
    return Batch(**{"batch_id": batch_id, **fields, **times, **values})


def a_chunk(name: str = "001-00001", state: str = "planned", **values: Any) -> Chunk:
    fields = {"wave": 1, "payload_key": "work/rows", "last": 10, "sha256": "0" * 64}
    return Chunk(**{"chunk_id": name, "state": ChunkState(state), **fields, **values})


def with_chunks(store: BatchStore, *chunks: Chunk) -> Batch:
    batch = a_batch()
    store.create_batch(batch)
    store.add_chunks(batch.batch_id, PLAN, chunks)
    return batch


def names(chunks: list[Chunk]) -> list[str]:
    return [chunk.chunk_id for chunk in chunks]


# --- every field ------------------------------------------------------------------------------------------


_counter = itertools.count(1)
many = settings(max_examples=EXAMPLES_MAX, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(batch=anything(Batch))
def test_batch_is_stored_with_every_field(store: BatchStore, batch: Batch):
    batch = batch.replaced(batch_id=f"{next(_counter):06}")
    store.create_batch(batch)
    assert store.batch(batch.batch_id) == batch
    after = batch.replaced(version=batch.version + 1)
    store.save_batch(after)
    assert store.batch(batch.batch_id) == after


@many
@given(chunk=anything(Chunk))
def test_chunk_is_stored_with_every_field(store: BatchStore, chunk: Chunk):
    batch = a_batch(f"{next(_counter):06}")
    chunk = chunk.replaced(chunk_id="001-00001")
    store.add_chunks(batch.batch_id, PLAN, [chunk])
    assert store.chunks(batch.batch_id, PLAN) == [chunk]
    after = chunk.replaced(version=chunk.version + 1)
    store.save_chunk(batch, after)
    assert store.chunks(batch.batch_id, PLAN) == [after]


# --- batches ----------------------------------------------------------------------------------------------


def test_batch_is_created_once(store: BatchStore):
    assert store.create_batch(a_batch(notes=("first",)))
    assert not store.create_batch(a_batch(notes=("second",)))
    assert store.batch("b1").notes == ("first",)


def test_batch_is_counted_in_the_write_that_creates_it(store: BatchStore):
    assert store.unapproved() == Unapproved()
    assert store.create_batch(a_batch(), [a_chunk()], SUMS)
    assert store.unapproved() == SUMS
    more = SUMS.with_batch(START + DAY / 2, 3, Decimal("0.5"))
    assert store.create_batch(a_batch("b2"), (), more)
    assert store.unapproved() == more
    assert store.unapproved().sums(START + DAY / 2) == (5, Decimal(13))


def test_batch_that_exists_is_not_counted_again(store: BatchStore):
    assert store.create_batch(a_batch(), (), SUMS)
    assert not store.create_batch(a_batch(), (), SUMS.with_batch(START, 2, Decimal(1)))
    assert store.unapproved() == SUMS


@pytest.mark.parametrize("version", [1, 3])
def test_nothing_is_stored_where_the_counted_batches_are_not_those_that_were_read(
    store: BatchStore, version: int
):
    assert store.create_batch(a_batch(), (), SUMS)
    stale = SUMS.replaced(version=version, entries=())
    assert not store.create_batch(a_batch("b2"), [a_chunk()], stale)
    assert store.unapproved() == SUMS
    with pytest.raises(NotFound):
        store.batch("b2")
    assert store.chunks("b2", PLAN) == []


def test_most_chunks_and_the_counted_batches_fit_one_write(store: BatchStore):
    chunks = [a_chunk(chunk_id(1, number)) for number in range(1, UNTOUCHED_MAX + 1)]
    assert store.create_batch(a_batch(), chunks, SUMS)
    assert len(store.chunks("b1", PLAN)) == UNTOUCHED_MAX


def test_of_many_planners_at_once_all_are_counted(store: BatchStore):
    def plan(number: int) -> None:
        for _ in range(100):
            counted = store.unapproved().with_batch(START, 1, Decimal(number))
            if store.create_batch(a_batch(f"b{number}"), (), counted):
                return
        raise AssertionError(f"planner {number} never got its turn")

    side_by_side = 1 if isinstance(store, MemoryStore) else 8  # the fake is for one thread
    with ThreadPoolExecutor(side_by_side) as pool:
        list(pool.map(plan, range(1, 9)))
    assert store.unapproved().version == 8
    assert store.unapproved().sums(START) == (8, Decimal(36))


def test_unknown_batch_is_not_found(store: BatchStore):
    store.create_batch(a_batch("b1"))
    with pytest.raises(NotFound):
        store.batch("b2")


def test_save_batch_replaces_the_version_before(store: BatchStore):
    batch = a_batch(pause_reason="401")
    store.create_batch(batch)
    store.save_batch(batch.moved(BatchStatus.SUBMITTING, pause_reason=""))
    stored = store.batch("b1")
    assert (stored.version, stored.status, stored.pause_reason) == (2, BatchStatus.SUBMITTING, "")


@pytest.mark.parametrize("version", [0, 1, 2, 4])
def test_save_batch_refuses_any_other_version(store: BatchStore, version: int):
    batch = a_batch()
    store.create_batch(batch)
    store.save_batch(batch.changed(notes=("stored",)))
    with pytest.raises(WrongState):
        store.save_batch(batch.replaced(version=version, notes=("late",)))
    assert store.batch("b1").notes == ("stored",)


def test_save_batch_refuses_the_second_writer_of_a_version(store: BatchStore):
    batch = a_batch()
    store.create_batch(batch)
    store.save_batch(batch.changed(notes=("first",)))
    with pytest.raises(WrongState):
        store.save_batch(batch.changed(notes=("second",)))
    assert store.batch("b1").notes == ("first",)


def test_save_batch_refuses_a_batch_that_was_never_created(store: BatchStore):
    with pytest.raises(WrongState):
        store.save_batch(a_batch().changed())
    with pytest.raises(NotFound):
        store.batch("b1")


# --- contents ---------------------------------------------------------------------------------------------


def test_content_is_claimed_by_the_first_batch(store: BatchStore):
    assert store.claim_content("s1", "b1", START, START + DAY) is None
    assert store.claim_content("s1", "b2", START + DAY / 2, START + 2 * DAY) == "b1"
    assert store.claim_content("s2", "b2", START, START + DAY) is None


def test_content_claim_is_renewed_by_its_batch(store: BatchStore):
    store.claim_content("s1", "b1", START, START + DAY)
    assert store.claim_content("s1", "b1", START + DAY / 2, START + 2 * DAY) is None
    assert store.claim_content("s1", "b2", START + DAY * 1.5, START + 3 * DAY) == "b1"


def test_content_claim_expires_and_goes_to_the_next_batch(store: BatchStore):
    store.claim_content("s1", "b1", START, START + DAY)
    second = timedelta(seconds=1)
    assert store.claim_content("s1", "b2", START + DAY, START + 2 * DAY) == "b1"
    assert store.claim_content("s1", "b2", START + DAY + second, START + 2 * DAY) is None
    assert store.claim_content("s1", "b1", START + DAY + 2 * second, START + 2 * DAY) == "b2"


def test_content_claim_expires_in_whole_seconds(store: BatchStore):
    store.claim_content("s1", "b1", START, START + timedelta(seconds=10.2))
    assert store.claim_content("s1", "b2", START + timedelta(seconds=10.9), START + DAY) == "b1"


def test_content_claim_that_is_refused_changes_nothing(store: BatchStore):
    store.claim_content("s1", "b1", START, START + DAY)
    store.claim_content("s1", "b2", START, START + 9 * DAY)
    assert store.claim_content("s1", "b3", START + 2 * DAY, START + 9 * DAY) is None


def test_notification_claim_ends_when_it_is_sent_or_expires(store: BatchStore):
    a_minute = timedelta(minutes=1)
    assert store.claim_notification("f", START, START + a_minute)
    with pytest.raises(WrongState):
        store.claim_notification("f", START + a_minute - timedelta(milliseconds=1), START + DAY)
    assert store.claim_notification("other", START, START + a_minute)
    assert store.claim_notification("f", START + a_minute, START + DAY)
    with pytest.raises(WrongState):
        store.claim_notification("f", START + 2 * a_minute, START + DAY)


def test_notification_that_was_sent_is_never_claimed_again(store: BatchStore):
    store.claim_notification("f", START, START + DAY)
    for _ in range(2):
        store.record_notification("f")
    assert not store.claim_notification("f", START, START + DAY)
    assert not store.claim_notification("f", START + 2 * DAY, START + 3 * DAY)


def test_reversal_is_found_by_its_content_and_the_last_record_counts(store: BatchStore):
    assert store.reversed_batch("s1") is None
    store.record_reversal("s1", "b1")
    store.record_reversal("s1", "b2")
    assert store.reversed_batch("s1") == "b2"
    assert store.reversed_batch("s2") is None


# --- rows that were planned ------------------------------------------------------------------------------


def test_the_last_held_batch_with_a_content_for_its_new_rows_is_known(store: BatchStore):
    assert store.remainder_of("s1") is None
    store.record_remainder("s1", "b1")
    store.record_remainder("s1", "b2")
    assert (store.remainder_of("s1"), store.remainder_of("s2")) == ("b2", None)


def test_registered_rows_are_read_newest_first_from_where_a_page_ended(store: BatchStore):
    months = [START - timedelta(days=days) for days in (0, 20, 45, 45, 410)]
    entries = [
        IndexEntry(f"2026{number}", at, 1, customers_rows=1, customers=bytes(8))
        for number, at in zip((9, 8, 7, 6, 5), months, strict=True)
    ]
    for entry in entries:
        store.register_rows(entry)
    since = START - timedelta(days=400)
    found = list(store.latest_registered_rows(since, START, None))
    assert [entry for _, entry in found] == entries[:4]
    for number, (cursor, _) in enumerate(found):
        assert list(store.latest_registered_rows(since, START, cursor)) == found[number + 1 :]


def test_the_indexes_of_customers_are_kept_with_those_of_rows(store: BatchStore):
    stored = [
        IndexEntry("b1", START, 1, customers_rows=1, customers=bytes(8)),
        IndexEntry("b2", START, 1, customers_rows=0),
        IndexEntry("b3", START, 1),
        IndexEntry("b4", START, 300, key="rows.idx", customers_rows=301, customers_key="customers.idx"),
    ]
    for entry in stored:
        store.register_rows(entry)
    assert list(store.registered_rows(START, START)) == stored


def test_registered_rows_are_seen_at_once_and_by_their_time(store: BatchStore):
    old = IndexEntry("b0", START - timedelta(days=31), 1, fingerprints=bytes(8))
    small = IndexEntry("b1", START - timedelta(days=29, hours=1), 2, fingerprints=bytes(range(16)))
    large = IndexEntry("b2", START, 1_000, key="work/b2/plan/rows.idx")
    ahead = IndexEntry("b3", START + timedelta(seconds=2), 0)
    for entry in (old, small, large, ahead):
        store.register_rows(entry)
    assert list(store.registered_rows(START - timedelta(days=30), START)) == [small, large, ahead]


@pytest.mark.parametrize("day", [28, 29, 30, 31])
def test_registered_rows_are_seen_across_months(store: BatchStore, day: int):
    now = datetime(2027, 3, 1, 23, 59, 59, tzinfo=UTC)
    entries = [
        IndexEntry("b1", now - timedelta(days=day), 0),
        IndexEntry("b2", datetime(2027, 2, 14, tzinfo=UTC), 0),
        IndexEntry("b3", now, 0),
    ]
    for entry in entries:
        store.register_rows(entry)
    found = [entry.batch_id for entry in store.registered_rows(now - timedelta(days=30), now)]
    assert found == [entry.batch_id for entry in entries if entry.planned_at >= now - timedelta(days=30)]


def test_rows_that_are_registered_again_replace_those_before(store: BatchStore):
    store.register_rows(IndexEntry("b1", START, 1, key="first"))
    store.register_rows(IndexEntry("b1", START, 1, key="second"))
    assert [entry.key for entry in store.registered_rows(START, START)] == ["second"]


# --- senders ----------------------------------------------------------------------------------------------


def senders(store: BatchStore, since: datetime, until: datetime) -> list[str]:
    return [batch.batch_id for batch in store.batches_sent_between(since, until)]


def test_recorded_sending_is_found_at_once_by_its_day(store: BatchStore):
    for name in ("b1", "b2", "b3"):
        store.create_batch(a_batch(name))
    store.record_sending("b1", START)
    store.record_sending("b2", START + DAY)
    assert senders(store, START, START) == ["b1"]
    assert senders(store, START, START + DAY) == ["b1", "b2"]
    assert senders(store, START + DAY, START + 9 * DAY) == ["b2"]
    assert senders(store, START + 2 * DAY, START + 9 * DAY) == []
    assert senders(store, START - 9 * DAY, START - DAY) == []


def test_batch_that_sends_on_many_days_is_found_once(store: BatchStore):
    batch = a_batch()
    store.create_batch(batch)
    for days in (0, 0, 1, 2):
        store.record_sending("b1", START + days * DAY)
    store.save_batch(batch.moved(BatchStatus.SUBMITTING))
    [found] = store.batches_sent_between(START, START + 5 * DAY)
    assert found.status is BatchStatus.SUBMITTING


def test_recorded_sendings_of_a_day_end_at_midnight_utc(store: BatchStore):
    midnight = START.replace(hour=0)
    second = timedelta(seconds=1)
    for name, at in (("b1", midnight - second), ("b2", midnight), ("b3", midnight + DAY - second)):
        store.create_batch(a_batch(name))
        store.record_sending(name, at)
    assert sorted(senders(store, midnight, midnight)) == ["b2", "b3"]
    assert sorted(senders(store, midnight - second, midnight + second)) == ["b1", "b2", "b3"]


# --- lists ------------------------------------------------------------------------------------------------

NUMBERED = [f"202611{day:02}-120000-file-{day:012x}" for day in range(1, 8)]


def pages(store: BatchStore, wanted: BatchFilter, rows_max: int) -> list[list[str]]:
    found: list[list[str]] = []
    after: str | None = None
    for _ in range(20):
        page, after = store.batches(wanted, rows_max, after)
        found.append([batch.batch_id for batch in page])
        if after is None:
            return found
    raise AssertionError(f"the pages do not end: {found}")


def test_batches_are_listed_newest_first(store: BatchStore):
    for name in (NUMBERED[2], NUMBERED[0], NUMBERED[1]):
        store.create_batch(a_batch(name))
    assert pages(store, ALL_BATCHES, 10) == [[NUMBERED[2], NUMBERED[1], NUMBERED[0]]]


def test_batches_of_an_empty_store_are_one_empty_page(store: BatchStore):
    assert store.batches(ALL_BATCHES, 10, None) == ([], None)
    assert store.batches(BatchFilter(BatchStatus.PLANNED), 10, None) == ([], None)


@pytest.mark.parametrize("rows_max", [1, 2, 3, 6, 7, 8])
def test_batches_are_paged_without_gaps_or_repetitions(store: BatchStore, rows_max: int):
    for name in NUMBERED:
        store.create_batch(a_batch(name))
    found = pages(store, ALL_BATCHES, rows_max)
    assert [name for page in found for name in page] == NUMBERED[::-1]
    assert all(len(page) == rows_max for page in found[:-1])
    assert found[-1]  # no page is announced that is empty


@pytest.mark.parametrize("rows_max", [1, 2, 3, 4])
def test_batches_of_a_status_fill_each_page(store: BatchStore, rows_max: int):
    for number, name in enumerate(NUMBERED):
        status = BatchStatus.REJECTED if number % 2 else BatchStatus.COMPLETED
        store.create_batch(a_batch(name, status=status))
    found = pages(store, BatchFilter(BatchStatus.REJECTED), rows_max)
    assert [name for page in found for name in page] == NUMBERED[::-1][1::2]
    assert all(len(page) == rows_max for page in found[:-1])
    assert found[-1]


@pytest.mark.parametrize("rows_max", [1, 2, 10])
@pytest.mark.parametrize(
    ("first", "end", "listed"),
    [
        ("20261103-120000", "", [7, 6, 5, 4, 3]),
        ("20261103-120001", "", [7, 6, 5, 4]),
        ("", "20261103-120000", [2, 1]),
        ("20261103-120000", "20261105-120000", [4, 3]),
        ("20261103-120000", "20261103-120000", []),
        ("20261201-000000", "", []),
        ("", "20261101-000000", []),
    ],
)
def test_batches_of_a_time_are_paged(
    store: BatchStore, rows_max: int, first: str, end: str, listed: list[int]
):
    for name in NUMBERED:
        store.create_batch(a_batch(name))
    found = [name for page in pages(store, BatchFilter(None, first, end), rows_max) for name in page]
    assert found == [NUMBERED[day - 1] for day in listed]


@pytest.mark.parametrize("after", [0, 1, 5, 6])
def test_batches_page_may_start_outside_of_its_time(store: BatchStore, after: int):
    for name in NUMBERED:
        store.create_batch(a_batch(name))
    page, following = store.batches(
        BatchFilter(None, "20261103-120000", "20261105-120000"), 10, NUMBERED[after]
    )
    assert [batch.batch_id for batch in page] == ([] if after < 3 else [NUMBERED[3], NUMBERED[2]])
    assert following is None


def test_batches_page_may_start_after_an_unknown_batch(store: BatchStore):
    for name in (NUMBERED[0], NUMBERED[2]):
        store.create_batch(a_batch(name))
    page, after = store.batches(ALL_BATCHES, 10, NUMBERED[1])
    assert ([batch.batch_id for batch in page], after) == ([NUMBERED[0]], None)


def test_batches_are_listed_as_last_saved(store: BatchStore):
    batch = a_batch()
    store.create_batch(batch)
    store.save_batch(batch.moved(BatchStatus.COMPLETED, counts=Counts(rows=3, applied=3)))
    page, _ = store.batches(BatchFilter(BatchStatus.COMPLETED), 10, None)
    assert [batch.counts.applied for batch in page] == [3]
    assert store.batches(BatchFilter(BatchStatus.PLANNED), 10, None) == ([], None)


@pytest.mark.parametrize("status", list(BatchStatus))
@pytest.mark.parametrize("is_told", [True, False])
def test_open_batches_are_those_without_an_end_that_was_notified(
    store: BatchStore, status: BatchStatus, is_told: bool
):
    store.create_batch(
        a_batch(status=status, notifications_sent=(status.value,) if is_told else ("planned",))
    )
    is_over = status.is_final and is_told
    assert [batch.batch_id for batch in store.open_batches()] == ([] if is_over else ["b1"])


@pytest.mark.parametrize("status", list(BatchStatus))
@pytest.mark.parametrize("in_doubt", [0, 2])
def test_doubtful_batches_need_attention_and_have_rows_in_doubt(
    store: BatchStore, status: BatchStatus, in_doubt: int
):
    counts = Counts(rows=5, in_doubt=in_doubt)
    store.create_batch(a_batch(status=status, counts=counts, notifications_sent=(status.value,)))
    is_doubtful = status is BatchStatus.NEEDS_ATTENTION and in_doubt > 0
    assert [batch.batch_id for batch in store.doubtful_batches()] == (["b1"] if is_doubtful else [])


def test_open_and_doubtful_batches_follow_each_change_of_status(store: BatchStore):
    def listed() -> tuple[list[int], list[int]]:
        return (
            [batch.version for batch in store.open_batches()],
            [batch.version for batch in store.doubtful_batches()],
        )

    batch = a_batch(notifications_sent=("needs_attention", "completed"))
    store.create_batch(batch)
    assert listed() == ([1], [])
    store.save_batch(batch := batch.moved(BatchStatus.SUBMITTING))
    assert listed() == ([2], [])
    counts = Counts(rows=5, in_doubt=2)
    store.save_batch(batch := batch.moved(BatchStatus.NEEDS_ATTENTION, counts=counts))
    assert listed() == ([], [3])
    store.save_batch(batch := batch.resolved(BatchStatus.NEEDS_ATTENTION, counts=Counts(rows=5, in_doubt=1)))
    assert listed() == ([], [4])
    store.save_batch(batch.resolved(BatchStatus.COMPLETED, counts=Counts(rows=5, applied=5)))
    assert listed() == ([], [])


def test_open_and_doubtful_batches_come_oldest_first(store: BatchStore):
    doubtful = {"status": BatchStatus.NEEDS_ATTENTION, "counts": Counts(rows=1, in_doubt=1)}
    told = {"notifications_sent": ("needs_attention",)}
    for name in (NUMBERED[2], NUMBERED[0], NUMBERED[1]):
        store.create_batch(a_batch(name))
        store.create_batch(a_batch(f"{name}x", **doubtful, **told))
    assert [batch.batch_id for batch in store.open_batches()] == NUMBERED[:3]
    assert [batch.batch_id for batch in store.doubtful_batches()] == [f"{name}x" for name in NUMBERED[:3]]


def test_open_batches_of_more_than_a_megabyte_are_complete(store: BatchStore):
    long = ("n" * 60_000,)
    identities = [f"b{number:03}" for number in range(60)]
    for name in identities:
        store.create_batch(a_batch(name, notes=long))
    assert [batch.batch_id for batch in store.open_batches()] == identities
    assert pages(store, ALL_BATCHES, 50) == [identities[:9:-1], identities[9::-1]]


# --- chunks -----------------------------------------------------------------------------------------------


def test_chunks_of_an_empty_plan_are_none(store: BatchStore):
    store.create_batch(a_batch())
    store.add_chunks("b1", PLAN, [])
    assert store.chunks("b1", PLAN) == []


def test_chunks_belong_to_one_plan_of_one_batch(store: BatchStore):
    for batch_id, plan, sha in (("b1", "p1", "a"), ("b1", "p10", "b"), ("b2", "p1", "c"), ("b10", "p1", "d")):
        store.add_chunks(batch_id, plan, [a_chunk(sha256=sha)])
    found = [
        [chunk.sha256 for chunk in store.chunks(batch_id, plan)]
        for batch_id, plan in (("b1", "p1"), ("b1", "p10"), ("b2", "p1"), ("b10", "p1"), ("b1", "p"))
    ]
    assert found == [["a"], ["b"], ["c"], ["d"], []]


def test_chunks_come_in_the_order_of_sending_however_they_were_added(store: BatchStore):
    planned = [chunk_id(wave, number) for wave in (1, 2, 10) for number in (1, 2, 10, 11)]
    store.add_chunks("b1", PLAN, [a_chunk(name) for name in sorted(planned, key=lambda name: name[::-1])])
    assert names(store.chunks("b1", PLAN)) == planned


def test_chunks_by_the_hundred_come_in_order(store: BatchStore):
    planned = [chunk_id(1, number) for number in range(1, 321)]
    store.add_chunks("b1", PLAN, (a_chunk(name) for name in planned))
    assert names(store.chunks("b1", PLAN)) == planned


def test_chunks_longer_than_a_megabyte_are_complete(store: BatchStore):
    planned = [chunk_id(1, number) for number in range(1, 61)]
    store.add_chunks("b1", PLAN, [a_chunk(name, error="e" * 60_000) for name in planned])
    found = store.chunks("b1", PLAN)
    assert names(found) == planned
    assert {len(chunk.error) for chunk in found} == {60_000}


def test_batch_and_chunks_are_created_together_or_not_at_all(store: BatchStore):
    planned = [a_chunk(chunk_id(1, number)) for number in range(1, 97)]
    assert store.create_batch(a_batch(), planned)
    assert store.chunks("b1", PLAN) == planned
    assert not store.create_batch(a_batch(plan_id="plan2"), planned)
    assert store.chunks("b1", "plan2") == []
    assert store.batch("b1").plan_id == PLAN


def test_save_and_record_sending_writes_both(store: BatchStore):
    batch = a_batch()
    store.create_batch(batch)
    begun = batch.moved(BatchStatus.SUBMITTING)
    store.save_and_record_sending(begun, START)
    assert store.batch("b1") == begun
    assert [sender.batch_id for sender in store.batches_sent_between(START, START)] == ["b1"]


def test_save_and_record_sending_writes_neither_after_a_lost_race(store: BatchStore):
    batch = a_batch()
    store.create_batch(batch)
    stopped = batch.changed(stop_reason="stopped by a person")
    store.save_batch(stopped)
    with pytest.raises(WrongState):
        store.save_and_record_sending(batch.moved(BatchStatus.SUBMITTING), START)
    assert store.batch("b1") == stopped
    assert list(store.batches_sent_between(START, START)) == []


def at_work(store: BatchStore, after: str, untouched_max: int) -> list[str]:
    return names(store.chunks_after("b1", PLAN, after, untouched_max))


def test_chunks_after_begins_behind_a_chunk_and_ends_with_the_last_untouched_one(store: BatchStore):
    states = ["settled", "split", "refused", "in_doubt", "submitted", "planned", "planned", "planned"]
    planned = [
        "001-00001",
        "001-00002",
        "001-00002.0",
        "001-00002.1",
        *[chunk_id(1, n) for n in (3, 4, 5, 6)],
    ]
    chunks = [a_chunk(name, state=state) for name, state in zip(planned, states, strict=True)]
    chunks[5] = a_chunk(planned[5], attempts=1)  # it was tried, and put off
    with_chunks(store, *chunks)
    store.add_chunks("b1", "plan0", [a_chunk("000-00001")])
    store.add_chunks("b1", "plan2", [a_chunk("002-00001")])
    assert at_work(store, "", 2) == planned
    assert at_work(store, "", 1) == planned[:-1]
    assert at_work(store, "001-00001", 1) == planned[1:-1]
    assert at_work(store, "001-00002", 5) == planned[2:]
    assert at_work(store, "001-00002.1", 5) == planned[4:]
    assert at_work(store, planned[-1], 5) == []


def test_chunks_after_does_not_count_parts_of_a_refused_chunk_as_untouched(store: BatchStore):
    parts = [a_chunk("001-00001", state="split"), *map(a_chunk, half_ids("001-00001"))]
    rest = [a_chunk("001-00002", state="in_doubt"), a_chunk("001-00003"), a_chunk("001-00004")]
    with_chunks(store, *parts, *rest)
    assert at_work(store, "", 1) == names([*parts, *rest[:2]])


def test_chunks_that_are_created_with_a_batch_fit_into_one_transaction(store: BatchStore):
    planned = [a_chunk(chunk_id(1, number)) for number in range(1, UNTOUCHED_MAX + 1)]
    assert 1 + len(planned) <= TRANSACTION_ITEMS_MAX  # the batch itself is one more item
    assert store.create_batch(a_batch(), planned)
    assert names(store.chunks("b1", PLAN)) == names(planned)


def test_chunks_after_reads_as_many_pages_as_needed(store: BatchStore):
    planned = [chunk_id(1, number) for number in range(1, 401)]
    with_chunks(store, *[a_chunk(name, state="submitted") for name in planned[:300]])
    store.add_chunks("b1", PLAN, [a_chunk(name) for name in planned[300:]])
    assert at_work(store, "", 50) == planned[:350]
    assert at_work(store, planned[9], 200) == planned[10:]
    assert at_work(store, planned[309], 3) == planned[310:313]


def test_chunks_that_are_added_again_are_as_new(store: BatchStore):
    batch = with_chunks(store, a_chunk())
    store.save_chunk(batch, a_chunk().moved(ChunkState.SUBMITTING, token="t"))
    store.add_chunks("b1", PLAN, [a_chunk()])
    assert store.chunks("b1", PLAN) == [a_chunk()]


def test_save_chunk_replaces_the_version_before(store: BatchStore):
    batch = with_chunks(store, a_chunk("001-00001"), a_chunk("001-00002"))
    intent = a_chunk("001-00001").moved(ChunkState.SUBMITTING, token="t", intent_at=START)
    store.save_chunk(batch, intent)
    assert store.chunks("b1", PLAN) == [intent, a_chunk("001-00002")]


@pytest.mark.parametrize("version", [0, 1, 2, 4])
def test_save_chunk_refuses_any_other_version(store: BatchStore, version: int):
    batch = with_chunks(store, a_chunk())
    intent = a_chunk().moved(ChunkState.SUBMITTING, token="mine")
    store.save_chunk(batch, intent)
    with pytest.raises(WrongState):
        store.save_chunk(batch, intent.replaced(version=version, token="other"))
    assert store.chunks("b1", PLAN) == [intent]


def test_save_chunk_refuses_a_chunk_of_another_plan(store: BatchStore):
    batch = with_chunks(store, a_chunk())
    other = batch.replaced(plan_id="plan2")
    with pytest.raises(WrongState):
        store.save_chunk(other, a_chunk().moved(ChunkState.SUBMITTING))
    assert store.chunks("b1", "plan2") == []


def halves_of(chunk: Chunk) -> list[Chunk]:
    middle = (chunk.first + chunk.last) // 2
    left, right = half_ids(chunk.chunk_id)
    return [
        a_chunk(left, first=chunk.first, last=middle, sha256="left"),
        a_chunk(right, first=middle, last=chunk.last, sha256="right"),
    ]


def split(store: BatchStore, batch: Batch, chunk: Chunk) -> tuple[Chunk, list[Chunk]]:
    intent = chunk.moved(ChunkState.SUBMITTING, token="t")
    store.save_chunk(batch, intent)
    whole, halves = intent.moved(ChunkState.SPLIT), halves_of(chunk)
    store.split_chunk(batch, whole, halves)
    return whole, halves


def test_split_chunk_sorts_halves_between_the_whole_and_the_next_chunk(store: BatchStore):
    batch = with_chunks(store, a_chunk("001-00001"), a_chunk("001-00002"), a_chunk("002-00001"))
    whole, (left, right) = split(store, batch, a_chunk("001-00001"))
    left_whole, left_halves = split(store, batch, left)
    right_whole, right_halves = split(store, batch, right)
    rest = [a_chunk("001-00002"), a_chunk("002-00001")]
    expected = [whole, left_whole, *left_halves, right_whole, *right_halves, *rest]
    assert store.chunks("b1", PLAN) == expected


def test_split_chunk_writes_nothing_where_the_chunk_was_changed_meanwhile(store: BatchStore):
    batch = with_chunks(store, a_chunk())
    intent = a_chunk().moved(ChunkState.SUBMITTING, token="t")
    store.save_chunk(batch, intent)
    doubted = intent.moved(ChunkState.IN_DOUBT)
    store.save_chunk(batch, doubted)
    with pytest.raises(WrongState):
        store.split_chunk(batch, intent.moved(ChunkState.SPLIT), halves_of(a_chunk()))
    assert store.chunks("b1", PLAN) == [doubted]


@pytest.mark.parametrize("taken", [0, 1])
def test_split_chunk_writes_nothing_where_a_half_exists(store: BatchStore, taken: int):
    there = halves_of(a_chunk())[taken].replaced(sha256="there before")
    batch = with_chunks(store, a_chunk(), there)
    intent = a_chunk().moved(ChunkState.SUBMITTING, token="t")
    store.save_chunk(batch, intent)
    with pytest.raises(WrongState):
        store.split_chunk(batch, intent.moved(ChunkState.SPLIT), halves_of(a_chunk()))
    assert store.chunks("b1", PLAN) == [intent, there]


def test_split_chunk_of_an_unknown_chunk_writes_no_halves(store: BatchStore):
    batch = with_chunks(store)
    intent = a_chunk().moved(ChunkState.SUBMITTING, token="t")
    with pytest.raises(WrongState):
        store.split_chunk(batch, intent.moved(ChunkState.SPLIT), halves_of(a_chunk()))
    assert store.chunks("b1", PLAN) == []


# --- only the table ---------------------------------------------------------------------------------------


def cancelled(*codes: str) -> dict[str, Any]:
    """What the table answers to a transaction, one code for each of its items."""
    return {"CancellationReasons": [{"Code": code} for code in codes]}


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([("ConditionalCheckFailed", "None", "None")], WrongState),
        ([("None", "None", "ConditionalCheckFailed")], WrongState),
        ([("TransactionConflict", "ConditionalCheckFailed", "None")], WrongState),
        ([("TransactionConflict", "None", "None"), ("ConditionalCheckFailed", "None", "None")], WrongState),
        ([("TransactionConflict", "None", "None")] * TRANSACTION_TRIES, ClientError),
        ([("None", "ThrottlingError", "None")] * TRANSACTION_TRIES, ClientError),
        ([("None", "ProvisionedThroughputExceeded", "None")] * TRANSACTION_TRIES, ClientError),
        ([("ValidationError", "None", "None")], ClientError),
        ([("None", "ItemCollectionSizeLimitExceeded", "None")], ClientError),
        ([("TransactionConflict", "ValidationError", "None")], ClientError),
        ([("TransactionConflict", "None", "None"), ("None", "ThrottlingError", "None"), None], None),
    ],
)
def test_split_chunk_repeats_passing_cancellations_and_reports_a_failed_condition(
    answers: list[tuple[str, ...] | None], error: type[Exception] | None
):
    client = boto3.client("dynamodb", "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    clock = ManualClock()
    store = TableBatchStore(client, "table", clock, CountingIds())
    intent = a_chunk().moved(ChunkState.SUBMITTING, token="t")
    name = "transact_write_items"
    with Stubber(client) as stubber:
        for codes in answers:
            if codes is None:
                stubber.add_response(name, {})
            else:
                fields = cancelled(*codes)
                stubber.add_client_error(name, "TransactionCanceledException", modeled_fields=fields)
        with pytest.raises(error) if error else nullcontext() as caught:
            store.split_chunk(a_batch(), intent.moved(ChunkState.SPLIT), halves_of(a_chunk()))
        stubber.assert_no_pending_responses()
    assert caught is None or isinstance(caught.value, WrongState) == (error is WrongState)
    waits = sum(back_off_s(tries, 0) for tries in range(1, len(answers)))
    assert (clock.now() - START).total_seconds() == pytest.approx(waits)


@pytest.mark.parametrize(
    ("tries", "jitter", "expected_s"),
    [(1, 0.0, 0.025), (1, 0.5, 0.0375), (2, 0.0, 0.05), (2, 1.0, 0.1), (3, 0.0, 0.1), (3, 1.0, 0.2)],
)
def test_transaction_back_off_doubles_and_is_jittered(tries: int, jitter: float, expected_s: float):
    assert back_off_s(tries, jitter) == pytest.approx(expected_s)
