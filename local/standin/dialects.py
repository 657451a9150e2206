"""The two documented formats of a job's status (docs/gameball-api.md, "Job status")."""

from collections.abc import Callable, Iterator

from local.standin.clock import timestamp
from local.standin.jobs import COMPLETED, FAILED, QUEUED, RUNNING, STOPPED, Job
from local.standin.settings import Settings

_OPENAPI_STATES = {QUEUED: "pending", RUNNING: "processing", COMPLETED: "completed", FAILED: "failed"}
_CASES: dict[str, Callable[[str], str]] = {"lower": str.lower, "title": str.capitalize, "upper": str.upper}


def guide_status(job: Job, settings: Settings, now_ns: int) -> dict[str, object]:
    """The guide's format. `finishedCount` counts successful rows, as its explanation says."""
    state = job.state(now_ns)
    finished, failed = _counters(job, settings)
    return {
        "jobId": job.job_id,
        "operation": job.operation,
        "totalCount": len(job.rows),
        "finishedCount": finished,
        "errorCount": failed,
        "createdAt": timestamp(job.accepted_at),
        "startedAt": job.started_at(now_ns),
        "status": _CASES[settings.state_case](state),
        "response": None if state in (QUEUED, STOPPED) else _guide_rows(job, settings),
    }


def openapi_status(job: Job, settings: Settings, now_ns: int) -> dict[str, object]:
    """The OpenAPI's format. `processedItems` counts all processed rows, including failed ones."""
    state = job.state(now_ns)
    finished, failed = _counters(job, settings)
    listed = state not in (QUEUED, STOPPED)
    return {
        "batchId": str(job.job_id),
        "status": _CASES[settings.state_case](_openapi_state(state, settings)),
        "progress": 100 * job.done_rows // len(job.rows),
        "totalItems": len(job.rows),
        "processedItems": finished + failed,
        "failedItems": failed,
        "results": list(_successful(job, settings)) if listed else [],
        "errors": list(_failed(job, settings, "error")) if listed else [],
    }


def _openapi_state(state: str, settings: Settings) -> str:
    """Assumption: that dialect documents no state after a stop; `failed` is the nearest it has."""
    return settings.openapi_stopped_state if state == STOPPED else _OPENAPI_STATES.get(state, state)


def _counters(job: Job, settings: Settings) -> tuple[int, int]:
    """The numbers of successful and failed rows; wrong ones on request, as in the documented examples."""
    failed = len(job.failures)
    if settings.counters_lie == "rosy":
        return len(job.rows) + 1, 0
    if settings.counters_lie == "grim":
        return 0, len(job.rows)
    return job.done_rows - failed, failed


def _guide_rows(job: Job, settings: Settings) -> dict[str, object]:
    return {
        "successful": list(_successful(job, settings)),
        "failed": list(_failed(job, settings, "message")),
    }


def _listed(job: Job, settings: Settings) -> Iterator[int]:
    most = job.done_rows if job.plan.list_rows is None else min(job.plan.list_rows, job.done_rows)
    hidden = settings.unlisted_customers
    return (index for index in range(most) if job.rows[index].customer_id not in hidden)


def _successful(job: Job, settings: Settings) -> Iterator[dict[str, object]]:
    return (_success(job, index) for index in _listed(job, settings) if index not in job.failures)


def _success(job: Job, index: int) -> dict[str, object]:
    """A successful row. Assumption: an inquiry's row carries the three balances of the balance call."""
    row: dict[str, object] = {"customerId": job.rows[index].customer_id}
    if index in job.balances:
        balance = job.balances[index]
        return row | {"totalPointsBalance": balance, "availablePointsBalance": balance, "pendingPoints": 0}
    return row | {"message": "Success"}


def _failed(job: Job, settings: Settings, default_key: str) -> Iterator[dict[str, object]]:
    key = default_key if settings.failed_row_key == "default" else settings.failed_row_key
    return (
        {"customerId": job.rows[index].customer_id, key: job.failures[index]}
        for index in _listed(job, settings)
        if index in job.failures
    )
