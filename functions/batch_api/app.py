"""The batch API: list batches, show one, approve, stop, resolve and reverse it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from adjustments import bootstrap
from adjustments.administration.service import BATCH_ID_CHARS_MAX, ApprovalRequest, PageRequest, StopRequest
from adjustments.aws import http_api
from adjustments.aws.function_log import function_logger
from adjustments.aws.metrics import function_metrics
from adjustments.batches.records import Batch
from adjustments.core import ids, limits
from adjustments.core.errors import NotFound
from adjustments.core.validation import Model, validate
from adjustments.reconciliation.resolution import ResolveRequest

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

STOP_TIME: Final = timedelta(seconds=15)
"""How long a call stops jobs; the state machine stops the others."""

logger = function_logger()
app = http_api.create_api(
    http_api.report_to(logger, "call refused"), "internal error; the log of this function has the details"
)


@app.get("/batches")
def list_batches() -> Mapping[str, Any]:
    """List a page of batches, newest first."""
    request = validate(PageRequest, app.current_event.query_string_parameters)
    return bootstrap.application().administration.list_batches(request)


@app.get("/batches/<batch_id>")
def show_batch(batch_id: str) -> Mapping[str, Any]:
    """Show one batch with its jobs."""
    return bootstrap.application().administration.show(check_batch_id(batch_id))


@app.post("/batches/<batch_id>/approve")
def approve_batch(batch_id: str) -> Mapping[str, Any]:
    """Approve a batch that is awaiting approval."""
    request, by = read_request(ApprovalRequest, batch_id)
    return describe(bootstrap.application().administration.approve(batch_id, by, request))


@app.post("/batches/<batch_id>/stop")
def stop_batch(batch_id: str) -> Mapping[str, Any]:
    """Send nothing more of a batch, and stop its running jobs unless the body says to keep them."""
    request, by = read_request(StopRequest, batch_id)
    application = bootstrap.application()
    until = application.clock.now() + STOP_TIME
    batch = application.administration.stop(batch_id, by, request.note, until, keep_jobs=request.keep_jobs)
    return describe(batch)


@app.post("/batches/<batch_id>/resolve")
def resolve_batch(batch_id: str) -> Mapping[str, Any]:
    """Settle rows in doubt as the caller says."""
    request, by = read_request(ResolveRequest, batch_id)
    batch, rows = bootstrap.application().administration.resolve(batch_id, by, request)
    return {**describe(batch), "rows": rows}


@app.post("/batches/<batch_id>/reversal")
def reverse_batch(batch_id: str) -> Mapping[str, Any]:
    """Create the file that reverses a batch, which a person may submit."""
    return bootstrap.application().administration.reverse(check_batch_id(batch_id))


def read_request(model: type[Model], batch_id: str) -> tuple[Model, str]:
    """Read the body of a call about a batch, which may be empty, and who calls."""
    check_batch_id(batch_id)
    body = http_api.read_body(app.current_event, limits.ADMINISTRATION_BODY_BYTES_MAX, may_be_empty=True)
    return validate(model, body), http_api.caller(app.current_event)


def check_batch_id(batch_id: str) -> str:
    """Return the batch id, which all further log lines carry; raises NotFound if no batch can have it."""
    if not ids.is_batch_id(batch_id):
        raise NotFound(f"there is no batch {batch_id[:BATCH_ID_CHARS_MAX]}")
    logger.append_keys(batch_id=batch_id)
    return batch_id


def describe(batch: Batch) -> dict[str, Any]:
    """Describe a batch after a decision about it."""
    return {"batchId": batch.batch_id, "status": batch.status.value}


@logger.inject_lambda_context(clear_state=True)
@function_metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Answer one call."""
    logger.append_keys(request_id=event["requestContext"]["requestId"])
    return app.resolve(event, context)
