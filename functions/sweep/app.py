"""Runs on a schedule: resumes stalled batches, queues missed files, reconciles rows in doubt."""

from typing import TYPE_CHECKING, Any

from adjustments import bootstrap
from adjustments.aws.event_models import step_deadline
from adjustments.aws.function_log import function_logger, log_failures
from adjustments.aws.health import answers_health_checks
from adjustments.aws.metrics import SWEEP_RAN, function_metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = function_logger()


@answers_health_checks
@logger.inject_lambda_context(clear_state=True)
@function_metrics.log_metrics(capture_cold_start_metric=True)
@log_failures(logger)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, list[str]]:
    """Sweep once."""
    app = bootstrap.application()
    stop_at = step_deadline(app.clock.now(), context.get_remaining_time_in_millis())
    app.meter.publish(app.sweeper.measure())  # first, as the alarms need them most when a sweep is killed
    try:
        done = app.sweeper.sweep(stop_at)
    finally:
        app.meter.count(SWEEP_RAN)
    logger.info("sweep finished", extra=done)
    return done
