"""One batch for people: its status, the outcomes of its rows, who decided what, and the next step."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from adjustments.batches.batch_parts import Submitter
from adjustments.core.printable import visible
from adjustments.results.formats import submitter_text
from cli.batch_watcher import AWAITING_APPROVAL, FINAL, progress_line, rows_at_risk
from cli.context import CommandContext
from cli.output import moment, number, outcomes, points, prediction, rows_text, status_of


def show_batch(context: CommandContext, batch: Mapping[str, Any]) -> None:
    """Write one batch."""
    context.output.pairs(
        [
            ("batch", str(batch.get("batchId", ""))),
            ("status", status_of(batch)),
            *facts_of(batch),
            ("next", _next(context, batch)),
        ]
    )


def facts_of(batch: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values of what is known of a batch; a value that is not known (yet) is empty."""
    message, held_by = visible(batch.get("message", "")), visible("; ".join(batch.get("heldBy", [])))
    return [
        ("why", message if message != held_by else ""),
        ("held by", held_by),
        ("file", visible(batch.get("source", {}).get("key", ""))),
        ("submitted by", _submitter_of(batch)),
        ("progress", progress_line(batch)),
        ("outcomes", outcomes(batch)),
        ("predicted", prediction(batch)),
        ("looked up", looked_up(batch)),
        ("points", points_of(batch)),
        *_preview(batch),
        ("received", moment(batch.get("createdAt"))),
        ("ended", moment(batch.get("finishedAt"))),
        *_decisions(batch),
        ("notes", visible("; ".join(batch.get("notes", [])))),
    ]


def _submitter_of(batch: Mapping[str, Any]) -> str:
    """Who submitted the batch, and how that is known; empty where it was not recorded."""
    submitter = batch.get("submittedBy")
    return submitter_text(Submitter.read(submitter)) if submitter else ""


def is_submitted_by(batch: Mapping[str, Any], identity: str) -> bool:
    """Whether an IAM identity submitted the batch, or its file claims so."""
    return Submitter.read(batch.get("submittedBy") or {}).is_by(identity)


def approval_of(batch: Mapping[str, Any]) -> dict[str, Any]:
    """What an approval names, so that it holds for the batch exactly as it was shown."""
    shown = {
        "sha256": batch.get("source", {}).get("sha256"),
        "rows": batch.get("progress", {}).get("acceptedRows"),
        "requested": batch.get("totals", {}).get("requested"),
    }
    return {name: value for name, value in shown.items() if value is not None}


def cost_of_stop(batch: Mapping[str, Any], keep_jobs: bool) -> Iterator[str]:
    """Say what stopping a batch means for its rows."""
    progress = batch.get("progress") or {}
    accepted, sent = progress.get("acceptedRows", 0), progress.get("sentRows", 0)
    rows, jobs = progress.get("runningRows", 0), running_jobs(batch)
    if batch.get("sendAs") == "transactions":
        known = progress.get("settledRows", 0)
        yield f"known by now: {number(known)} of {number(accepted)} rows; what was applied stays applied"
        yield "rows that are on their way end; within about a second no further one is sent"
        return
    if not sent:
        yield f"nothing was sent yet, and none of its {number(accepted)} rows will be"
        return
    yield f"sent: {number(sent)} of {number(accepted)} rows; what Gameball has applied stays applied"
    if accepted > sent:
        yield f"will not be sent: {number(accepted - sent)} rows"
    if not jobs:
        return
    running = f"in running jobs ({number(jobs)}): {number(rows)} rows"
    if keep_jobs:
        yield f"{running}; these jobs finish and list the outcome of each row"
        return
    yield (
        f"{running}; a stop of these jobs is requested, and Gameball may then list none of their rows, which "
        "stay in doubt until they are looked up"
    )


def running_jobs(batch: Mapping[str, Any]) -> int:
    """The number of jobs that run at Gameball."""
    return int(((batch.get("progress") or {}).get("jobs") or {}).get("running", 0))


def looked_up(batch: Mapping[str, Any]) -> str:
    """How many rows in doubt were looked up at Gameball, and when the remaining ones will be."""
    state = batch.get("reconciliation")
    if not state:
        return ""
    done, left = int(state.get("rowsLookedUp", 0)), int(state.get("rowsLeft", 0))
    if not state.get("lookedUpAt"):
        return f"none of {number(left)} rows in doubt yet; starts with the next sweep" if left else ""
    if left:
        end = state.get("expectedEnd")
        rest = (
            f"the remaining ones until about {moment(end)}"
            if end
            else "the remaining ones with the next sweeps"
        )
        return f"{number(done)} of {number(done + left)} rows in doubt; {rest}"
    text = f"all {number(done)} rows in doubt, the last on {moment(state['lookedUpAt'])}"
    return f"{text}; again after {moment(again)}" if (again := state.get("nextRoundAt")) else text


