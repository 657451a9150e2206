"""The values of planning: what is planned, by which rules, how it is read, and the chunks that come of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from email.header import decode_header, make_header
from typing import Final, NamedTuple
from urllib.parse import unquote

from adjustments.batches.batch_parts import Submitter
from adjustments.batches.files import StoredObject
from adjustments.batches.records import Chunk
from adjustments.batches.row_index import IndexSorter
from adjustments.batches.states import SendAs
from adjustments.core.errors import FileRefused
from adjustments.core.limits import WINDOW_S
from adjustments.core.printable import shown
from adjustments.submission.csv.column_names import Role
from adjustments.submission.csv.decoding import is_text_encoding
from adjustments.submission.csv.problems import FileProblem
from adjustments.submission.csv.reader import AUTO, ReadOptions, transactions_only

ENCODING: Final = "encoding"
COLUMNS: Final = "columns"
IGNORE_COLUMNS: Final = "ignore-columns"

SEND_AS: Final = "send-as"
REASON: Final = "reason"
USERNAME: Final = "username"

_WAYS: Final = (AUTO, *SendAs)
_BATCH_ROLES: Final = frozenset({Role.CUSTOMER_ID, Role.AMOUNT, Role.POINTS, Role.REASON})
"""What ``columns`` can name a heading for in any file; the other roles make transactions of it."""

_NO_DEFAULTS: Final = ReadOptions()


@dataclass(frozen=True, kw_only=True)
class PlanRules:
    """The settings that decide what may be sent; 0 turns a rule off.

    Args:
        amount_max: the largest absolute amount of one row, inclusive (MaxAbsoluteAmount).
        canary_rows: rows of the first chunk, which goes alone (CanaryRows).
        approval_above_rows: accepted rows above which a person has to approve (ApprovalAboveRows).
        approval_above_total: sum of the amounts' magnitudes above which a person has to approve
            (ApprovalAboveTotal).
        hold_overlap_percent: share of rows that were applied before, from which on a person has to approve
            (HoldOverlapPercent).
        adds_token: whether each reason gets a token (ReasonToken).
        read_defaults: how files are read that leave it open (DefaultEncoding, SendAs, DefaultReason,
            DefaultUsername).
        requests_per_30_s: how many requests may be made in 30 seconds (RequestsPer30Seconds).
    """

    amount_max: Decimal
    canary_rows: int = 0
    approval_above_rows: int = 0
    approval_above_total: Decimal = Decimal(0)
    hold_overlap_percent: int = 0
    adds_token: bool = False
    read_defaults: ReadOptions = _NO_DEFAULTS
    requests_per_30_s: int = 350

    def time_at_limit(self, requests: int) -> timedelta:
        """How long requests take at the rate limit; where a file is sent as transactions, each row is one."""
        return timedelta(seconds=requests * WINDOW_S / self.requests_per_30_s)

    @property
    def needs_approval(self) -> bool:
        """Whether anything waits for an approval by its size."""
        return bool(self.approval_above_rows or self.approval_above_total)


class Drop(NamedTuple):
    """One file to plan: an object's version, and the id of the batch that it always becomes.

    ``is_named`` says that the drop has a name of its own, the due time of a schedule or an idempotency key:
    it is a batch of its own, whatever it holds. ``is_copy`` says that the object is a copy of another one,
    whose metadata came with it; ``is_body`` that a caller of the API waits for an answer, who may allow the
    rows to be applied again by ``allows_again``. ``blocks`` are its bytes where reading has begun.
    ``send_as`` is how it is sent, where a body of the API says so, and ``only_validates`` whether such a
    body is a dry run.
    ``submitter`` is who submitted it; ``due_at`` is when the schedule was due that did.
    """

    stored: StoredObject
    batch_id: str
    is_named: bool = False
    is_copy: bool = False
    is_body: bool = False
    allows_again: bool = False
    blocks: Iterator[bytes] | None = None
    submitter: Submitter | None = None
    due_at: datetime | None = None
    send_as: str = ""
    only_validates: bool = False

    def checked(self, *, is_recurring: bool) -> "Drop":
        """The same file as a dry run.

        Args:
            is_recurring: whether it is a file of the schedule, whose rows are meant to be applied again.
        """
        metadata = {**self.stored.metadata, "dry-run": "true"}
        return self._replace(stored=self.stored._replace(metadata=metadata), is_named=is_recurring)

    @property
    def allows_duplicate(self) -> bool:
        """Whether the same rows may be accepted again (object metadata ``allow-duplicate: true``).

        That holds for one object's version: a copy takes it over as metadata, and not as a permission.
        """
        return self.allows_again or (_is_true(self.stored, "allow-duplicate") and not self.is_copy)

    @property
    def is_copied_permission(self) -> bool:
        """Whether it would allow a duplicate, had it not come as a copy."""
        return self.is_copy and _is_true(self.stored, "allow-duplicate")

    @property
    def is_repetition(self) -> bool:
        """Whether its rows are meant to be applied again: noted, and never held."""
        return self.is_named or self.allows_duplicate

    @property
    def is_held_repetition(self) -> bool:
        """Whether its repetition, meant as it is, needs an approval where there are any.

        It is named so by ``allow-duplicate`` alone, which whoever drops the file may write; what has a name
        of its own repeats earlier rows by its nature.
        """
        return self.allows_duplicate and not self.is_named

    @property
    def is_dry_run(self) -> bool:
        """Whether the file is validated only (object metadata ``dry-run: true``)."""
        return self.only_validates or _is_true(self.stored, "dry-run")


def options_of(metadata: Mapping[str, str], defaults: ReadOptions = _NO_DEFAULTS) -> ReadOptions:
    """Read the options from an object's metadata.

    S3 keeps ASCII only, so other characters, and a comma within a heading, come percent-encoded (``%2C``).

    Args:
        metadata: the object's metadata.
        defaults: the stack's own: DefaultEncoding, SendAs, DefaultReason and DefaultUsername.

    Raises:
        FileRefused: an option makes no sense.
    """
    encoding = metadata.get(ENCODING, "").strip().lower()
    if encoding and not is_text_encoding(encoding):
        raise _refusal(
            ENCODING, f'there is no encoding "{shown(encoding)}"; write one such as windows-1256 or utf-8'
        )
    columns = _columns(_text(metadata, COLUMNS))
    send_as = metadata.get(SEND_AS, "").strip().lower() or defaults.send_as
    if send_as not in _WAYS:
        raise _refusal(
            SEND_AS, f'"{shown(send_as)}" is not a way to send a file; write one of {", ".join(_WAYS)}'
        )
    others = [columns[role] for role in columns if role not in _BATCH_ROLES]
    if others and send_as == SendAs.BATCH:
        raise transactions_only(others)
    return defaults._replace(
        encoding=encoding,
        columns=columns,
        ignore_columns=_items(_text(metadata, IGNORE_COLUMNS)),
        send_as=SendAs.TRANSACTIONS if others else send_as,
        because=tuple(others) if send_as == AUTO else (),
        reason=unquote(_text(metadata, REASON)).strip() or defaults.reason,
        username=unquote(_text(metadata, USERNAME)).strip() or defaults.username,
    )


def _columns(text: str) -> dict[str, str]:
    roles = {role.value.casefold(): role.value for role in Role if role is not Role.ERROR}
    columns: dict[str, str] = {}
    for item in _items(text):
        name, equals, heading = (part.strip() for part in item.partition("="))
        role = roles.get(name.casefold())
        if role is None or not equals or not heading or role in columns or heading in columns.values():
            raise _refusal(
                COLUMNS,
                f'"{shown(item)}" does not name a heading; write, each once, such as '
                "customerId=Kundennummer,points=Punkte,reason=Grund",
            )
        columns[role] = heading
    return columns


def _text(metadata: Mapping[str, str], name: str) -> str:
    text = metadata.get(name, "")
    # S3 returns characters beyond ASCII, which its console lets through, in the form of RFC 2047.
    return str(make_header(decode_header(text))) if "=?" in text else text


def _items(text: str) -> tuple[str, ...]:
    return tuple(unquote(item).strip() for item in text.split(",") if item.strip())


def _refusal(option: str, fault: str) -> FileRefused:
    return FileRefused(FileProblem.BAD_OPTION, f'metadata "{option}": {fault}; then drop the file again')


class IndexedRows(NamedTuple):
    """The accepted rows of a file, as they are compared with those of other batches.

    ``customers`` takes the entries of its customer index, of rejected rows too. ``rejected_customers`` are in
    the file so often that all their rows were rejected after all.
    """

    sorter: IndexSorter
    customers: IndexSorter
    rejected_customers: set[str]

    def clear(self) -> None:
        """Begin anew."""
        self.sorter.clear()
        self.customers.clear()
        self.rejected_customers.clear()

    def close(self) -> None:
        """Close the scratch files."""
        self.sorter.close()
        self.customers.close()


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
