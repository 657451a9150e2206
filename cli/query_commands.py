"""Commands that only read: list batches, show one, download its results."""

import csv
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.text import Text

from cli.batch_view import points_applied, show_batch
from cli.batch_watcher import AWAITING_APPROVAL, FINAL
from cli.context import EXAMPLE_ID, CommandContext, batch_argument, examples, with_context
from cli.downloads import download_all
from cli.errors import Exit, RequestRefused, ServiceError
from cli.output import OUTCOMES, moment, number, outcomes, prediction, status_of

_MOMENT: Final = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"])

_CSV_COUNTS: Final = ("rows", *OUTCOMES)

FILES: Final = ("results.csv", "fix-me.csv", "summary.json", "report.html", "new-rows.csv")
"""The files that are downloaded; other names in an answer are left alone."""

STATUSES: Final = ("planned", AWAITING_APPROVAL, "submitting", "polling", *sorted(FINAL))


def _in_local_time(
    context: click.Context, parameter: click.Parameter, at: datetime | None
) -> datetime | None:
    return at and at.astimezone()


def _write_csv(batches: Iterable[Mapping[str, Any]]) -> None:
    """Write batches as CSV: whole numbers and the API's times, as programs read them."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["batchId", "status", *_CSV_COUNTS, "pointsApplied", "createdAt", "finishedAt"])
    for batch in batches:
        counts, totals = batch.get("counts") or {}, batch.get("totals") or {}
        writer.writerow(
            [
                batch.get("batchId"),
                batch.get("status"),
                *(counts.get(name) for name in _CSV_COUNTS),
                totals.get("applied"),
                batch.get("createdAt"),
                batch.get("finishedAt"),
            ]
        )


@click.command(
    "list",
    epilog=examples(
        "adjust list",
        "adjust list --status needs_attention",
        "adjust list --since 2026-11-01 --until 2026-12-01 --limit 1000 --output csv > november.csv",
    ),
)
@click.option(
    "--status", type=click.Choice(STATUSES), metavar="STATUS", help=f"One of {', '.join(STATUSES)}."
)
@click.option(
    "--since",
    metavar="TIME",
    type=_MOMENT,
    callback=_in_local_time,
    help="Only batches dropped from then on.",
)
@click.option(
    "--until", metavar="TIME", type=_MOMENT, callback=_in_local_time, help="Only batches dropped before then."
)
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Maximum number of batches.",
)
@click.option(
    "--output",
    type=click.Choice(["table", "csv"]),
    default="table",
    help="Form of the list; csv for programs.",
)
@with_context
def list_batches(
    context: CommandContext,
    status: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    output: str,
) -> int:
    """List the batches, newest first. Times are local: 2026-11-01, or 2026-11-01T08:30."""
    found = list(context.api.batches(status, limit, since=since, until=until))
    if output == "csv":
        _write_csv(found)
        return Exit.OK
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
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="New folder for the files [default: ./BATCH].",
)
@click.option("--overwrite", is_flag=True, help="Replace result files that are in the folder already.")
@with_context
def results(context: CommandContext, batch: str, to: Path | None, overwrite: bool) -> int:
    """Download a batch's result files into a new folder; open report.html in a browser.

    All files come, or none. Nothing that is there already is replaced without --overwrite.
    """
    folder = to or Path(batch)
    found = context.api.batch(batch)
    links = found.get("links") or {}
    if not links:
        raise RequestRefused(
            f"the batch is {found.get('status')}; results are available once it has ended", 409
        )
    known = {name: url for name, url in links.items() if name in FILES}
    for name in links.keys() - known.keys():
        context.output.warn(f"left out: {name[:80]}, which is not a result file that this command knows")
    if not known:
        raise ServiceError("the API's answer links to no result file")
    sizes = download_all(context.api, batch, known, folder, overwrite=overwrite)
    if context.output.is_json:
        context.output.data({"folder": str(folder), "files": sizes})
    else:
        rows = [[str(folder / name), f"{size:,}"] for name, size in sizes.items()]
        context.output.table(["file", "bytes"], rows)
    return Exit.OK
