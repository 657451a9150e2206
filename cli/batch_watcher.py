"""Watches one batch until it has ended or waits for approval, and shows its progress."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from rich.progress import BarColumn, Progress, TextColumn

from adjustments.results.formats import duration
from cli.api_client import ApiClient
from cli.errors import Exit, RequestRefused, ServiceError
from cli.output import Output, number

FINAL: Final = frozenset(
    {"completed", "completed_with_errors", "validated", "rejected", "stopped", "needs_attention"}
)
AWAITING_APPROVAL: Final = "awaiting_approval"
FUNCTION_TIMEOUT_S: Final = 15 * 60
"""How long reading a file may take: the time-out of the function that does it."""
QUEUE_VISIBILITY_S: Final = 16 * 60
"""When the queue brings a file back whose reading crashed."""
APPEARS_WITHIN_S: Final = QUEUE_VISIBILITY_S + FUNCTION_TIMEOUT_S + 60
"""A batch is there when its file has been read, be it at the second attempt; a minute is for the queue."""

_REASON_AFTER_S: Final = 60.0

_STILL_READING: Final = (
    f"there is no batch yet: reading a large file takes minutes, and where it fails it starts again after "
    f"{QUEUE_VISIBILITY_S // 60}; waiting for up to {APPEARS_WITHIN_S // 60} minutes"
)

_POLL_FIRST_S: Final = 0.5
_POLL_LAST_S: Final = 5.0
_POLL_GROWTH: Final = 1.2
_LINE_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and sleep of the watcher; tests pass their own."""

    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def watch_batch(api: ApiClient, output: Output, batch_id: str, *, is_new: bool = False) -> dict[str, Any]:
    """Watch a batch until it has ended or waits for approval; shows a bar on a terminal, lines elsewhere.

    Args:
        api: client of the API.
        output: where progress is written to.
        batch_id: the batch.
        is_new: whether the batch may not exist yet, because its file was uploaded just now.

    Returns:
        The batch in its last state, as the API shows it.

    Raises:
        RequestRefused: there is no such batch.
        ServiceError: the API failed, or the batch did not appear in time.
    """
    clock, console = Clock(), output.errors if output.is_json else output.console
    states = _states_of(api, output, clock, batch_id, is_new)
    if not console.is_terminal:
        lines = _Lines(output, clock)
        return _show_each(states, lines.show)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[progress]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("waiting for the batch", total=None, progress="")

        def show(batch: Mapping[str, Any]) -> None:
            done, total = rows_done(batch)
            progress.update(
                task,
                description=str(batch.get("status", "")).replace("_", " "),
                completed=done,
                total=total or None,
                progress=progress_line(batch),
            )

        return _show_each(states, show)


def _show_each(states: Iterator[dict[str, Any]], show: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Show each state, and return the last one."""
    batch: dict[str, Any] = {}
    for batch in states:
        show(batch)
    return batch


def _states_of(
    api: ApiClient, output: Output, clock: Clock, batch_id: str, is_new: bool
) -> Iterator[dict[str, Any]]:
    """Poll the states of a batch; the last one is final or waits for approval."""
    started_s, pause_s, is_reason_shown = clock.now_s(), _POLL_FIRST_S, False
    while True:
        batch = _poll(api, batch_id, is_new)
        if batch is not None:
            yield batch
            if batch["status"] in FINAL or batch["status"] == AWAITING_APPROVAL:
                return
            is_new = False
        elif clock.now_s() - started_s > APPEARS_WITHIN_S:
            raise ServiceError(
                f"no batch {batch_id} after {APPEARS_WITHIN_S // 60} minutes: "
                "look at the logs of the function submit_batch, and at the intake failure queue"
            )
        elif clock.now_s() - started_s > _REASON_AFTER_S and not is_reason_shown:
            output.warn(_STILL_READING)
            is_reason_shown = True
        clock.sleep(pause_s)
        pause_s = min(pause_s * _POLL_GROWTH, _POLL_LAST_S)


def _poll(api: ApiClient, batch_id: str, is_new: bool) -> dict[str, Any] | None:
    try:
        return api.batch(batch_id)
    except RequestRefused as refused:
        if is_new and refused.status == 404:
            return None
        raise


class _Lines:
    """Writes a line when the status changes, and every ten seconds."""

    def __init__(self, output: Output, clock: Clock) -> None:
        self._output = output
        self._clock = clock
        self._status = ""
        self._shown_s = 0.0

    def show(self, batch: Mapping[str, Any]) -> None:
        """Write a line if one is due."""
        now_s, status = self._clock.now_s(), str(batch.get("status", ""))
        if status == self._status and now_s - self._shown_s < _LINE_EVERY_S:
            return
        self._status, self._shown_s = status, now_s
        progress = progress_line(batch)
        self._output.say(status.replace("_", " ") + (f": {progress}" if progress else ""))


def rows_done(batch: Mapping[str, Any]) -> tuple[int, int]:
    """The number of rows whose outcome is known, and of all rows."""
    counts, progress = batch.get("counts", {}), batch.get("progress", {})
    total = int(counts.get("rows", 0))
    if batch.get("status") in FINAL:
        return total, total
    return int(progress.get("settledRows", 0)) + int(counts.get("rejected", 0)), total


def progress_line(batch: Mapping[str, Any]) -> str:
    """Rows, jobs, rate and remaining time, as far as they are known."""
    progress = batch.get("progress", {})
    done, total = rows_done(batch)
    if batch.get("dryRun") and batch.get("status") not in FINAL:
        return f"looking up balances for {number(total)} rows" if total else ""
    parts = [f"{number(done)} of {number(total)} rows"] if total else []
    jobs = progress.get("jobs") or {}
    if batch.get("sendAs") == "transactions" and parts:
        parts.append("as transactions")
    elif jobs.get("total"):
        parts.append(f"{number(jobs.get('settled', 0))} of {number(jobs['total'])} jobs")
    if batch.get("status") not in FINAL:
        if rate := progress.get("rowsPerSecond"):
            parts.append(f"{rate} rows/s")
        if left := _time_left(progress.get("expectedEnd")):
            parts.append(f"{left} left")
    return ", ".join(parts)


_SHORTEST_SHOWN: Final = timedelta(seconds=1)


def _time_left(expected_end: object) -> str:
    try:
        left = datetime.fromisoformat(str(expected_end)) - datetime.now().astimezone()
    except (TypeError, ValueError):
        return ""
    return duration(left) if left >= _SHORTEST_SHOWN else "a moment"


def exit_code(batch: Mapping[str, Any]) -> Exit:
    """0 where every row was applied, or would be according to a dry run; else 1."""
    if batch.get("status") == "completed" or (batch.get("status") == "validated" and not rows_at_risk(batch)):
        return Exit.OK
    return Exit.NEEDS_REVIEW


def rows_at_risk(batch: Mapping[str, Any]) -> int:
    """The number of rows of a dry run that a real run might not apply."""
    predicted = batch.get("prediction") or {}
    would_not = sum(predicted.get(name, 0) for name in ("wouldOverdraw", "unknownCustomer", "notPredicted"))
    return int(batch.get("counts", {}).get("rejected", 0)) + int(would_not)
