"""The parts of the page, one function each; a part that has nothing to say is empty."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from adjustments.batches.records import Batch, Chunk, Outcome
from adjustments.batches.states import BatchStatus, ChunkState
from adjustments.results.report_html import texts
from adjustments.results.report_html.charts import Part, failed_in, in_doubt_in, outcome_bar, swatch, timeline
from adjustments.results.report_html.markup import Markup, element, isolated, joined, quoted
from adjustments.results.report_html.texts import moment, points, rows_of, sentence
from adjustments.results.report_html.view_model import OTHER, Example, Group, RowsView
from adjustments.results.summary import job_status, notes_of
from adjustments.submission.csv.printable import shown

GROUPS_MAX: Final = 50
GROUPS_BYTES_MAX: Final = 40_000
"""Of all groups together, so that the page stays small."""

REASON_CHARS_MAX: Final = 200
NOTE_CHARS_MAX: Final = 200
RESOLUTIONS_MAX: Final = 10
"""Resolutions that the page shows: the last ones."""

JOBS_OPEN_MAX: Final = 12
"""Jobs whose table is open when the page is; a longer one opens at a click, without a script."""

JOBS_MAX: Final = 100
"""Jobs that the page lists; summary.json has all."""

_FORETOLD: Final = "would fail: "
"""How a dry run's message begins; the heading above it says so already."""

_NOTHING: Final = Markup("")
_MARKS: Final = {
    BatchStatus.COMPLETED: "✓",
    BatchStatus.VALIDATED: "✓",
    BatchStatus.COMPLETED_WITH_ERRORS: "!",
    BatchStatus.STOPPED: "■",
    BatchStatus.REJECTED: "✕",
    BatchStatus.NEEDS_ATTENTION: "?",
}


def head(batch: Batch, prediction: Mapping[str, int]) -> Markup:
    """The verdict, and what the page is about."""
    finished = batch.finished_at
    took = texts.duration(finished - batch.created_at) if finished else ""
    about = sentence(
        "This page tells what became of the file ",
        element("code", isolated(batch.source.key)),
        ": each of its rows adds points to one customer's balance at Gameball, or deducts them. Taken on ",
        moment(batch.created_at),
        f", ended {took} later" if took else "",
        ".",
    )
    named = sentence("Batch ", element("code", batch.batch_id))
    why = batch.refusal or batch.stop_reason
    has_findings = batch.dry_run and texts.not_sure_to_go(batch, prediction)
    look = BatchStatus.COMPLETED_WITH_ERRORS if has_findings else batch.status
    mark = element("span", _MARKS.get(look, "·"), class_="mark", aria_hidden="true")
    return element(
        "header",
        element("p", batch.status.value.replace("_", " "), class_="status"),
        element("h1", mark, texts.headline(batch, prediction)),
        element("p", texts.explanation(batch), class_="lead"),
        element("p", element("b", "Why: "), quoted(why), class_="why") if why else "",
        element("div", about, named, class_="about"),
        class_=f"verdict {look.value}",
    )


def outcomes(batch: Batch, prediction: Mapping[str, int]) -> Markup:
    """The picture of the outcomes."""
    parts = _predicted(batch, prediction) if prediction else _counted(batch)
    if not batch.counts.rows or not sum(part.rows for part in parts):
        return _NOTHING
    would = "would become" if batch.dry_run else "became"
    return _section(f"What {would} of the {rows_of(batch.counts.rows)}", outcome_bar(parts))


def _counted(batch: Batch) -> list[Part]:
    numbers = batch.counts.values()
    return [
        Part(outcome, _name(outcome), numbers[outcome.value], texts.MEANINGS[outcome]) for outcome in Outcome
    ]


def _predicted(batch: Batch, prediction: Mapping[str, int]) -> list[Part]:
    would_fail = prediction.get("wouldOverdraw", 0) + prediction.get("unknownCustomer", 0)
    told = (
        (Outcome.APPLIED, "would be applied", prediction.get("wouldApply", 0), "by the balances of now"),
        (Outcome.FAILED, "would fail", would_fail, "the balance is too low, or the customer is not known"),
        (Outcome.REJECTED, "can't be read", batch.counts.rejected, "the row would never be sent"),
        (
            Outcome.NOT_SUBMITTED,
            "can't be foretold",
            prediction.get("notPredicted", 0),
            "the balance could not be looked up",
        ),
    )
    return [Part(*part) for part in told]


def next_steps(batch: Batch) -> Markup:
    """What to do now."""
    return _section("What to do next", element("ol", *texts.next_steps(batch)))


