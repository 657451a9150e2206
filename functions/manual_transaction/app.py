"""Adds one manual transaction: asked for through the API, or by an event on the bus or of a schedule."""

import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from adjustments import api, manual_wiring
from adjustments.aws.event_log import facts_of
from adjustments.aws.event_models import take_each
from adjustments.core.errors import AdjustmentsError, GameballError, GameballUnauthorized
from adjustments.manual.discretion import loggable, names_of
from adjustments.manual.transaction import ManualTransaction, read_manual_transaction
from adjustments.ports import Asking
from adjustments.services.requesting import message_of

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

BROKEN = "something broke here; repeating the call with the same transactionId is safe"

logger = manual_wiring.function_logger()


@logger.inject_lambda_context(clear_state=True)
@manual_wiring.metered
def handler(event: dict[str, Any], context: "LambdaContext") -> Any:
    """Answer a call, or take each message of the queue."""
    if "Records" in event:
        return take_each(event["Records"], partial(take, lambda_context=context))
    request_id = api.request_id(event) or context.aws_request_id
    asking = Asking(api.caller(event), request_id, context.get_remaining_time_in_millis)
    logger.append_keys(request_id=request_id, caller=loggable(asking.caller))
    try:
        answer = add(event, asking)
    except AdjustmentsError as error:
        tell(error)
        answer = api.answer_to(error)
    except Exception as error:  # whatever happens, nothing inside gets out
        tell(error)
        answer = api.error_answer(500, BROKEN)
    answer["headers"]["x-request-id"] = request_id
    return answer


def add(event: dict[str, Any], asking: Asking) -> dict[str, Any]:
    """Add what a call of the API asks for."""
    transaction = read_manual_transaction(api.read_body(event), manual_wiring.clock.now())
    name(transaction, asking)
    added = manual_wiring.build_transactor().add(transaction, asking)
    logger.info("manual transaction added", replayed=added.is_replayed)
    return api.text_answer(200, added.body, {"idempotent-replayed": "true"} if added.is_replayed else {})


def take(record: dict[str, Any], lambda_context: "LambdaContext") -> None:
    """Take one message; what is raised makes it come again."""
    request_id = lambda_context.aws_request_id
    logger.append_keys(request_id=request_id, message_id=record["messageId"])
    message = message_of(record, manual_wiring.settings().receives_max)
    asking = Asking("", request_id, lambda_context.get_remaining_time_in_millis)
    try:
        failed = manual_wiring.build_requester().take(message, asking, name)
    except Exception as error:
        tell(error)
        raise
    tell(failed) if failed else logger.info("manual transaction settled")


def name(transaction: ManualTransaction, asking: Asking) -> None:
    """Let all further lines be found by what the transaction is called."""
    settings = manual_wiring.settings()
    names = names_of(transaction, asking.caller, settings.stack, settings.masks_customer_ids)
    logger.append_keys(**names)


def tell(error: Exception) -> None:
    """Log an error by its names and numbers: its words may hold what a customer or Gameball wrote."""
    told: dict[str, Any] = {"error": type(error).__name__}
    if isinstance(error, GameballError):
        told = dict(facts_of(error))
    elif not isinstance(error, AdjustmentsError):
        told["stack"] = traceback.format_tb(error.__traceback__)
    logger.warning("manual transaction not added", **told)
    if isinstance(error, GameballUnauthorized):
        manual_wiring.meter().count({"KeysRefused": 1})