def points_of(batch: Mapping[str, Any]) -> str:
    """The sums requested and applied, as far as they are known."""
    totals = batch.get("totals", {})
    if not batch.get("counts", {}).get("rows"):
        return ""
    requested = f"{points(totals.get('requested'))} requested"
    return f"{requested}, {applied} applied" if (applied := points_applied(batch)) else requested


def points_applied(batch: Mapping[str, Any]) -> str:
    """The sum that was applied; empty while it is not known, and where nothing was sent."""
    if batch.get("status") not in FINAL - {"validated", "rejected"}:
        return ""
    return points(batch.get("totals", {}).get("applied"))


def _decisions(batch: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Who approved, stopped, resolved or reversed the batch."""
    resolutions = [
        visible(f"{number(done['rows'])} rows by {done['by']} on {moment(done['at'])}: {done['note']}")
        for done in batch.get("resolutions") or []
    ]
    return [
        ("approved", _decided(batch, "approved")),
        ("stopped", _decided(batch, "stopped")),
        ("resolved", "\n".join(resolutions)),
        ("reverses", str(batch.get("reverses") or "")),
        ("reversed", f"by {by}" if (by := batch.get("reversedBy")) else ""),
    ]


def _decided(batch: Mapping[str, Any], what: str) -> str:
    by, at = visible(batch.get(f"{what}By") or ""), batch.get(f"{what}At")
    return f"{by} on {moment(at)}" if by and at else by


def _preview(batch: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an approver sees of the rows of a batch that waits."""
    seen = batch.get("preview")
    if not seen or batch.get("status") != AWAITING_APPROVAL:
        return []
    new = seen.get("newCustomers")
    known = "how many are new was not counted"
    if new is not None:
        known = f"{number(new)} of them are in no batch of the last 30 days"
    more = ", and others" if seen.get("hasMoreReasons") else ""
    reasons = [f"{_reason(one)} ({rows_text(one['rows'])})" for one in seen["reasons"]]
    return [
        ("added", points(seen["added"])),
        ("deducted", points(seen["deducted"])),
        ("customers", f"{number(seen['customers'])}; {known}"),
        ("overdrafts", _overdrafts(seen.get("dryRun"))),
        ("reasons", ", ".join(reasons) + more),
        ("first rows", "\n".join(map(_row_line, seen["firstRows"]))),
        ("largest rows", "\n".join(map(_row_line, seen["largestRows"]))),
    ]


def _overdrafts(dry_run: Mapping[str, Any] | None) -> str:
    if not dry_run:
        return "not known: there was no dry run of these rows"
    return f"{prediction(dry_run)}, by the dry run {dry_run['batchId']} on {moment(dry_run['at'])}"


def _row_line(row: Mapping[str, Any]) -> str:
    return f"line {row['line']:,}: {visible(row['customerId'])}, {points(row['amount'])}, {_reason(row)}"


def _reason(of: Mapping[str, Any]) -> str:
    return f'"{visible(of["reason"])}"' if of["reason"] else "no reason"


def _next(context: CommandContext, batch: Mapping[str, Any]) -> str:
    """What a person can do next."""
    name, counts = batch.get("batchId"), batch.get("counts", {})
    results_of = context.hint(f"results {name}")
    match batch.get("status"):
        case "awaiting_approval":
            return f"{context.hint(f'approve {name}')}\nor {context.hint(f'stop {name}')}"
        case "completed_with_errors" | "stopped":
            return f"{results_of}\ncorrect fix-me.csv and submit that file, not the original"
        case "needs_attention" if counts.get("inDoubt"):
            resolve_it = context.hint(f"resolve {name} applied|not-applied --note '…'")
            return f"do not submit the rows in doubt again; look them up at Gameball, then\n{resolve_it}"
        case "rejected" if not counts.get("rows"):
            return _next_of_rejected(context, batch)
        case "validated" | "rejected":
            return _next_of_unsent(context, batch)
        case "completed" | "needs_attention":
            return results_of
        case _:
            return context.hint(f"watch {name}")


def _next_of_unsent(context: CommandContext, batch: Mapping[str, Any]) -> str:
    """Which file to submit after a dry run, or after its rows were refused: always the whole one."""
    name = visible(batch.get("source", {}).get("key", "")).rpartition("/")[2]
    submit_it = context.hint(f"submit {shlex.quote(name)} --wait")
    rows = rows_text(batch.get("counts", {}).get("rows", 0))
    whole = f"{submit_it}\nwith the same options as before; it holds all {rows}, and nothing of it was sent"
    if not rows_at_risk(batch):
        return whole
    results_of = context.hint(f"results {batch.get('batchId')}")
    return (
        f"{results_of}\n"
        f"correct the rows that fix-me.csv lists in {name} itself, then\n{whole}\n"
        "do not submit fix-me.csv as well: its rows would be applied twice"
    )


def _next_of_rejected(context: CommandContext, batch: Mapping[str, Any]) -> str:
    if earlier := batch.get("duplicateOf"):
        return f"{context.hint(f'show {earlier}')}\nnothing is left to do if the rows were meant only once"
    return "fix the problem above, and submit the file again"
