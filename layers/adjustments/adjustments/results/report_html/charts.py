"""The outcome bar and the timeline of jobs, as SVG.

Each colour comes with a pattern and a text, so that nobody needs to distinguish colours.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import ceil
from typing import Final, NamedTuple

from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import ChunkState, Outcome
from adjustments.results.formats import duration, percent, rows_of
from adjustments.results.report_html.markup import Markup, element

BARS_MAX: Final = 40
"""Bars of the timeline; with more jobs, one bar stands for several."""

_PART_PERCENT_MIN: Final = 1.0
"""Of the bar's width: a part that exists must be visible."""

_ROW_PX: Final = 16
_BAR_PX: Final = 11
_LABEL_PERCENT: Final = 24.0
_LABEL_CHARS_MAX: Final = 15
_ENLARGED: Final = element(
    "figcaption", "Very small parts are drawn larger, so that they are visible.", class_="small"
)

_BAR_PERCENT_MIN: Final = 1.5
_SHARE_MIN: Final = 0.06
"""Of a timeline's bar: one failed row among 1,000 must be visible."""
_SHARE_PERCENT_MIN: Final = 1.2
"""Of the chart's width, for phones, where a bar is short."""

_TICKS: Final = 4
_SPAN_S_MIN: Final = 1.0
"""The shortest time span of the timeline: below it, the axis would show only zeros."""


class BarPart(NamedTuple):
    """One part of the outcome bar: the outcome whose colour it has, its name, its rows, what it means."""

    look: Outcome
    name: str
    rows: int
    meaning: str


def patterns() -> Markup:
    """The fill patterns of the outcomes, defined once for all charts."""
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
    """A small square in an outcome's colour and pattern, for legends."""
    piece = element("rect", x=0.5, y=0.5, width=15, height=15, rx=3, fill=_fill(look), class_="edge")
    return element("svg", piece, width=16, height=16, class_="swatch", aria_hidden="true")


def outcome_bar(parts: Sequence[BarPart]) -> Markup:
    """The rows by outcome as one bar, with its legend; very small parts are drawn larger."""
    present = [part for part in parts if part.rows]
    whole = sum(part.rows for part in present)
    shares = ", ".join(f"{part.name} {part.rows:,} ({percent(part.rows, whole)})" for part in present)
    bar = element(
        "svg",
        element("title", "Rows by outcome", id="bar-title"),
        element("desc", f"Of {rows_of(whole)}: {shares}.", id="bar-desc"),
        *_bar_parts(present, whole),
        width="100%",
        height=44,
        role="img",
        aria_labelledby="bar-title bar-desc",
        class_="chart",
    )
    keys = element("ul", *(_key(part, whole) for part in parts), class_="outcomes")
    is_enlarged = any(100 * part.rows < _PART_PERCENT_MIN * whole for part in present)
    return element("figure", bar, keys, _ENLARGED if is_enlarged else "")


def _bar_parts(parts: Sequence[BarPart], whole: int) -> Iterator[Markup]:
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


def _key(part: BarPart, whole: int) -> Markup:
    share = f" ({percent(part.rows, whole)})" if part.rows else ""
    number = element("span", element("b", f"{part.rows:,}"), share, class_="number")
    meaning = element("span", part.meaning, class_="meaning")
    name = element("span", swatch(part.look), part.name, class_="name")
    return element("li", name, number, meaning, class_=None if part.rows else "none")


class TimelineBar(NamedTuple):
    """One bar of the timeline: a job, or several that were sent one after another.

    ``end`` is None where the end of a job is unknown; ``parts`` are its rows by outcome.
    """

    name: str
    start: datetime
    end: datetime | None
    rows: int
    parts: Sequence[tuple[Outcome, int]]


def timeline(batch: Batch, chunks: Sequence[Chunk]) -> Markup | None:
    """The jobs over time; None when no job was sent."""
    bars = bars_of(chunks)
    if not bars:
        return None
    start = min(bar.start for bar in bars)
    ends = [bar.end for bar in bars if bar.end] + ([batch.finished_at] if batch.finished_at else [])
    last = max([*ends, *(bar.start for bar in bars)])
    span_s = max((last - start).total_seconds(), _SPAN_S_MIN)
    jobs = sum(chunk.intent_at is not None for chunk in chunks)
    height = len(bars) * _ROW_PX + 4
    chart = element(
        "svg",
        element("title", "Jobs over time", id="time-title"),
        element("desc", _description(jobs, start, last), id="time-desc"),
        *_grid(height),
        *(_timeline_bar(bar, number, start, last, span_s) for number, bar in enumerate(bars)),
        width="100%",
        height=height,
        role="img",
        aria_labelledby="time-title time-desc",
        class_="chart",
    )
    has_enlarged = any(_is_enlarged(bar, last, span_s) for bar in bars)
    keys = _timeline_keys(bars)
    return element("figure", chart, _axis(start, span_s), keys, _ENLARGED if has_enlarged else "")


