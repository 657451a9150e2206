"""The port to what is stored of batches and their chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from adjustments.batches.records import Batch, Chunk


class BatchStore(Protocol):
    """What happened: batches and their chunks. Each write is conditional; who comes second is told so."""

    def create_batch(self, batch: Batch, chunks: Sequence[Chunk] = ()) -> bool:
        """Keep a new batch, and a few chunks of its plan with it; False where there is one of its id already:
        then nothing is kept.
        """

    def claim_content(
        self, sha256: str, batch_id: str, now: datetime, until: datetime, replaces: str = ""
    ) -> str | None:
        """Keep which batch accepted a content; the id of another one that did so and whose time is not up.

        ``replaces`` names a batch whose claim may be taken over.
        """

    def claim_notification(self, name: str, now: datetime, until: datetime) -> bool:
        """Take on the telling of a fact until some time; False where it was told before.

        Raises WrongState where another run has taken it on and its time is not up.
        """

    def record_notification(self, name: str) -> None:
        """Keep that a fact was told."""

    def record_reversal(self, sha256: str, batch_id: str) -> None:
        """Keep which batch is reversed by a content."""

    def reversed_batch(self, sha256: str) -> str | None:
        """Which batch is reversed by a content."""

    def batch(self, batch_id: str) -> Batch:
        """Find a batch; raises NotFound."""

    def save_batch(self, batch: Batch) -> None:
        """Keep a batch's next version; raises WrongState where the stored one is not the version before."""

    def batches(self, status: str | None, rows_max: int, after: str | None) -> tuple[list[Batch], str | None]:
        """Batches, newest first, and where the next page starts."""

    def record_sending(self, batch_id: str, at: datetime) -> None:
        """Keep that a batch is about to send at a time."""

    def save_and_record_sending(self, batch: Batch, at: datetime) -> None:
        """Keep a batch's next version, and that it is about to send; raises WrongState as ``save_batch``."""

    def batches_sent_between(self, since: datetime, until: datetime) -> Iterator[Batch]:
        """Each batch that was noted to send between two times; perhaps some more, but never one too few."""

    def open_batches(self) -> Iterator[Batch]:
        """All batches that have not ended, or of whose end nobody was told, oldest first."""

    def doubtful_batches(self) -> Iterator[Batch]:
        """All other batches that need attention and hold rows in doubt, oldest first."""

    def add_chunks(self, batch_id: str, plan_id: str, chunks: Iterable[Chunk]) -> None:
        """Keep the chunks of a plan."""

    def chunks(self, batch_id: str, plan_id: str) -> list[Chunk]:
        """The chunks of a plan, in the order of sending."""

    def chunks_after(self, batch_id: str, plan_id: str, after: str, untouched_max: int) -> list[Chunk]:
        """The chunks of a plan behind one, in the order of sending, until there are so many untouched ones.

        ``after`` is a chunk's id, or empty to begin with the first.
        """

    def save_chunk(self, batch: Batch, chunk: Chunk) -> None:
        """Keep a chunk's next version; raises WrongState where the stored one is not the version before."""

    def split_chunk(self, batch: Batch, whole: Chunk, halves: Sequence[Chunk]) -> None:
        """Replace a chunk by its halves, all or nothing; raises WrongState as ``save_chunk`` does."""
