"""The batch API: list batches, show one, approve, stop, resolve and reverse it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from adjustments import bootstrap
from adjustments.administration.request_bodies import read_approval, read_stop, read_verdict
from adjustments.aws import http_api
from adjustments.aws.function_log import failure_facts, function_logger
from adjustments.aws.metrics import function_metrics
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.core import ids, limits
from adjustments.core.errors import NotFound, RequestRefused

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

PAGE_ROWS_MAX: Final = 100
BATCH_ID_CHARS_MAX: Final = 80
STOP_TIME: Final = timedelta(seconds=15)
"""How long a call asks for jobs to stop; the state machine asks for the rest."""

logger = function_logger()
app = http_api.create_api(http_api.report_to(logger, "call refused"), "something broke here; the log has it")


@app.get("/batches")
def list_batches() -> Mapping[str, Any]:
    """List a page of batches, newest first; ``status``, ``limit`` and ``after`` choose."""
    query = app.current_event.query_string_parameters
    status, limit, after = query.get("status"), query.get("limit", "20"), query.get("after")
    if status is not None and status not in set(BatchStatus):
        raise RequestRefused("unknown_status", f"status: {status[:40]!r} is none of {', '.join(BatchStatus)}")
    if not (limit.isascii() and limit.isdigit()) or not 1 <= int(limit) <= PAGE_ROWS_MAX:
        raise RequestRefused("bad_limit", f"limit: must be a number from 1 to {PAGE_ROWS_MAX}")
    if after and len(after) > BATCH_ID_CHARS_MAX:
        raise RequestRefused("bad_after", "after: is no batchId")
    return bootstrap.application().administration.page(status, int(limit), after)


@app.get("/batches/<batch_id>")
def show_batch(batch_id: str) -> Mapping[str, Any]:
    """Show one batch with its jobs."""
    return bootstrap.application().administration.show(checked(batch_id))


@app.post("/batches/<batch_id>/approve")
def approve_batch(batch_id: str) -> Mapping[str, Any]:
    """Let a held batch go; the body may name what the approver believes to approve."""
    found = checked(batch_id)
    approval = read_approval(read_body(), http_api.caller(app.current_event))
    return standing(bootstrap.application().administration.approve(found, approval))


@app.post("/batches/<batch_id>/stop")
def stop_batch(batch_id: str) -> Mapping[str, Any]:
    """Send nothing more of a batch, and stop its running jobs unless the body says to keep them."""
    found = checked(batch_id)
    body, by = read_stop(read_body()), http_api.caller(app.current_event)
    stop_at = bootstrap.application().clock.now() + STOP_TIME
    administration = bootstrap.application().administration
    return standing(administration.stop(found, by, body.note, stop_at, keep_jobs=body.keep_jobs))


@app.post("/batches/<batch_id>/resolve")
def resolve_batch(batch_id: str) -> Mapping[str, Any]:
    """Settle rows in doubt by the caller's word."""
    found = checked(batch_id)
    verdict = read_verdict(read_body(), http_api.caller(app.current_event))
    batch, rows = bootstrap.application().resolver.resolve(found, verdict)
    try:
        bootstrap.application().notifier.notify(batch.batch_id)
    except Exception as error:
        # The rows are settled, and the caller has to hear so; the sweep tells the others.
        logger.error("not told of yet", batch_id=batch.batch_id, **failure_facts(error))
    return {**standing(batch), "rows": rows}


@app.post("/batches/<batch_id>/reversal")
def reverse_batch(batch_id: str) -> Mapping[str, Any]:
    """Make the file that takes a batch back; a person drops it."""
    return bootstrap.application().reverser.reverse(checked(batch_id))


def checked(batch_id: str) -> str:
    """Let all further lines be found by the batch; raises NotFound for what can't be the id of one."""
    if not ids.is_batch_id(batch_id):
        raise NotFound(f"there is no batch {batch_id[:BATCH_ID_CHARS_MAX]}")
    logger.append_keys(batch_id=batch_id)
    return batch_id


def read_body() -> Mapping[str, Any]:
    """Read the body of a call that decides about a batch; it may have none."""
    return http_api.read_body(app.current_event, limits.ADMINISTRATION_BODY_BYTES_MAX, may_be_empty=True)


def standing(batch: Batch) -> dict[str, Any]:
    """What is told of a batch that somebody decided about."""
    return {"batchId": batch.batch_id, "status": batch.status.value}


@logger.inject_lambda_context(clear_state=True)
@function_metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Answer one call."""
    logger.append_keys(request_id=event["requestContext"]["requestId"])
    return app.resolve(event, context)
