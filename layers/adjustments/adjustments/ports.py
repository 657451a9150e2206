"""What the services need of the world. Each port has an adapter, and a fake that passes the same contract
tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:  # so that nobody who needs one port loads what only others speak of
    from adjustments.batches.dialects import Dialect
    from adjustments.manual.transaction import ManualTransaction
    from adjustments.model import Batch, Chunk


class Clock(Protocol):
    """Time, and the waiting for it."""

    def now(self) -> datetime:
        """The time, UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class Ids(Protocol):
    """Fresh names, and chance."""

    def fresh(self) -> str:
        """A name that nobody else has."""

    def jitter(self) -> float:
        """A number in [0, 1)."""


class BatchStore(Protocol):
    """What happened: batches and their chunks. Each write is conditional; who comes second is told so."""

    def create_batch(self, batch: Batch, chunks: Sequence[Chunk] = ()) -> bool:
        """Keep a new batch, and a few chunks of its plan with it; False where there is one of its id already:
        then nothing is kept.
        """

    def claim_content(
        self, sha256: str, batch_id: str, now: datetime, until: datetime, instead_of: str = ""
    ) -> str | None:
        """Keep which batch accepted a content; the id of another one that did so and whose time is not up.

        ``instead_of`` names a batch whose claim may be taken over.
        """

    def claim_fact(self, name: str, now: datetime, until: datetime) -> bool:
        """Take on the telling of a fact until some time; False where it was told before.

        Raises WrongState where another run has taken it on and its time is not up.
        """

    def note_fact(self, name: str) -> None:
        """Keep that a fact was told."""

    def note_reversal(self, sha256: str, batch_id: str) -> None:
        """Keep which batch is reversed by a content."""

    def reversal_of(self, sha256: str) -> str | None:
        """Which batch is reversed by a content."""

    def batch(self, batch_id: str) -> Batch:
        """Find a batch; raises NotFound."""

    def save_batch(self, batch: Batch) -> None:
        """Keep a batch's next version; raises WrongState where the stored one is not the version before."""

    def batches(self, status: str | None, rows_max: int, after: str | None) -> tuple[list[Batch], str | None]:
        """Batches, newest first, and where the next page starts."""

    def note_sending(self, batch_id: str, at: datetime) -> None:
        """Keep that a batch is about to send at a time."""

    def begin_sending(self, batch: Batch, at: datetime) -> None:
        """Keep a batch's next version, and that it is about to send; raises WrongState as ``save_batch``."""

    def senders(self, since: datetime, until: datetime) -> Iterator[Batch]:
        """Each batch that was noted to send between two times; perhaps some more, but never one too few."""

    def open_batches(self) -> Iterator[Batch]:
        """All batches that have not ended, or of whose end nobody was told, oldest first."""

    def doubtful_batches(self) -> Iterator[Batch]:
        """All other batches that need attention and hold rows in doubt, oldest first."""

    def add_chunks(self, batch_id: str, plan_id: str, chunks: Iterable[Chunk]) -> None:
        """Keep the chunks of a plan."""

    def chunks(self, batch_id: str, plan_id: str) -> list[Chunk]:
        """The chunks of a plan, in the order of sending."""

    def chunks_at_work(self, batch_id: str, plan_id: str, after: str, untouched_max: int) -> list[Chunk]:
        """The chunks of a plan behind one, in the order of sending, until there are so many untouched ones.

        ``after`` is a chunk's id, or empty to begin with the first.
        """

    def save_chunk(self, batch: Batch, chunk: Chunk) -> None:
        """Keep a chunk's next version; raises WrongState where the stored one is not the version before."""

    def split_chunk(self, batch: Batch, whole: Chunk, halves: Sequence[Chunk]) -> None:
        """Replace a chunk by its halves, all or nothing; raises WrongState as ``save_chunk`` does."""


class StoredObject(NamedTuple):
    """One version of one object, as it lies in the bucket."""

    bucket: str
    key: str
    version_id: str
    size_bytes: int
    modified_at: datetime
    metadata: Mapping[str, str]


class Opened(NamedTuple):
    """An object's version, and its bytes, which can be read once; nothing is lost by leaving them."""

    stored: StoredObject
    blocks: Iterator[bytes]


class Writing(Protocol):
    """An object that is being written; it appears whole, or not at all."""

    def write(self, data: bytes) -> None:
        """Add bytes."""


Put = Callable[[str, bytes, str], None]
"""Writes a small object: its key, its bytes, its content type."""


