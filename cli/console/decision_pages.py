"""What people decide about a batch: each page shows what it means, asks, and does it once it is confirmed."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from adjustments.core import exact_json
from cli.batch_view import approval_of, cost_of_stop, facts_of, is_submitted_by, running_jobs
from cli.console.batch_pages import actions_of, batch_id_of, services_of
from cli.console.forms import Fields, line_numbers, text
from cli.console.pages import page, status_text
from cli.console.submission_pages import reversal_name, to_batch
from cli.errors import RequestRefused, UsageError
from cli.output import number


def ask_to_approve(request: Request) -> Response:
    """Show a waiting batch, and ask."""
    batch = _batch_for(request, "approve")
    shown = approval_of(batch)
    rows = ("rows to be sent", number(shown.get("rows")))
    facts = [rows, *(fact for fact in facts_of(batch) if fact[0] != "progress")]
    return page(
        request,
        "approve.html",
        batch=batch,
        facts=[(fact, value) for fact, value in facts if value],
        shown=exact_json.write(shown),
        is_own=is_submitted_by(batch, services_of(request).stack.caller_identity),
    )


def approve(request: Request, fields: Fields) -> Response:
    """Approve a batch exactly as it was shown: if it has changed since, the API refuses."""
    batch_id = batch_id_of(request)
    try:
        shown = exact_json.read(text(fields, "shown"))
    except ValueError:
        shown = None
    if not isinstance(shown, dict) or not shown:
        raise UsageError("the form does not say what was approved: open the batch again")
    services_of(request).api.decide(batch_id, "approve", shown)
    return to_batch(batch_id, "approved")


def ask_to_stop(request: Request) -> Response:
    """Say what stopping a batch means for its rows, and ask."""
    batch = _batch_for(request, "stop")
    costs, keeping = (list(cost_of_stop(batch, keep_jobs)) for keep_jobs in (False, True))
    # The last line says what becomes of running jobs, which is for the operator to choose.
    jobs_choice = (costs.pop(), keeping[-1]) if running_jobs(batch) else ()
    return page(request, "stop.html", batch=batch, costs=costs, jobs_choice=jobs_choice)


def stop(request: Request, fields: Fields) -> Response:
    """Stop a batch."""
    batch_id, note = batch_id_of(request), text(fields, "note")
    body: dict[str, Any] = {"note": note} if note else {}
    if text(fields, "keep-jobs") == "yes":
        body["keepJobs"] = True
    services_of(request).api.decide(batch_id, "stop", body)
    return to_batch(batch_id, "stopped")


def ask_to_resolve(request: Request) -> Response:
    """Show how many rows are in doubt, and ask what became of them."""
    return page(request, "resolve.html", batch=_batch_for(request, "resolve"))


def resolve(request: Request, fields: Fields) -> Response:
    """Record the outcome of rows in doubt; of all of them only after one more question."""
    batch_id, note, outcome = batch_id_of(request), text(fields, "note"), text(fields, "outcome")
    if outcome not in ("applied", "not_applied"):
        raise UsageError("choose an outcome: applied or not applied")
    if not note:
        raise UsageError("the evidence is missing: write where you looked and what you found")
    lines = line_numbers(text(fields, "lines"))
    body: dict[str, Any] = {"outcome": outcome, "note": note}
    if lines:
        body["lines"] = lines
    else:
        batch = _batch_for(request, "resolve")
        if text(fields, "all-rows") != str(batch["counts"]["inDoubt"]):
            return page(request, "resolve_all.html", batch=batch, outcome=outcome, note=note)
    services_of(request).api.decide(batch_id, "resolve", body)
    return to_batch(batch_id, "resolved")


def ask_to_reverse(request: Request) -> Response:
    """Say what a reversal file is, and ask."""
    return page(request, "reverse.html", batch=_batch_for(request, "reverse"))


def reverse(request: Request, fields: Fields) -> Response:
    """Create the reversal file, and show what is in it; nothing is sent."""
    services, batch_id = services_of(request), batch_id_of(request)
    made = services.api.reverse(batch_id)
    name = reversal_name(batch_id)
    services.api.check_link(made["url"], f"results/{batch_id}/reversal.csv")
    services.reversal_links[name] = made["url"]
    return page(request, "reversal.html", batch_id=batch_id, made=made, name=name)


def _batch_for(request: Request, action: str) -> dict[str, Any]:
    """The batch that is to be decided about; raises RequestRefused where the decision is not possible."""
    batch = services_of(request).api.batch(batch_id_of(request))
    if action not in actions_of(batch):
        raise RequestRefused(f"the batch is {status_text(batch)}: there is nothing to {action}", 409)
    return batch
