"""Decides the next step of a batch from its chunks: what to send, what to poll, when to stop."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain, groupby, islice, zip_longest
from typing import Final, NamedTuple

from adjustments.batches.batch_parts import Checkpoint
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus, ChunkState, SendAs
from adjustments.core.limits import CANARIES_MAX

LEASE_S: Final = 120.0
"""Seconds for which an intent to send is valid; longer than any request may take."""

CANARY_PAUSE: Final = timedelta(seconds=LEASE_S)
"""Pause between a canary with too few known outcomes and the next one: then no late answer can come any more,
and a short outage is over.
"""

POLLS_WHILE_SENDING_MAX: Final = 12
"""Jobs polled in a step while chunks wait to be sent: sending has priority."""

POLL_AFTER: Final = timedelta(seconds=5)
"""Age of a job at its first poll while other chunks are being sent: few jobs end sooner."""

WAIT_MIN_S: Final = 2
WAIT_MAX_S: Final = 60


class NextStep(NamedTuple):
    """What to do now.

    Attributes:
        to_send: chunks to send, in order.
        to_poll: chunks whose jobs are to be polled, in order.
        lost: chunks whose worker disappeared between the intent and the answer; of a batch that is sent as
            transactions, they are in ``to_send`` again as long as it may send.
        stop_reason: why nothing more may be sent, empty for none.
        is_over: whether there is nothing left to wait for.
        more_to_send: whether chunks may be sent now or later.
        wait_s: whole seconds to wait before the next step.
        rows_in_doubt: rows in doubt among the chunks that were read.
        canary_note: why a second canary is or was sent, empty for none.
    """

    to_send: Sequence[Chunk]
    to_poll: Sequence[Chunk]
    lost: Sequence[Chunk]
    stop_reason: str
    is_over: bool
    more_to_send: bool
    wait_s: int
    rows_in_doubt: int = 0
    canary_note: str = ""


class _Canaries(NamedTuple):
    """The state of the canaries of a batch.

    ``lost`` has the chunks of each canary that is over and has too few known outcomes; ``last`` those of the
    next one, empty where all are lost; ``is_open`` says that it is not over, so that nothing else may be
    sent.
    """

    lost: Sequence[Sequence[Chunk]] = ()
    last: Sequence[Chunk] = ()
    is_open: bool = False


def next_step(batch: Batch, chunks: Sequence[Chunk], now: datetime, failure_percent_max: int) -> NextStep:
    """Decide what a batch does next.

    Args:
        batch: the batch.
        chunks: its chunks behind ``batch.checkpoint``, in the order of sending. Untouched ones may be missing
            at the end, where others come before.
        now: the time, UTC.
        failure_percent_max: share of failed rows past which nothing more is sent (MaxFailurePercent).
    """
    planned = [chunk for chunk in chunks if _is_planned(batch, chunk, now)]
    submitted = [chunk for chunk in chunks if chunk.state is ChunkState.SUBMITTED]
    submitting = [chunk for chunk in chunks if chunk.state is ChunkState.SUBMITTING]
    canaries = _canaries(batch, chunks, failure_percent_max)
    stop_reason = batch.stop_reason
    if planned and not stop_reason:
        stop_reason = _failure_stop(batch.checkpoint, chunks, canaries, failure_percent_max)
    may_send = not (stop_reason or batch.dry_run or batch.status is BatchStatus.AWAITING_APPROVAL)
    resumes = may_send and batch.send_as is SendAs.TRANSACTIONS
    to_send = _sendable(batch, canaries.last if canaries.is_open else chunks, now) if may_send else []
    if _is_early(canaries, now):
        to_send = []
    return NextStep(
        to_send=to_send,
        to_poll=submitted[:POLLS_WHILE_SENDING_MAX] if to_send else submitted,
        lost=[] if resumes else [chunk for chunk in submitting if lease_is_over(chunk, now)],
        stop_reason=stop_reason,
        is_over=not (submitted or submitting or (planned and not batch.dry_run)),
        more_to_send=bool(planned and may_send),
        wait_s=_wait_s(batch, chunks, now) if to_send else _idle_wait_s(batch, chunks, now),
        rows_in_doubt=_known(chunks).in_doubt,
        canary_note=_canary_note(canaries),
    )


def _is_planned(batch: Batch, chunk: Chunk, now: datetime) -> bool:
    """Whether a chunk is to be sent.

    Of transactions, that is so too of what a worker left that has disappeared: they may be sent again.
    """
    if batch.send_as is SendAs.TRANSACTIONS and chunk.state is ChunkState.SUBMITTING:
        return lease_is_over(chunk, now)
    return chunk.state is ChunkState.PLANNED


def _sendable(batch: Batch, chunks: Sequence[Chunk], now: datetime) -> list[Chunk]:
    """The planned chunks of the lowest wave that is not over."""
    unfinished = [chunk for chunk in chunks if not chunk.state.is_over]
    return [
        chunk
        for chunk in unfinished
        if chunk.wave == unfinished[0].wave
        and _is_planned(batch, chunk, now)
        and (chunk.not_before is None or chunk.not_before <= now)
    ]


def _canaries(batch: Batch, chunks: Sequence[Chunk], percent_max: int) -> _Canaries:
    """Find the state of the canaries; the first with enough known outcomes lets the rest follow.

    The canaries are the first chunks of a batch. Once the checkpoint is behind the first, its outcomes are
    known.
    """
    if not batch.has_canary or batch.checkpoint.through:
        return _Canaries()
    lost: list[list[Chunk]] = []
    for _, parts in islice(groupby(chunks, _root), CANARIES_MAX):
        canary = list(parts)
        if not all(chunk.state.is_over for chunk in canary):
            return _Canaries(lost, canary, is_open=True)
        if not _is_lost(canary, percent_max):
            return _Canaries(lost, canary)
        lost.append(canary)
    return _Canaries(lost)


def _is_lost(canary: Sequence[Chunk], percent_max: int) -> bool:
    """Whether a canary is above the limit by its rows in doubt, and not by those that failed."""
    rows, failed, in_doubt = _known(canary)
    return failed * 100 <= percent_max * rows < (failed + in_doubt) * 100


def _is_early(canaries: _Canaries, now: datetime) -> bool:
    """Whether the pause after a lost canary has not passed yet."""
    sent = [chunk.intent_at for canary in canaries.lost for chunk in canary if chunk.intent_at]
    return canaries.is_open and bool(sent) and now < max(sent) + CANARY_PAUSE


def _canary_note(canaries: _Canaries) -> str:
    """Say why a second canary is or was sent; empty where the outcomes of the first are known."""
    first, second = [*canaries.lost, canaries.last, ()][:2] if canaries.lost else ((), ())
    if not second:
        return ""
    unknown = f"{_known(first).in_doubt:,} of the first {_known(first).rows:,} rows"
    following = f"the next {sum(c.rows for c in second if c.state is not ChunkState.SPLIT):,} rows"
    if canaries.is_open:
        minutes = int(CANARY_PAUSE.total_seconds()) // 60
        return (
            f"No outcome is known of {unknown}. {following.capitalize()} go alone, as a second canary, "
            f"{minutes} minutes later."
        )
    return f"No outcome was known of {unknown}, so {following} went alone, as a second canary."


def _failure_stop(
    checkpoint: Checkpoint, chunks: Sequence[Chunk], canaries: _Canaries, percent_max: int
) -> str:
    """Say why sending stops: too many rows failed; empty where they did not.

    A row in doubt counts as failed (docs/decisions.md), except for those of a lost canary once the next one
    is over.
    """
    lost = _known(chain.from_iterable(canaries.lost))
    limit = f"more than the {percent_max} % allowed (MaxFailurePercent)"
    if canaries.lost and canaries.is_open:
        return ""
    if canaries.lost and not canaries.last:
        unknown = f"no outcome is known of {lost.in_doubt} of the first {lost.rows} rows"
        return f"{unknown}, also after a second canary: {limit}"
    known = _known(_whole(chunks))
    rows = checkpoint.rows + known.rows - lost.in_doubt
    bad = checkpoint.failed + known.failed + known.in_doubt - lost.in_doubt
    if not rows or bad * 100 <= percent_max * rows:
        return ""
    share = f"{bad} of the first {rows} rows failed or are in doubt"
    if lost.in_doubt:
        share = (
            f"{bad} of {rows} rows failed or are in doubt "
            f"({lost.in_doubt} rows of a canary in doubt don't count)"
        )
    return f"{share}, which is {limit}"


def _whole(chunks: Sequence[Chunk]) -> list[Chunk]:
    """The chunks all of whose parts are over: of a refused chunk, the row to blame is known before the
    others.
    """
    unfinished = {_root(chunk) for chunk in chunks if not chunk.state.is_over}
    return [chunk for chunk in chunks if _root(chunk) not in unfinished]


def _root(chunk: Chunk) -> str:
    return chunk.chunk_id.split(".", 1)[0]


class _Known(NamedTuple):
    """Rows of chunks that are over, and how many of them failed or are in doubt."""

    rows: int
    failed: int
    in_doubt: int


def _known(chunks: Iterable[Chunk]) -> _Known:
    """Count the rows of the chunks that are over."""
    rows = failed = in_doubt = 0
    for chunk in chunks:
        match chunk.state:
            case ChunkState.SETTLED:
                rows += chunk.counts.rows
                failed += chunk.counts.failed
                in_doubt += chunk.counts.in_doubt
            case ChunkState.REFUSED:
                rows += chunk.rows
                failed += chunk.rows
            case ChunkState.IN_DOUBT:
                rows += chunk.rows
                in_doubt += chunk.rows
            case _:
                pass
    return _Known(rows, failed, in_doubt)


def advance_checkpoint(batch: Batch, chunks: Sequence[Chunk]) -> Checkpoint:
    """Move the checkpoint behind the leading chunks that are final, each with all parts it was split into.

    Args:
        batch: the batch.
        chunks: its chunks behind ``batch.checkpoint``, in the order of sending.
    """
    checkpoint = batch.checkpoint
    for _, parts in groupby(chunks, _root):
        family = list(parts)
        if not all(chunk.is_final for chunk in family):
            break
        known = _known(family)
        checkpoint = Checkpoint(
            through=family[-1].chunk_id,
            chunks=checkpoint.chunks + len(family),
            rows=checkpoint.rows + known.rows,
            failed=checkpoint.failed + known.failed,
            sent_at=max(filter(None, (checkpoint.sent_at, *(c.intent_at for c in family))), default=None),
        )
    return checkpoint


def interleave_polls(
    to_send: Sequence[Chunk], chunks: Iterable[Chunk], now: datetime, after: str
) -> Sequence[Chunk]:
    """Alternate chunks to send with chunks to poll.

    So outcomes become known while sending goes on, and too many failed rows stop it in time. Jobs that are
    too young to have ended are polled later.

    Args:
        to_send: the chunks that may be sent, in order.
        chunks: the chunks of which some may be polled.
        now: the time, UTC.
        after: the chunk that was polled last, so that each is polled in turn; empty for none.
    """
    due = [c for c in chunks if c.state is ChunkState.SUBMITTED and _may_have_ended(c, now)]
    start = next((index for index, chunk in enumerate(due) if chunk.chunk_id > after), 0)
    in_turn = due[start:] + due[:start]
    pairs = zip_longest(to_send, in_turn[: len(to_send)])
    return [chunk for pair in pairs for chunk in pair if chunk]


def _may_have_ended(chunk: Chunk, now: datetime) -> bool:
    return chunk.intent_at is not None and now >= chunk.intent_at + POLL_AFTER


def lease_is_over(chunk: Chunk, now: datetime) -> bool:
    """Whether the lease of an intent has expired: its worker may no longer send, and the chunk counts as
    lost.
    """
    return chunk.intent_at is None or now >= chunk.intent_at + timedelta(seconds=LEASE_S)


def _idle_wait_s(batch: Batch, chunks: Sequence[Chunk], now: datetime) -> int:
    """Seconds to wait where nothing may be sent now: of transactions, until the first chunk is due again."""
    due = [chunk.not_before for chunk in chunks if chunk.not_before and _is_planned(batch, chunk, now)]
    if batch.send_as is SendAs.BATCH or not due:
        return _wait_s(batch, chunks, now)
    return int(min(WAIT_MAX_S, max(WAIT_MIN_S, (min(due) - now).total_seconds() + 1)))


def _wait_s(batch: Batch, chunks: Sequence[Chunk], now: datetime) -> int:
    """Seconds to wait: a tenth of the time since something was last sent, from 2 to 60."""
    sent = filter(None, (batch.checkpoint.sent_at, *(chunk.intent_at for chunk in chunks)))
    last_sent = max(sent, default=batch.created_at)
    elapsed_s = (now - last_sent).total_seconds()
    return int(min(WAIT_MAX_S, max(WAIT_MIN_S, elapsed_s / 10)))
