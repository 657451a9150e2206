"""Adds manual transactions, requested by a call of the API, an event on the bus or a schedule."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from adjustments import bootstrap, ports
from adjustments.aws import http_api
from adjustments.aws.function_log import FunctionFailed, function_logger, refusal_facts
from adjustments.aws.health import answers_health_checks
from adjustments.aws.metrics import error_metrics, function_metrics
from adjustments.manual_transactions.event_consumer import Message
from adjustments.manual_transactions.ledger import CallerContext
from adjustments.manual_transactions.model import ManualTransaction, read_manual_transaction
from adjustments.manual_transactions.redaction import log_keys

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = function_logger()
processor = BatchProcessor(event_type=EventType.SQS)
application = partial(bootstrap.application, ports.PROMPT)


def log_error(error: Exception) -> None:
    """Log an error without its message, which may quote a customer or Gameball."""
    logger.warning("manual transaction not added", **refusal_facts(error))
    application().meter.count(error_metrics(error))


app = http_api.create_api(log_error, "internal error; repeating the call with the same transactionId is safe")


@app.post("/transactions/manual")
def add_manual_transaction() -> Response[str]:
    """Add the manual transaction that a call of the API sends."""
    event, remaining_ms = app.current_event, app.lambda_context.get_remaining_time_in_millis
    context = CallerContext(http_api.caller(event), app.context["request_id"], remaining_ms)
    logger.append_keys(caller=context.caller)
    amount_max = application().settings.manual_transactions.amount_max
    body = http_api.read_body(event)
    transaction = read_manual_transaction(body, application().clock.now(), amount_max)
    append_log_keys(transaction, context)
    added = application().manual_transactions.add(transaction, context)
    logger.info("manual transaction added", replayed=added.is_replayed)
    headers = {"idempotent-replayed": "true"} if added.is_replayed else {}
    return http_api.text_response(added.body, headers=headers)


@app.get("/transactions/<transaction_id>")
def show_transaction(transaction_id: str) -> Mapping[str, Any]:
    """Show what the ledger knows of a transactionId."""
    named = http_api.path_parameter(app.current_event, "transactionId", transaction_id)
    return application().manual_transactions.find(named, http_api.caller(app.current_event))


def consume(record: SQSRecord, lambda_context: "LambdaContext") -> None:
    """Consume one message of the queue; if this raises, the message is received again."""
    request_id = lambda_context.aws_request_id
    logger.append_keys(request_id=request_id, message_id=record.message_id)
    message = Message(record.body, int(record.attributes.approximate_receive_count or 1))
    context = CallerContext("", request_id, lambda_context.get_remaining_time_in_millis)
    consumer = application().event_consumer
    try:
        failed = consumer.consume(message, context, append_log_keys)
    except Exception as error:
        log_error(error)
        raise FunctionFailed(type(error).__name__) from None  # Lambda logs the message of what is raised
    log_error(failed) if failed else logger.info("manual transaction settled")


def append_log_keys(transaction: ManualTransaction, context: CallerContext) -> None:
    """Add the ids of the transaction to all further log lines."""
    settings = application().settings
    masks = settings.manual_transactions.masks_customer_ids
    logger.append_keys(**log_keys(transaction, context.caller, settings.stack.name, masks))


@answers_health_checks
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
