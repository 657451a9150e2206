"""The sentences of the page: headline, explanation and next steps of each status."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from adjustments.batches.batch_parts import Prediction
from adjustments.batches.lookup_rounds import expected_round_end, next_round_at
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus, Outcome
from adjustments.results.formats import file_name, is_recurring_check, points, rows_of, way_to_apply
from adjustments.results.report_html.markup import Markup, element, isolated, joined

MEANINGS: Final = {
    Outcome.APPLIED: "the customer's balance was changed",
    Outcome.FAILED: "Gameball refused the row; the balance is unchanged",
    Outcome.REJECTED: "the row has an error and was not sent; the balance is unchanged",
    Outcome.NOT_SUBMITTED: "the row was not sent; the balance is unchanged",
    Outcome.IN_DOUBT: "the row was sent, but it is unknown whether the balance was changed",
}


def headline(batch: Batch) -> str:
    """The result with its numbers."""
    counts = batch.counts
    match batch.status:
        case BatchStatus.COMPLETED:
            all_rows = "the row was" if counts.rows == 1 else f"all {counts.rows:,} rows were"
            return f"Completed: {all_rows} applied"
        case BatchStatus.COMPLETED_WITH_ERRORS:
            return f"Completed, but {_share(counts.rows - counts.applied, batch)} not applied"
        case BatchStatus.VALIDATED:
            return f"Dry run, nothing was sent: {_findings(batch)}"
        case BatchStatus.REJECTED:
            return "The file was rejected, nothing was sent"
        case BatchStatus.STOPPED:
            return f"Stopped: {_share(counts.not_submitted, batch)} not sent"
        case BatchStatus.NEEDS_ATTENTION:
            return f"Action needed: {_open_point(batch)}"
        case other:
            return other.value.replace("_", " ")


def _open_point(batch: Batch) -> str:
    in_doubt = batch.counts.in_doubt
    if not in_doubt:
        return "the batch did not finish in time"
    return f"{in_doubt:,} of {rows_of(batch.counts.rows)} {'is' if in_doubt == 1 else 'are'} in doubt"


def _share(part: int, batch: Batch) -> str:
    return f"{part:,} of {rows_of(batch.counts.rows)} {_was(part)}"


def _was(rows: int) -> str:
    return "was" if rows == 1 else "were"


def _findings(batch: Batch) -> str:
    unpredicted = (batch.prediction or Prediction()).not_predicted
    all_rows = rows_of(batch.counts.rows)
    if bad := would_not_be_applied(batch):
        rest = f", {unpredicted:,} could not be predicted" if unpredicted else ""
        return f"{bad:,} of {all_rows} would not be applied{rest}"
    return f"{unpredicted:,} of {all_rows} could not be predicted" if unpredicted else "no problem found"


def explanation(batch: Batch) -> str:
    """The result in whole sentences."""
    applied = batch.counts.applied
    match batch.status:
        case BatchStatus.COMPLETED:
            return "Each row of the file was applied to its customer's balance exactly once."
        case BatchStatus.COMPLETED_WITH_ERRORS:
            return (
                f"{rows_of(applied)} {_was(applied)} applied, each exactly once. The other rows changed no "
                "balance; their reasons are listed below."
            )
        case BatchStatus.VALIDATED:
            return "Each row of the file was checked. Nothing was sent, so no balance was changed."
        case BatchStatus.REJECTED:
            return "The file as a whole could not be accepted. Nothing was sent, so no balance was changed."
        case BatchStatus.STOPPED:
            return (
                f"No more rows are sent. {rows_of(applied)} {_was(applied)} applied before the stop and stay "
                "applied. Rows that were not sent changed no balance."
            )
        case BatchStatus.NEEDS_ATTENTION if batch.counts.in_doubt:
            return (
                "Rows in doubt were sent to Gameball, but no answer says whether they were applied. Each may "
                "or may not have changed its customer's balance. They are never sent again automatically."
            )
        case _:
            return "The time limit of the batch was reached before all rows were sent or answered."


def next_steps(batch: Batch) -> Iterator[Markup]:
    """What to do now, step by step."""
    match batch.status:
        case BatchStatus.COMPLETED:
            yield _step("Nothing is left to do. ", _file("results.csv"), " lists the outcome of each row.")
            yield _reversal(batch, "If the file was a mistake")
        case BatchStatus.VALIDATED:
            yield from _steps_after_dry_run(batch)
        case BatchStatus.REJECTED:
            yield from _steps_after_rejection(batch)
        case BatchStatus.NEEDS_ATTENTION:
            yield from _steps_for_attention(batch)
        case _:
            yield from _steps_to_fix(batch)
            if batch.counts.applied:
                yield _reversal(batch, "If the rows that were applied were a mistake")


def _steps_after_dry_run(batch: Batch) -> Iterator[Markup]:
    dropped = isolated(file_name(batch.source.key))
    has_findings = would_not_be_applied(batch)
    if has_findings:
        yield _step(
            "Correct the rows that are listed below in ", dropped, " itself. ",
            _file("fix-me.csv"), " lists them all, with the reasons.",
        )  # fmt: skip
    if batch.prediction and batch.prediction.not_predicted:
        yield _step(
            "For some rows no balance could be looked up. Repeat the dry run later, or go on without a "
            "prediction for them."
        )
    if is_recurring_check(batch):
        yield _step("It is applied at each tick of the schedule, as it lies under recurring/ then.")
        return
    rows = f"{rows_of(batch.counts.rows)} (points requested: {points(batch.total)})"
    yield _step(
        "To apply the file, drop ", dropped, f" {way_to_apply(batch.source.key)}. It holds all ", rows,
        ". Nothing is sent before that.",
        *(_not_fix_me_as_well() if has_findings else ()),
    )  # fmt: skip


def _not_fix_me_as_well() -> Iterator[object]:
    yield from (" Do not drop ", _file("fix-me.csv"), " as well: its rows would be applied twice.")


def _steps_after_rejection(batch: Batch) -> Iterator[Markup]:
    if batch.source.sha256:
        # The rows were readable but accepted before: nobody should drop them again by accident.
        yield _step("If that batch exists and the rows were meant only once, nothing is left to do.")
        yield _step("If they are meant to be applied once more, follow the reason given above.")
        return
    if batch.counts.rows:
        dropped = isolated(file_name(batch.source.key))
        yield _step(
            "Correct the rows that are listed below in ", dropped, " itself, or in the system that exports "
            "it. ", _file("fix-me.csv"), " lists them all, with the reasons.",
        )  # fmt: skip
        yield _step(
            "Drop ", dropped, " again, the whole file: nothing of it was sent.", *_not_fix_me_as_well(),
        )  # fmt: skip
        return
    yield _step("Fix the problem described above, in the file or in the system that exports it.")
    yield _step("Drop the file again. Nothing was sent, so nothing can be applied twice.")


def _steps_for_attention(batch: Batch) -> Iterator[Markup]:
    if batch.counts.in_doubt:
        yield from _steps_in_doubt(batch)
    else:
        yield _step("The outcome of every row is known, so no customer has to be looked up.")
    if batch.counts.failed + batch.counts.rejected + batch.counts.not_submitted:
        yield from _steps_to_fix(batch)


def _steps_in_doubt(batch: Batch) -> Iterator[Markup]:
    yield _step(
        element("strong", "Do not send the rows in doubt again, and do not drop the original file again: "),
        "customers could receive or lose the points twice.",
    )
    yield _step(
        "Look these customers up in Gameball: do their transactions show the amount, at the time of this "
        "batch? ",
        *_looked_up(batch),
    )
    yield _step(
        "Record what you found, for all rows in doubt or (with ",
        element("code", "--line"),
        ") for single lines:",
        _command(f"adjust resolve {batch.batch_id} applied --line 12 --note '…'"),
        _command(f"adjust resolve {batch.batch_id} not-applied --note '…'"),
        "This report and the result files are then regenerated.",
    )


def _looked_up(batch: Batch) -> Iterator[object]:
    """How many rows in doubt the system itself has looked up, and when it goes on."""
    state = batch.reconciliation
    if not state.looked_up_at:
        yield "The system starts to look them up with its next sweep, and resolves what it can prove."
    elif state.rows_left:
        rows = rows_of(state.rows_looked_up + state.rows_left)
        yield f"The system has looked up {state.rows_looked_up:,} of {rows} in doubt by "
        yield moment(state.looked_up_at)
        yield ", and resolved the rows that it could prove; the others follow"
        if end := expected_round_end(batch):
            yield ", at this pace by "
            yield moment(end)
        yield "."
    else:
        yield f"The system has looked up all {rows_of(state.rows_looked_up)} in doubt, the last on "
        yield moment(state.looked_up_at)
        yield ", and resolved the rows that it could prove. "
        if again := next_round_at(batch):
            yield "It looks them up again after "
            yield moment(again)
            yield "."
        else:
            yield "It does not look them up again: a person has to resolve the others."


def _steps_to_fix(batch: Batch) -> Iterator[Markup]:
    yield _step(
        "Open ", _file("fix-me.csv"), ": it holds exactly the rows that were not applied. ",
        "The last column gives the reason.",
    )  # fmt: skip
    yield _step("Correct the rows, and delete those that should not be sent. The column “error” may stay.")
    original = "Do not drop the original file again: rows that were applied could be applied twice."
    yield _step("Drop the corrected file, for example with", _command("adjust submit fix-me.csv"), original)


def _reversal(batch: Batch, when: str) -> Markup:
    return _step(
        f"{when}, create a file that reverses exactly the applied rows, check it, and drop it:",
        _command(f"adjust reverse {batch.batch_id}"),
    )


def _step(*parts: object) -> Markup:
    return element("li", *parts)


def _file(name: str) -> Markup:
    return element("a", name, href=name)


def _command(text: str) -> Markup:
    """A command on a line of its own."""
    return element("code", text, class_="command")


def would_not_be_applied(batch: Batch) -> int:
    """Rows of a dry run that a real run would not apply."""
    prediction = batch.prediction or Prediction()
    return batch.counts.rejected + prediction.would_overdraw + prediction.unknown_customer


def moment(at: datetime) -> Markup:
    """A time, for people and for programs."""
    return element("time", f"{at.day} {at:%B %Y, %H:%M:%S} UTC", datetime=f"{at:%Y-%m-%dT%H:%M:%SZ}")


def sentence(*parts: object) -> Markup:
    """A paragraph."""
    return element("p", joined(parts))
