"""The commands, by what people want: drop a file, look, decide, take the results, add one transaction."""

import shlex
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import click
from rich.text import Text

from adjustments.core.ids import batch_id
from cli.batch_view import points_applied, show_batch
from cli.batch_watcher import APPEARS_WITHIN_S, AWAITING_APPROVAL, FINAL, exit_code
from cli.context import CommandContext, confirm, examples, validate_batch_id, with_context
from cli.errors import Exit, RequestRefused, ServiceError, UsageError
from cli.output import moment, number, outcomes, points, prediction, status_of

INBOX: Final = "inbox/"
ENDINGS: Final = (".csv", ".csv.gz")
STATUSES: Final = ("planned", AWAITING_APPROVAL, "submitting", "polling", *sorted(FINAL))
EXAMPLE: Final = "20261122-101500-spring-0f3c9a1b2d4e"

_batch = click.argument("batch", metavar="BATCH", callback=validate_batch_id)


@click.command(
    short_help="Drop a CSV file of adjustments.",
    epilog=examples(
        "adjust submit spring.csv --dry-run --wait",
        "adjust submit spring.csv --wait",
        "adjust submit fix-me.csv --json",
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--dry-run", is_flag=True, help="Check the file and foretell what each row would do; nothing is sent."
)
@click.option("--wait", is_flag=True, help="Watch the batch to its end; the exit code tells how it went.")
@click.option("--allow-duplicate", is_flag=True, help="Take rows that were accepted before once more.")
@with_context
def submit(context: CommandContext, file: Path, dry_run: bool, wait: bool, allow_duplicate: bool) -> int:
    """Drop a CSV file of adjustments, and tell the batch that it becomes.

    With --dry-run nothing is sent: the batch ends as validated, and tells how many rows would be applied,
    would overdraw, are unknown to Gameball or could not be foretold. With --wait as well, the exit code is 0
    only where every row would be applied.
    """
    if not file.name.lower().endswith(ENDINGS):
        raise UsageError(f"{file.name} is not taken: its name must end in {' or '.join(ENDINGS)}")
    named = {"dry-run": dry_run, "allow-duplicate": allow_duplicate}
    metadata = {name: "true" for name, is_set in named.items() if is_set}
    key, bucket, s3 = INBOX + file.name, context.stack.bucket, context.stack.s3
    with file.open("rb") as body:
        put = s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata, ContentType="text/csv")
    which: Any = {"VersionId": put["VersionId"]} if put.get("VersionId") else {}
    head = s3.head_object(Bucket=bucket, Key=key, **which)
    version = head.get("VersionId", put.get("VersionId", ""))
    # Derived as intake derives it, so that nobody has to look for the batch.
    batch = batch_id(key, head["LastModified"], (bucket, key, version))
    if not wait:
        told = {"batchId": batch, "bucket": bucket, "key": key, "versionId": version, "dryRun": dry_run}
        if context.output.is_json:
            context.output.data(told)
        else:
            context.output.say("dropped as batch ", Text(batch, style="bold"))
            context.output.say(f"to follow it: {context.hint(f'watch {batch}')}")
        return Exit.OK
    context.output.say("dropped as batch ", Text(batch, style="bold"))
    return _follow(context, batch, is_new=True)


@click.command(
    short_help="Follow a batch to its end; Ctrl-C detaches.",
    epilog=examples(f"adjust watch {EXAMPLE}", f"adjust watch {EXAMPLE} --json | jq .counts"),
)
@_batch
@with_context
def watch(context: CommandContext, batch: str) -> int:
    """Follow a batch until it has ended or waits for approval. Ctrl-C detaches; the batch goes on."""
    return _follow(context, batch, is_new=_is_recent(batch))


