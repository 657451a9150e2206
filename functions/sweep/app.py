"""Runs by schedule: resumes what stalled, finds what was missed, clears doubts by evidence."""

from typing import TYPE_CHECKING, Any

import adjustments.administration.sweeper  # noqa: F401 - with the start, not the first call
from adjustments import wiring
from adjustments.aws.event_models import until

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = wiring.function_logger()


@logger.inject_lambda_context(clear_state=True)
@wiring.telling_breaks(logger)
@wiring.metered
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, list[str]]:
    """Look once at everything that is open."""
    stop_at = until(wiring.clock.now(), context.get_remaining_time_in_millis())
    done = wiring.build_sweeper().sweep(stop_at)
    wiring.meter().count(wiring.build_sweeper().look())
    logger.info("swept", extra=done)
    return done