class Files(Protocol):
    """The bucket."""

    def describe(self, key: str, version_id: str | None) -> StoredObject:
        """Look at an object, its newest version where none is named; raises NotFound."""

    def open(self, key: str, version_id: str | None) -> Opened:
        """Look at an object as ``describe`` does, and begin to read it; raises NotFound."""

    def blocks(self, source: StoredObject) -> Iterator[bytes]:
        """Stream exactly this version's bytes."""

    def get(self, key: str) -> bytes:
        """Read a small object; raises NotFound."""

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write a small object."""

    def putting(self) -> AbstractContextManager[Put]:
        """Write many small objects side by side; they are all there when the block is left without error."""

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        """Write a small object, unless there is one of this key already; whether it was written."""

    def link(self, key: str, seconds: int) -> str:
        """An address from which anybody may read the object for so long."""

    def tag(self, key: str) -> str:
        """Name what an object holds now; empty where there is none."""

    def writing(
        self, key: str, content_type: str, instead_of: str | None = None
    ) -> AbstractContextManager[Writing]:
        """Write a large object piece by piece; nothing appears when the block is left by an error.

        Args:
            key: the object's key.
            content_type: what it holds.
            instead_of: the tag of what may be replaced, None for anything.

        Raises WrongState, and writes nothing, where the object has changed since it had that tag.
        """

    def names(self, prefix: str) -> list[str]:
        """The keys below a prefix."""

    def versions(self, prefix: str, since: datetime, until: datetime) -> Iterator[StoredObject]:
        """Every version below a prefix that was dropped between two times; without its metadata."""


class Gameball(Protocol):
    """The calls to Gameball; each raises GameballError of the fitting class."""

    def adjust_balances(self, body: bytes) -> int:
        """Send one request of adjustments; the jobId."""

    def job_status(self, dialect: Dialect, job_id: int) -> Mapping[str, Any]:
        """Ask for a job."""

    def stop_job(self, dialect: Dialect, job_id: int) -> None:
        """Ask Gameball to stop a job."""

    def add_manual_transaction(self, body: bytes) -> Mapping[str, Any]:
        """Send one manual transaction; Gameball's answer."""


class Lane(StrEnum):
    """How urgent a call to Gameball is: whether somebody waits for its answer.

    A bulk call takes a place only a few seconds ahead: a prompt one never waits behind more than that.
    """

    BULK = "bulk"
    PROMPT = "prompt"


class Resource(StrEnum):
    """Gameball's kinds of resource, each with limits of its own (gameball-api.md, "Rate limits")."""

    TRANSACTIONS = "transactions"
    OTHERS = "others"


class RequestBudget(Protocol):
    """The one request budget that all callers share."""

    def wait_s(self, resource: Resource, lane: Lane, within_s: float) -> tuple[bool, float]:
        """Ask for a place: (True, seconds until it) or (False, seconds after which to ask again).

        A place that is more than ``within_s`` seconds away is of no use and is left to others.
        """


class Executions(Protocol):
    """The state machine."""

    def start(self, name: str, batch_id: str) -> None:
        """Start it for a batch; a second start under the same name does nothing."""

    def is_running(self, name: str) -> bool:
        """Whether the start of this name has not ended."""


class Notices(Protocol):
    """Who hears of it."""

    def mail(self, subject: str, text: str) -> None:
        """Tell people."""

    def announce(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Tell machines."""


class Asking(NamedTuple):
    """Who asks for a manual transaction, in which request, and how long the function still runs."""

    caller: str
    request_id: str
    remaining_ms: Callable[[], int]


class Attempt:
    """``in_doubt``: an earlier request of ours with this transactionId may have been applied."""

    def __init__(self) -> None:
        self.in_doubt = False


class Once(Protocol):
    """Does what a transactionId asks for once."""

    def do(
        self, transaction: ManualTransaction, asking: Asking, act: Callable[[Attempt], str]
    ) -> tuple[str, bool]:
        """Act, and keep the answer; or give the answer kept, with True.

        Where an error ends the act, it may be tried again at once with the same transaction. Unless the
        error and the attempt say for certain that nothing was applied, the next attempt begins in doubt,
        and so does one after a crash.

        Raises:
            IdTaken: the same transactionId came with another body before.
            StillInProgress: it is being acted on.
        """


class FailureQueue(Protocol):
    """Where requests end up that failed for good."""

    def put(self, text: str, attributes: Mapping[str, str]) -> None:
        """Keep a request as it came, with the reason of its failure in the attributes."""


class Bus(Protocol):
    """Where machines hear of outcomes."""

    def announce(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Tell machines."""


Parallel = Callable[[Sequence[Callable[[], None]]], None]
"""Runs tasks, side by side where the world allows it; raises the first error after all have ended."""
