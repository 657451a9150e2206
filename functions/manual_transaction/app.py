"""Adds one manual transaction, sent through the API, by an event on the bus or by a schedule."""

import traceback
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from adjustments import bootstrap
from adjustments.aws import http_api
from adjustments.aws.event_log import error_facts
from adjustments.aws.function_log import FunctionFailed, function_logger
from adjustments.aws.metrics import function_metrics
from adjustments.core.errors import AdjustmentsError, GameballError, GameballUnauthorized
from adjustments.manual_transactions.event_consumer import Message
from adjustments.manual_transactions.ledger import CallerContext
from adjustments.manual_transactions.model import ManualTransaction, read_manual_transaction
from adjustments.manual_transactions.redaction import log_keys, redact

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

FAILURE: Final = "internal error; repeating the call with the same transactionId is safe"

logger = function_logger()
processor = BatchProcessor(event_type=EventType.SQS)


def report(error: Exception) -> None:
    """Log an error by its names and numbers: its words may hold what a customer or Gameball wrote."""
    facts: dict[str, Any] = {"error": type(error).__name__}
    if isinstance(error, GameballError):
        facts = dict(error_facts(error))
    elif not isinstance(error, AdjustmentsError):
        facts["stack"] = traceback.format_tb(error.__traceback__)
    logger.warning("manual transaction not added", **facts)
    if isinstance(error, GameballUnauthorized):
        bootstrap.application(bootstrap.PROMPT).meter.count({"KeysRefused": 1})


app = http_api.create_api(report, FAILURE)


@app.post("/transactions/manual")
def add_manual_transaction() -> Response[str]:
    """Add what a call of the API sends."""
    application = bootstrap.application(bootstrap.PROMPT)
    caller = http_api.caller(app.current_event)
    logger.append_keys(caller=redact(caller))
    remaining_ms = app.lambda_context.get_remaining_time_in_millis
    context = CallerContext(caller, app.context["request_id"], remaining_ms)
    transaction = read_manual_transaction(http_api.read_body(app.current_event), application.clock.now())
    append_log_keys(transaction, context)
    added = application.manual_transactions.add(transaction, context)
    logger.info("manual transaction added", replayed=added.is_replayed)
    headers = {"idempotent-replayed": "true"} if added.is_replayed else {}
    return http_api.text_response(added.body, headers=headers)


def consume(record: SQSRecord, lambda_context: "LambdaContext") -> None:
    """Take one message of the queue; what is raised makes it come again."""
    application = bootstrap.application(bootstrap.PROMPT)
    request_id = lambda_context.aws_request_id
    logger.append_keys(request_id=request_id, message_id=record.message_id)
    receives = int(record.attributes.approximate_receive_count or 1)
    message = Message(record.body, is_last=receives >= application.settings.manual_transactions.receives_max)
    context = CallerContext("", request_id, lambda_context.get_remaining_time_in_millis)
    try:
        failed = application.event_consumer.consume(message, context, append_log_keys)
    except Exception as error:
        report(error)
        raise FunctionFailed(type(error).__name__) from None  # Lambda logs the words of what is raised
    report(failed) if failed else logger.info("manual transaction settled")


def append_log_keys(transaction: ManualTransaction, context: CallerContext) -> None:
    """Let all further lines be found by the names of the transaction."""
    settings = bootstrap.application(bootstrap.PROMPT).settings
    masks = settings.manual_transactions.masks_customer_ids
    keys = log_keys(transaction, context.caller, settings.stack.name, masks)
    logger.append_keys(**keys)


@logger.inject_lambda_context(clear_state=True)
@function_metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> Any:
    """Answer a call, or take each message of the queue."""
    if "Records" in event:
        return process_partial_response(event, consume, processor, context)
    request_id = event["requestContext"].get("requestId") or context.aws_request_id
    logger.append_keys(request_id=request_id)
    app.append_context(request_id=request_id)  # type: ignore[no-untyped-call]
    answer = app.resolve(event, context)
    answer["multiValueHeaders"]["x-request-id"] = [request_id]
    return answer
