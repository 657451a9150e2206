"""The words of the page: what came out, what to do next, and numbers and times as people write them."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from adjustments.batches.lookup_rounds import expected_end, next_round_at
from adjustments.batches.records import Batch, Counts, Outcome
from adjustments.batches.states import BatchStatus
from adjustments.results.emails import VERDICTS
from adjustments.results.report_html.markup import Markup, element, joined

MEANINGS: Final = {
    Outcome.APPLIED: "the customer's balance was changed",
    Outcome.FAILED: "Gameball refused the row; the balance is as it was",
    Outcome.REJECTED: "the row can't be read as it stands, so it was never sent",
    Outcome.NOT_SUBMITTED: "never sent; the balance is as it was",
    Outcome.IN_DOUBT: "sent, but no answer tells whether the balance was changed",
}

_MINUTE_S: Final = 60


def headline(batch: Batch, prediction: Mapping[str, int]) -> str:
    """The verdict with its numbers."""
    counts = batch.counts
    match batch.status:
        case BatchStatus.COMPLETED:
            all_rows = "the one row was" if counts.rows == 1 else f"all {counts.rows:,} rows were"
            return f"Done: {all_rows} applied"
        case BatchStatus.COMPLETED_WITH_ERRORS:
            return f"Done, but {_some(counts.rows - counts.applied, counts)} not applied"
        case BatchStatus.VALIDATED:
            return f"Dry run, nothing was sent: {_found(batch, prediction)}"
        case BatchStatus.STOPPED:
            return f"Stopped: {_some(counts.not_submitted, counts)} never sent"
        case BatchStatus.NEEDS_ATTENTION if counts.in_doubt:
            verb = "is" if counts.in_doubt == 1 else "are"
            share = f"{counts.in_doubt:,} of {rows_of(counts.rows)}"
            return f"{share} {verb} in doubt: a person has to look"
        case BatchStatus.NEEDS_ATTENTION:
            return "Out of time: a person has to look"
        case _:
            return VERDICTS.get(batch.status, batch.status.value).rstrip(".")


def _found(batch: Batch, prediction: Mapping[str, int]) -> str:
    unknown, whole = prediction.get("notPredicted", 0), rows_of(batch.counts.rows)
    if bad := would_not_go(batch, prediction):
        rest = f", {unknown:,} could not be foretold" if unknown else ""
        return f"{bad:,} of {whole} would not be applied{rest}"
    return f"{unknown:,} of {whole} could not be foretold" if unknown else "nothing wrong found"


def _some(part: int, counts: Counts) -> str:
    return f"{part:,} of {rows_of(counts.rows)} {'was' if part == 1 else 'were'}"


def explanation(batch: Batch) -> str:
    """The verdict in whole sentences."""
    match batch.status:
        case BatchStatus.COMPLETED:
            return "Every adjustment of the file has reached its customer's balance, once."
        case BatchStatus.COMPLETED_WITH_ERRORS:
            return (
                f"{batch.counts.applied:,} were applied, once each. The others changed no balance, "
                "and it is known why."
            )
        case BatchStatus.VALIDATED:
            return "The file was read and checked row by row, as asked for. No balance was changed."
        case BatchStatus.REJECTED:
            return "The file as a whole could not be accepted, so no balance was changed."
        case BatchStatus.STOPPED:
            return (
                f"Nothing more is sent. {batch.counts.applied:,} rows had been applied by then and stay "
                "applied; what was never sent changed no balance."
            )
        case BatchStatus.NEEDS_ATTENTION if batch.counts.in_doubt:
            return (
                "Rows in doubt were sent to Gameball, and no answer tells what became of them. Each may or "
                "may not have changed its customer's balance. They are never sent again unasked."
            )
        case _:
            return "Not everything had ended when the batch's time was over."


def next_steps(batch: Batch) -> Iterator[Markup]:
    """What to do now, step by step."""
    to_fix = batch.counts.failed + batch.counts.rejected + batch.counts.not_submitted
    match batch.status:
        case BatchStatus.COMPLETED:
            yield _step("Nothing is left to do. ", _file("results.csv"), " proves what became of each row.")
            yield _reversal(batch, "If it turns out to be a mistake")
        case BatchStatus.VALIDATED:
            yield from _steps_after_dry_run(batch)
        case BatchStatus.REJECTED if batch.source.sha256:
            # Its rows could be read, and were accepted before: nobody should drop them again unawares.
            yield _step("If that batch exists and the rows were meant once, nothing is left to do.")
            yield _step("If they are meant to be applied once more, do what is said above, and only then.")
        case BatchStatus.REJECTED:
            yield _step("Correct what is said above, in the file itself or where it is exported.")
            yield _step("Drop it again. Nothing was sent, so nothing can be applied twice.")
        case BatchStatus.NEEDS_ATTENTION:
            yield from _steps_in_doubt(batch)
            if to_fix:
                yield from _steps_to_fix(batch)
        case _:
            yield from _steps_to_fix(batch)
            yield _reversal(batch, "If the rows that were applied turn out to be a mistake")


def _steps_after_dry_run(batch: Batch) -> Iterator[Markup]:
    foretold = batch.prediction.to_json() if batch.prediction else {}
    if would_not_go(batch, foretold):
        yield _step(
            "Look at the rows listed below, which are in ", _file("fix-me.csv"), " as well, and correct them."
        )
    if foretold.get("notPredicted"):
        yield _step(
            "For some rows no balance could be looked up: try the dry run again later, or live with it."
        )
    yield _step("Drop the file again without asking for a dry run; only then anything is sent.")


def _steps_in_doubt(batch: Batch) -> Iterator[Markup]:
    resolve = f"adjust resolve {batch.batch_id}"
    yield _step(
        element("strong", "Do not send the rows in doubt again, and do not drop the original file again: "),
        "customers could get or lose the points twice.",
    )
    yield _step(
        "Look these customers up at Gameball: does the list of transactions show the amount, at the time "
        "of this batch? ",
        *_looked_up(batch),
    )
    yield _step(
        "Tell what you found, for all rows or line by line: ",
        element("code", f"{resolve} applied --line 12 --note '…'"),
        " or ",
        element("code", f"{resolve} not-applied --note '…'"),
        ". This page and the files are then written anew.",
    )


def _looked_up(batch: Batch) -> Iterator[object]:
    """How far the system itself has looked the rows in doubt up, and when it goes on."""
    state = batch.reconciliation
    if not state.looked_at:
        yield "The system begins to look them up with its next sweep, and clears what it can prove."
    elif state.rows_left:
        rows = rows_of(state.rows_asked + state.rows_left)
        yield f"The system has looked up {state.rows_asked:,} of {rows} in doubt, up to "
        yield moment(state.looked_at)
        yield ", and cleared what it could prove; the others follow"
        if end := expected_end(batch):
            yield ", at this pace until "
            yield moment(end)
        yield "."
    else:
        yield f"The system has looked up all {rows_of(state.rows_asked)} in doubt, the last on "
        yield moment(state.looked_at)
        yield ", and cleared what it could prove. "
        if again := next_round_at(batch):
            yield "It looks again after "
            yield moment(again)
            yield "."
        else:
            yield "It does not look again: what is left is for a person to resolve."


def _steps_to_fix(batch: Batch) -> Iterator[Markup]:
    yield _step(
        "Open ",
        _file("fix-me.csv"),
        ": it holds just the rows that were not applied, and why, in the last column.",
    )
    yield _step("Correct them there, and remove what should not be sent. The column “error” may stay.")
    yield _step(
        "Drop that file, for example with ",
        element("code", "adjust submit fix-me.csv"),
        ". Do not drop the original file again: rows that were applied would be applied twice.",
    )


def _reversal(batch: Batch, when: str) -> Markup:
    command = element("code", f"adjust reverse {batch.batch_id}")
    return _step(
        f"{when}: ", command, " makes a file that takes back exactly what was applied, for you to drop."
    )


def _step(*parts: object) -> Markup:
    return element("li", *parts)


def _file(name: str) -> Markup:
    return element("a", name, href=name)


def would_not_go(batch: Batch, prediction: Mapping[str, int]) -> int:
    """Rows of a dry run that a real run would not apply."""
    would_fail = prediction.get("wouldOverdraw", 0) + prediction.get("unknownCustomer", 0)
    return batch.counts.rejected + would_fail


def not_sure_to_go(batch: Batch, prediction: Mapping[str, int]) -> int:
    """Rows of a dry run that a real run would not apply, or of which nobody can tell."""
    return would_not_go(batch, prediction) + prediction.get("notPredicted", 0)


def rows_of(rows: int) -> str:
    """A number of rows."""
    return f"{rows:,} row" if rows == 1 else f"{rows:,} rows"


def points(amount: Decimal | str, *, signed: bool = False) -> str:
    """An amount as people write it; a real minus, so that it is as wide as a plus."""
    number = Decimal(amount)
    text = f"{number:+,f}" if signed and number else f"{number:,f}"
    return text.replace("-", "\N{MINUS SIGN}")


def percent(part: int, whole: int) -> str:
    """A share; one that is not nothing is never written as nothing, nor as all."""
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "under 0.1 %"
    if 99.9 < share < 100:
        return "over 99.9 %"
    return f"{share:.1f} %".replace(".0 %", " %")


def moment(at: datetime) -> Markup:
    """A time, for people and for machines."""
    return element("time", f"{at.day} {at:%B %Y, %H:%M:%S} UTC", datetime=f"{at:%Y-%m-%dT%H:%M:%SZ}")


def duration(took: timedelta) -> str:
    """How long something took, with two units at most; empty when it took no time that could be seen."""
    seconds = took.total_seconds()
    if seconds < 0.05:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    minutes, rest_s = divmod(round(seconds), _MINUTE_S)
    if minutes < _MINUTE_S:
        return f"{minutes} min {rest_s} s"
    hours, rest = divmod(minutes, _MINUTE_S)
    return f"{hours} h {rest} min"


def sentence(*parts: object) -> Markup:
    """A paragraph."""
    return element("p", joined(parts))
