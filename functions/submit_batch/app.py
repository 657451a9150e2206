"""Submits what comes through the intake queue: files in the inbox, and ticks of the recurring schedule."""

import json
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from adjustments import bootstrap
from adjustments.aws.event_models import RecurringFile, RecurringTick, read_trigger
from adjustments.aws.function_log import FunctionFailed, failure_facts, function_logger
from adjustments.aws.health import answers_health_checks
from adjustments.aws.metrics import function_metrics
from adjustments.batches.batch_metrics import step_metrics
from adjustments.batches.records import Batch
from adjustments.core.errors import RequestRefused

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = function_logger()
processor = BatchProcessor(event_type=EventType.SQS)


def submit(record: SQSRecord) -> None:
    """Submit what a message names; one that fails is retried, and ends in the failure queue."""
    try:
        if batch := submit_batch(record.body):
            bootstrap.application().meter.count(step_metrics(batch))
            status = batch.status.value
            logger.info("batch submitted", batch_id=batch.batch_id, status=status, chunks=batch.chunks)
    except Exception as error:
        logger.error("message failed", message_id=record.message_id, **failure_facts(error))
        raise FunctionFailed(type(error).__name__) from None  # Lambda logs the message of what is raised


def submit_batch(message: str) -> Batch | None:
    """Submit the file that a message names; of a tick, queue its files, each as a message of its own."""
    app = bootstrap.application()
    match read_trigger(json.loads(message)):
        case RecurringFile(key=key, due_time=due_at):
            return app.recurring_files.submit(key, due_at)
        case RecurringTick(due_time=due_at):
            files = app.recurring_files.queue(due_at)
            logger.info("tick queued", due_time=due_at.isoformat(), files=files)
            return None
        case trigger if trigger.bucket != app.settings.bucket.name:
            raise RequestRefused(
                "foreign_bucket", "the event is about another bucket than that of this stack"
            )
        case trigger:
            return app.triggers.submit_object(
                trigger.key,
                trigger.version_id,
                trigger.created_at,
                is_copy=trigger.is_copy,
                submitter=trigger.submitter,
            )


@answers_health_checks
@logger.inject_lambda_context(clear_state=True)
@function_metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> Any:
    """Submit what the one message of the event names; if it fails, so does the invocation."""
    return process_partial_response(event, submit, processor, context)
