"""The batch API: list batches and rows, decide about a batch, upload a file; a customer's history."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adjustments import bootstrap
from adjustments.administration import service
from adjustments.administration.service import (
    ApprovalRequest,
    PageRequest,
    RowPageRequest,
    StopRequest,
    UploadRequest,
)
from adjustments.aws import http_api
from adjustments.aws.function_log import function_logger
from adjustments.aws.health import answers_health_checks
from adjustments.aws.metrics import function_metrics
from adjustments.core.validation import validate
from adjustments.reconciliation.resolution import ResolveRequest

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = function_logger()
report = http_api.report_to(logger, "call refused")
app = http_api.create_api(report, "internal error; the log of this function has the details")


@app.get("/batches")
def list_batches() -> Mapping[str, Any]:
    """List a page of batches, newest first."""
    request = validate(PageRequest, app.current_event.query_string_parameters)
    return bootstrap.application().administration.list_batches(request)


@app.get("/batches/<batch_id>")
def show_batch(batch_id: str) -> Mapping[str, Any]:
    """Show one batch with its jobs."""
    return administration_of(batch_id).show(batch_id)


@app.get("/customers/<customer_id>/adjustments")
def show_customer(customer_id: str) -> Mapping[str, Any]:
    """Show a page of what was done for a customer."""
    from adjustments.administration.customer_history import HistoryRequest

    named = http_api.path_parameter(app.current_event, "customerId", customer_id)
    request = validate(HistoryRequest, app.current_event.query_string_parameters)
    return bootstrap.application().customer_history.page(named, request)


@app.get("/batches/<batch_id>/rows")
def list_rows(batch_id: str) -> Mapping[str, Any]:
    """List a page of the rows of a batch, as far as their outcomes are known."""
    administration = administration_of(batch_id)
    request = validate(RowPageRequest, app.current_event.query_string_parameters)
    return administration.list_rows(batch_id, request)


@app.post("/batches/uploads")
def offer_upload() -> Mapping[str, Any]:
    """Make a form for the upload of one file, for what is larger than a call may be."""
    request, by = http_api.read_decision(app.current_event, UploadRequest)
    return bootstrap.application().administration.offer_upload(request, by)


@app.get("/health")
def check_health() -> Mapping[str, Any]:
    """Check whether the stack is well, and say what to do where it is not; changes nothing."""
    return bootstrap.application().health.check()


@app.post("/batches/<batch_id>/approve")
def approve_batch(batch_id: str) -> Mapping[str, Any]:
    """Approve a batch that is awaiting approval."""
    administration = administration_of(batch_id)
    request, by = http_api.read_decision(app.current_event, ApprovalRequest)
    return service.describe_decision(administration.approve(batch_id, by, request))


@app.post("/batches/<batch_id>/stop")
def stop_batch(batch_id: str) -> Mapping[str, Any]:
    """Send nothing more of a batch, and stop its running jobs unless the body says to keep them."""
    administration = administration_of(batch_id)
    request, by = http_api.read_decision(app.current_event, StopRequest)
    return service.describe_decision(
        administration.stop(batch_id, by, request.note, keep_jobs=request.keep_jobs)
    )


@app.post("/batches/<batch_id>/resolve")
def resolve_batch(batch_id: str) -> Mapping[str, Any]:
    """Settle rows in doubt as the caller says."""
    administration = administration_of(batch_id)
    request, by = http_api.read_decision(app.current_event, ResolveRequest)
    batch, rows = administration.resolve(batch_id, by, request)
    return {**service.describe_decision(batch), "rows": rows}


@app.post("/batches/<batch_id>/reversal")
def reverse_batch(batch_id: str) -> Mapping[str, Any]:
    """Create the file that reverses a batch, which a person may submit."""
    return administration_of(batch_id).reverse(batch_id)


def administration_of(batch_id: str) -> service.BatchAdministration:
    """The service for a call about one batch, whose id all further log lines carry."""
    service.check_batch_id(batch_id)
    logger.append_keys(batch_id=batch_id)
    return bootstrap.application().administration


@answers_health_checks
@logger.inject_lambda_context(clear_state=True)
@function_metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Answer one call."""
    logger.append_keys(request_id=event["requestContext"]["requestId"])
    return app.resolve(event, context)
