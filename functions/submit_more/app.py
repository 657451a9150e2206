"""Step of the state machine: sends what may be sent of a batch now."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from adjustments import wiring
from adjustments.events import BatchStep, until

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Send chunks until nothing more may be sent, or the time is up."""
    step = BatchStep.model_validate(event)
    stop_at = until(wiring.clock.now(), context.get_remaining_time_in_millis())
    batch = wiring.build_submitter().submit(step.batch_id, stop_at)
    logger.info(
        "sent what may be sent", batch_id=batch.batch_id, status=batch.status.value, paused=batch.paused
    )
    return {"batchId": batch.batch_id}