def _is_recent(batch: str) -> bool:
    """Whether a batch may not be there yet: its id tells when its file was dropped (UTC)."""
    try:
        dropped_at = datetime.strptime(batch[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    return datetime.now(UTC) - dropped_at < timedelta(seconds=APPEARS_WITHIN_S)


def _follow(context: CommandContext, batch: str, *, is_new: bool) -> int:
    try:
        ended = context.watcher.watch(batch, is_new=is_new)
    except KeyboardInterrupt:
        context.output.warn(
            f"detached; the batch goes on. To follow it again: {context.hint(f'watch {batch}')}"
        )
        return Exit.DETACHED
    except ServiceError as trouble:
        again = context.hint(f"watch {batch}")
        raise ServiceError(f"{trouble}. The batch goes on by itself; to follow it again: {again}") from None
    if context.output.is_json:
        context.output.data(ended)
    else:
        show_batch(context, ended)
    return exit_code(ended)


@click.command(
    "list",
    epilog=examples("adjust list", "adjust list --status needs_attention", "adjust list --limit 200 --json"),
)
@click.option(
    "--status", type=click.Choice(STATUSES), metavar="STATUS", help=f"One of {', '.join(STATUSES)}."
)
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="At most so many."
)
@with_context
def list_batches(context: CommandContext, status: str | None, limit: int) -> int:
    """List the batches, newest first."""
    found = list(context.api.batches(status, limit))
    if context.output.is_json:
        context.output.data({"batches": found})
        return Exit.OK
    rows: list[list[str | Text]] = [
        [
            str(batch.get("batchId", "")),
            status_of(batch),
            number(batch.get("counts", {}).get("rows")),
            prediction(batch) or outcomes(batch),
            points_applied(batch),
            moment(batch.get("createdAt")),
        ]
        for batch in found
    ]
    if rows:
        names = ["batch", "status", "rows", "outcomes", "points applied", "taken"]
        context.output.table(names, rows, spare=["taken", "points applied", "rows"])
    else:
        context.output.say("no batches" if status is None else f"no batches are {status}")
    return Exit.OK


@click.command(
    short_help="Show one batch, and what to do next.",
    epilog=examples(f"adjust show {EXAMPLE}", f"adjust show {EXAMPLE} --json | jq .links"),
)
@_batch
@with_context
def show(context: CommandContext, batch: str) -> int:
    """Show one batch: its status, rows, points and jobs, and what to do next."""
    found = context.api.batch(batch)
    if context.output.is_json:
        context.output.data(found)
    else:
        show_batch(context, found)
    return Exit.OK


@click.command(
    short_help="Download a batch's result files.",
    epilog=examples(f"adjust results {EXAMPLE}", f"adjust results {EXAMPLE} --to ~/spring"),
)
@_batch
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="Folder [default: ./BATCH].")
@with_context
def results(context: CommandContext, batch: str, to: Path | None) -> int:
    """Download a batch's result files; open report.html in a browser."""
    found = context.api.batch(batch)
    links = found.get("links") or {}
    if not links:
        raise RequestRefused(f"the batch is {found.get('status')}; only one that has ended has results", 409)
    folder = to or Path(_plain_name(batch))
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {name: context.api.download(url, folder / _plain_name(name)) for name, url in links.items()}
    if context.output.is_json:
        context.output.data({"folder": str(folder), "files": sizes})
    else:
        rows = [[str(folder / name), f"{size:,}"] for name, size in sizes.items()]
        context.output.table(["file", "bytes"], rows)
    return Exit.OK


def _plain_name(name: str) -> str:
    """A name that the API gave, if it is one and no path."""
    if not name or Path(name).name != name:
        raise ServiceError(f"the API names a file {name!r}, which is no plain name")
    return name


@click.command(
    short_help="Let a batch go that waits for approval.",
    epilog=examples(f"adjust approve {EXAMPLE}", f"adjust approve {EXAMPLE} --yes"),
)
@_batch
@click.option("--yes", is_flag=True, help="Don't ask.")
@with_context
def approve(context: CommandContext, batch: str, yes: bool) -> int:
    """Let a batch go that waits for approval: just what is shown, and nothing that came in between."""
    found = context.api.batch(batch)
    if found.get("status") == AWAITING_APPROVAL:
        if not context.output.is_json:
            show_batch(context, found)
        confirm(context, "Send these adjustments?", yes)
    believed = {
        "sha256": found.get("source", {}).get("sha256"),
        "rows": found.get("progress", {}).get("acceptedRows"),
        "requested": found.get("totals", {}).get("requested"),
    }
    known = {name: value for name, value in believed.items() if value is not None}
    return _decided(context, context.api.decide(batch, "approve", known), "approved")


