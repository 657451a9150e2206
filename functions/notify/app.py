"""Step of the state machine: notifies people and programs of how a batch ended."""

from typing import TYPE_CHECKING, Any

from adjustments import bootstrap
from adjustments.aws.event_models import read_batch_id
from adjustments.aws.function_log import function_logger, log_failures
from adjustments.aws.health import answers_health_checks
from adjustments.aws.metrics import function_metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = function_logger()


@answers_health_checks
@logger.inject_lambda_context(clear_state=True)
@function_metrics.log_metrics(capture_cold_start_metric=True)
@log_failures(logger)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Notify of each fact once."""
    app = bootstrap.application()
    batch_id = read_batch_id(event)
    logger.append_keys(batch_id=batch_id)
    batch = app.notifier.notify(batch_id)
    logger.info("notified", facts=batch.notifications_sent)
    return {"batchId": batch.batch_id, "status": batch.status.value}
