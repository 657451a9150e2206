"""The sections of the page, one function each; a section that has nothing to show is empty."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from adjustments.batches.batch_parts import Prediction
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import BatchStatus, ChunkState, Outcome, SendAs
from adjustments.core import __version__
from adjustments.core.printable import shown
from adjustments.results.formats import duration, points, rows_of, submitter_text
from adjustments.results.report_html import texts
from adjustments.results.report_html.charts import (
    BarPart,
    failed_in,
    in_doubt_in,
    outcome_bar,
    swatch,
    timeline,
)
from adjustments.results.report_html.markup import Markup, element, isolated, joined, quoted, table
from adjustments.results.report_html.texts import moment, sentence
from adjustments.results.report_html.view_model import OTHER, ExampleRow, ProblemGroup, RowsView
from adjustments.results.summary import job_status, notes_of

GROUPS_MAX: Final = 50
GROUPS_BYTES_MAX: Final = 40_000
"""Of all groups together, so that the page stays small."""

REASON_CHARS_MAX: Final = 200
NOTE_CHARS_MAX: Final = 200
RESOLUTIONS_MAX: Final = 10
"""Resolutions that the page shows: the last ones."""

JOBS_OPEN_MAX: Final = 12
"""Up to so many chunks the table is open at once; a longer one opens at a click, without a script."""

JOBS_MAX: Final = 100
"""Chunks that the page lists; summary.json has all."""

_WOULD_FAIL: Final = "would fail: "
"""How a dry run's message begins; the heading above it says so already."""

_EMPTY: Final = Markup("")
_MARKS: Final = {
    BatchStatus.COMPLETED: "✓",
    BatchStatus.VALIDATED: "✓",
    BatchStatus.COMPLETED_WITH_ERRORS: "!",
    BatchStatus.STOPPED: "■",
    BatchStatus.REJECTED: "✕",
    BatchStatus.NEEDS_ATTENTION: "?",
}


def header(batch: Batch) -> Markup:
    """The result, and which file and batch the page is about."""
    finished = batch.finished_at
    took = duration(finished - batch.created_at) if finished else ""
    about = sentence(
        "Report on the file ",
        element("code", isolated(batch.source.key)),
        ". Each row adds points to one customer's balance in Gameball, or deducts them. Received on ",
        moment(batch.created_at),
        f", finished {took} later" if took else "",
        ".",
    )
    reason = batch.refusal or batch.stop_reason
    look = _look_of(batch)
    mark = element("span", _MARKS.get(look, "·"), class_="mark", aria_hidden="true")
    return element(
        "header",
        element("p", batch.status.value.replace("_", " "), class_="status"),
        element("h1", mark, texts.headline(batch)),
        element("p", texts.explanation(batch), class_="lead"),
        element("p", element("b", "Why: "), quoted(reason), class_="why") if reason else "",
        element("div", about, sentence("Batch ", element("code", batch.batch_id)), class_="about"),
        class_=f"verdict {look.value}",
    )


def _look_of(batch: Batch) -> BatchStatus:
    """A dry run looks well only where every row would surely be applied."""
    not_predicted = (batch.prediction or Prediction()).not_predicted
    has_findings = batch.dry_run and texts.would_not_be_applied(batch) + not_predicted
    return BatchStatus.COMPLETED_WITH_ERRORS if has_findings else batch.status


def outcomes(batch: Batch) -> Markup:
    """The chart of the outcomes."""
    parts = _predicted(batch, batch.prediction) if batch.prediction else _counted(batch)
    if not batch.counts.rows or not sum(part.rows for part in parts):
        return _EMPTY
    name = "Predicted outcome" if batch.dry_run else "Outcome"
    return _section(f"{name} of {rows_of(batch.counts.rows)}", outcome_bar(parts))


def _counted(batch: Batch) -> list[BarPart]:
    counts = dict(batch.counts)
    return [
        BarPart(outcome, _name(outcome), counts[outcome.value], texts.MEANINGS[outcome])
        for outcome in Outcome
    ]


def _predicted(batch: Batch, prediction: Prediction) -> list[BarPart]:
    would_fail = prediction.would_overdraw + prediction.unknown_customer
    return [
        BarPart(Outcome.APPLIED, "would be applied", prediction.would_apply, "based on the current balances"),
        BarPart(
            Outcome.FAILED, "would fail", would_fail, "the balance is too low, or the customer is unknown"
        ),
        BarPart(
            Outcome.REJECTED, "rejected", batch.counts.rejected, "the row has an error and would not be sent"
        ),
        BarPart(
            Outcome.NOT_SUBMITTED,
            "not predicted",
            prediction.not_predicted,
            "the balance could not be looked up",
        ),
    ]


