"""Commands that submit a file of adjustments and follow its batch."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click
from rich.text import Text

from adjustments.batches.files import UPLOADER
from adjustments.core.ids import batch_id
from cli.batch_view import show_batch
from cli.batch_watcher import APPEARS_WITHIN_S, exit_code, watch_batch
from cli.context import EXAMPLE_ID, CommandContext, batch_argument, examples, with_context
from cli.errors import Exit, ServiceError, UsageError

INBOX: Final = "inbox/"
FILE_SUFFIXES: Final = (".csv", ".csv.gz")


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
    if not file.name.lower().endswith(FILE_SUFFIXES):
        raise UsageError(f"{file.name}: the file name must end in {' or '.join(FILE_SUFFIXES)}")
    flags = {"dry-run": dry_run, "allow-duplicate": allow_duplicate}
    metadata = {name: "true" for name, is_set in flags.items() if is_set}
    metadata |= {name.replace("_", "-"): _ascii(text) for name, text in named.items() if text}
    if context.stack.caller_identity:
        metadata[UPLOADER] = _ascii(context.stack.caller_identity)
    key, bucket, s3 = INBOX + file.name, context.stack.bucket, context.stack.s3
    with file.open("rb") as body:
        put = s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata, ContentType="text/csv")
    which: Any = {"VersionId": put["VersionId"]} if put.get("VersionId") else {}
    head = s3.head_object(Bucket=bucket, Key=key, **which)
    version = head.get("VersionId", put.get("VersionId", ""))
    # Derived as the function derives it, so that the batch need not be searched for.
    batch = batch_id(key, head["LastModified"], (bucket, key, version))
    if not wait:
        submitted = {"batchId": batch, "bucket": bucket, "key": key, "versionId": version, "dryRun": dry_run}
        if context.output.is_json:
            context.output.data(submitted)
        else:
            context.output.say("submitted as batch ", Text(batch, style="bold"))
            context.output.say(f"to watch it: {context.hint(f'watch {batch}')}")
        return Exit.OK
    context.output.say("submitted as batch ", Text(batch, style="bold"))
    return _watch(context, batch, is_new=True)


def _ascii(text: str) -> str:
    """Percent-encode what S3's metadata can't keep."""
    return "".join(char if char.isascii() and char.isprintable() else quote(char) for char in text)


@click.command(
    short_help="Watch a batch until it ends; Ctrl-C detaches.",
    epilog=examples(f"adjust watch {EXAMPLE_ID}", f"adjust watch {EXAMPLE_ID} --json | jq .counts"),
)
@batch_argument
@with_context
def watch(context: CommandContext, batch: str) -> int:
    """Watch a batch until it has ended or waits for approval. Ctrl-C detaches; the batch continues."""
    return _watch(context, batch, is_new=_is_recent(batch))


def _is_recent(batch: str) -> bool:
    """Whether a batch may not exist yet: its id contains the time (UTC) at which its file was uploaded."""
    try:
        uploaded_at = datetime.strptime(batch[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    return datetime.now(UTC) - uploaded_at < timedelta(seconds=APPEARS_WITHIN_S)


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
