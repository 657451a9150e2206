"""Step of the state machine: writes a batch's results and ends it."""

from typing import TYPE_CHECKING, Any

import adjustments.results.report_writer  # noqa: F401 - with the start, not the first call
from adjustments import wiring
from adjustments.aws import batch_metrics as measures
from adjustments.aws.event_models import read_step

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = wiring.function_logger()


@logger.inject_lambda_context(clear_state=True)
@wiring.telling_breaks(logger)
@wiring.metered
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Write the four result files; the batch has its final status after them."""
    batch_id = read_step(event)
    logger.append_keys(batch_id=batch_id)
    began_at = wiring.clock.now()
    batch = wiring.build_report_writer().report(batch_id)
    if batch.finished_at and batch.finished_at >= began_at:  # not when the step is only repeated
        wiring.meter().count(measures.of_end(batch))
    logger.info("results written", status=batch.status.value)
    return {"batchId": batch.batch_id, "status": batch.status.value}
