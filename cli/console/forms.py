"""Forms and uploads, bounded in size; no path from a browser is used."""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cli.errors import UsageError
from cli.file_upload import check_file_name

UPLOAD_BYTES_MAX: Final = 1 << 30
"""Of an uploaded file: twice what ten million rows, the most that a file may have, usually take."""

FORM_BYTES_MAX: Final = 1 << 20
"""Of any other form; the API takes as much."""

UPLOAD_PATH: Final = "/dry-runs"
_FIELDS_MAX: Final = 20
_FILE_NAME_CHARS_MAX: Final = 200
_TOO_LARGE: Final = 413

Fields = Mapping[str, Any]
FormPage = Callable[[Request, Fields], Response]
_NOT_IN_NAMES: Final = re.compile(r"[\x00-\x1f\x7f/\\]|^\.+$")


class BodyLimit:
    """Refuses requests that are larger than a form or an upload may be.

    Args:
        app: the pages.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        left = UPLOAD_BYTES_MAX + FORM_BYTES_MAX if scope.get("path") == UPLOAD_PATH else FORM_BYTES_MAX
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdigit() or int(declared) > left:
            await PlainTextResponse(_too_large(left), _TOO_LARGE)(scope, receive, send)
            return

        async def receive_counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(_TOO_LARGE, "too many bytes were sent; nothing was done")
            return message

        await self._app(scope, receive_counted, send)


def _too_large(bytes_max: int) -> str:
    return f"More than {bytes_max >> 20} MiB can't be sent from this page: use `adjust submit`.\n"


def takes_form(show: FormPage) -> Callable[[Request], Awaitable[Response]]:
    """Give a page the fields of the form that was sent to it, and let it work in a thread of its own."""

    @wraps(show)
    async def show_with_fields(request: Request) -> Response:
        files_max = 1 if request.url.path == UPLOAD_PATH else 0
        async with request.form(max_files=files_max, max_fields=_FIELDS_MAX) as form:
            return await run_in_threadpool(show, request, dict(form))

    return show_with_fields


def text(fields: Fields, name: str) -> str:
    """A field's text without surrounding blanks; empty where it is missing."""
    value = fields.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def upload(fields: Fields, name: str) -> tuple[str, UploadFile]:
    """The uploaded file of a field, and its name.

    Raises:
        UsageError: there is none, or files of its name are not processed.
    """
    file = fields.get(name)
    if not isinstance(file, UploadFile) or not file.filename:
        raise UsageError("no file was chosen: drop a CSV file on the page, or choose one")
    return plain_file_name(file.filename), file


def plain_file_name(name: str) -> str:
    """Return the name of a file; raise UsageError where it has a path in it, or is not processed."""
    if _NOT_IN_NAMES.search(name) or len(name) > _FILE_NAME_CHARS_MAX:
        raise UsageError(f"{name!r} can't be the name of a file: rename it to something such as spring.csv")
    check_file_name(name)
    return name


def line_numbers(given: str) -> list[int]:
    """Read line numbers that are separated by commas or blanks.

    Raises:
        UsageError: something in it is not the number of a line.
    """
    words = re.split(r"[\s,;]+", given) if given else []
    for word in words:
        if not re.fullmatch(r"[0-9]{1,9}", word) or int(word) < 2:
            raise UsageError(
                f"{word!r} is not a line of results.csv: write numbers from 2 on, such as 12, 40"
            )
    return [int(word) for word in words]
