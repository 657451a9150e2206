"""Takes what comes through the intake queue: dropped files, and ticks of the recurring schedule."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from adjustments import bootstrap
from adjustments.aws import batch_metrics
from adjustments.aws.event_models import ObjectCreated, read_trigger
from adjustments.aws.function_log import FunctionFailed, failure_facts, function_logger
from adjustments.aws.metrics import function_metrics
from adjustments.batches.records import Batch
from adjustments.core.errors import RequestRefused

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = function_logger()
processor = BatchProcessor(event_type=EventType.SQS)


def submit(record: SQSRecord) -> None:
    """Submit what a message names; one that fails stays in the queue, and ends in the failure queue."""
    try:
        for batch in submitted(record.body):
            bootstrap.application().meter.count(batch_metrics.step_metrics(batch))
            logger.info(
                "batch taken", batch_id=batch.batch_id, status=batch.status.value, chunks=batch.chunks
            )
    except Exception as error:
        logger.error("message not taken", message_id=record.message_id, **failure_facts(error))
        raise FunctionFailed(type(error).__name__) from None  # Lambda logs the words of what is raised


def submitted(message: str) -> Iterator[Batch]:
    """The batches that a message makes: one of an object in the inbox, some of a tick."""
    app = bootstrap.application()
    drop = read_trigger(json.loads(message))
    if not isinstance(drop, ObjectCreated):
        yield from app.triggers.submit_recurring(drop.time)
        return
    if drop.bucket != app.settings.bucket.name:
        raise RequestRefused("foreign_bucket", "the event names a bucket that is not ours")
    batch = app.triggers.submit_object(drop.key, drop.version_id)
    if batch:
        yield batch


@logger.inject_lambda_context(clear_state=True)
@function_metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> Any:
    """Submit what the one message of the event names; a message that fails makes the invocation fail."""
    return process_partial_response(event, submit, processor, context)
