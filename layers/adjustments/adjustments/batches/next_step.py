"""Decides a batch's next step from what is known of its chunks: what to send, what to poll, when to stop."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain, groupby, islice, zip_longest
from typing import Final, NamedTuple

from adjustments.batches.records import Batch, Checkpoint, Chunk
from adjustments.batches.states import BatchStatus, ChunkState
from adjustments.core.limits import CANARIES_MAX

LEASE_S: Final = 120.0
"""How long the intent to send holds; longer than any one request may take."""

CANARY_PAUSE: Final = timedelta(seconds=LEASE_S)
"""How long after a canary of which too little is known the next one goes: by then no late answer can come any
more, and a short outage is over."""

POLLS_WHILE_SENDING_MAX: Final = 12
"""Jobs polled in a tick while chunks still wait to be sent: sending goes first."""

ASK_AFTER: Final = timedelta(seconds=5)
"""How long after it was sent a job is first asked for while others are being sent: sooner, few have ended."""

WAIT_MIN_S: Final = 2
WAIT_MAX_S: Final = 60


class NextStep(NamedTuple):
    """What to do now.

    ``to_send`` and ``to_poll`` are in order; ``lost`` are chunks whose worker vanished between intent and
    answer; ``stop_reason`` says why nothing more may be sent; ``is_over`` that nothing is left to wait for;
    ``wait_s`` how long to wait before the next look, in whole seconds; ``rows_in_doubt`` how many rows of the
    batch are in doubt so far; ``canary_note`` says why a second canary goes or went, empty for none.
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
    """Where the canaries of a batch stand.

    ``lost`` holds the chunks of those that are over and of which too little is known to judge; ``last`` those
    of the next one, empty where all are lost; ``is_open`` says that it is not over: nothing else may go.
    """

    lost: Sequence[Sequence[Chunk]] = ()
    last: Sequence[Chunk] = ()
    is_open: bool = False


def next_step(batch: Batch, chunks: Sequence[Chunk], now: datetime, failure_percent_max: int) -> NextStep:
    """Look at a batch and say what follows.

    Args:
        batch: the batch as it stands.
        chunks: its chunks behind ``batch.checkpoint``, in the order of sending; untouched ones may be missing
            at the end, where there are some before.
        now: the time, UTC.
        failure_percent_max: share of failed rows past which nothing more is sent (MaxFailurePercent).
    """
    planned = [chunk for chunk in chunks if chunk.state is ChunkState.PLANNED]
    submitted = [chunk for chunk in chunks if chunk.state is ChunkState.SUBMITTED]
    submitting = [chunk for chunk in chunks if chunk.state is ChunkState.SUBMITTING]
    canaries = _canaries(batch, chunks, failure_percent_max)
    stop_reason = batch.stop_reason
    if planned and not stop_reason:
        stop_reason = _failure_stop(batch.checkpoint, chunks, canaries, failure_percent_max)
    may_send = not (stop_reason or batch.dry_run or batch.status is BatchStatus.AWAITING_APPROVAL)
    to_send = _sendable(canaries.last if canaries.is_open else chunks, now) if may_send else []
    if _is_early(canaries, now):
        to_send = []
    return NextStep(
        to_send=to_send,
        to_poll=submitted[:POLLS_WHILE_SENDING_MAX] if to_send else submitted,
        lost=[chunk for chunk in submitting if lease_is_over(chunk, now)],
        stop_reason=stop_reason,
        is_over=not (submitted or submitting or (planned and not batch.dry_run)),
        more_to_send=bool(planned and may_send),
        wait_s=_wait_s(batch, chunks, now),
        rows_in_doubt=_known(chunks).in_doubt,
        canary_note=_canary_note(canaries),
    )


