"""Step of the state machine: asks Gameball for a batch's open jobs."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from adjustments import wiring
from adjustments.events import BatchStep, until
from adjustments.services.polling import answer_of

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Ask once for each open job, and say what follows."""
    step = BatchStep.model_validate(event)
    stop_at = until(wiring.clock.now(), context.get_remaining_time_in_millis())
    batch, following = wiring.build_poller().poll(step.batch_id, stop_at)
    answer = answer_of(batch, following)
    logger.info("polled", **answer, status=batch.status.value)
    return answer
