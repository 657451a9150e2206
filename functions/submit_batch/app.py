"""Takes what comes through the intake queue: dropped files, and ticks of the recurring schedule."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import adjustments.submission.triggers  # noqa: F401 - with the start, not the first call
from adjustments import wiring
from adjustments.aws import batch_metrics as measures
from adjustments.aws.event_models import ObjectCreated, read_drop, take_each
from adjustments.batches.records import Batch
from adjustments.core.errors import RequestRefused

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = wiring.function_logger()


@logger.inject_lambda_context(clear_state=True)
@wiring.telling_breaks(logger)
@wiring.metered
def handler(event: dict[str, Any], context: "LambdaContext") -> Any:
    """Take each message of the queue; one that fails stays, and ends in the failure queue."""
    return take_each(event["Records"], take)


def take(record: dict[str, Any]) -> None:
    """Take one message; one that can't be taken is told of, and stays in the queue."""
    try:
        for batch in batches_of(record):
            tell(batch)
    except Exception as error:
        logger.error("message not taken", message_id=record["messageId"], **wiring.facts_of_break(error))
        raise


def batches_of(record: dict[str, Any]) -> Iterator[Batch]:
    """The batches that a message makes: one of an object in the inbox, some of a tick."""
    drop = read_drop(json.loads(record["body"]))
    intake = wiring.build_intake()
    if not isinstance(drop, ObjectCreated):
        yield from intake.take_tick(drop.time)
        return
    if drop.bucket != wiring.settings().bucket:
        raise RequestRefused("foreign_bucket", "the event names a bucket that is not ours")
    taken = intake.take_object(drop.key, drop.version_id)
    if taken:
        yield taken


def tell(batch: Batch) -> None:
    """Leave a line for whoever looks for the batch."""
    wiring.meter().count(measures.of_step(batch))
    logger.info("batch taken", batch_id=batch.batch_id, status=batch.status.value, chunks=batch.chunks)
