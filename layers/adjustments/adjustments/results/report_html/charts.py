"""The bar of outcomes and the timeline of jobs. Each colour comes with a pattern and with words, so that
nobody needs to tell colours apart.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import ceil
from typing import Final, NamedTuple

from adjustments.batches.records import Batch, Chunk, Outcome
from adjustments.batches.states import ChunkState
from adjustments.results.report_html.markup import Markup, element
from adjustments.results.report_html.texts import duration, percent, rows_of

LANES_MAX: Final = 40
"""Bars of the timeline; with more jobs, each bar stands for several."""

_PART_PERCENT_MIN: Final = 1.0
"""Of the bar's width: what is there at all must be seen."""

_LANE_PX: Final = 16
_BAR_PX: Final = 11
_LABEL_PERCENT: Final = 24.0
_LABEL_CHARS_MAX: Final = 15
_ENLARGED: Final = element(
    "figcaption", "Small shares are drawn larger than they are, to be seen.", class_="small"
)

_BAR_PERCENT_MIN: Final = 1.5
_SHARE_MIN: Final = 0.06
"""Of a timeline's bar: one failed row among 1,000 must be seen."""
_SHARE_PERCENT_MIN: Final = 1.2
"""… also on a telephone, where the bar is short: of the picture's width."""

_TICKS: Final = 4
_SPAN_S_MIN: Final = 1.0
"""Of the timeline: below it, its scale would be all zeros."""


class Part(NamedTuple):
    """One part of the bar of outcomes: the outcome whose look it has, its name, its rows, what it means."""

    look: Outcome
    name: str
    rows: int
    meaning: str


def patterns() -> Markup:
    """The patterns of the outcomes, once for all pictures."""
    lines = {
        Outcome.APPLIED: "",
        Outcome.FAILED: "M-2,2 l4,-4 M0,8 l8,-8 M6,10 l4,-4",
        Outcome.REJECTED: "M0,0 L8,8 M8,0 L0,8",
        Outcome.NOT_SUBMITTED: "M0,4 H8",
        Outcome.IN_DOUBT: "M2,0 V8 M6,0 V8",
    }
    made = [
        element(
            "pattern",
            element("rect", width=8, height=8, class_=f"fill-{outcome.value}"),
            element("path", d=drawn, class_="hatch") if drawn else "",
            id=f"look-{outcome.value}",
            width=8,
            height=8,
            patternUnits="userSpaceOnUse",
        )
        for outcome, drawn in lines.items()
    ]
    return element("svg", element("defs", *made), width=0, height=0, class_="defs", aria_hidden="true")


def swatch(look: Outcome) -> Markup:
    """A small piece of an outcome's look, to stand beside its name."""
    piece = element("rect", x=0.5, y=0.5, width=15, height=15, rx=3, fill=_fill(look), class_="edge")
    return element("svg", piece, width=16, height=16, class_="swatch", aria_hidden="true")


def outcome_bar(parts: Sequence[Part]) -> Markup:
    """The rows by outcome as one bar, with its legend; parts too small to be seen are drawn larger."""
    present = [part for part in parts if part.rows]
    whole = sum(part.rows for part in present)
    told = ", ".join(f"{part.name} {part.rows:,} ({percent(part.rows, whole)})" for part in present)
    bar = element(
        "svg",
        element("title", "Rows by outcome", id="bar-title"),
        element("desc", f"Of {rows_of(whole)}: {told}.", id="bar-desc"),
        *_bar_parts(present, whole),
        width="100%",
        height=44,
        role="img",
        aria_labelledby="bar-title bar-desc",
        class_="picture",
    )
    keys = element("ul", *(_key(part, whole) for part in parts), class_="outcomes")
    is_enlarged = any(100 * part.rows < _PART_PERCENT_MIN * whole for part in present)
    return element("figure", bar, keys, _ENLARGED if is_enlarged else "")


