"""The e-mails on a batch: what happened, the numbers, what to do, and where the results are."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from adjustments.batches.batch_parts import Prediction, PreviewRow
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus, SendAs
from adjustments.core import exact_json
from adjustments.core.printable import visible
from adjustments.results.formats import (
    file_name,
    is_recurring_check,
    points,
    rows_of,
    submitter_text,
    way_to_apply,
)
from adjustments.results.summary import message_of

SUBJECT_CHARS_MAX: Final = 100
"""SNS refuses a longer subject (Amazon SNS API Reference, Publish)."""

STATUS_SENTENCES: Final = {
    BatchStatus.AWAITING_APPROVAL: "Waiting for approval. Nothing is sent until a person approves the batch.",
    BatchStatus.COMPLETED: "All rows were applied.",
    BatchStatus.COMPLETED_WITH_ERRORS: "Completed, but some rows were not applied: see fix-me.csv.",
    BatchStatus.VALIDATED: "Dry run: the file was checked and nothing was sent.",
    BatchStatus.REJECTED: "The file was rejected as a whole. Nothing was sent.",
    BatchStatus.STOPPED: "Stopped before all rows were sent. The rows that were not sent are in fix-me.csv.",
    BatchStatus.NEEDS_ATTENTION: "Some rows were sent and their outcome is unknown. Do not send them again: "
    "look them up in Gameball first.",
}

_OUT_OF_TIME: Final = "The batch did not finish in time. The outcome of every row is known."
_CONSOLES: Final = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
_CONSOLE: Final = "console.aws.amazon.com"

_NEXT_STEPS: Final[Mapping[BatchStatus, str]] = {
    BatchStatus.COMPLETED_WITH_ERRORS: "Correct the rows in fix-me.csv and drop that file. "
    "Do not drop the original file again: its other rows were applied.",
    BatchStatus.STOPPED: "Find out why, then drop fix-me.csv. Do not drop the original file again.",
    BatchStatus.REJECTED: "Fix the problem described above, then drop the file again. Nothing was sent.",
    BatchStatus.NEEDS_ATTENTION: "Open report.html: it explains the next steps.",
}
_CORRECT_ROWS: Final = (
    "Correct the bad rows in {file} itself; fix-me.csv lists them. Then drop {file}, the whole file: nothing "
    "of it was sent. Do not drop fix-me.csv as well."
)
_APPLY: Final = "To apply the file, drop {file} {way}: it holds all {rows}."
_CORRECT_FIRST: Final = (
    "Check the rows in fix-me.csv and the prediction in report.html, and correct the rows in {file} itself. "
    "Then drop {file} {way}: it holds all {rows}. Do not drop fix-me.csv as well: its "
    "rows are in {file}, and would be applied twice."
)
_CORRECT_RECURRING: Final = (
    "The file is applied at each tick of the schedule, as it lies there then. Check the rows in fix-me.csv "
    "and the prediction in report.html, correct the rows in {file} itself, and drop it under recurring/ "
    "again before the next tick."
)
_ACCEPTED_BEFORE: Final = (
    "If that batch exists and the rows were meant only once, nothing is left to do. If they are meant to be "
    "applied once more, follow the reason above."
)


class ResultsLocation(NamedTuple):
    """Where the result files are: the bucket, and the region and partition of its console."""

    bucket: str
    region: str
    partition: str = "aws"


class Email(NamedTuple):
    """An e-mail in plain text."""

    subject: str
    text: str


def batch_email(batch: Batch, location: ResultsLocation, dry_run: Batch | None = None) -> Email:
    """Write the e-mail on a batch's present status.

    Args:
        batch: the batch.
        location: where its results are.
        dry_run: of a batch that waits, the last dry run of the same rows, None for none.
    """
    subject = f"{batch.status.value.replace('_', ' ')}: {batch.batch_id}"
    parts = ("\n".join(part) for part in _parts(batch, location, dry_run))
    return Email(subject[:SUBJECT_CHARS_MAX], "\n\n".join(part for part in parts if part))


def _parts(batch: Batch, location: ResultsLocation, dry_run: Batch | None) -> Iterator[Iterator[str]]:
    yield _status(batch)
    yield _numbers(batch)
    if batch.status is BatchStatus.AWAITING_APPROVAL:
        yield _preview(batch, dry_run)
        yield _decision(batch)
    yield _next_steps(batch, location)


def is_worth_a_mail(batch: Batch) -> bool:
    """Whether people are mailed: a recurring file that was checked and is well needs nobody."""
    if not is_recurring_check(batch) or batch.status is not BatchStatus.VALIDATED:
        return True
    return batch.prediction is None or _has_findings(batch, batch.prediction)


def missed_tick_email(due: str, key: str = "") -> Email:
    """Write the e-mail on a tick of the recurring schedule that came too late to be acted on.

    Args:
        due: when the tick was due, as ISO 8601.
        key: the one file of it that came too late; empty where the tick itself did.
    """
    if key:
        text = (
            f"The recurring schedule was due at {due}, but the turn of one file came too late, so it was not "
            f"submitted.\n\nFile: {visible(key)}\n\nTo submit it now, copy this one file into inbox/. "
            "The other files of the schedule have turns of their own."
        )
        return Email("recurring file missed", text)
    text = (
        f"The recurring schedule was due at {due}, but its message arrived too late, so nothing was "
        "submitted. To submit the files now, copy them from recurring/ into inbox/."
    )
    return Email("recurring schedule missed", text)


def _status(batch: Batch) -> Iterator[str]:
    is_out_of_time = batch.status is BatchStatus.NEEDS_ATTENTION and not batch.counts.in_doubt
    yield _OUT_OF_TIME if is_out_of_time else STATUS_SENTENCES[batch.status]
    if message := message_of(batch):
        yield f"Why: {message}"
    if batch.canary_note:
        yield f"Note: {visible(batch.canary_note)}"


def _numbers(batch: Batch) -> Iterator[str]:
    yield f"Batch: {batch.batch_id}"
    yield f"File: {visible(batch.source.key)}"
    if batch.submitted_by:
        yield f"Submitted by: {submitter_text(batch.submitted_by)}"
    if not batch.counts.rows:
        return
    outcomes = {name: rows for name, rows in dict(batch.counts).items() if rows and name != "rows"}
    by_outcome = ", ".join(f"{rows:,} {name.replace('_', ' ')}" for name, rows in outcomes.items())
    yield f"Rows: {batch.counts.rows:,}" + (f"; {by_outcome}" if by_outcome else "")
    if batch.prediction:
        yield f"Prediction: {_predicted(batch.prediction)}"
    has_applied = batch.status.is_final and not batch.dry_run
    applied = f", applied {points(batch.applied_total)}" if has_applied else ""
    unit = "Points" if batch.send_as is SendAs.BATCH else "Total"
    yield f"{unit}: requested {points(batch.total)}{applied}"
    is_told = batch.dry_run or not batch.status.is_final or batch.send_as is SendAs.TRANSACTIONS
    if batch.sending_note and is_told:
        yield f"How: {visible(batch.sending_note)}"


def _preview(batch: Batch, dry_run: Batch | None) -> Iterator[str]:
    """What an approver has to know of the rows. A mail names no customers: `adjust show` does."""
    seen = batch.preview
    if seen is None:
        return
    yield f"Added: {points(seen.added)}, deducted: {points(seen.deducted)}"
    new = "; how many of them are new was not counted"
    if seen.new_customers is not None:
        new = f"; {seen.new_customers:,} of them are in no batch of the last 30 days"
    yield f"Customers: {seen.customers:,}{new}"
    if dry_run and dry_run.prediction:
        yield f"Prediction of the dry run {dry_run.batch_id}: {_predicted(dry_run.prediction)}"
    else:
        yield "Overdrafts: not known, as there was no dry run of these rows"
    if seen.reasons:
        more = ", and others" if seen.has_more_reasons else ""
        named = ", ".join(f"{_quoted(one.reason)} ({rows_of(one.rows)})" for one in seen.reasons)
        yield f"Reasons: {named}{more}"
    yield "First rows:"
    yield from map(_row_line, seen.first)
    yield "Largest rows:"
    yield from map(_row_line, seen.largest)


def _row_line(row: PreviewRow) -> str:
    return f"  line {row.line:,}: {points(row.amount)}, {_quoted(row.reason)}"


def _quoted(reason: str) -> str:
    return f'"{visible(reason)}"' if reason else "no reason"


def _decision(batch: Batch) -> Iterator[str]:
    """The exact commands and calls that decide."""
    expected = {
        "sha256": batch.source.sha256,
        "rows": batch.accepted_rows,
        "requested": Decimal(batch.total),
    }
    yield "Check the batch, with the customers of these rows: adjust show " + batch.batch_id
    yield f"To approve it: adjust approve {batch.batch_id}"
    yield f"  or POST /batches/{batch.batch_id}/approve with the body {exact_json.write(expected)}"
    yield f"To stop it: adjust stop {batch.batch_id}"
    yield f"  or POST /batches/{batch.batch_id}/stop"


def _predicted(prediction: Prediction) -> str:
    rows_by_forecast = {
        "would be applied": prediction.would_apply,
        "would overdraw": prediction.would_overdraw,
        "unknown to Gameball": prediction.unknown_customer,
        "not predicted": prediction.not_predicted,
    }
    parts = [f"{rows:,} {forecast}" for forecast, rows in rows_by_forecast.items() if rows]
    return ", ".join(parts) or "no row would be sent"


def _has_findings(batch: Batch, prediction: Prediction) -> bool:
    """Whether a real run would surely or perhaps not apply every row."""
    would_fail = prediction.would_overdraw + prediction.unknown_customer
    return bool(batch.counts.rejected + would_fail + prediction.not_predicted)


def _next_steps(batch: Batch, location: ResultsLocation) -> Iterator[str]:
    if batch.duplicate_of or (batch.status is BatchStatus.REJECTED and batch.source.sha256):
        yield _ACCEPTED_BEFORE
    elif batch.status is BatchStatus.REJECTED and batch.counts.rows:
        yield _CORRECT_ROWS.format(file=visible(file_name(batch.source.key)))
    elif batch.status is BatchStatus.VALIDATED:
        yield _after_dry_run(batch)
    elif step := _NEXT_STEPS.get(batch.status):
        yield step.format(batch=batch.batch_id)
    if batch.status.is_final or batch.overlap_holds:
        yield from _links(batch, location)


def _after_dry_run(batch: Batch) -> str:
    has_findings = batch.prediction and _has_findings(batch, batch.prediction)
    advice = _CORRECT_FIRST if has_findings else _APPLY
    if is_recurring_check(batch):
        advice = _CORRECT_RECURRING
    return advice.format(
        file=visible(file_name(batch.source.key)),
        rows=rows_of(batch.counts.rows),
        way=way_to_apply(batch.source.key),
    )


def _links(batch: Batch, location: ResultsLocation) -> Iterator[str]:
    """Where the results are: in S3's console, for those who may read them, and for the command."""
    console = _CONSOLES.get(location.partition, _CONSOLE)
    place = f"{location.bucket}?region={location.region}&prefix=results/{batch.batch_id}/"
    if batch.status.is_final:
        yield f"Report: https://{console}/s3/object/{place}report.html"
    if batch.status.is_final and batch.counts.rows > batch.counts.applied:
        yield f"Rows to fix: https://{console}/s3/object/{place}fix-me.csv"
    yield f"Results: https://{console}/s3/buckets/{place}"
    yield f"or: adjust results {batch.batch_id}"