def _sendable(chunks: Sequence[Chunk], now: datetime) -> list[Chunk]:
    """The planned chunks of the lowest wave that is not over."""
    unfinished = [chunk for chunk in chunks if not chunk.state.is_over]
    return [
        chunk
        for chunk in unfinished
        if chunk.wave == unfinished[0].wave
        and chunk.state is ChunkState.PLANNED
        and (chunk.not_before is None or chunk.not_before <= now)
    ]


def _canaries(batch: Batch, chunks: Sequence[Chunk], percent_max: int) -> _Canaries:
    """See how far the canaries are; the first that can be judged lets the rest follow.

    The first chunks of a batch are its canaries, in the order of sending. Once the first is passed it is
    certain, and so was judged.
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
    """Whether it is its rows in doubt, and not those that failed, by which a canary passes the limit."""
    rows, failed, in_doubt = _known(canary)
    return failed * 100 <= percent_max * rows < (failed + in_doubt) * 100


def _is_early(canaries: _Canaries, now: datetime) -> bool:
    """Whether a lost canary was sent too short a time ago for the next one to go."""
    sent = [chunk.intent_at for canary in canaries.lost for chunk in canary if chunk.intent_at]
    return canaries.is_open and bool(sent) and now < max(sent) + CANARY_PAUSE


def _canary_note(canaries: _Canaries) -> str:
    """Say why a second canary goes or went; empty where the first one could be judged."""
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
    """Why too many rows failed to go on, or nothing; a row in doubt counts as failed (docs/decisions.md).

    Only the rows in doubt of a lost canary don't, once the next one tells how it goes.
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
    """The chunks whose every part is over: while a refused one is being split, its bad row is known first."""
    unfinished = {_root(chunk) for chunk in chunks if not chunk.state.is_over}
    return [chunk for chunk in chunks if _root(chunk) not in unfinished]


def _root(chunk: Chunk) -> str:
    return chunk.chunk_id.split(".", 1)[0]


class _Known(NamedTuple):
    """Rows of which something is known, and how many of them went wrong."""

    rows: int
    failed: int
    in_doubt: int


def _known(chunks: Iterable[Chunk]) -> _Known:
    """Add up the rows of the chunks that are over; those in doubt without a result count as in doubt."""
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
    """How far a batch's chunks are certain, from the first one on: each with all parts it was split into.

    Args:
        batch: the batch as it stands.
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
    """What to do while chunks wait to be sent: send one, ask for one job, send one, and so on.

    So what Gameball did is known while sending goes on, and a share of failed rows stops it in time. Each job
    needs a question anyhow; those that are too young to have ended are left for later.

    Args:
        to_send: the chunks that may be sent, in order.
        chunks: the chunks of which some may be asked for.
        now: the time, UTC.
        after: the chunk that was asked for last, so that all take their turn; empty for none.
    """
    due = [c for c in chunks if c.state is ChunkState.SUBMITTED and _may_have_ended(c, now)]
    start = next((place for place, chunk in enumerate(due) if chunk.chunk_id > after), 0)
    in_turn = due[start:] + due[:start]
    pairs = zip_longest(to_send, in_turn[: len(to_send)])
    return [chunk for pair in pairs for chunk in pair if chunk]


def _may_have_ended(chunk: Chunk, now: datetime) -> bool:
    return chunk.intent_at is not None and now >= chunk.intent_at + ASK_AFTER


def lease_is_over(chunk: Chunk, now: datetime) -> bool:
    """Whether a worker may no longer act on its intent, and others may take its chunk for lost."""
    return chunk.intent_at is None or now >= chunk.intent_at + timedelta(seconds=LEASE_S)


def _wait_s(batch: Batch, chunks: Sequence[Chunk], now: datetime) -> int:
    """Waits grow from seconds to a minute with the time since something was last sent."""
    sent = filter(None, (batch.checkpoint.sent_at, *(chunk.intent_at for chunk in chunks)))
    last_sent = max(sent, default=batch.created_at)
    elapsed_s = (now - last_sent).total_seconds()
    return int(min(WAIT_MAX_S, max(WAIT_MIN_S, elapsed_s / 10)))