def _bar_parts(parts: Sequence[Part], whole: int) -> Iterator[Markup]:
    widths = [max(100 * part.rows / whole, _PART_PERCENT_MIN) for part in parts]
    at = 0.0
    for part, width in zip(parts, widths, strict=True):
        share = 100 * width / sum(widths)
        title = element("title", f"{part.name}: {part.rows:,} ({percent(part.rows, whole)})")
        yield element(
            "rect",
            title,
            x=f"{at:.2f}%",
            y=1,
            width=f"{share:.2f}%",
            height=42,
            fill=_fill(part.look),
            class_="edge",
        )
        at += share


def _key(part: Part, whole: int) -> Markup:
    share = f" ({percent(part.rows, whole)})" if part.rows else ""
    number = element("span", element("b", f"{part.rows:,}"), share, class_="number")
    meaning = element("span", part.meaning, class_="meaning")
    name = element("span", swatch(part.look), part.name, class_="name")
    return element("li", name, number, meaning, class_=None if part.rows else "none")


class Lane(NamedTuple):
    """One bar of the timeline: a job, or several that were sent one after another.

    ``end`` is None where nobody saw the job's end; ``parts`` are its rows by outcome.
    """

    name: str
    start: datetime
    end: datetime | None
    rows: int
    parts: Sequence[tuple[Outcome, int]]


def timeline(batch: Batch, chunks: Sequence[Chunk]) -> Markup | None:
    """The jobs over time, or nothing when none was sent."""
    lanes = lanes_of(chunks)
    if not lanes:
        return None
    start = min(lane.start for lane in lanes)
    ends = [lane.end for lane in lanes if lane.end] + ([batch.finished_at] if batch.finished_at else [])
    last = max([*ends, *(lane.start for lane in lanes)])
    span_s = max((last - start).total_seconds(), _SPAN_S_MIN)
    jobs = sum(chunk.intent_at is not None for chunk in chunks)
    height = len(lanes) * _LANE_PX + 4
    picture = element(
        "svg",
        element("title", "Jobs over time", id="time-title"),
        element("desc", _told(jobs, start, last), id="time-desc"),
        *_grid(height),
        *(_lane(lane, number, start, last, span_s) for number, lane in enumerate(lanes)),
        width="100%",
        height=height,
        role="img",
        aria_labelledby="time-title time-desc",
        class_="picture",
    )
    has_enlarged = any(_is_enlarged(lane, last, span_s) for lane in lanes)
    keys = _timeline_keys(lanes)
    return element("figure", picture, _axis(start, span_s), keys, _ENLARGED if has_enlarged else "")


def _is_enlarged(lane: Lane, last: datetime, span_s: float) -> bool:
    """Whether a bar, or a part of it, is drawn larger than it is."""
    width = ((lane.end or last) - lane.start).total_seconds() / span_s * (100 - _LABEL_PERCENT)
    return width < _BAR_PERCENT_MIN or any(
        0 < rows < _least_share(width) * lane.rows for _, rows in lane.parts
    )


def lanes_of(chunks: Sequence[Chunk]) -> list[Lane]:
    """The bars of the timeline, in the order of sending."""
    sent = [chunk for chunk in chunks if chunk.intent_at is not None and chunk.state is not ChunkState.SPLIT]
    sent.sort(key=lambda chunk: (chunk.intent_at, chunk.chunk_id))
    size = max(1, ceil(len(sent) / LANES_MAX))
    return [_lane_of(sent[at : at + size], at + 1) for at in range(0, len(sent), size)]


def _lane_of(chunks: Sequence[Chunk], first: int) -> Lane:
    last = first + len(chunks) - 1
    ends = [chunk.ended_at for chunk in chunks]
    known = [end for end in ends if end]
    parts = (
        (Outcome.APPLIED, sum(chunk.counts.applied for chunk in chunks)),
        (Outcome.FAILED, sum(failed_in(chunk) for chunk in chunks)),
        (Outcome.IN_DOUBT, sum(in_doubt_in(chunk) for chunk in chunks)),
    )
    return Lane(
        name=f"Job {first}" if first == last else f"Jobs {first} to {last}",
        start=min(chunk.intent_at for chunk in chunks if chunk.intent_at),
        end=max(known) if len(known) == len(ends) else None,
        rows=sum(chunk.rows for chunk in chunks),
        parts=parts,
    )


