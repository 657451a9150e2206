"""Step of the state machine: tells people and machines how a batch ended."""

from typing import TYPE_CHECKING, Any

import adjustments.results.notifications  # noqa: F401 - with the start, not the first call
from adjustments import wiring
from adjustments.aws.event_models import read_step

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = wiring.function_logger()


@logger.inject_lambda_context(clear_state=True)
@wiring.telling_breaks(logger)
@wiring.metered
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Tell each fact once."""
    batch_id = read_step(event)
    logger.append_keys(batch_id=batch_id)
    batch = wiring.build_notifier().notify(batch_id)
    logger.info("told", facts=batch.notified)
    return {"batchId": batch.batch_id, "status": batch.status.value}
