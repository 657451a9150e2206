"""What people are told of a batch by mail: the verdict, the numbers, what to do, and where to look."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from adjustments.batches.records import Batch, Prediction
from adjustments.batches.states import BatchStatus
from adjustments.results.summary import message_of
from adjustments.submission.csv.printable import visible

SUBJECT_CHARS_MAX: Final = 100
"""SNS refuses a longer subject (API reference of Publish)."""

VERDICTS: Final = {
    BatchStatus.COMPLETED: "Every row was applied.",
    BatchStatus.COMPLETED_WITH_ERRORS: "Done, but some rows were not applied: see fix-me.csv.",
    BatchStatus.VALIDATED: "Dry run: the file was checked and nothing was sent.",
    BatchStatus.REJECTED: "The whole file was refused. Nothing was sent.",
    BatchStatus.STOPPED: "Stopped before everything was sent. The rest is in fix-me.csv.",
    BatchStatus.NEEDS_ATTENTION: "Some rows were sent and their outcome is unknown. Do not send them again: "
    "look them up at Gameball first.",
}
"""The verdict where there is room for one sentence, as in a mail."""

_HELD: Final = "A person has to approve this batch before anything is sent."
_CONSOLES: Final = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
_CONSOLE: Final = "console.aws.amazon.com"

_NEXT: Final[Mapping[BatchStatus, str]] = {
    BatchStatus.AWAITING_APPROVAL: "Look at it and let it go with: adjust approve {batch}\n"
    "or end it with: adjust stop {batch}",
    BatchStatus.COMPLETED_WITH_ERRORS: "Correct the rows in fix-me.csv and drop that file; "
    "never the original one again, whose other rows were applied.",
    BatchStatus.STOPPED: "Find out why, then drop fix-me.csv; never the original file again.",
    BatchStatus.VALIDATED: "Drop the file again without dry-run to apply it.",
    BatchStatus.REJECTED: "Mend what is said above, then drop the file again. Nothing of it was sent.",
    BatchStatus.NEEDS_ATTENTION: "What to do with rows in doubt stands in report.html, step by step.",
}


class ResultsLocation(NamedTuple):
    """Where results lie: the bucket, and the region and partition of its console."""

    bucket: str
    region: str
    partition: str = "aws"


class Email(NamedTuple):
    """A mail in plain text."""

    subject: str
    text: str


def batch_email(batch: Batch, place: ResultsLocation) -> Email:
    """Write the mail on a batch's present status."""
    subject = f"{batch.status.value.replace('_', ' ')}: {batch.batch_id}"
    parts = ("\n".join(part) for part in (_verdict(batch), _numbers(batch), _what_to_do(batch, place)))
    return Email(subject[:SUBJECT_CHARS_MAX], "\n\n".join(part for part in parts if part))


def _verdict(batch: Batch) -> Iterator[str]:
    yield VERDICTS.get(batch.status, _HELD)
    if message := message_of(batch):
        yield f"Why: {visible(message)}"  # on one line, or it could forge those that follow
    if batch.canary_note:
        yield f"Note: {batch.canary_note}"


def _numbers(batch: Batch) -> Iterator[str]:
    yield f"Batch: {batch.batch_id}"
    yield f"File: {visible(batch.source.key)}"
    if not batch.counts.rows:
        return
    outcomes = {name: rows for name, rows in batch.counts.values().items() if rows and name != "rows"}
    told = ", ".join(f"{rows:,} {name.replace('_', ' ')}" for name, rows in outcomes.items())
    yield f"Rows: {batch.counts.rows:,}" + (f"; {told}" if told else "")
    if batch.prediction:
        yield f"A real run: {foretold(batch.prediction)}"
    applied = (
        "" if batch.dry_run or not batch.status.is_final else f", applied {_signed(batch.applied_total)}"
    )
    yield f"Amounts: requested {_signed(batch.total)}{applied}"


def _what_to_do(batch: Batch, place: ResultsLocation) -> Iterator[str]:
    if step := _NEXT.get(batch.status):
        yield step.format(batch=batch.batch_id)
    if batch.status.is_final:
        console = _CONSOLES.get(place.partition, _CONSOLE)
        where = f"{place.bucket}?region={place.region}&prefix=results/{batch.batch_id}/"
        yield f"Results: https://{console}/s3/buckets/{where}"
        yield f"or: adjust results {batch.batch_id}"


def foretold(prediction: Prediction) -> str:
    """Say what a real run would do, by what was looked up."""
    told = {
        "would be applied": prediction.would_apply,
        "would overdraw": prediction.would_overdraw,
        "unknown to Gameball": prediction.unknown_customer,
        "not foretold": prediction.not_predicted,
    }
    return ", ".join(f"{rows:,} {name}" for name, rows in told.items() if rows) or "no row could be sent"


def missed_tick_email(due: str) -> Email:
    """Write the mail on a tick of the recurring schedule that came too late to be acted on."""
    text = (
        f"The recurring schedule was due at {due} and came so late that nothing was submitted for it. "
        "To make up for it, copy the files from recurring/ into inbox/."
    )
    return Email("recurring schedule missed", text)


def _signed(amount: str) -> str:
    return f"{Decimal(amount):+,f}"
