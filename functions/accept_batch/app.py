"""Accepts a batch from the API (Gameball API, "Balance Adjustment Batch Job")."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response

from adjustments import bootstrap
from adjustments.aws import http_api
from adjustments.aws.function_log import function_logger
from adjustments.aws.health import answers_health_checks
from adjustments.aws.metrics import function_metrics
from adjustments.batches.batch_metrics import step_metrics
from adjustments.core import limits
from adjustments.core.errors import RequestRefused, RequestTooLarge, RowsRepeated

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from adjustments.batches.records import Batch

UPLOAD_INSTEAD = "POST /batches/uploads gives a form for the upload of a larger file"

logger = function_logger()
app = http_api.create_api(
    http_api.report_to(logger, "batch not accepted"),
    "internal error; repeating the call is safe if it has an Idempotency-Key",
)


@app.post("/batch/balance-adjustment")
def accept_batch() -> Response[str]:
    """Submit a batch; answer with its jobId if it fits one chunk, else with 202 and its batchId."""
    body = read_body()
    application = bootstrap.application()
    caller = http_api.caller(app.current_event)
    batch = application.api_submission.accept(body, read_idempotency_key(), caller)
    application.meter.count(step_metrics(batch))
    logger.info("batch accepted", batch_id=batch.batch_id, status=batch.status.value, chunks=batch.chunks)
    if batch.duplicate_of:
        raise RowsRepeated(batch.refusal, batch.duplicate_of)
    if batch.refusal:
        raise RequestRefused("refused", batch.refusal)
    job_id = application.api_submission.only_job(batch)
    fields = describe(batch)
    if job_id is None:
        return http_api.json_response(fields, 202)
    return http_api.json_response({"jobId": job_id, **fields})


def describe(batch: "Batch") -> dict[str, Any]:
    """What the answer says of a batch: what of the body will be sent, or in a dry run would be."""
    counts = {"rows": batch.counts.rows, "accepted": batch.accepted_rows, "rejected": batch.counts.rejected}
    return {
        "batchId": batch.batch_id,
        "status": batch.status.value,
        "dryRun": batch.dry_run,
        "counts": counts,
    }


def read_body() -> Mapping[str, Any]:
    """Read the body; where it is too large, say how to send it."""
    try:
        return http_api.read_body(app.current_event, limits.BATCH_BODY_BYTES_MAX)
    except RequestTooLarge as error:
        raise RequestTooLarge(error.code, f"{error.message}; {UPLOAD_INSTEAD}") from None


def read_idempotency_key() -> str | None:
    """Read the header Idempotency-Key; raises RequestRefused if it is empty or too long."""
    key = app.current_event.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= limits.IDEMPOTENCY_KEY_CHARS_MAX:
        problem = f"must have 1 to {limits.IDEMPOTENCY_KEY_CHARS_MAX} characters"
        raise RequestRefused("bad_key", f"Idempotency-Key: {problem}")
    return key


@answers_health_checks
@logger.inject_lambda_context(clear_state=True)
@function_metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Answer one call."""
    logger.append_keys(request_id=event["requestContext"]["requestId"])
    return app.resolve(event, context)
