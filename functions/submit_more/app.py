"""Step of the state machine: sends what may be sent of a batch now."""

from typing import TYPE_CHECKING, Any

from adjustments import wiring
from adjustments.aws import batch_metrics as measures
from adjustments.aws.event_models import read_step, until

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = wiring.function_logger()


@logger.inject_lambda_context(clear_state=True)
@wiring.telling_breaks(logger)
@wiring.metered
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Send chunks until nothing more may be sent, or the time is up."""
    batch_id = read_step(event)
    logger.append_keys(batch_id=batch_id)
    stop_at = until(wiring.clock.now(), context.get_remaining_time_in_millis())
    batch = wiring.build_submitter().submit(batch_id, stop_at)
    wiring.meter().count(measures.of_step(batch))
    logger.info("sent what may be sent", status=batch.status.value, paused=bool(batch.paused))
    return {"batchId": batch.batch_id}
