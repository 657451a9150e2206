"""Commands that submit a file of adjustments and follow its batch."""

from pathlib import Path

import click
from rich.text import Text

from cli.batch_view import show_batch
from cli.batch_watcher import exit_code, watch_batch
from cli.context import EXAMPLE_ID, CommandContext, batch_argument, examples, with_context
from cli.errors import Exit, ServiceError
from cli.file_upload import (
    REASON_HELP,
    SEND_AS,
    SEND_AS_HELP,
    USERNAME_HELP,
    check_file_name,
    file_metadata,
    is_recent,
    upload_file,
)


@click.command(
    short_help="Submit a CSV file of adjustments.",
    epilog=examples(
        "adjust submit spring.csv --dry-run --wait",
        "adjust submit spring.csv --wait",
        "adjust submit fix-me.csv --json",
        "adjust submit punkte.csv --columns customerId=Kundennummer,amount=Punkte",
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--dry-run", is_flag=True, help="Check the file and predict the outcome of each row; nothing is sent."
)
@click.option(
    "--wait", is_flag=True, help="Watch the batch until it ends; `adjust --help` lists the exit codes."
)
@click.option("--allow-duplicate", is_flag=True, help="Accept rows that were accepted before.")
@click.option(
    "--columns",
    metavar="ROLE=HEADING,…",
    help="Headings of another language: customerId=Kundennummer,amount=Punkte,reason=Grund.",
)
@click.option(
    "--ignore-columns",
    metavar="HEADING,…",
    help="Read the file without these columns, although they carry meaning: a type, an expiry date.",
)
@click.option("--send-as", type=click.Choice(SEND_AS), help=SEND_AS_HELP)
@click.option("--reason", metavar="TEXT", help=REASON_HELP)
@click.option("--username", metavar="NAME", help=USERNAME_HELP)
@click.option("--encoding", metavar="NAME", help="The file's encoding where it is not UTF-8: windows-1256.")
@with_context
def submit(
    context: CommandContext, file: Path, dry_run: bool, wait: bool, allow_duplicate: bool, **named: str | None
) -> int:
    """Submit a CSV file of adjustments, and print the id of its batch.

    With --dry-run nothing is sent: the batch ends as validated and shows how many rows would be applied,
    would overdraw, are unknown to Gameball or could not be predicted. With --wait the exit code is then 0
    only if every row would be applied.
    """
    check_file_name(file.name)
    metadata = file_metadata(dry_run=dry_run, allow_duplicate=allow_duplicate, **named)
    with file.open("rb") as body:
        uploaded = upload_file(context.stack, file.name, body, metadata)
    batch = uploaded.batch_id
    if not wait:
        if context.output.is_json:
            where = {"bucket": uploaded.bucket, "key": uploaded.key, "versionId": uploaded.version_id}
            context.output.data({"batchId": batch, **where, "dryRun": dry_run})
        else:
            context.output.say("submitted as batch ", Text(batch, style="bold"))
            context.output.say(f"to watch it: {context.hint(f'watch {batch}')}")
        return Exit.OK
    context.output.say("submitted as batch ", Text(batch, style="bold"))
    return _watch(context, batch, is_new=True)


@click.command(
    short_help="Watch a batch until it ends; Ctrl-C detaches.",
    epilog=examples(f"adjust watch {EXAMPLE_ID}", f"adjust watch {EXAMPLE_ID} --json | jq .counts"),
)
@batch_argument
@with_context
def watch(context: CommandContext, batch: str) -> int:
    """Watch a batch until it has ended or waits for approval. Ctrl-C detaches; the batch continues."""
    return _watch(context, batch, is_new=is_recent(batch))


def _watch(context: CommandContext, batch: str, *, is_new: bool) -> int:
    try:
        ended = watch_batch(context.api, context.output, batch, is_new=is_new)
    except KeyboardInterrupt:
        context.output.warn(
            f"detached; the batch continues. To watch it again: {context.hint(f'watch {batch}')}"
        )
        return Exit.DETACHED
    except ServiceError as error:
        again = context.hint(f"watch {batch}")
        raise ServiceError(f"{error}. The batch continues; to watch it again: {again}") from None
    if context.output.is_json:
        context.output.data(ended)
    else:
        show_batch(context, ended)
    return exit_code(ended)