def next_steps(batch: Batch) -> Markup:
    """What to do now."""
    return _section("What to do next", element("ol", *texts.next_steps(batch)))


def totals(batch: Batch, rows: RowsView) -> Markup:
    """The sums in points; of a dry run, what a real run would do."""
    if not batch.counts.rows:
        return _EMPTY
    requested = _tile("Requested", batch.total, "all rows without errors")
    if batch.refusal:
        tiles = [requested]
    elif batch.dry_run:
        tiles = [
            requested,
            _tile("Would be applied", rows.added + rows.deducted, "based on the current balances"),
            _tile("Would be added", rows.added, "rows with a positive amount"),
            _tile("Would be deducted", rows.deducted, "rows with a negative amount"),
        ]
    else:
        tiles = [
            requested,
            _tile("Applied", batch.applied_total, "all applied rows"),
            _tile("Added", rows.added, "applied rows with a positive amount"),
            _tile("Deducted", rows.deducted, "applied rows with a negative amount"),
        ]
    return _section("Points", element("dl", *tiles, class_="tiles"), _not_in_totals(batch))


def _tile(name: str, amount: Decimal | str, meaning: str) -> Markup:
    number = element("dd", element("b", points(amount)), element("span", meaning))
    return element("div", element("dt", name), number)


def _not_in_totals(batch: Batch) -> Markup:
    """Which rows are in "Requested" only, because their outcome is unknown."""
    if batch.prediction and batch.prediction.not_predicted:
        text = f"{rows_of(batch.prediction.not_predicted)} without a prediction: counted as requested only."
    elif batch.counts.in_doubt:
        text = f"{rows_of(batch.counts.in_doubt)} in doubt: counted as requested only."
    else:
        return _EMPTY
    return element("p", text, class_="small")


def problems(batch: Batch, rows: RowsView) -> Markup:
    """The rows that were not applied, or may not have been, by reason."""
    groups = rows.groups(GROUPS_MAX)
    if not groups:
        return _EMPTY
    if batch.dry_run:
        title = "Rows that would not be applied"
    elif batch.counts.in_doubt:
        title = "Rows not applied or in doubt"
    else:
        title = "Rows not applied"
    return _section(f"{title}, by reason", *_groups(groups, is_dry_run=batch.dry_run))


def _groups(groups: Sequence[ProblemGroup], *, is_dry_run: bool) -> Iterator[Markup]:
    """The groups as far as there is room: with examples, without examples, and then added up."""
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
            yield _group(ProblemGroup(outcome, OTHER, rows), (), is_dry_run)


def _group(group: ProblemGroup, examples: Sequence[ExampleRow], is_dry_run: bool) -> Markup:
    would_fail = is_dry_run and group.outcome is Outcome.NOT_SUBMITTED
    look, name = (Outcome.FAILED, "would fail") if would_fail else (group.outcome, _name(group.outcome))
    reason = group.reason[:REASON_CHARS_MAX]
    reason = reason.removeprefix(_WOULD_FAIL) if would_fail else reason
    title = element(
        "h3",
        swatch(look),
        element("span", f"{rows_of(group.rows)} {name}", class_="number"),
        element("span", quoted(reason or "no reason was given"), class_="reason"),
    )
    return element("article", title, _examples(group, examples), class_="group")


def _examples(group: ProblemGroup, examples: Sequence[ExampleRow]) -> Markup:
    if not examples:
        return element("p", "See results.csv for these rows.", class_="small")
    has_messages = group.reason == OTHER or not group.is_shared
    names = ["Line", "Customer", "Amount", *(["Message"] if has_messages else [])]
    rows = [
        [
            f"{row.line:,}",
            isolated(shown(row.customer_id)),
            isolated(shown(row.amount)),
            *([quoted(row.message.removeprefix(_WOULD_FAIL)[:REASON_CHARS_MAX])] if has_messages else []),
        ]
        for row in examples
    ]
    more = group.rows - len(examples)
    rest = element("p", f"{rows_of(more)} more in results.csv", class_="small") if more else _EMPTY
    return joined([table(names, rows, numbers=(0, 2), texts=(3,), names_at=(1,)), rest])


