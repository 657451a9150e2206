"""Step of the state machine: asks Gameball for a batch's open jobs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adjustments import wiring
from adjustments.aws import batch_metrics as measures
from adjustments.aws.event_models import read_step, until
from adjustments.polling.poller import answer_of

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = wiring.function_logger()


@logger.inject_lambda_context(clear_state=True)
@wiring.telling_breaks(logger)
@wiring.metered
def handler(event: dict[str, Any], context: "LambdaContext") -> Mapping[str, Any]:
    """Ask once for each open job, and say what follows."""
    batch_id = read_step(event)
    logger.append_keys(batch_id=batch_id)
    stop_at = until(wiring.clock.now(), context.get_remaining_time_in_millis())
    batch, following = wiring.build_poller().poll(batch_id, stop_at)
    answer = answer_of(batch, following)
    wiring.meter().count(measures.of_step(batch, following))
    logger.info("polled", **answer, status=batch.status.value)
    return answer