def failed_in(chunk: Chunk) -> int:
    """Rows of a chunk that failed."""
    return chunk.rows if chunk.state is ChunkState.REFUSED else chunk.counts.failed


def in_doubt_in(chunk: Chunk) -> int:
    """Rows of a chunk that was sent whose outcome is not known."""
    return chunk.counts.in_doubt if chunk.state in (ChunkState.SETTLED, ChunkState.REFUSED) else chunk.rows


def _told(jobs: int, start: datetime, last: datetime) -> str:
    number = "1 job" if jobs == 1 else f"{jobs:,} jobs"
    took = duration(last - start)
    return f"{number}, the first sent at {start:%H:%M:%S} UTC; from then the batch took {took or 'no time'}."


def _lane(lane: Lane, number: int, start: datetime, last: datetime, span_s: float) -> Markup:
    y = number * _LANE_PX + 2
    left = _place((lane.start - start).total_seconds() / span_s)
    right = _place(((lane.end or last) - start).total_seconds() / span_s)
    width = max(right - left, _BAR_PERCENT_MIN)
    short = lane.name if len(lane.name) <= _LABEL_CHARS_MAX else lane.name.removeprefix("Jobs ")
    label = element("text", short, x=0, y=y + 10, class_="label")
    return element(
        "g",
        element("title", _lane_told(lane)),
        label,
        *_lane_parts(lane, min(left, 100 - width), width, y + 1),
    )


def _lane_parts(lane: Lane, left: float, width: float, y: int) -> Iterator[Markup]:
    """The bar, divided by the outcomes of its rows; what is there at all is drawn to be seen."""
    least = _least_share(width)
    shares = [(look, max(rows / lane.rows, least)) for look, rows in lane.parts if rows]
    whole = sum(share for _, share in shares)
    for look, share in shares:
        part = width * share / whole
        yield element(
            "rect",
            x=f"{left:.2f}%",
            y=y,
            width=f"{part:.2f}%",
            height=_BAR_PX,
            fill=_fill(look),
            class_="edge" if lane.end else "edge open",
        )
        left += part


def _least_share(width: float) -> float:
    """The share of a bar that can be seen, however few rows it stands for."""
    return max(_SHARE_MIN, min(_SHARE_PERCENT_MIN / width, 0.4))


def _lane_told(lane: Lane) -> str:
    ended = f"ended at {lane.end:%H:%M:%S}" if lane.end else "end not seen"
    outcomes = ", ".join(f"{look.value.replace('_', ' ')} {rows:,}" for look, rows in lane.parts if rows)
    return f"{lane.name}: {rows_of(lane.rows)}, sent at {lane.start:%H:%M:%S} UTC, {ended}. {outcomes}"


def _place(share: float) -> float:
    return _LABEL_PERCENT + share * (100 - _LABEL_PERCENT)


def _grid(height: int) -> Iterator[Markup]:
    for tick in range(_TICKS + 1):
        x = f"{min(_place(tick / _TICKS), 99.9):.2f}%"
        yield element("line", x1=x, x2=x, y1=0, y2=height, class_="grid")


def _axis(start: datetime, span_s: float) -> Markup:
    """Times below the picture: when the first job was sent, and seconds or minutes from then."""
    unit, name = (60, "min") if span_s >= 180 else (1, "s")
    ticks = [f"{start:%H:%M:%S} UTC"]
    for tick in range(1, _TICKS + 1):
        after = tick * span_s / _TICKS / unit
        ticks.append(f"+{after:.0f} {name}" if after >= 10 else f"+{after:.1f} {name}")
    return element("div", *(element("span", tick) for tick in ticks), class_="axis", aria_hidden="true")


def _timeline_keys(lanes: Sequence[Lane]) -> Markup:
    present = {look for lane in lanes for look, rows in lane.parts if rows}
    keys = [
        element("li", swatch(look), element("span", look.value.replace("_", " ")))
        for look in Outcome
        if look in present
    ]
    if any(lane.end is None for lane in lanes):
        keys.append(element("li", element("span", "dashed edge: nobody saw the end")))
    return element("ul", *keys, class_="legend")


def _fill(look: Outcome) -> str:
    return f"url(#look-{look.value})"