def _is_enlarged(bar: TimelineBar, last: datetime, span_s: float) -> bool:
    """Whether a bar or a part of it is drawn larger than its true size."""
    width = ((bar.end or last) - bar.start).total_seconds() / span_s * (100 - _LABEL_PERCENT)
    return width < _BAR_PERCENT_MIN or any(0 < rows < _least_share(width) * bar.rows for _, rows in bar.parts)


def bars_of(chunks: Sequence[Chunk]) -> list[TimelineBar]:
    """The bars of the timeline, in the order of sending."""
    sent = [chunk for chunk in chunks if chunk.intent_at is not None and chunk.state is not ChunkState.SPLIT]
    sent.sort(key=lambda chunk: (chunk.intent_at, chunk.chunk_id))
    size = max(1, ceil(len(sent) / BARS_MAX))
    return [_bar_of(sent[at : at + size], at + 1) for at in range(0, len(sent), size)]


def _bar_of(chunks: Sequence[Chunk], first: int) -> TimelineBar:
    last = first + len(chunks) - 1
    ends = [chunk.ended_at for chunk in chunks]
    known = [end for end in ends if end]
    parts = (
        (Outcome.APPLIED, sum(chunk.counts.applied for chunk in chunks)),
        (Outcome.FAILED, sum(failed_in(chunk) for chunk in chunks)),
        (Outcome.IN_DOUBT, sum(in_doubt_in(chunk) for chunk in chunks)),
    )
    return TimelineBar(
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
    """Rows of a sent chunk whose outcome is unknown."""
    return chunk.counts.in_doubt if chunk.state in (ChunkState.SETTLED, ChunkState.REFUSED) else chunk.rows


def _description(jobs: int, start: datetime, last: datetime) -> str:
    number = "1 job" if jobs == 1 else f"{jobs:,} jobs"
    took = duration(last - start)
    return f"{number}, the first sent at {start:%H:%M:%S} UTC; the batch ended {took or '0 s'} later."


def _timeline_bar(bar: TimelineBar, number: int, start: datetime, last: datetime, span_s: float) -> Markup:
    y = number * _ROW_PX + 2
    left = _x_percent((bar.start - start).total_seconds() / span_s)
    right = _x_percent(((bar.end or last) - start).total_seconds() / span_s)
    width = max(right - left, _BAR_PERCENT_MIN)
    short = bar.name if len(bar.name) <= _LABEL_CHARS_MAX else bar.name.removeprefix("Jobs ")
    label = element("text", short, x=0, y=y + 10, class_="label")
    return element(
        "g",
        element("title", _bar_title(bar)),
        label,
        *_timeline_parts(bar, min(left, 100 - width), width, y + 1),
    )


def _timeline_parts(bar: TimelineBar, left: float, width: float, y: int) -> Iterator[Markup]:
    """The bar, divided by the outcomes of its rows; each part is wide enough to be visible."""
    least = _least_share(width)
    shares = [(look, max(rows / bar.rows, least)) for look, rows in bar.parts if rows]
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
            class_="edge" if bar.end else "edge open",
        )
        left += part


def _least_share(width: float) -> float:
    """The smallest share of a bar that is visible."""
    return max(_SHARE_MIN, min(_SHARE_PERCENT_MIN / width, 0.4))


def _bar_title(bar: TimelineBar) -> str:
    ended = f"ended at {bar.end:%H:%M:%S}" if bar.end else "end unknown"
    outcomes = ", ".join(f"{look.value.replace('_', ' ')} {rows:,}" for look, rows in bar.parts if rows)
    return f"{bar.name}: {rows_of(bar.rows)}, sent at {bar.start:%H:%M:%S} UTC, {ended}. {outcomes}"


def _x_percent(share: float) -> float:
    return _LABEL_PERCENT + share * (100 - _LABEL_PERCENT)


def _grid(height: int) -> Iterator[Markup]:
    for tick in range(_TICKS + 1):
        x = f"{min(_x_percent(tick / _TICKS), 99.9):.2f}%"
        yield element("line", x1=x, x2=x, y1=0, y2=height, class_="grid")


def _axis(start: datetime, span_s: float) -> Markup:
    """Times below the chart: when the first job was sent, and seconds or minutes since then."""
    unit, name = (60, "min") if span_s >= 180 else (1, "s")
    ticks = [f"{start:%H:%M:%S} UTC"]
    for tick in range(1, _TICKS + 1):
        after = tick * span_s / _TICKS / unit
        ticks.append(f"+{after:.0f} {name}" if after >= 10 else f"+{after:.1f} {name}")
    return element("div", *(element("span", tick) for tick in ticks), class_="axis", aria_hidden="true")


def _timeline_keys(bars: Sequence[TimelineBar]) -> Markup:
    present = {look for bar in bars for look, rows in bar.parts if rows}
    keys = [
        element("li", swatch(look), element("span", look.value.replace("_", " ")))
        for look in Outcome
        if look in present
    ]
    if any(bar.end is None for bar in bars):
        keys.append(element("li", element("span", "dashed outline: the end of the job is unknown")))
    return element("ul", *keys, class_="legend")


def _fill(look: Outcome) -> str:
    return f"url(#look-{look.value})"
