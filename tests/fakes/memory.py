"""The ports of the package, in memory."""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any, BinaryIO

from adjustments.aws.health import describe_runtime
from adjustments.batches.files import ObjectWriter, OpenedObject, Put, StoredObject, Upload, UploadForm
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus
from adjustments.batches.store import BatchFilter, EntryCursor, IndexEntry
from adjustments.batches.unapproved import Unapproved
from adjustments.core.errors import ConfigurationError, FileUnreadable, NotFound, WrongState
from adjustments.core.runtime import Clock, Ids
from adjustments.gameball.circuit_breaker import PROBE_EVERY, Permit, Scope
from adjustments.gameball.credentials import Credentials, read_credentials
from adjustments.gameball.rate_limiter import (
    AHEAD_S,
    BLOCK_AHEAD_S,
    RETRY_S,
    Block,
    Priority,
    RateLimiterUnavailable,
    Resource,
    block_slots,
)

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class ManualClock:
    """A clock that advances only when code sleeps or a test moves it."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class CountingIds:
    """Ids that are counted, and jitter without chance."""

    def __init__(self) -> None:
        self._last = 0

    def fresh(self) -> str:
        self._last += 1
        return f"id{self._last:06d}"

    def jitter(self) -> float:
        return 0.0


class MemoryStore:
    """Batches and chunks in dictionaries."""

    def __init__(self) -> None:
        self._batches: dict[str, Batch] = {}
        self._unapproved = Unapproved()
        self._facts: dict[str, datetime | None] = {}
        self._senders: dict[date, dict[str, None]] = {}
        self._reversals: dict[str, str] = {}
        self._remainders: dict[str, str] = {}
        self._dry_runs: dict[str, str] = {}
        self._indexes: dict[str, IndexEntry] = {}
        self._contents: dict[str, tuple[str, int]] = {}
        self._chunks: dict[tuple[str, str], dict[str, Chunk]] = {}

    def unapproved(self) -> Unapproved:
        return self._unapproved

    def create_batch(
        self, batch: Batch, chunks: Sequence[Chunk] = (), unapproved: Unapproved | None = None
    ) -> bool:
        if batch.batch_id in self._batches:
            return False
        if unapproved:
            if unapproved.version != self._unapproved.version + 1:
                return False
            self._unapproved = unapproved
        if chunks:
            self._chunks[(batch.batch_id, batch.plan_id)] = {chunk.chunk_id: chunk for chunk in chunks}
        self._batches[batch.batch_id] = batch
        return True

    def claim_content(
        self, sha256: str, batch_id: str, now: datetime, until: datetime, replaces: str = ""
    ) -> str | None:
        earlier, ends_at_s = self._contents.get(sha256, (batch_id, 0))
        if earlier not in (batch_id, replaces) and ends_at_s >= int(now.timestamp()):
            return earlier
        self._contents[sha256] = (batch_id, int(until.timestamp()))
        return None

    def claim_notification(self, name: str, now: datetime, until: datetime) -> bool:
        if name in self._facts:
            claimed_until = self._facts[name]
            if claimed_until is None:
                return False
            if claimed_until > now:
                raise WrongState(f"another run is sending the notification {name}")
        self._facts[name] = until
        return True

    def record_notification(self, name: str) -> None:
        self._facts[name] = None

    def record_reversal(self, sha256: str, batch_id: str) -> None:
        self._reversals[sha256] = batch_id

    def reversed_batch(self, sha256: str) -> str | None:
        return self._reversals.get(sha256)

    def record_remainder(self, sha256: str, batch_id: str) -> None:
        self._remainders[sha256] = batch_id

    def remainder_of(self, sha256: str) -> str | None:
        return self._remainders.get(sha256)

    def record_dry_run(self, sha256: str, batch_id: str) -> None:
        self._dry_runs[sha256] = batch_id

    def dry_run_of(self, sha256: str) -> str | None:
        return self._dry_runs.get(sha256)

    def register_rows(self, entry: IndexEntry) -> None:
        self._indexes[entry.batch_id] = entry

    def registered_rows(self, since: datetime, now: datetime) -> Iterator[IndexEntry]:
        entries = [entry for _, entry in sorted(self._indexes.items())]
        return iter([entry for entry in entries if since <= entry.planned_at])

    def latest_registered_rows(
        self, since: datetime, now: datetime, after: EntryCursor | None
    ) -> Iterator[tuple[EntryCursor, IndexEntry]]:
        entries = self.registered_rows(since, now)
        found = [(EntryCursor(f"rows#{one.planned_at:%Y-%m}", one.batch_id), one) for one in entries]
        newest_first = sorted(found, key=lambda pair: pair[0], reverse=True)
        return iter([pair for pair in newest_first if after is None or pair[0] < after])

    def batch(self, batch_id: str) -> Batch:
        try:
            return self._batches[batch_id]
        except KeyError:
            raise NotFound(f"there is no batch {batch_id}") from None

    def save_batch(self, batch: Batch) -> None:
        stored = self._batches.get(batch.batch_id)
        if stored is None or stored.version != batch.version - 1:
            raise WrongState(f"{batch.batch_id} was changed meanwhile")
        self._batches[batch.batch_id] = batch

    def batches(
        self, wanted: BatchFilter, rows_max: int, after: str | None
    ) -> tuple[list[Batch], str | None]:
        end = min(end for end in (after, wanted.end, "~") if end)
        names = sorted((name for name in self._batches if wanted.first <= name < end), reverse=True)
        batches = [self._batches[name] for name in names]
        found = [batch for batch in batches if wanted.status in (None, batch.status)]
        page = found[:rows_max]
        return page, page[-1].batch_id if len(found) > rows_max else None

    def record_sending(self, batch_id: str, at: datetime) -> None:
        self._senders.setdefault(at.date(), {})[batch_id] = None

    def save_and_record_sending(self, batch: Batch, at: datetime) -> None:
        self.save_batch(batch)
        self.record_sending(batch.batch_id, at)

    def batches_sent_between(self, since: datetime, until: datetime) -> Iterator[Batch]:
        days = [names for day, names in sorted(self._senders.items()) if since.date() <= day <= until.date()]
        return map(self.batch, dict.fromkeys(name for names in days for name in names))

    def open_batches(self) -> Iterator[Batch]:
        return iter([batch for _, batch in sorted(self._batches.items()) if batch.is_open])

    def doubtful_batches(self) -> Iterator[Batch]:
        ended = [batch for _, batch in sorted(self._batches.items()) if not batch.is_open]
        found = [batch for batch in ended if batch.counts.in_doubt]
        return iter([batch for batch in found if batch.status is BatchStatus.NEEDS_ATTENTION])

    def add_chunks(self, batch_id: str, plan_id: str, chunks: Iterable[Chunk]) -> None:
        stored_chunks = self._chunks.setdefault((batch_id, plan_id), {})
        stored_chunks.update((chunk.chunk_id, chunk) for chunk in chunks)

    def chunks(self, batch_id: str, plan_id: str) -> list[Chunk]:
        stored_chunks = self._chunks.get((batch_id, plan_id), {})
        return [stored_chunks[name] for name in sorted(stored_chunks)]

    def chunks_after(self, batch_id: str, plan_id: str, after: str, untouched_max: int) -> list[Chunk]:
        found: list[Chunk] = []
        stored_chunks = self._chunks.get((batch_id, plan_id), {})
        for name in sorted(name for name in stored_chunks if name > after):
            found.append(stored_chunks[name])
            untouched_max -= stored_chunks[name].is_untouched
            if not untouched_max:
                break
        return found

    def save_chunk(self, batch: Batch, chunk: Chunk) -> None:
        stored_chunks = self._chunks.setdefault((batch.batch_id, batch.plan_id), {})
        stored = stored_chunks.get(chunk.chunk_id)
        if stored is None or stored.version != chunk.version - 1:
            raise WrongState(f"chunk {chunk.chunk_id} was changed meanwhile")
        stored_chunks[chunk.chunk_id] = chunk

    def split_chunk(self, batch: Batch, whole: Chunk, halves: Sequence[Chunk]) -> None:
        stored_chunks = self._chunks.get((batch.batch_id, batch.plan_id), {})
        if any(half.chunk_id in stored_chunks for half in halves):
            raise WrongState(f"chunk {whole.chunk_id} was split before")
        self.save_chunk(batch, whole)
        self.add_chunks(batch.batch_id, batch.plan_id, halves)


class MemoryFiles:
    """A versioned bucket in a dictionary."""

    bucket = "memory"

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._versions: dict[str, list[tuple[StoredObject, bytes]]] = {}
        self._dropped = 0
        self.unreadable: dict[str, str] = {}
        """Keys of objects that can't be read, with the reason."""

    def drop(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> StoredObject:
        """Put an object with metadata, as a person would."""
        return self._keep(key, body, metadata or {}, self._clock.now())

    def _keep(self, key: str, body: bytes, metadata: Mapping[str, str], now: datetime) -> StoredObject:
        self._dropped += 1
        stored = StoredObject(
            bucket=self.bucket,
            key=key,
            version_id=f"v{self._dropped}",
            size_bytes=len(body),
            modified_at=now,
            metadata={name.lower(): value for name, value in metadata.items()},
        )
        self._versions.setdefault(key, []).append((stored, body))
        return stored

    def describe(self, key: str, version_id: str | None) -> StoredObject:
        return self._find(key, version_id)[0]

    def open(self, key: str, version_id: str | None) -> OpenedObject:
        stored = self._find(key, version_id)[0]
        return OpenedObject(stored, self.blocks(stored))

    def blocks(self, source: StoredObject) -> Iterator[bytes]:
        body = self._find(source.key, source.version_id)[1]
        if source.key in self.unreadable:
            raise FileUnreadable("file_unreadable", self.unreadable[source.key])
        for start in range(0, len(body), 4096):
            yield body[start : start + 4096]

    def blocks_from(self, key: str, start: int, tag: str) -> Iterator[bytes]:
        body = self._find(key, None)[1]
        if self._tag(key) != tag:
            raise WrongState(f"object {key} was changed meanwhile")
        for at in range(start, len(body), 4096):
            yield body[at : at + 4096]

    def get(self, key: str) -> bytes:
        return self._find(key, None)[1]

    def get_range(self, key: str, first: int, end: int) -> bytes:
        return self._find(key, None)[1][first:end]

    def put(self, key: str, body: bytes, content_type: str) -> None:
        self.drop(key, body)

    @contextmanager
    def put_many(self) -> Iterator[Put]:
        yield self.put

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        now = self._clock.now()  # nothing may come between looking and writing, a look at the clock included
        if self._versions.get(key):
            return False
        self._keep(key, body, {}, now)
        return True

    def link(self, key: str, seconds: int) -> str:
        return f"memory://{key}?seconds={seconds}"

    def upload_form(self, upload: Upload, seconds: int) -> UploadForm:
        return UploadForm(f"memory://{upload.key}?seconds={seconds}", dict(upload.metadata))

    def tag(self, key: str) -> str:
        return self._tag(key)

    @contextmanager
    def writer(self, key: str, content_type: str, replaces: str | None = None) -> Iterator[ObjectWriter]:
        out = BytesIO()
        yield _Out(out)
        now = self._clock.now()
        if replaces is not None and self._tag(key) != replaces:
            raise WrongState(f"object {key} was changed meanwhile")
        self._keep(key, out.getvalue(), {}, now)

    def names(self, prefix: str) -> list[str]:
        return sorted(key for key in self._versions if key.startswith(prefix))

    def versions(self, prefix: str, since: datetime, until: datetime) -> Iterator[StoredObject]:
        for key in self.names(prefix):
            for stored, _ in reversed(self._versions[key]):
                if since <= stored.modified_at < until:
                    yield stored._replace(metadata={})

    def _tag(self, key: str) -> str:
        versions = self._versions.get(key)
        return f'"{hashlib.md5(versions[-1][1], usedforsecurity=False).hexdigest()}"' if versions else ""

    def _find(self, key: str, version_id: str | None) -> tuple[StoredObject, bytes]:
        for pair in reversed(self._versions.get(key, ())):
            if not version_id or version_id == pair[0].version_id:
                return pair
        raise NotFound(f"there is no object {key}")


class MemoryIntakeQueue:
    """An intake queue of which nothing is taken by itself."""

    def __init__(self) -> None:
        self.objects: list[StoredObject] = []
        self.recurring: list[tuple[str, datetime]] = []

    def put(self, stored: StoredObject) -> None:
        self.objects.append(stored)

    def put_recurring(self, key: str, due_at: datetime) -> None:
        self.recurring.append((key, due_at))


class _Out:
    def __init__(self, out: BytesIO) -> None:
        self._out = out

    def write(self, data: bytes) -> None:
        self._out.write(data)


class GrantingRateLimiter:
    """A rate limiter that grants every slot at once, and records what was requested."""

    def __init__(self) -> None:
        self.requested: list[tuple[Resource, Priority]] = []

    def take_slot(self, resource: Resource, priority: Priority, within_s: float) -> tuple[bool, float]:
        self.requested.append((resource, priority))
        return True, 0.0

    def take_block(self, resource: Resource, slots_max: int) -> Block:
        self.requested.append((resource, Priority.BULK))
        return Block(slots_max, 0.0, 0.0)


class FailingRateLimiter(GrantingRateLimiter):
    """A rate limiter that can't be reached; ``fails`` has an entry for each slot requested."""

    def __init__(self, *fails: bool) -> None:
        super().__init__()
        self._fails = list(fails)

    def take_slot(self, resource: Resource, priority: Priority, within_s: float) -> tuple[bool, float]:
        if self._fails and self._fails.pop(0):
            raise RateLimiterUnavailable("no slot could be taken: ReadTimeoutError")
        return super().take_slot(resource, priority, within_s)

    def take_block(self, resource: Resource, slots_max: int) -> Block:
        if self._fails and self._fails.pop(0):
            raise RateLimiterUnavailable("no slot could be taken: ReadTimeoutError")
        return super().take_block(resource, slots_max)


class MemoryRateLimiter:
    """A rate limiter with slots a gap apart. Callers share ``taken``, the next free slot of each resource."""

    def __init__(self, taken: dict[Resource, int], clock: Clock, ids: Ids, requests_per_30_s: int) -> None:
        self._taken = taken
        self._clock = clock
        self._ids = ids
        self._gap_us = math.ceil(30_000_000 / requests_per_30_s)

    def take_slot(self, resource: Resource, priority: Priority, within_s: float) -> tuple[bool, float]:
        now_us = int(self._clock.now().timestamp() * 1_000_000)
        slot_us = max(now_us, self._taken.get(resource, 0))
        horizon_us = now_us + int(min(AHEAD_S[priority], within_s) * 1_000_000)
        if slot_us > horizon_us:
            return False, (slot_us - horizon_us) / 1_000_000 + RETRY_S * (1 + self._ids.jitter())
        self._taken[resource] = slot_us + self._gap_us
        return True, (slot_us - now_us) / 1_000_000

    def take_block(self, resource: Resource, slots_max: int) -> Block:
        now_us = int(self._clock.now().timestamp() * 1_000_000)
        slot_us = max(now_us, self._taken.get(resource, 0))
        horizon_us = now_us + int(BLOCK_AHEAD_S * 1_000_000)
        gap_s = self._gap_us / 1_000_000
        if slot_us > horizon_us:
            return Block(0, (slot_us - horizon_us) / 1_000_000 + gap_s * self._ids.jitter(), gap_s)
        slots = block_slots(slots_max, gap_s)
        self._taken[resource] = slot_us + slots * self._gap_us
        return Block(slots, (slot_us - now_us) / 1_000_000, gap_s)


class MemoryCircuitBreaker:
    """The circuit breaker's state in a dictionary; callers may share it."""

    def __init__(self) -> None:
        self._next_probe: dict[Scope, datetime] = {}

    def permit(self, scopes: Sequence[Scope], now: datetime) -> Permit:
        due = {scope: self._next_probe[scope] for scope in scopes if scope in self._next_probe}
        if not due:
            return Permit()
        if (latest := max(due.values())) > now:
            return Permit(blocked_until=latest)
        self._next_probe |= dict.fromkeys(due, now + PROBE_EVERY)
        return Permit(is_probe=True)

    def open(self, scope: Scope, now: datetime) -> None:
        self._next_probe[scope] = now + PROBE_EVERY

    def close(self, scopes: Sequence[Scope]) -> None:
        for scope in scopes:
            self._next_probe.pop(scope, None)


class MemoryExecutions:
    """Executions of the state machine, in a list."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str]] = []
        self.running: set[str] = set()

    def start(self, name: str, batch_id: str) -> None:
        if name not in [earlier for earlier, _ in self.started]:
            self.started.append((name, batch_id))
            self.running.add(name)

    def is_running(self, name: str) -> bool:
        return name in self.running


class MemoryCredentials:
    """A secret that a test may change or remove (None), and that counts how often it was read."""

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.reads = 0
        self._kept: Credentials | None = None

    def current(self) -> Credentials:
        return self._kept or self.fresh()

    def fresh(self) -> Credentials:
        self.reads += 1
        self._kept = None
        if self.text is None:
            raise ConfigurationError("there is no secret")
        self._kept = read_credentials("in memory", self.text)
        return self._kept


class MemoryStackParts:
    """A stack that is well, until a test says otherwise; a part whose answer is an error raises it."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.runtime: dict[str, str] = describe_runtime()

    def function_versions(self, function: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._found(function, self.runtime)
        return found

    def subscriptions(self, topic: str) -> tuple[int, int]:
        confirmed, pending = self._found(topic, (1, 0))
        return confirmed, pending

    def is_schedule_on(self, schedule: str) -> bool:
        return bool(self._found(schedule, True))

    def messages(self, queue: str) -> int:
        return int(self._found(queue, 0))

    def _found(self, part: str, otherwise: Any) -> Any:
        answer = self.answers.get(part, otherwise)
        if isinstance(answer, Exception):
            raise answer
        return answer


class MemoryNotifications:
    """E-mails and events, in lists."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []
        self.events: list[tuple[str, Mapping[str, Any]]] = []

    def mail(self, subject: str, text: str) -> None:
        if not (0 < len(subject) <= 100 and subject.isascii() and subject.isprintable()):
            raise ValueError(f"Subject: SNS refuses {subject!r}")
        self.mails.append((subject, text))

    def announce(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        self.events.append((detail_type, detail))


def one_by_one(tasks: Sequence[Callable[[], None]]) -> None:
    """Run tasks in order."""
    for task in tasks:
        task()


def scratch() -> BinaryIO:
    """A scratch file in memory."""
    return BytesIO()