def totals(batch: Batch, digest: RowsView) -> Markup:
    """The sums in points."""
    if not batch.counts.rows:
        return _NOTHING
    tiles: list[tuple[str, Decimal | str, str]] = [
        ("Asked for", batch.total, "sum of all rows that could be read"),
        ("Applied", batch.applied_total, "sum of all rows that were applied"),
        ("Added", digest.added, "the applied rows above zero"),
        ("Deducted", digest.deducted, "the applied rows below zero"),
    ]
    made = [
        element(
            "div",
            element("dt", name),
            element("dd", element("b", points(amount, signed=True)), element("span", told)),
        )
        for name, amount, told in tiles
    ]
    return _section("Points", element("dl", *made, class_="tiles"))


def problems(batch: Batch, digest: RowsView) -> Markup:
    """The rows that were not applied, or may not have been, by reason."""
    groups = digest.groups(GROUPS_MAX)
    if not groups:
        return _NOTHING
    title = (
        "Rows that would not be applied"
        if batch.dry_run
        else "Rows that were not applied, or may not have been"
    )
    if not batch.dry_run and not batch.counts.in_doubt:
        title = "Rows that were not applied"
    return _section(f"{title}, by reason", *_groups(groups, is_dry_run=batch.dry_run))


def _groups(groups: Sequence[Group], *, is_dry_run: bool) -> Iterator[Markup]:
    """The groups as far as there is room: with examples, without, and then added up."""
    left, rest = GROUPS_BYTES_MAX, dict.fromkeys(Outcome, 0)
    for group in groups:
        made = _group(group, group.examples, is_dry_run)
        if len(made.encode()) > left:
            made = _group(group, (), is_dry_run)
        if len(made.encode()) > left:
            rest[group.outcome] += group.rows
            continue
        left -= len(made.encode())
        yield made
    for outcome, rows in rest.items():
        if rows:
            yield _group(Group(outcome, OTHER, rows), (), is_dry_run)


def _group(group: Group, examples: Sequence[Example], is_dry_run: bool) -> Markup:
    would_fail = is_dry_run and group.outcome is Outcome.NOT_SUBMITTED
    look, name = (Outcome.FAILED, "would fail") if would_fail else (group.outcome, _name(group.outcome))
    reason = group.reason[:REASON_CHARS_MAX]
    reason = reason.removeprefix(_FORETOLD) if would_fail else reason
    told = element(
        "h3",
        swatch(look),
        element("span", f"{rows_of(group.rows)} {name}", class_="number"),
        element("span", quoted(reason or "no reason was told"), class_="reason"),
    )
    return element("article", told, _examples(group, examples), class_="group")


def _examples(group: Group, examples: Sequence[Example]) -> Markup:
    if not examples:
        return element("p", "See results.csv for these rows.", class_="small")
    says_more = group.reason == OTHER or not group.is_shared
    names = ["Line", "Customer", "Amount", *(["What was said"] if says_more else [])]
    rows = [
        [
            f"{row.line:,}",
            isolated(shown(row.customer_id)),
            isolated(shown(row.amount)),
            *([quoted(row.message.removeprefix(_FORETOLD)[:REASON_CHARS_MAX])] if says_more else []),
        ]
        for row in examples
    ]
    more = group.rows - len(examples)
    rest = element("p", f"and {more:,} more, in results.csv", class_="small") if more else _NOTHING
    return joined([_table(names, rows, numbers=(0, 2), texts=(3,), names_at=(1,)), rest])


def jobs(batch: Batch, chunks: Sequence[Chunk]) -> Markup:
    """The jobs over time, and as a table."""
    present = [chunk for chunk in chunks if chunk.state is not ChunkState.SPLIT]
    picture = timeline(batch, chunks)
    if picture is None or batch.dry_run:
        return _NOTHING
    told = sentence(
        f"Gameball takes at most 1,000 rows at once, so the batch was sent in {_number(len(present))}. "
        "Each is worked on by Gameball as one job.",
        " A customer's second row waits for the first." if batch.has_repeats else "",
    )
    names = ["Chunk", "Job", "Status", "Rows", "Applied", "Failed", "In doubt", "Sent (UTC)", "Took"]
    rows = [_job(chunk) for chunk in present[:JOBS_MAX]]
    left = len(present) - JOBS_MAX
    rest = element("p", f"and {left:,} more, in summary.json", class_="small") if left > 0 else ""
    table = joined([_table(names, rows, numbers=(1, 3, 4, 5, 6, 8)), rest])
    if len(present) > JOBS_OPEN_MAX:
        table = element("details", element("summary", f"The {len(present):,} chunks one by one"), table)
    return _section("Jobs over time", told, picture, table)


