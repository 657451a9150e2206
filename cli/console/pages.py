"""The templates, and how values are shown in them: escaped, and with invisible characters named."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import ChainableUndefined, Environment, FileSystemLoader
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from adjustments.core.printable import visible
from adjustments.results.formats import points as sum_text
from cli.batch_watcher import AWAITING_APPROVAL, FINAL, progress_line, rows_at_risk, rows_done
from cli.output import moment, number, points, rows_text

_FOLDER: Final = Path(__file__).resolve().parent
STATIC: Final = _FOLDER / "static"


class Link(NamedTuple):
    """A link of the navigation."""

    path: str
    name: str


NAVIGATION: Final[Sequence[Link]] = (Link("/", "Batches"), Link("/customers", "Customers"))
"""The pages that every page leads to."""

_TONES: Final = {
    "completed": "good",
    "validated": "good",
    "completed_with_errors": "warn",
    "stopped": "warn",
    AWAITING_APPROVAL: "wait",
    "rejected": "bad",
    "needs_attention": "bad",
}


def is_ended(batch: Mapping[str, Any]) -> bool:
    """Whether a batch has ended."""
    return batch.get("status") in FINAL


def is_moving(batch: Mapping[str, Any]) -> bool:
    """Whether a batch is in progress, and goes on by itself."""
    return not is_ended(batch) and batch.get("status") != AWAITING_APPROVAL


def status_text(batch: Mapping[str, Any]) -> str:
    """The status in words."""
    return str(batch.get("status", "")).replace("_", " ")


def tone_of(batch: Mapping[str, Any]) -> str:
    """The style of a status; a dry run looks well only where every row would be applied."""
    if batch.get("status") == "validated" and rows_at_risk(batch):
        return "warn"
    return _TONES.get(str(batch.get("status", "")), "moving")


def file_name(batch: Mapping[str, Any]) -> str:
    """The name of a batch's file, without its folder."""
    return str((batch.get("source") or {}).get("key", "")).rpartition("/")[2]


def share_done(batch: Mapping[str, Any]) -> int:
    """The percentage of rows whose outcome is known."""
    done, total = rows_done(batch)
    return 100 * done // total if total else 0


def _shown(value: object) -> object:
    """Name the invisible characters of whatever a template shows."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) else visible(str(value))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        # A stack of another version may leave a field out.
        undefined=ChainableUndefined,
    )
    environment.filters |= {
        "file_name": file_name,
        "is_ended": is_ended,
        "is_moving": is_moving,
        "moment": moment,
        "number": number,
        "points": points,
        "progress_line": progress_line,
        "rows_text": rows_text,
        "share_done": share_done,
        "status_text": status_text,
        "sum_text": sum_text,
        "tone": tone_of,
    }
    environment.globals["navigation"] = NAVIGATION
    return environment


def _of_every_page(request: Request) -> dict[str, Any]:
    return {"stack": request.app.state.services.stack, "is_fragment": is_fragment(request)}


_TEMPLATES: Final = Jinja2Templates(env=_environment(), context_processors=[_of_every_page])


def is_fragment(request: Request) -> bool:
    """Whether the page itself asks for a part of it (htmx)."""
    return request.headers.get("hx-request") == "true"


def page(request: Request, template: str, *, http_status: int = 200, **values: object) -> Response:
    """Make a page, or a part of one.

    Args:
        request: the request.
        template: the name of the template.
        http_status: the status of the answer.
        values: what the template shows.
    """
    return _TEMPLATES.TemplateResponse(request, template, values, status_code=http_status)
