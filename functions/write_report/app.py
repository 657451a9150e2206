"""Step of the state machine: writes a batch's results and ends it."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from adjustments import wiring
from adjustments.events import BatchStep

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the four result files; the batch has its final status after them."""
    step = BatchStep.model_validate(event)
    batch = wiring.build_reporter().report(step.batch_id)
    logger.info(
        "batch ended", batch_id=batch.batch_id, status=batch.status.value, counts=batch.counts.model_dump()
    )
    return {"batchId": batch.batch_id, "status": batch.status.value}
