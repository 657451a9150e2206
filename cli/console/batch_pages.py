"""The list of batches, one batch, its rows by reason, and its result files. These pages only read."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from cli.batch_view import facts_of
from cli.batch_watcher import AWAITING_APPROVAL, FINAL, rows_at_risk
from cli.console.access import HEADERS
from cli.console.forms import UPLOAD_BYTES_MAX
from cli.console.pages import is_ended, is_moving, page
from cli.console.services import Services
from cli.context import BATCH_ID
from cli.errors import RequestRefused
from cli.file_upload import REASON_HELP, SEND_AS_HELP, USERNAME_HELP, is_recent
from cli.output import OUTCOMES, PREDICTIONS
from cli.query_commands import STATUSES

PAGE_ROWS: Final = 20
REPORT: Final = "report.html"

_REPORT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""The report has its styles in itself, and runs nothing."""

_SHOWN_ABOVE: Final = frozenset({"progress", "outcomes", "predicted", "held by", "why"})
"""Facts that the page does not repeat among the details."""

_CONTENT_TYPES: Final = {
    "csv": "text/csv",
    "json": "application/json",
    "html": "text/html; charset=utf-8",
}
_FILES: Final = {
    REPORT: "the report: one page for people",
    "results.csv": "every row of the file with its outcome, in the order of the file",
    "fix-me.csv": "the rows that were not applied and can be corrected, with the reason",
    "new-rows.csv": "the rows that no earlier batch has applied",
    "summary.json": "the numbers, for programs",
}
_DECIDED: Final = {
    "approved": "Approved: the batch is being sent.",
    "stopped": "Stopped: nothing more of the batch is sent.",
    "resolved": "Recorded: the results are being regenerated.",
}


def services_of(request: Request) -> Services:
    """What the pages work with."""
    services: Services = request.app.state.services
    return services


def batch_id_of(request: Request) -> str:
    """The batch that a page is about; raises RequestRefused where its address names none."""
    name = str(request.path_params["batch_id"])
    if not BATCH_ID.fullmatch(name):
        raise RequestRefused(f"{name!r} is not the id of a batch", 404)
    return name


def actions_of(batch: Mapping[str, Any]) -> list[str]:
    """What a person can decide about a batch now, by the command's words for it."""
    status, counts = batch.get("status"), batch.get("counts") or {}
    is_real = not batch.get("dryRun")
    has_applied_rows = is_real and is_ended(batch) and bool(counts.get("applied"))
    possible = {
        "apply": status == "validated",
        "approve": status == AWAITING_APPROVAL,
        "stop": is_real and status not in FINAL,
        "resolve": status == "needs_attention" and bool(counts.get("inDoubt")),
        "reverse": has_applied_rows and not batch.get("reversedBy"),
    }
    return [name for name, is_possible in possible.items() if is_possible]


def show_list(request: Request) -> Response:
    """The newest batches, with the progress of those that move; and the place to drop a file."""
    services, query = services_of(request), request.query_params
    status = query.get("status") if query.get("status") in STATUSES else None
    after = query.get("after") or None
    found = services.api.page_of_batches({"status": status, "limit": PAGE_ROWS, "after": after})
    moving = services.with_progress([batch for batch in found["batches"] if is_moving(batch)])
    in_full = {batch["batchId"]: batch for batch in moving}
    return page(
        request,
        "list.html",
        batches=[in_full.get(batch["batchId"], batch) for batch in found["batches"]],
        outcomes=OUTCOMES,
        predictions=PREDICTIONS,
        is_moving_any=bool(moving),
        upload_bytes_max=UPLOAD_BYTES_MAX,
        send_as_help=SEND_AS_HELP,
        reason_help=REASON_HELP,
        username_help=USERNAME_HELP,
        statuses=STATUSES,
        status=status,
        after=after,
        following=found.get("next"),
    )


def show_batch(request: Request) -> Response:
    """One batch: how far it is, what came of its rows, and what can be decided about it."""
    services, name = services_of(request), batch_id_of(request)
    done = request.query_params.get("done", "")
    try:
        batch = services.api.batch(name)
    except RequestRefused as refused:
        if refused.status != 404 or not is_recent(name):
            raise
        return page(request, "waiting.html", batch_id=name, is_dry_run=done == "dry-run")
    return page(
        request,
        "batch.html",
        batch=batch,
        facts=[(fact, value) for fact, value in facts_of(batch) if value and fact not in _SHOWN_ABOVE],
        outcomes=OUTCOMES,
        predictions=PREDICTIONS,
        actions=actions_of(batch),
        files=_files_of(batch),
        at_risk=rows_at_risk(batch),
        done=_DECIDED.get(done, ""),
    )


def show_reasons(request: Request) -> Response:
    """The rows of an ended batch that were not applied, or would not be, by reason."""
    services = services_of(request)
    batch = services.api.batch(batch_id_of(request))
    return page(request, "reasons.html", batch=batch, reasons=services.reasons(batch))


def send_file(request: Request) -> Response:
    """One result file; through the console, so that its link works for as long as the page is open."""
    services, batch_id, name = services_of(request), batch_id_of(request), str(request.path_params["name"])
    batch = {} if name in services.reversal_links else services.api.batch(batch_id)
    url = services.reversal_links.get(name) or services.link(batch, name)
    blocks = services.api.blocks(url, name)
    first = next(blocks, b"")  # an error that comes before the first block becomes a page
    kind = "inline" if name == REPORT else "attachment"
    headers = {
        "content-security-policy": _REPORT_POLICY if name == REPORT else HEADERS["content-security-policy"],
        "content-disposition": f'{kind}; filename="{name}"',
    }
    media_type = _CONTENT_TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    return StreamingResponse(_chained(first, blocks), headers=headers, media_type=media_type)


def _chained(first: bytes, rest: Any) -> Any:
    yield first
    yield from rest


def _files_of(batch: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The result files with their meanings, the report first."""
    links = batch.get("links") or {}
    named = [(name, meaning) for name, meaning in _FILES.items() if name in links]
    return named + [(name, "") for name in links if name not in _FILES]
