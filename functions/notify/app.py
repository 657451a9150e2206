"""Step of the state machine: tells people and machines how a batch ended."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from adjustments import wiring
from adjustments.events import BatchStep

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Tell each fact once."""
    step = BatchStep.model_validate(event)
    batch = wiring.build_notifier().notify(step.batch_id)
    logger.info("told", batch_id=batch.batch_id, facts=batch.notified)
    return {"batchId": batch.batch_id, "status": batch.status.value}
