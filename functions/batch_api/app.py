"""The batch API: list batches, look at one, approve, stop, resolve and reverse it."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import adjustments.administration.service  # noqa: F401 - with the start, not the first call
from adjustments import api, wiring
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.core import ids
from adjustments.core.errors import AdjustmentsError, NotFound, RequestRefused

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

PAGE_ROWS_MAX: Final = 100
BATCH_ID_CHARS_MAX: Final = 80
STOP_TIME: Final = timedelta(seconds=15)
"""How long a call asks for jobs to stop; the state machine asks for the rest."""

Event = Mapping[str, Any]
logger = wiring.function_logger()


@logger.inject_lambda_context(clear_state=True)
@wiring.metered
def handler(event: Event, context: "LambdaContext") -> dict[str, Any]:
    """Answer one call."""
    named = api.path_parameter(event, "batchId")
    logger.append_keys(request_id=api.request_id(event), batch_id=named if ids.is_batch_id(named) else None)
    try:
        if (route := ROUTES.get(api.route(event))) is None:
            raise NotFound("there is nothing at this path")
        return api.answer(200, route(event))
    except NotFound as error:
        # `adjust submit --wait` asks for its batch until there is one: that is no trouble.
        logger.info("call refused", error=type(error).__name__)
        return api.answer_to(error)
    except AdjustmentsError as error:
        logger.warning("call refused", error=type(error).__name__)
        return api.answer_to(error)
    except Exception as error:  # whatever happens, nothing inside gets out
        logger.error("call broke", **wiring.facts_of_break(error))
        return api.error_answer(500, "something broke here; the log has it")


def page(event: Event) -> Mapping[str, Any]:
    """A page of batches, newest first; ``status``, ``limit`` and ``after`` choose."""
    query = api.query(event)
    status, limit = query.get("status"), query.get("limit", "20")
    if status is not None and status not in set(BatchStatus):
        raise RequestRefused("unknown_status", f"status: {status[:40]!r} is none of {', '.join(BatchStatus)}")
    if not (limit.isascii() and limit.isdigit()) or not 1 <= int(limit) <= PAGE_ROWS_MAX:
        raise RequestRefused("bad_limit", f"limit: must be a number from 1 to {PAGE_ROWS_MAX}")
    after = query.get("after")
    if after and len(after) > BATCH_ID_CHARS_MAX:
        raise RequestRefused("bad_after", "after: is no batchId")
    return wiring.build_steering().page(status, int(limit), after)


def show(event: Event) -> Mapping[str, Any]:
    """One batch with its jobs."""
    return wiring.build_steering().show(batch_of(event))


def approve(event: Event) -> Mapping[str, Any]:
    """Let a held batch go; the body may name what the approver believes to approve."""
    from adjustments.administration.request_bodies import read_approval  # only here: it loads pydantic

    approval = read_approval(event.get("body"), api.caller(event))
    return standing(wiring.build_steering().approve(batch_of(event), approval))


def stop(event: Event) -> Mapping[str, Any]:
    """Send nothing more of a batch, and stop its running jobs unless the body says to keep them."""
    from adjustments.administration.request_bodies import read_stop  # only here: it loads pydantic

    wanted, stop_at = read_stop(event.get("body")), wiring.clock.now() + STOP_TIME
    steering = wiring.build_steering()
    batch = steering.stop(
        batch_of(event), api.caller(event), wanted.note, stop_at, keep_jobs=wanted.keep_jobs
    )
    return standing(batch)


def resolve(event: Event) -> Mapping[str, Any]:
    """Settle rows in doubt by the caller's word."""
    from adjustments.administration.request_bodies import read_verdict  # only here: it loads pydantic

    verdict = read_verdict(event.get("body"), api.caller(event))
    batch, rows = wiring.build_resolver().resolve(batch_of(event), verdict)
    try:
        wiring.build_notifier().notify(batch.batch_id)
    except Exception as error:
        # The rows are settled, and the caller has to hear so; the sweep tells the others.
        logger.error("not told of yet", batch_id=batch.batch_id, **wiring.facts_of_break(error))
    return {**standing(batch), "rows": rows}


def reverse(event: Event) -> Mapping[str, Any]:
    """Make the file that takes a batch back; a person drops it."""
    return wiring.build_reverser().reverse(batch_of(event))


def batch_of(event: Event) -> str:
    """The batch that a call is about; raises NotFound where no batch is ever called so."""
    named = api.path_parameter(event, "batchId")
    if not ids.is_batch_id(named):
        raise NotFound(f"there is no batch {named[:BATCH_ID_CHARS_MAX]}")
    return named


def standing(batch: Batch) -> dict[str, Any]:
    """What is told of a batch that somebody decided about."""
    return {"batchId": batch.batch_id, "status": batch.status.value}


ROUTES: Final[Mapping[tuple[str, str], Callable[[Event], Mapping[str, Any]]]] = {
    ("GET", "/batches"): page,
    ("GET", "/batches/{batchId}"): show,
    ("POST", "/batches/{batchId}/approve"): approve,
    ("POST", "/batches/{batchId}/stop"): stop,
    ("POST", "/batches/{batchId}/resolve"): resolve,
    ("POST", "/batches/{batchId}/reversal"): reverse,
}
"""What each method and resource of the template does; API Gateway has matched a call with them."""
