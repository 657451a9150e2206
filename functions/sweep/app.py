"""Runs by schedule: resumes batches that stalled, and finds files that were missed."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from adjustments import wiring

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[str]]:
    """Look once at everything that is open."""
    done = wiring.build_sweeper().sweep()
    logger.info("swept", extra=done)
    return done
