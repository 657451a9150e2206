"""Step of the state machine: polls the open jobs of a batch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adjustments import bootstrap
from adjustments.aws.event_models import read_batch_id, step_deadline
from adjustments.aws.function_log import function_logger, log_failures
from adjustments.aws.health import answers_health_checks
from adjustments.aws.metrics import function_metrics
from adjustments.batches.batch_metrics import step_metrics
from adjustments.polling.poller import answer_of

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = function_logger()


@answers_health_checks
@logger.inject_lambda_context(clear_state=True)
@function_metrics.log_metrics(capture_cold_start_metric=True)
@log_failures(logger)
def handler(event: dict[str, Any], context: "LambdaContext") -> Mapping[str, Any]:
    """Ask once for each open job, and say what follows."""
    app = bootstrap.application()
    batch_id = read_batch_id(event)
    logger.append_keys(batch_id=batch_id)
    stop_at = step_deadline(app.clock.now(), context.get_remaining_time_in_millis())
    batch, following = app.poller.poll(batch_id, stop_at)
    answer = answer_of(batch, following)
    app.meter.count(step_metrics(batch, following))
    logger.info("polled", **answer, status=batch.status.value)
    return answer
