"""Adds manual transactions, requested by a call of the API, an event on the bus or a schedule."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from adjustments import bootstrap, ports
from adjustments.aws import http_api
from adjustments.aws.event_log import error_facts
from adjustments.aws.function_log import FunctionFailed, failure_facts, function_logger
from adjustments.aws.metrics import function_metrics
from adjustments.core.errors import AdjustmentsError, GameballError, GameballUnauthorized
from adjustments.manual_transactions.event_consumer import Message
from adjustments.manual_transactions.ledger import CallerContext
from adjustments.manual_transactions.model import ManualTransaction, read_manual_transaction
from adjustments.manual_transactions.redaction import log_keys

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = function_logger()
processor = BatchProcessor(event_type=EventType.SQS)


def log_error(error: Exception) -> None:
    """Log an error without its message, which may quote a customer or Gameball."""
    if isinstance(error, GameballError):
        facts: dict[str, Any] = dict(error_facts(error))
    elif isinstance(error, AdjustmentsError):
        facts = {"error": type(error).__name__}
    else:
        facts = failure_facts(error)
    logger.warning("manual transaction not added", **facts)
    if isinstance(error, GameballUnauthorized):
        bootstrap.application(ports.PROMPT).meter.count({"KeysRefused": 1})


app = http_api.create_api(log_error, "internal error; repeating the call with the same transactionId is safe")


@app.post("/transactions/manual")
def add_manual_transaction() -> Response[str]:
    """Add the manual transaction that a call of the API sends."""
    application = bootstrap.application(ports.PROMPT)
    caller = http_api.caller(app.current_event)
    logger.append_keys(caller=caller)
    remaining_ms = app.lambda_context.get_remaining_time_in_millis
    context = CallerContext(caller, app.context["request_id"], remaining_ms)
    body, now = http_api.read_body(app.current_event), application.clock.now()
    transaction = read_manual_transaction(body, now, application.settings.manual_transactions.amount_max)
    append_log_keys(transaction, context)
    added = application.manual_transactions.add(transaction, context)
    logger.info("manual transaction added", replayed=added.is_replayed)
    headers = {"idempotent-replayed": "true"} if added.is_replayed else {}
    return http_api.text_response(added.body, headers=headers)


def consume(record: SQSRecord, lambda_context: "LambdaContext") -> None:
    """Consume one message of the queue; if this raises, the message is received again."""
    request_id = lambda_context.aws_request_id
    logger.append_keys(request_id=request_id, message_id=record.message_id)
    message = Message(record.body, int(record.attributes.approximate_receive_count or 1))
    context = CallerContext("", request_id, lambda_context.get_remaining_time_in_millis)
    consumer = bootstrap.application(ports.PROMPT).event_consumer
    try:
        failed = consumer.consume(message, context, append_log_keys)
    except Exception as error:
        log_error(error)
        raise FunctionFailed(type(error).__name__) from None  # Lambda logs the message of what is raised
    log_error(failed) if failed else logger.info("manual transaction settled")


def append_log_keys(transaction: ManualTransaction, context: CallerContext) -> None:
    """Add the ids of the transaction to all further log lines."""
    settings = bootstrap.application(ports.PROMPT).settings
    masks = settings.manual_transactions.masks_customer_ids
    logger.append_keys(**log_keys(transaction, context.caller, settings.stack.name, masks))


@logger.inject_lambda_context(clear_state=True)
@function_metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> Any:
    """Answer one call, or consume one message; if the message fails, so does the invocation."""
    if "Records" in event:
        return process_partial_response(event, consume, processor, context)
    request_id = event["requestContext"].get("requestId") or context.aws_request_id
    logger.append_keys(request_id=request_id)
    app.append_context(request_id=request_id)  # type: ignore[no-untyped-call]
    answer = app.resolve(event, context)
    answer["multiValueHeaders"]["x-request-id"] = [request_id]
    return answer
