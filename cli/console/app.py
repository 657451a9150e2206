"""The pages by address, and errors turned into pages."""

from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from cli.console import batch_pages, customer_pages, decision_pages, submission_pages
from cli.console.access import Access, Gate
from cli.console.forms import UPLOAD_PATH, BodyLimit, FormPage, takes_form
from cli.console.pages import STATIC, is_fragment, page
from cli.console.services import Services
from cli.errors import AccessDenied, CliError, RequestRefused, ServiceError, UsageError, aws_message
from cli.stack import Stack

_BATCH: Final = "/batches/{batch_id}"


def _posts(path: str, show: FormPage) -> Route:
    return Route(path, takes_form(show), methods=["POST"])


ROUTES: Final = (
    Route("/", batch_pages.show_list),
    Route(_BATCH, batch_pages.show_batch),
    Route(f"{_BATCH}/reasons", batch_pages.show_reasons),
    Route(f"{_BATCH}/files/{{name}}", batch_pages.send_file),
    _posts(UPLOAD_PATH, submission_pages.make_dry_run),
    Route(f"{_BATCH}/apply", submission_pages.ask_to_apply, methods=["GET"]),
    _posts(f"{_BATCH}/apply", submission_pages.apply_file),
    Route(f"{_BATCH}/approve", decision_pages.ask_to_approve, methods=["GET"]),
    _posts(f"{_BATCH}/approve", decision_pages.approve),
    Route(f"{_BATCH}/stop", decision_pages.ask_to_stop, methods=["GET"]),
    _posts(f"{_BATCH}/stop", decision_pages.stop),
    Route(f"{_BATCH}/resolve", decision_pages.ask_to_resolve, methods=["GET"]),
    _posts(f"{_BATCH}/resolve", decision_pages.resolve),
    Route(f"{_BATCH}/reverse", decision_pages.ask_to_reverse, methods=["GET"]),
    _posts(f"{_BATCH}/reverse", decision_pages.reverse),
    _posts(f"{_BATCH}/reverse/dry-run", submission_pages.make_reversal_dry_run),
    Route("/customers", customer_pages.show_customer, methods=["GET"]),
    Mount("/static", StaticFiles(directory=STATIC)),
)

_SERVICE_FAILED: Final = 502
_USAGE: Final = 400
_FORBIDDEN: Final = 403


def make_app(stack: Stack, access: Access) -> ASGIApp:
    """Put the console together.

    Args:
        stack: the deployed stack.
        access: who may use the page.
    """
    handlers = {
        HTTPException: _show_http_error,
        CliError: _show_cli_error,
        ClientError: _show_aws_error,
        BotoCoreError: _show_aws_error,
        Exception: _show_defect,
    }
    app = Starlette(routes=list(ROUTES), exception_handlers=handlers)
    app.state.services = Services(stack)
    return Gate(BodyLimit(app), access)


def _show_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    texts = {404: "there is no such page", 405: "this address takes no such request: go back to the batches"}
    return _error_page(request, texts.get(error.status_code, str(error.detail)), error.status_code)


def _show_cli_error(request: Request, error: Exception) -> Response:
    match error:
        case RequestRefused():
            status = error.status if 400 <= error.status < 500 else _SERVICE_FAILED
        case UsageError():
            status = _USAGE
        case AccessDenied():
            status = _FORBIDDEN
        case _:
            status = _SERVICE_FAILED
    is_unknown = isinstance(error, ServiceError) and not isinstance(error, AccessDenied)
    return _error_page(request, str(error), status, may_have_happened=is_unknown and request.method == "POST")


def _show_aws_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ClientError | BotoCoreError)  # noqa: S101 - registered for both
    return _error_page(
        request, aws_message(error), _SERVICE_FAILED, may_have_happened=request.method == "POST"
    )


def _show_defect(request: Request, error: Exception) -> Response:
    message = f"the console failed ({type(error).__name__}); its terminal has the details"
    return _error_page(request, message, 500, may_have_happened=request.method == "POST")


def _error_page(request: Request, message: str, status: int, *, may_have_happened: bool = False) -> Response:
    """Say what is wrong; the page that asked for a part of itself shows it as one line."""
    if is_fragment(request):
        return PlainTextResponse(message, status)
    return page(
        request,
        "error.html",
        http_status=status,
        is_refused=status < 500,
        message=message,
        may_have_happened=may_have_happened,
    )