@click.command(
    short_help="Send nothing more of a batch.",
    epilog=examples(
        f"adjust stop {EXAMPLE}",
        f"adjust stop {EXAMPLE} --keep-jobs --note 'wrong month'",
        f"adjust stop {EXAMPLE} --yes",
    ),
)
@_batch
@click.option("--note", default="", help="Why; it is told in the results.")
@click.option("--keep-jobs", is_flag=True, help="Let running jobs end; only nothing more is sent.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@with_context
def stop(context: CommandContext, batch: str, note: str, keep_jobs: bool, yes: bool) -> int:
    """Send nothing more of a batch, and ask Gameball to stop its running jobs.

    What was applied already stays applied; the results tell what that is. Gameball may list no row of a job
    that was stopped: those rows are in doubt until they are looked up. With --keep-jobs the running jobs end
    and list their rows. A stopped batch never starts again.
    """
    found = context.api.batch(batch)
    if found.get("status") not in FINAL:  # of one that has ended, the API says why it can't be stopped
        if not context.output.is_json:
            for line in _cost_of_stop(context, found, keep_jobs):
                context.output.say(line)
        confirm(context, "Stop this batch?", yes)
    fields: dict[str, Any] = {"note": note} if note else {}
    if keep_jobs:
        fields["keepJobs"] = True
    return _decided(context, context.api.decide(batch, "stop", fields), "stopped")


def _cost_of_stop(context: CommandContext, batch: Mapping[str, Any], keep_jobs: bool) -> Iterator[str]:
    """Say what a stop changes for the rows of a batch, and what not."""
    progress = batch.get("progress") or {}
    accepted, sent = progress.get("acceptedRows", 0), progress.get("sentRows", 0)
    rows, jobs = progress.get("runningRows", 0), (progress.get("jobs") or {}).get("running", 0)
    if not sent:
        yield f"nothing of it was sent yet, and nothing will be ({number(accepted)} rows)"
        return
    yield f"sent so far: {number(sent)} of {number(accepted)} rows; what Gameball has applied stays applied"
    if accepted > sent:
        yield f"will not be sent: {number(accepted - sent)} rows"
    if not jobs:
        return
    running = f"in running jobs ({number(jobs)}): {number(rows)} rows"
    if keep_jobs:
        yield f"{running}; these jobs may end, and list what became of each row"
        return
    yield (
        f"{running}; Gameball is asked to stop these jobs and may then list none of their rows, which stay "
        "in doubt until they are looked up"
    )
    keep = context.hint(f"stop {batch.get('batchId')} --keep-jobs")
    yield f"to let running jobs end: {keep}"


@click.command(
    short_help="Tell what became of rows in doubt.",
    epilog=examples(
        f"adjust resolve {EXAMPLE} applied --line 12 --line 40 --note 'seen in the list'",
        f"adjust resolve {EXAMPLE} not-applied --note 'none of them is in the list' --yes",
    ),
)
@_batch
@click.argument("outcome", type=click.Choice(["applied", "not-applied"]))
@click.option(
    "--line", "lines", multiple=True, type=click.IntRange(2), help="Only this line; may be repeated."
)
@click.option("--note", required=True, help="How you know; it is kept with your name.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@with_context
def resolve(
    context: CommandContext, batch: str, outcome: str, lines: tuple[int, ...], note: str, yes: bool
) -> int:
    """Tell what became of rows in doubt, after looking them up at Gameball: all, or line by line."""
    if not lines and (rows := context.api.batch(batch).get("counts", {}).get("inDoubt", 0)):
        confirm(context, f"Call all {rows:,} rows in doubt {outcome}?", yes)
    fields: dict[str, Any] = {"outcome": outcome.replace("-", "_"), "note": note}
    if lines:
        fields["lines"] = list(lines)
    return _decided(context, context.api.decide(batch, "resolve", fields), "resolved")


@click.command(
    short_help="Make the file that takes a batch back.",
    epilog=examples(f"adjust reverse {EXAMPLE}", f"adjust reverse {EXAMPLE} --to ~/undo"),
)
@_batch
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder [default: .]."
)
@with_context
def reverse(context: CommandContext, batch: str, to: Path) -> int:
    """Make the file that takes back what a batch applied: exactly the applied rows, with the opposite sign.

    It is downloaded, not sent: look at it, and submit it yourself. A batch is taken back once. Points come
    back without their first expiry date, and points that were spent meanwhile can't be taken.
    """
    made = context.api.decide(batch, "reversal", {})
    to.mkdir(parents=True, exist_ok=True)
    target = to / f"reversal-{_plain_name(batch)}.csv"
    context.api.download(str(made.get("url")), target)
    if context.output.is_json:
        context.output.data(
            {"file": str(target), **{name: made.get(name) for name in ("rows", "total", "key")}}
        )
    else:
        context.output.say(f"{target}: {number(made.get('rows'))} rows, {points(made.get('total'))} points")
        submit_it = context.hint(f"submit {shlex.quote(str(target))}")
        context.output.say(f"nothing is sent yet. To reverse the batch: {submit_it}")
        context.output.say("it can't restore when points expire, nor take points that were spent meanwhile")
    return Exit.OK


def _decided(context: CommandContext, answer: Mapping[str, Any], done: str) -> int:
    if context.output.is_json:
        context.output.data(answer)
        return Exit.OK
    rows = f" ({answer['rows']:,} rows)" if isinstance(answer.get("rows"), int) else ""
    context.output.say(f"{done}{rows}; the batch is now ", status_of(answer))
    if answer.get("status") not in FINAL:
        follow = context.hint(f"watch {answer.get('batchId')}")
        context.output.say(f"to follow it: {follow}")
    return Exit.OK


@click.command(
    short_help="Add one manual transaction.",
    epilog=examples(
        "adjust transact --customer C1 --points 50 --reason goodwill --username ada",
        "adjust transact --customer C1 --points -20 --reason correction --username ada --id ticket-4711",
        "adjust transact --customer C1 --amount 12.50 --reason refund --username ada --expiry-days 90",
    ),
)
@click.option("--customer", required=True, help="The customer's id.")
@click.option("--points", "whole_points", type=int, help="Points to add, or with a minus to deduct.")
@click.option("--amount", help="Money instead of points, in the account's currency; a minus deducts.")
@click.option("--reason", required=True, help="Why; the customer may see it.")
@click.option("--username", required=True, help="Who does it.")
@click.option("--id", "transaction_id", help="The transaction's id: the same id is never applied twice.")
@click.option("--expiry-days", type=int, help="Days until the points expire.")
@with_context
def transact(
    context: CommandContext,
    customer: str,
    whole_points: int | None,
    amount: str | None,
    reason: str,
    username: str,
    transaction_id: str | None,
    expiry_days: int | None,
) -> int:
    """Add one manual transaction: goodwill or a correction for one customer, applied at once.

    A transaction is applied once for its --id, however often the command is given. Without --id a fresh one
    is made up, and told.
    """
    if (whole_points is None) == (amount is None):
        raise UsageError("give --points or --amount, one of them")
    name = transaction_id or f"adjust-{uuid.uuid4()}"
    fields = {
        "customerId": customer,
        "transactionId": name,
        "username": username,
        "reason": reason,
        "points": whole_points,
        "amount": _exact(amount) if amount is not None else None,
        "expiryAfter": expiry_days,
    }
    try:
        body = {field: value for field, value in fields.items() if value is not None}
        answer = context.api.post("/transactions/manual", body)
    except ServiceError as trouble:
        raise ServiceError(
            f"{trouble}. Say the same again with --id {name}: it is not applied twice"
        ) from None
    if context.output.is_json:
        context.output.data(answer)
    else:
        what = f"{whole_points:+,} points" if whole_points is not None else f"an amount of {amount}"
        added = answer.get("gameballTransactionId")
        named = f"{name} (Gameball's {added})" if added else name
        context.output.say(f"applied {what} for {customer} as transaction {named}")
    return Exit.OK


def _exact(text: str) -> Decimal:
    """A number with exactly its digits."""
    try:
        number_of = Decimal(text)
    except InvalidOperation:
        raise UsageError(f"--amount {text!r} is no number") from None
    if not number_of.is_finite() or abs(number_of.adjusted()) > 30:
        raise UsageError(f"--amount {text!r} is no number that can be sent")
    return number_of


COMMANDS: Final = (submit, watch, list_batches, show, results, approve, stop, resolve, reverse, transact)
