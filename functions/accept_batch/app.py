"""Takes a batch from the API, in the seed's form (seed, balance-adjustment-batch)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import adjustments.submission.api_submission  # noqa: F401 - with the start, not the first call
from adjustments import api, wiring
from adjustments.aws import batch_metrics as measures
from adjustments.batches.records import Batch
from adjustments.core import limits
from adjustments.core.errors import AdjustmentsError, RequestRefused

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = wiring.function_logger()


@logger.inject_lambda_context(clear_state=True)
@wiring.metered
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Answer one call: the jobId where the batch fits one chunk, else the batchId alone."""
    logger.append_keys(request_id=api.request_id(event))
    try:
        body = api.read_body(event, limits.BATCH_BODY_BYTES_MAX)
        batch = wiring.build_acceptor().accept(body, idempotency_key(event))
        wiring.meter().count(measures.of_step(batch))
        logger.info("batch taken", batch_id=batch.batch_id, status=batch.status.value, chunks=batch.chunks)
        return answer(batch)
    except AdjustmentsError as error:
        logger.warning("batch not taken", error=type(error).__name__)
        return api.answer_to(error)
    except Exception as error:
        logger.error("call broke", **wiring.facts_of_break(error))
        return api.error_answer(500, "something broke here; with an Idempotency-Key, repeating is safe")


def answer(batch: Batch) -> dict[str, Any]:
    """Tell what became of the body so far."""
    if batch.refusal:
        raise RequestRefused("refused", batch.refusal)
    job_id = wiring.build_acceptor().only_job(batch)
    if job_id is None:
        return api.answer(202, {"batchId": batch.batch_id})
    return api.answer(200, {"jobId": job_id, "batchId": batch.batch_id})


def idempotency_key(event: Mapping[str, Any]) -> str | None:
    """The caller's name for the request; header names come in any letter case."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    key = headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= limits.IDEMPOTENCY_KEY_CHARS_MAX:
        told = f"Idempotency-Key: must have 1 to {limits.IDEMPOTENCY_KEY_CHARS_MAX} characters"
        raise RequestRefused("bad_key", told)
    return key
