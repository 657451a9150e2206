"""Step of the state machine: writes the results of a batch and ends it."""

from typing import TYPE_CHECKING, Any

from adjustments import bootstrap
from adjustments.aws.event_models import read_batch_id
from adjustments.aws.function_log import function_logger, log_failures
from adjustments.aws.health import answers_health_checks
from adjustments.aws.metrics import function_metrics
from adjustments.batches.batch_metrics import batch_end_metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = function_logger()


@answers_health_checks
@logger.inject_lambda_context(clear_state=True)
@function_metrics.log_metrics(capture_cold_start_metric=True)
@log_failures(logger)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Write the four result files; the batch has its final status after them."""
    app = bootstrap.application()
    batch_id = read_batch_id(event)
    logger.append_keys(batch_id=batch_id)
    began_at = app.clock.now()
    batch = app.report_writer.report(batch_id)
    if batch.finished_at and batch.finished_at >= began_at:  # not when the step is only repeated
        app.meter.count(batch_end_metrics(batch))
    logger.info("results written", status=batch.status.value)
    return {"batchId": batch.batch_id, "status": batch.status.value}
