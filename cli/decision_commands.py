"""Commands that decide about a batch: approve, stop, resolve, reverse."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from cli.batch_view import approval_of, cost_of_stop, running_jobs, show_batch
from cli.batch_watcher import AWAITING_APPROVAL, FINAL
from cli.context import EXAMPLE_ID, CommandContext, batch_argument, confirm, examples, with_context
from cli.downloads import download_one
from cli.errors import Exit, UsageError
from cli.output import number, points, rows_text, status_of


@click.command(
    short_help="Approve a waiting batch.",
    epilog=examples(f"adjust approve {EXAMPLE_ID}", f"adjust approve {EXAMPLE_ID} --yes"),
)
@batch_argument
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@with_context
def approve(context: CommandContext, batch: str, yes: bool) -> int:
    """Approve a waiting batch, exactly as it is shown: if it has changed since, it is not approved."""
    found = context.api.batch(batch)
    if found.get("status") == AWAITING_APPROVAL:
        if not context.output.is_json:
            show_batch(context, found)
        confirm(context, "Send these adjustments?", yes)
    return _show_decision(context, context.api.decide(batch, "approve", approval_of(found)), "approved")


@click.command(
    short_help="Stop a batch.",
    epilog=examples(
        f"adjust stop {EXAMPLE_ID}",
        f"adjust stop {EXAMPLE_ID} --keep-jobs --note 'wrong month'",
        f"adjust stop {EXAMPLE_ID} --yes",
    ),
)
@batch_argument
@click.option("--note", default="", help="Reason; shown in the results.")
@click.option("--keep-jobs", is_flag=True, help="Let running jobs finish; only stop sending.")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@with_context
def stop(context: CommandContext, batch: str, note: str, keep_jobs: bool, yes: bool) -> int:
    """Stop a batch: send nothing more of it, and ask Gameball to stop its running jobs.

    What was applied stays applied, and the results list it. Gameball may list no row of a job that was
    stopped: those rows are in doubt until they are looked up. With --keep-jobs the running jobs finish and
    list their rows. A stopped batch can't be resumed.
    """
    found = context.api.batch(batch)
    if found.get("status") not in FINAL:  # of an ended batch, the API says why it can't be stopped
        if not context.output.is_json:
            for line in _cost_of_stop(context, found, keep_jobs):
                context.output.say(line)
        confirm(context, "Stop this batch?", yes)
    fields: dict[str, Any] = {"note": note} if note else {}
    if keep_jobs:
        fields["keepJobs"] = True
    return _show_decision(context, context.api.decide(batch, "stop", fields), "stopped")


def _cost_of_stop(context: CommandContext, batch: Mapping[str, Any], keep_jobs: bool) -> Iterator[str]:
    """Say what stopping a batch means for its rows, and how its running jobs could finish."""
    yield from cost_of_stop(batch, keep_jobs)
    if running_jobs(batch) and not keep_jobs:
        keep = context.hint(f"stop {batch.get('batchId')} --keep-jobs")
        yield f"to let running jobs finish: {keep}"


@click.command(
    short_help="Record the outcome of in-doubt rows.",
    epilog=examples(
        f"adjust resolve {EXAMPLE_ID} applied --line 12 --line 40 --note 'seen in the list'",
        f"adjust resolve {EXAMPLE_ID} not-applied --note 'none of them is in the list' --yes",
    ),
)
@batch_argument
@click.argument("outcome", type=click.Choice(["applied", "not-applied"]))
@click.option(
    "--line", "lines", multiple=True, type=click.IntRange(2), help="Only this line; can be repeated."
)
@click.option("--note", required=True, help="Evidence; recorded with your identity.")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@with_context
def resolve(
    context: CommandContext, batch: str, outcome: str, lines: tuple[int, ...], note: str, yes: bool
) -> int:
    """Record the outcome of in-doubt rows, all or line by line, after looking them up at Gameball."""
    if not lines and (rows := context.api.batch(batch).get("counts", {}).get("inDoubt", 0)):
        confirm(context, f"Record all {number(rows)} in-doubt rows as {outcome}?", yes)
    fields: dict[str, Any] = {"outcome": outcome.replace("-", "_"), "note": note}
    if lines:
        fields["lines"] = list(lines)
    return _show_decision(context, context.api.decide(batch, "resolve", fields), "resolved")


@click.command(
    short_help="Create a reversal file.",
    epilog=examples(f"adjust reverse {EXAMPLE_ID}", f"adjust reverse {EXAMPLE_ID} --to ~/undo"),
)
@batch_argument
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder [default: .]."
)
@click.option("--overwrite", is_flag=True, help="Replace a reversal file that is there already.")
@with_context
def reverse(context: CommandContext, batch: str, to: Path, overwrite: bool) -> int:
    """Create a reversal file: the applied rows of a batch with the opposite sign.

    The file is downloaded, not sent: check it, and submit it yourself. A batch can be reversed once. Expiry
    dates are not restored, and points that were spent meanwhile can't be deducted.
    """
    target = to / f"reversal-{batch}.csv"
    if target.exists() and not overwrite:
        raise UsageError(f"{target} is there already: name another folder with --to, or add --overwrite")
    made = context.api.reverse(batch)
    download_one(context.api, made["url"], f"results/{batch}/reversal.csv", target)
    if context.output.is_json:
        context.output.data(
            {"file": str(target), **{name: made.get(name) for name in ("rows", "total", "key")}}
        )
    else:
        context.output.say(f"{target}: {number(made.get('rows'))} rows, {points(made.get('total'))} points")
        submit_it = context.hint(f"submit {shlex.quote(str(target))}")
        context.output.say(f"nothing was sent yet; to reverse the batch: {submit_it}")
        context.output.say(
            "expiry dates are not restored; points that were spent meanwhile can't be deducted"
        )
    return Exit.OK


def _show_decision(context: CommandContext, answer: Mapping[str, Any], done: str) -> int:
    if context.output.is_json:
        context.output.data(answer)
        return Exit.OK
    rows = f" ({rows_text(answer['rows'])})" if isinstance(answer.get("rows"), int) else ""
    context.output.say(f"{done}{rows}; the batch is now ", status_of(answer))
    if answer.get("status") not in FINAL:
        watch = context.hint(f"watch {answer.get('batchId')}")
        context.output.say(f"to watch it: {watch}")
    return Exit.OK
