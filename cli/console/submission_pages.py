"""A file on its way: a dry run of what is dropped on the page, then its application."""

import tempfile
from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cli.batch_view import points_of
from cli.batch_watcher import rows_at_risk
from cli.console.batch_pages import batch_id_of, services_of
from cli.console.forms import Fields, text, upload
from cli.console.pages import file_name, page, status_text
from cli.console.services import Services
from cli.errors import RequestRefused, UsageError
from cli.file_upload import ALLOW_DUPLICATE, DRY_RUN, SEND_AS, file_metadata, upload_file
from cli.output import PREDICTIONS

SEE_OTHER: Final = 303
_COPY_BYTES: Final = 1 << 18


def make_dry_run(request: Request, fields: Fields) -> Response:
    """Submit an uploaded file as a dry run, which sends nothing."""
    name, file = upload(fields, "file")
    send_as = text(fields, "send-as")
    if send_as not in ("", *SEND_AS):
        raise UsageError(f"send-as: {send_as!r} is not a way to send a file: use one of {', '.join(SEND_AS)}")
    metadata = file_metadata(
        dry_run=True,
        send_as=send_as,
        reason=text(fields, "reason"),
        username=text(fields, "username"),
        columns=text(fields, "columns"),
        ignore_columns=text(fields, "ignore-columns"),
        encoding=text(fields, "encoding"),
    )
    return to_batch(_uploaded(services_of(request), name, file, metadata), "dry-run")


def _uploaded(services: Services, name: str, file: UploadFile, metadata: Mapping[str, str]) -> str:
    return upload_file(services.stack, name, file.file, metadata).batch_id


def ask_to_apply(request: Request) -> Response:
    """Show what applying the file of a dry run would do, and ask."""
    services = services_of(request)
    batch = _dry_run(services, batch_id_of(request))
    return page(
        request,
        "apply.html",
        batch=batch,
        points=points_of(batch),
        predictions=PREDICTIONS,
        at_risk=rows_at_risk(batch),
        form=services.forms.issue(),
    )


def apply_file(request: Request, fields: Fields) -> Response:
    """Submit the very file of a dry run, so that it is applied."""
    services = services_of(request)
    batch = _dry_run(services, batch_id_of(request))
    source = batch["source"]
    if text(fields, "version") != source.get("versionId"):
        raise UsageError("the form does not name the file of this dry run: open it again")
    allows_duplicate = text(fields, "allow-duplicate") == "yes"

    def submit() -> str:
        which = {"VersionId": source["versionId"]} if source.get("versionId") else {}
        stored = services.stack.s3.get_object(Bucket=source["bucket"], Key=source["key"], **which)
        said = {
            name: value
            for name, value in stored.get("Metadata", {}).items()
            if name not in (DRY_RUN, ALLOW_DUPLICATE)
        }
        with tempfile.TemporaryFile() as copy:
            for block in stored["Body"].iter_chunks(_COPY_BYTES):
                copy.write(block)
            copy.seek(0)
            metadata = said | file_metadata(allow_duplicate=allows_duplicate)
            return upload_file(services.stack, file_name(batch), copy, metadata).batch_id

    return to_batch(services.forms.use(text(fields, "form"), submit), "applied")


def make_reversal_dry_run(request: Request, fields: Fields) -> Response:
    """Submit the reversal file of a batch as a dry run."""
    services, name = services_of(request), reversal_name(batch_id_of(request))
    url = services.reversal_links.get(name)
    if url is None:
        raise RequestRefused("the reversal file was not created here: create it again", 409)
    with tempfile.TemporaryFile() as copy:
        copy.writelines(services.api.blocks(url, name))
        copy.seek(0)
        batch = upload_file(services.stack, name, copy, file_metadata(dry_run=True)).batch_id
    return to_batch(batch, "dry-run")


def reversal_name(batch_id: str) -> str:
    """The name of a batch's reversal file."""
    return f"reversal-{batch_id}.csv"


def to_batch(batch_id: str, done: str) -> Response:
    """Lead to a batch, and say what was done."""
    return RedirectResponse(f"/batches/{batch_id}?done={done}", SEE_OTHER)


def _dry_run(services: Services, batch_id: str) -> dict[str, Any]:
    """A dry run that has ended; raises RequestRefused where the batch is another one."""
    batch = services.api.batch(batch_id)
    if batch.get("status") != "validated":
        raise RequestRefused(
            f"the batch is {status_text(batch)}: only a dry run that ended as validated can be applied",
            409,
        )
    return batch
