"""Uploads files of adjustments into the stack's inbox; the batch of each is known at once."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from adjustments.batches.files import UPLOADER
from adjustments.core.ids import batch_id
from cli.batch_watcher import APPEARS_WITHIN_S
from cli.errors import ServiceError, UsageError, aws_message
from cli.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

INBOX: Final = "inbox/"
FILE_SUFFIXES: Final = (".csv", ".csv.gz")
DRY_RUN: Final = "dry-run"
ALLOW_DUPLICATE: Final = "allow-duplicate"
"""The metadata of a file that say what is done with it; the others say how it is read."""


SEND_AS: Final = ("auto", "batch", "transactions")
SEND_AS_HELP: Final = (
    "As a batch (thousands of rows a second), or each row as a transaction (a dozen a second)."
)
REASON_HELP: Final = "Reason of rows without one that are sent as transactions."
USERNAME_HELP: Final = "Username of rows without one that are sent as transactions."
"""What the command's options and the console's fields say of how a file is sent."""


class UploadedFile(NamedTuple):
    """A file in the inbox, and the id of its batch."""

    batch_id: str
    bucket: str
    key: str
    version_id: str


def check_file_name(name: str) -> None:
    """Raise UsageError where files of this name are not processed."""
    if not name.lower().endswith(FILE_SUFFIXES):
        raise UsageError(f"{name}: the file name must end in {' or '.join(FILE_SUFFIXES)}")


def file_metadata(
    *, dry_run: bool = False, allow_duplicate: bool = False, **named: str | None
) -> dict[str, str]:
    """The metadata of a file.

    Args:
        dry_run: whether the file is only checked.
        allow_duplicate: whether rows are accepted that were accepted before.
        named: how the file is read and sent: columns, ignore_columns, encoding, send_as, reason, username.
    """
    flags = {DRY_RUN: dry_run, ALLOW_DUPLICATE: allow_duplicate}
    metadata = {name: "true" for name, is_set in flags.items() if is_set}
    return metadata | {name.replace("_", "-"): _ascii(text) for name, text in named.items() if text}


def upload_file(stack: Stack, name: str, body: IO[bytes], metadata: Mapping[str, str]) -> UploadedFile:
    """Put a file into the inbox, in the name of who is signed in.

    Args:
        stack: the stack.
        name: the file's name, without a folder.
        body: its content.
        metadata: what ``file_metadata`` returns.

    Raises:
        ServiceError: rows that may be applied again were uploaded, and it is not known whether they arrived.
    """
    said = {name: text for name, text in metadata.items() if name != UPLOADER}
    if stack.caller_identity:
        said[UPLOADER] = _ascii(stack.caller_identity)
    if ALLOW_DUPLICATE not in said:
        return _put(stack, stack.s3, name, body, said)
    # Each version is a batch. Where an attempt took effect unnoticed, that of the next one is refused as
    # its duplicate, but not where rows may be applied again.
    try:
        return _put(stack, stack.s3_without_retries, name, body, said)
    except (BotoCoreError, ClientError) as error:
        raise ServiceError(
            f"{aws_message(error)}. The file may be in the inbox all the same: look at `adjust list` before "
            "you submit it again"
        ) from None


def _put(
    stack: Stack, s3: "S3Client", name: str, body: IO[bytes], metadata: Mapping[str, str]
) -> UploadedFile:
    key, bucket = INBOX + name, stack.bucket
    put = s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata, ContentType="text/csv")
    which: Any = {"VersionId": put["VersionId"]} if put.get("VersionId") else {}
    head = s3.head_object(Bucket=bucket, Key=key, **which)
    version = head.get("VersionId", put.get("VersionId", ""))
    # Derived as the function derives it, so that the batch need not be searched for.
    batch = batch_id(key, head["LastModified"], (bucket, key, version))
    return UploadedFile(batch, bucket, key, version)


def is_recent(batch: str) -> bool:
    """Whether a batch may not exist yet: its id contains the time (UTC) at which its file was uploaded."""
    try:
        uploaded_at = datetime.strptime(batch[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    return datetime.now(UTC) - uploaded_at < timedelta(seconds=APPEARS_WITHIN_S)


def _ascii(text: str) -> str:
    """Percent-encode what S3's metadata can't keep."""
    return "".join(char if char.isascii() and char.isprintable() else quote(char) for char in text)
