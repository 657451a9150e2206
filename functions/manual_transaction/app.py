"""Adds one manual transaction: asked for through the API, or by an event on the bus."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.typing import LambdaContext

from adjustments import api, wiring
from adjustments.errors import AdjustmentsError
from adjustments.manual import read_manual_transaction

TIME_MAX: Final = timedelta(seconds=24)
"""When to stop trying: API Gateway gives a caller 29 seconds at most (its quota "integration timeout")."""

logger = Logger()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Answer a call, or take each event that came through the queue."""
    if "Records" in event:
        return process_partial_response(
            event=event, record_handler=take, processor=processor, context=context
        )
    try:
        return api.answer(200, add(api.read_body(event)))
    except AdjustmentsError as error:
        logger.warning("manual transaction not added", error=type(error).__name__)
        return api.answer_to(error)
    except Exception:
        logger.exception("manual transaction broke")
        return api.error_answer(
            500, "something broke here; repeating the call with the same transactionId is safe"
        )


def take(record: dict[str, Any]) -> None:
    """Take one ``Manual Transaction Requested`` event; its detail is the seed's body."""
    add(api.read_body({"body": json.dumps(json.loads(record["body"])["detail"])}))


def add(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read a transaction and send it."""
    transaction = read_manual_transaction(fields)
    return wiring.build_transactor().add(transaction, wiring.clock.now() + TIME_MAX)