def jobs(batch: Batch, chunks: Sequence[Chunk]) -> Markup:
    """The jobs over time, and the chunks as a table."""
    present = [chunk for chunk in chunks if chunk.state is not ChunkState.SPLIT]
    chart = timeline(batch, chunks)
    if chart is None or batch.dry_run:
        return _EMPTY
    are_transactions = batch.send_as is SendAs.TRANSACTIONS
    explanation = sentence(
        "Each row was sent as a transaction of its own, in chunks whose outcomes are kept together. "
        if are_transactions
        else "Gameball accepts at most 1,000 rows per request, so the rows were divided into chunks. ",
        _sent(present),
        "" if are_transactions else " Gameball processes each as one job.",
        " A customer's second row waits until the first is finished." if batch.has_repeats else "",
    )
    names = ["Chunk", "Job", "Status", "Rows", "Applied", "Failed", "In doubt", "Sent (UTC)", "Took"]
    rows = [_job(chunk) for chunk in present[:JOBS_MAX]]
    left = len(present) - JOBS_MAX
    rest = element("p", f"{left:,} more in summary.json", class_="small") if left > 0 else ""
    details = joined([table(names, rows, numbers=(1, 3, 4, 5, 6, 8), look="jobs"), rest])
    if len(present) > JOBS_OPEN_MAX:
        details = element("details", element("summary", f"Show the {len(present):,} chunks"), details)
    title = "Chunks over time" if are_transactions else "Jobs over time"
    return _section(title, explanation, chart, details)


def _sent(chunks: Sequence[Chunk]) -> str:
    """How many chunks there are, and how many of them were sent."""
    sent = sum(chunk.intent_at is not None for chunk in chunks)
    if sent == len(chunks):
        return "1 chunk was sent." if sent == 1 else f"{sent:,} chunks were sent."
    return f"{sent:,} of {len(chunks):,} chunks {'was' if sent == 1 else 'were'} sent."


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
        duration(ended - sent) if sent and ended else "",
    ]


def files(batch: Batch) -> Markup:
    """The result files beside the page."""
    meanings = {
        "results.csv": "every row of the file with its outcome, in the order of the file",
        "fix-me.csv": _meaning_of_fix_me(batch),
        "summary.json": "the numbers of this report, for programs",
    }
    names = meanings if batch.counts.rows else ["summary.json"]
    items = [element("li", element("a", name, href=name), f": {meanings[name]}") for name in names]
    where = sentence(
        "The links work where the files are in the same folder as this page. To download them all: ",
        element("code", f"adjust results {batch.batch_id}"),
        ". In the bucket they are under ",
        element("code", f"results/{batch.batch_id}/"),
        ".",
    )
    return _section("Files", element("ul", *items), element("div", where, class_="small"))


def _meaning_of_fix_me(batch: Batch) -> str:
    if batch.dry_run or batch.refusal:
        return "the rows to correct, with the reason; drop the whole file, not this one"
    return "the original rows that can safely be dropped again, with the reason"


def history(batch: Batch) -> Markup:
    """How the file was read, what held the batch, and who decided what."""
    items = [element("li", "Submitted by ", isolated(who), ".")] if (who := _submitter_of(batch)) else []
    items += [element("li", isolated(note)) for note in notes_of(batch)]
    items += [element("li", "Held for approval: ", isolated(guard), ".") for guard in batch.held_by]
    if batch.approved_by:
        items.append(element("li", "Approved by ", isolated(batch.approved_by), *_on(batch.approved_at), "."))
    if batch.stopped_by:
        items.append(element("li", "Stopped by ", isolated(batch.stopped_by), *_on(batch.stopped_at), "."))
    items += [element("li", text, element("code", other)) for text, other in _reversals(batch) if other]
    if batch.source.sha256:
        items.append(element("li", "SHA-256 of the rows: ", element("code", batch.source.sha256)))
    made = element("ul", *items) if items else _EMPTY
    return _section("Processing details", made, _resolutions(batch)) if items else _EMPTY


def _on(at: datetime | None) -> tuple[object, ...]:
    return (" on ", moment(at)) if at else ()


def foot() -> Markup:
    """Which version wrote the page."""
    text = f"Written by balance adjustments for Gameball, version {__version__}."
    return element("footer", text, class_="small")


def _submitter_of(batch: Batch) -> str:
    return submitter_text(batch.submitted_by) if batch.submitted_by else ""


def _reversals(batch: Batch) -> list[tuple[str, str]]:
    return [("Reverses batch ", batch.reverses), ("Reversed by batch ", batch.reversed_by)]


def _resolutions(batch: Batch) -> Markup:
    if not batch.resolutions:
        return _EMPTY
    rows = [
        [moment(done.at), f"{done.rows:,}", isolated(done.by), isolated(done.note[:NOTE_CHARS_MAX])]
        for done in batch.resolutions[-RESOLUTIONS_MAX:]
    ]
    title = element("h3", "Rows in doubt that were resolved later")
    return joined([title, table(["When", "Rows", "By", "Note"], rows, numbers=(1,), texts=(2, 3))])


def _name(outcome: Outcome) -> str:
    return outcome.value.replace("_", " ")


def _section(title: str, *parts: object) -> Markup:
    return element("section", element("h2", title), *parts)
