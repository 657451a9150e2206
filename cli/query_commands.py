"""Commands that only read: list batches, show one, download its results."""

from pathlib import Path
from typing import Final

import click
from rich.text import Text

from cli.api_client import plain_name
from cli.batch_view import points_applied, show_batch
from cli.batch_watcher import AWAITING_APPROVAL, FINAL
from cli.context import EXAMPLE_ID, CommandContext, batch_argument, examples, with_context
from cli.errors import Exit, RequestRefused
from cli.output import moment, number, outcomes, prediction, status_of

STATUSES: Final = ("planned", AWAITING_APPROVAL, "submitting", "polling", *sorted(FINAL))


@click.command(
    "list",
    epilog=examples("adjust list", "adjust list --status needs_attention", "adjust list --limit 200 --json"),
)
@click.option(
    "--status", type=click.Choice(STATUSES), metavar="STATUS", help=f"One of {', '.join(STATUSES)}."
)
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Maximum number of batches.",
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
        names = ["batch", "status", "rows", "outcomes", "points applied", "received"]
        context.output.table(names, rows, spare=["received", "points applied", "rows"])
    else:
        context.output.say("no batches" if status is None else f"no batches with status {status}")
    return Exit.OK


@click.command(
    short_help="Show one batch and the next step.",
    epilog=examples(f"adjust show {EXAMPLE_ID}", f"adjust show {EXAMPLE_ID} --json | jq .links"),
)
@batch_argument
@with_context
def show(context: CommandContext, batch: str) -> int:
    """Show one batch: its status, rows, points and jobs, and the next step."""
    found = context.api.batch(batch)
    if context.output.is_json:
        context.output.data(found)
    else:
        show_batch(context, found)
    return Exit.OK


@click.command(
    short_help="Download a batch's result files.",
    epilog=examples(f"adjust results {EXAMPLE_ID}", f"adjust results {EXAMPLE_ID} --to ~/spring"),
)
@batch_argument
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), help="Folder for the files [default: ./BATCH]."
)
@with_context
def results(context: CommandContext, batch: str, to: Path | None) -> int:
    """Download a batch's result files; open report.html in a browser."""
    found = context.api.batch(batch)
    links = found.get("links") or {}
    if not links:
        raise RequestRefused(
            f"the batch is {found.get('status')}; results are available once it has ended", 409
        )
    folder = to or Path(plain_name(batch))
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {name: context.api.download(url, folder / plain_name(name)) for name, url in links.items()}
    if context.output.is_json:
        context.output.data({"folder": str(folder), "files": sizes})
    else:
        rows = [[str(folder / name), f"{size:,}"] for name, size in sizes.items()]
        context.output.table(["file", "bytes"], rows)
    return Exit.OK
