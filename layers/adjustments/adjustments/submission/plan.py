"""The values of planning: what is planned, by which rules, and the chunks that come of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from adjustments.batches.files import StoredObject
from adjustments.batches.records import Chunk


@dataclass(frozen=True, kw_only=True)
class PlanRules:
    """The settings that decide what may be sent; 0 turns a rule off.

    Args:
        amount_max: the largest absolute amount of one row, inclusive (MaxAbsoluteAmount).
        canary_rows: rows of the first chunk, which goes alone (CanaryRows).
        approval_above_rows: accepted rows above which a person has to approve (ApprovalAboveRows).
        approval_above_total: sum of the amounts' magnitudes above which a person has to approve
            (ApprovalAboveTotal).
        adds_token: whether each reason gets a token (ReasonToken).
        default_encoding: the encoding of files whose bytes leave it open (DefaultEncoding); empty to refuse
            them.
    """

    amount_max: Decimal
    canary_rows: int = 0
    approval_above_rows: int = 0
    approval_above_total: Decimal = Decimal(0)
    adds_token: bool = False
    default_encoding: str = ""


class Drop(NamedTuple):
    """One file to plan: an object's version, and the id of the batch that it always becomes.

    ``is_named`` says that the drop has a name of its own, the due time of a schedule or an idempotency key:
    it is a batch of its own, whatever it holds. ``blocks`` are its bytes where reading has begun.
    """

    stored: StoredObject
    batch_id: str
    is_named: bool = False
    blocks: Iterator[bytes] | None = None

    @property
    def allows_duplicate(self) -> bool:
        """Whether the same content may be accepted again (object metadata ``allow-duplicate: true``)."""
        return _is_true(self.stored, "allow-duplicate")

    @property
    def is_dry_run(self) -> bool:
        """Whether the file is validated only (object metadata ``dry-run: true``)."""
        return _is_true(self.stored, "dry-run")


class PlannedChunk(NamedTuple):
    """A chunk whose body is written, with as little as needed: the largest file has ten thousand."""

    chunk_id: str
    wave: int
    key: str
    rows: int
    sha256: str


class PlannedChunks:
    """The chunks of a plan as records, each made while iterating.

    Args:
        chunks: the chunks, in the order of sending.
        first_body: the body of the first one, which is sent at once.
    """

    def __init__(self, chunks: Sequence[PlannedChunk] = (), first_body: bytes = b"") -> None:
        self._chunks = chunks
        self.first_body = first_body

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in self._chunks:
            yield Chunk(
                chunk_id=chunk.chunk_id,
                wave=chunk.wave,
                payload_key=chunk.key,
                last=chunk.rows,
                sha256=chunk.sha256,
            )


def _is_true(stored: StoredObject, name: str) -> bool:
    return stored.metadata.get(name, "").strip().lower() == "true"
