"""The batch API: list batches, look at one, approve, stop, resolve and reverse it."""

import re
from datetime import timedelta
from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.utilities.typing import LambdaContext

import adjustments.services.steering  # noqa: F401 - with the start, not the first call
from adjustments import api, wiring
from adjustments.errors import AdjustmentsError, RequestRefused
from adjustments.states import BatchStatus

PAGE_ROWS_MAX: Final = 100
BATCH_ID_CHARS_MAX: Final = 80
BATCH_PATH: Final = re.compile(r"/batches/([0-9]{8}-[0-9]{6}-[a-z0-9-]{1,60})(?:/|$)")
STOP_TIME: Final = timedelta(seconds=15)
"""How long a call asks for jobs to stop; the state machine asks for the rest."""

logger = wiring.function_logger()
app = APIGatewayRestResolver()


@logger.inject_lambda_context(clear_state=True)
@wiring.metered
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one call."""
    logger.append_keys(request_id=api.request_id(event), batch_id=named_batch(event))
    return app.resolve(event, context)


@app.get("/batches")
def page() -> Response[str]:
    """A page of batches, newest first; ``status``, ``limit`` and ``after`` choose."""
    query = app.current_event.query_string_parameters or {}
    status, limit = query.get("status"), query.get("limit", "20")
    if status is not None and status not in set(BatchStatus):
        raise RequestRefused("unknown_status", f"status: {status[:40]!r} is none of {', '.join(BatchStatus)}")
    if not (limit.isascii() and limit.isdigit()) or not 1 <= int(limit) <= PAGE_ROWS_MAX:
        raise RequestRefused("bad_limit", f"limit: must be a number from 1 to {PAGE_ROWS_MAX}")
    after = query.get("after")
    if after and len(after) > BATCH_ID_CHARS_MAX:
        raise RequestRefused("bad_after", "after: is no batchId")
    return reply(200, wiring.build_steering().page(status, int(limit), after))


@app.get("/batches/<batch_id>")
def show(batch_id: str) -> Response[str]:
    """One batch with its jobs."""
    return reply(200, wiring.build_steering().show(batch_id))


@app.post("/batches/<batch_id>/approve")
def approve(batch_id: str) -> Response[str]:
    """Let a held batch go; the body may name what the approver believes to approve."""
    from adjustments.steering_bodies import read_approval  # only here: it loads pydantic

    batch = wiring.build_steering().approve(batch_id, read_approval(app.current_event.body, caller()))
    return reply(200, {"batchId": batch.batch_id, "status": batch.status.value})


@app.post("/batches/<batch_id>/stop")
def stop(batch_id: str) -> Response[str]:
    """Send nothing more of a batch, and stop its open jobs."""
    from adjustments.steering_bodies import read_stop_note  # only here: it loads pydantic

    note, stop_at = read_stop_note(app.current_event.body), wiring.clock.now() + STOP_TIME
    batch = wiring.build_steering().stop(batch_id, caller() or "", note, stop_at)
    return reply(200, {"batchId": batch.batch_id, "status": batch.status.value})


@app.post("/batches/<batch_id>/resolve")
def resolve(batch_id: str) -> Response[str]:
    """Settle rows in doubt by the caller's word."""
    from adjustments.steering_bodies import read_verdict  # only here: it loads pydantic

    batch, rows = wiring.build_steering().resolve(batch_id, read_verdict(app.current_event.body, caller()))
    try:
        wiring.build_notifier().notify(batch_id)
    except Exception as error:
        # The rows are settled, and the caller has to hear so; the sweep tells the others.
        logger.error("not told of yet", batch_id=batch_id, **wiring.facts_of_break(error))
    return reply(200, {"batchId": batch.batch_id, "status": batch.status.value, "rows": rows})


@app.post("/batches/<batch_id>/reversal")
def reverse(batch_id: str) -> Response[str]:
    """Make the file that takes a batch back; a person drops it."""
    return reply(200, wiring.build_steering().reverse(batch_id))


def named_batch(event: dict[str, Any]) -> str | None:
    """The batch that a call is about, for the log; None where its path names nothing like one."""
    found = BATCH_PATH.match(event.get("path") or "")
    return found[1] if found else None


def caller() -> str | None:
    """Who calls, as IAM knows them."""
    return app.current_event.request_context.identity.user_arn


@app.exception_handler(AdjustmentsError)
def tell(error: AdjustmentsError) -> Response[str]:
    """Map an error to its answer."""
    logger.warning("call refused", error=type(error).__name__)
    return told(api.answer_to(error))


@app.exception_handler(Exception)
def break_silently(error: Exception) -> Response[str]:
    """Tell a caller nothing of an error that nobody foresaw; the log has it all."""
    logger.error("call broke", **wiring.facts_of_break(error))
    return told(api.error_answer(500, "something broke here; the log has it"))


@app.not_found
def miss(error: Exception) -> Response[str]:
    """Answer a call to a path that is none of ours."""
    return told(api.error_answer(404, "there is nothing at this path"))


def told(answer: dict[str, Any]) -> Response[str]:
    """Turn an error answer into the resolver's form."""
    return Response(answer["statusCode"], "application/json", answer["body"])


def reply(status: int, fields: Any) -> Response[str]:
    """Put an answer together."""
    return Response(status, "application/json", api.answer(status, fields)["body"])