def _number(chunks: int) -> str:
    return "one chunk" if chunks == 1 else f"{chunks:,} chunks"


def _job(chunk: Chunk) -> list[object]:
    sent, ended = chunk.intent_at, chunk.ended_at
    return [
        chunk.chunk_id,
        chunk.job_id or "none",
        job_status(chunk).replace("_", " "),
        f"{chunk.rows:,}",
        f"{chunk.counts.applied:,}",
        f"{failed_in(chunk):,}",
        f"{in_doubt_in(chunk):,}" if sent else "0",
        f"{sent:%H:%M:%S}" if sent else "not sent",
        texts.duration(ended - sent) if sent and ended else "",
    ]


def files(batch: Batch) -> Markup:
    """What lies beside the page."""
    told = {
        "results.csv": "every row of the file with its one outcome, in the order of the file",
        "fix-me.csv": "the rows that can safely be dropped again, as they were, with the reason",
        "summary.json": "the numbers of this page, for machines",
    }
    names = told if batch.counts.rows else ["summary.json"]
    items = [element("li", element("a", name, href=name), f": {told[name]}") for name in names]
    where = sentence(
        "The links work where the files lie beside this page. To have them all in one folder: ",
        element("code", f"adjust results {batch.batch_id}"),
        ". They are kept in the bucket under ",
        element("code", f"results/{batch.batch_id}/"),
        ".",
    )
    return _section("Files", element("ul", *items), element("div", where, class_="small"))


def history(batch: Batch) -> Markup:
    """How the file was read, what held the batch, and who decided what."""
    items = [element("li", isolated(note)) for note in notes_of(batch)]
    items += [element("li", "Held for approval: ", isolated(guard), ".") for guard in batch.held_by]
    if batch.approved_by:
        items.append(element("li", "Approved by ", isolated(batch.approved_by), "."))
    if batch.stopped_by:
        items.append(element("li", "Stopped by ", isolated(batch.stopped_by), "."))
    items += [element("li", told, element("code", other)) for told, other in _reversals(batch) if other]
    if batch.source.sha256:
        items.append(element("li", "SHA-256 of the rows: ", element("code", batch.source.sha256)))
    made = element("ul", *items) if items else _NOTHING
    return _section("How it was handled", made, _resolutions(batch)) if items else _NOTHING


def _reversals(batch: Batch) -> list[tuple[str, str]]:
    return [("Takes back batch ", batch.reverses), ("Taken back by ", batch.reversed_by)]


def _resolutions(batch: Batch) -> Markup:
    if not batch.resolutions:
        return _NOTHING
    rows = [
        [moment(done.at), f"{done.rows:,}", isolated(done.by), isolated(done.note[:NOTE_CHARS_MAX])]
        for done in batch.resolutions[-RESOLUTIONS_MAX:]
    ]
    title = element("h3", "Rows in doubt that were settled later")
    return joined([title, _table(["When", "Rows", "By", "Why"], rows, numbers=(1,), texts=(2, 3))])


def _name(outcome: Outcome) -> str:
    return outcome.value.replace("_", " ")


def _section(title: str, *parts: object) -> Markup:
    return element("section", element("h2", title), *parts)


def _table(
    names: Sequence[str],
    rows: Sequence[Sequence[object]],
    numbers: Sequence[int],
    texts: Sequence[int] = (),
    names_at: Sequence[int] = (),
) -> Markup:
    """A table that scrolls by itself where it is too wide for the screen.

    Args:
        names: of the columns.
        rows: the cells.
        numbers: columns that are set flush right.
        texts: columns that may be broken into lines.
        names_at: columns that may be broken into lines on a narrow screen.
    """
    look_of = {**dict.fromkeys(numbers, "n"), **dict.fromkeys(texts, "text"), **dict.fromkeys(names_at, "id")}
    looks = [look_of.get(at) for at in range(len(names))]
    top = [element("th", name, scope="col", class_=look) for name, look in zip(names, looks, strict=True)]
    body = [
        element("tr", *(element("td", cell, class_=look) for cell, look in zip(row, looks, strict=True)))
        for row in rows
    ]
    look = "said" if texts else None
    made = element("table", element("thead", element("tr", *top)), element("tbody", *body), class_=look)
    return element("div", made, class_="scroll", tabindex=0, role="group", aria_label=", ".join(names))
